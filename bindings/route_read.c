/* Routes: how they are read. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/netlink_push.h"
#include "bindings/route_op.h"

const struct word route_types[] = {
	{ "unicast", RTN_UNICAST }, { "local", RTN_LOCAL }, { "broadcast", RTN_BROADCAST },
	{ "anycast", RTN_ANYCAST }, { "multicast", RTN_MULTICAST }, { "blackhole", RTN_BLACKHOLE },
	{ "unreachable", RTN_UNREACHABLE }, { "prohibit", RTN_PROHIBIT }, { "throw", RTN_THROW }, { 0 }
};

const struct word route_scopes[] = {
	{ "global", RT_SCOPE_UNIVERSE }, { "site", RT_SCOPE_SITE }, { "link", RT_SCOPE_LINK },
	{ "host", RT_SCOPE_HOST }, { "nowhere", RT_SCOPE_NOWHERE }, { 0 }
};

static struct nlattr *find(const struct nlmsghdr *msg, int type)
{
	return nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg, sizeof(struct rtmsg), type);
}

/* The interfaces of a route: its own, and those of its next hops. */
static int note_names(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg)
{
	struct nlattr *a = find(msg, RTA_OIF);
	struct rtnexthop *hop;
	int ret = 0, left;

	if (a)
		return nlconn_note_name(conn, (int)nla_get_u32(a), &l->names);
	a = find(msg, RTA_MULTIPATH);
	if (!a)
		return 0;
	left = nla_len(a);
	for (hop = nla_data(a); !ret && RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		ret = nlconn_note_name(conn, hop->rtnh_ifindex, &l->names);
		left -= RTNH_ALIGN(hop->rtnh_len);
	}
	return ret;
}

int route_run_list(struct op_list *l, struct op *op)
{
	struct route_read_op *o = (struct route_read_op *)op;
	struct rtmsg *rtm;
	struct nlconn *conn;
	int ret = op_conn_link(l, op->netns, o->link, &conn, &o->index);

	return ret ? ret : op_dump(l, conn, nlconn_message(RTM_GETROUTE, 0, sizeof(*rtm), &rtm), note_names);
}

static int put_question(struct nl_msg *msg, struct nlconn *conn, const struct route_read_op *o,
			struct fault *f)
{
	int out = o->link ? nlconn_index(conn, o->link, f) : 0;
	int in = out >= 0 && o->from_link ? nlconn_index(conn, o->from_link, f) : 0;
	int ret = put_prefix(msg, RTA_DST, &o->to) | put_prefix(msg, RTA_SRC, &o->source);

	if (out < 0 || in < 0)
		return out < 0 ? out : in;
	if (out)
		ret |= nla_put_u32(msg, RTA_OIF, (uint32_t)out);
	if (in)
		ret |= nla_put_u32(msg, RTA_IIF, (uint32_t)in);
	if (o->mark)
		ret |= nla_put_u32(msg, RTA_MARK, o->mark);
	return ret ? fault_set(f, -EMSGSIZE, "message") : 0;
}

int route_run_get(struct op_list *l, struct op *op)
{
	const struct route_read_op *o = (const struct route_read_op *)op;
	struct rtmsg *rtm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	msg = nlconn_message(RTM_GETROUTE, 0, sizeof(*rtm), &rtm);
	if (!msg)
		return fault_set(&l->fault, -ENOMEM, "message");
	rtm->rtm_family = (uint8_t)o->to.family;
	rtm->rtm_dst_len = (uint8_t)(prefix_size(&o->to) * 8);
	rtm->rtm_src_len = o->source.family ? rtm->rtm_dst_len : 0;
	rtm->rtm_flags = o->to.family == AF_INET ? RTM_F_LOOKUP_TABLE : 0;	/* IPv6 always tells */
	ret = put_question(msg, conn, o, &l->fault);
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	ret = nlconn_get(conn, msg, &l->out, &l->fault);
	return ret ? ret : note_names(l, conn, nlbuf_next(&l->out, NULL));
}

