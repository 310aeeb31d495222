/* The layout of keys and values in the maps of the data plane, see p4/nve_rt.h: every field in ceil(bits/8) bytes, big
 * endian as Thrift brings them, one after the other, filled up with zeros to a multiple of 8. A value begins with the
 * entry's handle and its action's id, both u32 in host order. */
#ifndef NERV_NVE_PACK_H
#define NERV_NVE_PACK_H

#include <stdint.h>

#include "description.h"

#define NVE_VALUE_HEAD 8u		/* handle and action id */
#define NVE_NO_HANDLE 0xffffffffu	/* handle of a default entry */
#define NVE_NO_ACTION 0xffffffffu	/* action of a table that has no default entry */

/* One byte string, not owned. */
struct nve_blob {
	const uint8_t *data;
	size_t len;
};

/* One key field of an entry. extra: the mask (ternary) or the end (range). */
struct nve_key {
	enum nve_match match;
	struct nve_blob value;
	struct nve_blob extra;
	int prefix;			/* lpm */
};

unsigned int nve_field_bytes(const struct nve_field *f);
unsigned int nve_key_bytes(const struct nve_table *t);		/* padded; 0 for a table with no key */
unsigned int nve_value_bytes(const struct nve_desc *d, const struct nve_table *t);	/* head and longest data, padded */

/* Exact keys into out (nve_key_bytes long): BAD_MATCH_KEY when number, kind, length or range is wrong. */
int nve_pack_key(const struct nve_table *t, const struct nve_key *keys, unsigned int n, uint8_t *out, struct nve_error *e);
/* Parameters into out, which must be zeroed and hold the action's data: BAD_ACTION_DATA. Leading zeros are optional. */
int nve_pack_data(const struct nve_action *a, const struct nve_blob *data, unsigned int n, uint8_t *out,
		  struct nve_error *e);
/* Field i of packed bytes, in full length. */
struct nve_blob nve_unpack(const struct nve_field *fields, unsigned int i, const uint8_t *bytes);
/* The same number with no zero bytes in front, one byte at least: how BMv2 shows action data. */
struct nve_blob nve_trim(struct nve_blob b);
/* true when the number fits in that many bits */
bool nve_fits(struct nve_blob b, unsigned int bits);
/* "0x1f" into exactly n bytes; -EINVAL when it is no number or too large. */
int nve_parse_hex(const char *s, uint8_t *out, unsigned int n);

#endif
