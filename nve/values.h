/* Values as people write them, to the bytes that go over the wire: always ceil(bits/8) bytes, big endian.
 *
 * A number in decimal, 0x hex; for 32 bits also 10.0.0.1, for 48 aa:bb:cc:dd:ee:ff, for 128 fe80::1. */
#ifndef NERV_NVE_VALUES_H
#define NERV_NVE_VALUES_H

#include "pack.h"

/* Bytes of a parsed key, so that nve_key can point to them. */
struct nve_key_bytes {
	uint8_t value[NVE_MAX_BITS / 8];
	uint8_t extra[NVE_MAX_BITS / 8];
};

/* -EINVAL with "'x' is no 9-bit value ..." */
int nve_value_parse(const char *text, const struct nve_field *f, uint8_t *out, struct nve_error *e);
/* By the field's match kind: exact v, lpm v/len, ternary v&&&mask, range a->b, valid 0 or 1. out points into bytes. */
int nve_key_parse(const char *text, const struct nve_field *f, struct nve_key_bytes *bytes, struct nve_key *out,
		  struct nve_error *e);

#endif
