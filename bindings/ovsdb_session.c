/* The session: connecting, requests and answers, notifications. */
#include "bindings/ovsdb_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/ovsdb_session_private.h"

#define RETRY_BUSY 0.02		/* seconds until a server with a full queue is tried again */
#define MONITOR_ID "nerv"
#define PROBE_ID "probe"

static void attempt(struct ovsdb_session *s);

static void set_timer(struct ovsdb_session *s, double when)
{
	double delay = when - ovsdb_now();

	ev_timer_stop(s->loop, &s->timer);
	ev_now_update(s->loop);
	ev_timer_set(&s->timer, delay > 0 ? delay : 0, 0);
	ev_timer_start(s->loop, &s->timer);
}

static void set_reason(struct ovsdb_session *s, int err, const char *code, const char *why)
{
	s->err = err;
	snprintf(s->code, sizeof(s->code), "%s", code);
	snprintf(s->reason, sizeof(s->reason), "%s", why && *why ? why : strerror(-err));
}

/* The connection is gone or must go; what to do next follows from the state. */
static void lose(struct ovsdb_session *s, int err, const char *code, const char *why)
{
	bool ready = s->state == OVSDB_READY, first = !s->was_ready;
	double now = ovsdb_now();

	ovsdb_stream_close(&s->stream);
	ev_timer_stop(s->loop, &s->timer);
	set_reason(s, err, code, why);
	s->doomed = false;
	s->state = s->reconnect && s->was_ready ? OVSDB_WAITING : OVSDB_CLOSED;
	if (s->state == OVSDB_WAITING)
		set_timer(s, ovsdb_backoff_next(&s->backoff, ready ? s->up : 0, now));
	ovsdb_calls_fail(s);
	if (ready || first)
		s->events->lost(s);
	ovsdb_locks_lost(s);
}

static void probe(struct ovsdb_session *s)
{
	json_t *echo;
	char why[64];
	double next;

	if (s->probe.interval <= 0)
		return;
	s->probe.heard = s->stream.heard;
	switch (ovsdb_probe_check(&s->probe, ovsdb_now(), &next)) {
	case OVSDB_PROBE_DEAD:
		snprintf(why, sizeof(why), "the server has been silent for %g s", ovsdb_now() - s->probe.heard);
		lose(s, -ETIMEDOUT, "", why);
		return;
	case OVSDB_PROBE_SEND:
		echo = json_pack("{sss[]ss}", "method", "echo", "params", "id", PROBE_ID);
		if (echo)
			ovsdb_stream_send(&s->stream, echo);
		json_decref(echo);
		break;
	case OVSDB_PROBE_WAIT:
		break;
	}
	set_timer(s, next);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct ovsdb_session *s = w->data;
	char why[256];

	(void)loop;
	(void)revents;
	if (s->doomed) {
		snprintf(why, sizeof(why), "%s", s->reason);
		lose(s, -EPROTO, "", why);
	} else if (s->state == OVSDB_READY) {
		probe(s);
	} else if (s->state == OVSDB_WAITING) {
		attempt(s);
	} else if (s->state == OVSDB_CONNECTING && s->stream.fd < 0 && ovsdb_now() < s->attempt_ends) {
		attempt(s);
	} else if (s->state != OVSDB_CLOSED) {
		lose(s, -ETIMEDOUT, "", "the server does not answer");
	}
}

/* 0 when an attempt is under way. */
static int begin(struct ovsdb_session *s, char *why, size_t size)
{
	const struct tls_files files = { s->ca, s->certificate, s->key };
	int ret;

	if (s->state != OVSDB_CONNECTING)
		s->attempt_ends = ovsdb_now() + s->timeout;
	s->state = OVSDB_CONNECTING;
	ret = ovsdb_stream_open(&s->stream, s->loop, s->remote, &files, why, size);
	if (ret == 0 || ret == -EAGAIN) {
		set_timer(s, ret ? ovsdb_now() + RETRY_BUSY : s->attempt_ends);
		return 0;
	}
	return ret;
}

static void attempt(struct ovsdb_session *s)
{
	char why[256];
	int ret = begin(s, why, sizeof(why));

	if (ret)
		lose(s, ret, "", why);
}

static void on_connected(struct ovsdb_stream *st)
{
	struct ovsdb_session *s = st->owner;
	int ret;

	s->state = OVSDB_FETCHING;
	ret = ovsdb_request_own(s, "get_schema", json_pack("[s]", s->database), &s->setup_id);
	if (ret)
		lose(s, ret, "", NULL);
}

