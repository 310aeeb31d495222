/* The Lua module `switch_client`: the tables, counters and ports of a P4 switch. */
#include "bindings/switch_client.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "shell/registry.h"

static const char class_name[] = "switch_client";

static int run_connect(struct switch_call *c)
{
	struct nve_client *client;
	int ret = nve_client_connect(c->h->where, c->timeout_ms, &client, &c->e);

	if (ret)
		return ret;
	ret = nve_client_desc(client, false, &c->h->desc, &c->e);
	if (ret)
		nve_client_close(client);
	else
		c->h->client = client;
	return ret;
}

static int push_handle(lua_State *L, struct switch_call *c)
{
	(void)c;
	lua_pushvalue(L, 2);
	return 1;
}

static const struct switch_verb verb_connect = { "switch_client.connect", run_connect, push_handle };

/* What nve_client_connect() takes, on top of the stack: a path with a '/', HOST:PORT or [IPV6]:PORT. */
static const char *push_where(lua_State *L)
{
	const char *path = field_string(L, 1, "path", NULL), *host = field_string(L, 1, "host", NULL);
	lua_Integer port = field_integer(L, 1, "port", 0);

	if (!path == !host || !host != !field_present(L, 1, "port"))
		nerv_error(L, "switch_client.connect: give either path, or host and port");
	if (path && !*path)
		nerv_error(L, "switch_client.connect: path is empty");
	if (path)
		return lua_pushfstring(L, strchr(path, '/') ? "%s" : "./%s", path);
	if (!*host || strchr(host, '/'))
		nerv_error(L, "switch_client.connect: host must be a name or an address, not '%s'", host);
	if (port < 1 || port > UINT16_MAX)
		nerv_error(L, "switch_client.connect: port must be 1 to %d", UINT16_MAX);
	return lua_pushfstring(L, strchr(host, ':') && *host != '[' ? "[%s]:%I" : "%s:%I", host, port);
}

static int l_connect(lua_State *L)
{
	double timeout = field_number(L, 1, "timeout", 10);
	struct switch_call *c;

	if (!(timeout >= 0.001 && timeout <= 86400))
		return nerv_error(L, "switch_client.connect: timeout must be from 0.001 to 86400 seconds");
	switch_handle_new(L, class_name, push_where(L));
	lua_replace(L, 2);	/* in the place of the text */
	c = switch_call_new(L, 2, &verb_connect);
	c->timeout_ms = (int)(timeout * 1000);
	return switch_call_start(L);
}

/* The open handle at index 1. */
static struct switch_handle *check(lua_State *L)
{
	struct switch_handle *h = luaL_checkudata(L, 1, class_name);

	if (h->closed)
		nerv_error(L, "the connection to the switch at %s is closed", h->where);
	return h;
}

/* A call on the handle at index 1, pushed. */
static struct switch_call *new_call(lua_State *L, const struct switch_verb *verb)
{
	check(L);
	return switch_call_new(L, 1, verb);
}

/* The same about the table that argument 2 names. */
static struct switch_call *new_table_call(lua_State *L, const struct switch_verb *verb)
{
	struct switch_call *c = new_call(L, verb);

	c->table = switch_take_string(L, c, 2);
	return c;
}

static int l_tables(lua_State *L)
{
	return switch_push_tables(L, check(L)->desc);
}

static bool take_entries(lua_State *L, struct switch_call *c)
{
	return switch_take_entries(L, c, 3);
}

static const struct switch_verb verb_add = { "switch_client:add", switch_run_add, switch_push_handles, take_entries };

static int l_add(lua_State *L)
{
	switch_take_entries(L, new_table_call(L, &verb_add), 3);
	return switch_call_start(L);
}

static const struct switch_verb verb_modify = { "switch_client:modify", switch_run_op, NULL };

static int l_modify(lua_State *L)
{
	struct switch_call *c;

	lua_settop(L, 5);	/* data may be missing */
	c = new_table_call(L, &verb_modify);
	switch_take_handle(L, c, 3);
	c->name = switch_take_string(L, c, 4);
	switch_take_data(L, c, 5);
	switch_take_op(L, c, NVE_OP_MODIFY);
	return switch_call_start(L);
}

