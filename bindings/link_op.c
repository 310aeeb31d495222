/* Link operations: how links are made and changed on a worker thread. */
#include "bindings/link_op.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/link_info.h"

static void set_flags(struct ifinfomsg *ifi, const struct link_spec *s)
{
	if (s->set & LINK_UP) {
		ifi->ifi_change |= IFF_UP;
		ifi->ifi_flags |= s->up ? IFF_UP : 0;
	}
	if (s->set & LINK_PROMISCUOUS) {
		ifi->ifi_change |= IFF_PROMISC;
		ifi->ifi_flags |= s->promiscuous ? IFF_PROMISC : 0;
	}
}

/* What the kernel takes both at creation and later; 0 or negative. */
static int put_spec(struct nl_msg *msg, const char *name, const struct link_spec *s)
{
	int ret = 0;

	if (name)
		ret |= nla_put_string(msg, IFLA_IFNAME, name);
	if (s->set & LINK_MAC)
		ret |= nla_put(msg, IFLA_ADDRESS, sizeof(s->mac), s->mac);
	if (s->set & LINK_MTU)
		ret |= nla_put_u32(msg, IFLA_MTU, s->mtu);
	if (s->set & LINK_GROUP)
		ret |= nla_put_u32(msg, IFLA_GROUP, s->group);
	if (s->set & LINK_QUEUE)
		ret |= nla_put_u32(msg, IFLA_TXQLEN, s->queue);
	return ret;
}

static int put_master(struct nl_msg *msg, struct nlconn *conn, const char *master, struct fault *f)
{
	int index = 0;

	if (!master)
		return 0;
	if (master[0])
		index = nlconn_index(conn, master, f);
	if (index < 0)
		return fault_name(f, "master %s", master);
	return nla_put_u32(msg, IFLA_MASTER, (uint32_t)index) ? fault_set(f, -ENOMEM, "message") : 0;
}

static int put_values(struct nl_msg *msg, int type, const struct link_value *v)
{
	struct nlattr *data = nla_nest_start(msg, type);
	int ret = data ? 0 : -1;

	for (; !ret && v; v = v->next)
		ret = nla_put(msg, v->attr, v->len, v->bytes);
	if (!ret)
		nla_nest_end(msg, data);
	return ret;
}

/* The peer is made in its own namespace at once; it cannot be brought up here. */
static int put_peer(struct nl_msg *msg, const struct link_add_op *o, int netns_fd)
{
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
	struct nlattr *peer = data ? nla_nest_start(msg, VETH_INFO_PEER) : NULL;
	int ret = 0;

	if (!peer || !nlmsg_reserve(msg, sizeof(struct ifinfomsg), NLMSG_ALIGNTO))
		return -1;
	memset(nla_data(peer), 0, sizeof(struct ifinfomsg));
	ret |= put_spec(msg, o->peer.name, &o->peer);
	if (netns_fd >= 0)
		ret |= nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nla_nest_end(msg, peer);
	nla_nest_end(msg, data);
	return ret;
}

/* What its kind needs: `first`, or the peer of `o`. */
static int put_linkinfo(struct nl_msg *msg, const char *driver, const struct link_value *first,
			const struct link_add_op *o, int netns_fd)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	int ret = 0;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, driver))
		return -1;
	if (first)
		ret = put_values(msg, IFLA_INFO_DATA, first);
	else if (o && o->peer.name)
		ret = put_peer(msg, o, netns_fd);
	nla_nest_end(msg, info);
	return ret;
}

static int read_link(struct nlconn *conn, int index, struct nlbuf *out, struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_GETLINK, 0, sizeof(*ifi), &ifi);

	if (msg)
		ifi->ifi_index = index;
	return nlconn_get(conn, msg, out, f);
}

/* Sends the settings of a bridge's port. */
static int change_port(struct nlconn *conn, int index, const struct link_value *port,
		       struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_SETLINK, 0, sizeof(*ifi), &ifi);
	int ret;

	if (msg && put_values(msg, IFLA_PROTINFO | NLA_F_NESTED, port)) {
		nlmsg_free(msg);
		return fault_set(f, -EMSGSIZE, "message");
	}
	if (msg) {
		ifi->ifi_family = AF_BRIDGE;
		ifi->ifi_index = index;
	}
	ret = nlconn_request(conn, msg, f);
	if (ret == -EOPNOTSUPP)
		return fault_set(f, ret, "bridge_port: it is no port of a bridge");
	return ret ? fault_name(f, "bridge_port") : 0;
}

