/* Packet sockets: frames of one interface, as they are on the wire. */
#include "bindings/packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const int receive_buffer = 8 * 1024 * 1024;

static int listen_to(int fd, const char *link, uint16_t protocol, bool promiscuous)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	struct packet_mreq membership = { .mr_type = PACKET_MR_PROMISC };
	unsigned int ifindex = if_nametoindex(link);
	int on = 1;

	if (!ifindex)
		return -ENODEV;
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	membership.mr_ifindex = (int)ifindex;
	if (promiscuous && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)))
		return -errno;
	addr.sll_ifindex = (int)ifindex;
	addr.sll_protocol = htons(protocol ? protocol : ETH_P_ALL);
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

int packet_open(const char *link, uint16_t protocol, bool promiscuous, const char *filter, char *why, size_t size)
{
	/* Protocol 0: nothing arrives before bind, no frame of another interface either. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	ret = if_nametoindex(link) ? 0 : -ENODEV;
	if (!ret && filter)
		ret = packet_filter(fd, link, filter, why, size);
	if (!ret)
		ret = listen_to(fd, link, protocol, promiscuous);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

int packet_linktype(int fd, const char *link)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", link);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return -errno;
	switch (request.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return 1;
	case ARPHRD_NONE:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		return 101;
	default:
		return -EPFNOSUPPORT;
	}
}

int packet_count(int fd, struct packet_counts *counts)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		return -errno;
	counts->received += stats.tp_packets;
	counts->dropped += stats.tp_drops;
	return 0;
}

static void read_control(struct msghdr *msg, struct packet_info *info)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;
		struct timespec ts;

		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			info->has_vlan = aux.tp_status & TP_STATUS_VLAN_VALID;
			info->sum_pending = aux.tp_status & TP_STATUS_CSUMNOTREADY;
			info->vlan_tci = aux.tp_vlan_tci;
			info->vlan_tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid
										    : ETH_P_8021Q;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			info->time = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
		}
	}
}

/* The tag lies behind the two addresses (IEEE 802.1Q). */
static void put_tag(uint8_t *frame, size_t len, const struct packet_info *info)
{
	const size_t at = 2 * ETH_ALEN;
	uint16_t tag[2] = { htons(info->vlan_tpid), htons(info->vlan_tci) };

	memmove(frame + at + sizeof(tag), frame + at, len - at);
	memcpy(frame + at, tag, sizeof(tag));
}

ssize_t packet_receive(int fd, uint8_t *buf, size_t size, struct packet_info *info)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec))];
	} control;
	struct sockaddr_ll from;
	struct iovec iov = { buf, size - PACKET_VLAN_LEN };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	size_t stored;
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	memset(info, 0, sizeof(*info));
	info->outgoing = from.sll_pkttype == PACKET_OUTGOING;
	read_control(&msg, info);
	stored = (size_t)n < iov.iov_len ? (size_t)n : iov.iov_len;
	if (!info->has_vlan || stored < 2 * ETH_ALEN)
		return n;
	put_tag(buf, stored, info);
	return n + PACKET_VLAN_LEN;
}
