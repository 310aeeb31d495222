/* The kernel objects of 1000 endpoints by a bare netlink loop: what NERV's own creation and deletion are measured against.
 *
 *	bare create DIR BRIDGE GROUP MTU ALIAS	reads lines "NAME MAC ADDRESS/PREFIX" and makes, for each: a namespace bound on
 *						DIR/NAME with lo up and IPv6 off, a veth with its end eth0 in there (MAC, address)
 *						and its other end NAME on the bridge (group, alias ALIAS:NAME, IPv6 off), both up;
 *						a tmpfs is mounted on DIR
 *	bare delete DIR GROUP			takes all away again: the tmpfs with the namespaces, the links of the group
 *	bare drop DIR GROUP			the same, but the kernel ends the namespaces after it
 *	bare settle				waits until the kernel is done with all namespaces that were dropped before
 *
 * create, delete and drop print the seconds that they took; delete settles before its time ends. Exit status 1 after a message.
 * Creation is one message after the other, each acknowledged: the plainest loop that does the same. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OWN_NETNS "/proc/self/ns/net"
#define MARKER_ID 0x6e000000	/* ids that the kernel chooses begin at 0 */
#define ADDRESS_PROTO 0x6e	/* as NERV marks its addresses */

struct request {
	struct nlmsghdr h;
	char body[1024];
};

struct endpoint {
	char name[IFNAMSIZ], address[INET_ADDRSTRLEN];
	unsigned char mac[6];
	unsigned int prefix;
};

struct plan {
	const char *dir, *alias;
	int bridge, home, sk;
	unsigned int group, mtu;
};

static int fail(const char *what, const char *name)
{
	int ret = -errno;

	fprintf(stderr, "bare: %s %s: %s\n", what, name, strerror(errno));
	return ret ? ret : -EINVAL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- netlink ---- */

static void *begin(struct request *r, int type, int flags, size_t size)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_len = NLMSG_LENGTH(size);
	r->h.nlmsg_type = (unsigned short)type;
	r->h.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return NLMSG_DATA(&r->h);
}

static struct rtattr *put(struct request *r, int type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void put_u32(struct request *r, int type, unsigned int value)
{
	put(r, type, &value, sizeof(value));
}

static void put_text(struct request *r, int type, const char *text)
{
	put(r, type, text, strlen(text) + 1);
}

static void end_nest(struct request *r, struct rtattr *a)
{
	a->rta_len = (unsigned short)((char *)r + r->h.nlmsg_len - (char *)a);
}

static int open_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/* Sends and reads the acknowledgement: 0, or -1 with errno set. */
static int request(int sk, struct request *r)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[2048];
	} answer;
	ssize_t n = send(sk, r, r->h.nlmsg_len, 0);

	do {
		if (n > 0)
			n = recv(sk, &answer, sizeof(answer), 0);
		if (n < 0)
			return -1;
	} while (answer.h.nlmsg_type != NLMSG_ERROR);	/* a notification came before it */
	errno = -answer.e.error;
	return errno ? -1 : 0;
}

static int bring_up(int sk, int index, const char *alias)
{
	struct request r;
	struct ifinfomsg *ifi = begin(&r, RTM_SETLINK, 0, sizeof(*ifi));

	ifi->ifi_index = index;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	if (alias)
		put(&r, IFLA_IFALIAS, alias, strlen(alias));
	return request(sk, &r);
}

static int index_of(int sk, const char *name)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	return ioctl(sk, SIOCGIFINDEX, &ifr) ? -1 : ifr.ifr_ifindex;
}

/* ---- create ---- */

static int write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, "1", 1) == 1 ? 0 : -1;
	close(fd);
	return ret;
}

/* The namespace, bound on its path; *sk is a connection into it, *ns its descriptor. */
static int make_namespace(const struct plan *p, const char *path, int *sk, int *ns)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0), ret = -1;

	if (fd < 0)
		return fail("create", path);
	close(fd);
	if (unshare(CLONE_NEWNET))
		return fail("unshare for", path);
	*ns = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	*sk = open_netlink();
	if (*ns >= 0 && *sk >= 0 && !mount(OWN_NETNS, path, "none", MS_BIND, NULL) &&
	    !write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6") && !bring_up(*sk, 1, NULL))
		ret = 0;
	if (ret)
		ret = fail("set up", path);
	return setns(p->home, CLONE_NEWNET) ? fail("return from", path) : ret;
}

