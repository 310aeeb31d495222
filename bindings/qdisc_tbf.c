/* The token bucket filter's options as attributes. */
#include "bindings/qdisc_tbf.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

/* The kernel's packet scheduler counts time in ticks of 64 ns (PSCHED_SHIFT), the
 * third figure of /proc/net/psched over the second. */
#define TICK_NS 64
#define NS_PER_S 1000000000ULL

static uint32_t ticks_of(uint64_t rate, uint32_t bytes)
{
	const uint64_t ticks = (uint64_t)bytes * (NS_PER_S / TICK_NS) / rate;	/* below 2^56 */

	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

int tbf_put(struct nl_msg *msg, const struct tbf *t)
{
	struct tc_tbf_qopt opt = {
		/* with a link layer named the kernel needs no rate table */
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = t->rate > UINT32_MAX ? UINT32_MAX : (uint32_t)t->rate },
		.limit = t->limit,
		.buffer = ticks_of(t->rate, t->burst),
	};
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	int ret;

	if (!options)
		return -EMSGSIZE;
	ret = nla_put(msg, TCA_TBF_PARMS, sizeof(opt), &opt);
	ret |= nla_put_u32(msg, TCA_TBF_BURST, t->burst);	/* exact, where ticks are not */
	if (t->rate > UINT32_MAX)
		ret |= nla_put_u64(msg, TCA_TBF_RATE64, t->rate);
	nla_nest_end(msg, options);
	return ret ? -EMSGSIZE : 0;
}

int tbf_get(struct tbf *t, struct nlattr *options)
{
	struct nlattr *tb[TCA_TBF_MAX + 1];
	const struct tc_tbf_qopt *opt;
	double burst;

	if (nla_parse_nested(tb, TCA_TBF_MAX, options, NULL) < 0 || !tb[TCA_TBF_PARMS] ||
	    nla_len(tb[TCA_TBF_PARMS]) < (int)sizeof(*opt))
		return -EINVAL;
	opt = nla_data(tb[TCA_TBF_PARMS]);
	t->rate = tb[TCA_TBF_RATE64] ? nla_get_u64(tb[TCA_TBF_RATE64]) : opt->rate.rate;
	t->limit = opt->limit;
	burst = (double)opt->buffer * TICK_NS * (double)t->rate / NS_PER_S + 0.5;
	t->burst = burst > UINT32_MAX ? UINT32_MAX : (uint32_t)burst;
	return 0;
}
