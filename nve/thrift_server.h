/* The Thrift server: one epoll loop over listeners and connections.
 *
 * A request is handled when it has arrived whole (frame.h), so slow, half-open and garbage-sending clients hold nobody up;
 * answers leave when the input holds no further whole request, or much is waiting. A client that does not read its
 * answers is not read from. Methods run one after the other in this thread: the switch needs no locks. */
#ifndef NERV_NVE_THRIFT_SERVER_H
#define NERV_NVE_THRIFT_SERVER_H

#include "switch.h"

#define NVE_MAX_CLIENTS 256

struct nve_server;

int nve_server_new(struct nve_switch *sw, struct nve_server **out, struct nve_error *e);
void nve_server_free(struct nve_server *s);

/* Listen: on an address and port (0: any), whose number is returned; on a Unix socket with mode 0660. A socket file that
 * nobody answers is replaced; it is removed by nve_server_free(). */
int nve_server_tcp(struct nve_server *s, const char *address, int port, struct nve_error *e);
int nve_server_unix(struct nve_server *s, const char *path, struct nve_error *e);

/* Serves until stop_fd is readable. */
int nve_server_run(struct nve_server *s, int stop_fd, struct nve_error *e);

#endif
