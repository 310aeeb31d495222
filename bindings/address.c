/* The Lua module `address`: IPv4 and IPv6 addresses of interfaces. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#include "bindings/address_lua.h"
#include "bindings/batch.h"
#include "bindings/netlink_push.h"

#define FOR_EVER UINT32_MAX

/* How often, and how long, address.settle asks: nanoseconds. */
#define SETTLE_PAUSE 200000
#define SETTLE_LIMIT 1500000000

struct address_op {
	struct op op;
	const char *link;	/* a listing: NULL for all */
	struct prefix address, peer, broadcast;	/* family 0: not meant */
	uint8_t proto;		/* 0: not meant */
	uint8_t scope;
	uint32_t flags;		/* IFA_F_* */
	uint32_t valid, preferred;	/* seconds */
	int family;		/* a listing: 0 for both */
	int index;		/* a listing: of `link`, found when it runs */
};

static const struct word scopes[] = {
	{ "global", RT_SCOPE_UNIVERSE }, { "site", RT_SCOPE_SITE }, { "link", RT_SCOPE_LINK },
	{ "host", RT_SCOPE_HOST }, { 0 }
};

#define ONE_FIELDS \
	{ "link", ARG_STRING, true, "the interface", NULL }, \
	{ "address", ARG_STRING, true, "address with prefix length, such as 10.1.0.2/24", NULL }, \
	ARG_FIELD_NETNS, \
	{ "peer", ARG_STRING, false, "address of the other side, to which the prefix length then " \
	  "belongs", NULL }

static const struct arg add_fields[] = {
	ONE_FIELDS,
	{ "broadcast", ARG_STRING, false, "IPv4: broadcast address; by default none", NULL },
	{ "scope", ARG_STRING, false, "IPv4: global, site, link or host: how far it is known; by default "
	  "global, host for 127.0.0.0/8", NULL },
	{ "valid", ARG_INTEGER, false, "seconds until it goes; by default for ever", NULL },
	{ "preferred", ARG_INTEGER, false, "seconds until it is used for old connections alone; by default "
	  "as long as valid", NULL },
	{ "dad", ARG_BOOLEAN, false, "IPv6: look whether somebody else has it, before it is used", NULL },
	{ "prefix_route", ARG_BOOLEAN, false, "make a route to its network; by default yes", NULL },
	{ "proto", ARG_INTEGER, false, "who made it: a mark that listings show, 1 to 255", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	ONE_FIELDS,
	ARG_FIELD_MISSING_OK,
	{ 0 }
};

static const struct arg settle_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	{ "address", ARG_STRING, true, "address with prefix length", NULL },
	ARG_FIELD_NETNS,
	ARG_FIELD_MISSING_OK,
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "link", ARG_STRING, false, "only addresses of this interface", NULL },
	{ "family", ARG_INTEGER, false, "only those of IPv4 (4) or IPv6 (6)", NULL },
	{ 0 }
};

/* As iproute2: an address of the loopback network is of no use outside. */
static uint8_t default_scope(const struct prefix *p)
{
	return p->family == AF_INET && p->bytes[0] == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
}

static void compile_one(const struct compile *c, struct op *op)
{
	struct address_op *o = (struct address_op *)op;
	const char *text = compile_string(c, "address");
	char why[256];

	o->link = compile_ifname(c, "link");
	if (prefix_parse(&o->address, text, why, sizeof(why)))
		compile_error(c, "%s", why);
	if (!o->address.has_length)
		compile_error(c, "bad CIDR \"%s\": the prefix length is missing; for one address "
			      "alone it is \"%s/%d\"", text, text, o->address.length);
	if (compile_address(c, "peer", &o->peer) && o->peer.family != o->address.family)
		compile_error(c, "address and peer must be of one family, IPv4 or IPv6");
	o->scope = default_scope(&o->address);
	op->subject = compile_printf(c, "%s on %s", text, o->link);
}

