/* The Lua module `nftables`: packet filters and address translation, by libnftables. */
#include <errno.h>
#include <nftables/libnftables.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bindings/batch.h"
#include "bindings/nft_error.h"
#include "bindings/op_lua.h"

struct nft_op {
	struct op op;
	const char *commands;
	bool dry_run, echo;
	bool lines;		/* a text: faults have line numbers */
};

static const struct arg run_fields[] = {
	{ "commands", ARG_ANY, true, "a text in nft's language (lines, or parted by semicolons), or a table "
	  "as nft's JSON has it: a list of { add = { table = {...} } } and the like", NULL },
	ARG_FIELD_NETNS,
	{ "dry_run", ARG_BOOLEAN, false, "only check them: the kernel is asked, nothing changes", NULL },
	{ "echo", ARG_BOOLEAN, false, "return what was added, with its handles", NULL },
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "family", ARG_STRING, false, "only of this one: ip, ip6, inet, arp, bridge or netdev; by default "
	  "all, and of a table ip", NULL },
	{ "table", ARG_STRING, false, "only this table", NULL },
	{ 0 }
};

static const char *const families[] = { "ip", "ip6", "inet", "arp", "bridge", "netdev", NULL };

/* The library does not say that threads may use it at once, and has shared state (its
 * parser of JSON, its tables of names): one at a time. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Pushes nerv.json's function of that name. */
static void push_json_function(lua_State *L, const char *name)
{
	lua_getglobal(L, "require");
	lua_pushliteral(L, "nerv.json");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
}

/* {"nftables": commands} as text. */
static const char *compile_json(const struct compile *c)
{
	const char *text;
	char *copy;
	size_t len;

	push_json_function(c->L, "encode");
	lua_createtable(c->L, 0, 1);
	lua_getfield(c->L, c->idx, "commands");
	lua_setfield(c->L, -2, "nftables");
	lua_call(c->L, 1, 1);
	text = lua_tolstring(c->L, -1, &len);
	copy = compile_alloc(c, len + 1);
	memcpy(copy, text, len);
	lua_pop(c->L, 1);
	return copy;
}

static void compile_run(const struct compile *c, struct op *op)
{
	struct nft_op *o = (struct nft_op *)op;
	const int type = lua_getfield(c->L, c->idx, "commands");

	lua_pop(c->L, 1);
	if (type == LUA_TTABLE)
		o->commands = compile_json(c);
	else
		o->commands = compile_string(c, "commands");
	o->lines = type == LUA_TSTRING;
	if (!o->commands)
		compile_error(c, "commands must be a text or a table, not %s", lua_typename(c->L, type));
	compile_boolean(c, "dry_run", &o->dry_run);
	compile_boolean(c, "echo", &o->echo);
}

static bool is_name(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/\\_.-")];
}

static void compile_list(const struct compile *c, struct op *op)
{
	struct nft_op *o = (struct nft_op *)op;
	const char *family = compile_string(c, "family"), *table = compile_string(c, "table");
	const char *const *known = families;

	while (family && *known && strcmp(*known, family) != 0)
		known++;
	if (!*known)
		compile_error(c, "unknown family \"%s\"; ip, ip6, inet, arp, bridge and netdev are known", family);
	if (table && !is_name(table))
		compile_error(c, "\"%s\" is no name of a table", table);
	if (table)
		o->commands = compile_printf(c, "list table %s %s", family ? family : "ip", table);
	else
		o->commands = compile_printf(c, "list ruleset%s%s", family ? " " : "", family ? family : "");
}

/* A text goes by a file in memory: only of files the library says which line is wrong. */
static int run_lines(struct nft_ctx *ctx, const char *commands)
{
	const size_t len = strlen(commands);
	char path[32];
	int fd = memfd_create("nft", MFD_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, commands, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0 ? 0 : -EIO;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!ret)
		ret = nft_run_cmd_from_filename(ctx, path) ? 1 : 0;
	close(fd);
	return ret;
}

/* Without nf_tables the library would end the process. */
static int check_kernel(struct fault *f)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return fault_set(f, -errno, "this kernel has no nf_tables (module nf_tables)");
	close(fd);
	return 0;
}

/* Runs in the namespace that the thread is in; what the commands print goes to l->out. */
static int run_here(struct op_list *l, const struct nft_op *o)
{
	struct nft_ctx *ctx;
	const char *text;
	int ret = check_kernel(&l->fault);

	if (ret)
		return ret;
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx)
		return -ENOMEM;
	ret = -ENOMEM;
	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE |
				 NFT_CTX_OUTPUT_NUMERIC_PRIO | (o->echo ? NFT_CTX_OUTPUT_ECHO : 0));
	nft_ctx_set_dry_run(ctx, o->dry_run);
	if (nft_ctx_buffer_output(ctx) || nft_ctx_buffer_error(ctx))
		goto out;
	ret = o->lines ? run_lines(ctx, o->commands) : nft_run_cmd_from_buffer(ctx, o->commands) ? 1 : 0;
	if (ret > 0) {
		ret = nft_explain(nft_ctx_get_error_buffer(ctx), &l->fault);
	} else if (!ret) {
		text = nft_ctx_get_output_buffer(ctx);
		ret = nlbuf_add(&l->out, text, strlen(text));
	}
out:
	nft_ctx_free(ctx);
	return ret;
}

