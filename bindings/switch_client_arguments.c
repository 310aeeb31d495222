/* Arguments of calls to a switch: copies of Lua's values in the call's arena. */
#include "bindings/switch_client.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shell/registry.h"

#define MAX_BYTES (NVE_MAX_BITS / 8)	/* of one field */
#define MAX_FIELDS 255			/* of one entry */
#define ENTRIES_AT_ONCE 2000u		/* in one pass of the loop */

/* What is read at present, for error texts: "switch_client:add: entry 3: key". */
struct reading {
	lua_State *L;
	struct switch_call *c;
	lua_Integer entry;		/* 0: no list of entries */
	const char *what;		/* "key" or "data" */
};

static void *take_memory(lua_State *L, struct switch_call *c, size_t size)
{
	void *p = arena_alloc(&c->arena, size);

	if (!p)
		luaL_error(L, "%s: out of memory", c->verb->name);
	return p;
}

const char *switch_take_string(lua_State *L, struct switch_call *c, int idx)
{
	size_t len;
	const char *s = lua_tolstring(L, idx, &len);
	char *copy = take_memory(L, c, len + 1);

	memcpy(copy, s, len);
	return copy;
}

static int __attribute__((format(printf, 2, 3))) misuse(const struct reading *r, const char *fmt, ...)
{
	char text[256], entry[32] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->entry)
		snprintf(entry, sizeof(entry), ": entry %lld", (long long)r->entry);
	return nerv_error(r->L, "%s%s: %s", r->c->verb->name, entry, text);
}

/* The string on top of the stack; pops it. */
static struct nve_blob take_bytes(const struct reading *r, lua_Integer i)
{
	struct nve_blob b = { NULL, 0 };
	uint8_t *copy;
	const char *s;

	if (lua_type(r->L, -1) != LUA_TSTRING)
		misuse(r, "%s %lld must be a string of bytes, most significant first, not %s", r->what, (long long)i,
		       luaL_typename(r->L, -1));
	s = lua_tolstring(r->L, -1, &b.len);
	if (b.len > MAX_BYTES)
		misuse(r, "%s %lld has %zu bytes, more than %u", r->what, (long long)i, b.len, MAX_BYTES);
	copy = take_memory(r->L, r->c, b.len + 1);
	memcpy(copy, s, b.len);
	b.data = copy;
	lua_pop(r->L, 1);
	return b;
}

static unsigned int list_length(const struct reading *r, int idx)
{
	lua_Unsigned n;

	if (!lua_istable(r->L, idx))
		misuse(r, "%s must be a list, not %s", r->what, luaL_typename(r->L, idx));
	n = lua_rawlen(r->L, idx);
	if (n > MAX_FIELDS)
		misuse(r, "%s has %llu items, more than %d", r->what, (unsigned long long)n, MAX_FIELDS);
	return (unsigned int)n;
}

/* The list on top of the stack. */
static const struct nve_blob *take_data(const struct reading *r, unsigned int *n)
{
	struct nve_blob *data;
	unsigned int i;

	*n = list_length(r, -1);
	data = take_memory(r->L, r->c, *n * sizeof(*data));
	for (i = 0; i < *n; i++) {
		lua_rawgeti(r->L, -1, i + 1);
		data[i] = take_bytes(r, i + 1);
	}
	return data;
}

void switch_take_data(lua_State *L, struct switch_call *c, int idx)
{
	struct reading r = { L, c, 0, "data" };

	if (lua_isnoneornil(L, idx))
		return;
	lua_pushvalue(L, idx);
	c->data = (struct nve_blob *)(uintptr_t)take_data(&r, &c->n_data);
	lua_pop(L, 1);
}

