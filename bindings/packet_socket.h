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
	uint16_t vlan_tci, vlan_tpid;
	double time;		/* seconds since 1970, when the kernel saw it */
};

/* Opens a non-blocking socket on interface `link` of the calling thread's namespace for
 * one ethertype (host order), or 0 for all frames. A descriptor or negative errno:
 * -ENODEV when there is no such interface. Takes the RTNL lock when promiscuous. */
int packet_open(const char *link, uint16_t protocol, bool promiscuous);

/* Receives one frame into `buf`, with its outer VLAN tag put back where the kernel took
 * it out. The length (above `size`: it was cut), or negative errno; -EAGAIN when there
 * is none. */
ssize_t packet_receive(int fd, uint8_t *buf, size_t size, struct packet_info *info);

#endif
