/* A database's schema (RFC 7047 section 3.2): tables, columns and their types.
 *
 * Made from the server's answer to get_schema; owns its memory; knows no Lua. Only
 * what the conversion of values needs is kept: constraints such as enumerations and
 * lengths are left to the server, which checks them in any case.
 */
#ifndef NERV_BINDINGS_OVSDB_SCHEMA_H
#define NERV_BINDINGS_OVSDB_SCHEMA_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define OVSDB_UNLIMITED UINT_MAX

enum ovsdb_atom {
	OVSDB_NONE,
	OVSDB_INTEGER,
	OVSDB_REAL,
	OVSDB_BOOLEAN,
	OVSDB_STRING,
	OVSDB_UUID,
};

struct ovsdb_column {
	char *name;
	enum ovsdb_atom key;
	enum ovsdb_atom value;	/* of a map; else OVSDB_NONE */
	unsigned int min;	/* 0 or 1 elements at least */
	unsigned int max;	/* OVSDB_UNLIMITED: any number */
	bool internal;		/* _uuid and _version: the server sets them */
};

struct ovsdb_table {
	char *name;
	struct ovsdb_column *columns;	/* sorted by name */
	size_t column_count;
	const char **column_names;	/* NULL ends the list */
};

struct ovsdb_schema {
	char *name;
	char *version;
	struct ovsdb_table *tables;	/* sorted by name */
	size_t table_count;
	const char **table_names;	/* NULL ends the list */
	unsigned int references;
};

/* 0 and a reference in *out, -ENOMEM, or -EPROTO and the reason in `why`. */
int ovsdb_schema_parse(const json_t *json, struct ovsdb_schema **out, char *why, size_t size);

/* Counts references: a conversion that runs Lua code (a finalizer) must not lose its
 * schema when that code closes the session. Both accept NULL. */
struct ovsdb_schema *ovsdb_schema_ref(struct ovsdb_schema *schema);
void ovsdb_schema_unref(struct ovsdb_schema *schema);

/* NULL when there is no such table or column. */
const struct ovsdb_table *ovsdb_schema_table(const struct ovsdb_schema *schema, const char *name);
const struct ovsdb_column *ovsdb_schema_column(const struct ovsdb_table *table, const char *name);

/* The type in words: "set of string", "map of string to integer", "optional uuid". */
void ovsdb_column_type(const struct ovsdb_column *column, char *buf, size_t size);

#endif
