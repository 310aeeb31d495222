/* Calls to a switch: their turns, their jobs, their ends. */
#include "bindings/switch_client.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "shell/registry.h"
#include "shell/runtime.h"

static const char call_class[] = "switch_client.call";

static void disconnect(struct switch_handle *h)
{
	if (h->loop)
		ev_async_stop(h->loop, &h->ended);
	h->loop = NULL;
	nve_client_close(h->client);
	h->client = NULL;
	h->desc = NULL;
}

static struct switch_call *pop_waiting(struct switch_handle *h)
{
	struct switch_call *c = h->first;

	if (c)
		h->first = c->next;
	return c;
}

/* The client may be free: somebody else has his turn. */
static void next_turn(struct switch_handle *h)
{
	struct switch_call *c;

	if (atomic_load(&h->busy))
		return;
	if (h->closed) {
		disconnect(h);
		return;
	}
	c = pop_waiting(h);
	if (!c)
		return;
	atomic_store(&h->busy, true);
	c->turn = true;
	wait_done(&c->job.wait);
}

static void on_ended(struct ev_loop *loop, struct ev_async *watcher, int events)
{
	(void)loop;
	(void)events;
	next_turn(watcher->data);
}

struct switch_handle *switch_handle_new(lua_State *L, const char *class_name, const char *where)
{
	size_t size = strlen(where) + 1;
	struct switch_handle *h = lua_newuserdatauv(L, sizeof(*h) + size, 0);

	memset(h, 0, sizeof(*h));
	memcpy(h->where, where, size);
	luaL_setmetatable(L, class_name);
	h->loop = runtime_of(L)->loop;
	ev_async_init(&h->ended, on_ended);
	h->ended.data = h;
	ev_async_start(h->loop, &h->ended);
	return h;
}

void switch_handle_close(struct switch_handle *h)
{
	struct switch_call *c;

	h->closed = true;
	while ((c = pop_waiting(h)))
		wait_done(&c->job.wait);
	next_turn(h);
}

static void release(struct switch_call *c)
{
	free(c->ports);
	nve_ops_clean(c->ops, c->n_ops);
	arena_free(&c->arena);
	c->ports = NULL;
	c->ops = NULL;
	c->n_ops = 0;
}

static int collect_call(lua_State *L)
{
	release(lua_touserdata(L, 1));
	return 0;
}

/* The call's function is left: by its end, or because the task was cancelled. In the second case the job may be in the
 * pool (then the memory is its own until it has ended), or the turn came and was not taken. */
static int leave_call(lua_State *L)
{
	struct switch_call *c = lua_touserdata(L, 1);

	if (c->job.rt && !c->ended) {
		atomic_store(&c->abandoned, true);
		return 0;
	}
	if (c->turn && !c->job.rt) {
		c->turn = false;
		atomic_store(&c->h->busy, false);
		next_turn(c->h);
	}
	release(c);
	return 0;
}

struct switch_call *switch_call_new(lua_State *L, int idx, const struct switch_verb *verb)
{
	struct switch_call *c;

	idx = lua_absindex(L, idx);
	c = lua_newuserdatauv(L, sizeof(*c), 1);
	memset(c, 0, sizeof(*c));
	c->h = lua_touserdata(L, idx);
	c->verb = verb;
	if (luaL_newmetatable(L, call_class)) {
		lua_pushcfunction(L, collect_call);
		lua_setfield(L, -2, "__gc");
		lua_pushcfunction(L, leave_call);
		lua_setfield(L, -2, "__close");
	}
	lua_setmetatable(L, -2);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, 1);
	return c;
}

/* On a worker thread. As soon as the handle is not busy any more its owner may close it. */
static void run_call(struct job *job)
{
	struct switch_call *c = (struct switch_call *)job;
	struct ev_loop *loop = c->h->loop;

	if (atomic_load(&c->abandoned))
		c->err = nve_fail(&c->e, -ECANCELED, "%s", c->verb->name);
	else
		c->err = c->verb->run(c);
	atomic_store(&c->h->busy, false);
	ev_async_send(loop, &c->h->ended);
}

/* A refusal names its table, counter or port; other errors do not say which switch it was. */
static bool says_what(const struct switch_call *c)
{
	return (-c->err >= NVE_KIND_TABLE && -c->err < NVE_KIND_APPLICATION) ||
	       strncmp(c->e.text, c->h->where, strlen(c->h->where)) == 0;
}

/* The end of the stream has a word of its own. */
static int push_failure(lua_State *L, const struct switch_call *c)
{
	lua_pushnil(L);
	if (says_what(c))
		lua_pushstring(L, c->e.text);
	else
		lua_pushfstring(L, "%s: %s", c->h->where, c->e.text);
	if (c->err == -ECONNRESET || c->err == -EPIPE)
		lua_pushliteral(L, "closed");
	else
		lua_pushstring(L, -c->err < NVE_KIND_TABLE ? errno_name(c->err) : nve_error_name(c->err));
	if (!c->refused)
		return 3;
	lua_pushinteger(L, c->refused);
	return 4;
}

static int finish_call(lua_State *L, int status, lua_KContext idx)
{
	struct switch_call *c = lua_touserdata(L, (int)idx);

	(void)status;
	c->ended = true;
	if (c->err)
		return push_failure(L, c);
	if (c->verb->push)
		return c->verb->push(L, c);
	lua_pushboolean(L, true);
	return 1;
}

static int take_turn(lua_State *L, int status, lua_KContext idx)
{
	struct switch_call *c = lua_touserdata(L, (int)idx);

	(void)status;
	if (!c->turn || c->h->closed) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: closed meanwhile", c->h->where);
		lua_pushliteral(L, "closed");
		return 3;
	}
	if (c->verb->take && c->verb->take(L, c))
		return task_breathe(L, idx, take_turn);
	c->job.run = run_call;
	return worker_call(L, (int)idx, &c->job, idx, finish_call);
}

static void leave_queue(struct wait *w)
{
	struct switch_call *c = (struct switch_call *)w, **link = &c->h->first;

	while (*link && *link != c)
		link = &(*link)->next;
	if (*link)
		*link = c->next;
}

int switch_call_start(lua_State *L)
{
	const int idx = lua_gettop(L);
	struct switch_call *c = lua_touserdata(L, idx), **link;

	lua_toclose(L, idx);
	if (!atomic_load(&c->h->busy) && !c->h->first) {
		atomic_store(&c->h->busy, true);
		c->turn = true;
		return take_turn(L, LUA_OK, idx);
	}
	for (link = &c->h->first; *link; link = &(*link)->next)
		;
	*link = c;
	c->job.wait.cancel = leave_queue;
	return task_wait(L, &c->job.wait, idx, take_turn);
}