static void compile_lifetimes(const struct compile *c, struct address_op *o)
{
	int64_t n;

	o->valid = compile_integer(c, "valid", 1, FOR_EVER - 1, &n) ? (uint32_t)n : FOR_EVER;
	o->preferred = compile_integer(c, "preferred", 0, FOR_EVER - 1, &n) ? (uint32_t)n : o->valid;
	if (o->preferred > o->valid)
		compile_error(c, "preferred (%u) is longer than valid (%u)", o->preferred, o->valid);
}

static void only_of(const struct compile *c, const struct address_op *o, int family, const char *key)
{
	if (o->address.family != family && field_present(c->L, c->idx, key))
		compile_error(c, "%s belongs to an address of IPv%d", key, family == AF_INET ? 4 : 6);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct address_op *o = (struct address_op *)op;
	bool dad = false, route = true;
	uint32_t scope;
	int64_t n;

	compile_one(c, op);
	compile_lifetimes(c, o);
	only_of(c, o, AF_INET, "broadcast");
	only_of(c, o, AF_INET, "scope");
	only_of(c, o, AF_INET6, "dad");
	if (compile_address(c, "broadcast", &o->broadcast) && o->broadcast.family != AF_INET)
		compile_error(c, "broadcast must be an IPv4 address");
	if (compile_word(c, "scope", scopes, &scope))
		o->scope = (uint8_t)scope;
	compile_boolean(c, "dad", &dad);
	compile_boolean(c, "prefix_route", &route);
	if (o->address.family == AF_INET6 && !dad)	/* allocation is unique already */
		o->flags |= IFA_F_NODAD;
	if (!route)
		o->flags |= IFA_F_NOPREFIXROUTE;
	if (compile_integer(c, "proto", 1, UINT8_MAX, &n))
		o->proto = (uint8_t)n;
}

static int put_address(struct nl_msg *msg, const struct address_op *o, bool all)
{
	const struct ifa_cacheinfo life = { .ifa_valid = o->valid, .ifa_prefered = o->preferred };
	int ret = put_prefix(msg, IFA_LOCAL, &o->address);

	ret |= put_prefix(msg, IFA_ADDRESS, o->peer.family ? &o->peer : &o->address);
	ret |= put_prefix(msg, IFA_BROADCAST, &o->broadcast);
	if (o->flags)
		ret |= nla_put_u32(msg, IFA_FLAGS, o->flags);
	if (o->proto)
		ret |= nla_put_u8(msg, IFA_PROTO, o->proto);
	if (all && (o->valid != FOR_EVER || o->preferred != FOR_EVER))
		ret |= nla_put(msg, IFA_CACHEINFO, sizeof(life), &life);
	return ret;
}

static int change(struct op_list *l, struct op *op, int type, int flags)
{
	const struct address_op *o = (const struct address_op *)op;
	struct ifaddrmsg *ifa;
	struct nl_msg *msg;
	struct nlconn *conn;
	int index = 0, ret = op_conn_link(l, op->netns, o->link, &conn, &index);

	if (ret)
		return ret;
	msg = nlconn_message(type, flags, sizeof(*ifa), &ifa);
	if (msg) {
		ifa->ifa_family = (uint8_t)o->address.family;
		ifa->ifa_prefixlen = (uint8_t)o->address.length;
		ifa->ifa_scope = o->scope;
		ifa->ifa_index = (uint32_t)index;
		if (put_address(msg, o, type == RTM_NEWADDR)) {
			nlmsg_free(msg);
			return -EMSGSIZE;
		}
	}
	return nlconn_request(conn, msg, &l->fault);
}

static int run_add(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
}

static int run_replace(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_DELADDR, 0);
}

/* One request about the address; its answer takes the place of what `l` got before. */
static int ask(struct op_list *l, struct nlconn *conn, struct nl_msg *msg, int attribute,
	       const struct address_op *o)
{
	if (msg)
		nla_put(msg, attribute, (int)prefix_size(&o->address), o->address.bytes);
	l->out.len = 0;
	return nlconn_get(conn, msg, &l->out, &l->fault);
}

