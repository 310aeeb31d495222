/* The Lua module `rule`: policy routing, which routing table a packet is looked up in. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "bindings/address_lua.h"
#include "bindings/batch.h"
#include "bindings/netlink_push.h"

enum {	/* which numbers are meant */
	RULE_PRIORITY = 1 << 0,
	RULE_MARK = 1 << 1,
	RULE_MASK = 1 << 2,
	RULE_TARGET = 1 << 3,
	RULE_SUPPRESS = 1 << 4,
};

struct rule_op {
	struct op op;
	int family;			/* a listing: 0 for both */
	struct prefix from, to;		/* family 0: any */
	const char *iif, *oif;		/* NULL: any */
	unsigned int set;
	uint32_t priority, mark, mask, target, suppress;
	uint32_t table;			/* 0: none */
	uint32_t action;		/* FR_ACT_* */
	uint8_t protocol;		/* 0: not meant */
	bool invert;
};

static const struct word actions[] = {
	{ "lookup", FR_ACT_TO_TBL }, { "goto", FR_ACT_GOTO }, { "nop", FR_ACT_NOP },
	{ "blackhole", FR_ACT_BLACKHOLE }, { "unreachable", FR_ACT_UNREACHABLE },
	{ "prohibit", FR_ACT_PROHIBIT }, { 0 }
};

