/* OpenFlow messages: any bytes are refused, or are a table that encodes to a message which says the same; and what a
 * reply's parts hold is what the whole holds. Frames in them that are finished once are finished. */
#include <lauxlib.h>
#include <string.h>

#include "bindings/openflow_lua.h"
#include "tests/fuzz/fuzz.h"

static struct ofp_writer writer;

/* With the type and the table as arguments. */
static int encode(lua_State *L)
{
	writer.L = L;
	writer.what = NULL;
	ofp_encode(&writer, (enum ofp_type)lua_tointeger(L, 1), 2, 7);
	return 0;
}

/* Encodes the table on top; false when Lua would not be let. */
static bool encodes(lua_State *L, int type)
{
	bool good;

	lua_pushcfunction(L, encode);
	lua_pushinteger(L, type);
	lua_pushvalue(L, -3);
	good = lua_pcall(L, 2, 0, 0) == LUA_OK;
	if (!good)
		lua_pop(L, 1);
	return good;
}

static void check_again(lua_State *L, int type)
{
	size_t n = writer.n;

	MUST(n >= OFP_HEAD && ofp_get(writer.bytes + 2, 2) == n);
	MUST(!ofp_decode(L, writer.bytes, n));
	MUST(encodes(L, type) && writer.n == n);
	lua_pop(L, 1);
}

static void check_parts(lua_State *L, const uint8_t *bytes, size_t n)
{
	lua_Integer elements = 0;

	lua_newtable(L);
	MUST(!ofp_decode_part(L, bytes, n, &elements));
	if (lua_getfield(L, -2, "list") == LUA_TTABLE)
		MUST((lua_Integer)lua_rawlen(L, -1) == elements);
	lua_pop(L, 2);
}

static void check_finish(uint8_t *bytes, size_t n)
{
	size_t whole = ofp_finish_frames(bytes, n);
	uint8_t *again = malloc(n + 1);

	MUST(again && whole <= n);
	memcpy(again, bytes, n);
	MUST(ofp_finish_frames(again, n) == whole && !memcmp(again, bytes, n));
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	lua_State *L = luaL_newstate();
	uint8_t *copy = malloc(n + 1);	/* so that a byte behind the end is noticed */

	MUST(L && copy);
	memcpy(copy, bytes, n);
	copy = realloc(copy, n ? n : 1);
	MUST(copy);
	if (n >= 4) {
		ofp_set(copy + 2, 2, n);
		if (n > OFP_MOST)
			n = 0;
	}
	if (!ofp_decode(L, copy, n)) {
		MUST(lua_gettop(L) == 1);
		if (copy[1] == OFP_MULTIPART_REPLY)
			check_parts(L, copy, n);
		if (encodes(L, copy[1]))
			check_again(L, copy[1]);
	} else {
		MUST(lua_gettop(L) == 0);
	}
	check_finish(copy, n);
	lua_close(L);
	free(copy);
	return 0;
}
