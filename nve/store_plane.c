/* The store over the maps of a data plane. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "plane.h"

static struct nve_plane_table *table_of(void *s, unsigned int table)
{
	return &((struct nve_plane *)s)->tables[table];
}

static int plane_insert(void *s, unsigned int table, const uint8_t *key, const uint8_t *value)
{
	return bpf_map_update_elem(table_of(s, table)->entries, key, value, BPF_NOEXIST) ? -errno : 0;
}

static int plane_replace(void *s, unsigned int table, const uint8_t *key, const uint8_t *value)
{
	return bpf_map_update_elem(table_of(s, table)->entries, key, value, BPF_EXIST) ? -errno : 0;
}

static int plane_remove(void *s, unsigned int table, const uint8_t *key)
{
	return bpf_map_delete_elem(table_of(s, table)->entries, key) ? -errno : 0;
}

static int plane_lookup(void *s, unsigned int table, const uint8_t *key, uint8_t *value)
{
	return bpf_map_lookup_elem(table_of(s, table)->entries, key, value) ? -errno : 0;
}

/* One key at a time: as the walk runs once at start, batches are not worth their fall-back. */
static int plane_walk(void *s, unsigned int table, nve_walk_fn fn, void *arg)
{
	const struct nve_plane *p = s;
	unsigned int key_bytes = nve_key_bytes(&p->desc->tables[table]);
	uint8_t *key, *next, *value;
	int fd = p->tables[table].entries, ret = -ENOMEM;

	key = malloc(key_bytes * 2 + nve_value_bytes(p->desc, &p->desc->tables[table]));
	if (!key)
		return ret;
	next = key + key_bytes;
	value = next + key_bytes;
	ret = bpf_map_get_next_key(fd, NULL, next) ? -errno : 0;
	while (!ret) {
		memcpy(key, next, key_bytes);
		ret = bpf_map_lookup_elem(fd, key, value) ? -errno : fn(arg, key, value);
		if (!ret)
			ret = bpf_map_get_next_key(fd, key, next) ? -errno : 0;
	}
	free(key);
	return ret == -ENOENT ? 0 : ret;
}

static int plane_set_default(void *s, unsigned int table, const uint8_t *value)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(table_of(s, table)->def, &zero, value, BPF_ANY) ? -errno : 0;
}

static int plane_get_default(void *s, unsigned int table, uint8_t *value)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(table_of(s, table)->def, &zero, value) ? -errno : 0;
}

static uint32_t *plane_marks(void *s, unsigned int table)
{
	return table_of(s, table)->words;
}

static int sum_cpus(const struct nve_plane *p, int fd, uint32_t index, struct nve_count *c)
{
	struct nve_count *per = calloc(p->n_cpus, sizeof(*per));
	unsigned int i;
	int ret = -ENOMEM;

	if (!per)
		return ret;
	ret = bpf_map_lookup_elem(fd, &index, per) ? -errno : 0;
	if (!ret)
		*c = (struct nve_count){ 0, 0 };
	for (i = 0; !ret && i < p->n_cpus; i++) {
		c->packets += per[i].packets;
		c->bytes += per[i].bytes;
	}
	free(per);
	return ret;
}

/* The whole count goes to the first CPU. */
static int write_cpus(const struct nve_plane *p, int fd, uint32_t index, const struct nve_count *c)
{
	struct nve_count *per = calloc(p->n_cpus, sizeof(*per));
	int ret;

	if (!per)
		return -ENOMEM;
	per[0] = *c;
	ret = bpf_map_update_elem(fd, &index, per, BPF_ANY) ? -errno : 0;
	free(per);
	return ret;
}

static int plane_get_count(void *s, unsigned int table, uint32_t index, struct nve_count *c)
{
	return sum_cpus(s, table_of(s, table)->counts, index, c);
}

static int plane_set_count(void *s, unsigned int table, uint32_t index, const struct nve_count *c)
{
	return write_cpus(s, table_of(s, table)->counts, index, c);
}

static int plane_get_counter(void *s, unsigned int counter, uint32_t index, struct nve_count *c)
{
	return sum_cpus(s, ((struct nve_plane *)s)->counters[counter], index, c);
}

static int plane_set_counter(void *s, unsigned int counter, uint32_t index, const struct nve_count *c)
{
	return write_cpus(s, ((struct nve_plane *)s)->counters[counter], index, c);
}

const struct nve_store_ops nve_store_plane_ops = {
	.insert = plane_insert,
	.replace = plane_replace,
	.remove = plane_remove,
	.lookup = plane_lookup,
	.walk = plane_walk,
	.set_default = plane_set_default,
	.get_default = plane_get_default,
	.marks = plane_marks,
	.get_count = plane_get_count,
	.set_count = plane_set_count,
	.get_counter = plane_get_counter,
	.set_counter = plane_set_counter,
};
