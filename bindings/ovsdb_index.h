/* Indexes over the replica: rows by the values of some of their columns, kept up to date with the rows.
 *
 * indexes[TABLE] is an array of { columns = { NAME ... }, rows = { KEY = { [UUID] = row } } }; KEY are the values of the
 * columns, joined by NUL. A row of which one of these is no text (the columns may be anything, and rows come from
 * outside) is in no group. No function here raises but for want of memory; none waits.
 */
#ifndef NERV_BINDINGS_OVSDB_INDEX_H
#define NERV_BINDINGS_OVSDB_INDEX_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>

/* Pushes the `rows` of the index over those columns (an array at `columns`) of the table, which is made and filled from
 * `rows` (the replica's table of tables) when there is none. All are stack indices. */
void ovsdb_index_open(lua_State *L, int indexes, int rows, const char *table, int columns);

/* Puts the row at `row` into all indexes of its table; takes it out of them. The latter is told the values that it has
 * there: call it before they change. */
void ovsdb_index_add(lua_State *L, int indexes, const char *table, const char *uuid, int row);
void ovsdb_index_remove(lua_State *L, int indexes, const char *table, const char *uuid, int row);

/* Whether an index of the table has one of the columns that are the keys of `columns`. */
bool ovsdb_index_concerned(lua_State *L, int indexes, const char *table, json_t *columns);

#endif