static void set_nexthops(lua_State *L, int family, const struct nlattr *a, int names)
{
	struct rtnexthop *hop = nla_data(a);
	int left = nla_len(a), n = 0;

	lua_newtable(L);
	for (; RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		struct nlattr *via = nla_find((struct nlattr *)RTNH_DATA(hop),
					      hop->rtnh_len - (int)RTNH_LENGTH(0), RTA_GATEWAY);

		lua_newtable(L);
		set_ifname(L, "link", names, hop->rtnh_ifindex);
		set_integer(L, "weight", hop->rtnh_hops + 1);
		set_address(L, "via", family, via);
		if (hop->rtnh_flags & RTNH_F_ONLINK)
			set_boolean(L, "onlink", true);
		lua_rawseti(L, -2, ++n);
		left -= RTNH_ALIGN(hop->rtnh_len);
	}
	lua_setfield(L, -2, "nexthops");
}

static void set_mtu(lua_State *L, struct nlattr *metrics)
{
	struct nlattr *mtu = nla_find(nla_data(metrics), nla_len(metrics), RTAX_MTU);

	if (mtu)
		set_integer(L, "mtu", nla_get_u32(mtu));
}

static uint32_t table_of(const struct nlmsghdr *msg)
{
	const struct rtmsg *rtm = nlmsg_data(msg);
	struct nlattr *a = find(msg, RTA_TABLE);

	return a ? nla_get_u32(a) : rtm->rtm_table;
}

bool route_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct rtmsg *rtm = nlmsg_data(msg);
	struct nlattr *tb[RTA_MAX + 1];

	if (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)
		return false;
	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*rtm), tb, RTA_MAX, NULL);
	lua_createtable(L, 0, 12);
	set_string(L, "to", "default");
	set_network(L, "to", rtm->rtm_family, tb[RTA_DST], rtm->rtm_dst_len);
	set_family(L, rtm->rtm_family);
	set_integer(L, "table", table_of(msg));
	set_integer(L, "protocol", rtm->rtm_protocol);
	set_word(L, "scope", route_scopes, rtm->rtm_scope);
	set_word(L, "type", route_types, rtm->rtm_type);
	set_address(L, "via", rtm->rtm_family, tb[RTA_GATEWAY]);
	set_address(L, "source", rtm->rtm_family, tb[RTA_PREFSRC]);
	if (rtm->rtm_flags & RTNH_F_ONLINK)
		set_boolean(L, "onlink", true);
	if (tb[RTA_OIF])
		set_ifname(L, "link", names, (int)nla_get_u32(tb[RTA_OIF]));
	if (tb[RTA_PRIORITY])
		set_integer(L, "metric", nla_get_u32(tb[RTA_PRIORITY]));
	if (tb[RTA_METRICS])
		set_mtu(L, tb[RTA_METRICS]);
	if (tb[RTA_MULTIPATH])
		set_nexthops(L, rtm->rtm_family, tb[RTA_MULTIPATH], names);
	return true;
}

static bool leaves_by(const struct nlmsghdr *msg, int index)
{
	struct nlattr *a = find(msg, RTA_OIF);
	struct rtnexthop *hop;
	int left;

	if (a)
		return (int)nla_get_u32(a) == index;
	a = find(msg, RTA_MULTIPATH);
	left = a ? nla_len(a) : 0;
	for (hop = a ? nla_data(a) : NULL; a && RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		if (hop->rtnh_ifindex == index)
			return true;
		left -= RTNH_ALIGN(hop->rtnh_len);
	}
	return false;
}

static bool wanted(const struct route_read_op *o, const struct nlmsghdr *msg)
{
	const struct rtmsg *rtm = nlmsg_data(msg);

	if ((o->table && table_of(msg) != o->table) || (o->family && rtm->rtm_family != o->family) ||
	    (o->protocol && rtm->rtm_protocol != o->protocol))
		return false;
	return !o->link || leaves_by(msg, o->index);
}

int route_push_list(lua_State *L, struct op_list *l, struct op *op)
{
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));)
		if (wanted((struct route_read_op *)op, h) && route_push(L, h, names))
			lua_rawseti(L, -2, ++n);
	return 1;
}

int route_push_get(lua_State *L, struct op_list *l, struct op *op)
{
	(void)op;
	op_push_names(L, l);
	route_push(L, nlbuf_next(&l->out, NULL), lua_gettop(L));
	return 1;
}
