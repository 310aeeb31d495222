/* Entries of exact tables: handles, checks in BMv2's order, and a copy by index beside the store. */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables_private.h"

static int table_fail(struct nve_error *e, int code, const char *table, const char *why)
{
	return nve_fail_code(e, NVE_KIND_TABLE, code, "table '%s' %s", table, why);
}

static int store_fail(struct nve_error *e, const char *table, int err)
{
	return nve_fail_code(e, NVE_KIND_TABLE, NVE_TABLE_ERROR, "table '%s': the map refused the change: %s", table,
			     strerror(-err));
}

uint32_t nve_value_word(const uint8_t *value, unsigned int i)
{
	uint32_t v;

	memcpy(&v, value + 4 * i, sizeof(v));
	return v;
}

void nve_value_head(uint8_t *value, uint32_t handle, uint32_t action_id)
{
	memcpy(value, &handle, sizeof(handle));
	memcpy(value + 4, &action_id, sizeof(action_id));
}

const struct nve_action *nve_value_action(const struct nve_desc *d, const uint8_t *value)
{
	uint32_t id = nve_value_word(value, 1);
	unsigned int i;

	for (i = 0; i < d->n_actions; i++)
		if (d->actions[i].id == id)
			return &d->actions[i];
	return NULL;
}

struct nve_live *nve_live_find(struct nve_tables *ts, const char *name, int *err, struct nve_error *e)
{
	int i = nve_desc_table(ts->d, name, e);

	if (i >= 0)
		return &ts->live[i];
	*err = i;
	return NULL;
}

bool nve_live_used(const struct nve_live *l, uint32_t index)
{
	return index < l->t->max_size && (l->used[index / 64] >> (index % 64) & 1);
}

/* The lowest free index, or max_size. Searching starts where the last search ended or an entry was freed before it. */
static uint32_t lowest_free(struct nve_live *l)
{
	uint32_t words = (l->t->max_size + 63) / 64, index;

	while (l->hint < words && l->used[l->hint] == UINT64_MAX)
		l->hint++;
	if (l->hint == words)
		return l->t->max_size;
	index = l->hint * 64 + (uint32_t)__builtin_ctzll(~l->used[l->hint]);
	return index < l->t->max_size ? index : l->t->max_size;
}

int nve_live_note(struct nve_live *l, uint32_t handle, const uint8_t *key, const uint8_t *value)
{
	uint32_t index = handle & NVE_INDEX;

	if (index >= l->t->max_size || nve_live_used(l, index))
		return -EINVAL;
	l->used[index / 64] |= 1ull << (index % 64);
	l->n_used++;
	memcpy(l->keys + (size_t)index * l->key_bytes, key, l->key_bytes);
	memcpy(l->values + (size_t)index * l->value_bytes, value, l->value_bytes);
	l->marks[index] = (handle >> 24) | NVE_MARK_COUNTED;
	return 0;
}

int nve_live_put(struct nve_tables *ts, struct nve_live *l, uint32_t handle, const uint8_t *key, uint8_t *value)
{
	static const struct nve_count zero;
	uint32_t index = handle & NVE_INDEX;
	int ret = 0;

	if (l->t->with_counters && (l->marks[index] & NVE_MARK_COUNTED))
		ret = ts->ops->set_count(ts->store, l->nr, index, &zero);
	nve_value_head(value, handle, nve_value_word(value, 1));
	if (!ret)
		ret = ts->ops->insert(ts->store, l->nr, key, value);
	if (!ret)
		ret = nve_live_note(l, handle, key, value);
	return ret;
}

void nve_live_entry(struct nve_tables *ts, struct nve_live *l, uint32_t index, struct nve_entry *out)
{
	const uint8_t *value = l->values + (size_t)index * l->value_bytes;

	out->handle = nve_value_word(value, 0);
	out->table = l->t;
	out->action = nve_value_action(ts->d, value);
	out->key = l->keys + (size_t)index * l->key_bytes;
	out->data = value + NVE_VALUE_HEAD;
}

