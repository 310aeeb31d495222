/* The Lua module `link`: network interfaces. */
#include <string.h>

#include "bindings/batch.h"
#include "bindings/link_op.h"
#include "bindings/link_option.h"
#include "bindings/link_read.h"
#include "bindings/op_lua.h"
#include "bindings/process_user.h"

#define GROUP_MAX UINT32_MAX
#define MTU_MAX 65536

#define COMMON_FIELDS \
	{ "mac", ARG_STRING, false, "hardware address, such as 02:00:00:00:00:01", NULL }, \
	{ "mtu", ARG_INTEGER, false, "largest packet, bytes", NULL }, \
	{ "group", ARG_INTEGER, false, "link group, a number", NULL }, \
	{ "up", ARG_BOOLEAN, false, "bring it up, or down", NULL }, \
	{ "promiscuous", ARG_BOOLEAN, false, "takes frames to any address", NULL }, \
	{ "tx_queue_length", ARG_INTEGER, false, "most frames that wait to be sent", NULL }, \
	{ "bridge_port", ARG_TABLE, false, "its settings as a port of a bridge", link_port_fields }

static const struct arg peer_fields[] = {
	{ "name", ARG_STRING, true, "the peer's name, at most 15 characters", NULL },
	{ "netns", ARG_NETNS, false, "namespace to make it in; by default the link's", NULL },
	{ "master", ARG_STRING, false, "bridge to join, in the peer's namespace", NULL },
	{ "alias", ARG_STRING, false, "alias, at most 255 characters", NULL },
	COMMON_FIELDS,
	{ 0 }
};

static const struct arg add_fields[] = {
	{ "kind", ARG_STRING, true, "kind of link: veth, bridge, tap, tun, vxlan, macvlan, macvtap, vlan, "
	  "ifb, dummy, or another that needs no options of its own; link.kinds() tells which there are", NULL },
	{ "name", ARG_STRING, true, "its name, at most 15 characters", NULL },
	ARG_FIELD_NETNS,
	{ "master", ARG_STRING, false, "bridge to join", NULL },
	{ "alias", ARG_STRING, false, "alias, at most 255 characters", NULL },
	COMMON_FIELDS,
	{ "index", ARG_INTEGER, false, "interface index; by default the next free one", NULL },
	{ "peer", ARG_TABLE, false, "of a veth: its other end", peer_fields },
	{ "parent", ARG_STRING, false, "of a macvlan, macvtap, vlan or vxlan: the link below it", NULL },
	LINK_CHANGE_FIELDS LINK_FIXED_FIELDS
	{ 0 }
};

static const struct arg set_fields[] = {
	{ "name", ARG_STRING, true, "the link", NULL },
	ARG_FIELD_NETNS,
	{ "master", ARG_STRING, false, "bridge to join; \"\" leaves it", NULL },
	{ "alias", ARG_STRING, false, "alias, at most 255 characters; \"\" removes it", NULL },
	COMMON_FIELDS,
	{ "rename", ARG_STRING, false, "new name, at most 15 characters", NULL },
	{ "move_to_netns", ARG_NETNS, false, "namespace to move it to; it arrives down", NULL },
	LINK_CHANGE_FIELDS
	{ 0 }
};

