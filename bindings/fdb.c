/* The Lua module `fdb`: forwarding databases of bridges and vxlans, from a hardware address
 * to a port or to a remote host. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/address_lua.h"
#include "bindings/batch.h"
#include "bindings/netlink_push.h"

struct fdb_op {
	struct op op;
	const char *link;	/* a listing: NULL for all */
	const char *master;	/* a listing: only of this bridge */
	uint8_t mac[6];
	struct prefix remote;	/* family 0: none */
	uint16_t vlan, port;	/* 0: none */
	int64_t id;		/* -1: none */
	const char *via;
	uint32_t state;		/* NUD_* */
	bool own;		/* in the link's own database, not in its bridge's */
	bool sticky;
};

/* The kernel's states of neighbours, under the names that bridge(8) gives them. */
static const struct word states[] = {
	{ "permanent", NUD_PERMANENT }, { "static", NUD_NOARP }, { "dynamic", NUD_REACHABLE },
	{ "stale", NUD_STALE }, { 0 }
};

static const struct word writable_states[] = {
	{ "permanent", NUD_PERMANENT }, { "static", NUD_NOARP }, { "dynamic", NUD_REACHABLE }, { 0 }
};

#define ONE_FIELDS \
	{ "link", ARG_STRING, true, "port of a bridge, a bridge, or a vxlan", NULL }, \
	{ "mac", ARG_STRING, true, "hardware address; of a vxlan, 00:00:00:00:00:00 stands for all that " \
	  "it does not know", NULL }, \
	ARG_FIELD_NETNS, \
	{ "own", ARG_BOOLEAN, false, "in the link's own database, not in that of its bridge; by default " \
	  "yes with remote", NULL }, \
	{ "vlan", ARG_INTEGER, false, "VLAN, 1 to 4094, of a bridge that looks at them", NULL }, \
	{ "remote", ARG_STRING, false, "of a vxlan: host behind which the address is", NULL }, \
	{ "port", ARG_INTEGER, false, "of a vxlan: UDP port of that host; by default the vxlan's", NULL }, \
	{ "id", ARG_INTEGER, false, "of a vxlan: network identifier to send with; by default its own", NULL }, \
	{ "via", ARG_STRING, false, "of a vxlan: interface to send by", NULL }

