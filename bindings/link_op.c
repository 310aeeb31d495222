/* Link operations: what the verbs of `link` do on a worker thread. */
#include "bindings/link_op.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_up(struct ifinfomsg *ifi, const struct link_spec *s)
{
	if (!(s->set & LINK_UP))
		return;
	ifi->ifi_change |= IFF_UP;
	if (s->up)
		ifi->ifi_flags |= IFF_UP;
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

static int put_bridge(struct nl_msg *msg, const struct link_spec *s)
{
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
	int ret = 0;

	if (!data)
		return -1;
	if (s->set & LINK_STP)
		ret |= nla_put_u32(msg, IFLA_BR_STP_STATE, s->stp);
	if (s->set & LINK_FORWARD_DELAY)
		ret |= nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, s->forward_delay);
	if (s->set & LINK_AGEING)
		ret |= nla_put_u32(msg, IFLA_BR_AGEING_TIME, s->ageing);
	if (s->set & LINK_SNOOPING)
		ret |= nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, s->snooping);
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

static int put_linkinfo(struct nl_msg *msg, const struct link_add_op *o, int netns_fd)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	int ret = 0;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, o->kind))
		return -1;
	if (o->link.set & LINK_BRIDGE)
		ret = put_bridge(msg, &o->link);
	else if (o->peer.name)
		ret = put_peer(msg, o, netns_fd);
	nla_nest_end(msg, info);
	return ret;
}

static int create(struct op_list *l, const struct link_add_op *o, struct nlconn *conn)
{
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
	set_up(ifi, &o->link);
	ret = put_master(msg, conn, o->link.master, &l->fault);
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	if (put_spec(msg, o->link.name, &o->link) || put_linkinfo(msg, o, netns_fd)) {
		nlmsg_free(msg);
		return fault_set(&l->fault, -EMSGSIZE, "message");
	}
	return nlconn_request(conn, msg, &l->fault);
}

/* Changes the link `name` or, with a name of NULL, of `index`. */
static int change(struct op_list *l, struct nlconn *conn, const char *name, int index,
		  const struct link_spec *s, int netns_fd)
{
	struct link_add_op info = { .kind = "bridge", .link = *s };
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(s->set & LINK_BRIDGE ? RTM_NEWLINK : RTM_SETLINK, 0,
					    sizeof(*ifi), &ifi);
	int ret;

	if (!msg)
		return fault_set(&l->fault, -ENOMEM, "message");
	ifi->ifi_index = index;
	set_up(ifi, s);
	ret = put_master(msg, conn, s->master, &l->fault);
	if (ret)
		goto fail;
	ret = put_spec(msg, name, s);
	if (s->alias)	/* without its NUL, so that "" is of no length and removes it */
		ret |= nla_put(msg, IFLA_IFALIAS, (int)strlen(s->alias), s->alias);
	if (netns_fd >= 0)
		ret |= nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	if (s->set & LINK_BRIDGE)
		ret |= put_linkinfo(msg, &info, -1);
	if (ret) {
		ret = fault_set(&l->fault, -EMSGSIZE, "message");
		goto fail;
	}
	return nlconn_request(conn, msg, &l->fault);
fail:
	nlmsg_free(msg);
	return ret;
}

static int delete_by(struct nlconn *conn, const char *name, uint32_t group, struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_DELLINK, 0, sizeof(*ifi), &ifi);

	if (msg && (name ? nla_put_string(msg, IFLA_IFNAME, name)
			 : nla_put_u32(msg, IFLA_GROUP, group))) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return nlconn_request(conn, msg, f);
}

