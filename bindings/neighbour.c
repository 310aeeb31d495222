/* The Lua module `neighbour`: which hardware address an IPv4 or IPv6 address has. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/address_lua.h"
#include "bindings/batch.h"
#include "bindings/netlink_push.h"

struct neighbour_op {
	struct op op;
	const char *link;	/* a listing: NULL for all */
	struct prefix address;
	uint8_t mac[6];
	bool has_mac, proxy, router;
	uint32_t state;		/* NUD_*; a listing: 0 for all */
	uint8_t protocol;	/* 0: not meant */
	int family;		/* a listing: 0 for both */
	int index;		/* a listing: of `link`, found when it runs */
};

static const struct word states[] = {
	{ "permanent", NUD_PERMANENT }, { "noarp", NUD_NOARP }, { "reachable", NUD_REACHABLE },
	{ "stale", NUD_STALE }, { "delay", NUD_DELAY }, { "probe", NUD_PROBE },
	{ "incomplete", NUD_INCOMPLETE }, { "failed", NUD_FAILED }, { 0 }
};

#define ONE_FIELDS \
	{ "link", ARG_STRING, true, "the interface", NULL }, \
	{ "address", ARG_STRING, true, "IPv4 or IPv6 address of the neighbour", NULL }, \
	ARG_FIELD_NETNS, \
	{ "proxy", ARG_BOOLEAN, false, "answer for this address instead of knowing where it is", NULL }