static bool push_part(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	if (lua_rawget(L, -2) != LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

/* A key that is no plain string: { value =, prefix = }, { value =, mask = } or { first =, last = }. */
static void take_parts(const struct reading *r, lua_Integer i, struct nve_key *k)
{
	lua_State *L = r->L;
	int integer;

	if (push_part(L, "value")) {
		k->value = take_bytes(r, i);
		if (push_part(L, "mask")) {
			k->match = NVE_MATCH_TERNARY;
			k->extra = take_bytes(r, i);
			return;
		}
		if (push_part(L, "prefix")) {
			k->match = NVE_MATCH_LPM;
			k->prefix = (int)lua_tointegerx(L, -1, &integer);
			if (!integer || k->prefix < 0 || lua_tointeger(L, -1) > (lua_Integer)NVE_MAX_BITS)
				misuse(r, "key %lld: prefix must be a number of bits, 0 to %u", (long long)i, NVE_MAX_BITS);
			lua_pop(L, 1);
			return;
		}
	} else if (push_part(L, "first")) {
		k->match = NVE_MATCH_RANGE;
		k->value = take_bytes(r, i);
		if (push_part(L, "last")) {
			k->extra = take_bytes(r, i);
			return;
		}
	}
	misuse(r, "key %lld must be bytes, { value =, prefix = }, { value =, mask = } or { first =, last = }",
	       (long long)i);
}

/* The key field on top of the stack; pops it. */
static void take_key(const struct reading *r, lua_Integer i, struct nve_key *k)
{
	static const uint8_t bits[2] = { 0, 1 };

	if (lua_istable(r->L, -1)) {
		take_parts(r, i, k);
		lua_pop(r->L, 1);
	} else if (lua_isboolean(r->L, -1)) {
		k->match = NVE_MATCH_VALID;
		k->value = (struct nve_blob){ &bits[lua_toboolean(r->L, -1)], 1 };
		lua_pop(r->L, 1);
	} else {
		k->value = take_bytes(r, i);
	}
}

static void take_keys(const struct reading *r, struct nve_op *op)
{
	struct nve_key *keys;
	unsigned int i;

	op->n_keys = list_length(r, -1);
	keys = take_memory(r->L, r->c, op->n_keys * sizeof(*keys));
	op->keys = keys;
	for (i = 0; i < op->n_keys; i++) {
		lua_rawgeti(r->L, -1, i + 1);
		take_key(r, i + 1, &keys[i]);
	}
}

/* Most entries of a list have the action of the one before. */
static void take_action(const struct reading *r, struct nve_op *op, const struct nve_op *before)
{
	size_t len;
	const char *s;

	if (lua_type(r->L, -1) != LUA_TSTRING)
		misuse(r, "action must be a name, not %s", luaL_typename(r->L, -1));
	s = lua_tolstring(r->L, -1, &len);
	if (strlen(s) != len)
		misuse(r, "action holds a NUL byte");
	if (before && strcmp(before->action, s) == 0)
		op->action = before->action;
	else
		op->action = switch_take_string(r->L, r->c, -1);
}

static void take_priority(const struct reading *r, struct nve_op *op)
{
	int integer;
	lua_Integer n = lua_tointegerx(r->L, -1, &integer);

	if (lua_type(r->L, -1) != LUA_TNUMBER || !integer || n < 0 || n > INT32_MAX)
		misuse(r, "priority must be an integer from 0 to %d", INT32_MAX);
	op->priority = (int)n;
}

/* One option of an entry: its name is below its value, which is on top. */
static void take_option(struct reading *r, struct nve_op *op, const struct nve_op *before)
{
	static const char *const names[] = { "key", "action", "data", "priority", NULL };
	const char *name = lua_type(r->L, -2) == LUA_TSTRING ? lua_tostring(r->L, -2) : "", *near;

	if (strcmp(name, "key") == 0) {
		r->what = "key";
		take_keys(r, op);
	} else if (strcmp(name, "data") == 0) {
		r->what = "data";
		op->data = take_data(r, &op->n_data);
	} else if (strcmp(name, "action") == 0) {
		take_action(r, op, before);
	} else if (strcmp(name, "priority") == 0) {
		take_priority(r, op);
	} else {
		near = nearest_name(name, names);
		misuse(r, near ? "unknown option '%s'; did you mean '%s'?" : "unknown option '%s'", name, near);
	}
}

/* The entry on top of the stack. */
static void take_entry(struct reading *r, struct nve_op *op, const struct nve_op *before)
{
	lua_State *L = r->L;

	if (!lua_istable(L, -1))
		misuse(r, "it must be { key = {...}, action = NAME, data = {...} }, not %s", luaL_typename(L, -1));
	op->kind = NVE_OP_ADD;
	op->table = r->c->table;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		take_option(r, op, before);
	if (!op->keys || !op->action)
		misuse(r, "option '%s' is missing", op->keys ? "action" : "key");
}

static void begin_entries(lua_State *L, struct switch_call *c, int idx)
{
	struct reading r = { L, c, 0, "entries" };
	lua_Unsigned n = lua_rawlen(L, idx);

	if (n > NVE_MAX_ENTRIES)
		misuse(&r, "%llu entries at once, more than %u", (unsigned long long)n, NVE_MAX_ENTRIES);
	c->ops = take_memory(L, c, n * sizeof(*c->ops));
	c->n_ops = (unsigned int)n;
}

bool switch_take_entries(lua_State *L, struct switch_call *c, int idx)
{
	struct reading r = { L, c, 0, "entries" };
	unsigned int end;

	if (!c->ops)
		begin_entries(L, c, idx);
	luaL_checkstack(L, 10, NULL);
	end = c->n_ops - c->taken > ENTRIES_AT_ONCE ? c->taken + ENTRIES_AT_ONCE : c->n_ops;
	for (; c->taken < end; c->taken++) {
		r.entry = c->taken + 1;
		lua_rawgeti(L, idx, r.entry);
		take_entry(&r, &c->ops[c->taken], c->taken ? &c->ops[c->taken - 1] : NULL);
		lua_pop(L, 1);
	}
	return c->taken < c->n_ops;
}

void switch_take_handle(lua_State *L, struct switch_call *c, int idx)
{
	lua_Integer n = lua_tointeger(L, idx);

	if (n < 0 || n > UINT32_MAX)
		nerv_error(L, "%s: handle must be from 0 to %u", c->verb->name, UINT32_MAX);
	c->handle = (uint32_t)n;
}

void switch_take_number(lua_State *L, struct switch_call *c, int idx, const char *what)
{
	lua_Integer n = lua_tointeger(L, idx);

	if (n < 0 || n > INT32_MAX)
		nerv_error(L, "%s: %s must be from 0 to %d", c->verb->name, what, INT32_MAX);
	c->number = (int)n;
}

void switch_take_op(lua_State *L, struct switch_call *c, enum nve_op_kind kind)
{
	struct nve_op *op = take_memory(L, c, sizeof(*op));

	op->kind = kind;
	op->table = c->table;
	op->action = c->name;
	op->data = c->data;
	op->n_data = c->n_data;
	op->handle = c->handle;
	c->ops = op;
	c->n_ops = 1;
}
