/* Layer-2 echo frames between two endpoints, by raw packet sockets and an EtherType that no protocol has taken.
 *
 *	echo NETNS-A NETNS-B IFACE RATE [LABEL]	sends RATE frames/s from IFACE in NETNS-A to the address of IFACE in
 *						NETNS-B, where each is sent back; prints "ready" when the first came back;
 *						when stdin ends it stops, waits a moment for what is under way, and prints
 *						"SENT LOST"
 *
 * With the LABEL of an ETArch workspace both send messages to that, by ETArch's EtherType.
 *
 * One thread and one poll loop; frames that were due while it did not run are sent at once after. Exit status 1 after a
 * message. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ECHO_TYPE 0x88b5	/* IEEE 802: local experimental use */
#define ETARCH_TYPE 0x0880
#define REQUEST 1
#define ANSWER 2
#define MOST (1u << 20)		/* frames of a run */
#define LAST_MS 1000		/* for what is under way at the end */
#define BUFFER (4 << 20)

struct frame {
	unsigned char to[6], from[6];
	uint16_t type;
	uint16_t what;
	uint32_t number;
	char rest[40];
} __attribute__((packed));

/* One end: its socket, interface and address. */
struct end {
	int sk, index;
	unsigned char mac[6];
};

struct run {
	struct end a, b;
	unsigned char label[6];	/* where both send to; or else: */
	bool direct;
	uint16_t type;
	uint32_t sent, lost, first;	/* first: that is counted; 0 before */
	bool *back;	/* by number */
};

static int fail(const char *what, const char *name)
{
	int ret = -errno;

	fprintf(stderr, "echo: %s %s: %s\n", what, name, strerror(errno));
	return ret ? ret : -EINVAL;
}

static int open_end(struct end *e, uint16_t type, const char *path, const char *iface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(type) };
	struct ifreq ifr = { 0 };
	const int space = BUFFER;
	int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		return fail("enter", path);
	close(ns);
	e->sk = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", iface);
	if (e->sk < 0 || ioctl(e->sk, SIOCGIFINDEX, &ifr))
		return fail("interface", iface);
	at.sll_ifindex = e->index = ifr.ifr_ifindex;
	if (ioctl(e->sk, SIOCGIFHWADDR, &ifr))
		return fail("address of", iface);
	memcpy(e->mac, ifr.ifr_hwaddr.sa_data, sizeof(e->mac));
	if (setsockopt(e->sk, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof(space)) ||
	    bind(e->sk, (const void *)&at, sizeof(at)))
		return fail("bind to", iface);
	return 0;
}

/* What cannot be sent is a lost frame, and no reason to end. */
static void send_frame(const struct run *r, const struct end *e, const unsigned char *to, uint16_t what, uint32_t number)
{
	struct frame f = { .type = htons(r->type), .what = htons(what), .number = htonl(number) };

	memcpy(f.to, r->direct ? to : r->label, sizeof(f.to));
	memcpy(f.from, e->mac, sizeof(f.from));
	(void)!send(e->sk, &f, sizeof(f), 0);
}

static void receive(struct run *r, const struct end *e)
{
	struct frame f;
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);

	while (recvfrom(e->sk, &f, sizeof(f), 0, (void *)&from, &len) == sizeof(f)) {
		uint32_t number = ntohl(f.number);

		len = sizeof(from);
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		if (e == &r->b && ntohs(f.what) == REQUEST)
			send_frame(r, e, f.from, ANSWER, number);
		if (e == &r->a && ntohs(f.what) == ANSWER && number < MOST)
			r->back[number] = true;
	}
}

/* The first frames may find a bridge's port not forwarding yet: the count begins when one came back. */
static void see_ready(struct run *r)
{
	uint32_t i;

	for (i = 0; !r->first && i < r->sent; i++) {
		if (r->back[i]) {
			r->first = r->sent;
			puts("ready");
			fflush(stdout);
		}
	}
}

static int start_timer(unsigned int rate)
{
	struct itimerspec every = { .it_interval = { .tv_nsec = 1000000000 / rate }, .it_value = { .tv_nsec = 1 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL))
		return fail("timer", "");
	return fd;
}

/* Until stdin ends; then without sending until nothing came for LAST_MS. */
static int loop(struct run *r, int timer)
{
	struct pollfd fds[] = { { r->a.sk, POLLIN, 0 }, { r->b.sk, POLLIN, 0 }, { timer, POLLIN, 0 }, { 0, POLLIN, 0 } };
	uint64_t due;
	int n;

	for (;;) {
		n = poll(fds, timer < 0 ? 2 : 4, timer < 0 ? LAST_MS : -1);
		if (n < 0 && errno != EINTR)
			return fail("poll", "");
		if (timer < 0 && n == 0)
			return 0;
		receive(r, &r->b);
		receive(r, &r->a);
		see_ready(r);
		if (timer >= 0 && fds[3].revents)
			timer = -1;
		if (timer < 0 || !(fds[2].revents & POLLIN) || read(timer, &due, sizeof(due)) != sizeof(due))
			continue;
		while (due-- && r->sent < MOST)
			send_frame(r, &r->a, r->b.mac, REQUEST, r->sent++);
	}
}

static bool read_label(struct run *r, const char *text)
{
	const struct ether_addr *label = text ? ether_aton(text) : NULL;

	r->direct = !text;
	r->type = text ? ETARCH_TYPE : ECHO_TYPE;
	if (label)
		memcpy(r->label, label, sizeof(r->label));
	return label || !text;
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	int timer, ret;
	uint32_t i;

	if (argc < 5 || argc > 6 || strtoul(argv[4], NULL, 0) < 2 || !read_label(&r, argv[5])) {
		fputs("usage: echo NETNS-A NETNS-B IFACE RATE [LABEL]\n", stderr);
		return 2;
	}
	r.back = calloc(MOST, sizeof(*r.back));
	timer = start_timer((unsigned int)strtoul(argv[4], NULL, 0));
	if (!r.back || timer < 0 || open_end(&r.a, r.type, argv[1], argv[3]) || open_end(&r.b, r.type, argv[2], argv[3]))
		return 1;
	ret = loop(&r, timer);
	for (i = r.first; i < r.sent; i++)
		r.lost += !r.back[i];
	if (!ret)
		printf("%u %u\n", r.sent - r.first, r.lost);
	free(r.back);
	return ret || !r.first;
}