static const struct arg add_fields[] = {
	ONE_FIELDS,
	{ "mac", ARG_STRING, false, "its hardware address; a proxy has none", NULL },
	{ "state", ARG_STRING, false, "permanent, noarp (both are never asked for again), reachable, stale, "
	  "delay or probe; by default permanent", NULL },
	{ "router", ARG_BOOLEAN, false, "IPv6: it is a router", NULL },
	{ "protocol", ARG_INTEGER, false, "who made it: a mark that listings show, 1 to 255", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	ONE_FIELDS,
	ARG_FIELD_MISSING_OK,
	{ 0 }
};

static const struct arg list_fields[] = {
	{ "link", ARG_STRING, false, "only neighbours at this interface", NULL },
	{ "family", ARG_INTEGER, false, "only those of IPv4 (4) or IPv6 (6)", NULL },
	{ "state", ARG_STRING, false, "only those in this state", NULL },
	{ "proxy", ARG_BOOLEAN, false, "those that are answered for; by default the others", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static void compile_one(const struct compile *c, struct op *op)
{
	struct neighbour_op *o = (struct neighbour_op *)op;

	o->link = compile_ifname(c, "link");
	compile_address(c, "address", &o->address);
	compile_boolean(c, "proxy", &o->proxy);
	op->subject = compile_printf(c, "%s on %s", compile_string(c, "address"), o->link);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct neighbour_op *o = (struct neighbour_op *)op;
	int64_t n;

	compile_one(c, op);
	o->has_mac = compile_any_mac(c, "mac", o->mac);
	if (o->has_mac == o->proxy)
		compile_error(c, o->proxy ? "a proxy has no mac" : "a mac is missing, or proxy");
	o->state = NUD_PERMANENT;
	if (compile_word(c, "state", states, &o->state) &&
	    (o->proxy || (o->state & (NUD_INCOMPLETE | NUD_FAILED))))
		compile_error(c, o->proxy ? "a proxy has no state" :
					    "the state %s cannot be set; permanent, noarp, reachable, stale, "
					    "delay or probe can", compile_string(c, "state"));
	compile_boolean(c, "router", &o->router);
	if (compile_integer(c, "protocol", 1, UINT8_MAX, &n))
		o->protocol = (uint8_t)n;
}

static int put_neighbour(struct nl_msg *msg, const struct neighbour_op *o)
{
	int ret = put_prefix(msg, NDA_DST, &o->address);

	if (o->has_mac)
		ret |= nla_put(msg, NDA_LLADDR, sizeof(o->mac), o->mac);
	if (o->protocol)
		ret |= nla_put_u8(msg, NDA_PROTOCOL, o->protocol);
	return ret;
}

static int change(struct op_list *l, struct op *op, int type, int flags)
{
	const struct neighbour_op *o = (const struct neighbour_op *)op;
	struct ndmsg *ndm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int index = 0, ret = op_conn_link(l, op->netns, o->link, &conn, &index);

	if (ret)
		return ret;
	msg = nlconn_message(type, flags, sizeof(*ndm), &ndm);
	if (msg) {
		ndm->ndm_family = (uint8_t)o->address.family;
		ndm->ndm_ifindex = index;
		ndm->ndm_state = (uint16_t)o->state;
		ndm->ndm_flags = (uint8_t)((o->proxy ? NTF_PROXY : 0) | (o->router ? NTF_ROUTER : 0));
		if (put_neighbour(msg, o)) {
			nlmsg_free(msg);
			return -EMSGSIZE;
		}
	}
	return nlconn_request(conn, msg, &l->fault);
}

static int run_add(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL);
}

static int run_replace(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_DELNEIGH, 0);
}

const struct verb verb_neighbour_add = {
	"neighbour.add", add_fields, sizeof(struct neighbour_op), compile_add, run_add, NULL,
};
const struct verb verb_neighbour_replace = {
	"neighbour.replace", add_fields, sizeof(struct neighbour_op), compile_add, run_replace, NULL,
};
const struct verb verb_neighbour_delete = {
	"neighbour.delete", delete_fields, sizeof(struct neighbour_op), compile_one, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	struct neighbour_op *o = (struct neighbour_op *)op;

	op->subject = o->link = compile_ifname(c, "link");
	o->family = compile_family(c);
	compile_word(c, "state", states, &o->state);
	compile_boolean(c, "proxy", &o->proxy);
}

static int run_list(struct op_list *l, struct op *op)
{
	struct neighbour_op *o = (struct neighbour_op *)op;
	struct ndmsg *ndm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn_link(l, op->netns, o->link, &conn, &o->index);

	if (ret)
		return ret;
	msg = nlconn_message(RTM_GETNEIGH, 0, sizeof(*ndm), &ndm);
	if (msg) {
		ndm->ndm_family = (uint8_t)o->family;
		ndm->ndm_flags = o->proxy ? NTF_PROXY : 0;
	}
	return op_dump(l, conn, msg, op_note_link);
}

bool neighbour_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct ndmsg *ndm = nlmsg_data(msg);
	struct nlattr *tb[NDA_MAX + 1];

	if (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6)
		return false;
	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*ndm), tb, NDA_MAX, NULL);
	lua_createtable(L, 0, 10);
	set_address(L, "address", ndm->ndm_family, tb[NDA_DST]);
	set_family(L, ndm->ndm_family);
	if (tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == 6)
		set_mac(L, "mac", nla_data(tb[NDA_LLADDR]));
	set_integer(L, "index", ndm->ndm_ifindex);
	set_ifname(L, "link", names, ndm->ndm_ifindex);
	if (ndm->ndm_state)
		set_word(L, "state", states, ndm->ndm_state);
	set_boolean(L, "proxy", ndm->ndm_flags & NTF_PROXY);
	set_boolean(L, "router", ndm->ndm_flags & NTF_ROUTER);
	if (tb[NDA_PROTOCOL] && nla_get_u8(tb[NDA_PROTOCOL]))
		set_integer(L, "protocol", nla_get_u8(tb[NDA_PROTOCOL]));
	return true;
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	const struct neighbour_op *o = (const struct neighbour_op *)op;
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));) {
		const struct ndmsg *ndm = nlmsg_data(h);

		if ((o->link && ndm->ndm_ifindex != o->index) ||
		    (o->state && ndm->ndm_state != o->state))
			continue;
		if (neighbour_push(L, h, names))
			lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static const struct verb verb_list = {
	"neighbour.list", list_fields, sizeof(struct neighbour_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_neighbour_add);
}

static int l_replace(lua_State *L)
{
	return op_call(L, &verb_neighbour_replace);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_neighbour_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

#define EXAMPLE_LINK \
	"link.add{ kind = \"veth\", name = \"a\", up = true, peer = { name = \"b\", up = true } }\n"

static const struct fn neighbour_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "adds a neighbour, or an address to answer for; returns true",
	  EXAMPLE_LINK
	  "neighbour.add{ link = \"a\", address = \"10.1.0.2\", mac = \"02:00:00:00:00:02\" }\n"
	  "neighbour.add{ link = \"a\", address = \"10.1.0.9\", proxy = true }" },
	{ "replace", l_replace, OP_ARGS(add_fields, true),
	  "adds a neighbour, or changes the one of this address; returns true",
	  EXAMPLE_LINK
	  "neighbour.replace{ link = \"a\", address = \"10.1.0.2\", mac = \"02:00:00:00:00:03\", state = \"stale\" }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true),
	  "deletes a neighbour; the kernel may keep it for a while in the state failed; returns true",
	  EXAMPLE_LINK
	  "neighbour.add{ link = \"a\", address = \"10.1.0.2\", mac = \"02:00:00:00:00:02\" }\n"
	  "neighbour.delete{ link = \"a\", address = \"10.1.0.2\" }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with address, family (4 or 6), mac, link, index, state, proxy, router, "
	  "protocol",
	  "for _, n in ipairs(neighbour.list{ family = 4 }) do print(n.address, n.mac, n.state) end" },
	{ 0 }
};

NERV_MODULE(neighbour, .name = "neighbour", .text = "hardware addresses of IPv4 and IPv6 neighbours",
	    .functions = neighbour_functions);
