/* The control plane's description of a P4 program, in the JSON shape that BMv2 reads and serves.
 *
 * It names tables, keys, actions and counters with their sizes. It never holds code: "program" in __meta__ only names
 * the program whose object the switch looks up. The parser takes every match kind and table type, since clients read
 * descriptions of other switches; what a switch can run is that switch's own decision.
 * All is allocated at once and freed by nve_desc_free(); nothing here blocks or changes after parsing. */
#ifndef NERV_NVE_DESCRIPTION_H
#define NERV_NVE_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* BMv2's numbers (BmMatchParamType). */
enum nve_match {
	NVE_MATCH_EXACT = 0,
	NVE_MATCH_LPM = 1,
	NVE_MATCH_TERNARY = 2,
	NVE_MATCH_VALID = 3,
	NVE_MATCH_RANGE = 4,
};

enum nve_table_type {
	NVE_TABLE_SIMPLE,
	NVE_TABLE_INDIRECT,
	NVE_TABLE_INDIRECT_WS,
};

#define NVE_MAX_ENTRIES 0x1000000u	/* an entry handle has 24 bits of index */
#define NVE_DEFAULT_ENTRIES 1024u	/* for a table that gives no max_size */
#define NVE_MAX_BITS 2048u		/* widest key field or parameter */

/* A key field or an action parameter. */
struct nve_field {
	char *name;
	unsigned int bits;
	enum nve_match match;		/* key fields only */
};

struct nve_action {
	char *name;
	uint32_t id;
	unsigned int n_params;
	struct nve_field *params;
};

/* An entry that comes with the program; bytes are packed as pack.h says. */
struct nve_preset {
	uint8_t *key;			/* NULL for a default entry */
	unsigned int action;		/* index into nve_desc.actions */
	uint8_t *data;
};

struct nve_table {
	char *name;
	uint32_t id;
	enum nve_match match;		/* the strongest of its keys */
	enum nve_table_type type;
	uint32_t max_size;
	bool with_counters;
	bool support_timeout;
	unsigned int n_keys;
	struct nve_field *keys;
	unsigned int n_actions;
	unsigned int *actions;		/* indexes into nve_desc.actions */
	bool has_default;
	struct nve_preset def;
	bool default_action_const, default_entry_const;
	bool immutable;			/* its entries are const */
	unsigned int n_entries;
	struct nve_preset *entries;	/* only of tables whose keys are all exact */
};

struct nve_counter {
	char *name;
	uint32_t id;
	bool is_direct;
	char *binding;			/* the table of a direct counter */
	uint32_t size;
};

struct nve_desc {
	char *text;			/* the JSON as given, NUL at the end */
	size_t text_len;
	char *program;			/* "" when the description names none */
	unsigned int n_actions;
	struct nve_action *actions;
	unsigned int n_tables;
	struct nve_table *tables;
	unsigned int n_counters;
	struct nve_counter *counters;
	char *unsupported;		/* first meter, register, value set or learn list: "register_arrays 'seen'", or NULL */
};

/* -EINVAL with the place and reason, -ENOMEM. */
int nve_desc_parse(const char *text, size_t len, struct nve_desc **out, struct nve_error *e);
/* The same for a file of at most 64 MB; a description that names no program takes the file's base name. */
int nve_desc_load(const char *path, struct nve_desc **out, struct nve_error *e);
void nve_desc_free(struct nve_desc *d);

/* By full name, or by a dotted suffix that fits only one ("ipv4_lpm" for "MyIngress.ipv4_lpm").
 * An index, or the BMv2 error INVALID_..._NAME with the nearest name in the text. */
int nve_desc_table(const struct nve_desc *d, const char *name, struct nve_error *e);
int nve_desc_counter(const struct nve_desc *d, const char *name, struct nve_error *e);
/* An action that the table may use: index into d->actions. */
int nve_desc_action(const struct nve_desc *d, const struct nve_table *t, const char *name, struct nve_error *e);

const char *nve_match_name(enum nve_match match);

#endif
