/* Encoding of operations, decoding of results. */
#include "bindings/ovsdb_transact.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/ovsdb_value.h"
#include "shell/registry.h"

/* As many as take a few milliseconds. */
#define OPERATIONS_AT_ONCE 500

/* What is being encoded. */
struct encoder {
	lua_State *L;
	const struct ovsdb_schema *schema;
	const struct operation *kind;
	const struct ovsdb_table *table;	/* NULL for operations without one */
	int op;			/* stack index of the operation */
	json_t *json;		/* what it becomes; borrowed */
	char where[64];		/* "transact: operation 3 (insert)" */
	double wait;		/* longest time limit of a `wait`, in seconds */
};

/* One member of an operation: reads the value on top of the stack. */
struct member {
	const char *name;
	const char *json;	/* its name in RFC 7047; NULL: the same */
	bool required;
	void (*encode)(struct encoder *e, const char *key);
};

struct operation {
	const char *name;
	struct member members[8];
};

static const struct ovsdb_column *find_column(struct encoder *e, const char *name)
{
	const struct ovsdb_column *c = ovsdb_schema_column(e->table, name);
	const char *near;

	if (c)
		return c;
	near = nearest_name(name, e->table->column_names);
	nerv_error(e->L, near ? "%s: table \"%s\" has no column \"%s\"; the nearest is \"%s\""
			      : "%s: table \"%s\" has no column \"%s\"",
		   e->where, e->table->name, name, near);
	return NULL;
}

static void need_table(struct encoder *e, const char *key)
{
	if (!lua_istable(e->L, -1))
		nerv_error(e->L, "%s: '%s' must be a table", e->where, key);
}

static const char *need_string(struct encoder *e, const char *key)
{
	const char *s = lua_type(e->L, -1) == LUA_TSTRING ? lua_tostring(e->L, -1) : NULL;

	if (!s || strlen(s) != lua_rawlen(e->L, -1))
		nerv_error(e->L, "%s: '%s' must be a string with no NUL in it", e->where, key);
	return s;
}

static void encode_text(struct encoder *e, const char *key)
{
	json_t *text = json_string(need_string(e, key));

	if (!text)
		nerv_error(e->L, "%s: '%s' is not UTF-8", e->where, key);
	ovsdb_attach(e->L, e->json, key, text);
}

static void encode_id(struct encoder *e, const char *key)
{
	const char *name = need_string(e, key);

	if (*name == '@')
		name++;
	if (!ovsdb_is_id(name))
		nerv_error(e->L, "%s: \"%s\" is no name: letters, digits and '_', no digit first", e->where, name);
	ovsdb_attach(e->L, e->json, key, json_string(name));
}

static void encode_boolean(struct encoder *e, const char *key)
{
	if (!lua_isboolean(e->L, -1))
		nerv_error(e->L, "%s: '%s' must be true or false", e->where, key);
	ovsdb_attach(e->L, e->json, key, json_boolean(lua_toboolean(e->L, -1)));
}

static void encode_seconds(struct encoder *e, const char *key)
{
	double seconds = lua_type(e->L, -1) == LUA_TNUMBER ? lua_tonumber(e->L, -1) : -1;

	if (!(seconds >= 0 && seconds < 1e9))
		nerv_error(e->L, "%s: '%s' must be a number of seconds, 0 or more", e->where, key);
	if (seconds > e->wait)
		e->wait = seconds;
	ovsdb_attach(e->L, e->json, key, json_integer((json_int_t)(seconds * 1000 + 0.5)));
}

static void encode_until(struct encoder *e, const char *key)
{
	const char *s = need_string(e, key);

	if (strcmp(s, "==") != 0 && strcmp(s, "!=") != 0)
		nerv_error(e->L, "%s: '%s' must be \"==\" or \"!=\"", e->where, key);
	ovsdb_attach(e->L, e->json, key, json_string(s));
}

/* The row on top of the stack, added to `parent`. */
static void encode_row_into(struct encoder *e, json_t *parent, const char *key, bool written)
{
	lua_State *L = e->L;
	json_t *row = ovsdb_attach(L, parent, key, json_object());
	struct ovsdb_place place = { .operation = e->where, .table = e->table };
	int idx = lua_gettop(L);

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			nerv_error(L, "%s: a row has names of columns as keys, not %s", e->where,
				   luaL_tolstring(L, -2, NULL));
		place.column = find_column(e, lua_tostring(L, -2));
		if (written && place.column->internal)
			nerv_error(L, "%s: column \"%s\" is set by the server", e->where, place.column->name);
		ovsdb_encode_value(L, -1, &place, OVSDB_WHOLE, row, place.column->name);
	}
}

static void encode_row(struct encoder *e, const char *key)
{
	need_table(e, key);
	encode_row_into(e, e->json, key, true);
}

