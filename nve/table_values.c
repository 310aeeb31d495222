/* The life of a set of tables, default entries and counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables_private.h"

int nve_tables_check(const struct nve_desc *d, struct nve_error *e)
{
	const struct nve_table *t;
	unsigned int i, k;

	if (d->unsupported)
		return nve_fail(e, -ENOTSUP, "%s: this switch has tables and counters only", d->unsupported);
	for (i = 0; i < d->n_tables; i++) {
		t = &d->tables[i];
		if (t->type != NVE_TABLE_SIMPLE)
			return nve_fail(e, -ENOTSUP, "table '%s' takes its actions from an action profile: this switch has none",
					t->name);
		for (k = 0; k < t->n_keys; k++)
			if (t->keys[k].match != NVE_MATCH_EXACT)
				return nve_fail(e, -ENOTSUP, "table '%s': key '%s' is matched %s: this switch has exact matches only",
						t->name, t->keys[k].name, nve_match_name(t->keys[k].match));
		if (t->n_keys > 16 || nve_key_bytes(t) > 512)
			return nve_fail(e, -ENOTSUP, "table '%s' has a key of more than 16 fields or 512 bytes", t->name);
		if (nve_value_bytes(d, t) > 1024)
			return nve_fail(e, -ENOTSUP, "table '%s' has an action with more than 1016 bytes of parameters", t->name);
	}
	for (i = 0; i < d->n_actions; i++)
		if (d->actions[i].n_params > 64)
			return nve_fail(e, -ENOTSUP, "action '%s' has more than 64 parameters", d->actions[i].name);
	for (i = 0; i < d->n_counters; i++)
		if (!d->counters[i].is_direct && (!d->counters[i].size || d->counters[i].size > NVE_MAX_ENTRIES))
			return nve_fail(e, -ENOTSUP, "counter '%s' has a size that is not from 1 to %u", d->counters[i].name,
					NVE_MAX_ENTRIES);
	return 0;
}

static int note_stored(void *arg, const uint8_t *key, const uint8_t *value)
{
	struct nve_live *l = arg;

	return nve_live_note(l, nve_value_word(value, 0), key, value);
}

static int live_init(struct nve_tables *ts, unsigned int nr, struct nve_error *e)
{
	const struct nve_table *t = &ts->d->tables[nr];
	struct nve_live *l = &ts->live[nr];
	int ret = 0;

	l->t = t;
	l->nr = nr;
	l->key_bytes = nve_key_bytes(t);
	l->value_bytes = nve_value_bytes(ts->d, t);
	l->used = calloc((t->max_size + 63) / 64, sizeof(*l->used));
	l->keys = calloc(t->max_size, l->key_bytes + 1);
	l->values = calloc(t->max_size, l->value_bytes);
	l->scratch = malloc(l->value_bytes);
	l->marks = ts->ops->marks(ts->store, nr);
	if (!l->used || !l->keys || !l->values || !l->scratch)
		return nve_fail(e, -ENOMEM, "out of memory for table '%s'", t->name);
	if (t->n_keys)
		ret = ts->ops->walk(ts->store, nr, note_stored, l);
	if (ret)
		return nve_fail(e, ret, "table '%s': its stored entries cannot be taken over: %s", t->name, strerror(-ret));
	return 0;
}

int nve_tables_new(const struct nve_desc *d, const struct nve_store_ops *ops, void *store, struct nve_tables **out,
		   struct nve_error *e)
{
	struct nve_tables *ts = calloc(1, sizeof(*ts));
	unsigned int i;
	int ret;

	if (!ts)
		return nve_fail(e, -ENOMEM, "out of memory");
	ts->d = d;
	ts->ops = ops;
	ts->store = store;
	ts->live = calloc(d->n_tables + 1, sizeof(*ts->live));
	ret = ts->live ? nve_tables_check(d, e) : nve_fail(e, -ENOMEM, "out of memory");
	for (i = 0; !ret && i < d->n_tables; i++)
		ret = live_init(ts, i, e);
	if (ret) {
		nve_tables_free(ts);
		return ret;
	}
	*out = ts;
	return 0;
}

void nve_tables_free(struct nve_tables *ts)
{
	unsigned int i;

	if (!ts)
		return;
	for (i = 0; ts->live && i < ts->d->n_tables; i++) {
		free(ts->live[i].used);
		free(ts->live[i].keys);
		free(ts->live[i].values);
		free(ts->live[i].scratch);
	}
	free(ts->live);
	free(ts);
}

/* The default entry as the program gives it, or none. */
int nve_live_default(struct nve_tables *ts, struct nve_live *l, struct nve_error *e)
{
	const struct nve_table *t = l->t;
	int ret;

	memset(l->scratch, 0, l->value_bytes);
	nve_value_head(l->scratch, NVE_NO_HANDLE, t->has_default ? ts->d->actions[t->def.action].id : NVE_NO_ACTION);
	if (t->has_default)
		memcpy(l->scratch + NVE_VALUE_HEAD, t->def.data, l->value_bytes - NVE_VALUE_HEAD);
	ret = ts->ops->set_default(ts->store, l->nr, l->scratch);
	if (ret)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_TABLE_ERROR, "default entry of table '%s': %s", t->name, strerror(-ret));
	return 0;
}

