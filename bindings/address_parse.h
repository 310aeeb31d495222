/* IPv4 and IPv6 addresses with prefix lengths, as text and as bytes. No Lua. */
#ifndef NERV_BINDINGS_ADDRESS_PARSE_H
#define NERV_BINDINGS_ADDRESS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFIX_TEXT 64	/* room for the longest text */

struct prefix {
	int family;		/* AF_INET or AF_INET6 */
	uint8_t bytes[16];	/* network order; IPv4 in the first 4 */
	int length;		/* of the prefix, bits */
	bool has_length;	/* it was written; otherwise `length` is all bits */
};

/* Reads "10.1.0.2/24", "fd00::1" and such. On failure returns -EINVAL and puts a text
 * that quotes the input into `why`. */
int prefix_parse(struct prefix *p, const char *text, char *why, size_t size);

/* Writes it, with "/length" when `with_length`. */
void prefix_format(const struct prefix *p, bool with_length, char text[PREFIX_TEXT]);

/* Copies bytes of an attribute; false when `len` does not fit the family. */
bool prefix_from_bytes(struct prefix *p, int family, const void *bytes, size_t len, int length);

/* Bytes of its family: 4 or 16. */
size_t prefix_size(const struct prefix *p);

/* Sets all bits after the prefix to 0; returns whether one was set. */
bool prefix_mask(struct prefix *p);

#endif
