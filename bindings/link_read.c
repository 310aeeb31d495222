/* Reading links: link.get, link.list, and the table that describes a link. */
#include "bindings/link_read.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#include "bindings/link_info.h"
#include "bindings/link_option.h"
#include "bindings/op_lua.h"

/* How often, and how long, link.settle asks: nanoseconds. */
#define SETTLE_PAUSE 200000
#define SETTLE_LIMIT 1500000000

static struct nlattr *find(const struct nlmsghdr *msg, int type)
{
	return nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg, sizeof(struct ifinfomsg), type);
}

int link_master(const struct nlmsghdr *msg)
{
	struct nlattr *a = find(msg, IFLA_MASTER);

	return a ? (int)nla_get_u32(a) : 0;
}

int link_parent(const struct nlmsghdr *msg)
{
	const struct link_kind *k;
	struct link_info info;
	struct nlattr *a;

	link_info(msg, &info);
	k = link_kind_find(info.kind);
	if (k && k->parent_attr && info.data)
		a = nla_find(nla_data(info.data), nla_len(info.data), k->parent_attr);
	else
		a = find(msg, IFLA_LINK);
	return a && strcmp(info.kind, "veth") != 0 ? (int)nla_get_u32(a) : 0;
}

/* An index in another namespace has no name here. */
static int note_names(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg)
{
	int ret = nlconn_note_name(conn, link_master(msg), &l->names);

	if (!ret && !find(msg, IFLA_LINK_NETNSID))
		ret = nlconn_note_name(conn, link_parent(msg), &l->names);
	return ret ? fault_set(&l->fault, -ENOMEM, "names") : 0;
}

/* IF_OPER_* of linux/if.h, which cannot be included beside net/if.h. */
enum { OPER_DOWN = 2, OPER_LOWER_LAYER_DOWN };

static struct nl_msg *question(const char *name, uint32_t mask)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_GETLINK, 0, sizeof(*ifi), &ifi);

	if (msg) {
		nla_put_string(msg, IFLA_IFNAME, name);
		nla_put_u32(msg, IFLA_EXT_MASK, mask);
	}
	return msg;
}

int link_run_get(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	ret = nlconn_get(conn, question(((struct link_read_op *)op)->name, 0), &l->out, &l->fault);
	return ret ? ret : note_names(l, conn, nlbuf_next(&l->out, NULL));
}

/* Whether the link has its carrier, and nobody has acted on that yet. */
static bool is_pending(const struct nlmsghdr *msg)
{
	const struct ifinfomsg *ifi = nlmsg_data(msg);
	struct nlattr *carrier = find(msg, IFLA_CARRIER), *state = find(msg, IFLA_OPERSTATE);

	return ifi->ifi_flags & IFF_UP && carrier && nla_get_u8(carrier) && state &&
	       (nla_get_u8(state) == OPER_DOWN || nla_get_u8(state) == OPER_LOWER_LAYER_DOWN);
}

int link_run_settle(struct op_list *l, struct op *op)
{
	const struct timespec pause = { .tv_nsec = SETTLE_PAUSE };
	const char *name = ((struct link_read_op *)op)->name;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	for (int i = 0; !ret && i < SETTLE_LIMIT / SETTLE_PAUSE; i++) {
		l->out.len = 0;
		ret = nlconn_get(conn, question(name, RTEXT_FILTER_SKIP_STATS), &l->out, &l->fault);
		if (!ret && !is_pending(nlbuf_next(&l->out, NULL)))
			break;
		nanosleep(&pause, NULL);
	}
	return ret;
}

int link_run_list(struct op_list *l, struct op *op)
{
	struct link_read_op *o = (struct link_read_op *)op;
	struct ifinfomsg *ifi;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret && o->master) {
		ret = nlconn_index(conn, o->master, &l->fault);
		if (ret < 0)
			return fault_name(&l->fault, "master %s", o->master);
		o->master_index = ret;
		ret = 0;
	}
	if (!ret)
		ret = nlconn_dump(conn, nlconn_message(RTM_GETLINK, 0, sizeof(*ifi), &ifi),
				  &l->out, &l->fault);
	for (const struct nlmsghdr *h = NULL; !ret && (h = nlbuf_next(&l->out, h));)
		ret = note_names(l, conn, h);
	return ret;
}

static void set_stats(lua_State *L, const struct nlattr *a)
{
	struct rtnl_link_stats64 s = { 0 };
	const size_t len = (size_t)nla_len(a);

	memcpy(&s, nla_data(a), len < sizeof(s) ? len : sizeof(s));
	lua_createtable(L, 0, 9);
	set_integer(L, "rx_packets", (lua_Integer)s.rx_packets);
	set_integer(L, "tx_packets", (lua_Integer)s.tx_packets);
	set_integer(L, "rx_bytes", (lua_Integer)s.rx_bytes);
	set_integer(L, "tx_bytes", (lua_Integer)s.tx_bytes);
	set_integer(L, "rx_errors", (lua_Integer)s.rx_errors);
	set_integer(L, "tx_errors", (lua_Integer)s.tx_errors);
	set_integer(L, "rx_dropped", (lua_Integer)s.rx_dropped);
	set_integer(L, "tx_dropped", (lua_Integer)s.tx_dropped);
	set_integer(L, "multicast", (lua_Integer)s.multicast);
	lua_setfield(L, -2, "stats");
}

