/* The Lua module `qdisc`: traffic shaping, and the hook for eBPF programs. */
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/batch.h"
#include "bindings/op_lua.h"
#include "bindings/qdisc_tbf.h"

struct qdisc_op {
	struct op op;
	const char *link;	/* a listing: NULL for all */
	const char *kind;	/* a deletion: NULL for any */
	uint32_t parent, handle;
	bool replace;
	struct tbf tbf;
	int index;		/* a listing: of `link`, found when it runs */
};

static const struct arg add_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	{ "kind", ARG_STRING, true, "tbf (shaping), clsact or ingress (hooks for filters)", NULL },
	ARG_FIELD_NETNS,
	{ "rate", ARG_NUMBER, false, "tbf: bits/s", NULL },
	{ "burst", ARG_INTEGER, false, "tbf: bytes that may leave at once; by default 2 ms of rate, "
	  "at least 5000", NULL },
	{ "latency", ARG_NUMBER, false, "tbf: longest wait of a packet, seconds; by default 0.05", NULL },
	{ "limit", ARG_INTEGER, false, "tbf: bytes that may wait, instead of latency", NULL },
	{ "parent", ARG_STRING, false, "tbf: \"root\" (default) or a class, such as \"1:10\"", NULL },
	{ "handle", ARG_STRING, false, "tbf: its own name, such as \"1:\"; by default the kernel "
	  "picks", NULL },
	{ "replace", ARG_BOOLEAN, false, "change the one that is there, or put this in its place", NULL },
	{ 0 }
};

static const struct arg delete_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	ARG_FIELD_NETNS,
	{ "kind", ARG_STRING, false, "refuse to delete another kind; clsact and ingress are found "
	  "by it", NULL },
	{ "parent", ARG_STRING, false, "\"root\" (default), \"ingress\", \"clsact\" or a class such as "
	  "\"1:10\"", NULL },
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "link", ARG_STRING, false, "only those of this interface", NULL },
	{ 0 }
};

static const char *const kinds[] = { "tbf", "clsact", "ingress", NULL };

static bool is_hook(const char *kind)
{
	return strcmp(kind, "clsact") == 0 || strcmp(kind, "ingress") == 0;
}

/* "1:10" with hexadecimal parts, either of which may be empty. */
static uint32_t parse_handle(const struct compile *c, const char *key, const char *text)
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

static uint32_t compile_parent(const struct compile *c, const char *kind)
{
	const char *parent = compile_string(c, "parent");

	if (kind && is_hook(kind)) {
		if (parent && !is_hook(parent))
			compile_error(c, "a %s has a place of its own; leave parent out", kind);
		return TC_H_INGRESS;	/* the same as TC_H_CLSACT */
	}
	if (!parent || strcmp(parent, "root") == 0)
		return TC_H_ROOT;
	return is_hook(parent) ? TC_H_INGRESS : parse_handle(c, "parent", parent);
}

static void compile_tbf(const struct compile *c, struct tbf *t)
{
	double rate, latency = 0.05, burst, limit;
	int64_t n;

	if (!compile_number(c, "rate", 8, 8e12, &rate))
		compile_error(c, "a tbf needs rate, in bits/s");
	t->rate = (uint64_t)(rate / 8);
	burst = rate / 8 * 0.002;
	if (burst < 5000)
		burst = 5000;
	if (compile_integer(c, "burst", 1, UINT32_MAX, &n))
		burst = (double)n;
	t->burst = burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX;
	if (field_present(c->L, c->idx, "latency") && field_present(c->L, c->idx, "limit"))
		compile_error(c, "latency and limit exclude each other");
	compile_number(c, "latency", 0, 3600, &latency);
	limit = rate / 8 * latency + t->burst;
	if (compile_integer(c, "limit", 1, UINT32_MAX, &n))
		limit = (double)n;
	if (limit > UINT32_MAX)
		compile_error(c, "latency %g s at this rate is more than 4 GiB of waiting bytes",
			      latency);
	t->limit = (uint32_t)limit;
}

static void refuse_tbf_options(const struct compile *c, const char *kind)
{
	static const char *const keys[] = { "rate", "burst", "latency", "limit", "handle" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (field_present(c->L, c->idx, keys[i]))
			compile_error(c, "%s belongs to a tbf, not to a %s", keys[i], kind);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct qdisc_op *o = (struct qdisc_op *)op;
	const char *handle = compile_string(c, "handle");

	o->link = compile_ifname(c, "link");
	o->kind = compile_string(c, "kind");
	o->parent = compile_parent(c, o->kind);
	compile_boolean(c, "replace", &o->replace);
	op->subject = compile_printf(c, "%s on %s", o->kind, o->link);
	if (is_hook(o->kind)) {
		refuse_tbf_options(c, o->kind);
		o->handle = TC_H_MAKE(TC_H_INGRESS, 0);
	} else if (strcmp(o->kind, "tbf") == 0) {
		compile_tbf(c, &o->tbf);
		if (handle)
			o->handle = parse_handle(c, "handle", handle);
	} else {
		const char *near = nearest_name(o->kind, kinds);

		compile_error(c, "unknown kind \"%s\"; %s%s", o->kind, near ? "did you mean " : "",
			      near ? near : "tbf, clsact and ingress are known");
	}
}

static void compile_delete(const struct compile *c, struct op *op)
{
	struct qdisc_op *o = (struct qdisc_op *)op;

	o->link = compile_ifname(c, "link");
	o->kind = compile_string(c, "kind");
	o->parent = compile_parent(c, o->kind);
	op->subject = compile_printf(c, "%s on %s", o->kind ? o->kind :
				     o->parent == TC_H_INGRESS ? "clsact" : "qdisc", o->link);
}

static int change(struct op_list *l, const struct qdisc_op *o, int type, int flags)
{
	struct tcmsg *tcm;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, o->op.netns, &conn), index;

	if (ret)
		return ret;
	index = nlconn_index(conn, o->link, &l->fault);
	if (index < 0)
		return index;
	msg = nlconn_message(type, flags, sizeof(*tcm), &tcm);
	if (msg) {
		tcm->tcm_ifindex = index;
		tcm->tcm_parent = o->parent;
		tcm->tcm_handle = o->handle;
		if (o->kind)
			ret = nla_put_string(msg, TCA_KIND, o->kind);
		if (!ret && o->tbf.rate)
			ret = tbf_put(msg, &o->tbf);
		if (ret) {
			nlmsg_free(msg);
			return -EMSGSIZE;
		}
	}
	return nlconn_request(conn, msg, &l->fault);
}