static int run(struct op_list *l, struct op *op)
{
	int ret = op_enter(l, op->netns);

	if (ret)
		return ret;
	pthread_mutex_lock(&one_at_a_time);
	ret = run_here(l, (const struct nft_op *)op);
	pthread_mutex_unlock(&one_at_a_time);
	op_leave(op->netns);
	return ret;
}

/* Appends the objects of one answer, the string on top (popped), to the array below it. */
static void append_objects(lua_State *L)
{
	const int array = lua_gettop(L) - 1;
	lua_Integer n = (lua_Integer)lua_rawlen(L, array);

	push_json_function(L, "decode");
	lua_insert(L, -2);
	lua_createtable(L, 0, 1);
	set_boolean(L, "null", true);	/* { accept = null } says something */
	lua_call(L, 2, 1);
	if (lua_istable(L, -1) && lua_getfield(L, -1, "nftables") == LUA_TTABLE)
		for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
			if (lua_getfield(L, -1, "metainfo") != LUA_TNIL) {
				lua_pop(L, 2);
				continue;
			}
			lua_pop(L, 1);
			lua_rawseti(L, array, ++n);
		}
	lua_settop(L, array);
}

/* Each command that prints gives one line of JSON. */
static int push_objects(lua_State *L, struct op_list *l, struct op *op)
{
	size_t at = 0;

	(void)op;
	lua_newtable(L);
	while (at < l->out.len) {
		const char *line = l->out.data + at, *newline = memchr(line, '\n', l->out.len - at);
		const size_t len = newline ? (size_t)(newline - line) : l->out.len - at;

		lua_pushlstring(L, line, len);
		append_objects(L);
		at += len + 1;
	}
	return 1;
}

const struct verb verb_nftables_run = {
	"nftables.run", run_fields, sizeof(struct nft_op), compile_run, run, push_objects,
};
static const struct verb verb_list = {
	"nftables.list", list_fields, sizeof(struct nft_op), compile_list, run, push_objects,
};

/* What a kernel must have, asked for in a namespace that goes away. */
static const struct {
	const char *commands, *reason;
} probes[] = {
	{ "add table ip probe", "this kernel has no nf_tables (module nf_tables)" },
	{ "add table ip probe; add chain ip probe c { type nat hook postrouting priority 100; }",
	  "this kernel has no address translation (module nft_chain_nat)" },
	{ "add table ip probe; add chain ip probe c { type nat hook postrouting priority 100; };"
	  "add rule ip probe c masquerade", "this kernel has no masquerading (module nft_masq)" },
};

struct probe_op {
	struct op op;
	const char *reason;	/* what is missing; NULL: nothing */
};

static void compile_probe(const struct compile *c, struct op *op)
{
	(void)c;
	(void)op;
}

static int run_probe(struct op_list *l, struct op *op)
{
	struct probe_op *o = (struct probe_op *)op;
	int ret = 0;

	if (unshare(CLONE_NEWNET))
		return fault_set(&l->fault, -errno, "new namespace");
	pthread_mutex_lock(&one_at_a_time);
	for (size_t i = 0; !ret && i < sizeof(probes) / sizeof(probes[0]); i++) {
		const struct nft_op probe = { .commands = probes[i].commands };

		ret = run_here(l, &probe);
		if (ret)
			o->reason = probes[i].reason;
	}
	pthread_mutex_unlock(&one_at_a_time);
	worker_leave_netns();
	return ret == -EPERM || ret == -ENOMEM ? ret : 0;
}

static int push_probe(lua_State *L, struct op_list *l, struct op *op)
{
	const struct probe_op *o = (const struct probe_op *)op;

	(void)l;
	lua_pushboolean(L, !o->reason);
	if (!o->reason)
		return 1;
	lua_pushstring(L, o->reason);
	return 2;
}

static const struct arg no_fields[] = { { 0 } };

static const struct verb verb_supported = {
	"nftables.supported", no_fields, sizeof(struct probe_op), compile_probe, run_probe, push_probe,
};

static int l_run(lua_State *L)
{
	return op_call(L, &verb_nftables_run);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static int l_supported(lua_State *L)
{
	return op_call(L, &verb_supported);
}

#define EXAMPLE "nftables.run{ commands = [[\n" \
	"  add table ip mine\n" \
	"  add chain ip mine out { type nat hook postrouting priority srcnat; }\n" \
	"  add rule ip mine out ip saddr 10.1.0.0/24 masquerade ]] }"

static const struct fn nftables_functions[] = {
	{ "run", l_run, OP_ARGS(run_fields, true),
	  "does all of the commands, or none; returns an array of what they print (list, or with echo what was "
	  "added): tables as nft's JSON has them, as { table = { family =, name =, handle = } }. An error has nft's "
	  "own words, with line and column of a text", EXAMPLE },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of the tables, chains, sets and rules that there are, as in nftables.run; JSON's null is "
	  "json.null",
	  EXAMPLE "\nfor _, o in ipairs(nftables.list{ table = \"mine\" }) do\n"
	  "  if o.rule then print(o.rule.chain, o.rule.handle) end\nend" },
	{ "supported", l_supported, NULL,
	  "returns true when this kernel has packet filters and masquerading, else false and what lacks",
	  "print(nftables.supported())" },
	{ 0 }
};

NERV_MODULE(nftables, .name = "nftables", .text = "packet filters and address translation",
	    .functions = nftables_functions);
