/* Fields, numbers and checksums of headers. */
#include "bindings/packet_protocol.h"

#include <string.h>

const struct packet_protocol *packet_protocol(const char *name)
{
	for (const struct packet_protocol *const *p = packet_protocols; *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return *p;
	return NULL;
}

const struct packet_protocol *packet_protocol_numbered(enum packet_space space, uint32_t number)
{
	for (const struct packet_protocol *const *p = packet_protocols; *p; p++)
		for (const struct packet_key *k = (*p)->keys; k->spaces; k++)
			if ((k->spaces & space) && k->number == number)
				return *p;
	return NULL;
}

const struct packet_field *packet_role_field(const struct packet_protocol *p, enum packet_role role)
{
	for (const struct packet_field *f = p->fields; f->name; f++)
		if (f->role == role)
			return f;
	return NULL;
}

size_t packet_header_length(const struct packet_protocol *p, const uint8_t *header)
{
	const struct packet_field *f;

	if (p->length)
		return p->length(header);
	f = packet_role_field(p, PACKET_HEADER_LENGTH);
	return f ? (size_t)packet_bits(f, header) * f->scale + f->plus : p->least;
}

uint32_t packet_bits(const struct packet_field *f, const uint8_t *header)
{
	unsigned int first = f->bit / 8, last = (f->bit + f->bits - 1u) / 8;
	uint64_t value = 0;

	for (unsigned int i = first; i <= last; i++)
		value = value << 8 | header[i];
	return (uint32_t)(value >> (7 - (f->bit + f->bits - 1u) % 8)) & packet_most_bits(f);
}

void packet_set_bits(const struct packet_field *f, uint8_t *header, uint32_t bits)
{
	unsigned int shift = 7 - (f->bit + f->bits - 1u) % 8;
	uint64_t mask = (uint64_t)packet_most_bits(f) << shift, value = (uint64_t)bits << shift & mask;

	for (unsigned int i = (f->bit + f->bits - 1u) / 8; mask; i--) {
		header[i] = (uint8_t)((header[i] & ~mask) | (value & 0xff));
		mask >>= 8;
		value >>= 8;
	}
}

uint32_t packet_most_bits(const struct packet_field *f)
{
	return f->bits >= 32 ? UINT32_MAX : (1u << f->bits) - 1;
}

uint64_t packet_sum(uint64_t sum, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (n & 1)
		sum += (uint32_t)bytes[n - 1] << 8;
	return sum;
}

uint16_t packet_sum_end(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint64_t packet_sum_pseudo(const struct packet_protocol *ip, const uint8_t *header, uint32_t number, size_t n)
{
	size_t length;
	const uint8_t *addresses = ip->addresses(header, &length);

	return packet_sum(0, addresses, length) + number + (n >> 16) + (n & 0xffff);
}