/* {"columns": [...]} with all columns but the internal ones. */
static json_t *monitor_request(const struct ovsdb_table *t)
{
	json_t *names = json_array();

	for (size_t i = 0; names && i < t->column_count; i++) {
		if (!t->columns[i].internal)
			json_array_append_new(names, json_string(t->columns[i].name));
	}
	return json_pack("{so}", "columns", names);
}

bool ovsdb_session_monitors(const struct ovsdb_session *s, const char *table)
{
	if (!s->tables)
		return true;
	for (char **name = s->tables; *name; name++) {
		if (strcmp(*name, table) == 0)
			return true;
	}
	return false;
}

const char *ovsdb_session_missing_table(const struct ovsdb_session *s)
{
	for (char **name = s->tables; name && *name; name++) {
		if (!ovsdb_schema_table(s->schema, *name))
			return *name;
	}
	return NULL;
}

static int send_monitor(struct ovsdb_session *s)
{
	json_t *requests = json_object();

	if (!requests)
		return -ENOMEM;
	for (size_t i = 0; i < s->schema->table_count; i++) {
		const struct ovsdb_table *t = &s->schema->tables[i];

		if (ovsdb_session_monitors(s, t->name) && json_object_set_new(requests, t->name, monitor_request(t))) {
			json_decref(requests);
			return -ENOMEM;
		}
	}
	return ovsdb_request_own(s, "monitor", json_pack("[sso]", s->database, MONITOR_ID, requests), &s->setup_id);
}

static void on_schema(struct ovsdb_session *s, json_t *result)
{
	struct ovsdb_schema *schema;
	const char *missing;
	char why[200];
	int ret = ovsdb_schema_parse(result, &schema, why, sizeof(why));

	if (ret) {
		lose(s, ret, "", why);
		return;
	}
	ovsdb_schema_unref(s->schema);
	s->schema = schema;
	missing = ovsdb_session_missing_table(s);
	if (missing) {
		snprintf(why, sizeof(why), "database \"%s\" has no table \"%s\"", s->database, missing);
		lose(s, -ENOENT, OVSDB_UNKNOWN_TABLE, why);
		return;
	}
	s->state = OVSDB_FILLING;
	ret = send_monitor(s);
	if (ret)
		lose(s, ret, "", NULL);
}

/* It counts as ready while the owner takes the contents, so that it is told of the loss
 * when they make no sense. */
static void on_contents(struct ovsdb_session *s, json_t *result)
{
	const char *why;

	s->state = OVSDB_READY;
	s->up = ovsdb_now();
	s->probe.sent = 0;
	why = s->events->contents(s, result);
	if (s->state != OVSDB_READY)
		return;
	if (why) {
		lose(s, -EPROTO, "", why);
		return;
	}
	s->was_ready = true;
	ev_timer_stop(s->loop, &s->timer);
	probe(s);
	ovsdb_locks_ask(s);
}

/* The two texts of an error object (or string) of the server. */
static void error_texts(const json_t *error, const char **code, const char **details)
{
	*code = json_string_value(json_is_object(error) ? json_object_get(error, "error") : error);
	*details = json_string_value(json_object_get(error, "details"));
	if (!*code)
		*code = "error";
}

static void setup_failed(struct ovsdb_session *s, const json_t *error)
{
	const char *code, *details;
	char why[256];

	error_texts(error, &code, &details);
	if (details)
		snprintf(why, sizeof(why), "%s: %s", code, details);
	else
		snprintf(why, sizeof(why), "%s", code);
	lose(s, -EREMOTEIO, code, why);
}

static void on_answer(struct ovsdb_session *s, json_t *msg)
{
	json_t *id_json = json_object_get(msg, "id");
	json_t *result = json_object_get(msg, "result");
	json_t *error = json_object_get(msg, "error");
	int64_t id = json_integer_value(id_json);

	if (!json_is_integer(id_json) || id <= 0)
		return;
	if (json_is_null(error))
		error = NULL;
	if (s->state != OVSDB_READY) {
		if (id != s->setup_id)
			return;
		if (error)
			setup_failed(s, error);
		else if (s->state == OVSDB_FETCHING)
			on_schema(s, result);
		else
			on_contents(s, result);
		return;
	}
	ovsdb_lock_answered(s, id, result);
	ovsdb_call_answered(s, id, result, error);
}

static void answer(struct ovsdb_session *s, json_t *id, json_t *result, const char *error)
{
	json_t *msg = result ? json_pack("{sOsnsO}", "result", result, "error", "id", id)
			     : json_pack("{snsssO}", "result", "error", error, "id", id);

	if (msg)
		ovsdb_stream_send(&s->stream, msg);
	json_decref(msg);
}

