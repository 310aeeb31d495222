/* tc filters through libbpf, and the few things about a link that the switch must know. */
#include "tc.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDLE 1u
#define PRIORITY 1u

int nve_tc_qdisc(uint32_t ifindex, bool *made, struct nve_error *e)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	int ret = bpf_tc_hook_create(&hook);

	*made = ret == 0;
	if (ret && ret != -EEXIST)
		return nve_fail(e, ret, "clsact qdisc: %s", strerror(-ret));
	return 0;
}

/* Program at our place, 0 for none. */
static uint32_t present(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static bool is_known(uint32_t id, const uint32_t *known, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (known[i] == id)
			return true;
	return false;
}

bool nve_tc_attached(uint32_t ifindex, const uint32_t *known, unsigned int n)
{
	uint32_t id = present(ifindex);

	return id && is_known(id, known, n);
}

int nve_tc_attach(uint32_t ifindex, int prog, const uint32_t *known, unsigned int n, struct nve_error *e)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY, .prog_fd = prog, .flags = BPF_TC_F_REPLACE);
	uint32_t id = present(ifindex);
	int ret;

	if (id && !is_known(id, known, n))
		return nve_fail(e, -EBUSY, "program %u of somebody else is its tc ingress filter with priority 1, handle 1: "
				"'tc filter del dev NAME ingress pref 1' removes it",
				id);
	ret = bpf_tc_attach(&hook, &opts);
	if (ret)
		return nve_fail(e, ret, "tc filter: %s", strerror(-ret));
	return 0;
}

/* Whether any filter is left at one side of the clsact qdisc; true when in doubt. */
static bool has_filters(int sock, uint32_t ifindex, uint32_t side)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg t;
	} req = {
		.h = { .nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETTFILTER, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.t = { .tcm_ifindex = (int)ifindex, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, side) },
	};
	_Alignas(struct nlmsghdr) char buf[16384];
	struct nlmsghdr *h;
	bool found = false;
	ssize_t n;

	if (send(sock, &req, sizeof(req), 0) < 0)
		return true;
	for (;;) {
		n = recv(sock, buf, sizeof(buf), 0);
		if (n <= 0)
			return true;
		for (h = (struct nlmsghdr *)buf; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return found;
			found = true;
		}
	}
}

static bool in_use(uint32_t ifindex)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool used;

	if (sock < 0)
		return true;
	used = has_filters(sock, ifindex, TC_H_MIN_INGRESS) || has_filters(sock, ifindex, TC_H_MIN_EGRESS);
	close(sock);
	return used;
}

int nve_tc_detach(uint32_t ifindex, const uint32_t *known, unsigned int n, bool qdisc, struct nve_error *e)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	uint32_t id = present(ifindex);
	int ret = 0;

	if (id && is_known(id, known, n))
		ret = bpf_tc_detach(&hook, &opts);
	if (ret && ret != -ENOENT && ret != -ENODEV && ret != -EINVAL)
		return nve_fail(e, ret, "tc filter: %s", strerror(-ret));
	if (qdisc && !in_use(ifindex)) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	return 0;
}

static int get_flags(const char *name, struct ifreq *r)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	memset(r, 0, sizeof(*r));
	strncpy(r->ifr_name, name, sizeof(r->ifr_name) - 1);
	if (ioctl(sock, SIOCGIFFLAGS, r)) {
		int ret = -errno;

		close(sock);
		return ret;
	}
	return sock;
}

int nve_link_promisc(const char *name, bool on, bool *changed, struct nve_error *e)
{
	struct ifreq r;
	int sock = get_flags(name, &r), ret = 0;

	*changed = false;
	if (sock < 0)
		return nve_fail(e, sock, "flags: %s", strerror(-sock));
	if (!!(r.ifr_flags & IFF_PROMISC) != on) {
		r.ifr_flags ^= IFF_PROMISC;
		if (ioctl(sock, SIOCSIFFLAGS, &r))
			ret = nve_fail(e, -errno, "promiscuous mode: %s", strerror(errno));
		else
			*changed = true;
	}
	close(sock);
	return ret;
}

bool nve_link_running(const char *name)
{
	struct ifreq r;
	int sock = get_flags(name, &r);

	if (sock < 0)
		return false;
	close(sock);
	return (r.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}
