/* A session with an OVSDB server (RFC 7047), without Lua.
 *
 * It connects, fetches the schema, asks for the contents of the wanted tables
 * (monitor), then carries calls, keeps the wanted locks asked for, answers the
 * server's echo requests and probes a silent server. When a session that was once
 * ready is lost it connects again, with growing delays, and does all of that again.
 *
 * The owner holds the struct, in one place while it is open. Its callbacks come from the
 * loop, never from inside a call to this module, and may close the session.
 */
#ifndef NERV_BINDINGS_OVSDB_SESSION_H
#define NERV_BINDINGS_OVSDB_SESSION_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bindings/ovsdb_schema.h"
#include "bindings/ovsdb_stream.h"
#include "bindings/ovsdb_timing.h"
#include "bindings/tls.h"

struct ovsdb_session;

enum ovsdb_state {
	OVSDB_CLOSED,		/* for good */
	OVSDB_WAITING,		/* for the next attempt to connect */
	OVSDB_CONNECTING,
	OVSDB_FETCHING,		/* the schema */
	OVSDB_FILLING,		/* the contents */
	OVSDB_READY,
};

struct ovsdb_events {
	/* The contents of the monitored tables, whole. NULL, or what is wrong with
	 * it: then the connection is dropped. The session is ready afterwards. */
	const char *(*contents)(struct ovsdb_session *s, json_t *tables);
	/* Changes of the monitored tables. As above. */
	const char *(*update)(struct ovsdb_session *s, json_t *tables);
	/* The session was ready, or on its first attempt, and is lost: s->err, s->code
	 * and s->reason say why. */
	void (*lost)(struct ovsdb_session *s);
	/* A wanted lock is ours now, or no longer. */
	void (*lock)(struct ovsdb_session *s, const char *name, bool owned);
};

struct ovsdb_options {
	const char *remote;	/* see ovsdb_remote_check() */
	struct tls_files tls;	/* for "ssl:" */
	const char *database;
	const char *const *tables;	/* to monitor; NULL ends the list; NULL itself: all */
	double timeout;		/* of an attempt to connect and of a call, in seconds */
	double probe;		/* seconds of silence before a probe; 0: none */
	bool reconnect;
};

/* A request and its answer. Zeroed by its owner, who frees `result` and `error` with
 * ovsdb_call_clear(), after or instead of the answer. */
struct ovsdb_call {
	struct ovsdb_call *next;	/* private */
	struct ovsdb_session *session;	/* NULL: not under way */
	int64_t id;
	struct ev_timer timer;
	bool cancellable;	/* the server is told when the caller loses interest */
	/* The call has ended: `err` is 0 (and `result` and `error` hold the answer),
	 * -ETIMEDOUT, or -ECONNRESET when the connection or the session has ended. */
	void (*done)(struct ovsdb_call *call);
	int err;
	json_t *result;
	json_t *error;		/* NULL when the server had none */
};

struct ovsdb_lock {
	struct ovsdb_lock *next;
	int64_t request;	/* id of the lock request that is not answered yet; 0: none */
	bool owned;
	char name[];
};

#define OVSDB_CALL_BUCKETS 256

struct ovsdb_session {
	const struct ovsdb_events *events;
	struct ev_loop *loop;
	char *remote;
	char *ca, *certificate, *key;	/* files for "ssl:", else NULL */
	char *database;
	char **tables;		/* NULL ends the list; NULL itself: all */
	double timeout;
	bool reconnect;
	enum ovsdb_state state;
	bool was_ready;		/* once at least */
	bool doomed;		/* to be dropped from the loop, for `reason` */
	struct ovsdb_stream stream;
	struct ovsdb_schema *schema;	/* of the latest connection; NULL before the first */
	struct ev_timer timer;	/* attempt's end, next attempt, or next probe */
	double attempt_ends;
	double up;		/* when it became ready */
	struct ovsdb_backoff backoff;
	struct ovsdb_probe probe;
	int64_t last_id;
	int64_t setup_id;	/* of the schema or monitor request */
	struct ovsdb_call *calls[OVSDB_CALL_BUCKETS];
	struct ovsdb_lock *locks;
	int err;		/* why the latest connection ended: a negative errno */
	char code[64];		/* the server's own word for it, or empty */
	char reason[256];
};

/* Makes a closed session, which may be closed again. */
void ovsdb_session_init(struct ovsdb_session *s, const struct ovsdb_events *events);

/* Begins to connect; the options are copied. 0, or a negative errno when it failed at
 * once; then it is closed and s->reason says why. */
int ovsdb_session_open(struct ovsdb_session *s, struct ev_loop *loop, const struct ovsdb_options *o);

/* Ends the session and all calls (-ECONNRESET); calls neither `lost` nor `lock`.
 * Idempotent. s->reason stays. */
void ovsdb_session_close(struct ovsdb_session *s);

/* Whether the table (of the schema) is monitored. */
bool ovsdb_session_monitors(const struct ovsdb_session *s, const char *table);

/* The first wanted table that the schema does not have, or NULL; when there is one, the
 * session is lost with the code OVSDB_UNKNOWN_TABLE. */
const char *ovsdb_session_missing_table(const struct ovsdb_session *s);
#define OVSDB_UNKNOWN_TABLE "unknown table"

/* Drops the connection soon, for `why`: what it sent makes no sense. */
void ovsdb_session_doom(struct ovsdb_session *s, const char *why);

/* Sends a request with `params` (borrowed) and gives it `seconds`. 0, -ENOTCONN when
 * the session is not ready, or the reason why it cannot be queued; then `done` is not
 * called. */
int ovsdb_session_call(struct ovsdb_session *s, struct ovsdb_call *call, const char *method,
		       json_t *params, double seconds);

/* The caller has lost interest: `done` will not be called, a late answer is ignored.
 * No effect on a call that is not under way. */
void ovsdb_call_cancel(struct ovsdb_call *call);

/* Cancels and frees the answer. */
void ovsdb_call_clear(struct ovsdb_call *call);

/* Asks for a lock now and after each reconnect. `call` ends with the server's answer.
 * 0, -ENOTCONN when it is only noted for later, -EALREADY when it was asked for
 * before (in both cases `call` is not under way), or -ENOMEM. */
int ovsdb_session_lock(struct ovsdb_session *s, struct ovsdb_call *call, const char *name);

/* Gives a lock up. 0, -ENOTCONN (it is forgotten all the same), -ENOENT when it was
 * never asked for, or -ENOMEM. */
int ovsdb_session_unlock(struct ovsdb_session *s, struct ovsdb_call *call, const char *name);

bool ovsdb_session_owns(const struct ovsdb_session *s, const char *name);

#endif
