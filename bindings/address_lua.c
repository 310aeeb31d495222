/* IPv4 and IPv6 addresses between option tables, netlink attributes and results. */
#include "bindings/address_lua.h"

#include <sys/socket.h>

bool compile_address(const struct compile *c, const char *key, struct prefix *p)
{
	const char *text = compile_string(c, key);
	char why[256];

	if (!text)
		return false;
	if (prefix_parse(p, text, why, sizeof(why)))
		compile_error(c, "%s: %s", key, why);
	if (p->has_length)
		compile_error(c, "%s: \"%s\" has a prefix length; an address alone is wanted", key,
			      text);
	return true;
}

bool compile_network(const struct compile *c, const char *key, struct prefix *p)
{
	const char *text = compile_string(c, key);
	char why[256], network[PREFIX_TEXT];

	if (!text)
		return false;
	if (prefix_parse(p, text, why, sizeof(why)))
		compile_error(c, "%s: %s", key, why);
	if (prefix_mask(p)) {
		prefix_format(p, true, network);
		compile_error(c, "%s: bad CIDR \"%s\": bits are set after the prefix; the network is "
			      "\"%s\"", key, text, network);
	}
	return true;
}

int compile_family(const struct compile *c)
{
	int64_t n = 0;

	compile_integer(c, "family", 4, 6, &n);
	if (n == 5)
		compile_error(c, "family must be 4 or 6, not 5");
	return n == 4 ? AF_INET : n == 6 ? AF_INET6 : 0;
}

int put_prefix(struct nl_msg *msg, int type, const struct prefix *p)
{
	return p->family ? nla_put(msg, type, (int)prefix_size(p), p->bytes) : 0;
}

static void set_prefix(lua_State *L, const char *key, int family, const struct nlattr *a, int length,
		       bool with_length)
{
	char text[PREFIX_TEXT];
	struct prefix p;

	if (!a || !prefix_from_bytes(&p, family, nla_data(a), (size_t)nla_len(a), length))
		return;
	prefix_format(&p, with_length, text);
	set_string(L, key, text);
}

void set_address(lua_State *L, const char *key, int family, const struct nlattr *a)
{
	set_prefix(L, key, family, a, 0, false);
}

void set_network(lua_State *L, const char *key, int family, const struct nlattr *a, int length)
{
	set_prefix(L, key, family, a, length, true);
}

void set_family(lua_State *L, int family)
{
	set_integer(L, "family", family == AF_INET ? 4 : 6);
}
