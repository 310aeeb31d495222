/* A switch for the benchmark of table adds: one exact table of 131072 MAC addresses says where a frame goes; all else is
 * dropped. The description is big.json: numbers of tables and actions must agree. */
#include "nve_rt.h"

enum action { NO_ACTION, TO_PORT, DROP };

struct mac_key {
	__u8 mac[6];
	__u16 zero;
};

NERV_TABLE(0, macs, 8, 16);

SEC("tc")
int nerv_ingress(struct __sk_buff *skb)
{
	const struct nerv_value *v;
	struct nerv_frame f = {};
	struct mac_key key = {};
	int ret = -1;

	switch (nerv_enter(skb, &f)) {
	case NERV_FOREIGN:
		return NERV_PASS;
	case NERV_STOPPED:
	case NERV_LOOPED:
		return TC_ACT_SHOT;
	case NERV_RUN:
		break;
	}
	if (bpf_skb_load_bytes(skb, 0, key.mac, sizeof(key.mac)))
		return TC_ACT_SHOT;
	v = nerv_find(&t0_macs, &d0_macs, &n0_macs, &key, f.bytes);
	if (v && v->action == TO_PORT)
		ret = nerv_output(skb, &f, nerv_u16(v, 0));
	return ret < 0 ? TC_ACT_SHOT : ret;
}

char _license[] SEC("license") = "GPL";
