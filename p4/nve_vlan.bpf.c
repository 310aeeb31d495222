/* The VLAN edge: a frame of a network's port leaves by an egress port with that network's 802.1Q tag outermost; a frame
 * that arrives at an egress port goes to the port that its outer tag names, without that tag. A tenant's own tags stay
 * inside. What no network owns goes on to the host (shared port) or is dropped (dedicated port).
 *
 * The direct counter of uplinks counts what no network owns. Counts of packets are frames as the host handles them: a
 * TCP segment of 64 kB is one. The description is nve_vlan.json: numbers of tables and actions must agree. */
#include "nve_rt.h"

enum action { NO_ACTION, TO_TAG, TO_PORT, SHARED, DEDICATED };

enum verdict {
	TO_HOST,		/* shared port, no network owns the frame */
	DROPPED_DEDICATED,	/* dedicated port, no network owns the frame */
	DROPPED_NO_ENTRY,	/* the port is in neither table */
	DROPPED_NO_PORT,	/* an entry names a port that is not there, or the drop port */
	DROPPED_TAG,		/* the kernel could not push or pop the tag */
	DROPPED_HOPS,		/* redirected between ports too often */
	PUSHED,
	POPPED,
};

struct port_key {
	__u16 port;
	__u16 zero[3];
};

struct tag_key {
	__u16 port;
	__u16 vid;
	__u32 zero;
};

NERV_TABLE(0, ingress_ports, 8, 16);
NERV_TABLE(1, tags, 8, 16);
NERV_TABLE(2, uplinks, 8, 8);
NERV_COUNTER(c3_verdicts);

#define FIND(table, key, f) nerv_find(&t##table, &d##table, &n##table, key, (f)->bytes)

NERV_INLINE int drop(const struct nerv_frame *f, enum verdict why)
{
	nerv_count(&c3_verdicts, why, f->bytes);
	return TC_ACT_SHOT;
}

NERV_INLINE int forward(struct __sk_buff *skb, const struct nerv_frame *f, __u32 port, enum verdict how)
{
	int ret = nerv_output(skb, f, port);

	if (ret < 0)
		return drop(f, DROPPED_NO_PORT);
	nerv_count(&c3_verdicts, how, f->bytes);
	return ret;
}

NERV_INLINE int to_tag(struct __sk_buff *skb, const struct nerv_frame *f, const struct nerv_value *v)
{
	__u32 vid = nerv_u16(v, 0) & 0xfff, port = nerv_u16(v, 2);

	if (bpf_skb_vlan_push(skb, bpf_htons(0x8100), vid))
		return drop(f, DROPPED_TAG);
	return forward(skb, f, port, PUSHED);
}

NERV_INLINE int to_port(struct __sk_buff *skb, const struct nerv_frame *f, const struct nerv_value *v)
{
	__u32 port = nerv_u16(v, 0);

	if (bpf_skb_vlan_pop(skb))
		return drop(f, DROPPED_TAG);
	return forward(skb, f, port, POPPED);
}

NERV_INLINE int unowned(const struct nerv_frame *f, const struct nerv_value *v)
{
	if (v && v->action == SHARED) {
		nerv_count(&c3_verdicts, TO_HOST, f->bytes);
		return NERV_PASS;
	}
	if (v && v->action == DEDICATED)
		return drop(f, DROPPED_DEDICATED);
	return drop(f, DROPPED_NO_ENTRY);
}

SEC("tc")
int nerv_ingress(struct __sk_buff *skb)
{
	const struct nerv_value *v;
	struct nerv_frame f = {};
	struct port_key port = {};
	struct tag_key tag = {};
	int vid;

	switch (nerv_enter(skb, &f)) {
	case NERV_FOREIGN:
		return NERV_PASS;
	case NERV_STOPPED:
		return TC_ACT_SHOT;
	case NERV_LOOPED:
		return drop(&f, DROPPED_HOPS);
	case NERV_RUN:
		break;
	}
	port.port = tag.port = bpf_htons(f.port);
	v = FIND(0_ingress_ports, &port, &f);
	if (v && v->action == TO_TAG)
		return to_tag(skb, &f, v);
	vid = nerv_outer_vid(skb);
	if (vid >= 0) {
		tag.vid = bpf_htons(vid);
		v = FIND(1_tags, &tag, &f);
		if (v && v->action == TO_PORT)
			return to_port(skb, &f, v);
	}
	return unowned(&f, FIND(2_uplinks, &port, &f));
}

char _license[] SEC("license") = "GPL";
