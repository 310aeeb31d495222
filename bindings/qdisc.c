/* The Lua module `qdisc`: traffic shaping, and the hook for eBPF programs. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/batch.h"
#include "bindings/qdisc_kinds.h"
#include "bindings/tc.h"

#define KINDS_MAX 16

struct qdisc_op {
	struct tc_op tc;
	const struct qdisc_kind *kind;	/* NULL: a deletion of any kind */
	union qdisc_options options;
};

struct probe_op {
	struct op op;
	const char *kinds[KINDS_MAX];
	bool there[KINDS_MAX];
	int n;
};

#define FIELD_LINK { "link", ARG_STRING, true, "the interface", NULL }
#define FIELD_KIND { "kind", ARG_STRING, true, "tbf (shaping), netem (delay and loss), htb (classes), " \
	"pfifo, bfifo, fq_codel, prio (queues); clsact, ingress (hooks for filters)", NULL }
#define FIELD_PARENT { "parent", ARG_STRING, false, "\"root\" (default) or a class, such as \"1:10\"; " \
	"hooks have a place of their own", NULL }
#define FIELD_HANDLE { "handle", ARG_STRING, false, "its own name, such as \"1:\"; by default the " \
	"kernel picks", NULL }

static const struct arg add_fields[] = {
	FIELD_LINK,
	FIELD_KIND,
	ARG_FIELD_NETNS,
	FIELD_PARENT,
	FIELD_HANDLE,
	{ "replace", ARG_BOOLEAN, false, "change the one that is there, or put this in its place", NULL },
	QDISC_OPTION_FIELDS,
	{ 0 }
};

static const struct arg set_fields[] = {
	FIELD_LINK,
	FIELD_KIND,
	ARG_FIELD_NETNS,
	FIELD_PARENT,
	FIELD_HANDLE,
	QDISC_OPTION_FIELDS,
	{ 0 }
};

static const struct arg delete_fields[] = {
	FIELD_LINK,
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

static bool is_hook(const char *name)
{
	const struct qdisc_kind *k = qdisc_kind_find(name);

	return k && k->hook;
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
	return is_hook(parent) ? TC_H_INGRESS : tc_parse_handle(c, "parent", parent);
}

static void compile_options(const struct compile *c, struct qdisc_op *o)
{
	const char *handle = compile_string(c, "handle");
	struct tc_op *tc = &o->tc;

	o->kind = qdisc_kind_check(c, tc->kind);
	qdisc_kind_refuse(c, o->kind);
	if (o->kind->hook && handle)
		compile_error(c, "a %s has a handle of its own, ffff:", tc->kind);
	if (o->kind->hook)
		tc->handle = TC_H_MAKE(TC_H_INGRESS, 0);
	else if (handle)
		tc->handle = tc_parse_handle(c, "handle", handle);
	if (tc->handle & 0xffff)
		compile_error(c, "handle \"%s\" names a class; a queueing discipline's ends in a colon",
			      handle);
	if (o->kind->compile)
		o->kind->compile(c, &o->options);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct qdisc_op *o = (struct qdisc_op *)op;
	bool replace = false;

	o->tc.link = compile_ifname(c, "link");
	o->tc.kind = compile_string(c, "kind");
	o->tc.parent = compile_parent(c, o->tc.kind);
	compile_boolean(c, "replace", &replace);
	o->tc.flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
	op->subject = compile_printf(c, "%s on %s", o->tc.kind, o->tc.link);
	compile_options(c, o);
}

static void compile_set(const struct compile *c, struct op *op)
{
	struct qdisc_op *o = (struct qdisc_op *)op;

	compile_add(c, op);
	o->tc.flags = 0;
	if (o->kind->hook)
		compile_error(c, "a %s has nothing to change", o->tc.kind);
}

static void compile_delete(const struct compile *c, struct op *op)
{
	struct tc_op *o = (struct tc_op *)op;

	o->link = compile_ifname(c, "link");
	o->kind = compile_string(c, "kind");
	o->parent = compile_parent(c, o->kind);
	op->subject = compile_printf(c, "%s on %s", o->kind ? o->kind :
				     o->parent == TC_H_INGRESS ? "clsact" : "qdisc", o->link);
}

static int put_options(struct nl_msg *msg, const struct tc_op *tc)
{
	const struct qdisc_op *o = (const struct qdisc_op *)tc;

	return o->kind->put ? o->kind->put(msg, &o->options) : 0;
}

static int run_add(struct op_list *l, struct op *op)
{
	const struct qdisc_op *o = (const struct qdisc_op *)op;

	return tc_explain(l, tc_request(l, &o->tc, RTM_NEWQDISC, put_options), RTM_NEWQDISC,
			  o->kind->name, o->kind->module);
}

/* A change of another kind than the one that is there would put it away (and with it its
 * classes): so the kernel is asked first. */
static int run_set(struct op_list *l, struct op *op)
{
	const struct tc_op *o = (const struct tc_op *)op;
	int ret = tc_request(l, o, RTM_GETQDISC, NULL);

	if ((ret == -EINVAL || ret == -ENOENT) && !l->fault.what[0])
		return fault_set(&l->fault, -ENOENT, "there is none");
	return ret ? ret : run_add(l, op);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return tc_request(l, (const struct tc_op *)op, RTM_DELQDISC, NULL);
}

const struct verb verb_qdisc_add = {
	"qdisc.add", add_fields, sizeof(struct qdisc_op), compile_add, run_add, NULL,
};
const struct verb verb_qdisc_set = {
	"qdisc.set", set_fields, sizeof(struct qdisc_op), compile_set, run_set, NULL,
};
const struct verb verb_qdisc_delete = {
	"qdisc.delete", delete_fields, sizeof(struct qdisc_op), compile_delete, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	op->subject = ((struct tc_op *)op)->link = compile_ifname(c, "link");
}

static int run_list(struct op_list *l, struct op *op)
{
	return tc_dump(l, (struct tc_op *)op, RTM_GETQDISC);
}

static void push_qdisc(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct tcmsg *tcm = nlmsg_data(msg);
	struct nlattr *tb[TCA_MAX + 1];
	const struct qdisc_kind *k = qdisc_kind_find(tc_push_common(L, msg, names, tb));

	tc_set_handle(L, "handle", tcm->tcm_handle);
	if (k && k->set && tb[TCA_OPTIONS])
		k->set(L, tb[TCA_OPTIONS]);
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	return tc_push_list(L, l, (const struct tc_op *)op, push_qdisc);
}

static const struct verb verb_list = {
	"qdisc.list", list_fields, sizeof(struct tc_op), compile_list, run_list, push_list,
};

static void compile_kinds(const struct compile *c, struct op *op)
{
	struct probe_op *o = (struct probe_op *)op;

	(void)c;
	for (const struct qdisc_kind *k = qdisc_kinds; k->name && o->n < KINDS_MAX; k++)
		o->kinds[o->n++] = k->name;
}

static void compile_supports(const struct compile *c, struct op *op)
{
	struct probe_op *o = (struct probe_op *)op;

	o->kinds[o->n++] = qdisc_kind_check(c, compile_string(c, "kind"))->name;
}

static int run_probe(struct op_list *l, struct op *op)
{
	struct probe_op *o = (struct probe_op *)op;

	return tc_probe(l, RTM_NEWQDISC, o->kinds, o->n, o->there);
}

static int push_kinds(lua_State *L, struct op_list *l, struct op *op)
{
	const struct probe_op *o = (const struct probe_op *)op;

	(void)l;
	lua_createtable(L, 0, o->n);
	for (int i = 0; i < o->n; i++)
		set_boolean(L, o->kinds[i], o->there[i]);
	return 1;
}

static int push_supports(lua_State *L, struct op_list *l, struct op *op)
{
	const struct probe_op *o = (const struct probe_op *)op;

	(void)l;
	lua_pushboolean(L, o->there[0]);
	if (o->there[0])
		return 1;
	lua_pushfstring(L, TC_LACKS, o->kinds[0], qdisc_kind_find(o->kinds[0])->module);
	return 2;
}

static const struct arg no_fields[] = { { 0 } };

static const struct verb verb_kinds = {
	"qdisc.kinds", no_fields, sizeof(struct probe_op), compile_kinds, run_probe, push_kinds,
};
static const struct verb verb_supports = {
	"qdisc.supports", no_fields, sizeof(struct probe_op), compile_supports, run_probe, push_supports,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_qdisc_add);
}

