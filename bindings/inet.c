/* The Lua module `inet`: IP addresses between text and bytes, by the C library. */
#include <arpa/inet.h>
#include <string.h>

#include "shell/registry.h"

static int l_bytes(lua_State *L)
{
	const char *text = lua_tostring(L, 1);
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, bytes) == 1)
		lua_pushlstring(L, (const char *)bytes, sizeof(struct in_addr));
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		lua_pushlstring(L, (const char *)bytes, sizeof(struct in6_addr));
	else
		lua_pushnil(L);
	return 1;
}

static int l_text(lua_State *L)
{
	char text[INET6_ADDRSTRLEN];
	size_t len;
	const char *bytes = lua_tolstring(L, 1, &len);

	if (len != sizeof(struct in_addr) && len != sizeof(struct in6_addr))
		return nerv_error(L, "inet.text: bytes must be 4 or 16, not %zu", len);
	inet_ntop(len == sizeof(struct in_addr) ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	lua_pushstring(L, text);
	return 1;
}

static const struct fn functions[] = {
	{ "bytes", l_bytes,
	  (const struct arg[]){ { "text", ARG_STRING, true, "an IPv4 or IPv6 address", NULL }, { 0 } },
	  "returns an address's 4 or 16 bytes in network order; nil when the text is none",
	  "assert(#inet.bytes \"fd00::1\" == 16)" },
	{ "text", l_text,
	  (const struct arg[]){ { "bytes", ARG_BYTES, true, "4 or 16 bytes in network order", NULL }, { 0 } },
	  "returns the text of an address, IPv6 as RFC 5952 has it",
	  "assert(inet.text(inet.bytes \"FD00:0::1\") == \"fd00::1\")" },
	{ 0 }
};

NERV_MODULE(inet, .name = "inet", .text = "IP addresses as text and as bytes", .functions = functions);