/* Calls `element` with each element of the array on top of the stack on top. */
static void encode_array(struct encoder *e, const char *key,
			 void (*element)(struct encoder *e, json_t *array, const char *key))
{
	json_t *array = ovsdb_attach(e->L, e->json, key, json_array());
	int idx = lua_gettop(e->L);
	lua_Integer n;

	need_table(e, key);
	n = (lua_Integer)lua_rawlen(e->L, idx);
	if (n == 0) {
		lua_pushnil(e->L);
		if (lua_next(e->L, idx))
			nerv_error(e->L, "%s: '%s' must be an array", e->where, key);
	}
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(e->L, idx, i);
		element(e, array, key);
		lua_settop(e->L, idx);
	}
}

static void encode_rows_element(struct encoder *e, json_t *array, const char *key)
{
	need_table(e, key);
	encode_row_into(e, array, NULL, false);
}

static void encode_rows(struct encoder *e, const char *key)
{
	encode_array(e, key, encode_rows_element);
}

static void encode_column_name(struct encoder *e, json_t *array, const char *key)
{
	const struct ovsdb_column *c = find_column(e, need_string(e, key));

	ovsdb_attach(e->L, array, NULL, json_string(c->name));
}

static void encode_columns(struct encoder *e, const char *key)
{
	encode_array(e, key, encode_column_name);
}

/* Takes { column, verb, value } apart: leaves the value on top, returns the verb. */
static const char *open_triple(struct encoder *e, const char *key, const char *const *verbs,
			       const struct ovsdb_column **column)
{
	lua_State *L = e->L;
	const char *verb, *near;
	int idx = lua_gettop(L);

	if (!lua_istable(L, idx) || lua_rawlen(L, idx) < 2)
		nerv_error(L, "%s: '%s' must hold triples such as { \"column\", \"%s\", value }", e->where, key, verbs[0]);
	lua_rawgeti(L, idx, 1);
	*column = find_column(e, need_string(e, key));
	lua_rawgeti(L, idx, 2);
	verb = need_string(e, key);
	for (const char *const *v = verbs; *v; v++) {
		if (strcmp(*v, verb) == 0) {
			if (lua_rawgeti(L, idx, 3) == LUA_TNIL)
				nerv_error(L, "%s: '%s' on column \"%s\" has no value (an empty one is {})",
					   e->where, key, (*column)->name);
			return *v;
		}
	}
	near = nearest_name(verb, verbs);
	nerv_error(L, "%s: '%s' does not know \"%s\"; the nearest is \"%s\"", e->where, key, verb,
		   near ? near : verbs[0]);
	return NULL;
}

static json_t *attach_triple(struct encoder *e, json_t *array, const struct ovsdb_column *c, const char *verb)
{
	json_t *triple = ovsdb_attach(e->L, array, NULL, json_array());

	ovsdb_attach(e->L, triple, NULL, json_string(c->name));
	ovsdb_attach(e->L, triple, NULL, json_string(verb));
	return triple;
}

static void encode_condition(struct encoder *e, json_t *array, const char *key)
{
	static const char *const verbs[] = { "==", "!=", "<", "<=", ">=", ">", "includes", "excludes", NULL };
	struct ovsdb_place place = { .operation = e->where, .table = e->table };
	const char *verb = open_triple(e, key, verbs, &place.column);
	json_t *triple = attach_triple(e, array, place.column, verb);

	ovsdb_encode_value(e->L, -1, &place, OVSDB_WHOLE, triple, NULL);
}

static void encode_mutation(struct encoder *e, json_t *array, const char *key)
{
	static const char *const verbs[] = { "insert", "delete", "+=", "-=", "*=", "/=", "%=", NULL };
	struct ovsdb_place place = { .operation = e->where, .table = e->table };
	const char *verb = open_triple(e, key, verbs, &place.column);
	json_t *triple = attach_triple(e, array, place.column, verb);
	enum ovsdb_shape shape = verb[0] == 'd' ? OVSDB_KEYS : verb[1] == '=' ? OVSDB_SCALAR : OVSDB_WHOLE;

	ovsdb_encode_value(e->L, -1, &place, shape, triple, NULL);
}

static void encode_where(struct encoder *e, const char *key)
{
	encode_array(e, key, encode_condition);
}

static void encode_mutations(struct encoder *e, const char *key)
{
	encode_array(e, key, encode_mutation);
}

/* The table has been looked up before all other members. */
static void encode_table(struct encoder *e, const char *key)
{
	ovsdb_attach(e->L, e->json, key, json_string(e->table->name));
}

