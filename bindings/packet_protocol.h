/* Protocols as tables: which fields a header has and where, what may follow it, how its
 * length and its checksum come about. One table entry is all that a protocol needs:
 * parsing, building, checks of arguments and help are made from it.
 *
 * Every bit of a header belongs to a field, so that what was parsed can be built again
 * bit by bit. Constant data and pure functions; no Lua, nothing blocks.
 */
#ifndef NERV_BINDINGS_PACKET_PROTOCOL_H
#define NERV_BINDINGS_PACKET_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packet_kind {
	PACKET_NUMBER,		/* of at most 32 bits */
	PACKET_BOOLEAN,		/* one bit */
	PACKET_FLAGS,		/* bits with names */
	PACKET_MAC,
	PACKET_IPV4,
	PACKET_IPV6,
	PACKET_RAW,		/* bytes up to the end of the header; the last field */
};

/* What a field is for; such a field is filled in when it is not given. */
enum packet_role {
	PACKET_PLAIN,
	PACKET_NEXT,		/* names what follows, in the protocol's `space` */
	PACKET_HEADER_LENGTH,
	PACKET_LENGTH,		/* of header and payload, less `uncounted` */
	PACKET_CHECKSUM,	/* RFC 1071, 16 bits */
};

struct packet_field {
	const char *name;	/* NULL ends the array */
	enum packet_kind kind;
	uint16_t bit, bits;	/* place in the header; network order */
	const char *text;	/* one line: meaning and unit */
	enum packet_role role;
	uint16_t scale, plus;	/* value = bits * scale + plus; scale 0 means 1 */
	uint32_t otherwise;	/* its bits when it is not given */
	bool required;
	bool quiet;		/* not told of when it is 0 */
	const char *const *flags;	/* of PACKET_FLAGS: highest bit first, NULL ends */
	/* Whether a header with these values in the fields before has it; NULL: always. */
	bool (*present)(const uint8_t *header);
};

/* Spaces of numbers by which headers name the next one. */
enum packet_space {
	PACKET_NO_SPACE = 0,
	PACKET_ETHERTYPE = 1,
	PACKET_IPV4_PROTOCOL = 2,
	PACKET_IPV6_NEXT = 4,
};

struct packet_key {
	unsigned int spaces;	/* of enum packet_space; 0 ends the array */
	uint32_t number;
};

enum packet_cover {
	PACKET_NO_SUM,
	PACKET_SUM_HEADER,
	PACKET_SUM_ALL,		/* header and payload */
	PACKET_SUM_PSEUDO,	/* the same behind IP's pseudo header */
};

#define PACKET_UNKNOWN SIZE_MAX	/* the header does not say */

struct packet_protocol {
	const char *name, *text;
	const struct packet_field *fields;
	uint16_t least;			/* bytes of the smallest header */
	uint16_t unit;			/* headers are multiples of it; 0 means 1 */
	struct packet_key keys[4];	/* its own numbers; the first is the usual one */
	enum packet_space space;	/* of its field PACKET_NEXT */
	uint16_t uncounted;		/* bytes of its header that PACKET_LENGTH leaves out */
	enum packet_cover cover;
	bool zero_is_none;		/* a checksum of 0 means that there is none */
	/* All of these see `least` bytes at least, and may be NULL. */
	const char *(*fault)(const uint8_t *header);	/* why it is none, or NULL */
	size_t (*length)(const uint8_t *header);	/* instead of PACKET_HEADER_LENGTH */
	size_t (*extent)(const uint8_t *header);	/* header and payload, or PACKET_UNKNOWN */
	bool (*opaque)(const uint8_t *header);	/* what follows begins in the middle */
	bool (*partial)(const uint8_t *header);	/* checksums of what follows cannot be known */
	/* Of IP: the addresses of the pseudo header, which are `*n` bytes. */
	const uint8_t *(*addresses)(const uint8_t *header, size_t *n);
};

/* NULL ends the array. */
extern const struct packet_protocol *const packet_protocols[];

/* NULL when there is none. */
const struct packet_protocol *packet_protocol(const char *name);
const struct packet_protocol *packet_protocol_numbered(enum packet_space space, uint32_t number);

/* The field with a role, or NULL. */
const struct packet_field *packet_role_field(const struct packet_protocol *p, enum packet_role role);

/* The header's length by its own words; it may be below `least` and pass what is there. */
size_t packet_header_length(const struct packet_protocol *p, const uint8_t *header);

/* The bits of a field of at most 32 bits. */
uint32_t packet_bits(const struct packet_field *f, const uint8_t *header);
void packet_set_bits(const struct packet_field *f, uint8_t *header, uint32_t bits);

/* The largest number that the field's bits hold. */
uint32_t packet_most_bits(const struct packet_field *f);

/* The Internet checksum's sum, not yet folded (RFC 1071); an odd last byte is padded. */
uint64_t packet_sum(uint64_t sum, const uint8_t *bytes, size_t n);
/* Folded and complemented: 0 over bytes that hold a good checksum. */
uint16_t packet_sum_end(uint64_t sum);
/* The sum of the pseudo header of `ip` for `n` bytes of protocol `number`. */
uint64_t packet_sum_pseudo(const struct packet_protocol *ip, const uint8_t *header, uint32_t number, size_t n);

#endif
