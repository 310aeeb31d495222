/* Carries entries, handles and counts over from the tables of a former data plane. */
#include <errno.h>
#include <string.h>

#include "tables_private.h"

static bool same_fields(const struct nve_field *a, unsigned int n, const struct nve_field *b, unsigned int m)
{
	unsigned int i;

	if (n != m)
		return false;
	for (i = 0; i < n; i++)
		if (a[i].bits != b[i].bits || a[i].match != b[i].match)
			return false;
	return true;
}

/* The new program's action of that name with the same parameters, if the table may use it. */
static const struct nve_action *same_action(const struct nve_desc *d, const struct nve_table *t, const struct nve_action *old)
{
	const struct nve_action *a;
	unsigned int i;

	for (i = 0; old && i < t->n_actions; i++) {
		a = &d->actions[t->actions[i]];
		if (strcmp(a->name, old->name) == 0 && same_fields(a->params, a->n_params, old->params, old->n_params))
			return a;
	}
	return NULL;
}

/* The old value with the new program's action id and length; the data has the same layout. */
static bool translate(const struct nve_desc *d, struct nve_live *l, const struct nve_action *old, uint32_t handle,
		      const uint8_t *data)
{
	const struct nve_action *a = same_action(d, l->t, old);
	unsigned int i, n = 0;

	if (!a)
		return false;
	for (i = 0; i < a->n_params; i++)
		n += nve_field_bytes(&a->params[i]);
	memset(l->scratch, 0, l->value_bytes);
	nve_value_head(l->scratch, handle, a->id);
	memcpy(l->scratch + NVE_VALUE_HEAD, data, n);
	return true;
}

static int take_entry(struct nve_tables *ts, struct nve_live *l, struct nve_tables *from, struct nve_live *old,
		      uint32_t index, uint32_t *lost)
{
	struct nve_count c;
	struct nve_entry en;
	int ret;

	nve_live_entry(from, old, index, &en);
	if (index >= l->t->max_size || !translate(ts->d, l, en.action, en.handle, en.data)) {
		++*lost;
		return 0;
	}
	ret = nve_live_put(ts, l, en.handle, en.key, l->scratch);
	if (!ret && l->t->with_counters && old->t->with_counters) {
		ret = from->ops->get_count(from->store, old->nr, index, &c);
		if (!ret)
			ret = ts->ops->set_count(ts->store, l->nr, index, &c);
	}
	return ret;
}

static int take_default(struct nve_tables *ts, struct nve_live *l, struct nve_tables *from, struct nve_live *old)
{
	struct nve_entry en;

	if (l->t->default_entry_const || nve_default_get(from, old->t->name, &en, NULL) ||
	    !translate(ts->d, l, en.action, NVE_NO_HANDLE, en.data))
		return 0;
	return ts->ops->set_default(ts->store, l->nr, l->scratch);
}

static int take_table(struct nve_tables *ts, struct nve_live *l, struct nve_tables *from, struct nve_live *old,
		      uint32_t *lost)
{
	uint32_t i;
	int ret;

	if (!same_fields(l->t->keys, l->t->n_keys, old->t->keys, old->t->n_keys)) {
		*lost += old->n_used;
		return 0;
	}
	for (i = 0; i < old->t->max_size && i < l->t->max_size; i++)
		l->marks[i] = old->marks[i];
	ret = take_default(ts, l, from, old);
	for (i = 0; !ret && !l->t->immutable && i < old->t->max_size; i++)
		if (nve_live_used(old, i))
			ret = take_entry(ts, l, from, old, i, lost);
	return ret;
}

static int take_counter(struct nve_tables *ts, unsigned int nr, struct nve_tables *from)
{
	int old = nve_desc_counter(from->d, ts->d->counters[nr].name, NULL);
	struct nve_count c;
	uint32_t i;
	int ret = 0;

	if (old < 0 || ts->d->counters[nr].is_direct || from->d->counters[old].is_direct)
		return 0;
	for (i = 0; !ret && i < ts->d->counters[nr].size && i < from->d->counters[old].size; i++) {
		ret = from->ops->get_counter(from->store, (unsigned int)old, i, &c);
		if (!ret)
			ret = ts->ops->set_counter(ts->store, nr, i, &c);
	}
	return ret;
}

int nve_tables_take(struct nve_tables *ts, struct nve_tables *from, uint32_t *lost, struct nve_error *e)
{
	unsigned int i;
	int ret, old;

	*lost = 0;
	for (i = 0; i < from->d->n_tables; i++)
		if (nve_desc_table(ts->d, from->d->tables[i].name, NULL) < 0)
			*lost += from->live[i].n_used;
	for (i = 0; i < ts->d->n_tables; i++) {
		old = nve_desc_table(from->d, ts->d->tables[i].name, NULL);
		ret = old < 0 ? 0 : take_table(ts, &ts->live[i], from, &from->live[old], lost);
		if (ret)
			return nve_fail(e, ret, "entries of table '%s': %s", ts->d->tables[i].name, strerror(-ret));
	}
	for (i = 0; i < ts->d->n_counters; i++) {
		ret = take_counter(ts, i, from);
		if (ret)
			return nve_fail(e, ret, "counter '%s': %s", ts->d->counters[i].name, strerror(-ret));
	}
	return 0;
}