static const struct switch_verb verb_delete = { "switch_client:delete", switch_run_op, NULL };

static int l_delete(lua_State *L)
{
	struct switch_call *c = new_table_call(L, &verb_delete);

	switch_take_handle(L, c, 3);
	switch_take_op(L, c, NVE_OP_DELETE);
	return switch_call_start(L);
}

static int run_clear(struct switch_call *c)
{
	return nve_client_clear(c->h->client, c->table, false, &c->e);
}

static const struct switch_verb verb_clear = { "switch_client:clear", run_clear, NULL };

static int l_clear(lua_State *L)
{
	new_table_call(L, &verb_clear);
	return switch_call_start(L);
}

static const struct switch_verb verb_entries = { "switch_client:entries", switch_run_entries, switch_push_entries };

static int l_entries(lua_State *L)
{
	new_table_call(L, &verb_entries);
	return switch_call_start(L);
}

static const struct switch_verb verb_default = { "switch_client:default", switch_run_default, switch_push_default };

static int l_default(lua_State *L)
{
	new_table_call(L, &verb_default);
	return switch_call_start(L);
}

static int run_set_default(struct switch_call *c)
{
	return nve_client_set_default(c->h->client, c->table, c->name, c->data, c->n_data, &c->e);
}

static const struct switch_verb verb_set_default = { "switch_client:set_default", run_set_default, NULL };

static int l_set_default(lua_State *L)
{
	struct switch_call *c;

	lua_settop(L, 4);	/* data may be missing */
	c = new_table_call(L, &verb_set_default);
	c->name = switch_take_string(L, c, 3);
	switch_take_data(L, c, 4);
	return switch_call_start(L);
}

static int run_entry_counter(struct switch_call *c)
{
	return nve_client_count(c->h->client, c->table, c->handle, &c->count, &c->e);
}

static const struct switch_verb verb_entry_counter = {
	"switch_client:entry_counter", run_entry_counter, switch_push_count
};

static int l_entry_counter(lua_State *L)
{
	struct switch_call *c = new_table_call(L, &verb_entry_counter);

	switch_take_handle(L, c, 3);
	return switch_call_start(L);
}

static int run_counter(struct switch_call *c)
{
	return nve_client_counter(c->h->client, c->name, c->number, &c->count, &c->e);
}

static const struct switch_verb verb_counter = { "switch_client:counter", run_counter, switch_push_count };

static int l_counter(lua_State *L)
{
	struct switch_call *c = new_call(L, &verb_counter);

	c->name = switch_take_string(L, c, 2);
	switch_take_number(L, c, 3, "index");
	return switch_call_start(L);
}

static int run_ports(struct switch_call *c)
{
	return nve_client_ports(c->h->client, &c->ports, &c->n_ports, &c->e);
}

static const struct switch_verb verb_ports = { "switch_client:ports", run_ports, switch_push_ports };

static int l_ports(lua_State *L)
{
	new_call(L, &verb_ports);
	return switch_call_start(L);
}

static int run_add_port(struct switch_call *c)
{
	return nve_client_add_port(c->h->client, c->name, c->number, &c->e);
}

static const struct switch_verb verb_add_port = { "switch_client:add_port", run_add_port, NULL };

static int l_add_port(lua_State *L)
{
	struct switch_call *c = new_call(L, &verb_add_port);
	size_t len = lua_rawlen(L, 2);

	if (!len || len >= IFNAMSIZ)
		return nerv_error(L, "switch_client:add_port: the name of an interface has 1 to %d characters", IFNAMSIZ - 1);
	c->name = switch_take_string(L, c, 2);
	switch_take_number(L, c, 3, "number");
	return switch_call_start(L);
}

static int run_remove_port(struct switch_call *c)
{
	return nve_client_remove_port(c->h->client, c->number, &c->e);
}

