/* Options of filters, from Lua to an operation. */
#include "bindings/filter_compile.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <string.h>

#include "bindings/address_parse.h"

const char *const filter_kinds[FILTER_KINDS + 1] = { "u32", "matchall", "bpf", NULL };

static const struct arg match_fields[] = {
	{ "offset", ARG_INTEGER, true, "bytes from the network header (the Ethernet header is at -14), a "
	  "multiple of 4", NULL },
	{ "value", ARG_INTEGER, true, "the 32 bits there", NULL },
	{ "mask", ARG_INTEGER, false, "those of them that count; by default all", NULL },
	{ 0 }
};

const struct arg filter_add_fields[] = {
	FILTER_FIELD_LINK,
	ARG_FIELD_NETNS,
	FILTER_FIELD_PARENT,
	{ "kind", ARG_STRING, false, "u32 (default: bits of the packet), matchall, bpf (a program)", NULL },
	{ "priority", ARG_INTEGER, false, "1 (first) to 65535; by default the kernel picks", NULL },
	{ "protocol", ARG_ANY, false, "\"all\" (default), \"ip\", \"ipv6\", \"arp\" or an EtherType", NULL },
	{ "from", ARG_STRING, false, "u32: IPv4 address or range of the sender", NULL },
	{ "to", ARG_STRING, false, "u32: IPv4 address or range of the receiver", NULL },
	{ "match", ARG_TABLE, false, "u32: list of { offset =, value =, mask = }; all must fit; by default "
	  "every packet does", NULL },
	{ "program", ARG_STRING, false, "bpf: path of a pinned program of type tc", NULL },
	{ "direct_action", ARG_BOOLEAN, false, "bpf: what it returns is done with the packet (default); "
	  "false: it is the class", NULL },
	{ "drop", ARG_BOOLEAN, false, "bpf: drops every packet, with no program; default false", NULL },
	{ "classid", ARG_STRING, false, "class that gets the packet, such as \"1:10\"", NULL },
	{ "redirect", ARG_STRING, false, "interface that sends the packet instead", NULL },
	{ "mirror", ARG_STRING, false, "interface that sends a copy", NULL },
	{ 0 }
};

static const struct {
	const char *name;
	uint16_t number;
} protocols[] = {
	{ "all", ETH_P_ALL }, { "ip", ETH_P_IP }, { "ipv6", ETH_P_IPV6 }, { "arp", ETH_P_ARP },
};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static uint16_t compile_protocol(const struct compile *c)
{
	const char *name;
	int64_t n;

	if (compile_integer(c, "protocol", 1, 0xffff, &n))
		return (uint16_t)n;
	name = compile_string(c, "protocol");
	if (!name && field_present(c->L, c->idx, "protocol"))
		compile_error(c, "protocol must be a name or an EtherType");
	for (size_t i = 0; name && i < PROTOCOLS; i++)
		if (strcmp(name, protocols[i].name) == 0)
			return protocols[i].number;
	if (name)
		compile_error(c, "unknown protocol \"%s\"; all, ip, ipv6, arp or an EtherType are known", name);
	return ETH_P_ALL;
}

void filter_set_protocol(lua_State *L, uint16_t number)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (protocols[i].number == number) {
			set_string(L, "protocol", protocols[i].name);
			return;
		}
	set_integer(L, "protocol", number);
}

static uint32_t compile_parent(const struct compile *c)
{
	const char *parent = compile_string(c, "parent");

	if (!parent || strcmp(parent, "root") == 0)
		return 0;	/* the kernel looks up its handle */
	if (strcmp(parent, "ingress") == 0)
		return TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	if (strcmp(parent, "egress") == 0)
		return TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
	return tc_parse_handle(c, "parent", parent);
}

static void add_match(const struct compile *c, struct filter *f, int offset, uint32_t value, uint32_t mask)
{
	if (f->matches == FILTER_MATCHES)
		compile_error(c, "too many matches: %d at most", FILTER_MATCHES);
	f->match[f->matches++] = (struct filter_match){ offset, value, mask };
}

/* Adds the match of an IPv4 range at `offset`; whether the option is there. */
static bool compile_range(const struct compile *c, const char *key, int offset, struct filter *f)
{
	const char *text = compile_string(c, key);
	struct prefix p;
	char why[160];
	uint32_t bits;

	if (!text)
		return false;
	if (prefix_parse(&p, text, why, sizeof(why)))
		compile_error(c, "%s: %s", key, why);
	if (p.family != AF_INET)
		compile_error(c, "%s \"%s\" is no IPv4 address; write a match for others", key, text);
	memcpy(&bits, p.bytes, sizeof(bits));
	add_match(c, f, offset, ntohl(bits), p.length ? UINT32_MAX << (32 - p.length) : 0);
	return true;
}