static const struct operation operations[] = {
	{ "insert", {
		{ "table", NULL, true, encode_table },
		{ "row", NULL, true, encode_row },
		{ "uuid_name", "uuid-name", false, encode_id } } },
	{ "select", {
		{ "table", NULL, true, encode_table },
		{ "where", NULL, true, encode_where },
		{ "columns", NULL, false, encode_columns } } },
	{ "update", {
		{ "table", NULL, true, encode_table },
		{ "where", NULL, true, encode_where },
		{ "row", NULL, true, encode_row } } },
	{ "mutate", {
		{ "table", NULL, true, encode_table },
		{ "where", NULL, true, encode_where },
		{ "mutations", NULL, true, encode_mutations } } },
	{ "delete", {
		{ "table", NULL, true, encode_table },
		{ "where", NULL, true, encode_where } } },
	{ "wait", {
		{ "table", NULL, true, encode_table },
		{ "where", NULL, true, encode_where },
		{ "columns", NULL, false, encode_columns },
		{ "until", NULL, true, encode_until },
		{ "rows", NULL, true, encode_rows },
		{ "timeout", NULL, false, encode_seconds } } },
	{ "commit", { { "durable", NULL, true, encode_boolean } } },
	{ "abort", { { 0 } } },
	{ "comment", { { "comment", NULL, true, encode_text } } },
	{ "assert", { { "lock", NULL, true, encode_id } } },
};

#define OPERATION_COUNT (sizeof(operations) / sizeof(operations[0]))

static const struct operation *find_operation(struct encoder *e, lua_Integer index)
{
	const char *names[OPERATION_COUNT + 1] = { NULL };
	const char *name, *near;

	snprintf(e->where, sizeof(e->where), "transact: operation %lld", (long long)index);
	if (!lua_istable(e->L, e->op))
		nerv_error(e->L, "%s must be a table", e->where);
	lua_getfield(e->L, e->op, "op");
	name = need_string(e, "op");
	for (size_t i = 0; i < OPERATION_COUNT; i++) {
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
		names[i] = operations[i].name;
	}
	near = nearest_name(name, names);
	nerv_error(e->L, near ? "%s: there is no operation \"%s\"; the nearest is \"%s\""
			      : "%s: there is no operation \"%s\"", e->where, name, near);
	return NULL;
}

static const struct ovsdb_table *find_table(struct encoder *e)
{
	const struct ovsdb_table *t;
	const char *name, *near;

	lua_getfield(e->L, e->op, "table");
	name = need_string(e, "table");
	t = ovsdb_schema_table(e->schema, name);
	if (t)
		return t;
	near = nearest_name(name, e->schema->table_names);
	nerv_error(e->L, near ? "%s: database \"%s\" has no table \"%s\"; the nearest is \"%s\""
			      : "%s: database \"%s\" has no table \"%s\"",
		   e->where, e->schema->name, name, near);
	return NULL;
}

/* Refuses what the operation does not know. */
static void check_members(struct encoder *e)
{
	lua_State *L = e->L;
	const char *names[10] = { "op" }, *key, *near;
	int n = 1;

	for (const struct member *m = e->kind->members; m->name; m++)
		names[n++] = m->name;
	for (lua_pushnil(L); lua_next(L, e->op); lua_pop(L, 1)) {
		bool known = false;

		key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "[1]";
		for (int i = 0; i < n; i++)
			known = known || strcmp(names[i], key) == 0;
		if (known)
			continue;
		near = nearest_name(key, names);
		nerv_error(L, near ? "%s takes no '%s'; the nearest is '%s'" : "%s takes no '%s'", e->where, key, near);
	}
}

/* The operation at e->op. */
static void encode_operation(struct encoder *e, json_t *params, lua_Integer index)
{
	lua_State *L = e->L;

	e->kind = find_operation(e, index);
	snprintf(e->where, sizeof(e->where), "transact: operation %lld (%s)", (long long)index, e->kind->name);
	check_members(e);
	e->table = e->kind->members[0].encode == encode_table ? find_table(e) : NULL;
	e->json = ovsdb_attach(L, params, NULL, json_object());
	ovsdb_attach(L, e->json, "op", json_string(e->kind->name));
	for (const struct member *m = e->kind->members; m->name; m++) {
		lua_settop(L, e->op);
		if (lua_getfield(L, e->op, m->name) != LUA_TNIL)
			m->encode(e, m->json ? m->json : m->name);
		else if (m->required)
			nerv_error(L, "%s: '%s' is missing%s", e->where, m->name,
				   strcmp(m->name, "where") == 0 ? " ({} means all rows)" : "");
	}
}

double ovsdb_encode_operations(lua_State *L, int idx, const struct ovsdb_schema *schema, json_t *params,
			       lua_Integer *next)
{
	struct encoder e = { .L = L, .schema = schema };
	lua_Integer n = (lua_Integer)lua_rawlen(L, idx), first = *next;

	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 24, "a transaction");
	if (n == 0)
		nerv_error(L, "transact: there is no operation; give an array of them");
	for (; *next <= n && *next - first < OPERATIONS_AT_ONCE; ++*next) {
		lua_rawgeti(L, idx, *next);
		e.op = lua_gettop(L);
		encode_operation(&e, params, *next);
		lua_settop(L, e.op - 1);
	}
	if (*next > n)
		*next = 0;
	return e.wait;
}