static const char *on_update(struct ovsdb_session *s, json_t *params)
{
	const char *id = json_string_value(json_array_get(params, 0));

	if (!id || strcmp(id, MONITOR_ID) != 0 || s->state != OVSDB_READY)
		return "the server sent an update that nobody asked for";
	return s->events->update(s, json_array_get(params, 1));
}

static const char *on_request(struct ovsdb_session *s, json_t *msg, const char *method)
{
	json_t *params = json_object_get(msg, "params");
	json_t *id = json_object_get(msg, "id");

	if (strcmp(method, "update") == 0)
		return on_update(s, params);
	if (strcmp(method, "locked") == 0)
		return ovsdb_lock_notified(s, params, true);
	if (strcmp(method, "stolen") == 0)
		return ovsdb_lock_notified(s, params, false);
	if (!id || json_is_null(id))
		return NULL;
	if (strcmp(method, "echo") == 0 && params)
		answer(s, id, params, NULL);
	else
		answer(s, id, NULL, "unknown method");
	return NULL;
}

static void on_message(struct ovsdb_stream *st, json_t *msg)
{
	struct ovsdb_session *s = st->owner;
	json_t *method = json_object_get(msg, "method");
	const char *why = NULL;

	if (json_is_string(method))
		why = on_request(s, msg, json_string_value(method));
	else
		on_answer(s, msg);
	if (why && s->state != OVSDB_CLOSED)
		lose(s, -EPROTO, "", why);
}

static void on_failed(struct ovsdb_stream *st, int err, const char *why)
{
	lose(st->owner, err, "", why);
}

static const struct ovsdb_stream_events stream_events = {
	.connected = on_connected,
	.message = on_message,
	.failed = on_failed,
};

void ovsdb_session_init(struct ovsdb_session *s, const struct ovsdb_events *events)
{
	memset(s, 0, sizeof(*s));
	s->events = events;
	ovsdb_stream_init(&s->stream, &stream_events);
	s->stream.owner = s;
	ev_timer_init(&s->timer, on_timer, 0, 0);
	s->timer.data = s;
	/* What the server has sent is read before it is judged to be silent. */
	ev_set_priority(&s->timer, EV_MINPRI);
}

static void free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
}

static char **copy_names(const char *const *names)
{
	size_t n = 0;
	char **copy;

	while (names[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(names[i]);
		if (!copy[i]) {
			free_names(copy);
			return NULL;
		}
	}
	return copy;
}

int ovsdb_session_open(struct ovsdb_session *s, struct ev_loop *loop, const struct ovsdb_options *o)
{
	bool tls = o->tls.ca != NULL;
	char why[256] = "";
	int ret = -ENOMEM;

	s->loop = loop;
	s->timeout = o->timeout;
	s->probe.interval = o->probe;
	s->reconnect = o->reconnect;
	s->remote = strdup(o->remote);
	s->database = strdup(o->database);
	s->tables = o->tables ? copy_names(o->tables) : NULL;
	s->ca = tls ? strdup(o->tls.ca) : NULL;
	s->certificate = tls ? strdup(o->tls.certificate) : NULL;
	s->key = tls ? strdup(o->tls.key) : NULL;
	if (s->remote && s->database && (s->tables || !o->tables) && (!tls || (s->ca && s->certificate && s->key)))
		ret = begin(s, why, sizeof(why));
	if (ret) {
		set_reason(s, ret, "", why);
		ovsdb_session_close(s);
	}
	return ret;
}

void ovsdb_session_close(struct ovsdb_session *s)
{
	struct ovsdb_lock *l;

	s->state = OVSDB_CLOSED;
	ovsdb_stream_close(&s->stream);
	if (s->loop)
		ev_timer_stop(s->loop, &s->timer);
	ovsdb_calls_fail(s);
	while ((l = s->locks)) {
		s->locks = l->next;
		free(l);
	}
	ovsdb_schema_unref(s->schema);
	free_names(s->tables);
	free(s->remote);
	free(s->database);
	free(s->ca);
	free(s->certificate);
	free(s->key);
	s->schema = NULL;
	s->tables = NULL;
	s->remote = NULL;
	s->database = NULL;
	s->ca = s->certificate = s->key = NULL;
}

void ovsdb_session_doom(struct ovsdb_session *s, const char *why)
{
	if (s->state != OVSDB_READY || s->doomed)
		return;
	s->doomed = true;
	snprintf(s->reason, sizeof(s->reason), "%s", why);
	set_timer(s, 0);
}