/* The table of one match is on top. */
static void compile_one_match(const struct compile *outer, struct filter *f)
{
	struct compile c = *outer;
	int64_t offset = 0, value = 0, mask = UINT32_MAX;

	c.idx = lua_gettop(c.L);
	if (!lua_istable(c.L, -1))
		compile_error(&c, "each match must be { offset =, value =, mask = }");
	compile_check(&c, match_fields);
	compile_integer(&c, "offset", -65536, 65532, &offset);
	compile_integer(&c, "value", 0, UINT32_MAX, &value);
	compile_integer(&c, "mask", 0, UINT32_MAX, &mask);
	if (offset % 4)
		compile_error(&c, "offset %d is no multiple of 4", (int)offset);
	add_match(&c, f, (int)offset, (uint32_t)value, (uint32_t)mask);
}

static void compile_matches(const struct compile *c, struct filter_op *o, bool *ip)
{
	bool from = compile_range(c, "from", 12, &o->filter), to = compile_range(c, "to", 16, &o->filter);

	*ip = from || to;
	if (lua_getfield(c->L, c->idx, "match") == LUA_TTABLE)
		for (lua_Integer i = 1, n = luaL_len(c->L, -1); i <= n; i++) {
			lua_geti(c->L, -1, i);
			compile_one_match(c, &o->filter);
			lua_pop(c->L, 1);
		}
	lua_pop(c->L, 1);
	if (strcmp(o->tc.kind, "u32") != 0 &&
	    (*ip || field_present(c->L, c->idx, "match")))
		compile_error(c, "from, to and match belong to a u32, not to a %s", o->tc.kind);
}

static void compile_kind(const struct compile *c, struct filter_op *o)
{
	const char *near;
	int i = 0;

	o->tc.kind = compile_string(c, "kind");
	if (!o->tc.kind)
		o->tc.kind = "u32";
	while (filter_kinds[i] && strcmp(filter_kinds[i], o->tc.kind) != 0)
		i++;
	if (filter_kinds[i])
		return;
	near = nearest_name(o->tc.kind, filter_kinds);
	if (near)
		compile_error(c, "unknown kind \"%s\"; did you mean %s?", o->tc.kind, near);
	compile_error(c, "unknown kind \"%s\"; u32, matchall and bpf are known", o->tc.kind);
}

static void compile_program(const struct compile *c, struct filter_op *o)
{
	const bool bpf = strcmp(o->tc.kind, "bpf") == 0;

	o->program = compile_string(c, "program");
	o->filter.direct_action = true;
	compile_boolean(c, "drop", &o->filter.drop);
	if (!bpf && (o->program || o->filter.drop || field_present(c->L, c->idx, "direct_action")))
		compile_error(c, "program, direct_action and drop belong to a bpf, not to a %s", o->tc.kind);
	if (bpf && !o->program && !o->filter.drop)
		compile_error(c, "a bpf needs program, the path of a pinned one, or drop");
	if (o->program && o->filter.drop)
		compile_error(c, "program and drop exclude each other");
	if (compile_boolean(c, "direct_action", &o->filter.direct_action) && o->filter.drop)
		compile_error(c, "direct_action belongs to a program");
}

static void compile_result(const struct compile *c, struct filter_op *o)
{
	const char *classid = compile_string(c, "classid"), *redirect = compile_ifname(c, "redirect");
	const char *mirror = compile_ifname(c, "mirror");

	if (classid)
		o->filter.classid = tc_parse_handle(c, "classid", classid);
	if (redirect && mirror)
		compile_error(c, "redirect and mirror exclude each other");
	o->target = redirect ? redirect : mirror;
	o->filter.mirror = mirror;
	if (!classid && !o->target && !o->program && !o->filter.drop)
		compile_error(c, "say what becomes of the packets: classid, redirect or mirror");
}

uint32_t filter_compile_priority(const struct compile *c)
{
	int64_t priority = 0;

	compile_integer(c, "priority", 1, 0xffff, &priority);
	return (uint32_t)priority << 16;
}

void filter_compile_place(const struct compile *c, struct op *op)
{
	struct tc_op *o = (struct tc_op *)op;

	op->subject = o->link = compile_ifname(c, "link");
	o->parent = compile_parent(c);
}

void filter_compile_add(const struct compile *c, struct op *op)
{
	struct filter_op *o = (struct filter_op *)op;
	uint16_t protocol;
	bool ip;

	filter_compile_place(c, op);
	compile_kind(c, o);
	op->subject = compile_printf(c, "%s on %s", o->tc.kind, o->tc.link);
	compile_matches(c, o, &ip);
	compile_program(c, o);
	compile_result(c, o);
	protocol = compile_protocol(c);
	if (ip && protocol != ETH_P_IP && field_present(c->L, c->idx, "protocol"))
		compile_error(c, "from and to are of protocol \"ip\" only");
	o->tc.info = TC_H_MAKE(filter_compile_priority(c), htons(ip ? ETH_P_IP : protocol));
	o->tc.flags = NLM_F_CREATE | NLM_F_EXCL;
}
