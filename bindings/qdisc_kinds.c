/* The kinds of queueing discipline: the options of each, from Lua to the kernel and back. */
#include "bindings/qdisc_kinds.h"

#include <stdio.h>
#include <string.h>

#include "bindings/tc.h"

#define MAX_SECONDS 3600

uint32_t qdisc_default_burst(double rate)
{
	const double burst = rate / 8 * 0.002;

	return burst < 5000 ? 5000 : burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX;
}

/* A u32 that stays as it is when the option is absent. */
static bool compile_u32(const struct compile *c, const char *key, uint32_t min, uint32_t max,
			uint32_t *value)
{
	int64_t n;

	if (!compile_integer(c, key, min, max, &n))
		return false;
	*value = (uint32_t)n;
	return true;
}

static void compile_tbf(const struct compile *c, union qdisc_options *options)
{
	struct tbf *t = &options->tbf;
	double rate, latency = 0.05, limit;

	if (!compile_number(c, "rate", 8, 8e12, &rate))
		compile_error(c, "a tbf needs rate, in bits/s");
	t->rate = (uint64_t)(rate / 8);
	t->burst = qdisc_default_burst(rate);
	compile_u32(c, "burst", 1, UINT32_MAX, &t->burst);
	if (field_present(c->L, c->idx, "latency") && field_present(c->L, c->idx, "limit"))
		compile_error(c, "latency and limit exclude each other");
	if (compile_u32(c, "limit", 1, UINT32_MAX, &t->limit))
		return;
	compile_number(c, "latency", 0, MAX_SECONDS, &latency);
	limit = rate / 8 * latency + t->burst;
	if (limit > UINT32_MAX)
		compile_error(c, "latency %g s at this rate is more than 4 GiB of waiting bytes",
			      latency);
	t->limit = (uint32_t)limit;
}

