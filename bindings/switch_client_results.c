/* Results of calls to a switch, as Lua values. */
#include "bindings/switch_client.h"

#include "bindings/op_lua.h"

static void push_fields(lua_State *L, const struct nve_field *fields, unsigned int n, bool keys)
{
	unsigned int i;

	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_createtable(L, 0, 3);
		set_string(L, "name", fields[i].name);
		set_integer(L, "bits", fields[i].bits);
		if (keys)
			set_string(L, "match", nve_match_name(fields[i].match));
		lua_rawseti(L, -2, i + 1);
	}
}

static void push_actions(lua_State *L, const struct nve_desc *d, const struct nve_table *t)
{
	unsigned int i;

	lua_createtable(L, (int)t->n_actions, 0);
	for (i = 0; i < t->n_actions; i++) {
		const struct nve_action *a = &d->actions[t->actions[i]];

		lua_createtable(L, 0, 2);
		set_string(L, "name", a->name);
		push_fields(L, a->params, a->n_params, false);
		lua_setfield(L, -2, "params");
		lua_rawseti(L, -2, i + 1);
	}
}

int switch_push_tables(lua_State *L, const struct nve_desc *d)
{
	unsigned int i;

	lua_createtable(L, (int)d->n_tables, 0);
	for (i = 0; i < d->n_tables; i++) {
		const struct nve_table *t = &d->tables[i];

		lua_createtable(L, 0, 5);
		set_string(L, "name", t->name);
		push_fields(L, t->keys, t->n_keys, true);
		lua_setfield(L, -2, "key");
		push_actions(L, d, t);
		lua_setfield(L, -2, "actions");
		set_integer(L, "max_size", t->max_size);
		set_boolean(L, "counters", t->with_counters);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

int switch_push_handles(lua_State *L, struct switch_call *c)
{
	unsigned int i;

	lua_createtable(L, (int)c->n_ops, 0);
	for (i = 0; i < c->n_ops; i++) {
		lua_pushinteger(L, c->ops[i].handle);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static void push_bytes(lua_State *L, struct nve_blob b)
{
	lua_pushlstring(L, b.len ? (const char *)b.data : "", b.len);
}

static void set_bytes(lua_State *L, const char *key, struct nve_blob b)
{
	push_bytes(L, b);
	lua_setfield(L, -2, key);
}

/* The same shapes as switch_take_entries() takes. */
static void push_key(lua_State *L, const struct nve_key *k)
{
	switch (k->match) {
	case NVE_MATCH_VALID:
		lua_pushboolean(L, k->value.len && k->value.data[k->value.len - 1]);
		return;
	case NVE_MATCH_LPM:
		lua_createtable(L, 0, 2);
		set_bytes(L, "value", k->value);
		set_integer(L, "prefix", k->prefix);
		return;
	case NVE_MATCH_TERNARY:
		lua_createtable(L, 0, 2);
		set_bytes(L, "value", k->value);
		set_bytes(L, "mask", k->extra);
		return;
	case NVE_MATCH_RANGE:
		lua_createtable(L, 0, 2);
		set_bytes(L, "first", k->value);
		set_bytes(L, "last", k->extra);
		return;
	default:
		push_bytes(L, k->value);
	}
}

static void set_action(lua_State *L, const struct nve_row *row)
{
	unsigned int i;

	if (row->action)
		set_string(L, "action", row->action);
	lua_createtable(L, (int)row->n_data, 0);
	for (i = 0; i < row->n_data; i++) {
		push_bytes(L, row->data[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "data");
}

static void push_entry(lua_State *L, const struct nve_row *row)
{
	unsigned int i;

	lua_createtable(L, 0, 5);
	lua_createtable(L, (int)row->n_keys, 0);
	for (i = 0; i < row->n_keys; i++) {
		push_key(L, &row->keys[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "key");
	set_action(L, row);
	set_integer(L, "handle", row->handle);
	if (row->priority >= 0)
		set_integer(L, "priority", row->priority);
}

int switch_push_entries(lua_State *L, struct switch_call *c)
{
	unsigned int i;

	lua_createtable(L, (int)c->n_rows, 0);
	for (i = 0; i < c->n_rows; i++) {
		push_entry(L, &c->rows[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

int switch_push_default(lua_State *L, struct switch_call *c)
{
	if (!c->n_rows || !c->rows[0].action) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, 2);
	set_action(L, &c->rows[0]);
	return 1;
}

int switch_push_count(lua_State *L, struct switch_call *c)
{
	lua_createtable(L, 0, 2);
	set_integer(L, "packets", (lua_Integer)c->count.packets);
	set_integer(L, "bytes", (lua_Integer)c->count.bytes);
	return 1;
}

int switch_push_ports(lua_State *L, struct switch_call *c)
{
	unsigned int i;

	lua_createtable(L, (int)c->n_ports, 0);
	for (i = 0; i < c->n_ports; i++) {
		lua_createtable(L, 0, 3);
		set_integer(L, "number", c->ports[i].number);
		set_string(L, "interface", c->ports[i].name);
		set_boolean(L, "up", c->ports[i].up);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

int switch_push_info(lua_State *L, struct switch_call *c)
{
	lua_createtable(L, 0, 2);
	set_integer(L, "device_id", c->info.device_id);
	set_integer(L, "thrift_port", c->info.thrift_port);
	return 1;
}
