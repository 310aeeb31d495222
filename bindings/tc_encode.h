/* Options of queueing disciplines and classes as netlink attributes. No Lua.
 *
 * Own code, where libnl has setters: libnl counts a bucket in whole microseconds
 * (at 10 Gbit/s one of them is a packet) and leaves out what is zero, and then the
 * kernel keeps the former value when a netem is changed in place.
 *
 * The put functions add TCA_OPTIONS (a class's too) and return 0 or negative; the get
 * functions read it and return 0 or -EINVAL, with `t` undefined.
 */
#ifndef NERV_BINDINGS_TC_ENCODE_H
#define NERV_BINDINGS_TC_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

struct nl_msg;
struct nlattr;

/* The token bucket filter. `burst` is read back as the kernel's figure in time, turned
 * into bytes: it may differ by rounding. */
struct tbf {
	uint64_t rate;		/* bytes/s */
	uint32_t burst;		/* bytes that may leave at once */
	uint32_t limit;		/* bytes that may wait */
};

int tbf_put(struct nl_msg *msg, const struct tbf *t);
int tbf_get(struct tbf *t, struct nlattr *options);

/* The emulator of bad lines. A probability is out of UINT32_MAX. */
struct netem {
	uint64_t delay, jitter;	/* ns */
	uint64_t rate;		/* bytes/s; 0: as fast as the link */
	uint32_t loss, duplicate, corrupt;
	uint32_t reorder;	/* sent at once, before those that are delayed */
	uint32_t limit;		/* packets that may wait */
};

int netem_put(struct nl_msg *msg, const struct netem *n);
int netem_get(struct netem *n, struct nlattr *options);

/* The hierarchical token bucket: the discipline, and one of its classes. */
struct htb {
	uint32_t def;		/* minor of the class that takes what no filter names */
};

struct htb_class {
	uint64_t rate, ceil;	/* bytes/s: its own, and with what others leave */
	uint32_t burst, cburst;	/* bytes that may leave at once at either */
	uint32_t prio;		/* 0 (first) to 7 */
	uint32_t quantum;	/* bytes in its turn among equals */
};

int htb_put(struct nl_msg *msg, const struct htb *h);
int htb_get(struct htb *h, struct nlattr *options);
int htb_class_put(struct nl_msg *msg, const struct htb_class *h);
int htb_class_get(struct htb_class *h, struct nlattr *options);

/* Plain queues: pfifo counts packets, bfifo bytes. */
struct fifo {
	uint32_t limit;
	bool limited;		/* else the kernel takes the link's queue length */
};

int fifo_put(struct nl_msg *msg, const struct fifo *f);
int fifo_get(struct fifo *f, struct nlattr *options);

/* Fair queues with controlled delay. Zero: the kernel's default. */
struct fq_codel {
	uint32_t limit;		/* packets */
	uint32_t flows;		/* queues; cannot be changed in place */
	uint32_t target, interval;	/* us */
	uint32_t quantum;	/* bytes */
	bool ecn, ecn_given;
};

int fq_codel_put(struct nl_msg *msg, const struct fq_codel *f);
int fq_codel_get(struct fq_codel *f, struct nlattr *options);

/* Strict priorities. */
struct prio {
	uint32_t bands;		/* 3 to 16 */
};

int prio_put(struct nl_msg *msg, const struct prio *p);
int prio_get(struct prio *p, struct nlattr *options);

#endif