/* The kernel often refuses what it was not built with, or a value, without a word: name
 * what was asked for. */
static int refused(int ret, const char *kind, const struct link_value *v, struct fault *f)
{
	char names[120] = "";
	size_t len = 0;

	if ((ret != -EOPNOTSUPP && ret != -ERANGE) || f->ext[0] || !v)
		return ret;
	for (; v && len < sizeof(names); v = v->next)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", v->name);
	return ret == -ERANGE ? fault_name(f, "%s", names) :
				fault_name(f, "this kernel's %s does not take %s", kind, names);
}

static int put_parent(struct nl_msg *msg, const struct link_add_op *o, struct nlconn *conn,
		      struct link_value *below, struct fault *f)
{
	int index = o->parent ? nlconn_index(conn, o->parent, f) : 0;

	if (index < 0)
		return fault_name(f, "parent %s", o->parent);
	if (!index)
		return 0;
	if (!o->parent_attr)
		return nla_put_u32(msg, IFLA_LINK, (uint32_t)index) ?
			fault_set(f, -EMSGSIZE, "message") : 0;
	*below = (struct link_value){ o->link.values->first, "parent", o->parent_attr, sizeof(index) };
	memcpy(below->bytes, &index, sizeof(index));
	return 0;
}

static int create(struct op_list *l, const struct link_add_op *o, struct nlconn *conn)
{
	struct link_value below = { 0 };
	struct ifinfomsg *ifi;
	struct nl_msg *msg;
	int netns_fd = -1, ret;

	if (o->peer_netns) {
		netns_fd = op_netns_fd(l, o->peer_netns);
		if (netns_fd < 0)
			return netns_fd;
	}
	msg = nlconn_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifi), &ifi);
	if (!msg)
		return fault_set(&l->fault, -ENOMEM, "message");
	ifi->ifi_index = o->index;
	set_flags(ifi, &o->link);
	ret = put_master(msg, conn, o->link.master, &l->fault);
	if (!ret)
		ret = put_parent(msg, o, conn, &below, &l->fault);
	if (!ret && (put_spec(msg, o->link.name, &o->link) ||
		     put_linkinfo(msg, o->driver, below.len ? &below : o->link.values->first, o,
				  netns_fd)))
		ret = fault_set(&l->fault, -EMSGSIZE, "message");
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	ret = nlconn_request(conn, msg, &l->fault);
	if (ret == -EOPNOTSUPP && strcmp(l->fault.ext, "Unknown device type") == 0)
		return fault_name(&l->fault, "this kernel has no '%s' links%s", o->kind, o->hint);
	return refused(ret, o->kind, o->link.values->first, &l->fault);
}

/* Changes the link `name` or, with a name of NULL, of `index`; with both it gets the name. `values` may be NULL. */
static int change(struct op_list *l, struct nlconn *conn, const char *name, int index,
		  const struct link_spec *s, const struct link_values *values, int netns_fd)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg;
	int ret;

	if (!(s->set || s->master || s->alias || values || netns_fd >= 0 || (name && index)))
		return 0;
	msg = nlconn_message(values ? RTM_NEWLINK : RTM_SETLINK, 0, sizeof(*ifi), &ifi);
	if (!msg)
		return fault_set(&l->fault, -ENOMEM, "message");
	ifi->ifi_index = index;
	set_flags(ifi, s);
	ret = put_master(msg, conn, s->master, &l->fault);
	if (ret)
		goto fail;
	ret = put_spec(msg, name, s);
	if (s->alias)	/* without its NUL, so that "" is of no length and removes it */
		ret |= nla_put(msg, IFLA_IFALIAS, (int)strlen(s->alias), s->alias);
	if (netns_fd >= 0)
		ret |= nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	if (values)
		ret |= put_linkinfo(msg, values->driver, values->first, NULL, -1);
	if (ret) {
		ret = fault_set(&l->fault, -EMSGSIZE, "message");
		goto fail;
	}
	ret = nlconn_request(conn, msg, &l->fault);
	return values ? refused(ret, values->kind, values->first, &l->fault) : ret;
fail:
	nlmsg_free(msg);
	return ret;
}

int link_change(struct op_list *l, struct nlconn *conn, int index, const struct link_spec *s)
{
	return change(l, conn, NULL, index, s, NULL, -1);
}