/* A value with head and data for an action of the table, in l->scratch. */
static int build_value(struct nve_tables *ts, struct nve_live *l, int action, const struct nve_blob *data,
		       unsigned int n, struct nve_error *e)
{
	memset(l->scratch, 0, l->value_bytes);
	nve_value_head(l->scratch, NVE_NO_HANDLE, ts->d->actions[action].id);
	return nve_pack_data(&ts->d->actions[action], data, n, l->scratch + NVE_VALUE_HEAD, e);
}

int nve_table_add(struct nve_tables *ts, const char *table, const struct nve_key *keys, unsigned int n_keys,
		  const char *action, const struct nve_blob *data, unsigned int n_data, uint32_t *handle,
		  struct nve_error *e)
{
	uint8_t key[NVE_MAX_BITS / 8 * 16];
	struct nve_live *l;
	uint32_t index, h;
	int ret = 0, a;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	a = nve_desc_action(ts->d, l->t, action, e);
	if (a < 0)
		return a;
	if (l->t->immutable)
		return table_fail(e, NVE_IMMUTABLE_TABLE_ENTRIES, l->t->name, "has const entries");
	ret = build_value(ts, l, a, data, n_data, e);
	if (ret)
		return ret;
	if (!l->t->n_keys)
		return table_fail(e, NVE_NO_TABLE_KEY, l->t->name, "has no key: only its default entry can be set");
	ret = nve_pack_key(l->t, keys, n_keys, key, e);
	if (ret)
		return ret;
	index = lowest_free(l);
	if (index == l->t->max_size) {
		ret = ts->ops->lookup(ts->store, l->nr, key, l->scratch) ? 0 : -EEXIST;
		if (!ret)
			return nve_fail_code(e, NVE_KIND_TABLE, NVE_TABLE_FULL, "table '%s' is full: its size is %u", l->t->name,
					     l->t->max_size);
	} else {
		h = (l->marks[index] & NVE_MARK_VERSION) << 24 | index;
		ret = nve_live_put(ts, l, h, key, l->scratch);
		if (!ret)
			*handle = h;
	}
	if (ret == -EEXIST)
		return table_fail(e, NVE_DUPLICATE_ENTRY, l->t->name, "has an entry with this key already");
	return ret ? store_fail(e, l->t->name, ret) : 0;
}

/* Checks a handle as BMv2 does; *index is set when it is good. */
static int check_handle(const struct nve_live *l, uint32_t handle, uint32_t *index, struct nve_error *e)
{
	uint32_t i = handle & NVE_INDEX;

	if (!nve_live_used(l, i))
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_INVALID_HANDLE, "table '%s' has no entry with handle %u",
				     l->t->name, handle);
	if ((l->marks[i] & NVE_MARK_VERSION) != handle >> 24)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_EXPIRED_HANDLE, "table '%s': handle %u belongs to a deleted entry",
				     l->t->name, handle);
	*index = i;
	return 0;
}

int nve_table_modify(struct nve_tables *ts, const char *table, uint32_t handle, const char *action,
		     const struct nve_blob *data, unsigned int n_data, struct nve_error *e)
{
	struct nve_live *l;
	uint32_t index = 0;
	int ret = 0, a;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	a = nve_desc_action(ts->d, l->t, action, e);
	if (a < 0)
		return a;
	if (l->t->immutable)
		return table_fail(e, NVE_IMMUTABLE_TABLE_ENTRIES, l->t->name, "has const entries");
	ret = build_value(ts, l, a, data, n_data, e);
	if (!ret)
		ret = check_handle(l, handle, &index, e);
	if (ret)
		return ret;
	nve_value_head(l->scratch, handle, ts->d->actions[a].id);
	ret = ts->ops->replace(ts->store, l->nr, l->keys + (size_t)index * l->key_bytes, l->scratch);
	if (ret)
		return store_fail(e, l->t->name, ret);
	memcpy(l->values + (size_t)index * l->value_bytes, l->scratch, l->value_bytes);
	return 0;
}

