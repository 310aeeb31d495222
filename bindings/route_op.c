/* Routes: how they are added and deleted on a worker thread. */
#include "bindings/route_op.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Destinations of these types are no way out: they have no interface. */
static bool leads_nowhere(uint32_t type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT ||
	       type == RTN_THROW;
}

static int hop_index(struct nlconn *conn, const struct route_hop *hop, struct fault *f)
{
	return hop->link ? nlconn_index(conn, hop->link, f) : 0;
}

static int put_hop(struct nl_msg *msg, struct nlconn *conn, const struct route_hop *hop,
		   struct fault *f)
{
	int index = hop_index(conn, hop, f);
	struct rtnexthop *next;

	if (index < 0)
		return index;
	next = nlmsg_reserve(msg, sizeof(*next), NLMSG_ALIGNTO);
	if (!next)
		return fault_set(f, -EMSGSIZE, "message");
	memset(next, 0, sizeof(*next));
	next->rtnh_ifindex = index;
	next->rtnh_hops = hop->weight;
	next->rtnh_flags = hop->onlink ? RTNH_F_ONLINK : 0;
	if (put_prefix(msg, RTA_GATEWAY, &hop->via))
		return fault_set(f, -EMSGSIZE, "message");
	next->rtnh_len = (unsigned short)((char *)nlmsg_tail(nlmsg_hdr(msg)) - (char *)next);
	return 0;
}

/* The ways: one, or several with their weights. */
static int put_hops(struct nl_msg *msg, struct nlconn *conn, const struct route_op *o,
		    struct rtmsg *rtm, struct fault *f)
{
	struct nlattr *list;
	int index = hop_index(conn, &o->hop, f), ret = 0;

	if (index < 0)
		return index;
	if (index)
		ret |= nla_put_u32(msg, RTA_OIF, (uint32_t)index);
	ret |= put_prefix(msg, RTA_GATEWAY, &o->hop.via);
	rtm->rtm_flags = o->hop.onlink ? RTNH_F_ONLINK : 0;
	if (ret || !o->hop_count)
		return ret ? fault_set(f, -EMSGSIZE, "message") : 0;
	list = nla_nest_start(msg, RTA_MULTIPATH);
	if (!list)
		return fault_set(f, -EMSGSIZE, "message");
	for (int i = 0; !ret && i < o->hop_count; i++)
		ret = put_hop(msg, conn, &o->hops[i], f);
	if (!ret)
		nla_nest_end(msg, list);
	return ret;
}

static int put_route(struct nl_msg *msg, const struct route_op *o)
{
	int ret = nla_put_u32(msg, RTA_TABLE, o->table);
	struct nlattr *metrics;

	if (o->to.length)
		ret |= put_prefix(msg, RTA_DST, &o->to);
	ret |= put_prefix(msg, RTA_PREFSRC, &o->source);
	if (o->has_metric)
		ret |= nla_put_u32(msg, RTA_PRIORITY, o->metric);
	if (o->mtu) {
		metrics = nla_nest_start(msg, RTA_METRICS);
		if (!metrics || nla_put_u32(msg, RTAX_MTU, o->mtu))
			return -1;
		nla_nest_end(msg, metrics);
	}
	return ret;
}

static uint8_t scope_of(const struct route_op *o, int message)
{
	if (message == RTM_DELROUTE)
		return RT_SCOPE_NOWHERE;	/* any */
	if (o->type == RTN_LOCAL || o->type == RTN_NAT)
		return RT_SCOPE_HOST;
	/* without a router the destination is on the link itself */
	return o->hop.via.family || o->hop_count || leads_nowhere(o->type) ? RT_SCOPE_UNIVERSE :
									     RT_SCOPE_LINK;
}

static int send_route(struct op_list *l, const struct route_op *o, int type, int flags)
{
	struct rtmsg *rtm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, o->op.netns, &conn);

	if (ret)
		return ret;
	msg = nlconn_message(type, flags, sizeof(*rtm), &rtm);
	if (!msg)
		return fault_set(&l->fault, -ENOMEM, "message");
	rtm->rtm_family = (uint8_t)o->to.family;
	rtm->rtm_dst_len = (uint8_t)o->to.length;
	rtm->rtm_protocol = o->protocol;
	rtm->rtm_scope = scope_of(o, type);
	rtm->rtm_type = (uint8_t)o->type;
	ret = put_route(msg, o) ? fault_set(&l->fault, -EMSGSIZE, "message") :
				  put_hops(msg, conn, o, rtm, &l->fault);
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	return nlconn_request(conn, msg, &l->fault);
}

int route_run_add(struct op_list *l, struct op *op)
{
	return send_route(l, (const struct route_op *)op, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
}

int route_run_replace(struct op_list *l, struct op *op)
{
	return send_route(l, (const struct route_op *)op, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
}

int route_run_delete(struct op_list *l, struct op *op)
{
	return send_route(l, (const struct route_op *)op, RTM_DELROUTE, 0);
}
