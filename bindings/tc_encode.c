/* Options of queueing disciplines and classes as netlink attributes. */
#include "bindings/tc_encode.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

/* The kernel's packet scheduler counts time in ticks of 64 ns (PSCHED_SHIFT), the
 * third figure of /proc/net/psched over the second. */
#define TICK_NS 64
#define NS_PER_S 1000000000ULL

static uint32_t below_2_32(uint64_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* How long `bytes` take at `rate`, in ticks: below 2^56 before it is cut. */
static uint32_t ticks_of(uint64_t rate, uint32_t bytes)
{
	return below_2_32((uint64_t)bytes * (NS_PER_S / TICK_NS) / rate);
}

static uint32_t bytes_of(uint64_t rate, uint32_t ticks)
{
	const double bytes = (double)ticks * TICK_NS * (double)rate / NS_PER_S + 0.5;

	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

/* With a link layer named the kernel needs no rate table. */
static struct tc_ratespec ratespec(uint64_t rate)
{
	return (struct tc_ratespec){ .linklayer = TC_LINKLAYER_ETHERNET, .rate = below_2_32(rate) };
}

/* The attribute's content when it is at least `size` bytes, else NULL. */
static const void *content(const struct nlattr *attr, size_t size)
{
	return attr && nla_len(attr) >= (int)size ? nla_data(attr) : NULL;
}

static int nested(struct nl_msg *msg, struct nlattr *options, int ret)
{
	nla_nest_end(msg, options);
	return ret ? -EMSGSIZE : 0;
}

int tbf_put(struct nl_msg *msg, const struct tbf *t)
{
	struct tc_tbf_qopt opt = {
		.rate = ratespec(t->rate),
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
	return nested(msg, options, ret);
}

int tbf_get(struct tbf *t, struct nlattr *options)
{
	struct nlattr *tb[TCA_TBF_MAX + 1];
	const struct tc_tbf_qopt *opt;

	if (nla_parse_nested(tb, TCA_TBF_MAX, options, NULL) < 0)
		return -EINVAL;
	opt = content(tb[TCA_TBF_PARMS], sizeof(*opt));
	if (!opt)
		return -EINVAL;
	t->rate = tb[TCA_TBF_RATE64] ? nla_get_u64(tb[TCA_TBF_RATE64]) : opt->rate.rate;
	t->limit = opt->limit;
	t->burst = bytes_of(t->rate, opt->buffer);
	return 0;
}

/* The struct comes first, and attributes after it, without a nest. Each is always there:
 * the kernel leaves what a change does not name as it was. */
int netem_put(struct nl_msg *msg, const struct netem *n)
{
	const struct tc_netem_qopt opt = {
		.latency = below_2_32(n->delay / TICK_NS),
		.jitter = below_2_32(n->jitter / TICK_NS),
		.limit = n->limit,
		.loss = n->loss,
		.duplicate = n->duplicate,
		.gap = n->reorder != 0,
	};
	const struct tc_netem_corr no_correlation = { 0 };
	const struct tc_netem_reorder reorder = { .probability = n->reorder };
	const struct tc_netem_corrupt corrupt = { .probability = n->corrupt };
	const struct tc_netem_rate rate = { .rate = below_2_32(n->rate) };
	struct nlattr *options = nla_reserve(msg, TCA_OPTIONS, sizeof(opt));
	int ret;

	if (!options)
		return -EMSGSIZE;
	memcpy(nla_data(options), &opt, sizeof(opt));
	ret = nla_put(msg, TCA_NETEM_CORR, sizeof(no_correlation), &no_correlation);
	ret |= nla_put(msg, TCA_NETEM_REORDER, sizeof(reorder), &reorder);
	ret |= nla_put(msg, TCA_NETEM_CORRUPT, sizeof(corrupt), &corrupt);
	if (n->rate > UINT32_MAX)
		ret |= nla_put_u64(msg, TCA_NETEM_RATE64, n->rate);
	ret |= nla_put(msg, TCA_NETEM_RATE, sizeof(rate), &rate);
	ret |= nla_put_u64(msg, TCA_NETEM_LATENCY64, n->delay);
	ret |= nla_put_u64(msg, TCA_NETEM_JITTER64, n->jitter);
	return nested(msg, options, ret);
}

int netem_get(struct netem *n, struct nlattr *options)
{
	const struct tc_netem_qopt *opt = content(options, sizeof(*opt));
	const struct tc_netem_reorder *reorder;
	const struct tc_netem_corrupt *corrupt;
	const struct tc_netem_rate *rate;
	struct nlattr *tb[TCA_NETEM_MAX + 1];
	const int skip = NLA_ALIGN(sizeof(*opt));

	if (!opt || nla_parse(tb, TCA_NETEM_MAX, (struct nlattr *)((char *)nla_data(options) + skip),
			      nla_len(options) - skip, NULL) < 0)
		return -EINVAL;
	*n = (struct netem){
		.delay = (uint64_t)opt->latency * TICK_NS, .jitter = (uint64_t)opt->jitter * TICK_NS,
		.limit = opt->limit, .loss = opt->loss, .duplicate = opt->duplicate,
	};
	if (content(tb[TCA_NETEM_LATENCY64], 8))
		n->delay = nla_get_u64(tb[TCA_NETEM_LATENCY64]);
	if (content(tb[TCA_NETEM_JITTER64], 8))
		n->jitter = nla_get_u64(tb[TCA_NETEM_JITTER64]);
	reorder = content(tb[TCA_NETEM_REORDER], sizeof(*reorder));
	if (reorder && opt->gap)
		n->reorder = reorder->probability;
	corrupt = content(tb[TCA_NETEM_CORRUPT], sizeof(*corrupt));
	if (corrupt)
		n->corrupt = corrupt->probability;
	rate = content(tb[TCA_NETEM_RATE], sizeof(*rate));
	if (content(tb[TCA_NETEM_RATE64], 8))
		n->rate = nla_get_u64(tb[TCA_NETEM_RATE64]);
	else if (rate)
		n->rate = rate->rate;
	return 0;
}

int htb_put(struct nl_msg *msg, const struct htb *h)
{
	const struct tc_htb_glob opt = { .version = TC_HTB_PROTOVER, .rate2quantum = 10,
					 .defcls = h->def };
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);

	if (!options)
		return -EMSGSIZE;
	return nested(msg, options, nla_put(msg, TCA_HTB_INIT, sizeof(opt), &opt));
}

int htb_get(struct htb *h, struct nlattr *options)
{
	struct nlattr *tb[TCA_HTB_MAX + 1];
	const struct tc_htb_glob *opt;

	if (nla_parse_nested(tb, TCA_HTB_MAX, options, NULL) < 0)
		return -EINVAL;
	opt = content(tb[TCA_HTB_INIT], sizeof(*opt));
	if (!opt)
		return -EINVAL;
	h->def = opt->defcls;
	return 0;
}

int htb_class_put(struct nl_msg *msg, const struct htb_class *h)
{
	const struct tc_htb_opt opt = {
		.rate = ratespec(h->rate),
		.ceil = ratespec(h->ceil),
		.buffer = ticks_of(h->rate, h->burst),
		.cbuffer = ticks_of(h->ceil, h->cburst),
		.prio = h->prio,
		.quantum = h->quantum,
	};
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	int ret;

	if (!options)
		return -EMSGSIZE;
	ret = nla_put(msg, TCA_HTB_PARMS, sizeof(opt), &opt);
	if (h->rate > UINT32_MAX)
		ret |= nla_put_u64(msg, TCA_HTB_RATE64, h->rate);
	if (h->ceil > UINT32_MAX)
		ret |= nla_put_u64(msg, TCA_HTB_CEIL64, h->ceil);
	return nested(msg, options, ret);
}

int htb_class_get(struct htb_class *h, struct nlattr *options)
{
	struct nlattr *tb[TCA_HTB_MAX + 1];
	const struct tc_htb_opt *opt;

	if (nla_parse_nested(tb, TCA_HTB_MAX, options, NULL) < 0)
		return -EINVAL;
	opt = content(tb[TCA_HTB_PARMS], sizeof(*opt));
	if (!opt)
		return -EINVAL;
	h->rate = tb[TCA_HTB_RATE64] ? nla_get_u64(tb[TCA_HTB_RATE64]) : opt->rate.rate;
	h->ceil = tb[TCA_HTB_CEIL64] ? nla_get_u64(tb[TCA_HTB_CEIL64]) : opt->ceil.rate;
	h->burst = bytes_of(h->rate, opt->buffer);
	h->cburst = bytes_of(h->ceil, opt->cbuffer);
	h->prio = opt->prio;
	h->quantum = opt->quantum;
	return 0;
}

int fifo_put(struct nl_msg *msg, const struct fifo *f)
{
	const struct tc_fifo_qopt opt = { .limit = f->limit };

	if (f->limited && nla_put(msg, TCA_OPTIONS, sizeof(opt), &opt))
		return -EMSGSIZE;
	return 0;
}

int fifo_get(struct fifo *f, struct nlattr *options)
{
	const struct tc_fifo_qopt *opt = content(options, sizeof(*opt));

	if (!opt)
		return -EINVAL;
	*f = (struct fifo){ .limit = opt->limit, .limited = true };
	return 0;
}

int fq_codel_put(struct nl_msg *msg, const struct fq_codel *f)
{
	const struct { int type; uint32_t value; } fields[] = {
		{ TCA_FQ_CODEL_LIMIT, f->limit }, { TCA_FQ_CODEL_FLOWS, f->flows },
		{ TCA_FQ_CODEL_TARGET, f->target }, { TCA_FQ_CODEL_INTERVAL, f->interval },
		{ TCA_FQ_CODEL_QUANTUM, f->quantum },
	};
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	int ret = 0;

	if (!options)
		return -EMSGSIZE;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].value)
			ret |= nla_put_u32(msg, fields[i].type, fields[i].value);
	if (f->ecn_given)
		ret |= nla_put_u32(msg, TCA_FQ_CODEL_ECN, f->ecn);
	return nested(msg, options, ret);
}

