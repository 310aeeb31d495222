/* The Lua module `route`: IPv4 and IPv6 routes. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/address_parse.h"
#include "bindings/batch.h"
#include "bindings/op_lua.h"

struct route_op {
	struct op op;
	struct prefix to, via, source;	/* family 0: not meant */
	const char *link;
	uint32_t table;			/* a listing: 0 for all */
	uint8_t protocol;		/* 0: not meant */
	bool has_metric;
	uint32_t metric;
};

#define ROUTE_FIELDS \
	{ "to", ARG_STRING, true, "destination: a CIDR, or \"default\" (of the family of via; " \
	  "without one IPv4, \"::/0\" is that of IPv6)", NULL }, \
	{ "via", ARG_STRING, false, "address of the next router", NULL }, \
	{ "link", ARG_STRING, false, "interface to leave by", NULL }, \
	ARG_FIELD_NETNS, \
	{ "table", ARG_INTEGER, false, "number of the routing table; by default 254, main", NULL }, \
	{ "metric", ARG_INTEGER, false, "preference among routes to the same place: low wins", NULL }, \
	{ "source", ARG_STRING, false, "preferred source address", NULL }

static const struct arg add_fields[] = {
	ROUTE_FIELDS,
	{ "protocol", ARG_INTEGER, false, "who made it, 1 to 255; by default 4, static", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	ROUTE_FIELDS,
	{ "protocol", ARG_INTEGER, false, "who made it, 1 to 255; by default anybody", NULL },
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "table", ARG_INTEGER, false, "number of the routing table; by default 254, main; 0: all", NULL },
	{ 0 }
};

static void compile_address(const struct compile *c, const char *key, struct prefix *p)
{
	const char *text = compile_string(c, key);
	char why[256];

	if (!text)
		return;
	if (prefix_parse(p, text, why, sizeof(why)))
		compile_error(c, "%s: %s", key, why);
	if (p->has_length)
		compile_error(c, "%s: \"%s\" has a prefix length; an address alone is wanted", key,
			      text);
}

static void compile_to(const struct compile *c, struct route_op *o, const char *text)
{
	char why[256], network[PREFIX_TEXT];

	if (strcmp(text, "default") == 0) {
		o->to.family = o->via.family ? o->via.family :
			       o->source.family ? o->source.family : AF_INET;
		return;
	}
	if (prefix_parse(&o->to, text, why, sizeof(why)))
		compile_error(c, "to: %s", why);
	if (prefix_mask(&o->to)) {
		prefix_format(&o->to, true, network);
		compile_error(c, "to: bad CIDR \"%s\": bits are set after the prefix; the network is "
			      "\"%s\"", text, network);
	}
}

static void compile_route(const struct compile *c, struct op *op)
{
	struct route_op *o = (struct route_op *)op;
	const char *to = compile_string(c, "to");
	int64_t n;

	compile_address(c, "via", &o->via);
	compile_address(c, "source", &o->source);
	compile_to(c, o, to);
	if ((o->via.family && o->via.family != o->to.family) ||
	    (o->source.family && o->source.family != o->to.family))
		compile_error(c, "to, via and source must be of one family, IPv4 or IPv6");
	o->link = compile_ifname(c, "link");
	o->table = RT_TABLE_MAIN;
	if (compile_integer(c, "table", 1, UINT32_MAX, &n))
		o->table = (uint32_t)n;
	if (compile_integer(c, "protocol", 1, UINT8_MAX, &n))
		o->protocol = (uint8_t)n;
	o->has_metric = compile_integer(c, "metric", 0, UINT32_MAX, &n);
	if (o->has_metric)
		o->metric = (uint32_t)n;
	op->subject = to;
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct route_op *o = (struct route_op *)op;

	compile_route(c, op);
	if (!o->via.family && !o->link)
		compile_error(c, "a route needs via, link, or both");
	if (!o->protocol)
		o->protocol = RTPROT_STATIC;
}

static int put_prefix(struct nl_msg *msg, int type, const struct prefix *p)
{
	return p->family ? nla_put(msg, type, (int)prefix_size(p), p->bytes) : 0;
}

static int put_route(struct nl_msg *msg, const struct route_op *o, int index)
{
	int ret = nla_put_u32(msg, RTA_TABLE, o->table);

	if (o->to.length)
		ret |= put_prefix(msg, RTA_DST, &o->to);
	ret |= put_prefix(msg, RTA_GATEWAY, &o->via);
	ret |= put_prefix(msg, RTA_PREFSRC, &o->source);
	if (index)
		ret |= nla_put_u32(msg, RTA_OIF, (uint32_t)index);
	if (o->has_metric)
		ret |= nla_put_u32(msg, RTA_PRIORITY, o->metric);
	return ret;
}

static int send_route(struct op_list *l, const struct route_op *o, int type, int flags,
		      uint8_t scope)
{
	struct rtmsg *rtm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, o->op.netns, &conn), index = 0;

	if (!ret && o->link)
		index = nlconn_index(conn, o->link, &l->fault);
	if (ret || index < 0)
		return ret ? ret : index;
	msg = nlconn_message(type, flags, sizeof(*rtm), &rtm);
	if (msg) {
		rtm->rtm_family = (uint8_t)o->to.family;
		rtm->rtm_dst_len = (uint8_t)o->to.length;
		rtm->rtm_protocol = o->protocol;
		rtm->rtm_scope = scope;
		rtm->rtm_type = type == RTM_NEWROUTE ? RTN_UNICAST : RTN_UNSPEC;
		if (put_route(msg, o, index)) {
			nlmsg_free(msg);
			return -EMSGSIZE;
		}
	}
	return nlconn_request(conn, msg, &l->fault);
}

