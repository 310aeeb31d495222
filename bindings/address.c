/* The Lua module `address`: IPv4 and IPv6 addresses of interfaces. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/address_parse.h"
#include "bindings/batch.h"
#include "bindings/op_lua.h"

struct address_op {
	struct op op;
	const char *link;	/* a listing: NULL for all */
	struct prefix address;
	uint8_t proto;		/* 0: not meant */
	int index;		/* a listing: of `link`, found when it runs */
};

static const struct arg add_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	{ "address", ARG_STRING, true, "address with prefix length, such as 10.1.0.2/24", NULL },
	ARG_FIELD_NETNS,
	{ "proto", ARG_INTEGER, false, "who made it: a mark that listings show, 1 to 255", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	{ "address", ARG_STRING, true, "address with prefix length, such as 10.1.0.2/24", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "link", ARG_STRING, false, "only addresses of this interface", NULL },
	{ 0 }
};

static void compile_one(const struct compile *c, struct op *op)
{
	struct address_op *o = (struct address_op *)op;
	const char *text = compile_string(c, "address");
	char why[256];
	int64_t proto;

	o->link = compile_ifname(c, "link");
	if (prefix_parse(&o->address, text, why, sizeof(why)))
		compile_error(c, "%s", why);
	if (!o->address.has_length)
		compile_error(c, "bad CIDR \"%s\": the prefix length is missing; for one address "
			      "alone it is \"%s/%d\"", text, text, o->address.length);
	if (compile_integer(c, "proto", 1, UINT8_MAX, &proto))
		o->proto = (uint8_t)proto;
	op->subject = compile_printf(c, "%s on %s", text, o->link);
}

/* As iproute2: an address of the loopback network is of no use outside. */
static uint8_t scope(const struct prefix *p)
{
	return p->family == AF_INET && p->bytes[0] == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
}

static int put_address(struct nl_msg *msg, const struct address_op *o)
{
	const struct prefix *p = &o->address;
	int ret = nla_put(msg, IFA_LOCAL, (int)prefix_size(p), p->bytes);

	ret |= nla_put(msg, IFA_ADDRESS, (int)prefix_size(p), p->bytes);
	if (p->family == AF_INET6)	/* allocation is unique already: usable at once */
		ret |= nla_put_u32(msg, IFA_FLAGS, IFA_F_NODAD);
	if (o->proto)
		ret |= nla_put_u8(msg, IFA_PROTO, o->proto);
	return ret;
}

static int change(struct op_list *l, struct op *op, int type, int flags)
{
	const struct address_op *o = (const struct address_op *)op;
	struct ifaddrmsg *ifa;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn), index;

	if (ret)
		return ret;
	index = nlconn_index(conn, o->link, &l->fault);
	if (index < 0)
		return index;
	msg = nlconn_message(type, flags, sizeof(*ifa), &ifa);
	if (msg) {
		ifa->ifa_family = (uint8_t)o->address.family;
		ifa->ifa_prefixlen = (uint8_t)o->address.length;
		ifa->ifa_scope = scope(&o->address);
		ifa->ifa_index = (uint32_t)index;
		if (put_address(msg, o)) {
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

static int run_delete(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_DELADDR, 0);
}

const struct verb verb_address_add = {
	"address.add", add_fields, sizeof(struct address_op), compile_one, run_add, NULL,
};
const struct verb verb_address_delete = {
	"address.delete", delete_fields, sizeof(struct address_op), compile_one, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	op->subject = ((struct address_op *)op)->link = compile_ifname(c, "link");
}

static int run_list(struct op_list *l, struct op *op)
{
	struct address_op *o = (struct address_op *)op;
	struct ifaddrmsg *ifa;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret && o->link) {
		o->index = nlconn_index(conn, o->link, &l->fault);
		if (o->index < 0)
			return o->index;
	}
	if (!ret)
		ret = nlconn_dump(conn, nlconn_message(RTM_GETADDR, 0, sizeof(*ifa), &ifa), &l->out,
				  &l->fault);
	for (const struct nlmsghdr *h = NULL; !ret && (h = nlbuf_next(&l->out, h));) {
		ifa = nlmsg_data(h);
		ret = nlconn_note_name(conn, (int)ifa->ifa_index, &l->names);
	}
	return ret;
}

/* Pushes the address of a message; false when it is of another family. */
static bool push_address(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct ifaddrmsg *ifa = nlmsg_data(msg);
	struct nlattr *tb[IFA_MAX + 1], *a;
	char text[PREFIX_TEXT];
	struct prefix p;
	uint32_t flags;

	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*ifa), tb, IFA_MAX, NULL);
	a = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!a || !prefix_from_bytes(&p, ifa->ifa_family, nla_data(a), (size_t)nla_len(a),
				     ifa->ifa_prefixlen))
		return false;
	flags = tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags;
	prefix_format(&p, true, text);
	lua_createtable(L, 0, 8);
	set_string(L, "address", text);
	set_integer(L, "family", p.family == AF_INET ? 4 : 6);
	set_integer(L, "index", ifa->ifa_index);
	set_ifname(L, "link", names, (int)ifa->ifa_index);
	set_integer(L, "scope", ifa->ifa_scope);
	set_boolean(L, "permanent", flags & IFA_F_PERMANENT);
	set_boolean(L, "tentative", flags & IFA_F_TENTATIVE);
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

		if (o->link && (int)ifa->ifa_index != o->index)
			continue;
		if (push_address(L, h, names))
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

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_address_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static const struct fn address_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "gives an interface an address; an IPv6 one is usable at once; returns true" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true), "takes an address away; returns true" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with address, family (4 or 6), link, index, scope, proto, "
	  "permanent, tentative" },
	{ 0 }
};

NERV_MODULE(address, .name = "address", .text = "addresses of interfaces",
	    .functions = address_functions);
