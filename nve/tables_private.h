/* What the files of the tables share: tables.c (entries), table_values.c (defaults, counters), table_take.c. */
#ifndef NERV_NVE_TABLES_PRIVATE_H
#define NERV_NVE_TABLES_PRIVATE_H

#include "tables.h"

#define NVE_INDEX 0x00ffffffu

struct nve_live {
	const struct nve_table *t;
	unsigned int nr;		/* index in the description */
	unsigned int key_bytes, value_bytes;
	uint32_t n_used;
	uint32_t hint;			/* no word of used[] before this one has a free bit */
	uint64_t *used;			/* a bit for each index */
	uint8_t *keys;			/* copies, by index */
	uint8_t *values;
	uint8_t *scratch;		/* one value */
	uint32_t *marks;		/* the store's */
};

struct nve_tables {
	const struct nve_desc *d;
	const struct nve_store_ops *ops;
	void *store;
	struct nve_live *live;
};

/* The table of that name, NULL with *err and the text set. */
struct nve_live *nve_live_find(struct nve_tables *ts, const char *name, int *err, struct nve_error *e);
bool nve_live_used(const struct nve_live *l, uint32_t index);
void nve_live_entry(struct nve_tables *ts, struct nve_live *l, uint32_t index, struct nve_entry *out);
/* Notes an entry that the store holds: -EINVAL when its handle is out of range or its index taken. */
int nve_live_note(struct nve_live *l, uint32_t handle, const uint8_t *key, const uint8_t *value);
/* Stores an entry at a free index; for entries of the program and of a former data plane. */
int nve_live_put(struct nve_tables *ts, struct nve_live *l, uint32_t handle, const uint8_t *key, uint8_t *value);
int nve_live_empty(struct nve_tables *ts, struct nve_live *l, struct nve_error *e);
int nve_live_default(struct nve_tables *ts, struct nve_live *l, struct nve_error *e);

/* An action of the value, NULL for none. */
const struct nve_action *nve_value_action(const struct nve_desc *d, const uint8_t *value);
uint32_t nve_value_word(const uint8_t *value, unsigned int i);
void nve_value_head(uint8_t *value, uint32_t handle, uint32_t action_id);

#endif
