/* Finds the headers of a packet. Bytes that are no header are payload, and a note says
 * why; nothing is an error. No Lua, no memory, nothing blocks.
 */
#ifndef NERV_BINDINGS_PACKET_PARSE_H
#define NERV_BINDINGS_PACKET_PARSE_H

#include "bindings/packet_protocol.h"

enum { PACKET_LAYERS_MOST = 32, PACKET_NOTES_MOST = 8, PACKET_NOTE_TEXT = 112 };

enum packet_sum_state { PACKET_SUM_NONE, PACKET_SUM_GOOD, PACKET_SUM_BAD };

struct packet_layer {
	const struct packet_protocol *protocol;
	size_t at, length;	/* of the header */
	size_t end;		/* of what it covers by its own words */
	bool cut;		/* by its own words it goes on behind what is there */
	enum packet_sum_state sum;	/* NONE: it has none, or it cannot be known */
};

struct packet_parsed {
	size_t layer_count, note_count;
	size_t payload, payload_end;	/* what follows up to the end is a trailer */
	struct packet_layer layers[PACKET_LAYERS_MOST];
	char notes[PACKET_NOTES_MOST][PACKET_NOTE_TEXT];
};

/* Parses `n` bytes that begin with a header of `first`. */
void packet_parse(struct packet_parsed *out, const struct packet_protocol *first, const uint8_t *bytes, size_t n);

/* Computes the checksum of TCP or UDP in an Ethernet frame when its sender left that to the device: it holds the sum
 * of the pseudo header alone then, as Linux leaves it. Returns whether it did. */
bool packet_finish(uint8_t *frame, size_t n);

/* Whether the checksum of layer `i` is good. */
enum packet_sum_state packet_check(const struct packet_parsed *parsed, size_t i, const uint8_t *bytes);

#endif
