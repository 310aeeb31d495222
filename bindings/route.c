/* The Lua module `route`: IPv4 and IPv6 routes. */
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/batch.h"
#include "bindings/route_op.h"

#define HOPS_MAX 64	/* what fits in a message */

#define HOP_FIELDS \
	{ "via", ARG_STRING, false, "address of the next router", NULL }, \
	{ "link", ARG_STRING, false, "interface to leave by", NULL }, \
	{ "onlink", ARG_BOOLEAN, false, "take the router for reachable by the link without a route to it", \
	  NULL }

static const struct arg hop_fields[] = {
	HOP_FIELDS,
	{ "weight", ARG_INTEGER, false, "share of the traffic, 1 to 256; by default 1", NULL },
	{ 0 }
};

#define ROUTE_FIELDS \
	{ "to", ARG_STRING, true, "destination: a CIDR, or \"default\" (of the family of via; " \
	  "without one IPv4, \"::/0\" is that of IPv6)", NULL }, \
	HOP_FIELDS, \
	{ "nexthops", ARG_TABLE, false, "several ways: a list of tables with via, link, weight and " \
	  "onlink", NULL }, \
	{ "type", ARG_STRING, false, "unicast, or what becomes of the packets: local, blackhole, " \
	  "unreachable, prohibit, throw (go on with the next rule)", NULL }, \
	ARG_FIELD_NETNS, \
	{ "table", ARG_INTEGER, false, "number of the routing table; by default 254, main", NULL }, \
	{ "metric", ARG_INTEGER, false, "preference among routes to the same place: low wins", NULL }, \
	{ "source", ARG_STRING, false, "preferred source address", NULL }

static const struct arg add_fields[] = {
	ROUTE_FIELDS,
	{ "mtu", ARG_INTEGER, false, "largest packet on this way, bytes", NULL },
	{ "protocol", ARG_INTEGER, false, "who made it, 1 to 255; by default 4, static", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	ROUTE_FIELDS,
	{ "protocol", ARG_INTEGER, false, "who made it, 1 to 255; by default anybody", NULL },
	ARG_FIELD_MISSING_OK,
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "table", ARG_INTEGER, false, "number of the routing table; by default 254, main; 0: all", NULL },
	{ "family", ARG_INTEGER, false, "only those of IPv4 (4) or IPv6 (6)", NULL },
	{ "link", ARG_STRING, false, "only those that leave by this interface", NULL },
	{ "protocol", ARG_INTEGER, false, "only those made by this one, 1 to 255", NULL },
	{ 0 }
};

