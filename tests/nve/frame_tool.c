/* A test tool: sends one frame, given as hex digits, out of an interface; or counts for some time what arrives there.
 *	frame_tool send IFACE HEX [TIMES]
 *	frame_tool wait IFACE HEX-PREFIX MILLISECONDS	exit status 0 when a frame with these bytes came in; tags are put back */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int parse_hex(const char *s, uint8_t *out, size_t size)
{
	unsigned int b;
	size_t n = 0;

	for (; *s; s += 2) {
		if (n == size || sscanf(s, "%2x", &b) != 1 || !s[1])
			return -1;
		out[n++] = (uint8_t)b;
	}
	return (int)n;
}

static int open_socket(const char *iface)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1;

	a.sll_ifindex = (int)if_nametoindex(iface);
	if (fd < 0 || !a.sll_ifindex || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
	return fd;
}

/* One received frame with its tag back in the bytes; 0 for one of our own. */
static ssize_t receive(int fd, uint8_t *buf, size_t size)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct sockaddr_ll from;
	struct iovec iov = { buf, size - 4 };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };
	struct tpacket_auxdata aux;
	struct cmsghdr *c;
	ssize_t n = recvmsg(fd, &m, 0);
	uint16_t tag[2];

	if (n < 14 || from.sll_pkttype == PACKET_OUTGOING)
		return 0;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		memmove(buf + 16, buf + 12, (size_t)n - 12);
		tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q);
		tag[1] = htons(aux.tp_vlan_tci);
		memcpy(buf + 12, tag, 4);
		n += 4;
	}
	return n;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_frame(int fd, const uint8_t *want, int len, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end = now_ms() + ms;
	static uint8_t buf[70000];
	ssize_t n;

	puts("listening");
	fflush(stdout);
	while (now_ms() < end) {
		if (poll(&p, 1, (int)(end - now_ms())) <= 0)
			continue;
		n = receive(fd, buf, sizeof(buf));
		if (n >= len && memcmp(buf, want, (size_t)len) == 0)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	uint8_t frame[2000];
	int fd, n, i, times;

	if (argc < 4 || (n = parse_hex(argv[3], frame, sizeof(frame))) < 0) {
		fprintf(stderr, "usage: frame_tool send IFACE HEX [TIMES] | wait IFACE HEX MILLISECONDS\n");
		return 2;
	}
	fd = open_socket(argv[2]);
	if (fd < 0) {
		perror(argv[2]);
		return 2;
	}
	if (strcmp(argv[1], "wait") == 0)
		return wait_frame(fd, frame, n, argc > 4 ? atoi(argv[4]) : 1000);
	times = argc > 4 ? atoi(argv[4]) : 1;
	for (i = 0; i < times; i++)
		if (send(fd, frame, (size_t)n, 0) < 0)
			return 1;
	close(fd);
	return 0;
}