static int put_entries(struct nve_tables *ts, struct nve_live *l, struct nve_error *e)
{
	const struct nve_preset *p;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < l->t->n_entries; i++) {
		p = &l->t->entries[i];
		memset(l->scratch, 0, l->value_bytes);
		nve_value_head(l->scratch, i, ts->d->actions[p->action].id);
		memcpy(l->scratch + NVE_VALUE_HEAD, p->data, l->value_bytes - NVE_VALUE_HEAD);
		ret = i < l->t->max_size ? nve_live_put(ts, l, i, p->key, l->scratch) : -E2BIG;
	}
	if (ret)
		return nve_fail(e, ret, "const entry %u of table '%s': %s", i - 1, l->t->name, strerror(-ret));
	return 0;
}

int nve_tables_preset(struct nve_tables *ts, struct nve_error *e)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ts->d->n_tables; i++) {
		ret = nve_live_default(ts, &ts->live[i], e);
		if (!ret)
			ret = put_entries(ts, &ts->live[i], e);
	}
	return ret;
}

int nve_default_set(struct nve_tables *ts, const char *table, const char *action, const struct nve_blob *data,
		    unsigned int n_data, struct nve_error *e)
{
	struct nve_live *l;
	int ret = 0, a;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	a = nve_desc_action(ts->d, l->t, action, e);
	if (a < 0)
		return a;
	if (l->t->default_entry_const)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_DEFAULT_ENTRY_IS_CONST, "the default entry of table '%s' is const", l->t->name);
	if (l->t->default_action_const && l->t->has_default && l->t->def.action != (unsigned int)a)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_DEFAULT_ACTION_IS_CONST, "the default action of table '%s' is always '%s'",
				     l->t->name, ts->d->actions[l->t->def.action].name);
	memset(l->scratch, 0, l->value_bytes);
	nve_value_head(l->scratch, NVE_NO_HANDLE, ts->d->actions[a].id);
	ret = nve_pack_data(&ts->d->actions[a], data, n_data, l->scratch + NVE_VALUE_HEAD, e);
	if (ret)
		return ret;
	ret = ts->ops->set_default(ts->store, l->nr, l->scratch);
	if (ret)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_TABLE_ERROR, "default entry of table '%s': %s", l->t->name, strerror(-ret));
	return 0;
}

int nve_default_reset(struct nve_tables *ts, const char *table, struct nve_error *e)
{
	struct nve_live *l;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	return l ? nve_live_default(ts, l, e) : ret;
}

int nve_default_get(struct nve_tables *ts, const char *table, struct nve_entry *out, struct nve_error *e)
{
	const struct nve_action *a;
	struct nve_live *l;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	ret = ts->ops->get_default(ts->store, l->nr, l->scratch);
	a = ret ? NULL : nve_value_action(ts->d, l->scratch);
	if (!a)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_NO_DEFAULT_ENTRY, "table '%s' has no default entry", l->t->name);
	*out = (struct nve_entry){ NVE_NO_HANDLE, l->t, a, NULL, l->scratch + NVE_VALUE_HEAD };
	return 0;
}

/* BMv2 looks at the index only, not at the version. */
static struct nve_live *counted(struct nve_tables *ts, const char *table, uint32_t handle, int *err, struct nve_error *e)
{
	struct nve_live *l = nve_live_find(ts, table, err, e);

	if (!l)
		return NULL;
	if (l->t->with_counters && nve_live_used(l, handle & NVE_INDEX))
		return l;
	if (l->t->with_counters)
		*err = nve_fail_code(e, NVE_KIND_TABLE, NVE_INVALID_HANDLE, "table '%s' has no entry with handle %u", l->t->name, handle);
	else
		*err = nve_fail_code(e, NVE_KIND_TABLE, NVE_COUNTERS_DISABLED, "table '%s' has no direct counter", l->t->name);
	return NULL;
}

