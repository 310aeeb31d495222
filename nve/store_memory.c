/* Tables in plain memory: what the logic of tables is tested over, without root. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

#define BUCKETS 4096u

struct item {
	struct item *next;
	uint8_t *value;			/* behind the key, in the same block */
	uint8_t key[];
};

struct memory_table {
	unsigned int key_bytes, value_bytes;
	struct item *buckets[BUCKETS];
	uint8_t *def;
	uint32_t *marks;
	struct nve_count *counts;
};

struct memory {
	unsigned int n_tables, n_counters;
	struct memory_table *tables;
	struct nve_count **counters;
};

static struct memory_table *table_of(void *s, unsigned int table)
{
	return &((struct memory *)s)->tables[table];
}

/* FNV-1a */
static struct item **find(struct memory_table *t, const uint8_t *key)
{
	uint32_t h = 2166136261u;
	struct item **p;
	unsigned int i;

	for (i = 0; i < t->key_bytes; i++)
		h = (h ^ key[i]) * 16777619u;
	for (p = &t->buckets[h % BUCKETS]; *p; p = &(*p)->next)
		if (memcmp((*p)->key, key, t->key_bytes) == 0)
			break;
	return p;
}

static int memory_insert(void *s, unsigned int table, const uint8_t *key, const uint8_t *value)
{
	struct memory_table *t = table_of(s, table);
	struct item **p = find(t, key), *it;

	if (*p)
		return -EEXIST;
	it = malloc(sizeof(*it) + t->key_bytes + t->value_bytes);
	if (!it)
		return -ENOMEM;
	it->next = NULL;
	it->value = it->key + t->key_bytes;
	memcpy(it->key, key, t->key_bytes);
	memcpy(it->value, value, t->value_bytes);
	*p = it;
	return 0;
}

static int memory_replace(void *s, unsigned int table, const uint8_t *key, const uint8_t *value)
{
	struct memory_table *t = table_of(s, table);
	struct item **p = find(t, key);

	if (!*p)
		return -ENOENT;
	memcpy((*p)->value, value, t->value_bytes);
	return 0;
}

static int memory_remove(void *s, unsigned int table, const uint8_t *key)
{
	struct item **p = find(table_of(s, table), key), *it = *p;

	if (!it)
		return -ENOENT;
	*p = it->next;
	free(it);
	return 0;
}

static int memory_lookup(void *s, unsigned int table, const uint8_t *key, uint8_t *value)
{
	struct memory_table *t = table_of(s, table);
	struct item **p = find(t, key);

	if (!*p)
		return -ENOENT;
	memcpy(value, (*p)->value, t->value_bytes);
	return 0;
}

static int memory_walk(void *s, unsigned int table, nve_walk_fn fn, void *arg)
{
	struct memory_table *t = table_of(s, table);
	struct item *it;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < BUCKETS && !ret; i++)
		for (it = t->buckets[i]; it && !ret; it = it->next)
			ret = fn(arg, it->key, it->value);
	return ret;
}

static int memory_set_default(void *s, unsigned int table, const uint8_t *value)
{
	struct memory_table *t = table_of(s, table);

	memcpy(t->def, value, t->value_bytes);
	return 0;
}

static int memory_get_default(void *s, unsigned int table, uint8_t *value)
{
	struct memory_table *t = table_of(s, table);

	memcpy(value, t->def, t->value_bytes);
	return 0;
}

static uint32_t *memory_marks(void *s, unsigned int table)
{
	return table_of(s, table)->marks;
}

static int memory_get_count(void *s, unsigned int table, uint32_t index, struct nve_count *c)
{
	*c = table_of(s, table)->counts[index];
	return 0;
}

static int memory_set_count(void *s, unsigned int table, uint32_t index, const struct nve_count *c)
{
	table_of(s, table)->counts[index] = *c;
	return 0;
}

static int memory_get_counter(void *s, unsigned int counter, uint32_t index, struct nve_count *c)
{
	*c = ((struct memory *)s)->counters[counter][index];
	return 0;
}

static int memory_set_counter(void *s, unsigned int counter, uint32_t index, const struct nve_count *c)
{
	((struct memory *)s)->counters[counter][index] = *c;
	return 0;
}

const struct nve_store_ops nve_store_memory_ops = {
	.insert = memory_insert,
	.replace = memory_replace,
	.remove = memory_remove,
	.lookup = memory_lookup,
	.walk = memory_walk,
	.set_default = memory_set_default,
	.get_default = memory_get_default,
	.marks = memory_marks,
	.get_count = memory_get_count,
	.set_count = memory_set_count,
	.get_counter = memory_get_counter,
	.set_counter = memory_set_counter,
};

static int table_init(struct memory_table *t, const struct nve_desc *d, const struct nve_table *td)
{
	t->key_bytes = nve_key_bytes(td);
	t->value_bytes = nve_value_bytes(d, td);
	t->def = calloc(1, t->value_bytes);
	t->marks = calloc(td->max_size, sizeof(*t->marks));
	t->counts = calloc(td->max_size, sizeof(*t->counts));
	return t->def && t->marks && t->counts ? 0 : -ENOMEM;
}

int nve_store_memory_new(const struct nve_desc *d, void **out)
{
	struct memory *m = calloc(1, sizeof(*m));
	int ret = -ENOMEM;
	unsigned int i;

	if (!m)
		return ret;
	m->tables = calloc(d->n_tables + 1, sizeof(*m->tables));
	m->counters = calloc(d->n_counters + 1, sizeof(*m->counters));
	if (!m->tables || !m->counters)
		goto out;
	m->n_tables = d->n_tables;
	m->n_counters = d->n_counters;
	for (i = 0; i < d->n_tables; i++)
		if (table_init(&m->tables[i], d, &d->tables[i]))
			goto out;
	for (i = 0; i < d->n_counters; i++) {
		m->counters[i] = calloc(d->counters[i].size + 1, sizeof(**m->counters));
		if (!m->counters[i])
			goto out;
	}
	*out = m;
	m = NULL;
	ret = 0;
out:
	nve_store_memory_free(m);
	return ret;
}

static void table_free(struct memory_table *t)
{
	struct item *it, *next;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		for (it = t->buckets[i]; it; it = next) {
			next = it->next;
			free(it);
		}
	}
	free(t->def);
	free(t->marks);
	free(t->counts);
}

void nve_store_memory_free(void *s)
{
	struct memory *m = s;
	unsigned int i;

	if (!m)
		return;
	for (i = 0; i < m->n_tables; i++)
		table_free(&m->tables[i]);
	for (i = 0; i < m->n_counters; i++)
		free(m->counters[i]);
	free(m->tables);
	free(m->counters);
	free(m);
}
