/* Finds the tables, counters and actions of a description by name. */
#include "description.h"

#include <errno.h>
#include <string.h>

typedef const char *(*name_at)(const struct nve_desc *d, const struct nve_table *t, unsigned int i);

static const char *table_at(const struct nve_desc *d, const struct nve_table *t, unsigned int i)
{
	(void)t;
	return d->tables[i].name;
}

static const char *counter_at(const struct nve_desc *d, const struct nve_table *t, unsigned int i)
{
	(void)t;
	return d->counters[i].name;
}

static const char *action_at(const struct nve_desc *d, const struct nve_table *t, unsigned int i)
{
	return d->actions[t->actions[i]].name;
}

static bool is_suffix(const char *full, const char *name)
{
	size_t n = strlen(full), m = strlen(name);

	return m && n > m && full[n - m - 1] == '.' && strcmp(full + n - m, name) == 0;
}

/* The position of the name, -ENOENT, or -ENOTUNIQ for a suffix of several. */
static int find(const struct nve_desc *d, const struct nve_table *t, name_at at, unsigned int n, const char *name)
{
	int found = -ENOENT;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (strcmp(at(d, t, i), name) == 0)
			return (int)i;
	for (i = 0; i < n; i++)
		if (is_suffix(at(d, t, i), name))
			found = found == -ENOENT ? (int)i : -ENOTUNIQ;
	return found;
}

static const char *nearest(const struct nve_desc *d, const struct nve_table *t, name_at at, unsigned int n,
			   const char *name)
{
	const char *names[256];
	unsigned int i;

	for (i = 0; i < n && i < 256; i++)
		names[i] = at(d, t, i);
	return nve_nearest(name, names, i);
}

/* "no table 'tagz'; the nearest is 'tags'" */
static int missing(int code, int found, const char *what, const char *name, const char *of, const char *near,
		   enum nve_error_kind kind, struct nve_error *e)
{
	if (found == -ENOTUNIQ)
		return nve_fail_code(e, kind, code, "several %ss%s end in '.%s': give the full name", what, of, name);
	return nve_fail_code(e, kind, code, "no %s '%s'%s%s%s%s", what, name, of, near ? "; the nearest is '" : "",
			     near ? near : "", near ? "'" : "");
}

int nve_desc_table(const struct nve_desc *d, const char *name, struct nve_error *e)
{
	int i;

	name = name ? name : "";
	i = find(d, NULL, table_at, d->n_tables, name);
	if (i >= 0)
		return i;
	return missing(NVE_INVALID_TABLE_NAME, i, "table", name, "", nearest(d, NULL, table_at, d->n_tables, name),
		       NVE_KIND_TABLE, e);
}

int nve_desc_counter(const struct nve_desc *d, const char *name, struct nve_error *e)
{
	int i;

	name = name ? name : "";
	i = find(d, NULL, counter_at, d->n_counters, name);
	if (i >= 0)
		return i;
	return missing(NVE_INVALID_COUNTER_NAME, i, "counter", name, "",
		       nearest(d, NULL, counter_at, d->n_counters, name), NVE_KIND_COUNTER, e);
}

int nve_desc_action(const struct nve_desc *d, const struct nve_table *t, const char *name, struct nve_error *e)
{
	int i;

	name = name ? name : "";
	i = find(d, t, action_at, t->n_actions, name);
	if (i >= 0)
		return (int)t->actions[i];
	return missing(NVE_INVALID_ACTION_NAME, i, "action", name, " in this table",
		       nearest(d, t, action_at, t->n_actions, name), NVE_KIND_TABLE, e);
}
