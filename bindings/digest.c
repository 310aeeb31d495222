/* The Lua module `digest`: checksums and random numbers. */
#include <errno.h>
#include <glib.h>
#include <sys/random.h>

#include "shell/registry.h"

static int l_sha256(lua_State *L)
{
	size_t len;
	const char *bytes = lua_tolstring(L, 1, &len);
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	char hex[65];

	/* Updates take a signed length; free before the push, which may raise. */
	for (; len > G_MAXINT32; bytes += G_MAXINT32, len -= G_MAXINT32)
		g_checksum_update(sum, (const guchar *)bytes, G_MAXINT32);
	g_checksum_update(sum, (const guchar *)bytes, (gssize)len);
	g_strlcpy(hex, g_checksum_get_string(sum), sizeof(hex));
	g_checksum_free(sum);
	lua_pushstring(L, hex);
	return 1;
}

static int l_random(lua_State *L)
{
	static const char digits[] = "0123456789abcdef";
	lua_Integer n = lua_tointeger(L, 1);
	unsigned char bytes[256];	/* what getrandom never gives in part (getrandom(2)) */
	char hex[2 * sizeof(bytes)];

	if (n < 1 || n > (lua_Integer)sizeof(bytes))
		return nerv_error(L, "digest.random: bytes must be 1 to %zu", sizeof(bytes));
	if (getrandom(bytes, (size_t)n, 0) != n)
		return nerv_fail(L, errno, "digest.random");
	for (lua_Integer i = 0; i < n; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	lua_pushlstring(L, hex, (size_t)(2 * n));
	return 1;
}

static const struct fn functions[] = {
	{ "sha256", l_sha256,
	  (const struct arg[]){ { "bytes", ARG_BYTES, true, "what to sum up", NULL }, { 0 } },
	  "returns the SHA-256 of bytes, in hexadecimal",
	  "print(digest.sha256 \"abc\")" },
	{ "random", l_random,
	  (const struct arg[]){ { "bytes", ARG_INTEGER, true, "how many, 1 to 256", NULL }, { 0 } },
	  "returns random bytes from the kernel, in hexadecimal",
	  "print(digest.random(4))" },
	{ 0 }
};

NERV_MODULE(digest, .name = "digest", .text = "checksums and random numbers",
	    .functions = functions);