static const struct arg get_fields[] = {
	{ "to", ARG_STRING, true, "address of the destination", NULL },
	{ "source", ARG_STRING, false, "address of the sender", NULL },
	{ "link", ARG_STRING, false, "interface that it must leave by", NULL },
	{ "from_link", ARG_STRING, false, "interface that it came in by; by default it is sent here", NULL },
	{ "mark", ARG_INTEGER, false, "firewall mark of the packet", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct word writable_types[] = {
	{ "unicast", RTN_UNICAST }, { "local", RTN_LOCAL }, { "blackhole", RTN_BLACKHOLE },
	{ "unreachable", RTN_UNREACHABLE }, { "prohibit", RTN_PROHIBIT }, { "throw", RTN_THROW }, { 0 }
};

static void compile_hop(const struct compile *c, struct route_hop *hop)
{
	int64_t weight = 1;

	compile_address(c, "via", &hop->via);
	hop->link = compile_ifname(c, "link");
	compile_boolean(c, "onlink", &hop->onlink);
	compile_integer(c, "weight", 1, 256, &weight);
	hop->weight = (uint8_t)(weight - 1);
	if (hop->onlink && !(hop->via.family && hop->link))
		compile_error(c, "onlink needs via and link");
}

static void compile_hops(const struct compile *c, struct route_op *o)
{
	struct compile hop = *c;
	const int base = lua_gettop(c->L);

	compile_hop(c, &o->hop);
	if (lua_getfield(c->L, c->idx, "nexthops") != LUA_TTABLE) {
		lua_settop(c->L, base);
		return;
	}
	o->hop_count = (int)lua_rawlen(c->L, -1);
	if (o->hop.via.family || o->hop.link)
		compile_error(c, "nexthops excludes via and link: name them in each of its items");
	if (o->hop_count < 1 || o->hop_count > HOPS_MAX)
		compile_error(c, "nexthops must be a list of 1 to %d tables", HOPS_MAX);
	o->hops = compile_alloc(c, (size_t)o->hop_count * sizeof(*o->hops));
	for (int i = 0; i < o->hop_count; i++) {
		hop.where = compile_printf(c, "%s: nexthops item %d", c->where, i + 1);
		if (lua_rawgeti(c->L, base + 1, i + 1) != LUA_TTABLE)
			compile_error(&hop, "a table with via, link or both is wanted");
		hop.idx = lua_gettop(c->L);
		compile_check(&hop, hop_fields);
		compile_hop(&hop, &o->hops[i]);
		if (!o->hops[i].via.family && !o->hops[i].link)
			compile_error(&hop, "via, link or both are missing");
	}
	lua_settop(c->L, base);
}

/* The family of an address that says which one "default" means, or 0. */
static int other_family(const struct route_op *o)
{
	if (o->hop.via.family)
		return o->hop.via.family;
	for (int i = 0; i < o->hop_count; i++)
		if (o->hops[i].via.family)
			return o->hops[i].via.family;
	return o->source.family;
}

static void check_families(const struct compile *c, const struct route_op *o)
{
	bool same = !o->source.family || o->source.family == o->to.family;

	same &= !o->hop.via.family || o->hop.via.family == o->to.family;
	for (int i = 0; i < o->hop_count; i++)
		same &= !o->hops[i].via.family || o->hops[i].via.family == o->to.family;
	if (!same)
		compile_error(c, "to, via and source must be of one family, IPv4 or IPv6");
}

static void compile_route(const struct compile *c, struct op *op)
{
	struct route_op *o = (struct route_op *)op;
	const char *to = compile_string(c, "to");
	int64_t n;

	compile_hops(c, o);
	compile_address(c, "source", &o->source);
	if (strcmp(to, "default") == 0)
		o->to.family = other_family(o) ? other_family(o) : AF_INET;
	else
		compile_network(c, "to", &o->to);
	check_families(c, o);
	o->table = RT_TABLE_MAIN;
	if (compile_integer(c, "table", 1, UINT32_MAX, &n))
		o->table = (uint32_t)n;
	if (compile_integer(c, "protocol", 1, UINT8_MAX, &n))
		o->protocol = (uint8_t)n;
	o->has_metric = compile_integer(c, "metric", 0, UINT32_MAX, &n);
	if (o->has_metric)
		o->metric = (uint32_t)n;
	compile_word(c, "type", writable_types, &o->type);
	op->subject = to;
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct route_op *o = (struct route_op *)op;
	bool has_way;
	int64_t n;

	compile_route(c, op);
	has_way = o->hop.via.family || o->hop.link || o->hop_count;
	if (!o->type)
		o->type = RTN_UNICAST;
	if (o->type == RTN_UNICAST && !has_way)
		compile_error(c, "a route needs via, link, or both; or a type such as blackhole");
	if (o->type != RTN_UNICAST && o->type != RTN_LOCAL && has_way)
		compile_error(c, "a route of type %s leads nowhere: via, link and nexthops exclude it",
			      compile_string(c, "type"));
	if (!o->protocol)
		o->protocol = RTPROT_STATIC;
	if (compile_integer(c, "mtu", 68, 65535, &n))
		o->mtu = (uint32_t)n;
}

static void compile_list(const struct compile *c, struct op *op)
{
	struct route_read_op *o = (struct route_read_op *)op;
	int64_t n = RT_TABLE_MAIN;

	compile_integer(c, "table", 0, UINT32_MAX, &n);
	o->table = (uint32_t)n;
	o->family = compile_family(c);
	o->link = compile_ifname(c, "link");
	if (compile_integer(c, "protocol", 1, UINT8_MAX, &n))
		o->protocol = (uint8_t)n;
}

static void compile_get(const struct compile *c, struct op *op)
{
	struct route_read_op *o = (struct route_read_op *)op;
	int64_t n;

	compile_address(c, "to", &o->to);
	if (compile_address(c, "source", &o->source) && o->source.family != o->to.family)
		compile_error(c, "to and source must be of one family, IPv4 or IPv6");
	o->link = compile_ifname(c, "link");
	o->from_link = compile_ifname(c, "from_link");
	if (compile_integer(c, "mark", 0, UINT32_MAX, &n))
		o->mark = (uint32_t)n;
	op->subject = compile_string(c, "to");
}

const struct verb verb_route_add = {
	"route.add", add_fields, sizeof(struct route_op), compile_add, route_run_add, NULL,
};
const struct verb verb_route_replace = {
	"route.replace", add_fields, sizeof(struct route_op), compile_add, route_run_replace, NULL,
};
const struct verb verb_route_delete = {
	"route.delete", delete_fields, sizeof(struct route_op), compile_route, route_run_delete, NULL,
};
static const struct verb verb_list = {
	"route.list", list_fields, sizeof(struct route_read_op), compile_list, route_run_list,
	route_push_list,
};
static const struct verb verb_get = {
	"route.get", get_fields, sizeof(struct route_read_op), compile_get, route_run_get,
	route_push_get,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_route_add);
}

static int l_replace(lua_State *L)
{
	return op_call(L, &verb_route_replace);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_route_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static int l_get(lua_State *L)
{
	return op_call(L, &verb_get);
}

static const struct fn route_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true), "adds a route; returns true",
	  "link.add{ kind = \"veth\", name = \"a\", up = true, peer = { name = \"b\", up = true } }\n"
	  "address.add{ link = \"a\", address = \"10.1.0.2/24\" }\n"
	  "route.add{ to = \"default\", via = \"10.1.0.1\" }\n"
	  "route.add{ to = \"10.2.0.0/16\", nexthops = { { via = \"10.1.0.3\", weight = 2 }, { via = \"10.1.0.4\" } } }\n"
	  "route.add{ to = \"10.3.0.0/16\", type = \"unreachable\" }" },
	{ "replace", l_replace, OP_ARGS(add_fields, true),
	  "adds a route, in the place of one to the same destination with the same table and metric; returns true",
	  "route.replace{ to = \"10.3.0.0/16\", type = \"blackhole\" }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true),
	  "deletes the first route that fits; returns true",
	  "route.add{ to = \"10.3.0.0/16\", type = \"prohibit\" }\n"
	  "route.delete{ to = \"10.3.0.0/16\" }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with to, via, link, source, metric, table, protocol (number), scope "
	  "(global, site, link, host, nowhere), type, family (4 or 6), onlink, mtu, nexthops",
	  "for _, r in ipairs(route.list{ table = 0 }) do print(r.to, r.via or r.link) end" },
	{ "get", l_get, OP_ARGS(get_fields, true),
	  "returns which way a packet would go: such a table, for the one destination",
	  "link.set{ name = \"lo\", up = true }\n"
	  "print(route.get{ to = \"127.0.0.1\" }.link)" },
	{ 0 }
};

NERV_MODULE(route, .name = "route", .text = "routes of the kernel", .functions = route_functions);
