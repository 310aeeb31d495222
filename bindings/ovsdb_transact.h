/* Transactions: Lua operations to RFC 7047's JSON, and its answers to Lua.
 *
 * Nothing here talks to the server or waits.
 */
#ifndef NERV_BINDINGS_OVSDB_TRANSACT_H
#define NERV_BINDINGS_OVSDB_TRANSACT_H

#include <jansson.h>
#include <lua.h>

#include "bindings/ovsdb_schema.h"

/* Appends some of the operations of the array at `idx`, from number *next on, to `params`,
 * which belongs to something that is freed when an error passes; then *next is where to go on,
 * or 0. Raises at the caller's line on an unknown
 * operation, field, table or column (and names the nearest) and on a value of the wrong
 * type. Returns the longest time in seconds that a `wait` among them may take. */
double ovsdb_encode_operations(lua_State *L, int idx, const struct ovsdb_schema *schema, json_t *params,
			       lua_Integer *next);

/* The error in the array of results `result`, borrowed, or NULL. *index is the operation
 * that failed, counted from 1, or 0 when the transaction failed as a whole. */
json_t *ovsdb_result_error(json_t *result, const json_t *params, size_t *index);

/* Pushes the array of results of the successful transaction `params`. Returns NULL, or
 * what is wrong with the server's answer, and then nothing is pushed. */
const char *ovsdb_push_results(lua_State *L, const struct ovsdb_schema *schema, json_t *params,
			       json_t *result);

#endif
