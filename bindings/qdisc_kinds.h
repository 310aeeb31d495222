/* The kinds of queueing discipline: the options of each, from Lua to the kernel and back. */
#ifndef NERV_BINDINGS_QDISC_KINDS_H
#define NERV_BINDINGS_QDISC_KINDS_H

#include "bindings/op_lua.h"
#include "bindings/tc_encode.h"

union qdisc_options {
	struct tbf tbf;
	struct netem netem;
	struct htb htb;
	struct fifo fifo;
	struct fq_codel fq_codel;
	struct prio prio;
};

struct qdisc_kind {
	const char *name;
	const char *module;		/* of the kernel, where it is one */
	const char *const *options;	/* those of qdisc_option_fields that it takes */
	bool hook;			/* a place for filters, without options or queue */
	/* NULL for hooks, all three. `compile` raises on misuse. */
	void (*compile)(const struct compile *c, union qdisc_options *o);
	int (*put)(struct nl_msg *msg, const union qdisc_options *o);
	/* Adds what TCA_OPTIONS says to the table on top. */
	void (*set)(lua_State *L, struct nlattr *options);
};

/* Ends with one that has no name. */
extern const struct qdisc_kind qdisc_kinds[];

/* The kind, or NULL. */
const struct qdisc_kind *qdisc_kind_find(const char *name);

/* The kind; raises and names the nearest one when there is none. */
const struct qdisc_kind *qdisc_kind_check(const struct compile *c, const char *name);

/* Raises when an option belongs to other kinds. */
void qdisc_kind_refuse(const struct compile *c, const struct qdisc_kind *k);

/* Bytes that a bucket of this rate (bits/s) may send at once when nobody says. */
uint32_t qdisc_default_burst(double rate);

#define QDISC_OPTION_FIELDS \
	{ "rate", ARG_NUMBER, false, "tbf, netem: bits/s", NULL }, \
	{ "burst", ARG_INTEGER, false, "tbf: bytes that may leave at once; by default 2 ms of rate, " \
	  "at least 5000", NULL }, \
	{ "latency", ARG_NUMBER, false, "tbf: longest wait of a packet, seconds; by default 0.05", NULL }, \
	{ "limit", ARG_INTEGER, false, "what may wait: bytes of a tbf (instead of latency) or bfifo, " \
	  "packets of a pfifo, fq_codel or netem (by default 1000)", NULL }, \
	{ "delay", ARG_NUMBER, false, "netem: every packet waits so long, seconds", NULL }, \
	{ "jitter", ARG_NUMBER, false, "netem: the delay differs by up to so much, seconds", NULL }, \
	{ "loss", ARG_NUMBER, false, "netem: share of packets that are lost, 0 to 1", NULL }, \
	{ "duplicate", ARG_NUMBER, false, "netem: share that come twice, 0 to 1", NULL }, \
	{ "corrupt", ARG_NUMBER, false, "netem: share with a bit turned, 0 to 1", NULL }, \
	{ "reorder", ARG_NUMBER, false, "netem: share that are not delayed and so overtake, 0 to 1", NULL }, \
	{ "default", ARG_STRING, false, "htb: class of what no filter sorts, such as \"1:10\"; by " \
	  "default such packets are not shaped", NULL }, \
	{ "flows", ARG_INTEGER, false, "fq_codel: number of queues", NULL }, \
	{ "target", ARG_NUMBER, false, "fq_codel: wait that is fine, seconds", NULL }, \
	{ "interval", ARG_NUMBER, false, "fq_codel: time in which the wait must fall below target, " \
	  "seconds", NULL }, \
	{ "quantum", ARG_INTEGER, false, "fq_codel: bytes of a queue's turn", NULL }, \
	{ "ecn", ARG_BOOLEAN, false, "fq_codel: mark packets instead of dropping them", NULL }, \
	{ "bands", ARG_INTEGER, false, "prio: number of its classes, 3 (default) to 16", NULL }

#endif
