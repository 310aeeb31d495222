/* The Lua module `netns`: network namespaces. */
#include <string.h>

#include "bindings/batch.h"
#include "bindings/netns_op.h"
#include "bindings/op_lua.h"

static const struct arg add_fields[] = {
	{ "path", ARG_STRING, true, "file to make for it; a plain name means /run/netns/NAME", NULL },
	{ "lo_up", ARG_BOOLEAN, false, "bring its loopback interface up; by default it stays down", NULL },
	{ 0 }
};

static const struct arg identity_fields[] = {
	{ "netns", ARG_NETNS, false, "the namespace; by default the process's own", NULL },
	{ 0 }
};

static const struct arg path_fields[] = {
	{ "path", ARG_STRING, true, "its file; a plain name means /run/netns/NAME", NULL },
	{ 0 }
};

static void compile_path(const struct compile *c, struct op *op)
{
	op->subject = ((struct netns_op *)op)->path = compile_netns_file(c, "path");
}

static void compile_add(const struct compile *c, struct op *op)
{
	compile_path(c, op);
	compile_boolean(c, "lo_up", &((struct netns_op *)op)->lo_up);
}

const struct verb verb_netns_add = {
	"netns.add", add_fields, sizeof(struct netns_op), compile_add, netns_run_add, NULL,
};
const struct verb verb_netns_delete = {
	"netns.delete", path_fields, sizeof(struct netns_op), compile_path, netns_run_delete, NULL,
};

static int push_exists(lua_State *L, struct op_list *l, struct op *op)
{
	(void)l;
	lua_pushboolean(L, ((struct netns_op *)op)->exists);
	return 1;
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	const char *path = l->out.data, *end = path + l->out.len;

	(void)op;
	lua_newtable(L);
	for (int i = 1; path < end; i++, path += strlen(path) + 1) {
		lua_pushstring(L, path);
		lua_rawseti(L, -2, i);
	}
	return 1;
}

static const struct verb verb_exists = {
	"netns.exists", path_fields, sizeof(struct netns_op), compile_path, netns_run_exists,
	push_exists,
};
static const struct verb verb_list = {
	"netns.list", path_fields, sizeof(struct netns_op), compile_path, netns_run_list, push_list,
};

static void compile_identity(const struct compile *c, struct op *op)
{
	op->subject = compile_netns(c, "netns");
}

static int push_identity(lua_State *L, struct op_list *l, struct op *op)
{
	(void)l;
	lua_pushstring(L, ((struct netns_op *)op)->identity);
	return 1;
}

static const struct verb verb_identity = {
	"netns.identity", identity_fields, sizeof(struct netns_op), compile_identity, netns_run_identity,
	push_identity,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_netns_add);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_netns_delete);
}

/* Calls the verb with { path = the string at index 1 or `otherwise` }. */
static int call_with_path(lua_State *L, const struct verb *verb, const char *otherwise)
{
	lua_settop(L, 1);
	if (lua_isnil(L, 1))
		lua_pushstring(L, otherwise);
	lua_createtable(L, 0, 1);
	lua_insert(L, 1);
	lua_setfield(L, 1, "path");
	lua_settop(L, 1);
	return op_call(L, verb);
}

static int l_exists(lua_State *L)
{
	return call_with_path(L, &verb_exists, "");
}

static int l_list(lua_State *L)
{
	return call_with_path(L, &verb_list, "/run/netns");
}

static int l_identity(lua_State *L)
{
	return op_call(L, &verb_identity);
}

#define EXAMPLE_PATH "local path = \"/tmp/example-\" .. digest.random(8)\n"

static const struct fn netns_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true), "makes a network namespace; returns true",
	  EXAMPLE_PATH
	  "netns.add{ path = path, lo_up = true }\n"
	  "print(link.get{ name = \"lo\", netns = path }.up)\n"
	  "netns.delete{ path = path }" },
	{ "delete", l_delete, OP_ARGS(path_fields, true),
	  "removes the namespace's file; the kernel takes the namespace down when its last user "
	  "is gone; returns true",
	  EXAMPLE_PATH
	  "netns.add{ path = path }\n"
	  "netns.delete{ path = path }" },
	{ "exists", l_exists,
	  (const struct arg[]){
		  { "path", ARG_STRING, true, "a file; a plain name means /run/netns/NAME", NULL },
		  { 0 } },
	  "returns whether it is a network namespace",
	  "print(netns.exists \"blue\", netns.exists \"/proc/self/ns/net\")" },
	{ "identity", l_identity, OP_ARGS(identity_fields, false),
	  "returns a text that no other namespace of this machine has until it is started anew: device, "
	  "inode and cookie, \"4:4026531840:1\"",
	  "assert(netns.identity() == netns.identity{ netns = process.self() })" },
	{ "list", l_list,
	  (const struct arg[]){
		  { "directory", ARG_STRING, false, "where to look; by default /run/netns", NULL },
		  { 0 } },
	  "returns an array of the paths in a directory that are network namespaces",
	  "for _, path in ipairs(netns.list()) do print(path) end" },
	{ 0 }
};

NERV_MODULE(netns, .name = "netns", .text = "network namespaces", .functions = netns_functions);
