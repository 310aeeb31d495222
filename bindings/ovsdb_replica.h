/* The replica: the monitored tables as Lua tables, kept up to date in place.
 *
 * rows[TABLE][UUID] is the row { _uuid = UUID, column = value ... }. A row keeps its
 * identity while it lives; a deleted one keeps its last values for who still holds it.
 * The updates come from outside and may hold anything: what does not fit the schema is
 * refused (part of it may have been applied; the caller drops the connection and the
 * next contents set all right).
 */
#ifndef NERV_BINDINGS_OVSDB_REPLICA_H
#define NERV_BINDINGS_OVSDB_REPLICA_H

#include <jansson.h>
#include <lua.h>
#include <stddef.h>

#include "bindings/ovsdb_schema.h"
#include "bindings/ovsdb_watch.h"

struct ovsdb_replica {
	lua_State *L;
	int rows, indexes;		/* stack indices of the table of tables, and of ovsdb_index.h's */
	const struct ovsdb_schema *schema;
	struct ovsdb_sink sink;		/* open; gets an event for each row that differs */
	const char *table, *column;	/* where a fault was found; NULL: not known */
};

/* Applies a <table-updates> of RFC 7047. Returns NULL, or what is wrong with it. Raises
 * only for want of memory. */
const char *ovsdb_replica_update(struct ovsdb_replica *r, json_t *tables);

/* Makes rows[table->name] hold exactly the rows of `rows`, the table's part of a monitor's
 * first answer (NULL: none). As above. */
const char *ovsdb_replica_contents(struct ovsdb_replica *r, const struct ovsdb_table *table, json_t *rows);

/* Removes the tables that the schema does not have any more. */
void ovsdb_replica_prune(struct ovsdb_replica *r);

#endif
