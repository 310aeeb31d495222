/* Filters of packet sockets: libpcap compiles them, the kernel runs them. */
#include <errno.h>
#include <linux/filter.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bindings/packet_socket.h"

enum { SNAPLEN = 256 * 1024, RING = 64 * 1024 };

static int attach(int fd, const struct bpf_program *program)
{
	struct sock_fprog p = { (unsigned short)program->bf_len, (struct sock_filter *)program->bf_insns };

	_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "libpcap's instructions are the kernel's");
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) ? -errno : 0;
}

/* Only for a live handle does libpcap look for VLAN tags where the kernel keeps them,
 * beside the frame; the handle captures nothing. */
int packet_filter(int fd, const char *link, const char *filter, char *why, size_t size)
{
	struct bpf_program program = { 0 };
	char text[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(link, text);
	int ret = -EIO;

	if (!p) {
		snprintf(why, size, "%s", text);
		return ret;
	}
	pcap_set_snaplen(p, SNAPLEN);
	pcap_set_buffer_size(p, RING);
	ret = pcap_activate(p);
	if (ret == PCAP_ERROR_IFACE_NOT_UP)
		ret = -ENETDOWN;
	else if (ret < 0)
		ret = -EIO;
	else if (pcap_compile(p, &program, filter, 1, PCAP_NETMASK_UNKNOWN))
		ret = -EINVAL;
	else
		ret = attach(fd, &program);
	if (ret)
		snprintf(why, size, "%s", pcap_geterr(p));
	pcap_freecode(&program);
	pcap_close(p);
	return ret;
}