static const struct switch_verb verb_remove_port = { "switch_client:remove_port", run_remove_port, NULL };

static int l_remove_port(lua_State *L)
{
	struct switch_call *c = new_call(L, &verb_remove_port);

	switch_take_number(L, c, 2, "number");
	return switch_call_start(L);
}

static int run_info(struct switch_call *c)
{
	return nve_client_info(c->h->client, &c->info, &c->e);
}

static const struct switch_verb verb_info = { "switch_client:info", run_info, switch_push_info };

static int l_info(lua_State *L)
{
	new_call(L, &verb_info);
	return switch_call_start(L);
}

static int l_close(lua_State *L)
{
	switch_handle_close(luaL_checkudata(L, 1, class_name));
	return 0;
}

static int l_connected(lua_State *L)
{
	struct switch_handle *h = luaL_checkudata(L, 1, class_name);
	const char *why = NULL;

	if (h->closed)
		why = "closed";
	else if (!atomic_load(&h->busy))
		why = nve_client_ended(h->client);
	lua_pushboolean(L, !why);
	if (!why)
		return 1;
	lua_pushstring(L, why);
	return 2;
}

static int l_tostring(lua_State *L)
{
	struct switch_handle *h = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "switch client of %s (%s)", h->where,
			h->closed ? "closed" : atomic_load(&h->busy) ? "busy" : "open");
	return 1;
}

#define ARG_OF_TABLE { "table", ARG_STRING, true, "name of a table, or its end behind a dot", NULL }
#define ARG_OF_ENTRY { "handle", ARG_INTEGER, true, "of the entry", NULL }
#define ARG_OF_ACTION { "action", ARG_STRING, true, "name of an action of the table", NULL }
#define ARG_OF_DATA { "data", ARG_TABLE, false, "list of the action's parameters, as big-endian bytes", NULL }

/* Examples run where a node has an NVE. */
#define EXAMPLE_CONNECT \
	"local _, row = next(lab.state().rows.Switch)\n" \
	"local c <close> = assert(switch_client.connect { path = row.socket })\n"
#define EXAMPLE_ENTRY \
	EXAMPLE_CONNECT \
	"local handle = c:add(\"tags\", { { key = { \"\\0\\1\", \"\\0\\77\" }, action = \"to_port\", " \
	"data = { \"\\0\\16\" } } })[1]\n"

