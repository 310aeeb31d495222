/* Packet sockets: frames of one interface, as they are on the wire (packet(7)).
 *
 * No Lua here. A socket stays in the network namespace in which it was opened.
 */
#ifndef NERV_BINDINGS_PACKET_SOCKET_H
#define NERV_BINDINGS_PACKET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PACKET_VLAN_LEN = 4 };

struct packet_info {
	bool outgoing;		/* this machine sent it through the interface */
	bool has_vlan;		/* an outer VLAN tag, put back into the frame */
	bool sum_pending;	/* a device was to fill in its checksum and has not yet */
	uint16_t vlan_tci, vlan_tpid;
	int64_t time;		/* nanoseconds since 1970, when the kernel saw it */
};

struct packet_counts {
	uint64_t received;	/* frames that passed the filter */
	uint64_t dropped;	/* of them, those for which there was no room */
};

/* Opens a non-blocking socket on interface `link` of the calling thread's namespace for
 * one ethertype (host order), or 0 for all frames. `filter` is an expression of
 * pcap-filter(7) or NULL. A descriptor or negative errno: -ENODEV when there is no such
 * interface, -EINVAL with the reason in `why` when the filter is none. Takes the RTNL
 * lock when promiscuous; a filter with host names looks them up. */
int packet_open(const char *link, uint16_t protocol, bool promiscuous, const char *filter, char *why, size_t size);

/* Sets the filter of a socket that is not bound yet; see packet_open(). */
int packet_filter(int fd, const char *link, const char *filter, char *why, size_t size);

/* What its frames begin with, as pcap-linktype(7) numbers it: 1 Ethernet, 101 IP; or
 * negative errno, -EPFNOSUPPORT for others. */
int packet_linktype(int fd, const char *link);

/* Receives one frame into `buf`, with its outer VLAN tag put back where the kernel took
 * it out. The length (above `size`: it was cut), or negative errno; -EAGAIN when there
 * is none. */
ssize_t packet_receive(int fd, uint8_t *buf, size_t size, struct packet_info *info);

/* Adds what the kernel counted since the last call. 0 or negative errno. */
int packet_count(int fd, struct packet_counts *counts);

#endif
