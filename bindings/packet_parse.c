/* Walks from header to header. */
#include "bindings/packet_parse.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 3, 4)))
static void note(struct packet_parsed *out, const struct packet_protocol *p, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	if (out->note_count == PACKET_NOTES_MOST)
		return;
	text = out->notes[out->note_count++];
	n = snprintf(text, PACKET_NOTE_TEXT, "%s: ", p->name);
	va_start(ap, fmt);
	vsnprintf(text + n, PACKET_NOTE_TEXT - (size_t)n, fmt, ap);
	va_end(ap);
}

/* The length of the header at the start of `n` bytes, or 0 when there is none. */
static size_t find_header(struct packet_parsed *out, const struct packet_protocol *p, const uint8_t *h, size_t n)
{
	const char *fault;
	size_t length;

	if (n < p->least) {
		note(out, p, "cut: %zu bytes of its header are there, not %u", n, p->least);
		return 0;
	}
	fault = p->fault ? p->fault(h) : NULL;
	length = packet_header_length(p, h);
	if (fault)
		note(out, p, "malformed: %s", fault);
	else if (length < p->least)
		note(out, p, "malformed: a header has %u bytes at least, not %zu", p->least, length);
	else if (length > n)
		note(out, p, "cut: %zu bytes of its header are there, not %zu", n, length);
	else
		return length;
	return 0;
}

/* What the header says of its payload's end; `end` is where the bytes end. */
static void find_end(struct packet_parsed *out, struct packet_layer *l, const uint8_t *h, size_t end)
{
	size_t extent = l->protocol->extent ? l->protocol->extent(h) : PACKET_UNKNOWN;

	l->end = end;
	if (extent == PACKET_UNKNOWN)
		return;
	if (extent < l->length) {
		note(out, l->protocol, "malformed: its length of %zu bytes is less than its header", extent);
	} else if (extent > end - l->at) {
		note(out, l->protocol, "cut: %zu of its %zu bytes are there", end - l->at, extent);
		l->cut = true;
	} else {
		l->end = l->at + extent;
	}
}

static const struct packet_protocol *find_next(const struct packet_protocol *p, const uint8_t *h)
{
	const struct packet_field *f = packet_role_field(p, PACKET_NEXT);

	if (!f || (p->opaque && p->opaque(h)))
		return NULL;
	return packet_protocol_numbered(p->space, packet_bits(f, h));
}

void packet_parse(struct packet_parsed *out, const struct packet_protocol *first, const uint8_t *bytes, size_t n)
{
	const struct packet_protocol *p = first;
	size_t at = 0, end = n, length;

	out->layer_count = 0;
	out->note_count = 0;
	while (p) {
		struct packet_layer *l = &out->layers[out->layer_count];

		if (out->layer_count == PACKET_LAYERS_MOST) {
			note(out, p, "behind %d other headers it is not looked at", PACKET_LAYERS_MOST);
			break;
		}
		length = find_header(out, p, bytes + at, end - at);
		if (!length)
			break;
		*l = (struct packet_layer){ p, at, length };
		out->layer_count++;
		find_end(out, l, bytes + at, end);
		p = find_next(p, bytes + at);
		at += length;
		end = l->end;
	}
	out->payload = at;
	out->payload_end = end;
	for (size_t i = 0; i < out->layer_count; i++)
		out->layers[i].sum = packet_check(out, i, bytes);
}

/* The layer whose addresses are in the pseudo header of layer `i`; NULL when there is none, or when the bytes that
 * the checksum covers are not all there. */
static const struct packet_layer *find_ip(const struct packet_parsed *parsed, size_t i, const uint8_t *bytes)
{
	while (i-- > 0) {
		const struct packet_layer *l = &parsed->layers[i];

		if (l->protocol->partial && l->protocol->partial(bytes + l->at))
			return NULL;
		if (l->protocol->addresses)
			return l;
	}
	return NULL;
}

enum packet_sum_state packet_check(const struct packet_parsed *parsed, size_t i, const uint8_t *bytes)
{
	const struct packet_layer *l = &parsed->layers[i], *ip;
	const struct packet_protocol *p = l->protocol;
	const struct packet_field *f = packet_role_field(p, PACKET_CHECKSUM);
	const uint8_t *h = bytes + l->at;
	uint64_t sum = 0;

	if (p->cover == PACKET_SUM_HEADER)
		return packet_sum_end(packet_sum(0, h, l->length)) ? PACKET_SUM_BAD : PACKET_SUM_GOOD;
	if (p->cover == PACKET_NO_SUM || (p->zero_is_none && !packet_bits(f, h)))
		return PACKET_SUM_NONE;
	for (size_t j = 0; j <= i; j++)
		if (parsed->layers[j].cut)
			return PACKET_SUM_NONE;
	ip = find_ip(parsed, i, bytes);
	if (p->cover == PACKET_SUM_PSEUDO) {
		if (!ip)
			return PACKET_SUM_NONE;
		sum = packet_sum_pseudo(ip->protocol, bytes + ip->at, p->keys[0].number, l->end - l->at);
	} else if (!ip && i > 0) {
		return PACKET_SUM_NONE;		/* a fragment */
	}
	return packet_sum_end(packet_sum(sum, h, l->end - l->at)) ? PACKET_SUM_BAD : PACKET_SUM_GOOD;
}

bool packet_finish(uint8_t *frame, size_t n)
{
	struct packet_parsed parsed;
	const struct packet_layer *l, *ip;
	const struct packet_field *f;
	uint64_t sum;
	size_t last;

	packet_parse(&parsed, packet_protocol("ethernet"), frame, n);
	if (!parsed.layer_count)
		return false;
	last = parsed.layer_count - 1;
	l = &parsed.layers[last];
	if (l->sum != PACKET_SUM_BAD || l->protocol->cover != PACKET_SUM_PSEUDO)
		return false;
	ip = find_ip(&parsed, last, frame);
	f = packet_role_field(l->protocol, PACKET_CHECKSUM);
	sum = packet_sum_pseudo(ip->protocol, frame + ip->at, l->protocol->keys[0].number, l->end - l->at);
	if (packet_bits(f, frame + l->at) != (uint16_t)~packet_sum_end(sum))
		return false;
	/* With what the field holds that is the sum of all. Only UDP's may not be 0, which says that there is none. */
	sum = packet_sum_end(packet_sum(0, frame + l->at, l->end - l->at));
	packet_set_bits(f, frame + l->at, sum || !l->protocol->zero_is_none ? (uint32_t)sum : 0xffff);
	return true;
}
