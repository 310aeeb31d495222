/* Files of packets, read: the class "pcap.reader". */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/pcap_lua.h"
#include "bindings/pcap_reader.h"
#include "shell/registry.h"
#include "shell/worker.h"

static const char class_name[] = "pcap.reader";
static const char job_name[] = "pcap.reader.job";

struct handle {
	pthread_mutex_t lock;		/* a job may outlive the call that began it */
	struct pcap_reader reader;	/* under lock */
	char name[128];			/* the path's end, for messages */
};

/* Opening, or reading on. Path and filter lie in user values 2 and 3, the handle in 1. */
struct read_job {
	struct job job;
	struct handle *handle;
	const char *path, *filter;
	int result;
};

static int collect_handle(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, class_name);

	pthread_mutex_lock(&h->lock);
	pcap_reader_close(&h->reader);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

/* 0 or negative errno; -ESPIPE when it is no regular file: to read it could block for ever. */
static int open_file(const char *path, FILE **file)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode))
		ret = -ESPIPE;
	*file = ret ? NULL : fdopen(fd, "r");
	if (*file)
		return 0;
	ret = ret ? ret : -errno;
	close(fd);
	return ret;
}

static void run_open(struct job *job)
{
	struct read_job *j = (struct read_job *)job;
	FILE *file;

	pthread_mutex_lock(&j->handle->lock);
	j->result = open_file(j->path, &file);
	if (!j->result)
		j->result = pcap_reader_open(&j->handle->reader, file, j->filter);
	pthread_mutex_unlock(&j->handle->lock);
}

static void run_fill(struct job *job)
{
	struct handle *h = ((struct read_job *)job)->handle;

	pthread_mutex_lock(&h->lock);
	if (h->reader.pcap && !buffer_length(&h->reader.batch))
		pcap_reader_fill(&h->reader);
	pthread_mutex_unlock(&h->lock);
}

/* A job of the handle at `idx`, on top. */
static struct read_job *job_new(lua_State *L, int idx, void (*run)(struct job *))
{
	struct read_job *j;

	idx = lua_absindex(L, idx);
	j = lua_newuserdatauv(L, sizeof(*j), 3);
	memset(j, 0, sizeof(*j));
	j->job.run = run;
	j->handle = lua_touserdata(L, idx);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, job_name);
	return j;
}

static int fail(lua_State *L, const char *name, int err, const char *why)
{
	if (!*why)
		return nerv_fail(L, err, "%s", name);
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", name, why);
	lua_pushstring(L, errno_name(err));
	return 3;
}

static int opened(lua_State *L, int status, lua_KContext idx)
{
	struct read_job *j = luaL_checkudata(L, (int)idx, job_name);
	const char *why = j->handle->reader.why;

	(void)status;
	if (j->result == -ESPIPE)
		why = "a regular file is wanted";
	if (j->result)
		return fail(L, j->handle->name, j->result, why);
	lua_settop(L, (int)idx - 1);
	return 1;
}

int pcap_l_open(lua_State *L)
{
	struct handle *h;
	struct read_job *j;
	size_t n = lua_rawlen(L, 1);

	lua_settop(L, 2);
	h = lua_newuserdatauv(L, sizeof(*h), 0);
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	luaL_setmetatable(L, class_name);
	strcpy(h->name, lua_tostring(L, 1) + (n < sizeof(h->name) ? 0 : n - sizeof(h->name) + 1));
	j = job_new(L, 3, run_open);
	j->path = lua_tostring(L, 1);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 4, 2);
	if (lua_istable(L, 2) && lua_getfield(L, 2, "filter") == LUA_TSTRING) {
		j->filter = lua_tostring(L, -1);
		lua_setiuservalue(L, 4, 3);
	}
	lua_settop(L, 4);
	return worker_call(L, 4, &j->job, 4, opened);
}

static struct handle *check(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, class_name);

	if (!h->reader.pcap)
		nerv_error(L, "the pcap reader of %s is closed", h->name);
	return h;
}

