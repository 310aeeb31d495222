/* The Lua module `filter`: which packets go to which class, program or interface. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bindings/batch.h"
#include "bindings/filter_compile.h"

struct kinds_op {
	struct op op;
	bool there[FILTER_KINDS];
};

static const struct arg delete_fields[] = {
	FILTER_FIELD_LINK,
	ARG_FIELD_NETNS,
	FILTER_FIELD_PARENT,
	{ "priority", ARG_INTEGER, false, "those of this priority; by default all of the parent", NULL },
	{ 0 }
};

static const struct arg list_fields[] = {
	FILTER_FIELD_LINK,
	ARG_FIELD_NETNS,
	FILTER_FIELD_PARENT,
	{ 0 }
};

static int open_program(const char *path, struct fault *f)
{
	union bpf_attr attr = { .pathname = (uint64_t)(uintptr_t)path };
	const long fd = syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));

	return fd < 0 ? fault_set(f, -errno, "program %s", path) : (int)fd;
}

static int put_filter(struct nl_msg *msg, const struct tc_op *tc)
{
	return filter_put(msg, tc->kind, &((const struct filter_op *)tc)->filter);
}

static int run_add(struct op_list *l, struct op *op)
{
	struct filter_op *o = (struct filter_op *)op;
	struct filter *f = &o->filter;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret && o->target) {
		ret = nlconn_index(conn, o->target, &l->fault);
		f->target = ret < 0 ? 0 : (uint32_t)ret;
	}
	if (ret < 0)
		return ret;
	if (o->program) {
		const char *slash = strrchr(o->program, '/');

		f->program_fd = open_program(o->program, &l->fault);
		if (f->program_fd < 0)
			return f->program_fd;
		f->program_name = slash ? slash + 1 : o->program;
	}
	ret = tc_request(l, &o->tc, RTM_NEWTFILTER, put_filter);
	if (o->program)
		close(f->program_fd);
	if (ret == -ENOENT && !l->fault.what[0]) {
		char module[32];

		snprintf(module, sizeof(module), "cls_%s", o->tc.kind);
		ret = tc_explain(l, ret, RTM_NEWTFILTER, o->tc.kind, module);
	}
	return ret;
}

static void compile_delete(const struct compile *c, struct op *op)
{
	filter_compile_place(c, op);
	((struct tc_op *)op)->info = filter_compile_priority(c);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return tc_request(l, (const struct tc_op *)op, RTM_DELTFILTER, NULL);
}

const struct verb verb_filter_add = {
	"filter.add", filter_add_fields, sizeof(struct filter_op), filter_compile_add, run_add, NULL,
};
const struct verb verb_filter_delete = {
	"filter.delete", delete_fields, sizeof(struct tc_op), compile_delete, run_delete, NULL,
};

/* Also notes the names of the interfaces that filters send to. */
static int run_list(struct op_list *l, struct op *op)
{
	struct nlattr *tb[TCA_MAX + 1];
	struct nlconn *conn;
	struct filter f;
	int ret = tc_dump(l, (struct tc_op *)op, RTM_GETTFILTER);

	if (ret)
		return ret;
	ret = op_conn(l, op->netns, &conn);
	for (const struct nlmsghdr *h = NULL; !ret && (h = nlbuf_next(&l->out, h));) {
		nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof(struct tcmsg), tb, TCA_MAX, NULL);
		if (tb[TCA_KIND] && tb[TCA_OPTIONS] &&
		    !filter_get(&f, nla_get_string(tb[TCA_KIND]), tb[TCA_OPTIONS]))
			ret = nlconn_note_name(conn, (int)f.target, &l->names);
	}
	return ret;
}

static void set_matches(lua_State *L, const struct filter *f)
{
	if (!f->matches)
		return;
	lua_createtable(L, f->matches, 0);
	for (int i = 0; i < f->matches; i++) {
		lua_createtable(L, 0, 3);
		set_integer(L, "offset", f->match[i].offset);
		set_integer(L, "value", f->match[i].value);
		set_integer(L, "mask", f->match[i].mask);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "match");
}

static void set_filter(lua_State *L, const struct filter *f, int names)
{
	tc_set_handle(L, "classid", f->classid);
	set_matches(L, f);
	if (f->target) {
		set_integer(L, f->mirror ? "mirror_index" : "redirect_index", f->target);
		set_ifname(L, f->mirror ? "mirror" : "redirect", names, (int)f->target);
	}
	if (f->program_name) {
		set_string(L, "name", f->program_name);
		set_boolean(L, "direct_action", f->direct_action);
		set_boolean(L, "drop", f->drop);
	}
}

