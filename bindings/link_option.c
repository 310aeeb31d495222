/* Options that only some kinds of link have, and those of a bridge's ports. */
#include "bindings/link_option.h"

#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <string.h>

#include "bindings/address_lua.h"

#define VXLAN_PORT 4789		/* RFC 7348; the kernel's own default is an older number */

static const struct word macvlan_modes[] = {
	{ "private", MACVLAN_MODE_PRIVATE }, { "vepa", MACVLAN_MODE_VEPA },
	{ "bridge", MACVLAN_MODE_BRIDGE }, { "passthru", MACVLAN_MODE_PASSTHRU },
	{ "source", MACVLAN_MODE_SOURCE }, { 0 }
};

static const struct word port_states[] = {
	{ "disabled", BR_STATE_DISABLED }, { "listening", BR_STATE_LISTENING },
	{ "learning", BR_STATE_LEARNING }, { "forwarding", BR_STATE_FORWARDING },
	{ "blocking", BR_STATE_BLOCKING }, { 0 }
};

#define ROW(name, coding, attr, six, min, max, words, text) \
	{ #name, CODED_##coding, attr, six, min, max, words },

static const struct link_option no_options[] = { { 0 } };
static const struct link_option bridge_options[] = { BRIDGE_OPTIONS(ROW) { 0 } };
static const struct link_option vxlan_options[] = {
	VXLAN_OPTIONS(ROW) VXLAN_FIXED(ROW) VXLAN_AGEING(ROW) { 0 }
};
static const struct link_option macvlan_options[] = { MACVLAN_OPTIONS(ROW) { 0 } };
static const struct link_option vlan_options[] = { VLAN_FIXED(ROW) { 0 } };
static const struct link_option tun_options[] = { TUN_FIXED(ROW) TUN_FOUND(ROW) { 0 } };
static const struct link_option port_options[] = { PORT_OPTIONS(ROW) { 0 } };

const struct arg link_port_fields[] = { PORT_OPTIONS(LINK_OPTION_FIELD) { 0 } };

const struct link_kind link_kinds[] = {
	{ "veth", "veth", "veth", no_options, false, 0 },
	{ "bridge", "bridge", "bridge", bridge_options, false, 0 },
	{ "tap", "tun", "tun", tun_options, false, 0 },
	{ "tun", "tun", "tun", tun_options, false, 0 },
	{ "vxlan", "vxlan", "vxlan", vxlan_options, false, IFLA_VXLAN_LINK },
	{ "macvlan", "macvlan", "macvlan", macvlan_options, true, 0 },
	{ "macvtap", "macvtap", "macvtap", macvlan_options, true, 0 },
	{ "vlan", "vlan", "8021q", vlan_options, true, 0 },
	{ "ifb", "ifb", "ifb", no_options, false, 0 },
	{ "dummy", "dummy", "dummy", no_options, false, 0 },
	{ 0 }
};

const struct link_kind *link_kind_find(const char *name)
{
	for (const struct link_kind *k = link_kinds; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static bool has_option(const struct link_option *options, const char *name)
{
	while (options->name && strcmp(options->name, name) != 0)
		options++;
	return options->name;
}

static void add_address(const struct compile *c, const struct link_option *o,
			struct link_value *v)
{
	struct prefix p;

	compile_address(c, o->name, &p);
	v->len = (uint16_t)prefix_size(&p);
	v->attr = p.family == AF_INET ? o->attr : o->six;
	memcpy(v->bytes, p.bytes, v->len);
}

static int64_t compile_value(const struct compile *c, const struct link_option *o)
{
	bool flag = false;
	uint32_t word = 0;
	int64_t n = 0;
	double seconds = 0;

	switch (o->coding) {
	case CODED_FLAG8:
	case CODED_FLAG32:
		compile_boolean(c, o->name, &flag);
		return flag;
	case CODED_CENTI32:
		compile_number(c, o->name, o->min, o->max, &seconds);
		return (int64_t)(seconds * 100 + 0.5);
	case CODED_WORD8:
	case CODED_WORD32:
		compile_word(c, o->name, o->words, &word);
		return word;
	default:
		compile_integer(c, o->name, o->min, o->max, &n);
		return o->coding == CODED_NET16 ? htons((uint16_t)n) : n;
	}
}

static size_t value_size(enum link_coding coding)
{
	switch (coding) {
	case CODED_FLAG8: case CODED_UINT8: case CODED_WORD8:
		return 1;
	case CODED_UINT16: case CODED_NET16:
		return 2;
	default:
		return 4;
	}
}

static struct link_value *add_number(const struct compile *c, const struct link_option *o,
				     int64_t number, struct link_value *next)
{
	struct link_value *v = compile_alloc(c, sizeof(*v));
	const uint8_t one = (uint8_t)number;
	const uint16_t two = (uint16_t)number;
	const uint32_t four = (uint32_t)number;

	v->next = next;
	v->name = o->name;
	v->attr = o->attr;
	v->len = (uint16_t)value_size(o->coding);
	memcpy(v->bytes, v->len == 1 ? (const void *)&one : v->len == 2 ? (const void *)&two : &four,
	       v->len);
	return v;
}

/* Those of `options` that the table has. */
static struct link_value *compile_values(const struct compile *c, const struct link_option *options)
{
	struct link_value *first = NULL;

	for (const struct link_option *o = options; o->name; o++) {
		if (!field_present(c->L, c->idx, o->name) || o->coding == CODED_OWNER)
			continue;
		first = add_number(c, o, o->coding == CODED_ADDRESS ? 0 : compile_value(c, o), first);
		if (o->coding == CODED_ADDRESS)
			add_address(c, o, first);
	}
	return first;
}

/* "a bridge or vxlan": who has an option. */
static const char *owners(const struct compile *c, const char *option)
{
	const char *text = NULL;

	for (const struct link_kind *k = link_kinds; k->name; k++)
		if (has_option(k->options, option))
			text = text ? compile_printf(c, "%s or %s", text, k->name) :
				      compile_printf(c, "a %s", k->name);
	return text;
}

/* An option in the table that some kinds have and `options` have not, or NULL. */
static const char *foreign_option(const struct compile *c, const struct link_option *options)
{
	for (const struct link_kind *k = link_kinds; k->name; k++)
		for (const struct link_option *o = k->options; o->name; o++)
			if (field_present(c->L, c->idx, o->name) && !has_option(options, o->name))
				return o->name;
	return NULL;
}

static void compile_parent(const struct compile *c, const struct link_kind *k, struct link_add_op *o)
{
	o->parent = compile_ifname(c, "parent");
	if (!k)
		return;
	if (k->needs_parent && !o->parent)
		compile_error(c, "a %s needs a parent: the link below it", k->name);
	if (o->parent && !k->needs_parent && !k->parent_attr)
		compile_error(c, "a %s has no parent", k->name);
	o->parent_attr = k->parent_attr;
}

/* What to say when the kernel has no such links. */
static const char *hint(const struct compile *c, const struct link_kind *k, const char *name)
{
	const char *names[16], *near;
	size_t n = 0;

	if (k)
		return compile_printf(c, " (module %s)", k->module);
	for (k = link_kinds; k->name; k++)
		names[n++] = k->name;
	names[n] = NULL;
	near = nearest_name(name, names);
	return near ? compile_printf(c, "; did you mean '%s'?", near) : "";
}

void link_options_compile(const struct compile *c, struct link_add_op *o)
{
	static const struct link_option port = { "port", CODED_NET16, IFLA_VXLAN_PORT };
	const struct link_kind *k = link_kind_find(o->kind);
	const struct link_option *options = k ? k->options : no_options;
	const char *foreign = foreign_option(c, options);
	struct link_value *first;
	struct link_values *values;

	if (foreign)
		compile_error(c, "%s belongs to %s, not to a %s", foreign, owners(c, foreign), o->kind);
	compile_parent(c, k, o);
	o->driver = k ? k->driver : o->kind;
	o->hint = hint(c, k, o->kind);
	if (has_option(options, "id") && !field_present(c->L, c->idx, "id"))
		compile_error(c, "a %s needs an id", o->kind);
	first = compile_values(c, options);
	if (has_option(options, "port") && !field_present(c->L, c->idx, "port"))
		first = add_number(c, &port, htons(VXLAN_PORT), first);
	values = compile_alloc(c, sizeof(*values));
	*values = (struct link_values){ NULL, o->kind, o->driver, first };
	o->link.values = values;
}

const struct link_values *link_options_compile_any(const struct compile *c)
{
	struct link_values *all = NULL;
	const char *a = foreign_option(c, no_options);

	for (const struct link_kind *k = link_kinds; a && k->name; k++) {
		struct link_values *v;

		if (foreign_option(c, k->options))
			continue;
		v = compile_alloc(c, sizeof(*v));
		*v = (struct link_values){ all, k->name, k->driver, compile_values(c, k->options) };
		all = v;
	}
	if (a && !all) {
		const char *b = NULL;

		for (const struct link_kind *k = link_kinds; k->name && !b; k++)
			b = has_option(k->options, a) ? foreign_option(c, k->options) : NULL;
		compile_error(c, "%s belongs to %s, %s to %s: no link has both", a, owners(c, a), b,
			      owners(c, b));
	}
	return all;
}

const struct link_value *link_port_compile(const struct compile *c)
{
	const struct link_value *values = NULL;
	struct compile port = *c;

	if (lua_getfield(c->L, c->idx, "bridge_port") == LUA_TTABLE) {
		port.idx = lua_gettop(c->L);
		port.where = compile_printf(c, "%s: bridge_port", c->where);
		values = compile_values(&port, port_options);
	}
	lua_pop(c->L, 1);
	return values;
}

static uint32_t number_of(const struct nlattr *a)
{
	return nla_len(a) >= 4 ? nla_get_u32(a) : nla_len(a) >= 2 ? nla_get_u16(a) : nla_get_u8(a);
}

static void push_value(lua_State *L, const struct link_option *o, const struct nlattr *a)
{
	const uint32_t n = number_of(a);

	switch (o->coding) {
	case CODED_FLAG8:
	case CODED_FLAG32:
		set_boolean(L, o->name, n != 0);
		break;
	case CODED_CENTI32:
		set_number(L, o->name, n / 100.0);
		break;
	case CODED_NET16:
		set_integer(L, o->name, ntohs((uint16_t)n));
		break;
	case CODED_WORD8:
	case CODED_WORD32:
		set_word(L, o->name, o->words, n);
		break;
	case CODED_ADDRESS:
		set_address(L, o->name, AF_INET, a);
		break;
	default:
		set_integer(L, o->name, n);
	}
}

static void push_values(lua_State *L, const struct link_option *options, struct nlattr *data)
{
	for (const struct link_option *o = options; o->name; o++) {
		struct nlattr *a = nla_find(nla_data(data), nla_len(data), o->attr);

		if (a && nla_len(a) > 0)
			push_value(L, o, a);
		a = o->six ? nla_find(nla_data(data), nla_len(data), o->six) : NULL;
		if (a)
			set_address(L, o->name, AF_INET6, a);
	}
}

void link_options_push(lua_State *L, const char *kind, struct nlattr *data)
{
	const struct link_kind *k = link_kind_find(kind);

	if (k && data)
		push_values(L, k->options, data);
}

void link_port_push(lua_State *L, struct nlattr *data)
{
	lua_newtable(L);
	push_values(L, port_options, data);
	lua_setfield(L, -2, "bridge_port");
}
