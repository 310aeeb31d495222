/* The Lua module `class`: shares of a link's rate, by htb. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/batch.h"
#include "bindings/qdisc_kinds.h"
#include "bindings/tc.h"

struct class_op {
	struct tc_op tc;
	struct htb_class htb;
};

#define FIELD_LINK { "link", ARG_STRING, true, "the interface", NULL }
#define FIELD_CLASSID { "classid", ARG_STRING, true, "its name, such as \"1:10\": that of the htb, and a " \
	"number of its own (hexadecimal)", NULL }
#define HTB_FIELDS \
	{ "rate", ARG_NUMBER, true, "bits/s that it gets in any case", NULL }, \
	{ "ceil", ARG_NUMBER, false, "bits/s when others leave some; by default rate", NULL }, \
	{ "burst", ARG_INTEGER, false, "bytes that may leave at once at rate; by default 2 ms of it, " \
	  "at least 5000", NULL }, \
	{ "cburst", ARG_INTEGER, false, "the same at ceil", NULL }, \
	{ "prio", ARG_INTEGER, false, "who gets first what is left: 0 (default, first) to 7", NULL }, \
	{ "quantum", ARG_INTEGER, false, "bytes of its turn among equals; by default in proportion to " \
	  "rate, 1514 to 200000", NULL }

static const struct arg add_fields[] = {
	FIELD_LINK,
	FIELD_CLASSID,
	ARG_FIELD_NETNS,
	{ "parent", ARG_STRING, false, "class above it, such as \"1:1\"; by default the htb itself", NULL },
	{ "replace", ARG_BOOLEAN, false, "change the one that is there", NULL },
	HTB_FIELDS,
	{ 0 }
};

static const struct arg set_fields[] = {
	FIELD_LINK,
	FIELD_CLASSID,
	ARG_FIELD_NETNS,
	HTB_FIELDS,
	{ 0 }
};

static const struct arg delete_fields[] = {
	FIELD_LINK,
	FIELD_CLASSID,
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg list_fields[] = {
	FIELD_LINK,
	ARG_FIELD_NETNS,
	{ 0 }
};

static uint64_t compile_rate(const struct compile *c, const char *key, uint64_t otherwise)
{
	double rate;

	return compile_number(c, key, 8, 8e12, &rate) ? (uint64_t)(rate / 8) : otherwise;
}

static uint32_t compile_bytes(const struct compile *c, const char *key, uint32_t min, uint32_t otherwise)
{
	int64_t n;

	return compile_integer(c, key, min, UINT32_MAX, &n) ? (uint32_t)n : otherwise;
}

static uint32_t default_quantum(uint64_t rate)
{
	return rate / 10 < 1514 ? 1514 : rate / 10 > 200000 ? 200000 : (uint32_t)(rate / 10);
}

static void compile_htb(const struct compile *c, struct htb_class *h)
{
	int64_t prio = 0;

	h->rate = compile_rate(c, "rate", 0);
	h->ceil = compile_rate(c, "ceil", h->rate);
	if (h->ceil < h->rate)
		compile_error(c, "ceil is less than rate, which the class gets in any case");
	h->burst = compile_bytes(c, "burst", 1, qdisc_default_burst((double)h->rate * 8));
	h->cburst = compile_bytes(c, "cburst", 1, qdisc_default_burst((double)h->ceil * 8));
	h->quantum = compile_bytes(c, "quantum", 1000, default_quantum(h->rate));
	compile_integer(c, "prio", 0, 7, &prio);
	h->prio = (uint32_t)prio;
}

/* Link, classid, and as parent the htb itself. */
static void compile_place(const struct compile *c, struct op *op)
{
	struct tc_op *o = (struct tc_op *)op;
	const char *classid = compile_string(c, "classid");

	o->link = compile_ifname(c, "link");
	o->handle = tc_parse_handle(c, "classid", classid);
	if (!TC_H_MAJ(o->handle) || !TC_H_MIN(o->handle))
		compile_error(c, "bad classid \"%s\": both numbers are wanted, such as \"1:10\"", classid);
	o->parent = TC_H_MAJ(o->handle);
	op->subject = compile_printf(c, "%s on %s", classid, o->link);
}