static int put_tbf(struct nl_msg *msg, const union qdisc_options *o)
{
	return tbf_put(msg, &o->tbf);
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

static void compile_ns(const struct compile *c, const char *key, uint64_t *ns)
{
	double seconds;

	if (compile_number(c, key, 0, MAX_SECONDS, &seconds))
		*ns = (uint64_t)(seconds * 1e9 + 0.5);
}

static void compile_share(const struct compile *c, const char *key, uint32_t *share)
{
	double part;

	if (compile_number(c, key, 0, 1, &part))
		*share = (uint32_t)(part * UINT32_MAX + 0.5);
}

static void compile_netem(const struct compile *c, union qdisc_options *options)
{
	struct netem *n = &options->netem;
	double rate;

	n->limit = 1000;
	compile_u32(c, "limit", 1, UINT32_MAX, &n->limit);
	if (compile_number(c, "rate", 8, 8e12, &rate))
		n->rate = (uint64_t)(rate / 8);
	compile_ns(c, "delay", &n->delay);
	compile_ns(c, "jitter", &n->jitter);
	compile_share(c, "loss", &n->loss);
	compile_share(c, "duplicate", &n->duplicate);
	compile_share(c, "corrupt", &n->corrupt);
	compile_share(c, "reorder", &n->reorder);
	if (n->jitter > n->delay)
		compile_error(c, "jitter is more than delay: no packet can wait less than nothing");
	if (n->reorder && !n->delay)
		compile_error(c, "reorder needs delay: only what waits can be overtaken");
}

static int put_netem(struct nl_msg *msg, const union qdisc_options *o)
{
	return netem_put(msg, &o->netem);
}

/* Nine digits: what was written comes back, though the kernel counts in parts of 2^32. */
static void set_share(lua_State *L, const char *key, uint32_t share)
{
	set_number(L, key, (double)(uint64_t)((double)share / UINT32_MAX * 1e9 + 0.5) / 1e9);
}

static void set_netem(lua_State *L, struct nlattr *options)
{
	struct netem n;

	if (netem_get(&n, options))
		return;
	set_number(L, "delay", (double)n.delay / 1e9);
	set_number(L, "jitter", (double)n.jitter / 1e9);
	set_share(L, "loss", n.loss);
	set_share(L, "duplicate", n.duplicate);
	set_share(L, "corrupt", n.corrupt);
	set_share(L, "reorder", n.reorder);
	set_integer(L, "limit", n.limit);
	if (n.rate)
		set_integer(L, "rate", (lua_Integer)(n.rate * 8));
}

static void compile_htb(const struct compile *c, union qdisc_options *options)
{
	const char *def = compile_string(c, "default");

	if (def)
		options->htb.def = tc_parse_handle(c, "default", def) & 0xffff;
}

static int put_htb(struct nl_msg *msg, const union qdisc_options *o)
{
	return htb_put(msg, &o->htb);
}

/* The kernel keeps the minor number only; the major one is that of the discipline. */
static void set_htb(lua_State *L, struct nlattr *options)
{
	char text[24];
	struct htb h;

	if (htb_get(&h, options) || !h.def)
		return;
	lua_getfield(L, -1, "handle");
	snprintf(text, sizeof(text), "%.10s%x", luaL_optstring(L, -1, ":"), h.def);
	lua_pop(L, 1);
	set_string(L, "default", text);
}

static void compile_fifo(const struct compile *c, union qdisc_options *options)
{
	struct fifo *f = &options->fifo;

	f->limited = compile_u32(c, "limit", 0, UINT32_MAX, &f->limit);
}

static int put_fifo(struct nl_msg *msg, const union qdisc_options *o)
{
	return fifo_put(msg, &o->fifo);
}

static void set_fifo(lua_State *L, struct nlattr *options)
{
	struct fifo f;

	if (!fifo_get(&f, options))
		set_integer(L, "limit", f.limit);
}

static void compile_us(const struct compile *c, const char *key, uint32_t *us)
{
	double seconds;

	if (compile_number(c, key, 1e-6, MAX_SECONDS, &seconds))
		*us = (uint32_t)(seconds * 1e6 + 0.5);
}

static void compile_fq_codel(const struct compile *c, union qdisc_options *options)
{
	struct fq_codel *f = &options->fq_codel;

	compile_u32(c, "limit", 1, UINT32_MAX, &f->limit);
	compile_u32(c, "flows", 1, 65536, &f->flows);
	compile_u32(c, "quantum", 256, 1 << 20, &f->quantum);
	compile_us(c, "target", &f->target);
	compile_us(c, "interval", &f->interval);
	f->ecn_given = compile_boolean(c, "ecn", &f->ecn);
}

static int put_fq_codel(struct nl_msg *msg, const union qdisc_options *o)
{
	return fq_codel_put(msg, &o->fq_codel);
}

static void set_fq_codel(lua_State *L, struct nlattr *options)
{
	struct fq_codel f;

	if (fq_codel_get(&f, options))
		return;
	set_integer(L, "limit", f.limit);
	set_integer(L, "flows", f.flows);
	set_integer(L, "quantum", f.quantum);
	set_number(L, "target", f.target / 1e6);
	set_number(L, "interval", f.interval / 1e6);
	set_boolean(L, "ecn", f.ecn);
}

static void compile_prio(const struct compile *c, union qdisc_options *options)
{
	options->prio.bands = 3;
	compile_u32(c, "bands", 3, 16, &options->prio.bands);
}

static int put_prio(struct nl_msg *msg, const union qdisc_options *o)
{
	return prio_put(msg, &o->prio);
}

static void set_prio(lua_State *L, struct nlattr *options)
{
	struct prio p;

	if (!prio_get(&p, options))
		set_integer(L, "bands", p.bands);
}

#define OPTIONS(...) (const char *const []){ __VA_ARGS__, NULL }

const struct qdisc_kind qdisc_kinds[] = {
	{ "tbf", "sch_tbf", OPTIONS("rate", "burst", "latency", "limit"), false,
	  compile_tbf, put_tbf, set_tbf },
	{ "netem", "sch_netem", OPTIONS("delay", "jitter", "loss", "duplicate", "corrupt", "reorder",
					"rate", "limit"), false,
	  compile_netem, put_netem, set_netem },
	{ "htb", "sch_htb", OPTIONS("default"), false, compile_htb, put_htb, set_htb },
	{ "pfifo", "sch_fifo", OPTIONS("limit"), false, compile_fifo, put_fifo, set_fifo },
	{ "bfifo", "sch_fifo", OPTIONS("limit"), false, compile_fifo, put_fifo, set_fifo },
	{ "fq_codel", "sch_fq_codel", OPTIONS("limit", "flows", "target", "interval", "quantum", "ecn"),
	  false, compile_fq_codel, put_fq_codel, set_fq_codel },
	{ "prio", "sch_prio", OPTIONS("bands"), false, compile_prio, put_prio, set_prio },
	{ "clsact", "sch_ingress", OPTIONS(NULL), true, NULL, NULL, NULL },
	{ "ingress", "sch_ingress", OPTIONS(NULL), true, NULL, NULL, NULL },
	{ 0 }
};

const struct qdisc_kind *qdisc_kind_find(const char *name)
{
	const struct qdisc_kind *k = qdisc_kinds;

	while (k->name && strcmp(k->name, name) != 0)
		k++;
	return k->name ? k : NULL;
}

const struct qdisc_kind *qdisc_kind_check(const struct compile *c, const char *name)
{
	const struct qdisc_kind *k = qdisc_kind_find(name);
	const char *names[sizeof(qdisc_kinds) / sizeof(qdisc_kinds[0])], *near;
	int n = 0;

	if (k)
		return k;
	for (k = qdisc_kinds; k->name; k++)
		names[n++] = k->name;
	names[n] = NULL;
	near = nearest_name(name, names);
	if (near)
		compile_error(c, "unknown kind \"%s\"; did you mean %s?", name, near);
	compile_error(c, "unknown kind \"%s\"; tbf, netem, htb, pfifo, bfifo, fq_codel, prio, clsact "
		      "and ingress are known", name);
}

static bool takes(const struct qdisc_kind *k, const char *option)
{
	for (const char *const *o = k->options; *o; o++)
		if (strcmp(*o, option) == 0)
			return true;
	return false;
}

void qdisc_kind_refuse(const struct compile *c, const struct qdisc_kind *k)
{
	for (const struct qdisc_kind *other = qdisc_kinds; other->name; other++)
		for (const char *const *o = other->options; *o; o++)
			if (!takes(k, *o) && field_present(c->L, c->idx, *o))
				compile_error(c, "%s belongs to a %s, not to a %s", *o, other->name,
					      k->name);
}
