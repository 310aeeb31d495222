/* process.packet_buffers: room for the frames that another process reads and sends. */
#ifndef NERV_BINDINGS_PROCESS_BUFFERS_H
#define NERV_BINDINGS_PROCESS_BUFFERS_H

#include <lua.h>

/* (pid, bytes): sets both buffers of each AF_PACKET socket of a process, whose descriptors are borrowed by
 * pidfd_getfd(2), which root may. Pushes how many sockets there are; or nil, message, code. Does not block. */
int process_l_packet_buffers(lua_State *L);

#endif
