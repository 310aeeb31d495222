/* OVSDB values as Lua values and back, by the schema.
 *
 *   atom              string, integer, float or boolean; a uuid is a string of 36 characters
 *   optional          the value or nil (to clear one, write {})
 *   set (max > 1)     array
 *   map               table of key -> value
 *
 * Where a uuid is written, "@NAME" and { uuid_name = "NAME" } name a row that the same
 * transaction inserts.
 */
#ifndef NERV_BINDINGS_OVSDB_VALUE_H
#define NERV_BINDINGS_OVSDB_VALUE_H

#include <jansson.h>
#include <lua.h>

#include "bindings/ovsdb_schema.h"

/* Pushes what the server sent for `column`. Returns NULL, or what is wrong with it, and
 * then nothing is pushed. Raises only for want of memory. */
const char *ovsdb_push_value(lua_State *L, const struct ovsdb_column *column, const json_t *json);

/* Pushes the row table of the object `row`, for all columns in it. As above. */
const char *ovsdb_push_row(lua_State *L, const struct ovsdb_table *table, json_t *row);

/* True for 36 characters that are a uuid. */
bool ovsdb_is_uuid(const char *text);

/* True for an <id> of RFC 7047: a letter or '_', then letters, digits and '_'. */
bool ovsdb_is_id(const char *text);

/* What of a value a place in a request takes. */
enum ovsdb_shape {
	OVSDB_WHOLE,	/* the column's type */
	OVSDB_SCALAR,	/* one atom of the column's key type: arithmetic */
	OVSDB_KEYS,	/* for a map: an array of keys, or a table of pairs; else as OVSDB_WHOLE */
};

/* Where a value stands, for messages. */
struct ovsdb_place {
	const char *operation;		/* "transact: operation 3 (insert)" */
	const struct ovsdb_table *table;
	const struct ovsdb_column *column;
};

/* Converts the Lua value at `idx` and adds it to `parent`: under `key` to an object, at
 * the end of an array when `key` is NULL. Raises at the caller's line when the value is
 * of another type; the parent keeps what was added so far, so its owner must be
 * something that is freed when an error passes. */
void ovsdb_encode_value(lua_State *L, int idx, const struct ovsdb_place *place,
			enum ovsdb_shape shape, json_t *parent, const char *key);

/* Adds `child` (taken over; NULL: memory was short) to `parent` as above and returns
 * it, borrowed. Raises for want of memory. */
json_t *ovsdb_attach(lua_State *L, json_t *parent, const char *key, json_t *child);

#endif
