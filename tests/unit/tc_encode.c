/* What tc_encode.c writes, read by libnl's own code; for kinds that the kernel of a test
 * machine may lack. And bytes that are no such options. */
#include "bindings/tc_encode.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/fq_codel.h>
#include <netlink/route/qdisc/netem.h>
#include <netlink/route/qdisc/prio.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <string.h>

static int count, failed;

static void check(bool good, const char *text)
{
	count++;
	failed += !good;
	printf("%s %d - %s\n", good ? "ok" : "not ok", count, text);
}

static struct nl_msg *begin(const char *kind)
{
	struct tcmsg tcm = { .tcm_ifindex = 1, .tcm_parent = TC_H_ROOT };
	struct nl_msg *msg = nlmsg_alloc();

	nlmsg_put(msg, 0, 0, RTM_NEWQDISC, 0, 0);
	nlmsg_set_proto(msg, NETLINK_ROUTE);
	nlmsg_append(msg, &tcm, sizeof(tcm), NLMSG_ALIGNTO);
	nla_put_string(msg, TCA_KIND, kind);
	return msg;
}

static void keep(struct nl_object *object, void *arg)
{
	nl_object_get(object);
	*(struct nl_object **)arg = object;
}

static struct rtnl_qdisc *by_libnl(struct nl_msg *msg)
{
	struct nl_object *object = NULL;
	int ret = nl_msg_parse(msg, keep, &object);

	if (ret)
		printf("# libnl: %s\n", nl_geterror(ret));
	return (struct rtnl_qdisc *)object;
}

static struct nlattr *options_of(struct nl_msg *msg)
{
	return nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct tcmsg), TCA_OPTIONS);
}

static void test_netem(void)
{
	const struct netem n = {
		.delay = 25600000, .jitter = 6400000, .loss = 42949673, .duplicate = 4294967,
		.corrupt = 429497, .reorder = UINT32_MAX / 4, .limit = 50, .rate = 125000,
	};
	struct netem back;
	struct nl_msg *msg = begin("netem");
	struct rtnl_qdisc *q;

	check(netem_put(msg, &n) == 0, "netem is put");
	q = by_libnl(msg);
	check(q && strcmp(rtnl_tc_get_kind(TC_CAST(q)), "netem") == 0, "libnl reads a netem");
	check(q && rtnl_netem_get_delay(q) == 25600 && rtnl_netem_get_jitter(q) == 6400,
	      "delay and jitter in us");
	check(q && rtnl_netem_get_loss(q) == 42949673 && rtnl_netem_get_duplicate(q) == 4294967,
	      "loss and duplicates");
	check(q && rtnl_netem_get_corruption_probability(q) == 429497, "corruption");
	check(q && rtnl_netem_get_reorder_probability(q) == UINT32_MAX / 4 && rtnl_netem_get_gap(q) == 1,
	      "reordering, with its gap");
	check(q && rtnl_netem_get_limit(q) == 50, "limit");
	check(netem_get(&back, options_of(msg)) == 0 && memcmp(&back, &n, sizeof(n)) == 0,
	      "and back, to the nanosecond");
	rtnl_qdisc_put(q);
	nlmsg_free(msg);
}

/* A change in place must undo what was set before, so zeros are sent, too. */
static void test_netem_zero(void)
{
	static const int types[] = { TCA_NETEM_CORR, TCA_NETEM_REORDER, TCA_NETEM_CORRUPT,
				     TCA_NETEM_RATE, TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64 };
	const struct netem n = { .limit = 1000, .rate = 0 };
	struct nl_msg *msg = begin("netem");
	struct nlattr *options, *first;
	bool all = true;

	netem_put(msg, &n);
	options = options_of(msg);
	first = (struct nlattr *)((char *)nla_data(options) + sizeof(struct tc_netem_qopt));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		all &= nla_find(first, nla_len(options) - (int)sizeof(struct tc_netem_qopt),
				types[i]) != NULL;
	check(all, "a netem of zeros names all that it may undo");
	nlmsg_free(msg);
}

static void test_netem_fast(void)
{
	const struct netem n = { .limit = 1, .rate = 12500000000, .delay = 3600000000000 };
	struct netem back;
	struct nl_msg *msg = begin("netem");

	netem_put(msg, &n);
	check(netem_get(&back, options_of(msg)) == 0 && memcmp(&back, &n, sizeof(n)) == 0,
	      "a rate past 32 bits and a delay of an hour");
	nlmsg_free(msg);
}

static void test_fq_codel(void)
{
	const struct fq_codel f = { .limit = 500, .flows = 64, .target = 7000, .interval = 150000,
				    .quantum = 300, .ecn = true, .ecn_given = true };
	struct fq_codel back;
	struct nl_msg *msg = begin("fq_codel");
	struct rtnl_qdisc *q;

	check(fq_codel_put(msg, &f) == 0, "fq_codel is put");
	q = by_libnl(msg);
	check(q && rtnl_qdisc_fq_codel_get_limit(q) == 500 && rtnl_qdisc_fq_codel_get_flows(q) == 64,
	      "libnl reads limit and flows");
	check(q && rtnl_qdisc_fq_codel_get_target(q) == 7000 &&
	      rtnl_qdisc_fq_codel_get_interval(q) == 150000, "target and interval");
	check(q && rtnl_qdisc_fq_codel_get_quantum(q) == 300 && rtnl_qdisc_fq_codel_get_ecn(q) == 1,
	      "quantum and ecn");
	check(fq_codel_get(&back, options_of(msg)) == 0 && memcmp(&back, &f, sizeof(f)) == 0, "and back");
	rtnl_qdisc_put(q);
	nlmsg_free(msg);
}

static void test_prio(void)
{
	const struct prio p = { .bands = 5 };
	struct prio back;
	struct nl_msg *msg = begin("prio");
	struct rtnl_qdisc *q;

	check(prio_put(msg, &p) == 0, "prio is put");
	q = by_libnl(msg);
	check(q && rtnl_qdisc_prio_get_bands(q) == 5 && rtnl_qdisc_prio_get_priomap(q)[6] == 0,
	      "libnl reads bands and their map");
	check(prio_get(&back, options_of(msg)) == 0 && back.bands == 5, "and back");
	rtnl_qdisc_put(q);
	nlmsg_free(msg);
}

static void test_short(void)
{
	union {
		struct tbf tbf; struct netem netem; struct htb htb; struct htb_class class;
		struct fifo fifo; struct prio prio;
	} t;
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *options;

	nlmsg_put(msg, 0, 0, RTM_NEWQDISC, 0, 0);
	nla_put(msg, TCA_OPTIONS, 2, "ab");
	options = nlmsg_find_attr(nlmsg_hdr(msg), 0, TCA_OPTIONS);
	check(tbf_get(&t.tbf, options) < 0 && netem_get(&t.netem, options) < 0 &&
	      htb_get(&t.htb, options) < 0 && htb_class_get(&t.class, options) < 0 &&
	      fifo_get(&t.fifo, options) < 0 && prio_get(&t.prio, options) < 0,
	      "two bytes are no options");
	nlmsg_free(msg);
}

int main(void)
{
	test_netem();
	test_netem_zero();
	test_netem_fast();
	test_fq_codel();
	test_prio();
	test_short();
	printf("1..%d\n", count);
	return failed != 0;
}
