/* Functions of the module `packet` that need no socket. */
#ifndef NERV_BINDINGS_PACKET_LUA_H
#define NERV_BINDINGS_PACKET_LUA_H

#include <lua.h>

#include "bindings/packet_protocol.h"

int packet_l_build(lua_State *L);
int packet_l_parse(lua_State *L);
int packet_l_protocols(lua_State *L);

/* Makes the metatable of parsed packets: p.ipv4 is the first layer of that type. */
void packet_parsed_open(lua_State *L);

/* The protocol that the string at `idx` names; raises in the name of `what`, with the
 * nearest name, when there is none. */
const struct packet_protocol *packet_named(lua_State *L, int idx, const char *what);

/* The type of a field's values, as help shows it. */
const char *packet_kind_name(enum packet_kind kind);

/* Whether a header of `length` bytes at `h` has the field. */
bool packet_has(const struct packet_field *f, const uint8_t *h, size_t length);

#endif
