/* What qdisc, class and filter share: handles, statistics, requests and listings. */
#include "bindings/tc.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t tc_parse_handle(const struct compile *c, const char *key, const char *text)
{
	char *end;
	unsigned long major = strtoul(text, &end, 16), minor = 0;

	if (*end == ':' && end[1])
		minor = strtoul(end + 1, &end, 16);
	else if (*end == ':')
		end++;
	if (*end || !strchr(text, ':') || text[strspn(text, "0123456789abcdefABCDEF:")] ||
	    major > 0xffff || minor > 0xffff)
		compile_error(c, "bad %s \"%s\": two hexadecimal numbers up to ffff with a colon "
			      "are wanted, such as \"1:\" or \"1:10\"", key, text);
	return (uint32_t)(major << 16 | minor);
}

int tc_request(struct op_list *l, const struct tc_op *o, int type,
	       int (*put)(struct nl_msg *msg, const struct tc_op *o))
{
	struct tcmsg *tcm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int index = 0, ret = op_conn_link(l, o->op.netns, o->link, &conn, &index);

	if (ret)
		return ret;
	msg = nlconn_message(type, o->flags, sizeof(*tcm), &tcm);
	if (msg) {
		tcm->tcm_ifindex = index;
		tcm->tcm_parent = o->parent;
		tcm->tcm_handle = o->handle;
		tcm->tcm_info = o->info;
		if (o->kind)
			ret = nla_put_string(msg, TCA_KIND, o->kind) ? -EMSGSIZE : 0;
		if (!ret && put)
			ret = put(msg, o);
		if (ret) {
			nlmsg_free(msg);
			return ret;
		}
	}
	return nlconn_request(conn, msg, &l->fault);
}

int tc_dump(struct op_list *l, struct tc_op *o, int type)
{
	struct tcmsg *tcm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn_link(l, o->op.netns, o->link, &conn, &o->index);

	if (ret)
		return ret;
	msg = nlconn_message(type, 0, sizeof(*tcm), &tcm);
	if (msg && type != RTM_GETQDISC) {	/* a listing of qdiscs has no such filter */
		tcm->tcm_ifindex = o->index;
		tcm->tcm_parent = o->parent;
	}
	return op_dump(l, conn, msg, op_note_link);
}

int tc_push_list(lua_State *L, struct op_list *l, const struct tc_op *o,
		 void (*push)(lua_State *L, const struct nlmsghdr *msg, int names))
{
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));) {
		const struct tcmsg *tcm = nlmsg_data(h);

		if (o->link && tcm->tcm_ifindex != o->index)
			continue;
		push(L, h, names);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

void tc_set_handle(lua_State *L, const char *key, uint32_t handle)
{
	char text[16];

	if (handle == TC_H_ROOT) {
		set_string(L, key, "root");
	} else if (handle == TC_H_INGRESS) {
		set_string(L, key, "ingress");
	} else if (handle) {
		snprintf(text, sizeof(text), "%x:", handle >> 16);
		if (handle & 0xffff)
			snprintf(text, sizeof(text), "%x:%x", handle >> 16, handle & 0xffff);
		set_string(L, key, text);
	}
}

static void set_stats(lua_State *L, struct nlattr *stats)
{
	struct nlattr *tb[TCA_STATS_MAX + 1];
	struct gnet_stats_basic basic = { 0 };
	struct gnet_stats_queue queue = { 0 };

	if (nla_parse_nested(tb, TCA_STATS_MAX, stats, NULL) < 0)
		return;
	if (tb[TCA_STATS_BASIC])
		nla_memcpy(&basic, tb[TCA_STATS_BASIC], sizeof(basic));
	if (tb[TCA_STATS_QUEUE])
		nla_memcpy(&queue, tb[TCA_STATS_QUEUE], sizeof(queue));
	lua_createtable(L, 0, 7);
	set_integer(L, "bytes", (lua_Integer)basic.bytes);
	set_integer(L, "packets", tb[TCA_STATS_PKT64] ? (lua_Integer)nla_get_u64(tb[TCA_STATS_PKT64])
						      : (lua_Integer)basic.packets);
	set_integer(L, "drops", queue.drops);
	set_integer(L, "overlimits", queue.overlimits);
	set_integer(L, "requeues", queue.requeues);
	set_integer(L, "backlog", queue.backlog);
	set_integer(L, "qlen", queue.qlen);
	lua_setfield(L, -2, "stats");
}

const char *tc_push_common(lua_State *L, const struct nlmsghdr *msg, int names, struct nlattr **tb)
{
	const struct tcmsg *tcm = nlmsg_data(msg);
	const char *kind;

	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*tcm), tb, TCA_MAX, NULL);
	kind = tb[TCA_KIND] ? nla_get_string(tb[TCA_KIND]) : "";
	lua_createtable(L, 0, 12);
	set_string(L, "kind", kind);
	set_integer(L, "index", tcm->tcm_ifindex);
	set_ifname(L, "link", names, tcm->tcm_ifindex);
	tc_set_handle(L, "parent", tcm->tcm_parent);
	if (tb[TCA_STATS2])
		set_stats(L, tb[TCA_STATS2]);
	return kind;
}

/* Asks for `kind` on lo: whatever else the kernel refuses, -ENOENT means that it is not
 * there. Filters of one priority are of one kind. */
static int probe_one(struct nlconn *conn, int type, const char *kind, int priority, struct fault *f)
{
	const bool hook = strcmp(kind, "clsact") == 0 || strcmp(kind, "ingress") == 0;
	struct tcmsg *tcm;
	struct nl_msg *msg = nlconn_message(type, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*tcm), &tcm);

	if (!msg)
		return -ENOMEM;
	tcm->tcm_ifindex = 1;
	tcm->tcm_parent = hook ? TC_H_INGRESS : TC_H_ROOT;
	if (type == RTM_NEWTFILTER) {
		tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
		tcm->tcm_info = TC_H_MAKE((uint32_t)priority << 16, htons(ETH_P_ALL));
	}
	if (nla_put_string(msg, TCA_KIND, kind)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return nlconn_request(conn, msg, f);
}

int tc_probe(struct op_list *l, int type, const char *const *kinds, int n, bool *there)
{
	struct nlconn conn = { 0 };
	int ret;

	if (unshare(CLONE_NEWNET))
		return fault_set(&l->fault, -errno, "new namespace");
	ret = nlconn_open(&conn, &l->fault);
	worker_leave_netns();
	if (!ret && type == RTM_NEWTFILTER)	/* filters need a place */
		ret = probe_one(&conn, RTM_NEWQDISC, "clsact", 0, &l->fault);
	for (int i = 0; !ret && i < n; i++) {
		struct fault f;

		there[i] = probe_one(&conn, type, kinds[i], i + 1, &f) != -ENOENT;
	}
	nlconn_close(&conn);
	return ret;
}

int tc_explain(struct op_list *l, int ret, int type, const char *kind, const char *module)
{
	const struct fault before = l->fault;
	bool there = true;

	if (ret != -ENOENT || l->fault.what[0])
		return ret;
	if (tc_probe(l, type, &kind, 1, &there) || there) {
		l->fault = before;
		return ret;
	}
	return fault_set(&l->fault, -EOPNOTSUPP, TC_LACKS, kind, module);
}