static int make_pair(const struct plan *p, const struct endpoint *e, int ns)
{
	static const struct ifinfomsg none;
	struct rtattr *info, *data, *peer;
	struct request r;

	begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	put_text(&r, IFLA_IFNAME, e->name);
	put_u32(&r, IFLA_MTU, p->mtu);
	put_u32(&r, IFLA_MASTER, (unsigned int)p->bridge);
	put_u32(&r, IFLA_GROUP, p->group);
	info = put(&r, IFLA_LINKINFO, NULL, 0);
	put_text(&r, IFLA_INFO_KIND, "veth");
	data = put(&r, IFLA_INFO_DATA, NULL, 0);
	peer = put(&r, VETH_INFO_PEER, &none, sizeof(none));
	put_text(&r, IFLA_IFNAME, "eth0");
	put(&r, IFLA_ADDRESS, e->mac, sizeof(e->mac));
	put_u32(&r, IFLA_MTU, p->mtu);
	put_u32(&r, IFLA_NET_NS_FD, (unsigned int)ns);
	end_nest(&r, peer);
	end_nest(&r, data);
	end_nest(&r, info);
	return request(p->sk, &r) ? fail("veth", e->name) : 0;
}

static int start_near(const struct plan *p, const struct endpoint *e)
{
	char path[128], alias[256];
	int index = index_of(p->sk, e->name);

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", e->name);
	snprintf(alias, sizeof(alias), "%s:%s", p->alias, e->name);
	if (index < 0 || write_file(path) || bring_up(p->sk, index, alias))
		return fail("bring up", e->name);
	return 0;
}

static int start_far(const struct endpoint *e, int sk)
{
	const unsigned char proto = ADDRESS_PROTO;
	struct ifaddrmsg *ifa;
	struct in_addr address;
	struct request r;
	int index = index_of(sk, "eth0");

	ifa = begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = (unsigned char)e->prefix;
	ifa->ifa_index = (unsigned int)index;
	inet_pton(AF_INET, e->address, &address);
	put(&r, IFA_LOCAL, &address, sizeof(address));
	put(&r, IFA_ADDRESS, &address, sizeof(address));
	put(&r, IFA_PROTO, &proto, sizeof(proto));
	if (index < 0 || bring_up(sk, index, NULL) || request(sk, &r))
		return fail("eth0 of", e->name);
	return 0;
}

static int make_endpoint(const struct plan *p, const struct endpoint *e)
{
	char path[4096];
	int sk = -1, ns = -1, ret;

	snprintf(path, sizeof(path), "%s/%s", p->dir, e->name);
	ret = make_namespace(p, path, &sk, &ns);
	if (!ret)
		ret = make_pair(p, e, ns);
	if (!ret)
		ret = start_near(p, e);
	if (!ret)
		ret = start_far(e, sk);
	if (sk >= 0)
		close(sk);
	if (ns >= 0)
		close(ns);
	return ret;
}

/* The endpoints that stdin lists, or NULL. */
static struct endpoint *read_list(size_t *count)
{
	struct endpoint *list = NULL, *more, e;
	size_t n = 0;

	while (scanf("%15s %hhx:%hhx:%hhx:%hhx:%hhx:%hhx %15[0-9.]/%u", e.name, &e.mac[0], &e.mac[1], &e.mac[2],
		     &e.mac[3], &e.mac[4], &e.mac[5], e.address, &e.prefix) == 9) {
		more = realloc(list, (n + 1) * sizeof(*list));
		if (!more)
			break;
		list = more;
		list[n++] = e;
	}
	*count = n;
	if (feof(stdin) && n)
		return list;
	fprintf(stderr, "bare: line %zu is no NAME MAC ADDRESS/PREFIX\n", n + 1);
	free(list);
	return NULL;
}

static int create(char **arg)
{
	struct plan p = { .dir = arg[0], .group = (unsigned int)strtoul(arg[2], NULL, 0),
			  .mtu = (unsigned int)strtoul(arg[3], NULL, 0), .alias = arg[4] };
	struct endpoint *list;
	size_t count, i;
	double began;
	int ret = 0;

	list = read_list(&count);
	if (!list)
		return -EINVAL;
	began = now();
	p.home = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	p.sk = open_netlink();
	p.bridge = index_of(p.sk, arg[1]);
	if (p.home < 0 || p.bridge < 0)
		ret = fail("bridge", arg[1]);
	else if (mount("none", p.dir, "tmpfs", 0, NULL) || mount("", p.dir, "none", MS_PRIVATE, NULL))
		ret = fail("mount on", p.dir);
	for (i = 0; !ret && i < count; i++)
		ret = make_endpoint(&p, &list[i]);
	if (!ret)
		printf("%.6f\n", now() - began);
	free(list);
	return ret;
}

