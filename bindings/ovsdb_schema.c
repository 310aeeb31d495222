/* Parsing of schemas. */
#include "bindings/ovsdb_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const atom_names[] = {
	[OVSDB_NONE] = "none",
	[OVSDB_INTEGER] = "integer",
	[OVSDB_REAL] = "real",
	[OVSDB_BOOLEAN] = "boolean",
	[OVSDB_STRING] = "string",
	[OVSDB_UUID] = "uuid",
};

void ovsdb_column_type(const struct ovsdb_column *column, char *buf, size_t size)
{
	const char *key = atom_names[column->key];

	if (column->value != OVSDB_NONE)
		snprintf(buf, size, "map of %s to %s", key, atom_names[column->value]);
	else if (column->max > 1)
		snprintf(buf, size, "set of %s", key);
	else
		snprintf(buf, size, "%s%s", column->min ? "" : "optional ", key);
}

/* OVSDB_NONE when it is no atomic type. */
static enum ovsdb_atom parse_atom(const json_t *json)
{
	const char *name = json_string_value(json);

	for (enum ovsdb_atom a = OVSDB_INTEGER; name && a <= OVSDB_UUID; a++) {
		if (strcmp(name, atom_names[a]) == 0)
			return a;
	}
	return OVSDB_NONE;
}

/* <base-type>: a name, or an object whose "type" is one. */
static enum ovsdb_atom parse_base(const json_t *json)
{
	return parse_atom(json_is_object(json) ? json_object_get(json, "type") : json);
}

static bool parse_count(const json_t *json, unsigned int *count)
{
	const char *text = json_string_value(json);

	if (!json)
		return true;
	if (text && strcmp(text, "unlimited") == 0) {
		*count = OVSDB_UNLIMITED;
		return true;
	}
	if (!json_is_integer(json) || json_integer_value(json) < 0 || json_integer_value(json) > INT_MAX)
		return false;
	*count = (unsigned int)json_integer_value(json);
	return true;
}

static bool parse_type(const json_t *json, struct ovsdb_column *c)
{
	const json_t *value = json_object_get(json, "value");

	c->min = 1;
	c->max = 1;
	c->key = json_is_object(json) ? parse_base(json_object_get(json, "key")) : parse_atom(json);
	if (c->key == OVSDB_NONE)
		return false;
	if (value) {
		c->value = parse_base(value);
		if (c->value == OVSDB_NONE)
			return false;
	}
	return parse_count(json_object_get(json, "min"), &c->min) &&
	       parse_count(json_object_get(json, "max"), &c->max) && c->min <= c->max && c->max > 0;
}

static int compare_columns(const void *a, const void *b)
{
	return strcmp(((const struct ovsdb_column *)a)->name, ((const struct ovsdb_column *)b)->name);
}

static int compare_tables(const void *a, const void *b)
{
	return strcmp(((const struct ovsdb_table *)a)->name, ((const struct ovsdb_table *)b)->name);
}

static int name_columns(struct ovsdb_table *t)
{
	qsort(t->columns, t->column_count, sizeof(*t->columns), compare_columns);
	t->column_names = calloc(t->column_count + 1, sizeof(*t->column_names));
	if (!t->column_names)
		return -ENOMEM;
	for (size_t i = 0; i < t->column_count; i++)
		t->column_names[i] = t->columns[i].name;
	return 0;
}

static int add_internal(struct ovsdb_table *t, const char *name)
{
	struct ovsdb_column *c = &t->columns[t->column_count];

	c->name = strdup(name);
	if (!c->name)
		return -ENOMEM;
	c->key = OVSDB_UUID;
	c->min = 1;
	c->max = 1;
	c->internal = true;
	t->column_count++;
	return 0;
}

static int parse_table(const char *name, json_t *json, struct ovsdb_table *t, char *why, size_t size)
{
	json_t *columns = json_object_get(json, "columns"), *column;
	const char *key;

	if (!json_is_object(columns)) {
		snprintf(why, size, "the schema's table \"%s\" has no columns", name);
		return -EPROTO;
	}
	t->name = strdup(name);
	t->columns = calloc(json_object_size(columns) + 2, sizeof(*t->columns));
	if (!t->name || !t->columns)
		return -ENOMEM;
	json_object_foreach(columns, key, column) {
		struct ovsdb_column *c = &t->columns[t->column_count];

		if (key[0] == '_' || !parse_type(json_object_get(column, "type"), c)) {
			snprintf(why, size, "the schema's column \"%s\" of table \"%s\" is malformed", key, name);
			return -EPROTO;
		}
		c->name = strdup(key);
		if (!c->name)
			return -ENOMEM;
		t->column_count++;
	}
	if (add_internal(t, "_uuid") || add_internal(t, "_version"))
		return -ENOMEM;
	return name_columns(t);
}

static int parse_tables(struct ovsdb_schema *s, json_t *tables, char *why, size_t size)
{
	const char *key;
	json_t *table;
	int ret;

	s->tables = calloc(json_object_size(tables) + 1, sizeof(*s->tables));
	s->table_names = calloc(json_object_size(tables) + 1, sizeof(*s->table_names));
	if (!s->tables || !s->table_names)
		return -ENOMEM;
	json_object_foreach(tables, key, table) {
		ret = parse_table(key, table, &s->tables[s->table_count++], why, size);
		if (ret)
			return ret;
	}
	qsort(s->tables, s->table_count, sizeof(*s->tables), compare_tables);
	for (size_t i = 0; i < s->table_count; i++)
		s->table_names[i] = s->tables[i].name;
	return 0;
}

int ovsdb_schema_parse(const json_t *json, struct ovsdb_schema **out, char *why, size_t size)
{
	json_t *tables = json_object_get(json, "tables");
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *version = json_string_value(json_object_get(json, "version"));
	struct ovsdb_schema *s;
	int ret = -ENOMEM;

	snprintf(why, size, "out of memory");
	if (!name || !json_is_object(tables)) {
		snprintf(why, size, "the server sent something that is no schema");
		return -EPROTO;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->references = 1;
	s->name = strdup(name);
	s->version = strdup(version ? version : "");
	if (s->name && s->version)
		ret = parse_tables(s, tables, why, size);
	if (ret)
		ovsdb_schema_unref(s);
	else
		*out = s;
	return ret;
}

struct ovsdb_schema *ovsdb_schema_ref(struct ovsdb_schema *schema)
{
	if (schema)
		schema->references++;
	return schema;
}

void ovsdb_schema_unref(struct ovsdb_schema *schema)
{
	if (!schema || --schema->references > 0)
		return;
	for (size_t i = 0; i < schema->table_count; i++) {
		struct ovsdb_table *t = &schema->tables[i];

		for (size_t j = 0; j < t->column_count; j++)
			free(t->columns[j].name);
		free(t->columns);
		free(t->column_names);
		free(t->name);
	}
	free(schema->tables);
	free(schema->table_names);
	free(schema->name);
	free(schema->version);
	free(schema);
}

const struct ovsdb_table *ovsdb_schema_table(const struct ovsdb_schema *schema, const char *name)
{
	struct ovsdb_table key = { .name = (char *)name };

	return bsearch(&key, schema->tables, schema->table_count, sizeof(key), compare_tables);
}

const struct ovsdb_column *ovsdb_schema_column(const struct ovsdb_table *table, const char *name)
{
	struct ovsdb_column key = { .name = (char *)name };

	return bsearch(&key, table->columns, table->column_count, sizeof(key), compare_columns);
}