static uint32_t get_u32(struct nlattr *attr)
{
	return content(attr, 4) ? nla_get_u32(attr) : 0;
}

int fq_codel_get(struct fq_codel *f, struct nlattr *options)
{
	struct nlattr *tb[TCA_FQ_CODEL_MAX + 1];

	if (nla_parse_nested(tb, TCA_FQ_CODEL_MAX, options, NULL) < 0)
		return -EINVAL;
	*f = (struct fq_codel){
		.limit = get_u32(tb[TCA_FQ_CODEL_LIMIT]),
		.flows = get_u32(tb[TCA_FQ_CODEL_FLOWS]),
		.target = get_u32(tb[TCA_FQ_CODEL_TARGET]),
		.interval = get_u32(tb[TCA_FQ_CODEL_INTERVAL]),
		.quantum = get_u32(tb[TCA_FQ_CODEL_QUANTUM]),
		.ecn = get_u32(tb[TCA_FQ_CODEL_ECN]),
		.ecn_given = tb[TCA_FQ_CODEL_ECN],
	};
	return 0;
}

int prio_put(struct nl_msg *msg, const struct prio *p)
{
	/* which band a packet's priority takes, as the kernel's and tc's default */
	const struct tc_prio_qopt opt = {
		.bands = (int)p->bands,
		.priomap = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 },
	};

	return nla_put(msg, TCA_OPTIONS, sizeof(opt), &opt) ? -EMSGSIZE : 0;
}

int prio_get(struct prio *p, struct nlattr *options)
{
	const struct tc_prio_qopt *opt = content(options, sizeof(*opt));

	if (!opt)
		return -EINVAL;
	p->bands = (uint32_t)opt->bands;
	return 0;
}