static const struct arg name_fields[] = {
	{ "name", ARG_STRING, true, "the link", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg delete_fields[] = {
	{ "name", ARG_STRING, true, "the interface", NULL },
	ARG_FIELD_NETNS,
	ARG_FIELD_MISSING_OK,
	{ 0 }
};

static const struct arg delete_group_fields[] = {
	{ "group", ARG_INTEGER, true, "link group, a number above 0", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg delete_many_fields[] = {
	{ "names", ARG_TABLE, true, "list of links; those that are gone are no error", NULL },
	{ "group", ARG_INTEGER, true, "a link group that nobody uses, a number above 0", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg no_fields[] = { { 0 } };

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "alias_prefix", ARG_STRING, false, "only links whose alias begins so", NULL },
	{ "group", ARG_INTEGER, false, "only links of this group", NULL },
	{ "kind", ARG_STRING, false, "only links of this kind, such as veth", NULL },
	{ "master", ARG_STRING, false, "only ports of this bridge", NULL },
	{ 0 }
};

static const char *compile_alias(const struct compile *c)
{
	const char *alias = compile_string(c, "alias");

	if (alias && strlen(alias) > 255)
		compile_error(c, "alias has %zu characters; the kernel takes at most 255",
			      strlen(alias));
	return alias;
}

static uint32_t compile_group(const struct compile *c, bool *present, int64_t min)
{
	int64_t n = 0;

	*present = compile_integer(c, "group", min, GROUP_MAX, &n);
	return (uint32_t)n;
}

/* The options that a link, a peer and a change share. */
static void compile_spec(const struct compile *c, struct link_spec *s)
{
	bool has_group;
	int64_t n;

	s->name = compile_ifname(c, "name");
	s->alias = compile_alias(c);
	s->master = compile_string(c, "master");
	if (s->master && s->master[0])
		s->master = compile_ifname(c, "master");
	if (compile_mac(c, "mac", s->mac))
		s->set |= LINK_MAC;
	if (compile_integer(c, "mtu", 68, MTU_MAX, &n)) {
		s->mtu = (uint32_t)n;
		s->set |= LINK_MTU;
	}
	s->group = compile_group(c, &has_group, 0);
	if (has_group)
		s->set |= LINK_GROUP;
	if (compile_boolean(c, "up", &s->up))
		s->set |= LINK_UP;
	if (compile_boolean(c, "promiscuous", &s->promiscuous))
		s->set |= LINK_PROMISCUOUS;
	if (compile_integer(c, "tx_queue_length", 0, INT32_MAX, &n)) {
		s->queue = (uint32_t)n;
		s->set |= LINK_QUEUE;
	}
	s->port = link_port_compile(c);
}

static void compile_tun(const struct compile *c, struct link_add_op *o)
{
	struct user user;

	o->tun = (struct tun_spec){ .tap = strcmp(o->kind, "tap") == 0, .owner = -1, .group = -1 };
	o->is_tun = o->tun.tap || strcmp(o->kind, "tun") == 0;
	if (!o->is_tun)
		return;
	if (!o->tun.tap && (o->link.set & LINK_MAC))
		compile_error(c, "mac: a tun carries no Ethernet frames and has no hardware address");
	if (field_present(c->L, c->idx, "owner")) {
		user_option(c->L, c->idx, "owner", &user);
		o->tun.owner = user.uid;
	}
	if (field_present(c->L, c->idx, "owner_group"))
		o->tun.group = user_group_option(c->L, c->idx, "owner_group");
	compile_boolean(c, "vnet_header", &o->tun.vnet_header);
	compile_boolean(c, "multi_queue", &o->tun.multi_queue);
}

static void compile_peer(const struct compile *c, struct link_add_op *o)
{
	struct compile peer = *c;

	if (lua_getfield(c->L, c->idx, "peer") == LUA_TTABLE) {
		if (strcmp(o->kind, "veth") != 0)
			compile_error(c, "peer belongs to a veth, not to a %s", o->kind);
		peer.idx = lua_gettop(c->L);
		peer.where = compile_printf(c, "%s: peer", c->where);
		compile_spec(&peer, &o->peer);
		o->peer_netns = compile_netns(&peer, "netns");
	}
	lua_pop(c->L, 1);
}

/* A new link has no master to leave, but may be a port of one. */
static void compile_join(const struct compile *c, struct link_spec *s)
{
	if (s->master && !s->master[0])
		s->master = NULL;
	if (s->port && !s->master)
		compile_error(c, "bridge_port needs a master: the bridge to join");
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct link_add_op *o = (struct link_add_op *)op;
	int64_t n;

	o->kind = compile_string(c, "kind");
	if (!o->kind[0])
		compile_error(c, "kind is empty; veth or bridge, for example");
	compile_spec(c, &o->link);
	op->subject = o->link.name;
	link_options_compile(c, o);
	compile_tun(c, o);
	compile_peer(c, o);
	compile_join(c, &o->link);
	compile_join(c, &o->peer);
	if (compile_integer(c, "index", 1, INT32_MAX, &n))
		o->index = (int)n;
}

static void compile_set(const struct compile *c, struct op *op)
{
	struct link_set_op *o = (struct link_set_op *)op;

	compile_spec(c, &o->link);
	o->link.values = link_options_compile_any(c);
	op->subject = o->link.name;
	o->rename = compile_ifname(c, "rename");
	o->move_to = compile_netns(c, "move_to_netns");
	if (o->move_to && (o->link.master || o->link.port))
		compile_error(c, "%s and move_to_netns exclude each other: a move leaves the master; "
			      "join one afterwards", o->link.master ? "master" : "bridge_port");
}

static void compile_delete(const struct compile *c, struct op *op)
{
	op->subject = ((struct link_delete_op *)op)->name = compile_ifname(c, "name");
}

static void compile_delete_group(const struct compile *c, struct op *op)
{
	struct link_group_op *o = (struct link_group_op *)op;
	bool present;

	o->group = compile_group(c, &present, 1);
	op->subject = compile_printf(c, "group %u", o->group);
}

static void compile_delete_many(const struct compile *c, struct op *op)
{
	struct link_group_op *o = (struct link_group_op *)op;
	struct compile list = *c;

	compile_delete_group(c, op);
	lua_getfield(c->L, c->idx, "names");
	o->count = (int)lua_rawlen(c->L, -1);
	o->names = compile_alloc(c, ((size_t)o->count + 1) * sizeof(*o->names));
	lua_createtable(c->L, 0, 1);	/* compile_ifname() reads a named option */
	list.idx = lua_gettop(c->L);
	for (int i = 0; i < o->count; i++) {
		if (lua_rawgeti(c->L, -2, i + 1) != LUA_TSTRING)
			compile_error(c, "names must be a list of strings; item %d is none", i + 1);
		lua_setfield(c->L, -2, "name");
		o->names[i] = compile_ifname(&list, "name");
	}
	lua_pop(c->L, 2);
}

static void compile_get(const struct compile *c, struct op *op)
{
	op->subject = ((struct link_read_op *)op)->name = compile_ifname(c, "name");
}

static void compile_list(const struct compile *c, struct op *op)
{
	struct link_read_op *o = (struct link_read_op *)op;

	o->alias_prefix = compile_string(c, "alias_prefix");
	o->kind = compile_string(c, "kind");
	o->master = compile_ifname(c, "master");
	o->group = compile_group(c, &o->has_group, 0);
}

static void compile_nothing(const struct compile *c, struct op *op)
{
	(void)c;
	(void)op;
}

const struct verb verb_link_add = {
	"link.add", add_fields, sizeof(struct link_add_op), compile_add, link_run_add, NULL,
};
const struct verb verb_link_set = {
	"link.set", set_fields, sizeof(struct link_set_op), compile_set, link_run_set, NULL,
};
const struct verb verb_link_delete = {
	"link.delete", delete_fields, sizeof(struct link_delete_op), compile_delete,
	link_run_delete, NULL,
};
const struct verb verb_link_delete_group = {
	"link.delete_group", delete_group_fields, sizeof(struct link_group_op),
	compile_delete_group, link_run_delete_group, NULL,
};
const struct verb verb_link_delete_many = {
	"link.delete_many", delete_many_fields, sizeof(struct link_group_op),
	compile_delete_many, link_run_delete_many, NULL,
};
static const struct verb verb_get = {
	"link.get", name_fields, sizeof(struct link_read_op), compile_get, link_run_get,
	link_push_get,
};
const struct verb verb_link_settle = {
	"link.settle", delete_fields, sizeof(struct link_read_op), compile_get, link_run_settle, NULL,
};
static const struct verb verb_kinds = {
	"link.kinds", no_fields, sizeof(struct op), compile_nothing, link_run_kinds, link_push_kinds,
};
static const struct verb verb_list = {
	"link.list", list_fields, sizeof(struct link_read_op), compile_list, link_run_list,
	link_push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_link_add);
}

static int l_set(lua_State *L)
{
	return op_call(L, &verb_link_set);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_link_delete);
}

static int l_delete_group(lua_State *L)
{
	return op_call(L, &verb_link_delete_group);
}

static int l_delete_many(lua_State *L)
{
	return op_call(L, &verb_link_delete_many);
}

static int l_get(lua_State *L)
{
	return op_call(L, &verb_get);
}

static int l_settle(lua_State *L)
{
	return op_call(L, &verb_link_settle);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static int l_kinds(lua_State *L)
{
	return op_call(L, &verb_kinds);
}

static const struct fn link_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "makes a link, for a veth with its peer, and joins it to a bridge; returns true",
	  "link.add{ kind = \"bridge\", name = \"br0\", ageing = 60, up = true }\n"
	  "link.add{ kind = \"tap\", name = \"vm0\", owner = \"nobody\", vnet_header = true, master = \"br0\",\n"
	  "  bridge_port = { isolated = true } }\n"
	  "link.add{ kind = \"vxlan\", name = \"vx0\", id = 7, remote = \"192.0.2.1\", source = \"192.0.2.2\" }\n"
	  "print(link.get{ name = \"vm0\" }.bridge_port.isolated)" },
	{ "set", l_set, OP_ARGS(set_fields, true),
	  "changes a link; what is not named stays as it is; returns true",
	  "link.add{ kind = \"veth\", name = \"a\", peer = { name = \"b\" } }\n"
	  "link.set{ name = \"a\", mtu = 1400, tx_queue_length = 100, up = true }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true), "deletes a link; returns true",
	  "link.add{ kind = \"bridge\", name = \"br0\" }\n"
	  "link.delete{ name = \"br0\" }" },
	{ "delete_group", l_delete_group, OP_ARGS(delete_group_fields, true),
	  "deletes all links of a group in one message; returns true",
	  "link.add{ kind = \"veth\", name = \"a\", group = 77, peer = { name = \"b\" } }\n"
	  "link.delete_group{ group = 77 }" },
	{ "delete_many", l_delete_many, OP_ARGS(delete_many_fields, true),
	  "deletes links together, by way of a group; returns true",
	  "link.add{ kind = \"bridge\", name = \"br0\" }\n"
	  "link.delete_many{ names = { \"br0\", \"br1\" }, group = 77 }" },
	{ "get", l_get, OP_ARGS(name_fields, true),
	  "returns a table with name, index, kind, mac, mtu, up, running, carrier, operstate, "
	  "promiscuous, tx_queue_length, master, master_index, group, alias; peer_index and "
	  "peer_netnsid of a veth; parent, parent_index and parent_netnsid of what has a link below; "
	  "the options of its kind; bridge_port; persistent of a tap or tun; stats: rx_packets, "
	  "rx_bytes, rx_errors, rx_dropped, the same with tx, and multicast",
	  "print(link.get{ name = \"lo\" }.stats.rx_bytes)" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of such tables, of all links or those that pass the filters",
	  "for _, l in ipairs(link.list{ kind = \"veth\" }) do print(l.name, l.operstate) end" },
	{ "settle", l_settle, OP_ARGS(delete_fields, true),
	  "waits until a link that has just been brought up sends and, as a port of a bridge, forwards: "
	  "until then its frames are lost. At most 1.5 s; what has no carrier is not waited for; returns true",
	  "link.add{ kind = \"veth\", name = \"a\", up = true, peer = { name = \"b\", up = true } }\n"
	  "link.settle{ name = \"a\" }\n"
	  "print(link.get{ name = \"a\" }.operstate)" },
	{ "kinds", l_kinds, NULL,
	  "returns a table from kinds of link to whether this kernel has them",
	  "print(link.kinds().vlan)" },
	{ 0 }
};

NERV_MODULE(link, .name = "link", .text = "network interfaces of the kernel",
	    .functions = link_functions);