static const struct arg add_fields[] = {
	ONE_FIELDS,
	{ "state", ARG_STRING, false, "in a bridge static, dynamic (goes when it is not seen any more) or "
	  "permanent (of this machine itself: frames to it are not forwarded), by default static; in a link's "
	  "own database permanent or dynamic, by default permanent", NULL },
	{ "sticky", ARG_BOOLEAN, false, "of a bridge: it does not move when it is seen at another port", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	ONE_FIELDS,
	{ 0 }
};

static const struct arg list_fields[] = {
	{ "link", ARG_STRING, false, "only entries of this port or vxlan", NULL },
	{ "master", ARG_STRING, false, "only entries of this bridge", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static void compile_remote(const struct compile *c, struct fdb_op *o)
{
	const char *const names[] = { "port", "id", "via" };
	const bool has = compile_address(c, "remote", &o->remote);
	int64_t n;

	for (size_t i = 0; !has && i < sizeof(names) / sizeof(names[0]); i++)
		if (field_present(c->L, c->idx, names[i]))
			compile_error(c, "%s needs remote", names[i]);
	o->id = -1;
	compile_integer(c, "id", 0, 16777215, &o->id);
	if (compile_integer(c, "port", 1, UINT16_MAX, &n))
		o->port = (uint16_t)n;
	o->via = compile_ifname(c, "via");
	o->own = has;
}

static void compile_one(const struct compile *c, struct op *op)
{
	struct fdb_op *o = (struct fdb_op *)op;
	int64_t n;

	o->link = compile_ifname(c, "link");
	compile_any_mac(c, "mac", o->mac);
	compile_remote(c, o);
	compile_boolean(c, "own", &o->own);
	if (o->remote.family && !o->own)
		compile_error(c, "remote belongs to the link's own database");
	if (compile_integer(c, "vlan", 1, 4094, &n))
		o->vlan = (uint16_t)n;
	op->subject = compile_printf(c, "%s on %s", compile_string(c, "mac"), o->link);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct fdb_op *o = (struct fdb_op *)op;

	compile_one(c, op);
	o->state = o->own ? NUD_PERMANENT : NUD_NOARP;
	compile_word(c, "state", writable_states, &o->state);
	compile_boolean(c, "sticky", &o->sticky);
}

static int put_entry(struct nl_msg *msg, struct nlconn *conn, const struct fdb_op *o, struct fault *f)
{
	const int via = o->via ? nlconn_index(conn, o->via, f) : 0;
	int ret = nla_put(msg, NDA_LLADDR, sizeof(o->mac), o->mac);

	if (via < 0)
		return fault_name(f, "via %s", o->via);
	ret |= put_prefix(msg, NDA_DST, &o->remote);
	if (o->vlan)
		ret |= nla_put_u16(msg, NDA_VLAN, o->vlan);
	if (o->port)
		ret |= nla_put_u16(msg, NDA_PORT, htons(o->port));
	if (o->id >= 0)
		ret |= nla_put_u32(msg, NDA_VNI, (uint32_t)o->id);
	if (via)
		ret |= nla_put_u32(msg, NDA_IFINDEX, (uint32_t)via);
	return ret ? fault_set(f, -EMSGSIZE, "message") : 0;
}

static int change(struct op_list *l, struct op *op, int type, int flags)
{
	const struct fdb_op *o = (const struct fdb_op *)op;
	struct ndmsg *ndm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int index = 0, ret = op_conn_link(l, op->netns, o->link, &conn, &index);

	if (ret)
		return ret;
	msg = nlconn_message(type, flags, sizeof(*ndm), &ndm);
	if (!msg)
		return fault_set(&l->fault, -ENOMEM, "message");
	ndm->ndm_family = AF_BRIDGE;
	ndm->ndm_ifindex = index;
	ndm->ndm_state = (uint16_t)o->state;
	ndm->ndm_flags = (uint8_t)((o->own ? NTF_SELF : NTF_MASTER) | (o->sticky ? NTF_STICKY : 0));
	ret = put_entry(msg, conn, o, &l->fault);
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	ret = nlconn_request(conn, msg, &l->fault);
	if (ret == -EOPNOTSUPP && !o->own && !l->fault.ext[0])
		return fault_name(&l->fault, "it is no port of a bridge");
	if (ret == -EINVAL && o->vlan && !l->fault.ext[0])
		return fault_name(&l->fault, "vlan %u: the bridge does not look at VLANs", o->vlan);
	return ret;
}

static int run_add(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL);
}

static int run_replace(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
}

static int run_append(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_DELNEIGH, 0);
}

const struct verb verb_fdb_add = {
	"fdb.add", add_fields, sizeof(struct fdb_op), compile_add, run_add, NULL,
};
const struct verb verb_fdb_replace = {
	"fdb.replace", add_fields, sizeof(struct fdb_op), compile_add, run_replace, NULL,
};
const struct verb verb_fdb_append = {
	"fdb.append", add_fields, sizeof(struct fdb_op), compile_add, run_append, NULL,
};
const struct verb verb_fdb_delete = {
	"fdb.delete", delete_fields, sizeof(struct fdb_op), compile_one, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	struct fdb_op *o = (struct fdb_op *)op;

	op->subject = o->link = compile_ifname(c, "link");
	o->master = compile_ifname(c, "master");
}

static int note_names(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg)
{
	static const int types[] = { NDA_MASTER, NDA_IFINDEX };
	const struct ndmsg *ndm = nlmsg_data(msg);
	int ret = nlconn_note_name(conn, ndm->ndm_ifindex, &l->names);

	for (size_t i = 0; !ret && i < sizeof(types) / sizeof(types[0]); i++) {
		struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg, sizeof(*ndm),
						   types[i]);

		ret = a ? nlconn_note_name(conn, (int)nla_get_u32(a), &l->names) : 0;
	}
	return ret;
}

static int run_list(struct op_list *l, struct op *op)
{
	const struct fdb_op *o = (const struct fdb_op *)op;
	struct ndmsg *ndm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn), link = 0, master = 0;

	if (ret)
		return ret;
	if (o->link)
		link = nlconn_index(conn, o->link, &l->fault);
	if (link >= 0 && o->master)
		master = nlconn_index(conn, o->master, &l->fault);
	if (link < 0 || master < 0)
		return link < 0 ? link : master;
	msg = nlconn_message(RTM_GETNEIGH, 0, sizeof(*ndm), &ndm);
	if (msg) {
		ndm->ndm_family = AF_BRIDGE;
		ndm->ndm_ifindex = link;
		if (master)
			nla_put_u32(msg, NDA_MASTER, (uint32_t)master);
	}
	return op_dump(l, conn, msg, note_names);
}