static int count_result(int ret, const char *table, struct nve_error *e)
{
	if (ret)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_TABLE_ERROR, "counters of table '%s': %s", table, strerror(-ret));
	return 0;
}

int nve_table_count_get(struct nve_tables *ts, const char *table, uint32_t handle, struct nve_count *c,
			struct nve_error *e)
{
	int ret = 0;
	struct nve_live *l = counted(ts, table, handle, &ret, e);

	return l ? count_result(ts->ops->get_count(ts->store, l->nr, handle & NVE_INDEX, c), l->t->name, e) : ret;
}

int nve_table_count_set(struct nve_tables *ts, const char *table, uint32_t handle, const struct nve_count *c,
			struct nve_error *e)
{
	int ret = 0;
	struct nve_live *l = counted(ts, table, handle, &ret, e);

	return l ? count_result(ts->ops->set_count(ts->store, l->nr, handle & NVE_INDEX, c), l->t->name, e) : ret;
}

static int reset_counts(struct nve_tables *ts, struct nve_live *l, struct nve_error *e)
{
	static const struct nve_count zero;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < l->t->max_size; i++)
		if (l->marks[i])
			ret = ts->ops->set_count(ts->store, l->nr, i, &zero);
	return count_result(ret, l->t->name, e);
}

int nve_table_count_reset(struct nve_tables *ts, const char *table, struct nve_error *e)
{
	struct nve_live *l;
	int ret = 0;

	l = nve_live_find(ts, table, &ret, e);
	if (!l)
		return ret;
	if (!l->t->with_counters)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_COUNTERS_DISABLED, "table '%s' has no direct counter", l->t->name);
	return reset_counts(ts, l, e);
}

/* A counter array by name; direct counters are read with their table. */
static int find_counter(struct nve_tables *ts, const char *name, int64_t index, unsigned int *nr, struct nve_error *e)
{
	int i = nve_desc_counter(ts->d, name, e);
	const struct nve_counter *c;

	if (i < 0)
		return i;
	c = &ts->d->counters[i];
	if (c->is_direct)
		return nve_fail_code(e, NVE_KIND_COUNTER, NVE_INVALID_COUNTER_NAME, "counter '%s' is direct: ask for the entries of table '%s'",
				     c->name, c->binding);
	if (index < 0 || index >= c->size)
		return nve_fail_code(e, NVE_KIND_COUNTER, NVE_INVALID_INDEX, "counter '%s' has the indexes 0 to %u", c->name, c->size - 1);
	*nr = (unsigned int)i;
	return 0;
}

static int counter_result(int ret, const char *name, struct nve_error *e)
{
	if (ret)
		return nve_fail_code(e, NVE_KIND_COUNTER, NVE_COUNTER_ERROR, "counter '%s': %s", name, strerror(-ret));
	return 0;
}

int nve_counter_get(struct nve_tables *ts, const char *counter, int64_t index, struct nve_count *c, struct nve_error *e)
{
	unsigned int nr = 0;
	int ret = find_counter(ts, counter, index, &nr, e);

	return ret ? ret : counter_result(ts->ops->get_counter(ts->store, nr, (uint32_t)index, c), counter, e);
}

int nve_counter_set(struct nve_tables *ts, const char *counter, int64_t index, const struct nve_count *c,
		    struct nve_error *e)
{
	unsigned int nr = 0;
	int ret = find_counter(ts, counter, index, &nr, e);

	return ret ? ret : counter_result(ts->ops->set_counter(ts->store, nr, (uint32_t)index, c), counter, e);
}

int nve_counter_reset(struct nve_tables *ts, const char *counter, struct nve_error *e)
{
	static const struct nve_count zero;
	unsigned int nr = 0;
	uint32_t i;
	int ret = find_counter(ts, counter, 0, &nr, e);

	for (i = 0; !ret && i < ts->d->counters[nr].size; i++)
		ret = counter_result(ts->ops->set_counter(ts->store, nr, i, &zero), counter, e);
	return ret;
}

int nve_tables_reset(struct nve_tables *ts, struct nve_error *e)
{
	struct nve_live *l;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ts->d->n_tables; i++) {
		l = &ts->live[i];
		if (!l->t->immutable)
			ret = nve_live_empty(ts, l, e);
		if (!ret)
			ret = nve_live_default(ts, l, e);
		if (!ret && l->t->with_counters)
			ret = reset_counts(ts, l, e);
	}
	for (i = 0; !ret && i < ts->d->n_counters; i++)
		if (!ts->d->counters[i].is_direct)
			ret = nve_counter_reset(ts, ts->d->counters[i].name, e);
	return ret;
}
