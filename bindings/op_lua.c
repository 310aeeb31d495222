/* Operations and Lua: the job, its run and its results. */
#include "bindings/op_lua.h"

#include <stdio.h>
#include <string.h>

static const char class_name[] = "nerv.op_job";

void op_job_release(struct op_job *job)
{
	op_list_free(&job->list);
	arena_free(&job->arena);
}

static int destroy_job(lua_State *L)
{
	op_job_release(lua_touserdata(L, 1));
	return 0;
}

struct op_job *op_job_new(lua_State *L)
{
	struct op_job *job = lua_newuserdatauv(L, sizeof(*job), 0);

	memset(job, 0, sizeof(*job));
	if (luaL_newmetatable(L, class_name)) {
		lua_pushcfunction(L, destroy_job);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return job;
}

void op_job_add(struct op_job *job, const struct compile *c, const struct verb *verb)
{
	struct op *op = compile_alloc(c, verb->size);

	op->verb = verb;
	op->netns = compile_netns(c, "netns");
	compile_boolean(c, "missing_ok", &op->missing_ok);
	verb->compile(c, op);
	op_list_add(&job->list, op);
}

static void run_job(struct job *job)
{
	op_list_run(&((struct op_job *)job)->list);
}

int op_job_run(lua_State *L, lua_KFunction k)
{
	struct op_job *job = lua_touserdata(L, -1);

	job->job.run = run_job;
	return worker_call(L, lua_gettop(L), &job->job, lua_gettop(L), k);
}

int op_push_fault(lua_State *L, const struct op_list *l)
{
	const struct op *op = l->failed;
	const struct fault *f = &l->fault;
	luaL_Buffer text;

	lua_pushnil(L);
	luaL_buffinit(L, &text);
	luaL_addstring(&text, op->verb->name);
	if (op->subject) {
		luaL_addchar(&text, ' ');
		luaL_addstring(&text, op->subject);
	}
	luaL_addstring(&text, ": ");
	if (f->what[0]) {
		luaL_addstring(&text, f->what);
		luaL_addstring(&text, ": ");
	}
	luaL_addstring(&text, strerror(-f->err));
	if (f->ext[0]) {
		luaL_addstring(&text, " (");
		luaL_addstring(&text, f->ext);
		luaL_addchar(&text, ')');
	}
	luaL_pushresult(&text);
	lua_pushstring(L, errno_name(f->err));
	return 3;
}

static int push_result(lua_State *L, struct op_list *l)
{
	if (l->failed)
		return op_push_fault(L, l);
	if (l->head->verb->push)
		return l->head->verb->push(L, l, l->head);
	lua_pushboolean(L, true);
	return 1;
}

static int finish_call(lua_State *L, int status, lua_KContext ctx)
{
	struct op_job *job = lua_touserdata(L, (int)ctx);
	int results = push_result(L, &job->list);

	(void)status;
	op_job_release(job);
	return results;
}

int op_call(lua_State *L, const struct verb *verb)
{
	struct compile c = { .L = L, .idx = 1, .where = verb->name };
	struct op_job *job;

	if (lua_isnoneornil(L, 1)) {	/* all options may be optional */
		lua_settop(L, 0);
		lua_newtable(L);
	}
	job = op_job_new(L);
	c.arena = &job->arena;
	op_job_add(job, &c, verb);
	return op_job_run(L, finish_call);
}

void op_push_names(lua_State *L, const struct op_list *l)
{
	const struct ifname *e = (const void *)l->names.data;

	lua_newtable(L);
	for (size_t n = l->names.len / sizeof(*e); n; n--, e++) {
		lua_pushstring(L, e->name);
		lua_rawseti(L, -2, e->index);
	}
}

void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

void set_integer(lua_State *L, const char *key, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

void set_number(lua_State *L, const char *key, double value)
{
	lua_pushnumber(L, value);
	lua_setfield(L, -2, key);
}

void set_boolean(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

void set_mac(lua_State *L, const char *key, const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	set_string(L, key, text);
}

void set_word(lua_State *L, const char *key, const struct word *words, uint32_t value)
{
	while (words->name && words->value != value)
		words++;
	if (words->name)
		set_string(L, key, words->name);
	else
		set_integer(L, key, value);
}

void set_ifname(lua_State *L, const char *key, int names, int index)
{
	lua_geti(L, names, index);
	lua_setfield(L, -2, key);
}