/* Those settings of a new link that need its index. */
static int complete_port(struct nlconn *conn, const struct link_spec *s, struct fault *f)
{
	int index;

	if (!s->port)
		return 0;
	index = nlconn_index(conn, s->name, f);
	return index < 0 ? index : change_port(conn, index, s->port, f);
}

/* What cannot be said when the pair is made: aliases, and the peer's master and state. */
static int complete(struct op_list *l, const struct link_add_op *o, struct nlconn *conn)
{
	const struct link_spec alias = { .alias = o->link.alias };
	struct link_spec late = {
		.alias = o->peer.alias, .master = o->peer.master,
		.up = o->peer.up, .promiscuous = o->peer.promiscuous,
		.set = o->peer.set & (LINK_UP | LINK_PROMISCUOUS),
	};
	int ret = 0;

	if (alias.alias)
		ret = change(l, conn, o->link.name, 0, &alias, NULL, -1);
	if (!ret)
		ret = complete_port(conn, &o->link, &l->fault);
	if (ret || !o->peer.name || !(late.alias || late.master || late.set || o->peer.port))
		return ret;
	if (o->peer_netns)
		ret = op_conn(l, o->peer_netns, &conn);
	if (!ret)
		ret = change(l, conn, o->peer.name, 0, &late, NULL, -1);
	if (!ret)
		ret = complete_port(conn, &o->peer, &l->fault);
	if (ret && !l->fault.what[0])
		fault_name(&l->fault, "peer %s", o->peer.name);
	return ret;
}

/* What is wanted of it is set before it is told to stay. */
static int add_tun(struct op_list *l, const struct link_add_op *o, struct nlconn *conn)
{
	int fd, ret;

	if (nlconn_index(conn, o->link.name, &l->fault) > 0)
		return fault_set(&l->fault, -EEXIST, "%s", "");
	ret = tun_make(l, o->op.netns, o->link.name, o->index, &o->tun, &fd);
	if (ret)
		return ret;
	ret = change(l, conn, o->link.name, 0, &o->link, NULL, -1);
	if (!ret)
		ret = complete_port(conn, &o->link, &l->fault);
	if (!ret)
		ret = tun_keep(l, fd);
	close(fd);
	return ret;
}

int link_run_add(struct op_list *l, struct op *op)
{
	const struct link_add_op *o = (const struct link_add_op *)op;
	struct nlconn *conn;
	struct fault ignored;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret && o->is_tun)
		return add_tun(l, o, conn);
	if (!ret)
		ret = create(l, o, conn);
	if (ret)
		return ret;
	ret = complete(l, o, conn);
	if (ret && !op_conn(l, op->netns, &conn))
		link_delete_by(conn, o->link.name, 0, &ignored);
	return ret;
}

/* The values for the link's kind; *values is NULL when none are wanted. */
static int choose(struct nlconn *conn, int index, const struct link_spec *s,
		  const struct link_values **values, struct fault *f)
{
	const struct link_values *v = s->values;
	struct nlbuf found = { 0 };
	struct link_info info;
	int ret = v ? read_link(conn, index, &found, f) : 0;

	if (!ret && v) {
		link_info(nlbuf_next(&found, NULL), &info);
		while (v && strcmp(v->kind, info.kind) != 0)
			v = v->next;
		if (!v)
			ret = fault_set(f, -EOPNOTSUPP, "a %s has no option '%s'",
					info.kind[0] ? info.kind : "link of no kind",
					s->values->first->name);
	}
	nlbuf_free(&found);
	if (!ret)
		*values = v;
	return ret;
}

int link_run_set(struct op_list *l, struct op *op)
{
	const struct link_set_op *o = (const struct link_set_op *)op;
	const struct link_values *values;
	struct nlconn *conn;
	int netns_fd = -1, index;
	int ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	index = nlconn_index(conn, o->link.name, &l->fault);
	if (index < 0) {
		l->fault.what[0] = '\0';	/* it is the subject already */
		return index;
	}
	if (o->move_to) {
		netns_fd = op_netns_fd(l, o->move_to);
		if (netns_fd < 0)
			return netns_fd;
	}
	ret = choose(conn, index, &o->link, &values, &l->fault);
	if (!ret)
		ret = change(l, conn, o->rename, index, &o->link, values, netns_fd);
	if (!ret && o->link.port)
		ret = change_port(conn, index, o->link.port, &l->fault);
	return ret;
}