static int push_packet(lua_State *L, const struct pcap_packet *p)
{
	lua_createtable(L, 0, 4);
	lua_pushlstring(L, (const char *)p->bytes, p->kept);
	lua_setfield(L, -2, "bytes");
	lua_pushinteger(L, p->length);
	lua_setfield(L, -2, "length");
	lua_pushnumber(L, (double)p->time / 1e9);
	lua_setfield(L, -2, "time");
	lua_pushinteger(L, p->time);
	lua_setfield(L, -2, "time_ns");
	return 1;
}

/* A job that a cancelled task began may be running: it is waited for, at most as long as
 * the file takes to be read on. */
static int next_go(lua_State *L, int status, lua_KContext ctx)
{
	struct handle *h = luaL_checkudata(L, 1, class_name);
	struct pcap_packet packet;
	int have = 0, end = 1;
	bool open;

	(void)status;
	lua_settop(L, 1);
	pthread_mutex_lock(&h->lock);
	open = h->reader.pcap;
	if (open) {
		have = pcap_reader_take(&h->reader, &packet);
		end = h->reader.end;
	}
	pthread_mutex_unlock(&h->lock);
	if (have)
		return push_packet(L, &packet);	/* only this thread takes it away */
	if (open && !end) {
		struct read_job *j = job_new(L, 1, run_fill);

		return worker_call(L, 2, &j->job, ctx, next_go);
	}
	if (end < 0)
		return fail(L, h->name, end, h->reader.why);
	lua_pushnil(L);
	return 1;
}

static int l_next(lua_State *L)
{
	check(L);
	return next_go(L, LUA_OK, 0);
}

/* A loop has no place for an error. */
static int call_end(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	if (lua_isnil(L, 2) && lua_isstring(L, 3))
		return nerv_error(L, "%s", lua_tostring(L, 3));
	return lua_gettop(L) - 1;
}

static int l_call(lua_State *L)
{
	check(L);
	lua_settop(L, 1);
	lua_pushcfunction(L, l_next);
	lua_pushvalue(L, 1);
	lua_callk(L, 1, LUA_MULTRET, 0, call_end);
	return call_end(L, LUA_OK, 0);
}

static int l_info(lua_State *L)
{
	struct handle *h = check(L);

	lua_createtable(L, 0, 3);
	lua_pushinteger(L, pcap_reader_linktype(&h->reader));
	lua_setfield(L, -2, "linktype");
	lua_pushstring(L, pcap_reader_linktype_name(&h->reader));
	lua_setfield(L, -2, "name");
	lua_pushinteger(L, pcap_reader_snaplen(&h->reader));
	lua_setfield(L, -2, "snaplen");
	return 1;
}

static int l_tostring(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "pcap.reader of %s%s", h->name, h->reader.pcap ? "" : " (closed)");
	return 1;
}

static const struct fn methods[] = {
	{ "next", l_next, NULL,
	  "returns the next packet {time= seconds since 1970, time_ns= the same in whole nanoseconds, bytes=, length= "
	  "bytes on the wire}; at the end nil",
	  PCAP_EXAMPLE_FILE
	  "local reader <close> = pcap.open(path)\n"
	  "print(#reader:next().bytes, reader:next())\n"
	  "os.remove(path)" },
	{ "info", l_info, NULL,
	  "returns {linktype= number of what packets begin with (1 Ethernet, 101 IP), name= its name, snaplen= bytes "
	  "of a packet that the file holds at most}",
	  PCAP_EXAMPLE_FILE
	  "local reader <close> = pcap.open(path)\n"
	  "print(reader:info().name)\n"
	  "os.remove(path)" },
	{ "close", collect_handle, NULL, "closes the file" },
	{ 0 }
};

void pcap_reader_class_open(lua_State *L)
{
	luaL_newmetatable(L, job_name);
	lua_pop(L, 1);
	registry_class(L, class_name, "packets in a file; a loop calls it: for p in reader do ... end", methods,
		       collect_handle);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushcfunction(L, l_call);
	lua_setfield(L, -2, "__call");
	lua_pop(L, 1);
}
