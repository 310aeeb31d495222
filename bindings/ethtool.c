/* The Lua module `ethtool`: offloads, settings and counters of an interface. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bindings/batch.h"
#include "bindings/ethtool_ioctl.h"
#include "bindings/op_lua.h"

/* The kernel's groups of features, each behind a pair of one-value requests. */
static const struct group {
	const char *name;
	uint32_t get, set;
} groups[] = {	/* in the order of setting: segmentation rests on checksums */
	{ "tx_checksum", ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM },
	{ "tso", ETHTOOL_GTSO, ETHTOOL_STSO },
	{ "gso", ETHTOOL_GGSO, ETHTOOL_SGSO },
	{ "gro", ETHTOOL_GGRO, ETHTOOL_SGRO },
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))
#define WISHES_MAX 64

struct ethtool_op {
	struct op op;
	const char *link;
	unsigned int set;	/* bit i: groups[i] is meant; for a reading: is known */
	bool value[GROUPS];
	struct ethtool_wish wishes[WISHES_MAX];
	int n_wishes;
	struct ethtool_settings settings;
	struct ethtool_info info;
};

#define FIELD_LINK { "link", ARG_STRING, true, "the interface", NULL }

static const struct arg link_fields[] = {
	FIELD_LINK,
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg set_fields[] = {
	FIELD_LINK,
	ARG_FIELD_NETNS,
	{ "tx_checksum", ARG_BOOLEAN, false, "leave checksums of sent packets to the device; without "
	  "it tso has no effect", NULL },
	{ "tso", ARG_BOOLEAN, false, "leave TCP segmentation to the device", NULL },
	{ "gso", ARG_BOOLEAN, false, "segment late, in software", NULL },
	{ "gro", ARG_BOOLEAN, false, "merge received packets", NULL },
	{ "features", ARG_TABLE, false, "others by the names of ethtool.features: "
	  "{ [\"tx-nocache-copy\"] = true }", NULL },
	{ "speed", ARG_INTEGER, false, "bits/s, whole Mbit/s; where the driver lets one choose", NULL },
	{ "duplex", ARG_STRING, false, "\"full\" or \"half\"", NULL },
	{ "autoneg", ARG_BOOLEAN, false, "agree on speed and duplex with the other end", NULL },
	{ 0 }
};

static void compile_link(const struct compile *c, struct op *op)
{
	op->subject = ((struct ethtool_op *)op)->link = compile_ifname(c, "link");
}

/* The table of features is on top. */
static void compile_wishes(const struct compile *c, struct ethtool_op *o)
{
	for (lua_pushnil(c->L); lua_next(c->L, -2); lua_pop(c->L, 1)) {
		if (lua_type(c->L, -2) != LUA_TSTRING || !lua_isboolean(c->L, -1))
			compile_error(c, "features are { [\"NAME\"] = true or false }");
		if (o->n_wishes == WISHES_MAX)
			compile_error(c, "more than %d features at once", WISHES_MAX);
		o->wishes[o->n_wishes++] = (struct ethtool_wish){
			compile_printf(c, "%s", lua_tostring(c->L, -2)), lua_toboolean(c->L, -1),
		};
	}
}

static void compile_settings(const struct compile *c, struct ethtool_settings *s)
{
	const char *duplex = compile_string(c, "duplex");
	int64_t speed;

	if (compile_integer(c, "speed", 1000000, INT64_C(1000000) * INT32_MAX, &speed)) {
		if (speed % 1000000)
			compile_error(c, "speed must be whole Mbit/s, such as 100000000");
		s->speed = (uint32_t)(speed / 1000000);
		s->set_speed = true;
	}
	if (duplex && strcmp(duplex, "full") != 0 && strcmp(duplex, "half") != 0)
		compile_error(c, "duplex must be \"full\" or \"half\", not \"%s\"", duplex);
	s->set_duplex = duplex;
	s->duplex = duplex && strcmp(duplex, "full") == 0 ? DUPLEX_FULL : DUPLEX_HALF;
	s->set_autoneg = compile_boolean(c, "autoneg", &s->autoneg);
}

static bool any_setting(const struct ethtool_settings *s)
{
	return s->set_speed || s->set_duplex || s->set_autoneg;
}

static void compile_set(const struct compile *c, struct op *op)
{
	struct ethtool_op *o = (struct ethtool_op *)op;

	compile_link(c, op);
	for (size_t i = 0; i < GROUPS; i++)
		if (compile_boolean(c, groups[i].name, &o->value[i]))
			o->set |= 1U << i;
	if (lua_getfield(c->L, c->idx, "features") == LUA_TTABLE)
		compile_wishes(c, o);
	lua_pop(c->L, 1);
	compile_settings(c, &o->settings);
	if (!o->set && !o->n_wishes && !any_setting(&o->settings))
		compile_error(c, "nothing to set; tx_checksum, tso, gso, gro, features, speed, duplex and "
			      "autoneg are known");
}

static int run_set(struct op_list *l, struct op *op)
{
	const struct ethtool_op *o = (const struct ethtool_op *)op;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	for (size_t i = 0; !ret && i < GROUPS; i++) {
		uint32_t value = o->value[i];

		if (!(o->set & 1U << i))
			continue;
		ret = ethtool_value(conn, o->link, groups[i].set, &value);
		if (ret)
			fault_set(&l->fault, ret, "%s", groups[i].name);
	}
	if (!ret && o->n_wishes)
		ret = ethtool_wish(conn, o->link, o->wishes, o->n_wishes, &l->fault);
	if (!ret && any_setting(&o->settings)) {
		ret = ethtool_change(conn, o->link, &o->settings);
		if (ret)
			fault_set(&l->fault, ret, "settings of the line");
	}
	return ret;
}

static int run_get(struct op_list *l, struct op *op)
{
	struct ethtool_op *o = (struct ethtool_op *)op;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	for (size_t i = 0; !ret && i < GROUPS; i++) {
		uint32_t value = 0;

		ret = ethtool_value(conn, o->link, groups[i].get, &value);
		o->value[i] = value;
		if (!ret)
			o->set |= 1U << i;
		else if (ret == -EOPNOTSUPP)	/* this device does not know it */
			ret = 0;
	}
	return ret;
}

static int push_groups(lua_State *L, struct op_list *l, struct op *op)
{
	const struct ethtool_op *o = (const struct ethtool_op *)op;

	(void)l;
	lua_createtable(L, 0, GROUPS);
	for (size_t i = 0; i < GROUPS; i++)
		if (o->set & 1U << i)
			set_boolean(L, groups[i].name, o->value[i]);
	return 1;
}

static int run_features(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	return ret ? ret : ethtool_features(conn, ((struct ethtool_op *)op)->link, &l->out);
}

static int push_features(lua_State *L, struct op_list *l, struct op *op)
{
	const struct ethtool_feature *one = (const void *)l->out.data;

	(void)op;
	lua_newtable(L);
	for (size_t n = l->out.len / sizeof(*one); n; n--, one++) {
		lua_createtable(L, 0, 2);
		set_boolean(L, "on", one->on);
		set_boolean(L, "fixed", one->fixed);
		lua_setfield(L, -2, one->name);
	}
	return 1;
}

static int run_statistics(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	if (!ret)
		ret = ethtool_counters(conn, ((struct ethtool_op *)op)->link, &l->out);
	return ret == -EOPNOTSUPP ? 0 : ret;	/* a driver without counters */
}

static int push_statistics(lua_State *L, struct op_list *l, struct op *op)
{
	const struct ethtool_counter *one = (const void *)l->out.data;

	(void)op;
	lua_newtable(L);
	for (size_t n = l->out.len / sizeof(*one); n; n--, one++)
		set_integer(L, one->name, (lua_Integer)one->value);
	return 1;
}

static int run_info(struct op_list *l, struct op *op)
{
	struct ethtool_op *o = (struct ethtool_op *)op;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	return ret ? ret : ethtool_info(conn, o->link, &o->info);
}

static void set_text(lua_State *L, const char *key, const char *value)
{
	if (value[0])
		set_string(L, key, value);
}

static void set_rings(lua_State *L, const struct ethtool_info *info)
{
	if (info->rings.cmd) {
		lua_createtable(L, 0, 4);
		set_integer(L, "rx", info->rings.rx_pending);
		set_integer(L, "tx", info->rings.tx_pending);
		set_integer(L, "rx_max", info->rings.rx_max_pending);
		set_integer(L, "tx_max", info->rings.tx_max_pending);
		lua_setfield(L, -2, "rings");
	}
	if (info->channels.cmd) {
		lua_createtable(L, 0, 3);
		set_integer(L, "rx", info->channels.rx_count);
		set_integer(L, "tx", info->channels.tx_count);
		set_integer(L, "combined", info->channels.combined_count);
		lua_setfield(L, -2, "channels");
	}
}

static int push_info(lua_State *L, struct op_list *l, struct op *op)
{
	const struct ethtool_info *info = &((const struct ethtool_op *)op)->info;
	const uint8_t *a = info->address;
	char mac[18];

	(void)l;
	lua_createtable(L, 0, 10);
	set_text(L, "driver", info->driver);
	set_text(L, "version", info->version);
	set_text(L, "firmware", info->firmware);
	set_text(L, "bus", info->bus);
	if (info->speed >= 0)
		set_integer(L, "speed", info->speed);
	if (info->duplex >= 0)
		set_string(L, "duplex", info->duplex == DUPLEX_FULL ? "full" : "half");
	if (info->has_settings)
		set_boolean(L, "autoneg", info->autoneg);
	if (info->has_link)
		set_boolean(L, "signal", info->link);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
	if (info->has_address)
		set_string(L, "permanent_mac", mac);
	set_rings(L, info);
	return 1;
}

static const struct verb verb_get = {
	"ethtool.get", link_fields, sizeof(struct ethtool_op), compile_link, run_get, push_groups,
};
const struct verb verb_ethtool_set = {
	"ethtool.set", set_fields, sizeof(struct ethtool_op), compile_set, run_set, NULL,
};
static const struct verb verb_features = {
	"ethtool.features", link_fields, sizeof(struct ethtool_op), compile_link, run_features, push_features,
};
static const struct verb verb_statistics = {
	"ethtool.statistics", link_fields, sizeof(struct ethtool_op), compile_link, run_statistics,
	push_statistics,
};
static const struct verb verb_info = {
	"ethtool.info", link_fields, sizeof(struct ethtool_op), compile_link, run_info, push_info,
};

static int l_get(lua_State *L)
{
	return op_call(L, &verb_get);
}

static int l_set(lua_State *L)
{
	return op_call(L, &verb_ethtool_set);
}

static int l_features(lua_State *L)
{
	return op_call(L, &verb_features);
}

static int l_statistics(lua_State *L)
{
	return op_call(L, &verb_statistics);
}

static int l_info(lua_State *L)
{
	return op_call(L, &verb_info);
}

#define EXAMPLE_LINK "link.add{ kind = \"veth\", name = \"v0\", peer = { name = \"v1\" } }\n"

static const struct fn ethtool_functions[] = {
	{ "get", l_get, OP_ARGS(link_fields, true),
	  "returns a table with tx_checksum, tso, gso, gro: true when on",
	  EXAMPLE_LINK "print(ethtool.get{ link = \"v0\" }.tso)" },
	{ "set", l_set, OP_ARGS(set_fields, true), "changes offloads and settings; returns true",
	  EXAMPLE_LINK "ethtool.set{ link = \"v0\", tx_checksum = false, features = { [\"tx-nocache-copy\"] = true } }" },
	{ "features", l_features, OP_ARGS(link_fields, true),
	  "returns a table: for each of the kernel's features { on =, fixed = }; fixed: nobody can change it",
	  EXAMPLE_LINK "for name, f in pairs(ethtool.features{ link = \"v0\" }) do\n"
	  "  if f.on and not f.fixed then print(name) end\nend" },
	{ "info", l_info, OP_ARGS(link_fields, true),
	  "returns a table, as far as the driver tells: driver, version, firmware, bus; speed (bits/s), duplex, "
	  "autoneg, signal (whether there is one); permanent_mac; rings {rx, tx, rx_max, tx_max} (packets), "
	  "channels {rx, tx, combined}",
	  EXAMPLE_LINK "print(ethtool.info{ link = \"v0\" }.driver)" },
	{ "statistics", l_statistics, OP_ARGS(link_fields, true),
	  "returns the driver's own counters by its names, {} when it has none; link.get has those that all have",
	  EXAMPLE_LINK "print(ethtool.statistics{ link = \"v0\" }.peer_ifindex)" },
	{ 0 }
};

NERV_MODULE(ethtool, .name = "ethtool", .text = "offloads, settings and counters of interfaces",
	    .functions = ethtool_functions);