static const struct arg rule_fields[] = {
	{ "priority", ARG_INTEGER, false, "place in the list: low comes first; by default before all but "
	  "the first", NULL },
	{ "family", ARG_INTEGER, false, "4 or 6; by default that of from or to, else 4", NULL },
	{ "from", ARG_STRING, false, "source network or address", NULL },
	{ "to", ARG_STRING, false, "destination network or address", NULL },
	{ "iif", ARG_STRING, false, "interface that the packet came in by; lo: it was sent here", NULL },
	{ "oif", ARG_STRING, false, "interface that the sender bound itself to", NULL },
	{ "fwmark", ARG_INTEGER, false, "firewall mark of the packet", NULL },
	{ "fwmask", ARG_INTEGER, false, "which bits of the mark count; by default all", NULL },
	{ "invert", ARG_BOOLEAN, false, "for all packets but those", NULL },
	{ "action", ARG_STRING, false, "lookup (in table), goto (the rule of priority target), nop, "
	  "blackhole, unreachable or prohibit; by default lookup", NULL },
	{ "table", ARG_INTEGER, false, "number of the routing table", NULL },
	{ "target", ARG_INTEGER, false, "priority of the rule to go on with, greater than its own", NULL },
	{ "suppress_prefix_length", ARG_INTEGER, false, "take no route whose prefix is this long or "
	  "shorter, bits", NULL },
	{ "protocol", ARG_INTEGER, false, "who made it: a mark that listings show, 1 to 255", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg list_fields[] = {
	{ "family", ARG_INTEGER, false, "only those of IPv4 (4) or IPv6 (6)", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static void compile_selector(const struct compile *c, struct rule_op *o, const char *key,
			   unsigned int bit, uint32_t *value)
{
	int64_t n;

	if (!compile_integer(c, key, 0, UINT32_MAX, &n))
		return;
	*value = (uint32_t)n;
	o->set |= bit;
}

static void compile_families(const struct compile *c, struct rule_op *o)
{
	const int wanted = compile_family(c);

	compile_network(c, "from", &o->from);
	compile_network(c, "to", &o->to);
	o->family = o->from.family ? o->from.family : o->to.family ? o->to.family : wanted;
	if ((o->to.family && o->to.family != o->family) || (wanted && wanted != o->family))
		compile_error(c, "from, to and family must be of one family, IPv4 or IPv6");
	if (!o->family)
		o->family = AF_INET;
}

static void compile_rule(const struct compile *c, struct op *op)
{
	struct rule_op *o = (struct rule_op *)op;
	int64_t n;

	compile_families(c, o);
	o->iif = compile_ifname(c, "iif");
	o->oif = compile_ifname(c, "oif");
	compile_selector(c, o, "priority", RULE_PRIORITY, &o->priority);
	compile_selector(c, o, "fwmark", RULE_MARK, &o->mark);
	compile_selector(c, o, "fwmask", RULE_MASK, &o->mask);
	compile_selector(c, o, "target", RULE_TARGET, &o->target);
	if (compile_integer(c, "suppress_prefix_length", 0, 128, &n)) {
		o->suppress = (uint32_t)n;
		o->set |= RULE_SUPPRESS;
	}
	if (compile_integer(c, "table", 1, UINT32_MAX, &n))
		o->table = (uint32_t)n;
	if (compile_integer(c, "protocol", 1, UINT8_MAX, &n))
		o->protocol = (uint8_t)n;
	compile_boolean(c, "invert", &o->invert);
	compile_word(c, "action", actions, &o->action);
	if ((o->set & RULE_MASK) && !(o->set & RULE_MARK))
		compile_error(c, "fwmask needs fwmark");
	if (o->set & RULE_PRIORITY)
		op->subject = compile_printf(c, "priority %u", o->priority);
}

static void compile_add(const struct compile *c, struct op *op)
{
	struct rule_op *o = (struct rule_op *)op;

	compile_rule(c, op);
	if (!o->action)
		o->action = FR_ACT_TO_TBL;
	if ((o->action == FR_ACT_TO_TBL) != !!o->table)
		compile_error(c, o->table ? "table belongs to the action lookup" :
					    "the action lookup needs a table");
	if ((o->action == FR_ACT_GOTO) != !!(o->set & RULE_TARGET))
		compile_error(c, o->action == FR_ACT_GOTO ? "the action goto needs a target" :
							    "target belongs to the action goto");
}

/* A rule that is not described at all would be any: the first of all, that of table local. */
static void compile_delete(const struct compile *c, struct op *op)
{
	const struct rule_op *o = (const struct rule_op *)op;

	compile_rule(c, op);
	if (!o->set && !o->from.family && !o->to.family && !o->iif && !o->oif && !o->table &&
	    !o->action && !o->protocol)
		compile_error(c, "say which rule: by priority, from, to, table or another option");
}

static int put_rule(struct nl_msg *msg, const struct rule_op *o)
{
	int ret = 0;

	if (o->from.length)
		ret |= put_prefix(msg, FRA_SRC, &o->from);
	if (o->to.length)
		ret |= put_prefix(msg, FRA_DST, &o->to);
	if (o->iif)
		ret |= nla_put_string(msg, FRA_IIFNAME, o->iif);
	if (o->oif)
		ret |= nla_put_string(msg, FRA_OIFNAME, o->oif);
	if (o->set & RULE_PRIORITY)
		ret |= nla_put_u32(msg, FRA_PRIORITY, o->priority);
	if (o->set & RULE_MARK)
		ret |= nla_put_u32(msg, FRA_FWMARK, o->mark);
	if (o->set & RULE_MASK)
		ret |= nla_put_u32(msg, FRA_FWMASK, o->mask);
	if (o->set & RULE_TARGET)
		ret |= nla_put_u32(msg, FRA_GOTO, o->target);
	if (o->set & RULE_SUPPRESS)
		ret |= nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, o->suppress);
	if (o->table)
		ret |= nla_put_u32(msg, FRA_TABLE, o->table);
	if (o->protocol)
		ret |= nla_put_u8(msg, FRA_PROTOCOL, o->protocol);
	return ret;
}

static int change(struct op_list *l, struct op *op, int type, int flags)
{
	const struct rule_op *o = (const struct rule_op *)op;
	struct fib_rule_hdr *frh;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	msg = nlconn_message(type, flags, sizeof(*frh), &frh);
	if (msg) {
		frh->family = (uint8_t)o->family;
		frh->src_len = (uint8_t)o->from.length;
		frh->dst_len = (uint8_t)o->to.length;
		frh->action = (uint8_t)o->action;
		frh->flags = o->invert ? FIB_RULE_INVERT : 0;
		if (put_rule(msg, o)) {
			nlmsg_free(msg);
			return -EMSGSIZE;
		}
	}
	return nlconn_request(conn, msg, &l->fault);
}

static int run_add(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
}

static int run_delete(struct op_list *l, struct op *op)
{
	return change(l, op, RTM_DELRULE, 0);
}

const struct verb verb_rule_add = {
	"rule.add", rule_fields, sizeof(struct rule_op), compile_add, run_add, NULL,
};
const struct verb verb_rule_delete = {
	"rule.delete", rule_fields, sizeof(struct rule_op), compile_delete, run_delete, NULL,
};

static void compile_list(const struct compile *c, struct op *op)
{
	((struct rule_op *)op)->family = compile_family(c);
}

static int run_list(struct op_list *l, struct op *op)
{
	struct fib_rule_hdr *frh;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	msg = nlconn_message(RTM_GETRULE, 0, sizeof(*frh), &frh);
	if (msg)
		frh->family = (uint8_t)((struct rule_op *)op)->family;
	return nlconn_dump(conn, msg, &l->out, &l->fault);
}

static void set_attribute(lua_State *L, const char *key, const struct nlattr *a)
{
	if (a)
		set_integer(L, key, nla_get_u32(a));
}

static void set_selector(lua_State *L, const struct fib_rule_hdr *frh, struct nlattr *const *tb)
{
	set_network(L, "from", frh->family, tb[FRA_SRC], frh->src_len);
	set_network(L, "to", frh->family, tb[FRA_DST], frh->dst_len);
	if (tb[FRA_IIFNAME])
		set_string(L, "iif", nla_get_string(tb[FRA_IIFNAME]));
	if (tb[FRA_OIFNAME])
		set_string(L, "oif", nla_get_string(tb[FRA_OIFNAME]));
	set_attribute(L, "fwmark", tb[FRA_FWMARK]);
	if (tb[FRA_FWMASK] && nla_get_u32(tb[FRA_FWMASK]) != UINT32_MAX)
		set_attribute(L, "fwmask", tb[FRA_FWMASK]);
	if (frh->flags & FIB_RULE_INVERT)
		set_boolean(L, "invert", true);
}

bool rule_push(lua_State *L, const struct nlmsghdr *msg)
{
	const struct fib_rule_hdr *frh = nlmsg_data(msg);
	struct nlattr *tb[FRA_MAX + 1];
	uint32_t table;

	if (frh->family != AF_INET && frh->family != AF_INET6)
		return false;
	nlmsg_parse((struct nlmsghdr *)(uintptr_t)msg, sizeof(*frh), tb, FRA_MAX, NULL);
	lua_createtable(L, 0, 10);
	set_family(L, frh->family);
	set_integer(L, "priority", tb[FRA_PRIORITY] ? nla_get_u32(tb[FRA_PRIORITY]) : 0);
	set_selector(L, frh, tb);
	set_word(L, "action", actions, frh->action);
	table = tb[FRA_TABLE] ? nla_get_u32(tb[FRA_TABLE]) : frh->table;
	if (table)
		set_integer(L, "table", table);
	set_attribute(L, "target", tb[FRA_GOTO]);
	if (tb[FRA_SUPPRESS_PREFIXLEN] && nla_get_u32(tb[FRA_SUPPRESS_PREFIXLEN]) != UINT32_MAX)
		set_attribute(L, "suppress_prefix_length", tb[FRA_SUPPRESS_PREFIXLEN]);
	if (tb[FRA_PROTOCOL])
		set_integer(L, "protocol", nla_get_u8(tb[FRA_PROTOCOL]));
	return true;
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	int n = 0;

	(void)op;
	lua_newtable(L);
	for (const struct nlmsghdr *h = NULL; (h = nlbuf_next(&l->out, h));)
		if (rule_push(L, h))
			lua_rawseti(L, -2, ++n);
	return 1;
}

static const struct verb verb_list = {
	"rule.list", list_fields, sizeof(struct rule_op), compile_list, run_list, push_list,
};

static int l_add(lua_State *L)
{
	return op_call(L, &verb_rule_add);
}

static int l_delete(lua_State *L)
{
	return op_call(L, &verb_rule_delete);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static const struct fn rule_functions[] = {
	{ "add", l_add, OP_ARGS(rule_fields, true), "adds a rule; returns true",
	  "rule.add{ priority = 100, from = \"10.1.0.0/16\", table = 1000 }\n"
	  "rule.add{ priority = 101, fwmark = 7, action = \"unreachable\" }" },
	{ "delete", l_delete, OP_ARGS(rule_fields, true),
	  "deletes the first rule that has all that is named; returns true",
	  "rule.add{ priority = 100, table = 1000 }\n"
	  "rule.delete{ priority = 100 }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns an array of tables in the order in which the rules are asked: family (4 or 6), priority, "
	  "from, to, iif, oif, fwmark, fwmask, invert, action, table, target, suppress_prefix_length, protocol",
	  "for _, r in ipairs(rule.list{ family = 4 }) do print(r.priority, r.action, r.table) end" },
	{ 0 }
};

NERV_MODULE(rule, .name = "rule", .text = "rules of policy routing", .functions = rule_functions);
