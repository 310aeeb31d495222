/* The token bucket filter's options as attributes, after iproute2's q_tbf.c. No Lua. */
#ifndef NERV_BINDINGS_QDISC_TBF_H
#define NERV_BINDINGS_QDISC_TBF_H

#include <stdint.h>

struct nl_msg;
struct nlattr;

struct tbf {
	uint64_t rate;		/* bytes/s */
	uint32_t burst;		/* bytes that may leave at once */
	uint32_t limit;		/* bytes that may wait */
};

/* Adds TCA_OPTIONS; 0 or negative. */
int tbf_put(struct nl_msg *msg, const struct tbf *t);

/* Reads TCA_OPTIONS; 0 or -EINVAL. `burst` is the kernel's figure in time, turned
 * back into bytes: it may differ by rounding. */
int tbf_get(struct tbf *t, struct nlattr *options);

#endif