static int l_set(lua_State *L)
{
	return op_call(L, &verb_qdisc_set);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_qdisc_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static int l_kinds(lua_State *L)
{
	return op_call(L, &verb_kinds);
}

static int l_supports(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_insert(L, 1);
	lua_setfield(L, 1, "kind");
	return op_call(L, &verb_supports);
}

static const struct fn qdisc_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "gives an interface a queueing discipline; returns true",
	  "link.add{ kind = \"veth\", name = \"v0\", up = true, peer = { name = \"v1\", up = true } }\n"
	  "qdisc.add{ link = \"v0\", kind = \"tbf\", rate = 10e6, latency = 0.025 }" },
	{ "set", l_set, OP_ARGS(set_fields, true),
	  "changes one in place, without loss; options that are not given take their defaults; returns true",
	  "qdisc.add{ link = \"lo\", kind = \"tbf\", rate = 10e6 }\n"
	  "qdisc.set{ link = \"lo\", kind = \"tbf\", rate = 20e6 }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true), "takes one away; returns true",
	  "qdisc.add{ link = \"lo\", kind = \"clsact\" }\n"
	  "qdisc.delete{ link = \"lo\", kind = \"clsact\" }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables with kind, link, index, handle, parent, stats (bytes, packets, "
	  "drops, overlimits, requeues, and what waits: backlog in bytes, qlen in packets) and the options "
	  "of the kind",
	  "for _, q in ipairs(qdisc.list{ link = \"lo\" }) do print(q.kind, q.parent, q.stats.drops) end" },
	{ "kinds", l_kinds, NULL,
	  "returns a table: for each kind that NERV knows whether this kernel has it",
	  "print(qdisc.kinds().netem)" },
	{ "supports", l_supports,
	  (const struct arg[]){ { "kind", ARG_STRING, true, "such as \"netem\"", NULL }, { 0 } },
	  "returns true when this kernel has the kind, else false and the reason",
	  "print(qdisc.supports \"netem\")" },
	{ 0 }
};

NERV_MODULE(qdisc, .name = "qdisc", .text = "queueing disciplines: shaping and filter hooks",
	    .functions = qdisc_functions);