static int ask_address(struct op_list *l, struct nlconn *conn, const struct address_op *o, int index)
{
	struct ifaddrmsg *ifa;
	struct nl_msg *msg = nlconn_message(RTM_GETADDR, 0, sizeof(*ifa), &ifa);

	if (msg) {
		ifa->ifa_family = AF_INET6;
		ifa->ifa_index = (uint32_t)index;
	}
	return ask(l, conn, msg, IFA_ADDRESS, o);
}

/* Whether the kernel takes for its own what is sent to the address. */
static int ask_local(struct op_list *l, struct nlconn *conn, const struct address_op *o, bool *local)
{
	const struct nlmsghdr *answer;
	struct rtmsg *rtm;
	struct nl_msg *msg = nlconn_message(RTM_GETROUTE, 0, sizeof(*rtm), &rtm);
	int ret;

	if (msg) {
		rtm->rtm_family = AF_INET6;
		rtm->rtm_dst_len = (unsigned char)(prefix_size(&o->address) * 8);
	}
	ret = ask(l, conn, msg, RTA_DST, o);
	answer = ret ? NULL : nlbuf_next(&l->out, NULL);
	*local = answer && ((const struct rtmsg *)nlmsg_data(answer))->rtm_type == RTN_LOCAL;
	return ret == -ENETUNREACH || ret == -EACCES ? 0 : ret;	/* there is no route at all yet */
}

/* The kernel takes IPv6 addresses into use, and joins their groups, in work of its own (net/ipv6/addrconf.c). */
static int run_settle(struct op_list *l, struct op *op)
{
	const struct timespec pause = { .tv_nsec = SETTLE_PAUSE };
	const struct address_op *o = (const struct address_op *)op;
	struct nlconn *conn;
	bool local = o->address.family == AF_INET;
	int index = 0, ret = op_conn_link(l, op->netns, o->link, &conn, &index);

	for (int i = 0; !ret && !local && i < SETTLE_LIMIT / SETTLE_PAUSE; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		ret = ask_address(l, conn, o, index);
		if (!ret)
			ret = ask_local(l, conn, o, &local);
	}
	return ret;
}

const struct verb verb_address_add = {
	"address.add", add_fields, sizeof(struct address_op), compile_add, run_add, NULL,
};
const struct verb verb_address_replace = {
	"address.replace", add_fields, sizeof(struct address_op), compile_add, run_replace, NULL,
};
const struct verb verb_address_delete = {
	"address.delete", delete_fields, sizeof(struct address_op), compile_one, run_delete, NULL,
};
const struct verb verb_address_settle = {
	"address.settle", settle_fields, sizeof(struct address_op), compile_one, run_settle, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	struct address_op *o = (struct address_op *)op;

	op->subject = o->link = compile_ifname(c, "link");
	o->family = compile_family(c);
}

static int run_list(struct op_list *l, struct op *op)
{
	struct address_op *o = (struct address_op *)op;
	struct ifaddrmsg *ifa;
	struct nlconn *conn;
	int ret = op_conn_link(l, op->netns, o->link, &conn, &o->index);

	return ret ? ret : op_dump(l, conn, nlconn_message(RTM_GETADDR, 0, sizeof(*ifa), &ifa), op_note_link);
}

static void set_lifetimes(lua_State *L, const struct nlattr *a)
{
	const struct ifa_cacheinfo *life = a ? nla_data(a) : NULL;

	if (!life || nla_len(a) < (int)sizeof(*life))
		return;
	if (life->ifa_valid != FOR_EVER)
		set_integer(L, "valid", life->ifa_valid);
	if (life->ifa_prefered != FOR_EVER)
		set_integer(L, "preferred", life->ifa_prefered);
}

