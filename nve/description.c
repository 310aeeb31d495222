/* Reads BMv2's JSON. */
#include "description.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

#define MAX_TEXT (64u << 20)

static const char *const match_names[] = { "exact", "lpm", "ternary", "valid", "range" };

const char *nve_match_name(enum nve_match match)
{
	return (unsigned int)match < 5 ? match_names[match] : "unknown";
}

static int parse_match(const char *s, enum nve_match *out)
{
	int i;

	if (s && strcmp(s, "optional") == 0)
		s = "ternary";
	for (i = 0; i < 5; i++) {
		if (s && strcmp(s, match_names[i]) == 0) {
			*out = (enum nve_match)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* A member that must be a string; the copy is the caller's. */
static int dup_string(json_t *o, const char *member, const char *of, char **out, struct nve_error *e)
{
	const char *s = json_string_value(json_object_get(o, member));

	if (!s || !*s)
		return nve_fail(e, -EINVAL, "description: %s has no \"%s\"", of, member);
	*out = strdup(s);
	return *out ? 0 : nve_fail(e, -ENOMEM, "out of memory");
}

static int get_uint(json_t *o, const char *member, const char *of, uint32_t *out, struct nve_error *e)
{
	json_t *v = json_object_get(o, member);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
		return nve_fail(e, -EINVAL, "description: %s: \"%s\" is not a number from 0 to 4294967295", of, member);
	*out = (uint32_t)json_integer_value(v);
	return 0;
}

static int get_bits(json_t *o, const char *of, unsigned int *out, struct nve_error *e)
{
	if (!json_is_integer(o) || json_integer_value(o) < 1 || json_integer_value(o) > NVE_MAX_BITS)
		return nve_fail(e, -EINVAL, "description: the width of %s is not from 1 to %u bits", of, NVE_MAX_BITS);
	*out = (unsigned int)json_integer_value(o);
	return 0;
}

/* A list that may be absent. *out is zeroed memory for its items. */
static int list_of(json_t *o, const char *member, size_t item, json_t **list, void **out, unsigned int *n,
		   struct nve_error *e)
{
	*list = json_object_get(o, member);
	if (*list && !json_is_array(*list))
		return nve_fail(e, -EINVAL, "description: \"%s\" is not a list", member);
	*n = 0;
	*out = calloc(json_array_size(*list) + 1, item);
	if (!*out)
		return nve_fail(e, -ENOMEM, "out of memory");
	*n = (unsigned int)json_array_size(*list);
	return 0;
}

static int parse_action(json_t *o, struct nve_action *a, struct nve_error *e)
{
	json_t *list;
	unsigned int i;
	int ret;

	ret = dup_string(o, "name", "an action", &a->name, e);
	if (!ret)
		ret = get_uint(o, "id", a->name, &a->id, e);
	if (!ret)
		ret = list_of(o, "runtime_data", sizeof(*a->params), &list, (void **)&a->params, &a->n_params, e);
	for (i = 0; !ret && i < a->n_params; i++) {
		ret = dup_string(json_array_get(list, i), "name", a->name, &a->params[i].name, e);
		if (!ret)
			ret = get_bits(json_object_get(json_array_get(list, i), "bitwidth"), a->params[i].name,
				       &a->params[i].bits, e);
	}
	return ret;
}

static json_t *by_name(json_t *list, const char *name)
{
	const char *s;
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		s = json_string_value(json_object_get(o, "name"));
		if (s && name && strcmp(s, name) == 0)
			return o;
	}
	return NULL;
}

/* The width of headers.field, by way of its header type. */
static int target_bits(json_t *root, const char *header, const char *field, unsigned int *bits, struct nve_error *e)
{
	json_t *h = by_name(json_object_get(root, "headers"), header), *type, *f;
	const char *s;
	char of[160];
	size_t i;

	if (strcmp(field, "$valid$") == 0) {
		*bits = 1;
		return 0;
	}
	snprintf(of, sizeof(of), "field %s.%s", header, field);
	type = by_name(json_object_get(root, "header_types"), json_string_value(json_object_get(h, "header_type")));
	json_array_foreach(json_object_get(type, "fields"), i, f) {
		s = json_string_value(json_array_get(f, 0));
		if (s && strcmp(s, field) == 0)
			return get_bits(json_array_get(f, 1), of, bits, e);
	}
	return nve_fail(e, -EINVAL, "description: a key names %s, which no header has", of);
}

static int parse_key(json_t *root, json_t *o, const char *table, struct nve_field *f, struct nve_error *e)
{
	json_t *target = json_object_get(o, "target");
	const char *h = json_string_value(json_array_get(target, 0)), *m = json_string_value(json_array_get(target, 1));
	const char *kind = json_string_value(json_object_get(o, "match_type")), *name;
	char buf[256];

	if (!h || !m)
		return nve_fail(e, -EINVAL, "description: a key of table '%s' has no target [header, field]", table);
	snprintf(buf, sizeof(buf), "%s.%s", h, m);
	name = json_string_value(json_object_get(o, "name"));
	f->name = strdup(name ? name : buf);
	if (!f->name)
		return nve_fail(e, -ENOMEM, "out of memory");
	if (parse_match(kind, &f->match))
		return nve_fail(e, -EINVAL, "description: key '%s' of table '%s' has match_type '%s', "
				"not one of exact, lpm, ternary, valid, range",
				f->name, table, kind ? kind : "");
	return target_bits(root, h, m, &f->bits, e);
}

static int find_action(const struct nve_desc *d, json_t *id, json_t *name)
{
	const char *s = json_string_value(name);
	unsigned int i;

	for (i = 0; i < d->n_actions; i++) {
		if (json_is_integer(id) ? d->actions[i].id == (uint32_t)json_integer_value(id) :
					  s && strcmp(d->actions[i].name, s) == 0)
			return (int)i;
	}
	return -EINVAL;
}

static int parse_table_actions(struct nve_desc *d, json_t *o, struct nve_table *t, struct nve_error *e)
{
	json_t *ids = json_object_get(o, "action_ids"), *names;
	unsigned int i;
	int ret, a;

	ret = list_of(o, "actions", sizeof(*t->actions), &names, (void **)&t->actions, &t->n_actions, e);
	for (i = 0; !ret && i < t->n_actions; i++) {
		a = find_action(d, json_array_get(ids, i), json_array_get(names, i));
		if (a < 0)
			return nve_fail(e, -EINVAL, "description: table '%s' lists an action that \"actions\" does not have",
					t->name);
		t->actions[i] = (unsigned int)a;
	}
	return ret;
}

/* action_id and action_data ["0x1f", ...] of a default or const entry */
static int parse_preset(struct nve_desc *d, json_t *o, const struct nve_table *t, struct nve_preset *p, struct nve_error *e)
{
	json_t *data = json_object_get(o, "action_data");
	const struct nve_action *a;
	unsigned int i, len;
	uint8_t *out;
	const char *s;
	int n;

	n = find_action(d, json_object_get(o, "action_id"), NULL);
	if (n < 0)
		return nve_fail(e, -EINVAL, "description: an entry of table '%s' names an action that does not exist", t->name);
	p->action = (unsigned int)n;
	a = &d->actions[n];
	p->data = out = calloc(1, nve_value_bytes(d, t) + NVE_MAX_BITS / 8);
	if (!out)
		return nve_fail(e, -ENOMEM, "out of memory");
	for (i = 0; i < t->n_actions && t->actions[i] != p->action; i++)
		;
	if (i == t->n_actions || json_array_size(data) != a->n_params)
		return nve_fail(e, -EINVAL, "description: an entry of table '%s': action '%s' does not fit it", t->name, a->name);
	for (i = 0; i < a->n_params; i++, out += len) {
		len = nve_field_bytes(&a->params[i]);
		s = json_string_value(json_array_get(data, i));
		if (!s || nve_parse_hex(s, out, len) || !nve_fits((struct nve_blob){ out, len }, a->params[i].bits))
			return nve_fail(e, -EINVAL, "description: an entry of table '%s': '%s' is no %u-bit number", t->name,
					s ? s : "", a->params[i].bits);
	}
	return 0;
}

static int parse_entry_key(json_t *list, const struct nve_table *t, struct nve_preset *p, struct nve_error *e)
{
	unsigned int i, len;
	const char *s;
	uint8_t *out;

	p->key = out = calloc(1, nve_key_bytes(t) + 1);
	if (!out)
		return nve_fail(e, -ENOMEM, "out of memory");
	for (i = 0; i < t->n_keys; i++, out += len) {
		len = nve_field_bytes(&t->keys[i]);
		s = json_string_value(json_object_get(json_array_get(list, i), "key"));
		if (!s || nve_parse_hex(s, out, len) || !nve_fits((struct nve_blob){ out, len }, t->keys[i].bits))
			return nve_fail(e, -EINVAL, "description: an entry of table '%s' has no valid key '%s'", t->name,
					t->keys[i].name);
	}
	return 0;
}

static int parse_entries(struct nve_desc *d, json_t *o, struct nve_table *t, struct nve_error *e)
{
	unsigned int i, n;
	json_t *list;
	int ret;

	for (i = 0; i < t->n_keys; i++)
		if (t->keys[i].match != NVE_MATCH_EXACT)
			return 0;
	ret = list_of(o, "entries", sizeof(*t->entries), &list, (void **)&t->entries, &n, e);
	t->n_entries = n;
	for (i = 0; !ret && i < n; i++) {
		ret = parse_entry_key(json_object_get(json_array_get(list, i), "match_key"), t, &t->entries[i], e);
		if (!ret)
			ret = parse_preset(d, json_object_get(json_array_get(list, i), "action_entry"), t, &t->entries[i], e);
	}
	return ret;
}

static int parse_default(struct nve_desc *d, json_t *o, struct nve_table *t, struct nve_error *e)
{
	json_t *def = json_object_get(o, "default_entry");

	if (!json_is_object(def))
		return 0;
	t->default_action_const = json_is_true(json_object_get(def, "action_const"));
	t->default_entry_const = json_is_true(json_object_get(def, "action_entry_const"));
	t->has_default = true;
	return parse_preset(d, def, t, &t->def, e);
}

static int parse_sizes(json_t *o, struct nve_table *t, struct nve_error *e)
{
	json_t *size = json_object_get(o, "max_size");
	const char *type = json_string_value(json_object_get(o, "type"));

	t->max_size = json_integer_value(size) > 0 ? (uint32_t)json_integer_value(size) : NVE_DEFAULT_ENTRIES;
	if (json_integer_value(size) > NVE_MAX_ENTRIES)
		return nve_fail(e, -EINVAL, "description: table '%s': max_size is over %u", t->name, NVE_MAX_ENTRIES);
	t->with_counters = json_is_true(json_object_get(o, "with_counters"));
	t->support_timeout = json_is_true(json_object_get(o, "support_timeout"));
	if (!type || strcmp(type, "simple") == 0)
		t->type = NVE_TABLE_SIMPLE;
	else if (strcmp(type, "indirect") == 0)
		t->type = NVE_TABLE_INDIRECT;
	else if (strcmp(type, "indirect_ws") == 0)
		t->type = NVE_TABLE_INDIRECT_WS;
	else
		return nve_fail(e, -EINVAL, "description: table '%s' has type '%s', not simple, indirect or indirect_ws", t->name, type);
	return 0;
}

static int parse_table(struct nve_desc *d, json_t *root, json_t *o, struct nve_table *t, struct nve_error *e)
{
	const char *kind = json_string_value(json_object_get(o, "match_type"));
	json_t *keys, *entries = json_object_get(o, "entries");
	unsigned int i;
	int ret;

	ret = dup_string(o, "name", "a table", &t->name, e);
	if (!ret)
		ret = get_uint(o, "id", t->name, &t->id, e);
	if (!ret)
		ret = parse_sizes(o, t, e);
	if (!ret && parse_match(kind, &t->match))
		ret = nve_fail(e, -EINVAL, "description: table '%s' has match_type '%s'", t->name, kind ? kind : "");
	if (!ret)
		ret = list_of(o, "key", sizeof(*t->keys), &keys, (void **)&t->keys, &t->n_keys, e);
	for (i = 0; !ret && i < t->n_keys; i++)
		ret = parse_key(root, json_array_get(keys, i), t->name, &t->keys[i], e);
	if (!ret)
		ret = parse_table_actions(d, o, t, e);
	t->immutable = json_array_size(entries) > 0;
	if (!ret && t->type == NVE_TABLE_SIMPLE)
		ret = parse_default(d, o, t, e);
	if (!ret && t->type == NVE_TABLE_SIMPLE)
		ret = parse_entries(d, o, t, e);
	return ret;
}

static int parse_tables(struct nve_desc *d, json_t *root, struct nve_error *e)
{
	json_t *pipelines = json_object_get(root, "pipelines"), *p, *o;
	size_t n = 0, i, j;
	int ret = 0;

	json_array_foreach(pipelines, i, p)
		n += json_array_size(json_object_get(p, "tables"));
	d->tables = calloc(n + 1, sizeof(*d->tables));
	if (!d->tables)
		return nve_fail(e, -ENOMEM, "out of memory");
	json_array_foreach(pipelines, i, p) {
		json_array_foreach(json_object_get(p, "tables"), j, o) {
			ret = parse_table(d, root, o, &d->tables[d->n_tables++], e);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int parse_counter(json_t *o, struct nve_counter *c, struct nve_error *e)
{
	int ret = dup_string(o, "name", "a counter array", &c->name, e);

	if (!ret)
		ret = get_uint(o, "id", c->name, &c->id, e);
	c->is_direct = json_is_true(json_object_get(o, "is_direct"));
	if (!ret && c->is_direct)
		ret = dup_string(o, "binding", c->name, &c->binding, e);
	else if (!ret)
		ret = get_uint(o, "size", c->name, &c->size, e);
	return ret;
}

static int note_unsupported(struct nve_desc *d, json_t *root)
{
	static const char *const members[] = { "meter_arrays", "register_arrays", "parse_vsets", "learn_lists" };
	const char *name;
	char buf[200];
	size_t i;

	for (i = 0; i < 4; i++) {
		if (!json_array_size(json_object_get(root, members[i])))
			continue;
		name = json_string_value(json_object_get(json_array_get(json_object_get(root, members[i]), 0), "name"));
		snprintf(buf, sizeof(buf), "%s '%s'", members[i], name ? name : "");
		d->unsupported = strdup(buf);
		return d->unsupported ? 0 : -ENOMEM;
	}
	return 0;
}

static int parse_root(struct nve_desc *d, json_t *root, struct nve_error *e)
{
	const char *program = json_string_value(json_object_get(json_object_get(root, "__meta__"), "program"));
	json_t *list;
	unsigned int i;
	int ret;

	d->program = strdup(program ? program : "");
	if (!d->program || note_unsupported(d, root))
		return nve_fail(e, -ENOMEM, "out of memory");
	ret = list_of(root, "actions", sizeof(*d->actions), &list, (void **)&d->actions, &d->n_actions, e);
	for (i = 0; !ret && i < d->n_actions; i++)
		ret = parse_action(json_array_get(list, i), &d->actions[i], e);
	if (!ret)
		ret = parse_tables(d, root, e);
	if (!ret)
		ret = list_of(root, "counter_arrays", sizeof(*d->counters), &list, (void **)&d->counters, &d->n_counters, e);
	for (i = 0; !ret && i < d->n_counters; i++)
		ret = parse_counter(json_array_get(list, i), &d->counters[i], e);
	return ret;
}

int nve_desc_parse(const char *text, size_t len, struct nve_desc **out, struct nve_error *e)
{
	struct nve_desc *d = calloc(1, sizeof(*d));
	json_error_t err;
	json_t *root = NULL;
	int ret = -ENOMEM;

	if (!d)
		return nve_fail(e, ret, "out of memory");
	d->text = malloc(len + 1);
	if (!d->text) {
		nve_fail(e, ret, "out of memory");
		goto out;
	}
	memcpy(d->text, text, len);
	d->text[len] = '\0';
	d->text_len = len;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
	if (!json_is_object(root)) {
		ret = nve_fail(e, -EINVAL, "description: line %d: %s", err.line, root ? "not an object" : err.text);
		goto out;
	}
	ret = parse_root(d, root, e);
	if (!ret) {
		*out = d;
		d = NULL;
	}
out:
	json_decref(root);
	nve_desc_free(d);
	return ret;
}

static int name_after_file(struct nve_desc *d, const char *path)
{
	const char *base = strrchr(path, '/');
	char *dot, *copy;

	copy = strdup(base ? base + 1 : path);
	if (!copy)
		return -ENOMEM;
	dot = strrchr(copy, '.');
	if (dot && dot != copy)
		*dot = '\0';
	free(d->program);
	d->program = copy;
	return 0;
}

int nve_desc_load(const char *path, struct nve_desc **out, struct nve_error *e)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	long size;
	int ret;

	if (!f)
		return nve_fail(e, -errno, "%s: %s", path, strerror(errno));
	ret = nve_fail(e, -EFBIG, "%s: is not a file of at most 64 MB", path);
	if (fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || size > (long)MAX_TEXT)
		goto out;
	rewind(f);
	text = malloc((size_t)size + 1);
	if (!text || fread(text, 1, (size_t)size, f) != (size_t)size) {
		ret = nve_fail(e, text ? -EIO : -ENOMEM, "%s: cannot be read", path);
		goto out;
	}
	ret = nve_desc_parse(text, (size_t)size, out, e);
	if (!ret && !*(*out)->program)
		ret = name_after_file(*out, path);
out:
	free(text);
	fclose(f);
	return ret;
}

static void free_fields(struct nve_field *f, unsigned int n)
{
	unsigned int i;

	for (i = 0; f && i < n; i++)
		free(f[i].name);
	free(f);
}

static void free_table(struct nve_table *t)
{
	unsigned int i;

	for (i = 0; i < t->n_entries; i++) {
		free(t->entries[i].key);
		free(t->entries[i].data);
	}
	free(t->entries);
	free(t->def.data);
	free_fields(t->keys, t->n_keys);
	free(t->actions);
	free(t->name);
}

void nve_desc_free(struct nve_desc *d)
{
	unsigned int i;

	if (!d)
		return;
	for (i = 0; i < d->n_actions; i++) {
		free(d->actions[i].name);
		free_fields(d->actions[i].params, d->actions[i].n_params);
	}
	for (i = 0; i < d->n_tables; i++)
		free_table(&d->tables[i]);
	for (i = 0; i < d->n_counters; i++) {
		free(d->counters[i].name);
		free(d->counters[i].binding);
	}
	free(d->actions);
	free(d->tables);
	free(d->counters);
	free(d->unsupported);
	free(d->program);
	free(d->text);
	free(d);
}