static void set_remote(lua_State *L, struct nlattr *const *tb, int names)
{
	set_address(L, "remote", nla_len(tb[NDA_DST]) == 4 ? AF_INET : AF_INET6, tb[NDA_DST]);
	if (tb[NDA_PORT])
		set_integer(L, "port", ntohs(nla_get_u16(tb[NDA_PORT])));
	if (tb[NDA_VNI])
		set_integer(L, "id", nla_get_u32(tb[NDA_VNI]));
	if (tb[NDA_IFINDEX])
		set_ifname(L, "via", names, (int)nla_get_u32(tb[NDA_IFINDEX]));
}

bool fdb_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct ndmsg *ndm = nlmsg_data(msg);
	struct nlattr *tb[NDA_MAX + 1];

	if (ndm->ndm_family != AF_BRIDGE)
		return false;
	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*ndm), tb, NDA_MAX, NULL);
	lua_createtable(L, 0, 12);
	if (tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == 6)
		set_mac(L, "mac", nla_data(tb[NDA_LLADDR]));
	set_integer(L, "index", ndm->ndm_ifindex);
	set_ifname(L, "link", names, ndm->ndm_ifindex);
	if (tb[NDA_MASTER])
		set_ifname(L, "master", names, (int)nla_get_u32(tb[NDA_MASTER]));
	if (tb[NDA_VLAN] && nla_get_u16(tb[NDA_VLAN]))
		set_integer(L, "vlan", nla_get_u16(tb[NDA_VLAN]));
	if (tb[NDA_DST])
		set_remote(L, tb, names);
	set_word(L, "state", states, ndm->ndm_state);
	set_boolean(L, "own", ndm->ndm_flags & NTF_SELF);
	set_boolean(L, "sticky", ndm->ndm_flags & NTF_STICKY);
	return true;
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	int names, n = 0;

	(void)op;
	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));)
		if (fdb_push(L, h, names))
			lua_rawseti(L, -2, ++n);
	return 1;
}

static const struct verb verb_list = {
	"fdb.list", list_fields, sizeof(struct fdb_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_fdb_add);
}

static int l_replace(lua_State *L)
{
	return op_call(L, &verb_fdb_replace);
}

static int l_append(lua_State *L)
{
	return op_call(L, &verb_fdb_append);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_fdb_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

#define EXAMPLE_PORT \
	"link.add{ kind = \"bridge\", name = \"br0\", up = true }\n" \
	"link.add{ kind = \"veth\", name = \"p0\", master = \"br0\", peer = { name = \"p1\" } }\n"
#define EXAMPLE_VXLAN \
	"link.add{ kind = \"vxlan\", name = \"vx0\", id = 7, source = \"192.0.2.1\" }\n"

static const struct fn fdb_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true), "adds an entry; returns true",
	  EXAMPLE_PORT EXAMPLE_VXLAN
	  "fdb.add{ link = \"p0\", mac = \"02:00:00:00:00:09\" }\n"
	  "fdb.add{ link = \"vx0\", mac = \"02:00:00:00:00:0a\", remote = \"192.0.2.2\" }" },
	{ "replace", l_replace, OP_ARGS(add_fields, true),
	  "adds an entry, or moves the one of this address here; returns true",
	  EXAMPLE_PORT
	  "fdb.replace{ link = \"p0\", mac = \"02:00:00:00:00:09\" }" },
	{ "append", l_append, OP_ARGS(add_fields, true),
	  "adds one more remote host to the entry of a vxlan for 00:00:00:00:00:00 or a group; returns true",
	  EXAMPLE_VXLAN
	  "fdb.append{ link = \"vx0\", mac = \"00:00:00:00:00:00\", remote = \"192.0.2.2\" }\n"
	  "fdb.append{ link = \"vx0\", mac = \"00:00:00:00:00:00\", remote = \"192.0.2.3\" }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true), "deletes an entry; returns true",
	  EXAMPLE_PORT
	  "fdb.add{ link = \"p0\", mac = \"02:00:00:00:00:09\" }\n"
	  "fdb.delete{ link = \"p0\", mac = \"02:00:00:00:00:09\" }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with mac, link, index, master, vlan, remote, port, id, via, state "
	  "(permanent, static, dynamic, stale), own, sticky",
	  "for _, e in ipairs(fdb.list{}) do print(e.mac, e.link, e.state) end" },
	{ 0 }
};

NERV_MODULE(fdb, .name = "fdb", .text = "forwarding databases of bridges and vxlans",
	    .functions = fdb_functions);