static void set_flags(lua_State *L, uint32_t flags)
{
	set_boolean(L, "permanent", flags & IFA_F_PERMANENT);
	set_boolean(L, "tentative", flags & IFA_F_TENTATIVE);
	set_boolean(L, "deprecated", flags & IFA_F_DEPRECATED);
	set_boolean(L, "duplicate", flags & IFA_F_DADFAILED);
	set_boolean(L, "prefix_route", !(flags & IFA_F_NOPREFIXROUTE));
}

bool address_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct ifaddrmsg *ifa = nlmsg_data(msg);
	struct nlattr *tb[IFA_MAX + 1], *own;

	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*ifa), tb, IFA_MAX, NULL);
	own = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!own || (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return false;
	lua_createtable(L, 0, 16);
	set_network(L, "address", ifa->ifa_family, own, ifa->ifa_prefixlen);
	if (tb[IFA_ADDRESS] && nla_memcmp(tb[IFA_ADDRESS], nla_data(own), (size_t)nla_len(own)) != 0)
		set_address(L, "peer", ifa->ifa_family, tb[IFA_ADDRESS]);
	set_address(L, "broadcast", ifa->ifa_family, tb[IFA_BROADCAST]);
	set_family(L, ifa->ifa_family);
	set_integer(L, "index", ifa->ifa_index);
	set_ifname(L, "link", names, (int)ifa->ifa_index);
	set_word(L, "scope", scopes, ifa->ifa_scope);
	set_flags(L, tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags);
	set_lifetimes(L, tb[IFA_CACHEINFO]);
	if (tb[IFA_PROTO])
		set_integer(L, "proto", nla_get_u8(tb[IFA_PROTO]));
	return true;
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	const struct address_op *o = (const struct address_op *)op;
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));) {
		const struct ifaddrmsg *ifa = nlmsg_data(h);

		if ((o->link && (int)ifa->ifa_index != o->index) ||
		    (o->family && ifa->ifa_family != o->family))
			continue;
		if (address_push(L, h, names))
			lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static const struct verb verb_list = {
	"address.list", list_fields, sizeof(struct address_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_address_add);
}

static int l_replace(lua_State *L)
{
	return op_call(L, &verb_address_replace);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_address_delete);
}

static int l_settle(lua_State *L)
{
	return op_call(L, &verb_address_settle);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static const struct fn address_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "gives an interface an address; an IPv6 one is usable when address.settle returns; returns true",
	  "link.add{ kind = \"veth\", name = \"a\", up = true, peer = { name = \"b\", up = true } }\n"
	  "address.add{ link = \"a\", address = \"10.1.0.1/24\", broadcast = \"10.1.0.255\" }\n"
	  "address.add{ link = \"b\", address = \"fd00::2/64\", valid = 3600 }" },
	{ "replace", l_replace, OP_ARGS(add_fields, true),
	  "adds an address, or changes the lifetimes of one that is there; returns true",
	  "address.replace{ link = \"lo\", address = \"10.9.9.9/32\", valid = 3600, preferred = 60 }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true), "takes an address away; returns true",
	  "address.add{ link = \"lo\", address = \"10.9.9.9/32\" }\n"
	  "address.delete{ link = \"lo\", address = \"10.9.9.9/32\" }" },
	{ "settle", l_settle, OP_ARGS(settle_fields, true),
	  "waits until the kernel answers for an IPv6 address that it has just been given: until then what is "
	  "sent to it is lost. At most 1.5 s; returns true",
	  "link.set{ name = \"lo\", up = true }\n"
	  "address.add{ link = \"lo\", address = \"fd00::9/64\" }\n"
	  "address.settle{ link = \"lo\", address = \"fd00::9/64\" }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with address, peer, broadcast, family (4 or 6), link, index, scope "
	  "(global, site, link, host), valid and preferred (seconds left; absent: for ever), proto, "
	  "permanent, tentative, deprecated, duplicate, prefix_route",
	  "for _, a in ipairs(address.list{ link = \"lo\" }) do print(a.address, a.scope) end" },
	{ 0 }
};

NERV_MODULE(address, .name = "address", .text = "addresses of interfaces",
	    .functions = address_functions);