/* What cannot be said when the pair is made: aliases, and the peer's master and state. */
static int complete(struct op_list *l, const struct link_add_op *o, struct nlconn *conn)
{
	const struct link_spec alias = { .alias = o->link.alias };
	struct link_spec late = {
		.alias = o->peer.alias, .master = o->peer.master,
		.up = o->peer.up, .set = o->peer.set & LINK_UP,
	};
	int ret = 0;

	if (alias.alias)
		ret = change(l, conn, o->link.name, 0, &alias, -1);
	if (ret || !o->peer.name || !(late.alias || late.master || late.set))
		return ret;
	if (o->peer_netns)
		ret = op_conn(l, o->peer_netns, &conn);
	if (!ret)
		ret = change(l, conn, o->peer.name, 0, &late, -1);
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
	ret = change(l, conn, o->link.name, 0, &o->link, -1);
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
		delete_by(conn, o->link.name, 0, &ignored);
	return ret;
}

int link_run_set(struct op_list *l, struct op *op)
{
	const struct link_set_op *o = (const struct link_set_op *)op;
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
	return change(l, conn, o->rename, index, &o->link, netns_fd);
}

int link_run_delete(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	return ret ? ret : delete_by(conn, ((struct link_delete_op *)op)->name, 0, &l->fault);
}

int link_run_delete_group(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	return ret ? ret : delete_by(conn, NULL, ((struct link_group_op *)op)->group, &l->fault);
}

static int compare_int(const void *a, const void *b)
{
	const int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* 1 when every link of the group is one of the `count` sorted indexes; 0 when a
 * stranger is in it. */
static int group_is_ours(struct nlconn *conn, uint32_t group, const int *indexes, size_t count,
			 struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_GETLINK, 0, sizeof(*ifi), &ifi);
	struct nlbuf links = { 0 };
	int ret;

	if (msg)
		nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	ret = nlconn_dump(conn, msg, &links, f);
	if (!ret)
		ret = 1;
	for (const struct nlmsghdr *h = NULL; ret == 1 && (h = nlbuf_next(&links, h));) {
		struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(*ifi),
						   IFLA_GROUP);

		ifi = nlmsg_data(h);
		if (a && nla_get_u32(a) == group &&
		    !bsearch(&ifi->ifi_index, indexes, count, sizeof(*indexes), compare_int))
			ret = 0;
	}
	nlbuf_free(&links);
	return ret;
}

/* Moves those that exist into the group; notes their indexes, returns how many. */
static int gather(struct op_list *l, const struct link_group_op *o, struct nlconn *conn,
		  int *indexes)
{
	const struct link_spec spec = { .group = o->group, .set = LINK_GROUP };
	int n = 0;

	for (int i = 0; i < o->count; i++) {
		int index = nlconn_index(conn, o->names[i], &l->fault);
		int ret = index < 0 ? index : change(l, conn, NULL, index, &spec, -1);

		if (ret == -ENODEV) {
			l->fault.what[0] = '\0';
			continue;
		}
		if (ret)
			return fault_name(&l->fault, "%s", o->names[i]);
		indexes[n++] = index;
	}
	qsort(indexes, (size_t)n, sizeof(*indexes), compare_int);
	return n;
}

static int delete_each(struct op_list *l, const struct link_group_op *o, struct nlconn *conn)
{
	for (int i = 0; i < o->count; i++) {
		int ret = delete_by(conn, o->names[i], 0, &l->fault);

		if (ret && ret != -ENODEV)
			return fault_name(&l->fault, "%s", o->names[i]);
	}
	return 0;
}

int link_run_delete_many(struct op_list *l, struct op *op)
{
	const struct link_group_op *o = (const struct link_group_op *)op;
	struct nlconn *conn;
	int *indexes;
	int ret = op_conn(l, op->netns, &conn), n;

	if (ret)
		return ret;
	indexes = calloc((size_t)o->count + 1, sizeof(*indexes));
	if (!indexes)
		return fault_set(&l->fault, -ENOMEM, "list of links");
	ret = n = gather(l, o, conn, indexes);
	if (n > 0)
		ret = group_is_ours(conn, o->group, indexes, (size_t)n, &l->fault);
	free(indexes);
	if (n <= 0 || ret < 0)
		return ret;
	if (ret)
		ret = delete_by(conn, NULL, o->group, &l->fault);
	else
		ret = -EBUSY;
	return ret ? delete_each(l, o, conn) : 0;
}
