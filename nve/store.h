/* Where the entries of tables live: a small table of functions, so that the logic of tables.c runs over the maps of the
 * kernel as over memory (tests).
 *
 * Tables and counter arrays are named by their index in the description. Keys and values are packed (pack.h). Functions
 * return 0 or a negative errno and do not block, except in the kernel call that they make. */
#ifndef NERV_NVE_STORE_H
#define NERV_NVE_STORE_H

#include <stdint.h>

#include "description.h"

struct nve_count {
	uint64_t packets;
	uint64_t bytes;
};

/* marks(): one word for each index of a table, kept as long as the entries are. */
#define NVE_MARK_VERSION 0xffu	/* version of the handle that the index gives next, or has now */
#define NVE_MARK_COUNTED 0x100u	/* the index was in use: its counter may hold an old count */

typedef int (*nve_walk_fn)(void *arg, const uint8_t *key, const uint8_t *value);

struct nve_store_ops {
	int (*insert)(void *s, unsigned int table, const uint8_t *key, const uint8_t *value);	/* -EEXIST */
	int (*replace)(void *s, unsigned int table, const uint8_t *key, const uint8_t *value);	/* -ENOENT */
	int (*remove)(void *s, unsigned int table, const uint8_t *key);				/* -ENOENT */
	int (*lookup)(void *s, unsigned int table, const uint8_t *key, uint8_t *value);		/* -ENOENT */
	/* Each entry once; the walk ends with the first result of fn that is not 0. fn changes nothing. */
	int (*walk)(void *s, unsigned int table, nve_walk_fn fn, void *arg);
	int (*set_default)(void *s, unsigned int table, const uint8_t *value);
	int (*get_default)(void *s, unsigned int table, uint8_t *value);
	uint32_t *(*marks)(void *s, unsigned int table);	/* max_size words that the store owns */
	int (*get_count)(void *s, unsigned int table, uint32_t index, struct nve_count *c);
	int (*set_count)(void *s, unsigned int table, uint32_t index, const struct nve_count *c);
	int (*get_counter)(void *s, unsigned int counter, uint32_t index, struct nve_count *c);
	int (*set_counter)(void *s, unsigned int counter, uint32_t index, const struct nve_count *c);
};

extern const struct nve_store_ops nve_store_memory_ops;

/* A store in memory, with the description's sizes. d must outlive it. */
int nve_store_memory_new(const struct nve_desc *d, void **out);
void nve_store_memory_free(void *s);

#endif
