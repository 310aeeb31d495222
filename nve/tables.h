/* The tables and counters of a switch at run time: entries with BMv2's handles, versions and error codes, over a store.
 *
 * A handle is (version << 24) | index: the lowest free index is taken, and each use of an index has the next version.
 * A handle whose index is free is INVALID_HANDLE; one whose index is in use by a later entry is EXPIRED_HANDLE. Clearing
 * a table starts its handles anew, as in BMv2. Only exact tables with plain actions run here: nve_tables_new() refuses
 * others by name.
 *
 * One thread at a time. Table, action and counter names as nve_desc_table() takes them. All functions return 0 or a
 * negative error of error.h. */
#ifndef NERV_NVE_TABLES_H
#define NERV_NVE_TABLES_H

#include "pack.h"
#include "store.h"

struct nve_tables;

/* An entry as it is stored; the pointers hold until the next change of the table. */
struct nve_entry {
	uint32_t handle;			/* NVE_NO_HANDLE for a default entry */
	const struct nve_table *table;
	const struct nve_action *action;
	const uint8_t *key;			/* packed: nve_unpack(table->keys, i, key) */
	const uint8_t *data;			/* packed: nve_unpack(action->params, i, data) */
};

typedef int (*nve_entry_fn)(void *arg, const struct nve_entry *en);

/* Refuses what exact tables cannot hold: match kinds, action profiles, meters, registers. -ENOTSUP with the name. */
int nve_tables_check(const struct nve_desc *d, struct nve_error *e);
/* Takes over the entries that the store holds already. d, and the store, must outlive the tables. */
int nve_tables_new(const struct nve_desc *d, const struct nve_store_ops *ops, void *store, struct nve_tables **out,
		   struct nve_error *e);
void nve_tables_free(struct nve_tables *ts);

/* Sets default entries and const entries as the description gives them: for a store that is new and empty. */
int nve_tables_preset(struct nve_tables *ts, struct nve_error *e);

int nve_table_add(struct nve_tables *ts, const char *table, const struct nve_key *keys, unsigned int n_keys,
		  const char *action, const struct nve_blob *data, unsigned int n_data, uint32_t *handle,
		  struct nve_error *e);
int nve_table_modify(struct nve_tables *ts, const char *table, uint32_t handle, const char *action,
		     const struct nve_blob *data, unsigned int n_data, struct nve_error *e);
int nve_table_delete(struct nve_tables *ts, const char *table, uint32_t handle, struct nve_error *e);
int nve_table_clear(struct nve_tables *ts, const char *table, bool reset_default, struct nve_error *e);
int nve_table_count(struct nve_tables *ts, const char *table, uint32_t *n, struct nve_error *e);
int nve_table_get(struct nve_tables *ts, const char *table, uint32_t handle, struct nve_entry *out, struct nve_error *e);
/* BAD_MATCH_KEY when no entry has the key, as in BMv2. */
int nve_table_find(struct nve_tables *ts, const char *table, const struct nve_key *keys, unsigned int n_keys,
		   struct nve_entry *out, struct nve_error *e);
/* All entries in the order of their indexes; ends with the first result of fn that is not 0. */
int nve_table_walk(struct nve_tables *ts, const char *table, nve_entry_fn fn, void *arg, struct nve_error *e);

int nve_default_set(struct nve_tables *ts, const char *table, const char *action, const struct nve_blob *data,
		    unsigned int n_data, struct nve_error *e);
int nve_default_reset(struct nve_tables *ts, const char *table, struct nve_error *e);
int nve_default_get(struct nve_tables *ts, const char *table, struct nve_entry *out, struct nve_error *e);

/* The direct counter of an entry, sum over the CPUs. COUNTERS_DISABLED when the table has none. */
int nve_table_count_get(struct nve_tables *ts, const char *table, uint32_t handle, struct nve_count *c,
			struct nve_error *e);
int nve_table_count_set(struct nve_tables *ts, const char *table, uint32_t handle, const struct nve_count *c,
			struct nve_error *e);
int nve_table_count_reset(struct nve_tables *ts, const char *table, struct nve_error *e);

int nve_counter_get(struct nve_tables *ts, const char *counter, int64_t index, struct nve_count *c, struct nve_error *e);
int nve_counter_set(struct nve_tables *ts, const char *counter, int64_t index, const struct nve_count *c,
		    struct nve_error *e);
int nve_counter_reset(struct nve_tables *ts, const char *counter, struct nve_error *e);

/* Every table empty, every default as described, every counter 0. */
int nve_tables_reset(struct nve_tables *ts, struct nve_error *e);

/* Takes entries, handles, default entries and counts of tables that both descriptions have, by table name; ts must be
 * new. Entries that cannot be carried (other key, action gone, table smaller) are counted in *lost. */
int nve_tables_take(struct nve_tables *ts, struct nve_tables *from, uint32_t *lost, struct nve_error *e);

#endif
