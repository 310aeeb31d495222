/* Reading links: link.get, link.list, and the table that describes a link. */
#include "bindings/link_read.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "bindings/op_lua.h"

static void parse(const struct nlmsghdr *msg, struct nlattr **tb)
{
	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(struct ifinfomsg), tb, IFLA_MAX,
		    NULL);
}

static int note_master(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg)
{
	return nlconn_note_name(conn, link_master(msg), &l->names) ?
		fault_set(&l->fault, -ENOMEM, "names") : 0;
}

int link_run_get(struct op_list *l, struct op *op)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	msg = nlconn_message(RTM_GETLINK, 0, sizeof(*ifi), &ifi);
	if (msg)
		nla_put_string(msg, IFLA_IFNAME, ((struct link_read_op *)op)->name);
	ret = nlconn_get(conn, msg, &l->out, &l->fault);
	return ret ? ret : note_master(l, conn, nlbuf_next(&l->out, NULL));
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
		ret = note_master(l, conn, h);
	return ret;
}

int link_master(const struct nlmsghdr *msg)
{
	struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg,
					   sizeof(struct ifinfomsg), IFLA_MASTER);

	return a ? (int)nla_get_u32(a) : 0;
}

static void set_mac(lua_State *L, const struct nlattr *a)
{
	const uint8_t *m = nla_data(a);
	char text[18];

	if (nla_len(a) != 6)
		return;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
		 m[4], m[5]);
	set_string(L, "mac", text);
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

/* Under the names of link.add's options, so that wanted and found compare. */
static void set_bridge(lua_State *L, struct nlattr *data)
{
	struct nlattr *tb[IFLA_BR_MAX + 1];

	if (!data || nla_parse_nested(tb, IFLA_BR_MAX, data, NULL) < 0)
		return;
	if (tb[IFLA_BR_STP_STATE])
		set_boolean(L, "stp", nla_get_u32(tb[IFLA_BR_STP_STATE]) != 0);
	if (tb[IFLA_BR_FORWARD_DELAY])
		set_number(L, "forward_delay", nla_get_u32(tb[IFLA_BR_FORWARD_DELAY]) / 100.0);
	if (tb[IFLA_BR_AGEING_TIME])
		set_number(L, "ageing", nla_get_u32(tb[IFLA_BR_AGEING_TIME]) / 100.0);
	if (tb[IFLA_BR_MCAST_SNOOPING])
		set_boolean(L, "mcast_snooping", nla_get_u8(tb[IFLA_BR_MCAST_SNOOPING]) != 0);
}

static void set_tun(lua_State *L, struct nlattr *data)
{
	struct nlattr *tb[IFLA_TUN_MAX + 1];

	if (!data || nla_parse_nested(tb, IFLA_TUN_MAX, data, NULL) < 0)
		return;
	if (tb[IFLA_TUN_OWNER])
		set_integer(L, "owner", nla_get_u32(tb[IFLA_TUN_OWNER]));
	if (tb[IFLA_TUN_GROUP])
		set_integer(L, "owner_group", nla_get_u32(tb[IFLA_TUN_GROUP]));
	if (tb[IFLA_TUN_VNET_HDR])
		set_boolean(L, "vnet_header", nla_get_u8(tb[IFLA_TUN_VNET_HDR]) != 0);
	if (tb[IFLA_TUN_MULTI_QUEUE])
		set_boolean(L, "multi_queue", nla_get_u8(tb[IFLA_TUN_MULTI_QUEUE]) != 0);
	if (tb[IFLA_TUN_PERSIST])
		set_boolean(L, "persistent", nla_get_u8(tb[IFLA_TUN_PERSIST]) != 0);
}

/* What the kernel calls "tun" is of two kinds. */
static bool is_tap(struct nlattr *data)
{
	struct nlattr *type = data ? nla_find(nla_data(data), nla_len(data), IFLA_TUN_TYPE) : NULL;

	return type && nla_get_u8(type) == IFF_TAP;
}

/* The kind of link, or "" for one that is not made by rtnetlink. */
static const char *link_kind(struct nlattr *const *tb, struct nlattr **data)
{
	struct nlattr *info[IFLA_INFO_MAX + 1];
	const char *kind;

	*data = NULL;
	if (!tb[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) < 0 ||
	    !info[IFLA_INFO_KIND])
		return "";
	*data = info[IFLA_INFO_DATA];
	kind = nla_get_string(info[IFLA_INFO_KIND]);
	return strcmp(kind, "tun") == 0 && is_tap(*data) ? "tap" : kind;
}

static void set_kind(lua_State *L, struct nlattr *const *tb)
{
	struct nlattr *data;
	const char *kind = link_kind(tb, &data);

	if (kind[0])
		set_string(L, "kind", kind);
	if (strcmp(kind, "bridge") == 0)
		set_bridge(L, data);
	if (strcmp(kind, "tun") == 0 || strcmp(kind, "tap") == 0)
		set_tun(L, data);
	if (tb[IFLA_LINK] && nla_get_u32(tb[IFLA_LINK]))
		set_integer(L, strcmp(kind, "veth") == 0 ? "peer_index" : "lower_index",
			    nla_get_u32(tb[IFLA_LINK]));
	if (tb[IFLA_LINK_NETNSID])
		set_integer(L, "peer_netnsid", nla_get_s32(tb[IFLA_LINK_NETNSID]));
}

void link_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct ifinfomsg *ifi = nlmsg_data(msg);
	struct nlattr *tb[IFLA_MAX + 1];

	parse(msg, tb);
	lua_createtable(L, 0, 16);
	set_integer(L, "index", ifi->ifi_index);
	set_boolean(L, "up", ifi->ifi_flags & IFF_UP);
	set_boolean(L, "running", ifi->ifi_flags & IFF_RUNNING);
	if (tb[IFLA_CARRIER])
		set_boolean(L, "carrier", nla_get_u8(tb[IFLA_CARRIER]) != 0);
	if (tb[IFLA_IFNAME])
		set_string(L, "name", nla_get_string(tb[IFLA_IFNAME]));
	if (tb[IFLA_ADDRESS])
		set_mac(L, tb[IFLA_ADDRESS]);
	if (tb[IFLA_MTU])
		set_integer(L, "mtu", nla_get_u32(tb[IFLA_MTU]));
	if (tb[IFLA_GROUP])
		set_integer(L, "group", nla_get_u32(tb[IFLA_GROUP]));
	if (tb[IFLA_IFALIAS])
		set_string(L, "alias", nla_get_string(tb[IFLA_IFALIAS]));
	if (tb[IFLA_MASTER]) {
		set_integer(L, "master_index", nla_get_u32(tb[IFLA_MASTER]));
		if (names)
			set_ifname(L, "master", names, (int)nla_get_u32(tb[IFLA_MASTER]));
	}
	set_kind(L, tb);
	if (tb[IFLA_STATS64])
		set_stats(L, tb[IFLA_STATS64]);
}

static bool wanted(const struct link_read_op *o, const struct nlmsghdr *msg)
{
	struct nlattr *tb[IFLA_MAX + 1], *data;
	const char *alias = "";

	parse(msg, tb);
	if (tb[IFLA_IFALIAS])
		alias = nla_get_string(tb[IFLA_IFALIAS]);
	if (o->alias_prefix && strncmp(alias, o->alias_prefix, strlen(o->alias_prefix)) != 0)
		return false;
	if (o->has_group && (!tb[IFLA_GROUP] || nla_get_u32(tb[IFLA_GROUP]) != o->group))
		return false;
	if (o->kind && strcmp(link_kind(tb, &data), o->kind) != 0)
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
