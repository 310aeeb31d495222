/* The Lua module `ethtool`: an interface's offloads. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bindings/batch.h"
#include "bindings/op_lua.h"

/* The kernel's feature groups, each behind a pair of one-value requests. */
static const struct feature {
	const char *name;
	uint32_t get, set;
} features[] = {	/* in the order of setting: segmentation rests on checksums */
	{ "tx_checksum", ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM },
	{ "tso", ETHTOOL_GTSO, ETHTOOL_STSO },
	{ "gso", ETHTOOL_GGSO, ETHTOOL_SGSO },
	{ "gro", ETHTOOL_GGRO, ETHTOOL_SGRO },
};

#define FEATURES (sizeof(features) / sizeof(features[0]))

struct ethtool_op {
	struct op op;
	const char *link;
	unsigned int set;	/* bit i: features[i] is meant; for a reading: is known */
	bool value[FEATURES];
};

static const struct arg get_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg set_fields[] = {
	{ "link", ARG_STRING, true, "the interface", NULL },
	ARG_FIELD_NETNS,
	{ "tx_checksum", ARG_BOOLEAN, false, "leave checksums of sent packets to the device; without "
	  "it tso has no effect", NULL },
	{ "tso", ARG_BOOLEAN, false, "leave TCP segmentation to the device", NULL },
	{ "gso", ARG_BOOLEAN, false, "segment late, in software", NULL },
	{ "gro", ARG_BOOLEAN, false, "merge received packets", NULL },
	{ 0 }
};

static void compile_get(const struct compile *c, struct op *op)
{
	op->subject = ((struct ethtool_op *)op)->link = compile_ifname(c, "link");
}

static void compile_set(const struct compile *c, struct op *op)
{
	struct ethtool_op *o = (struct ethtool_op *)op;

	compile_get(c, op);
	for (size_t i = 0; i < FEATURES; i++)
		if (compile_boolean(c, features[i].name, &o->value[i]))
			o->set |= 1U << i;
	if (!o->set)
		compile_error(c, "nothing to set; tx_checksum, tso, gso and gro are known");
}

static int request(const struct nlconn *conn, const char *link, uint32_t cmd, uint32_t *value)
{
	struct ethtool_value v = { .cmd = cmd, .data = *value };
	struct ifreq ifr = { .ifr_data = (char *)&v };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", link);
	if (ioctl(conn->fd, SIOCETHTOOL, &ifr))
		return -errno;
	*value = v.data;
	return 0;
}

static int run_set(struct op_list *l, struct op *op)
{
	const struct ethtool_op *o = (const struct ethtool_op *)op;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	for (size_t i = 0; !ret && i < FEATURES; i++) {
		uint32_t value = o->value[i];

		if (!(o->set & 1U << i))
			continue;
		ret = request(conn, o->link, features[i].set, &value);
		if (ret)
			fault_set(&l->fault, ret, "%s", features[i].name);
	}
	return ret;
}

static int run_get(struct op_list *l, struct op *op)
{
	struct ethtool_op *o = (struct ethtool_op *)op;
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	for (size_t i = 0; !ret && i < FEATURES; i++) {
		uint32_t value = 0;

		ret = request(conn, o->link, features[i].get, &value);
		o->value[i] = value;
		if (!ret)
			o->set |= 1U << i;
		else if (ret == -EOPNOTSUPP)	/* this device does not know it */
			ret = 0;
	}
	return ret;
}

static int push_features(lua_State *L, struct op_list *l, struct op *op)
{
	const struct ethtool_op *o = (const struct ethtool_op *)op;

	(void)l;
	lua_createtable(L, 0, FEATURES);
	for (size_t i = 0; i < FEATURES; i++)
		if (o->set & 1U << i)
			set_boolean(L, features[i].name, o->value[i]);
	return 1;
}

static const struct verb verb_get = {
	"ethtool.get", get_fields, sizeof(struct ethtool_op), compile_get, run_get, push_features,
};
const struct verb verb_ethtool_set = {
	"ethtool.set", set_fields, sizeof(struct ethtool_op), compile_set, run_set, NULL,
};

static int l_get(lua_State *L)
{
	return op_call(L, &verb_get);
}

static int l_set(lua_State *L)
{
	return op_call(L, &verb_ethtool_set);
}

static const struct fn ethtool_functions[] = {
	{ "get", l_get, OP_ARGS(get_fields, true),
	  "returns a table with tx_checksum, tso, gso, gro: true when on" },
	{ "set", l_set, OP_ARGS(set_fields, true), "turns offloads on or off; returns true" },
	{ 0 }
};

NERV_MODULE(ethtool, .name = "ethtool", .text = "offloads of interfaces",
	    .functions = ethtool_functions);