static int run_add(struct op_list *l, struct op *op)
{
	const struct route_op *o = (const struct route_op *)op;

	/* without a router the destination is on the link itself */
	return send_route(l, o, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
			  o->via.family ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return send_route(l, (const struct route_op *)op, RTM_DELROUTE, 0, RT_SCOPE_NOWHERE);
}

const struct verb verb_route_add = {
	"route.add", add_fields, sizeof(struct route_op), compile_add, run_add, NULL,
};
const struct verb verb_route_delete = {
	"route.delete", delete_fields, sizeof(struct route_op), compile_route, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	int64_t table = RT_TABLE_MAIN;

	compile_integer(c, "table", 0, UINT32_MAX, &table);
	((struct route_op *)op)->table = (uint32_t)table;
}

/* The interfaces of a route: its own, and those of its next hops. */
static int note_names(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg)
{
	struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg, sizeof(struct rtmsg),
					   RTA_OIF);
	struct rtnexthop *hop;
	int ret = 0, left;

	if (a)
		return nlconn_note_name(conn, (int)nla_get_u32(a), &l->names);
	a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg, sizeof(struct rtmsg), RTA_MULTIPATH);
	if (!a)
		return 0;
	left = nla_len(a);
	for (hop = nla_data(a); !ret && RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		ret = nlconn_note_name(conn, hop->rtnh_ifindex, &l->names);
		left -= RTNH_ALIGN(hop->rtnh_len);
	}
	return ret;
}

static int run_list(struct op_list *l, struct op *op)
{
	struct rtmsg *rtm;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret)
		ret = nlconn_dump(conn, nlconn_message(RTM_GETROUTE, 0, sizeof(*rtm), &rtm), &l->out,
				  &l->fault);
	for (const struct nlmsghdr *h = NULL; !ret && (h = nlbuf_next(&l->out, h));)
		ret = note_names(l, conn, h);
	return ret;
}

static void set_address(lua_State *L, const char *key, int family, const struct nlattr *a)
{
	char text[PREFIX_TEXT];
	struct prefix p;

	if (!a || !prefix_from_bytes(&p, family, nla_data(a), (size_t)nla_len(a), 0))
		return;
	prefix_format(&p, false, text);
	set_string(L, key, text);
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
		lua_rawseti(L, -2, ++n);
		left -= RTNH_ALIGN(hop->rtnh_len);
	}
	lua_setfield(L, -2, "nexthops");
}

static void set_to(lua_State *L, const struct rtmsg *rtm, const struct nlattr *dst)
{
	struct prefix p;
	char text[PREFIX_TEXT] = "default";

	if (dst && prefix_from_bytes(&p, rtm->rtm_family, nla_data(dst), (size_t)nla_len(dst),
				     rtm->rtm_dst_len))
		prefix_format(&p, true, text);
	set_string(L, "to", text);
}

static void push_route(lua_State *L, const struct rtmsg *rtm, struct nlattr *const *tb,
		       uint32_t table, int names)
{
	lua_createtable(L, 0, 10);
	set_to(L, rtm, tb[RTA_DST]);
	set_integer(L, "family", rtm->rtm_family == AF_INET ? 4 : 6);
	set_integer(L, "table", table);
	set_integer(L, "protocol", rtm->rtm_protocol);
	set_integer(L, "scope", rtm->rtm_scope);
	set_integer(L, "type", rtm->rtm_type);
	set_address(L, "via", rtm->rtm_family, tb[RTA_GATEWAY]);
	set_address(L, "source", rtm->rtm_family, tb[RTA_PREFSRC]);
	if (tb[RTA_OIF])
		set_ifname(L, "link", names, (int)nla_get_u32(tb[RTA_OIF]));
	if (tb[RTA_PRIORITY])
		set_integer(L, "metric", nla_get_u32(tb[RTA_PRIORITY]));
	if (tb[RTA_MULTIPATH])
		set_nexthops(L, rtm->rtm_family, tb[RTA_MULTIPATH], names);
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	const uint32_t wanted = ((struct route_op *)op)->table;
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));) {
		const struct rtmsg *rtm = nlmsg_data(h);
		struct nlattr *tb[RTA_MAX + 1];
		uint32_t table;

		nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof(*rtm), tb, RTA_MAX, NULL);
		table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : rtm->rtm_table;
		if ((wanted && table != wanted) ||
		    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
			continue;
		push_route(L, rtm, tb, table, names);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static const struct verb verb_list = {
	"route.list", list_fields, sizeof(struct route_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_route_add);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_route_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static const struct fn route_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true), "adds a route; returns true" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true),
	  "deletes the first route that fits; returns true" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with to, via, link, source, metric, table, protocol, scope, "
	  "type, family (4 or 6), nexthops" },
	{ 0 }
};

NERV_MODULE(route, .name = "route", .text = "routes of the kernel", .functions = route_functions);
