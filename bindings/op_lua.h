/* Operations and Lua: from option tables to ops, and from results to values.
 *
 * The compile_* functions read one option of the table that is being compiled. What
 * they return lives in the arena (Lua's strings are copied); what is wrong raises
 * an error that begins with `where`. An absent option gives NULL or false and
 * leaves the output alone.
 */
#ifndef NERV_BINDINGS_OP_LUA_H
#define NERV_BINDINGS_OP_LUA_H

#include <lua.h>
#include <stdint.h>

#include "bindings/op.h"
#include "shell/registry.h"
#include "shell/worker.h"

struct compile {
	lua_State *L;
	int idx;		/* of the table */
	const char *where;	/* begins error texts: "link.add" */
	struct arena *arena;
};

/* A number that has a name. A list of them ends with a name of NULL. */
struct word {
	const char *name;
	uint32_t value;
};

/* A list of ops as a userdata: a job whose memory Lua collects. */
struct op_job {
	struct job job;		/* first: worker_call() */
	struct arena arena;
	struct op_list list;
};

/* The options that every verb has. */
#define ARG_FIELD_NETNS \
	{ "netns", ARG_NETNS, false, "namespace in which to act; by default the process's own", NULL }

#define ARG_FIELD_MISSING_OK \
	{ "missing_ok", ARG_BOOLEAN, false, "succeed when there is nothing to delete", NULL }

/* The arguments of a function that takes one table with these options. */
#define OP_ARGS(option_fields, is_required) \
	(const struct arg[]){ \
		{ "options", ARG_TABLE, is_required, "what is wanted, by name", option_fields }, \
		{ 0 } }

_Noreturn void compile_error(const struct compile *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void *compile_alloc(const struct compile *c, size_t size);
const char *compile_string(const struct compile *c, const char *key);
const char *compile_printf(const struct compile *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool compile_boolean(const struct compile *c, const char *key, bool *value);
bool compile_integer(const struct compile *c, const char *key, int64_t min, int64_t max,
		     int64_t *value);
bool compile_number(const struct compile *c, const char *key, double min, double max,
		    double *value);
/* A hardware address of an interface; or any, those of groups and zero too. */
bool compile_mac(const struct compile *c, const char *key, uint8_t mac[6]);
bool compile_any_mac(const struct compile *c, const char *key, uint8_t mac[6]);
/* One of `words`. */
bool compile_word(const struct compile *c, const char *key, const struct word *words,
		  uint32_t *value);
/* An interface name: 1 to 15 characters, none of them '/', ':', '%' or a blank. */
const char *compile_ifname(const struct compile *c, const char *key);
/* The path of a namespace. */
const char *compile_netns(const struct compile *c, const char *key);
/* The path of a namespace's file; a plain name means /run/netns/NAME. */
const char *compile_netns_file(const struct compile *c, const char *key);

/* Checks the table at c->idx against `fields`, as the dispatcher does for a direct
 * call. For tables that the dispatcher does not see. */
void compile_check(const struct compile *c, const struct arg *fields);

/* Pushes a new job with an empty list. */
struct op_job *op_job_new(lua_State *L);

/* Compiles the table at c->idx as an op of `verb` and adds it to the list. */
void op_job_add(struct op_job *job, const struct compile *c, const struct verb *verb);

/* The whole of a Lua function of one option table: compile, run on a worker, push
 * the result or nil, message, code. Use as `return op_call(L, &verb);`. */
int op_call(lua_State *L, const struct verb *verb);

/* Queues the job at the top of the stack and goes on with `k`, to whom the job's
 * index is `ctx`. */
int op_job_run(lua_State *L, lua_KFunction k);

/* Frees what a job holds when its results have been pushed: Lua's collector, which sees some bytes
 * only, would leave many times its own memory lying. It may be called again. */
void op_job_release(struct op_job *job);

/* Pushes nil, message and code for a list that failed; returns 3. */
int op_push_fault(lua_State *L, const struct op_list *l);

/* Pushes a table that maps interface indexes to names. */
void op_push_names(lua_State *L, const struct op_list *l);

/* Sets a field of the table on top. */
void set_string(lua_State *L, const char *key, const char *value);
void set_integer(lua_State *L, const char *key, lua_Integer value);
void set_number(lua_State *L, const char *key, double value);
void set_boolean(lua_State *L, const char *key, bool value);

void set_mac(lua_State *L, const char *key, const uint8_t mac[6]);
/* To the name of `value`, or to the number when it has none. */
void set_word(lua_State *L, const char *key, const struct word *words, uint32_t value);

/* Sets `key` of the table on top to the name of interface `index`, by the table of
 * names at `names`; nothing when it has none. */
void set_ifname(lua_State *L, const char *key, int names, int index);

#endif
