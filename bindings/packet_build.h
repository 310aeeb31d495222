/* Fills in what a packet's headers have not been given: lengths, numbers of what
 * follows, checksums. No Lua, no memory, nothing blocks.
 */
#ifndef NERV_BINDINGS_PACKET_BUILD_H
#define NERV_BINDINGS_PACKET_BUILD_H

#include "bindings/packet_protocol.h"

/* Bytes of a packet: a header, or with `protocol` NULL anything. */
struct packet_piece {
	const struct packet_protocol *protocol;
	size_t at, length;
	unsigned int given;	/* bit 1 << role: the field with this role has its value */
};

/* Completes the packet that `pieces` make up and that ends, without a trailer, at `end`.
 * 0; or -EINVAL with the number of the piece in `*where` (from 0) and the reason in
 * `why`. */
int packet_complete(uint8_t *bytes, const struct packet_piece *pieces, size_t count, size_t end, size_t *where,
		    char *why, size_t size);

#endif
