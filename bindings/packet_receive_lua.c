/* Packet sockets: the receiving methods. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "bindings/packet_handle.h"
#include "bindings/pcap_format.h"
#include "shell/registry.h"

enum {
	BURST_MOST = 256,		/* frames; then the other tasks get their turn */
	RECORDS_BYTES = 256 * 1024,
};

static int push_timeout(lua_State *L, const struct packet *p, double seconds)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: no frame within %f s", p->link, seconds);
	lua_pushliteral(L, "timeout");
	return 3;
}

/* The next frame, for a method whose time limit in seconds (or nil) is at index 2. The
 * length; -EAGAIN when the task has to sleep; or -1 with `*results` pushed. */
static ssize_t try_frame(lua_State *L, struct packet *p, int status, struct packet_info *info, int *results)
{
	ssize_t n;

	*results = 0;
	if (status == LUA_YIELD)
		p->burst = 0;
	if (p->fd < 0)
		return *results = packet_push_closed(L, p), -1;
	if (p->reader.task)
		return nerv_error(L, "%s: another task is receiving from it already", p->link);
	if (p->burst >= BURST_MOST)
		return -EAGAIN;
	n = packet_receive(p->fd, p->frame, FRAME_MOST, info);
	if (n >= 0) {
		packet_stop_reading(p);
		p->burst++;
		return n;
	}
	if (n != -EAGAIN)
		return *results = nerv_fail(L, (int)n, "%s", p->link), -1;
	if (status == LUA_YIELD && p->timed_out)
		return *results = push_timeout(L, p, lua_tonumber(L, 2)), -1;
	return -EAGAIN;
}

static int sleep_for_frame(lua_State *L, struct packet *p, lua_KFunction go)
{
	p->timed_out = false;
	if (lua_isnumber(L, 2)) {
		ev_now_update(p->loop);
		ev_timer_set(&p->timer, lua_tonumber(L, 2), 0);
		ev_timer_start(p->loop, &p->timer);
	}
	ev_io_start(p->loop, &p->readable);
	return task_wait(L, &p->reader, 0, go);
}

static void check_timeout(lua_State *L, const char *name)
{
	if (lua_isnumber(L, 2) && !(lua_tonumber(L, 2) >= 0))
		nerv_error(L, "packet:%s: timeout must be 0 or more", name);
}

static int push_frame(lua_State *L, const struct packet *p, size_t n, const struct packet_info *info)
{
	lua_pushlstring(L, (const char *)p->frame, n < FRAME_MOST ? n : FRAME_MOST);
	lua_createtable(L, 0, 6);
	lua_pushboolean(L, info->outgoing);
	lua_setfield(L, -2, "outgoing");
	lua_pushboolean(L, info->sum_pending);
	lua_setfield(L, -2, "checksum_pending");
	lua_pushnumber(L, (double)info->time / 1e9);
	lua_setfield(L, -2, "time");
	lua_pushinteger(L, info->time);
	lua_setfield(L, -2, "time_ns");
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, "length");
	if (info->has_vlan) {
		lua_pushinteger(L, info->vlan_tci);
		lua_setfield(L, -2, "vlan");
	}
	return 2;
}

static int recv_go(lua_State *L, int status, lua_KContext ctx)
{
	struct packet *p = packet_check_handle(L);
	struct packet_info info;
	int results;
	ssize_t n = try_frame(L, p, status, &info, &results);

	(void)ctx;
	if (n >= 0)
		return push_frame(L, p, (size_t)n, &info);
	return results ? results : sleep_for_frame(L, p, recv_go);
}

int packet_l_recv(lua_State *L)
{
	packet_check_open(L);
	check_timeout(L, "recv");
	return recv_go(L, LUA_OK, 0);
}

/* At index 2 the time limit, 3 how many frames at most, 4 how many bytes of each. */
static int records_go(lua_State *L, int status, lua_KContext ctx)
{
	struct packet *p = packet_check_handle(L);
	lua_Integer most = lua_tointeger(L, 3), snaplen = lua_tointeger(L, 4), count = 0;
	struct packet_info info;
	size_t bytes = 0, kept;
	int results, pieces = 0;
	ssize_t n;

	(void)ctx;
	n = try_frame(L, p, status, &info, &results);
	if (n < 0)
		return results ? results : sleep_for_frame(L, p, records_go);
	luaL_checkstack(L, BURST_MOST + 8, NULL);
	while (n >= 0) {
		uint8_t head[PCAP_RECORD_HEAD];

		kept = n > snaplen ? (size_t)snaplen : (size_t)n;
		pcap_record_head(head, info.time, true, (uint32_t)kept, (uint32_t)n);
		lua_pushlstring(L, (const char *)head, sizeof(head));
		lua_pushlstring(L, (const char *)p->frame, kept);
		lua_concat(L, 2);
		pieces++;
		bytes += sizeof(head) + kept;
		if (++count == most || bytes >= RECORDS_BYTES || p->burst >= BURST_MOST)
			break;
		n = packet_receive(p->fd, p->frame, FRAME_MOST, &info);
		p->burst++;
	}
	lua_concat(L, pieces);
	lua_pushinteger(L, count);
	return 2;
}

int packet_l_records(lua_State *L)
{
	lua_Integer most, snaplen;

	packet_check_open(L);
	check_timeout(L, "records");
	lua_settop(L, 4);
	most = luaL_optinteger(L, 3, BURST_MOST);
	snaplen = luaL_optinteger(L, 4, FRAME_MOST);
	if (most < 1)
		return nerv_error(L, "packet:records: count must be 1 or more");
	if (snaplen < 1 || snaplen > FRAME_MOST)
		return nerv_error(L, "packet:records: snaplen must be 1 to %d", FRAME_MOST);
	lua_pushinteger(L, most);
	lua_replace(L, 3);
	lua_pushinteger(L, snaplen);
	lua_replace(L, 4);
	return records_go(L, LUA_OK, 0);
}

/* Of a loop that has got its last frame: nothing; an error is raised, for a loop has no
 * place for it. */
static int next_frame_end(lua_State *L, int results)
{
	const char *code = lua_tostring(L, -1);

	if (results == 3 && strcmp(code, "timeout") != 0 && strcmp(code, "closed") != 0)
		return nerv_error(L, "%s", lua_tostring(L, -2));
	lua_pushnil(L);
	return 1;
}

static int next_frame_go(lua_State *L, int status, lua_KContext ctx)
{
	struct packet *p = packet_check_handle(L);
	struct packet_info info;
	int results;
	ssize_t n = try_frame(L, p, status, &info, &results);

	(void)ctx;
	if (n >= 0)
		return push_frame(L, p, (size_t)n, &info);
	return results ? next_frame_end(L, results) : sleep_for_frame(L, p, next_frame_go);
}

static int next_frame(lua_State *L)
{
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, lua_upvalueindex(2));
	return next_frame_go(L, LUA_OK, 0);
}

int packet_l_frames(lua_State *L)
{
	packet_check_open(L);
	check_timeout(L, "frames");
	lua_settop(L, 2);
	lua_pushcclosure(L, next_frame, 2);
	return 1;
}