static const struct arg table_args[] = { ARG_OF_TABLE, { 0 } };
static const struct arg entry_args[] = { ARG_OF_TABLE, ARG_OF_ENTRY, { 0 } };
static const struct arg modify_args[] = { ARG_OF_TABLE, ARG_OF_ENTRY, ARG_OF_ACTION, ARG_OF_DATA, { 0 } };
static const struct arg set_default_args[] = { ARG_OF_TABLE, ARG_OF_ACTION, ARG_OF_DATA, { 0 } };
static const struct arg add_args[] = {
	ARG_OF_TABLE,
	{ "entries", ARG_TABLE, true,
	  "list of { key = {...}, action = NAME, data = {...}, priority = 1 }; a key field is big-endian bytes (exact), "
	  "true or false (valid), { value =, prefix = } (lpm), { value =, mask = } (ternary) or { first =, last = } (range)",
	  NULL },
	{ 0 }
};
static const struct arg counter_args[] = {
	{ "counter", ARG_STRING, true, "name of a counter, or its end behind a dot", NULL },
	{ "index", ARG_INTEGER, true, "of the cell, from 0", NULL },
	{ 0 }
};
static const struct arg add_port_args[] = {
	{ "interface", ARG_STRING, true, "name of an interface in the switch's namespace", NULL },
	{ "number", ARG_INTEGER, true, "of the port", NULL },
	{ 0 }
};
static const struct arg remove_port_args[] = {
	{ "number", ARG_INTEGER, true, "of the port", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "tables", l_tables, NULL,
	  "returns the tables as the program describes them: list of { name, key, actions, max_size, counters }",
	  EXAMPLE_CONNECT
	  "for _, t in ipairs(c:tables()) do print(t.name, #t.key, #t.actions) end" },
	{ "add", l_add, add_args,
	  "adds entries, all or none: after a refusal those added before are deleted again; returns the list of handles, "
	  "or nil, message, code and the position of the refused one. When it is cancelled they are deleted again, too",
	  EXAMPLE_ENTRY
	  "print(handle)" },
	{ "modify", l_modify, modify_args, "changes what an entry does; returns true",
	  EXAMPLE_ENTRY
	  "assert(c:modify(\"tags\", handle, \"to_port\", { \"\\0\\17\" }))" },
	{ "delete", l_delete, entry_args, "deletes an entry; returns true",
	  EXAMPLE_ENTRY
	  "assert(c:delete(\"tags\", handle))" },
	{ "clear", l_clear, table_args, "deletes all entries of a table, not its default; returns true",
	  EXAMPLE_CONNECT
	  "assert(c:clear \"tags\")" },
	{ "entries", l_entries, table_args, "returns the list of { key, action, data, handle, priority }",
	  EXAMPLE_ENTRY
	  "for _, entry in ipairs(c:entries \"tags\") do print(entry.handle, entry.action) end" },
	{ "default", l_default, table_args,
	  "returns { action, data } of what happens without a match; nil when there is none",
	  EXAMPLE_CONNECT
	  "print(c:default(\"tags\").action)" },
	{ "set_default", l_set_default, set_default_args, "says what happens without a match; returns true",
	  EXAMPLE_CONNECT
	  "local usual = c:default \"tags\"\n"
	  "assert(c:set_default(\"tags\", usual.action, usual.data))" },
	{ "entry_counter", l_entry_counter, entry_args, "returns { packets, bytes } that an entry has matched",
	  EXAMPLE_ENTRY
	  "print(c:entry_counter(\"tags\", handle).packets)" },
	{ "counter", l_counter, counter_args, "returns { packets, bytes } of a counter's cell",
	  EXAMPLE_CONNECT
	  "print(c:counter(\"verdicts\", 0).packets)" },
	{ "ports", l_ports, NULL, "returns the list of { number, interface, up }",
	  EXAMPLE_CONNECT
	  "for _, port in ipairs(c:ports()) do print(port.number, port.interface, port.up) end" },
	{ "add_port", l_add_port, add_port_args, "makes an interface a port, while the switch runs; returns true" },
	{ "remove_port", l_remove_port, remove_port_args, "takes a port out; returns true" },
	{ "info", l_info, NULL, "returns { device_id, thrift_port }; 0 for no port",
	  EXAMPLE_CONNECT
	  "print(c:info().device_id)" },
	{ "connected", l_connected, NULL,
	  "returns true, or false and the reason: after a call that found no answer the connection is of no more use",
	  EXAMPLE_CONNECT
	  "assert(c:connected())" },
	{ "close", l_close, NULL, "ends the connection; a call that runs still ends by itself" },
	{ 0 }
};

static int init(lua_State *L)
{
	registry_class(L, class_name, "a connection to a P4 switch's control interface", methods, l_close);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	return 1;
}

static const struct arg connect_args[] = {
	{ "options", ARG_TABLE, true, "where the switch answers",
	  (const struct arg[]){
		  { "path", ARG_STRING, false, "of its Unix socket", NULL },
		  { "host", ARG_STRING, false, "its name or address", NULL },
		  { "port", ARG_INTEGER, false, "its TCP port", NULL },
		  { "timeout", ARG_NUMBER, false, "longest wait for an answer, in seconds; by default 10", NULL },
		  { 0 } } },
	{ 0 }
};

static const struct fn functions[] = {
	{ "connect", l_connect, connect_args,
	  "connects to the Thrift interface of nerv-nve or BMv2's simple_switch; returns its handle",
	  EXAMPLE_CONNECT
	  "print(c)" },
	{ 0 }
};

NERV_MODULE(switch_client, .name = "switch_client", .text = "the tables, counters and ports of a P4 switch",
	    .functions = functions, .init = init);
