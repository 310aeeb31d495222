/* Functions of the module `openflow_codec` that lie in several files. */
#ifndef NERV_BINDINGS_OPENFLOW_LUA_H
#define NERV_BINDINGS_OPENFLOW_LUA_H

#include <lua.h>

#include "bindings/openflow_wire.h"

/* The message that the string at `idx` names; raises with the nearest name. */
enum ofp_type ofp_check_type(lua_State *L, int idx);

/* Encodes the message named at `idx` with the items of the table or nil behind it; may push one value. */
void ofp_encode_arguments(lua_State *L, struct ofp_writer *w, int idx, uint32_t xid);

/* Makes the class of channels known. */
void ofp_channel_open(lua_State *L);

int ofp_l_channel(lua_State *L);

/* Computes the checksums that are not finished in the frames of whole packet_in messages at the start of `n` bytes of
 * a stream. Returns how many bytes those and other whole messages are; all when they are no OpenFlow. */
size_t ofp_finish_frames(uint8_t *bytes, size_t n);

int ofp_l_finish_frames(lua_State *L);

#endif