static void compile_set(const struct compile *c, struct op *op)
{
	struct class_op *o = (struct class_op *)op;

	compile_place(c, op);
	o->tc.kind = "htb";
	compile_htb(c, &o->htb);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct class_op *o = (struct class_op *)op;
	const char *parent = compile_string(c, "parent");
	bool replace = false;

	compile_set(c, op);
	if (parent)
		o->tc.parent = tc_parse_handle(c, "parent", parent);
	if (TC_H_MAJ(o->tc.parent) != TC_H_MAJ(o->tc.handle))
		compile_error(c, "parent \"%s\" and classid must have the same first number", parent);
	compile_boolean(c, "replace", &replace);
	o->tc.flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
}

static int put_htb(struct nl_msg *msg, const struct tc_op *tc)
{
	return htb_class_put(msg, &((const struct class_op *)tc)->htb);
}

static int run_add(struct op_list *l, struct op *op)
{
	return tc_request(l, (const struct tc_op *)op, RTM_NEWTCLASS, put_htb);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return tc_request(l, (const struct tc_op *)op, RTM_DELTCLASS, NULL);
}

const struct verb verb_class_add = {
	"class.add", add_fields, sizeof(struct class_op), compile_add, run_add, NULL,
};
const struct verb verb_class_set = {
	"class.set", set_fields, sizeof(struct class_op), compile_set, run_add, NULL,
};
const struct verb verb_class_delete = {
	"class.delete", delete_fields, sizeof(struct class_op), compile_place, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	op->subject = ((struct tc_op *)op)->link = compile_ifname(c, "link");
}

static int run_list(struct op_list *l, struct op *op)
{
	return tc_dump(l, (struct tc_op *)op, RTM_GETTCLASS);
}

static void push_class(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct tcmsg *tcm = nlmsg_data(msg);
	struct nlattr *tb[TCA_MAX + 1];
	struct htb_class h;

	if (strcmp(tc_push_common(L, msg, names, tb), "htb") == 0 && tb[TCA_OPTIONS] &&
	    !htb_class_get(&h, tb[TCA_OPTIONS])) {
		set_integer(L, "rate", (lua_Integer)(h.rate * 8));
		set_integer(L, "ceil", (lua_Integer)(h.ceil * 8));
		set_integer(L, "burst", h.burst);
		set_integer(L, "cburst", h.cburst);
		set_integer(L, "prio", h.prio);
		set_integer(L, "quantum", h.quantum);
	}
	tc_set_handle(L, "classid", tcm->tcm_handle);
	tc_set_handle(L, "leaf", tcm->tcm_info);
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	return tc_push_list(L, l, (const struct tc_op *)op, push_class);
}

static const struct verb verb_list = {
	"class.list", list_fields, sizeof(struct tc_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_class_add);
}

static int l_set(lua_State *L)
{
	return op_call(L, &verb_class_set);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_class_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

#define EXAMPLE_HTB "qdisc.add{ link = \"lo\", kind = \"htb\", handle = \"1:\", default = \"1:10\" }\n" \
	"class.add{ link = \"lo\", classid = \"1:10\", rate = 10e6, ceil = 20e6 }\n"

static const struct fn class_functions[] = {
	{ "add", l_add, OP_ARGS(add_fields, true),
	  "gives an htb a class; returns true. What a filter or the htb's default sends to it gets its rate",
	  "qdisc.add{ link = \"lo\", kind = \"htb\", handle = \"1:\", default = \"1:10\" }\n"
	  "class.add{ link = \"lo\", classid = \"1:1\", rate = 100e6 }\n"
	  "class.add{ link = \"lo\", parent = \"1:1\", classid = \"1:10\", rate = 10e6, ceil = 100e6 }" },
	{ "set", l_set, OP_ARGS(set_fields, true),
	  "changes a class in place; options that are not given take their defaults; returns true",
	  EXAMPLE_HTB "class.set{ link = \"lo\", classid = \"1:10\", rate = 30e6 }" },
	{ "delete", l_delete, OP_ARGS(delete_fields, true),
	  "takes a class away, unless a filter or a class below it needs it (EBUSY); returns true",
	  EXAMPLE_HTB "class.delete{ link = \"lo\", classid = \"1:10\" }" },
	{ "list", l_list, OP_ARGS(list_fields, true),
	  "returns an array of tables with kind, link, index, classid, parent, leaf (the qdisc in it), stats as "
	  "in qdisc.list, and of an htb rate, ceil (bits/s), burst, cburst, quantum (bytes), prio",
	  EXAMPLE_HTB "for _, c in ipairs(class.list{ link = \"lo\" }) do print(c.classid, c.rate) end" },
	{ 0 }
};

NERV_MODULE(class, .name = "class", .text = "classes of a queueing discipline: shares of a rate",
	    .functions = class_functions);