/* A listing also has entries for the lists that filters are in: those have no handle, or
 * of u32 no number in their list. */
static bool is_filter(const struct nlmsghdr *msg)
{
	const struct tcmsg *tcm = nlmsg_data(msg);
	const struct nlattr *kind = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg, sizeof(*tcm), TCA_KIND);

	if (!kind || !tcm->tcm_handle)
		return false;
	return strcmp(nla_data(kind), "u32") != 0 || TC_U32_NODE(tcm->tcm_handle);
}

static void push_filter(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const struct tcmsg *tcm = nlmsg_data(msg);
	struct nlattr *tb[TCA_MAX + 1];
	const char *kind = tc_push_common(L, msg, names, tb);
	struct filter f;

	if (tcm->tcm_parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS))
		set_string(L, "parent", "ingress");
	else if (tcm->tcm_parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS))
		set_string(L, "parent", "egress");
	set_integer(L, "priority", TC_H_MAJ(tcm->tcm_info) >> 16);
	filter_set_protocol(L, ntohs(TC_H_MIN(tcm->tcm_info)));
	if (tb[TCA_OPTIONS] && !filter_get(&f, kind, tb[TCA_OPTIONS]))
		set_filter(L, &f, names);
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	int names, n = 0;

	(void)op;
	op_push_names(L, l);
	names = lua_gettop(L);
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));)
		if (is_filter(h)) {
			push_filter(L, h, names);
			lua_rawseti(L, -2, ++n);
		}
	return 1;
}

static const struct verb verb_list = {
	"filter.list", list_fields, sizeof(struct tc_op), filter_compile_place, run_list, push_list,
};

static void compile_kinds(const struct compile *c, struct op *op)
{
	(void)c;
	(void)op;
}

static int run_kinds(struct op_list *l, struct op *op)
{
	return tc_probe(l, RTM_NEWTFILTER, filter_kinds, FILTER_KINDS, ((struct kinds_op *)op)->there);
}

static int push_kinds(lua_State *L, struct op_list *l, struct op *op)
{
	(void)l;
	lua_createtable(L, 0, FILTER_KINDS);
	for (int i = 0; i < FILTER_KINDS; i++)
		set_boolean(L, filter_kinds[i], ((const struct kinds_op *)op)->there[i]);
	return 1;
}

static const struct arg no_fields[] = { { 0 } };

static const struct verb verb_kinds = {
	"filter.kinds", no_fields, sizeof(struct kinds_op), compile_kinds, run_kinds, push_kinds,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_filter_add);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_filter_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static int l_kinds(lua_State *L)
{
	return op_call(L, &verb_kinds);
}

#define EXAMPLE "qdisc.add{ link = \"lo\", kind = \"htb\", handle = \"1:\" }\n" \
	"class.add{ link = \"lo\", classid = \"1:10\", rate = 10e6 }\n" \
	"filter.add{ link = \"lo\", parent = \"1:\", to = \"10.0.0.0/24\", classid = \"1:10\" }"

static const struct fn filter_functions[] = {
	{ "add", l_add, OP_ARGS(filter_add_fields, true),
	  "says what becomes of packets that fit: a class, a program, another interface; returns true", EXAMPLE },
	{ "delete", l_delete, OP_ARGS(delete_fields, true),
	  "takes the filters of a parent or of one priority away; returns true",
	  EXAMPLE "\nfilter.delete{ link = \"lo\", parent = \"1:\" }" },
	{ "list", l_list, OP_ARGS(list_fields, true),
	  "returns an array of tables with kind, link, index, parent, priority, protocol and what "
	  "filter.add takes: classid, match (from and to are matches at offset 12 and 16), redirect, mirror, of "
	  "a bpf name and direct_action",
	  EXAMPLE "\nfor _, f in ipairs(filter.list{ link = \"lo\" }) do print(f.kind, f.classid) end" },
	{ "kinds", l_kinds, NULL,
	  "returns a table: for each kind that NERV knows whether this kernel has it",
	  "print(filter.kinds().u32)" },
	{ 0 }
};

NERV_MODULE(filter, .name = "filter", .text = "which packets go to which class, program or interface",
	    .functions = filter_functions);
