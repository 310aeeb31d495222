/* Calls that wait for answers, and locks. */
#include "bindings/ovsdb_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/ovsdb_session_private.h"

int ovsdb_request(struct ovsdb_session *s, const char *method, json_t *params, int64_t *id)
{
	json_int_t next = s->last_id + 1;
	json_t *msg = json_pack("{sssOsI}", "method", method, "params", params, "id", next);
	int ret = -ENOMEM;

	if (msg)
		ret = ovsdb_stream_send(&s->stream, msg);
	if (ret == 0)
		*id = s->last_id = next;
	json_decref(msg);
	return ret;
}

int ovsdb_request_own(struct ovsdb_session *s, const char *method, json_t *params, int64_t *id)
{
	int ret = params ? ovsdb_request(s, method, params, id) : -ENOMEM;

	json_decref(params);
	return ret;
}

/* Takes a call that is under way out of its session. */
static void unlink_call(struct ovsdb_call *call)
{
	struct ovsdb_call **link = &call->session->calls[call->id % OVSDB_CALL_BUCKETS];

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	ev_timer_stop(call->session->loop, &call->timer);
	call->session = NULL;
}

void ovsdb_calls_fail(struct ovsdb_session *s)
{
	struct ovsdb_call *call;

	for (size_t i = 0; i < OVSDB_CALL_BUCKETS; i++) {
		while ((call = s->calls[i])) {
			unlink_call(call);
			call->err = -ECONNRESET;
			call->done(call);
		}
	}
}

void ovsdb_call_answered(struct ovsdb_session *s, int64_t id, json_t *result, json_t *error)
{
	struct ovsdb_call *call = s->calls[id % OVSDB_CALL_BUCKETS];

	while (call && call->id != id)
		call = call->next;
	if (!call)
		return;
	unlink_call(call);
	call->result = json_incref(result);
	call->error = json_incref(error);
	call->done(call);
}

/* RFC 7047 section 4.1.4; what the server answers to it is ignored as late. */
static void tell_cancelled(struct ovsdb_session *s, int64_t id)
{
	json_t *msg = json_pack("{sss[I]sn}", "method", "cancel", "params", (json_int_t)id, "id");

	if (msg && s->state == OVSDB_READY)
		ovsdb_stream_send(&s->stream, msg);
	json_decref(msg);
}

void ovsdb_call_cancel(struct ovsdb_call *call)
{
	struct ovsdb_session *s = call->session;

	if (!s)
		return;
	unlink_call(call);
	if (call->cancellable)
		tell_cancelled(s, call->id);
}

void ovsdb_call_clear(struct ovsdb_call *call)
{
	ovsdb_call_cancel(call);
	json_decref(call->result);
	json_decref(call->error);
	call->result = NULL;
	call->error = NULL;
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct ovsdb_call *call = w->data;

	(void)loop;
	(void)revents;
	ovsdb_call_cancel(call);
	call->err = -ETIMEDOUT;
	call->done(call);
}

int ovsdb_session_call(struct ovsdb_session *s, struct ovsdb_call *call, const char *method,
		       json_t *params, double seconds)
{
	struct ovsdb_call **bucket;
	int ret = -ENOTCONN;

	if (s->state == OVSDB_READY && !s->doomed)
		ret = ovsdb_request(s, method, params, &call->id);
	if (ret)
		return ret;
	bucket = &s->calls[call->id % OVSDB_CALL_BUCKETS];
	call->next = *bucket;
	*bucket = call;
	call->session = s;
	ev_now_update(s->loop);
	ev_timer_init(&call->timer, on_timeout, seconds, 0);
	call->timer.data = call;
	/* An answer that has come in the same pass of the loop wins. */
	ev_set_priority(&call->timer, EV_MINPRI);
	ev_timer_start(s->loop, &call->timer);
	return 0;
}

static struct ovsdb_lock *find_lock(const struct ovsdb_session *s, const char *name)
{
	struct ovsdb_lock *l = s->locks;

	while (l && strcmp(l->name, name) != 0)
		l = l->next;
	return l;
}

void ovsdb_locks_ask(struct ovsdb_session *s)
{
	for (struct ovsdb_lock *l = s->locks; l; l = l->next)
		ovsdb_request_own(s, "lock", json_pack("[s]", l->name), &l->request);
}

void ovsdb_locks_lost(struct ovsdb_session *s)
{
	struct ovsdb_lock *next;

	for (struct ovsdb_lock *l = s->locks; l; l = next) {
		bool owned = l->owned;

		next = l->next;
		l->request = 0;
		l->owned = false;
		if (owned)
			s->events->lock(s, l->name, false);
		if (!s->locks)	/* closed by the callback */
			return;
	}
}

void ovsdb_lock_answered(struct ovsdb_session *s, int64_t id, const json_t *result)
{
	struct ovsdb_lock *l = s->locks;

	while (l && l->request != id)
		l = l->next;
	if (!l)
		return;
	l->request = 0;
	if (json_is_true(json_object_get(result, "locked")) && !l->owned) {
		l->owned = true;
		s->events->lock(s, l->name, true);
	}
}

const char *ovsdb_lock_notified(struct ovsdb_session *s, const json_t *params, bool owned)
{
	const char *name = json_string_value(json_array_get(params, 0));
	struct ovsdb_lock *l = name ? find_lock(s, name) : NULL;

	if (!name)
		return "the server sent a lock notification without a name";
	/* While a request is out, this is about a former one that was given up. */
	if (l && !l->request && l->owned != owned) {
		l->owned = owned;
		s->events->lock(s, l->name, owned);
	}
	return NULL;
}

int ovsdb_session_lock(struct ovsdb_session *s, struct ovsdb_call *call, const char *name)
{
	struct ovsdb_lock *l;
	json_t *params;
	int ret = -ENOMEM;

	if (find_lock(s, name))
		return -EALREADY;
	l = calloc(1, sizeof(*l) + strlen(name) + 1);
	if (!l)
		return -ENOMEM;
	strcpy(l->name, name);
	params = json_pack("[s]", name);
	if (params)
		ret = ovsdb_session_call(s, call, "lock", params, s->timeout);
	json_decref(params);
	if (ret && ret != -ENOTCONN) {
		free(l);
		return ret;
	}
	l->request = ret ? 0 : call->id;
	l->next = s->locks;
	s->locks = l;
	return ret;
}

int ovsdb_session_unlock(struct ovsdb_session *s, struct ovsdb_call *call, const char *name)
{
	struct ovsdb_lock *l = find_lock(s, name), **link = &s->locks;
	json_t *params;
	int ret;

	if (!l)
		return -ENOENT;
	params = json_pack("[s]", name);
	ret = params ? ovsdb_session_call(s, call, "unlock", params, s->timeout) : -ENOMEM;
	json_decref(params);
	if (ret && ret != -ENOTCONN)
		return ret;
	while (*link != l)
		link = &(*link)->next;
	*link = l->next;
	free(l);
	return ret;
}

bool ovsdb_session_owns(const struct ovsdb_session *s, const char *name)
{
	const struct ovsdb_lock *l = find_lock(s, name);

	return l && l->owned;
}
