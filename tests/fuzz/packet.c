/* Packets: nothing is read out of bounds, no bit is lost, and what is completed has good checksums. The first byte
 * says which protocol comes first. */
#include <string.h>

#include "bindings/packet_build.h"
#include "bindings/packet_parse.h"
#include "tests/fuzz/fuzz.h"

static const struct packet_protocol *choose(uint8_t byte)
{
	size_t n = 0;

	while (packet_protocols[n])
		n++;
	return packet_protocols[byte % n];
}

/* The fields of a header, each put into a header of its own, are the header. */
static void check_fields(const struct packet_protocol *p, const uint8_t *h, size_t length)
{
	uint8_t *copy = calloc(1, length);

	MUST(copy);
	for (const struct packet_field *f = p->fields; f->name; f++) {
		size_t at = f->bit / 8u, size = f->kind == PACKET_RAW ? length - at : f->bits / 8u;

		if (f->present && !f->present(h))
			continue;
		MUST(at + size <= length);
		if (f->kind <= PACKET_FLAGS)
			packet_set_bits(f, copy, packet_bits(f, h));
		else
			memcpy(copy + at, h + at, size);
	}
	MUST(memcmp(copy, h, length) == 0);
	free(copy);
}

static void check_places(const struct packet_parsed *parsed, const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < parsed->layer_count; i++) {
		const struct packet_layer *l = &parsed->layers[i];

		MUST(l->at == at && l->length >= l->protocol->least && l->end >= l->at + l->length && l->end <= n);
		check_fields(l->protocol, bytes + l->at, l->length);
		at += l->length;
	}
	MUST(parsed->payload == at && parsed->payload_end >= at && parsed->payload_end <= n);
}

/* With lengths, numbers and checksums made anew, none of the checksums is bad. */
static void check_completed(const struct packet_parsed *parsed, uint8_t *bytes)
{
	struct packet_piece pieces[PACKET_LAYERS_MOST + 1];
	struct packet_parsed again;
	size_t count = parsed->layer_count, where;
	char why[160];

	for (size_t i = 0; i < count; i++)
		pieces[i] = (struct packet_piece){ parsed->layers[i].protocol, parsed->layers[i].at,
						   parsed->layers[i].length };
	if (count)
		pieces[count - 1].given = 1u << PACKET_NEXT;
	if (packet_complete(bytes, pieces, count, parsed->payload_end, &where, why, sizeof(why))) {
		MUST(where < count && *why);
		return;
	}
	if (!count)
		return;
	packet_parse(&again, pieces[0].protocol, bytes, parsed->payload_end);
	MUST(again.layer_count >= count);
	for (size_t i = 0; i < count; i++) {
		MUST(again.layers[i].protocol == pieces[i].protocol);
		MUST(again.layers[i].sum != PACKET_SUM_BAD);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct packet_parsed parsed;
	uint8_t *copy;

	if (!n)
		return 0;
	packet_parse(&parsed, choose(bytes[0]), bytes + 1, n - 1);
	check_places(&parsed, bytes + 1, n - 1);
	copy = malloc(n);
	MUST(copy);
	memcpy(copy, bytes + 1, n - 1);
	check_completed(&parsed, copy);
	free(copy);
	return 0;
}
