/* The Lua module `batch`: many changes in one job of a worker thread. */
#include "bindings/batch.h"

#include <stdio.h>
#include <string.h>

#include "bindings/op_lua.h"

static const struct verb *const verbs[] = {
	&verb_netns_add, &verb_netns_delete,
	&verb_link_add, &verb_link_set, &verb_link_delete,
	&verb_link_delete_group, &verb_link_delete_many, &verb_link_settle,
	&verb_address_add, &verb_address_replace, &verb_address_delete, &verb_address_settle,
	&verb_route_add, &verb_route_replace, &verb_route_delete,
	&verb_rule_add, &verb_rule_delete,
	&verb_neighbour_add, &verb_neighbour_replace, &verb_neighbour_delete,
	&verb_fdb_add, &verb_fdb_replace, &verb_fdb_append, &verb_fdb_delete,
	&verb_qdisc_add, &verb_qdisc_set, &verb_qdisc_delete,
	&verb_class_add, &verb_class_set, &verb_class_delete,
	&verb_filter_add, &verb_filter_delete,
	&verb_nftables_run, &verb_sysctl_set, &verb_ethtool_set,
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find_verb(lua_State *L, const char *name, lua_Integer item)
{
	const char *names[VERBS + 1], *near;

	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
		names[i] = verbs[i]->name;
	}
	names[VERBS] = NULL;
	near = nearest_name(name, names);
	nerv_error(L, "batch.run: item %d: '%s' is no verb that a batch takes%s%s%s", (int)item, name,
		   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return NULL;
}

/* Compiles the item { "verb", { options } } on top of the stack. */
static void add_item(lua_State *L, struct op_job *job, lua_Integer item)
{
	char where[96];
	struct compile c = { .L = L, .where = where, .arena = &job->arena };
	const struct verb *verb;
	const int base = lua_gettop(L);

	if (!lua_istable(L, base) || lua_rawgeti(L, base, 1) != LUA_TSTRING ||
	    lua_rawgeti(L, base, 2) != LUA_TTABLE)
		nerv_error(L, "batch.run: item %d must be { \"verb\", { options } }", (int)item);
	verb = find_verb(L, lua_tostring(L, base + 1), item);
	snprintf(where, sizeof(where), "batch.run: item %d, %s", (int)item, verb->name);
	c.idx = base + 2;
	compile_check(&c, verb->fields);
	op_job_add(job, &c, verb);
}

static int finish_batch(lua_State *L, int status, lua_KContext ctx)
{
	struct op_job *job = lua_touserdata(L, (int)ctx);
	int results = 0;

	(void)status;
	if (job->list.failed)
		results = op_push_fault(L, &job->list);
	lua_pushinteger(L, job->list.done + (results ? 1 : 0));
	op_job_release(job);
	return results + 1;
}

static int l_run(lua_State *L)
{
	struct op_job *job;
	lua_Integer n = (lua_Integer)lua_rawlen(L, 1);

	job = op_job_new(L);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		add_item(L, job, i);
		lua_settop(L, 2);
	}
	return op_job_run(L, finish_batch);
}

static const struct fn batch_functions[] = {
	{ "run", l_run,
	  (const struct arg[]){
		  { "items", ARG_TABLE, true, "list of { \"link.add\", { options } } and the like", NULL },
		  { 0 } },
	  "does the changes in order, up to the first that fails; returns how many were done, or nil, "
	  "message, code and the number of the failed item",
	  "print(batch.run{\n"
	  "  { \"link.add\", { kind = \"veth\", name = \"a\", peer = { name = \"b\", up = true } } },\n"
	  "  { \"address.add\", { link = \"a\", address = \"10.1.0.1/24\" } },\n"
	  "  { \"link.set\", { name = \"a\", up = true } },\n"
	  "})" },
	{ 0 }
};

NERV_MODULE(batch, .name = "batch", .text = "many changes of the system in one go",
	    .functions = batch_functions);
