/* From the last header to the first: each needs what follows it to be complete. */
#include "bindings/packet_build.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

struct build {
	uint8_t *bytes;
	const struct packet_piece *pieces;
	size_t count, end;
	char *why;
	size_t size;
};

/* The field of piece `i` that has to be filled in for a role, or NULL. */
static const struct packet_field *wanting(const struct build *b, size_t i, enum packet_role role)
{
	const struct packet_piece *p = &b->pieces[i];

	return p->given & 1u << role ? NULL : packet_role_field(p->protocol, role);
}

static int put(const struct build *b, size_t i, const struct packet_field *f, size_t value)
{
	size_t scale = f->scale ? f->scale : 1, bits = (value - f->plus) / scale;

	if (bits > packet_most_bits(f)) {
		snprintf(b->why, b->size, "%s: %zu bytes are too many, it holds %zu at most", f->name, value,
			 (size_t)packet_most_bits(f) * scale + f->plus);
		return -EINVAL;
	}
	packet_set_bits(f, b->bytes + b->pieces[i].at, (uint32_t)bits);
	return 0;
}

/* The number of piece `i` for the header before it. */
static bool number_of(const struct build *b, size_t i, enum packet_space space, uint32_t *number)
{
	const struct packet_protocol *p = b->pieces[i].protocol;
	const struct packet_key *k = p ? p->keys : NULL;
	bool outer = p && i + 1 < b->count && b->pieces[i + 1].protocol == p && p->keys[1].spaces & PACKET_ETHERTYPE;

	while (k && k->spaces && !(k->spaces & space))
		k++;
	if (!k || !k->spaces)
		return false;
	*number = outer ? p->keys[1].number : k->number;
	return true;
}

static int fill_next(const struct build *b, size_t i)
{
	const struct packet_field *f = wanting(b, i, PACKET_NEXT);
	const struct packet_protocol *p = b->pieces[i].protocol, *next;
	uint32_t number = IPPROTO_NONE;

	if (!f)
		return 0;
	next = i + 1 < b->count ? b->pieces[i + 1].protocol : NULL;
	if (i + 1 < b->count ? !number_of(b, i + 1, p->space, &number) : p->space != PACKET_IPV6_NEXT) {
		snprintf(b->why, b->size, next ? "%s must be given: it has no number for a following %s"
					       : "%s must be given: it cannot be told from what follows",
			 f->name, next ? next->name : "");
		return -EINVAL;
	}
	packet_set_bits(f, b->bytes + b->pieces[i].at, number);
	return 0;
}

/* The IP header whose addresses are in the pseudo header of piece `i`, or NULL. */
static const struct packet_piece *find_ip(const struct build *b, size_t i)
{
	while (i-- > 0) {
		const struct packet_piece *p = &b->pieces[i];

		if (!p->protocol || (p->protocol->partial && p->protocol->partial(b->bytes + p->at)))
			return NULL;
		if (p->protocol->addresses)
			return p;
	}
	return NULL;
}

static int fill_checksum(const struct build *b, size_t i)
{
	const struct packet_field *f = wanting(b, i, PACKET_CHECKSUM);
	const struct packet_piece *p = &b->pieces[i], *ip;
	size_t n = p->protocol->cover == PACKET_SUM_HEADER ? p->length : b->end - p->at;
	uint64_t sum = 0;
	uint16_t value;

	if (!f)
		return 0;
	ip = find_ip(b, i);
	if (!ip && p->protocol->cover != PACKET_SUM_HEADER && (p->protocol->cover == PACKET_SUM_PSEUDO || i > 0)) {
		snprintf(b->why, b->size, "checksum must be given: there is no whole IP packet around it");
		return -EINVAL;
	}
	if (p->protocol->cover == PACKET_SUM_PSEUDO)
		sum = packet_sum_pseudo(ip->protocol, b->bytes + ip->at, p->protocol->keys[0].number, n);
	packet_set_bits(f, b->bytes + p->at, 0);
	value = packet_sum_end(packet_sum(sum, b->bytes + p->at, n));
	packet_set_bits(f, b->bytes + p->at, value || !p->protocol->zero_is_none ? value : 0xffff);
	return 0;
}

static int fill(const struct build *b, size_t i)
{
	const struct packet_piece *p = &b->pieces[i];
	const struct packet_field *f = wanting(b, i, PACKET_HEADER_LENGTH);
	int ret = f ? put(b, i, f, p->length) : 0;

	f = wanting(b, i, PACKET_LENGTH);
	if (!ret && f)
		ret = put(b, i, f, b->end - p->at - p->protocol->uncounted);
	if (!ret)
		ret = fill_next(b, i);
	return ret ? ret : fill_checksum(b, i);
}

int packet_complete(uint8_t *bytes, const struct packet_piece *pieces, size_t count, size_t end, size_t *where,
		    char *why, size_t size)
{
	const struct build b = { bytes, pieces, count, end, why, size };

	for (size_t i = count; i-- > 0;) {
		int ret = pieces[i].protocol ? fill(&b, i) : 0;

		if (ret) {
			*where = i;
			return ret;
		}
	}
	return 0;
}