/* ---- settle ---- */

/* A namespace and its id in ours. */
struct marker {
	int fd, id;
};

static int make_marker(struct marker *m, int sk, int home)
{
	struct request r;

	if (unshare(CLONE_NEWNET))
		return -1;
	m->fd = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	if (setns(home, CLONE_NEWNET) || m->fd < 0)
		return -1;
	begin(&r, RTM_NEWNSID, 0, NLMSG_ALIGN(sizeof(struct rtgenmsg)));
	put_u32(&r, NETNSA_FD, (unsigned int)m->fd);
	put(&r, NETNSA_NSID, &m->id, sizeof(m->id));
	return request(sk, &r) ? -1 : 0;
}

static bool tells_end_of(const struct nlmsghdr *h, int id)
{
	const struct rtattr *a = (const void *)((const char *)h + NLMSG_SPACE(sizeof(struct rtgenmsg)));

	return h->nlmsg_type == RTM_DELNSID && a->rta_type == NETNSA_NSID && *(const int *)RTA_DATA(a) == id;
}

/* Drops a namespace and waits for the kernel's word that its clean-up has begun. */
static int drop_marker(const struct marker *m, int sk)
{
	struct nlmsghdr h[64];
	const int group = RTNLGRP_NSID, space = 16 << 20;	/* all others may end in the same batch */

	if (setsockopt(sk, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof(space)) ||
	    setsockopt(sk, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		return -1;
	close(m->fd);
	do {
		if (recv(sk, h, sizeof(h), 0) < 0)
			return -1;
	} while (!tells_end_of(h, m->id));
	return setsockopt(sk, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

/* The kernel cleans up namespaces in batches, one after the other, and tells the end of a namespace's id at the begin
 * of its batch (cleanup_net() in net/core/net_namespace.c). So when the first marker's id goes, all that were dropped before
 * are in its batch or done; when the second's goes, that batch is done. */
static int settle(char **arg)
{
	int home = open(OWN_NETNS, O_RDONLY | O_CLOEXEC), sk = open_netlink(), i;
	struct marker m;

	(void)arg;
	for (i = 0; i < 2; i++) {
		m.id = MARKER_ID + i;
		if (make_marker(&m, sk, home) || drop_marker(&m, sk))
			return fail("settle", "namespaces");
	}
	return 0;
}

/* ---- delete ---- */

static int delete_links(unsigned int group)
{
	struct request r;
	int sk = open_netlink(), ret;

	begin(&r, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
	put_u32(&r, IFLA_GROUP, group);
	ret = request(sk, &r);
	close(sk);
	return ret && errno != ENODEV ? fail("delete", "link group") : 0;	/* they may go with their namespaces first */
}

static void *delete_beside(void *group)
{
	return (void *)(intptr_t)delete_links(*(unsigned int *)group);
}

/* The fastest of what was tried with 1000 endpoints (median seconds of 7 rounds each, turn by turn):
 *	1.12	link group in one RTM_DELLINK, while another thread detaches the mount that holds all namespaces
 *	1.16	that mount alone; the links go with their namespaces
 *	1.17	group, then that mount; or group, while another thread unmounts the namespaces one by one
 *	1.19	group, then the namespaces one by one; 1.20 with two threads
 *	1.20	the namespaces one by one, no group; or the group after them */
static int take_away(char **arg, bool settled)
{
	const double began = now();
	unsigned int group = (unsigned int)strtoul(arg[1], NULL, 0);
	pthread_t thread;
	void *links;
	int ret;

	ret = -pthread_create(&thread, NULL, delete_beside, &group);
	if (ret)
		return ret;
	if (umount2(arg[0], MNT_DETACH))
		ret = fail("unmount", arg[0]);
	pthread_join(thread, &links);
	if (!ret)
		ret = (int)(intptr_t)links;
	if (!ret && settled)
		ret = settle(NULL);
	if (!ret)
		printf("%.6f\n", now() - began);
	return ret;
}

static int delete(char **arg)
{
	return take_away(arg, true);
}

static int drop(char **arg)
{
	return take_away(arg, false);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **arg);
	} commands[] = { { "create", 5, create }, { "delete", 2, delete }, { "drop", 2, drop }, { "settle", 0, settle } };
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0 && argc == commands[i].arguments + 2)
			return commands[i].run(argv + 2) ? 1 : 0;
	fputs("usage: bare create DIR BRIDGE GROUP MTU ALIAS | delete DIR GROUP | drop DIR GROUP | settle\n", stderr);
	return 2;
}
