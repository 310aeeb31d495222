/* Options of tc filters as netlink attributes. */
#include "bindings/filter_encode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

/* Where a kind keeps what all have. */
struct layout {
	const char *kind;
	int classid, actions, max;
};

static const struct layout layouts[] = {
	{ "u32", TCA_U32_CLASSID, TCA_U32_ACT, TCA_U32_MAX },
	{ "matchall", TCA_MATCHALL_CLASSID, TCA_MATCHALL_ACT, TCA_MATCHALL_MAX },
	{ "bpf", TCA_BPF_CLASSID, TCA_BPF_ACT, TCA_BPF_MAX },
};

/* Room for the attributes of any of them. */
#define ATTRIBUTES (TCA_U32_MAX + 1)
_Static_assert(TCA_BPF_MAX <= TCA_U32_MAX && TCA_MATCHALL_MAX <= TCA_U32_MAX, "room for all");

static const struct layout *find_layout(const char *kind)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (strcmp(layouts[i].kind, kind) == 0)
			return &layouts[i];
	return NULL;
}

/* A list of one action: mirred, which sends to another interface. */
static int put_action(struct nl_msg *msg, int type, const struct filter *f)
{
	const struct tc_mirred parms = {
		.action = f->mirror ? TC_ACT_PIPE : TC_ACT_STOLEN,
		.eaction = f->mirror ? TCA_EGRESS_MIRROR : TCA_EGRESS_REDIR,
		.ifindex = f->target,
	};
	struct nlattr *list = nla_nest_start(msg, type), *first, *options;
	int ret;

	if (!list || !(first = nla_nest_start(msg, 1)))
		return -EMSGSIZE;
	ret = nla_put_string(msg, TCA_ACT_KIND, "mirred");
	options = nla_nest_start(msg, TCA_ACT_OPTIONS);
	if (ret || !options || nla_put(msg, TCA_MIRRED_PARMS, sizeof(parms), &parms))
		return -EMSGSIZE;
	nla_nest_end(msg, options);
	nla_nest_end(msg, first);
	nla_nest_end(msg, list);
	return 0;
}

static void get_action(struct filter *f, struct nlattr *list)
{
	struct nlattr *tb[TCA_ACT_MAX + 1], *options[TCA_MIRRED_MAX + 1];
	struct nlattr *first = nla_find(nla_data(list), nla_len(list), 1);
	const struct tc_mirred *parms;

	if (!first || nla_parse_nested(tb, TCA_ACT_MAX, first, NULL) < 0 || !tb[TCA_ACT_KIND] ||
	    nla_strcmp(tb[TCA_ACT_KIND], "mirred") != 0 || !tb[TCA_ACT_OPTIONS] ||
	    nla_parse_nested(options, TCA_MIRRED_MAX, tb[TCA_ACT_OPTIONS], NULL) < 0 ||
	    !options[TCA_MIRRED_PARMS] || nla_len(options[TCA_MIRRED_PARMS]) < (int)sizeof(*parms))
		return;
	parms = nla_data(options[TCA_MIRRED_PARMS]);
	f->target = parms->ifindex;
	f->mirror = parms->eaction == TCA_EGRESS_MIRROR;
}

/* Without a match the selector has one key of no bits: the kernel takes no empty one. */
static int put_selector(struct nl_msg *msg, const struct filter *f)
{
	struct {
		struct tc_u32_sel head;
		struct tc_u32_key keys[FILTER_MATCHES];
	} sel = { .head = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };

	if (f->matches)
		sel.head.nkeys = (unsigned char)f->matches;
	for (int i = 0; i < f->matches; i++)
		sel.keys[i] = (struct tc_u32_key){
			.mask = htonl(f->match[i].mask), .off = f->match[i].offset,
			.val = htonl(f->match[i].value & f->match[i].mask),
		};
	return nla_put(msg, TCA_U32_SEL, (int)(sizeof(sel.head) + sel.head.nkeys * sizeof(sel.keys[0])), &sel);
}

static void get_selector(struct filter *f, const struct nlattr *attr)
{
	const struct tc_u32_sel *sel = nla_data(attr);

	if (nla_len(attr) < (int)sizeof(*sel) ||
	    nla_len(attr) < (int)(sizeof(*sel) + sel->nkeys * sizeof(sel->keys[0])))
		return;
	for (int i = 0; i < sel->nkeys && f->matches < FILTER_MATCHES; i++)
		if (sel->keys[i].mask)
			f->match[f->matches++] = (struct filter_match){
				.offset = sel->keys[i].off, .value = ntohl(sel->keys[i].val),
				.mask = ntohl(sel->keys[i].mask),
			};
}

/* One that drops has its program with it: a kernel may lack the action `gact`. */
static const struct sock_filter drop_all = { .code = BPF_RET | BPF_K, .k = TC_ACT_SHOT };

static int put_program(struct nl_msg *msg, const struct filter *f)
{
	int ret;

	if (f->drop) {
		ret = nla_put_u16(msg, TCA_BPF_OPS_LEN, 1);
		ret |= nla_put(msg, TCA_BPF_OPS, sizeof(drop_all), &drop_all);
	} else {
		ret = nla_put_u32(msg, TCA_BPF_FD, (uint32_t)f->program_fd);
		ret |= nla_put_string(msg, TCA_BPF_NAME, f->program_name);
	}
	return ret | nla_put_u32(msg, TCA_BPF_FLAGS, f->direct_action ? TCA_BPF_FLAG_ACT_DIRECT : 0);
}

static void get_program(struct filter *f, struct nlattr **tb)
{
	const struct nlattr *ops = tb[TCA_BPF_OPS];

	f->program_name = tb[TCA_BPF_NAME] ? nla_get_string(tb[TCA_BPF_NAME]) : "";
	f->direct_action = tb[TCA_BPF_FLAGS] && nla_get_u32(tb[TCA_BPF_FLAGS]) & TCA_BPF_FLAG_ACT_DIRECT;
	f->drop = f->direct_action && ops && nla_len(ops) == sizeof(drop_all) &&
		  memcmp(nla_data(ops), &drop_all, sizeof(drop_all)) == 0;
}

int filter_put(struct nl_msg *msg, const char *kind, const struct filter *f)
{
	const struct layout *at = find_layout(kind);
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	int ret = 0;

	if (!options || !at)
		return -EMSGSIZE;
	if (f->classid)
		ret |= nla_put_u32(msg, at->classid, f->classid);
	if (strcmp(kind, "u32") == 0)
		ret |= put_selector(msg, f);
	if (strcmp(kind, "bpf") == 0)
		ret |= put_program(msg, f);
	if (f->target)
		ret |= put_action(msg, at->actions, f);
	nla_nest_end(msg, options);
	return ret ? -EMSGSIZE : 0;
}

int filter_get(struct filter *f, const char *kind, struct nlattr *options)
{
	const struct layout *at = find_layout(kind);
	struct nlattr *tb[ATTRIBUTES];

	if (!at || nla_parse_nested(tb, at->max, options, NULL) < 0)
		return -EINVAL;
	memset(f, 0, sizeof(*f));
	if (tb[at->classid] && nla_len(tb[at->classid]) >= 4)
		f->classid = nla_get_u32(tb[at->classid]);
	if (tb[at->actions])
		get_action(f, tb[at->actions]);
	if (strcmp(kind, "u32") == 0 && tb[TCA_U32_SEL])
		get_selector(f, tb[TCA_U32_SEL]);
	if (strcmp(kind, "bpf") == 0)
		get_program(f, tb);
	return 0;
}