static int run_add(struct op_list *l, struct op *op)
{
	const struct qdisc_op *o = (const struct qdisc_op *)op;

	return change(l, o, RTM_NEWQDISC, NLM_F_CREATE | (o->replace ? NLM_F_REPLACE : NLM_F_EXCL));
}

static int run_delete(struct op_list *l, struct op *op)
{
	return change(l, (const struct qdisc_op *)op, RTM_DELQDISC, 0);
}

const struct verb verb_qdisc_add = {
	"qdisc.add", add_fields, sizeof(struct qdisc_op), compile_add, run_add, NULL,
};
const struct verb verb_qdisc_delete = {
	"qdisc.delete", delete_fields, sizeof(struct qdisc_op), compile_delete, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	op->subject = ((struct qdisc_op *)op)->link = compile_ifname(c, "link");
}

static int run_list(struct op_list *l, struct op *op)
{
	struct qdisc_op *o = (struct qdisc_op *)op;
	struct tcmsg *tcm;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret && o->link) {
		o->index = nlconn_index(conn, o->link, &l->fault);
		if (o->index < 0)
			return o->index;
	}
	if (!ret)
		ret = nlconn_dump(conn, nlconn_message(RTM_GETQDISC, 0, sizeof(*tcm), &tcm), &l->out,
				  &l->fault);
	for (const struct nlmsghdr *h = NULL; !ret && (h = nlbuf_next(&l->out, h));) {
		tcm = nlmsg_data(h);
		ret = nlconn_note_name(conn, tcm->tcm_ifindex, &l->names);
	}
	return ret;
}

static void set_handle(lua_State *L, const char *key, uint32_t handle)
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
	lua_createtable(L, 0, 6);
	set_integer(L, "bytes", (lua_Integer)basic.bytes);
	set_integer(L, "packets", basic.packets);
	set_integer(L, "drops", queue.drops);
	set_integer(L, "overlimits", queue.overlimits);
	set_integer(L, "backlog", queue.backlog);
	set_integer(L, "qlen", queue.qlen);
	lua_setfield(L, -2, "stats");
}

static void set_tbf(lua_State *L, struct nlattr *options)
{
	struct tbf t;

	if (tbf_get(&t, options))
		return;
	set_integer(L, "rate", (lua_Integer)(t.rate * 8));
	set_integer(L, "burst", t.burst);
	set_integer(L, "limit", t.limit);
	if (t.rate)
		set_number(L, "latency", t.limit > t.burst ?
			   (double)(t.limit - t.burst) / (double)t.rate : 0);
}

static void push_qdisc(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct tcmsg *tcm = nlmsg_data(msg);
	struct nlattr *tb[TCA_MAX + 1];
	const char *kind;

	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*tcm), tb, TCA_MAX, NULL);
	kind = tb[TCA_KIND] ? nla_get_string(tb[TCA_KIND]) : "";
	lua_createtable(L, 0, 10);
	set_string(L, "kind", kind);
	set_integer(L, "index", tcm->tcm_ifindex);
	set_ifname(L, "link", names, tcm->tcm_ifindex);
	set_handle(L, "handle", tcm->tcm_handle);
	set_handle(L, "parent", tcm->tcm_parent);
	if (strcmp(kind, "tbf") == 0 && tb[TCA_OPTIONS])
		set_tbf(L, tb[TCA_OPTIONS]);
	if (tb[TCA_STATS2])
		set_stats(L, tb[TCA_STATS2]);
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	const struct qdisc_op *o = (const struct qdisc_op *)op;
	int names, n = 0;

	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));) {
		const struct tcmsg *tcm = nlmsg_data(h);

		if (o->link && tcm->tcm_ifindex != o->index)
			continue;
		push_qdisc(L, h, names);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static const struct verb verb_list = {
	"qdisc.list", list_fields, sizeof(struct qdisc_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_qdisc_add);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_qdisc_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static const struct fn qdisc_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "gives an interface a queueing discipline; returns true" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true), "takes one away; returns true" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with kind, link, index, handle, parent, stats; of a tbf also "
	  "rate (bits/s), burst, limit (bytes), latency (s)" },
	{ 0 }
};

NERV_MODULE(qdisc, .name = "qdisc", .text = "queueing disciplines: shaping and filter hooks",
	    .functions = qdisc_functions);
