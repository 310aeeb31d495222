/* IPv4 and IPv6 addresses between option tables, netlink attributes and results. */
#ifndef NERV_BINDINGS_ADDRESS_LUA_H
#define NERV_BINDINGS_ADDRESS_LUA_H

#include "bindings/address_parse.h"
#include "bindings/op_lua.h"

/* The option `key`, an address alone. Absent: false, and *p is left alone. */
bool compile_address(const struct compile *c, const char *key, struct prefix *p);

/* The option `key`, a network: a CIDR with no bits set after the prefix, or an address
 * alone. Absent: false. */
bool compile_network(const struct compile *c, const char *key, struct prefix *p);

/* The option `family`, 4 or 6: AF_INET, AF_INET6, or 0 when it is absent. */
int compile_family(const struct compile *c);

/* Puts the address as an attribute, unless its family is 0; 0 or negative. */
int put_prefix(struct nl_msg *msg, int type, const struct prefix *p);

/* Sets `key` of the table on top to an address, or to a network of `length` bits; nothing
 * when `a` is NULL or of another family. */
void set_address(lua_State *L, const char *key, int family, const struct nlattr *a);
void set_network(lua_State *L, const char *key, int family, const struct nlattr *a, int length);

/* Sets `family`: 4 or 6. */
void set_family(lua_State *L, int family);

#endif