static const struct word operstates[] = {	/* RFC 2863 */
	{ "unknown", 0 }, { "notpresent", 1 }, { "down", OPER_DOWN },
	{ "lowerlayerdown", OPER_LOWER_LAYER_DOWN },
	{ "testing", 4 }, { "dormant", 5 }, { "up", 6 }, { 0 }
};

static void set_kind(lua_State *L, const struct nlmsghdr *msg, struct nlattr *const *tb, int names)
{
	const int parent = link_parent(msg);
	struct link_info info;

	link_info(msg, &info);
	if (info.kind[0])
		set_string(L, "kind", info.kind);
	link_options_push(L, info.kind, info.data);
	if (info.port)
		link_port_push(L, info.port);
	if (strcmp(info.kind, "veth") == 0 && tb[IFLA_LINK])
		set_integer(L, "peer_index", nla_get_u32(tb[IFLA_LINK]));
	if (parent)
		set_integer(L, "parent_index", parent);
	if (parent && names && !tb[IFLA_LINK_NETNSID])
		set_ifname(L, "parent", names, parent);
	if (tb[IFLA_LINK_NETNSID])
		set_integer(L, strcmp(info.kind, "veth") == 0 ? "peer_netnsid" : "parent_netnsid",
			    nla_get_s32(tb[IFLA_LINK_NETNSID]));
}

void link_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct ifinfomsg *ifi = nlmsg_data(msg);
	struct nlattr *tb[IFLA_MAX + 1];

	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*ifi), tb, IFLA_MAX, NULL);
	lua_createtable(L, 0, 24);
	set_integer(L, "index", ifi->ifi_index);
	set_boolean(L, "up", ifi->ifi_flags & IFF_UP);
	set_boolean(L, "running", ifi->ifi_flags & IFF_RUNNING);
	set_boolean(L, "promiscuous", ifi->ifi_flags & IFF_PROMISC);
	if (tb[IFLA_CARRIER])
		set_boolean(L, "carrier", nla_get_u8(tb[IFLA_CARRIER]) != 0);
	if (tb[IFLA_IFNAME])
		set_string(L, "name", nla_get_string(tb[IFLA_IFNAME]));
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == 6)
		set_mac(L, "mac", nla_data(tb[IFLA_ADDRESS]));
	if (tb[IFLA_MTU])
		set_integer(L, "mtu", nla_get_u32(tb[IFLA_MTU]));
	if (tb[IFLA_TXQLEN])
		set_integer(L, "tx_queue_length", nla_get_u32(tb[IFLA_TXQLEN]));
	if (tb[IFLA_OPERSTATE])
		set_word(L, "operstate", operstates, nla_get_u8(tb[IFLA_OPERSTATE]));
	if (tb[IFLA_GROUP])
		set_integer(L, "group", nla_get_u32(tb[IFLA_GROUP]));
	if (tb[IFLA_IFALIAS])
		set_string(L, "alias", nla_get_string(tb[IFLA_IFALIAS]));
	if (tb[IFLA_MASTER]) {
		set_integer(L, "master_index", nla_get_u32(tb[IFLA_MASTER]));
		if (names)
			set_ifname(L, "master", names, (int)nla_get_u32(tb[IFLA_MASTER]));
	}
	set_kind(L, msg, tb, names);
	if (tb[IFLA_STATS64])
		set_stats(L, tb[IFLA_STATS64]);
}

static bool wanted(const struct link_read_op *o, const struct nlmsghdr *msg)
{
	struct nlattr *group = find(msg, IFLA_GROUP), *alias = find(msg, IFLA_IFALIAS);
	struct link_info info;

	if (o->alias_prefix && strncmp(alias ? nla_get_string(alias) : "", o->alias_prefix,
				       strlen(o->alias_prefix)) != 0)
		return false;
	if (o->has_group && (!group || nla_get_u32(group) != o->group))
		return false;
	link_info(msg, &info);
	if (o->kind && strcmp(info.kind, o->kind) != 0)
		return false;
	return !o->master || link_master(msg) == o->master_index;
}

int link_push_get(lua_State *L, struct op_list *l, struct op *op)
{
	(void)op;
	op_push_names(L, l);
	link_push(L, nlbuf_next(&l->out, NULL), lua_gettop(L));
	return 1;
}

int link_push_list(lua_State *L, struct op_list *l, struct op *op)
{
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));) {
		if (!wanted((struct link_read_op *)op, h))
			continue;
		link_push(L, h, names);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}