int nve_table_delete(struct nve_tables *ts, const char *table, uint32_t handle, struct nve_error *e)
{
	struct nve_live *l;
	uint32_t index = 0;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	if (l->t->immutable)
		return table_fail(e, NVE_IMMUTABLE_TABLE_ENTRIES, l->t->name, "has const entries");
	ret = check_handle(l, handle, &index, e);
	if (ret)
		return ret;
	ret = ts->ops->remove(ts->store, l->nr, l->keys + (size_t)index * l->key_bytes);
	if (ret && ret != -ENOENT)
		return store_fail(e, l->t->name, ret);
	l->used[index / 64] &= ~(1ull << (index % 64));
	l->n_used--;
	if (index / 64 < l->hint)
		l->hint = index / 64;
	l->marks[index] = ((handle >> 24) + 1) % 256 | NVE_MARK_COUNTED;
	return 0;
}

int nve_live_empty(struct nve_tables *ts, struct nve_live *l, struct nve_error *e)
{
	uint32_t i;
	int ret;

	for (i = 0; i < l->t->max_size; i++) {
		if (l->marks[i])
			l->marks[i] = NVE_MARK_COUNTED;
		if (!nve_live_used(l, i))
			continue;
		ret = ts->ops->remove(ts->store, l->nr, l->keys + (size_t)i * l->key_bytes);
		if (ret && ret != -ENOENT)
			return store_fail(e, l->t->name, ret);
		l->used[i / 64] &= ~(1ull << (i % 64));
		l->n_used--;
	}
	l->hint = 0;
	return 0;
}

int nve_table_clear(struct nve_tables *ts, const char *table, bool reset_default, struct nve_error *e)
{
	struct nve_live *l;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	if (l->t->immutable)
		return table_fail(e, NVE_IMMUTABLE_TABLE_ENTRIES, l->t->name, "has const entries");
	ret = nve_live_empty(ts, l, e);
	if (!ret && reset_default)
		ret = nve_live_default(ts, l, e);
	return ret;
}

int nve_table_count(struct nve_tables *ts, const char *table, uint32_t *n, struct nve_error *e)
{
	struct nve_live *l;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (l)
		*n = l->n_used;
	return ret;
}

int nve_table_get(struct nve_tables *ts, const char *table, uint32_t handle, struct nve_entry *out, struct nve_error *e)
{
	struct nve_live *l;
	uint32_t index = 0;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	ret = check_handle(l, handle, &index, e);
	if (!ret)
		nve_live_entry(ts, l, index, out);
	return ret;
}

int nve_table_find(struct nve_tables *ts, const char *table, const struct nve_key *keys, unsigned int n_keys,
		   struct nve_entry *out, struct nve_error *e)
{
	uint8_t key[NVE_MAX_BITS / 8 * 16];
	struct nve_live *l;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	ret = nve_pack_key(l->t, keys, n_keys, key, e);
	if (ret)
		return ret;
	if (!l->t->n_keys || ts->ops->lookup(ts->store, l->nr, key, l->scratch))
		return table_fail(e, NVE_BAD_MATCH_KEY, l->t->name, "has no entry with this key");
	nve_live_entry(ts, l, nve_value_word(l->scratch, 0) & NVE_INDEX, out);
	return 0;
}

int nve_table_walk(struct nve_tables *ts, const char *table, nve_entry_fn fn, void *arg, struct nve_error *e)
{
	struct nve_entry en;
	struct nve_live *l;
	uint32_t i;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	for (i = 0; l && !ret && i < l->t->max_size; i++) {
		if (!l->used[i / 64]) {
			i |= 63;
			continue;
		}
		if (!nve_live_used(l, i))
			continue;
		nve_live_entry(ts, l, i, &en);
		ret = fn(arg, &en);
	}
	return ret;
}
