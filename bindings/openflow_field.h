/* OpenFlow's fields of frames (OXM, 7.2.3.7): one entry is all that a field needs. Constant data; no Lua. */
#ifndef NERV_BINDINGS_OPENFLOW_FIELD_H
#define NERV_BINDINGS_OPENFLOW_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OXM_BASIC = 0x8000,
	OXM_MOST = 64,		/* all known fields, by number */
	VLAN_PRESENT = 0x1000,	/* vlan_vid: there is a tag */
	MATCH_OXM = 1,		/* the type of a match */
};

enum oxm_kind {
	OXM_NUMBER,
	OXM_PORT,
	OXM_VLAN,	/* a tag's number, "none" or "any" */
	OXM_MAC,
	OXM_IPV4,
	OXM_IPV6,
};

/* What a frame must be for a field to be there. */
struct oxm_need {
	const char *field;	/* NULL: nothing */
	uint16_t values[2];	/* one of them */
	bool present;		/* instead: any but a VLAN's "none" */
};

struct oxm_field {
	const char *name;	/* NULL: no field has this number */
	const char *text;
	enum oxm_kind kind;
	uint8_t bits;
	bool maskable;
	struct oxm_need need;
	uint8_t bytes;	/* on the wire; 0: as few as hold the bits */
};

/* By number. */
extern const struct oxm_field oxm_fields[OXM_MOST];

/* Makes a mask of `size` bytes of which the first `length` bits are set. */
void oxm_prefix(uint8_t *mask, size_t size, unsigned int length);

/* The number of a name, or -1. */
int oxm_field_named(const char *name);

static inline size_t oxm_size(const struct oxm_field *f)
{
	return f->bytes ? f->bytes : (f->bits + 7u) / 8;
}

#endif
