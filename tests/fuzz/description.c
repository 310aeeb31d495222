/* Descriptions of P4 programs: they are taken whole or refused with a reason, and all that they name is found. */
#include <errno.h>

#include "nve/description.h"
#include "tests/fuzz/fuzz.h"

static void check_table(const struct nve_desc *d, const struct nve_table *t)
{
	struct nve_error e;

	MUST(nve_desc_table(d, t->name, &e) >= 0);
	MUST(t->max_size > 0 && t->max_size <= NVE_MAX_ENTRIES);
	for (unsigned int i = 0; i < t->n_keys; i++)
		MUST(t->keys[i].bits > 0 && t->keys[i].bits <= NVE_MAX_BITS && nve_match_name(t->keys[i].match));
	for (unsigned int i = 0; i < t->n_actions; i++) {
		MUST(t->actions[i] < d->n_actions);
		MUST(nve_desc_action(d, t, d->actions[t->actions[i]].name, &e) >= 0);
	}
	for (unsigned int i = 0; i < t->n_entries; i++)
		MUST(t->entries[i].action < d->n_actions);
	MUST(!t->has_default || t->def.action < d->n_actions);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct nve_error e = { "" };
	struct nve_desc *d = NULL;
	int ret = nve_desc_parse((const char *)bytes, n, &d, &e);

	if (ret) {
		MUST((ret == -EINVAL || ret == -ENOMEM) && !d && e.text[0]);
		return 0;
	}
	MUST(d->text_len == n && !d->text[n]);
	for (unsigned int i = 0; i < d->n_tables; i++)
		check_table(d, &d->tables[i]);
	for (unsigned int i = 0; i < d->n_counters; i++)
		MUST(nve_desc_counter(d, d->counters[i].name, &e) >= 0);
	nve_desc_free(d);
	return 0;
}
