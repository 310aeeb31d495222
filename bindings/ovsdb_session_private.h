/* What ovsdb_session.c and ovsdb_call.c share; nobody else includes it. */
#ifndef NERV_BINDINGS_OVSDB_SESSION_PRIVATE_H
#define NERV_BINDINGS_OVSDB_SESSION_PRIVATE_H

#include "bindings/ovsdb_session.h"

/* Queues a request; *id is its new id. 0 or a negative errno. */
int ovsdb_request(struct ovsdb_session *s, const char *method, json_t *params, int64_t *id);

/* As above for requests of the session's own; takes `params` over (NULL: memory was
 * short). */
int ovsdb_request_own(struct ovsdb_session *s, const char *method, json_t *params, int64_t *id);

/* Ends all calls with -ECONNRESET. */
void ovsdb_calls_fail(struct ovsdb_session *s);

/* Ends the call with this id, if there is one, with the answer (borrowed). */
void ovsdb_call_answered(struct ovsdb_session *s, int64_t id, json_t *result, json_t *error);

/* Asks again for all wanted locks. */
void ovsdb_locks_ask(struct ovsdb_session *s);

/* The connection is gone: nothing is owned any more. */
void ovsdb_locks_lost(struct ovsdb_session *s);

/* The answer to a lock request, if `id` is one's, be there a call for it or not. */
void ovsdb_lock_answered(struct ovsdb_session *s, int64_t id, const json_t *result);

/* A "locked" or "stolen" notification. NULL, or what is wrong with it. */
const char *ovsdb_lock_notified(struct ovsdb_session *s, const json_t *params, bool owned);

#endif
