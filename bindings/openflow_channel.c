/* One OpenFlow connection: reading, writing, queues. */
#include "bindings/openflow_channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/stream.h"
#include "bindings/tls.h"

enum {
	READ_CHUNK = 64 * 1024,
	READS = 4,			/* in one pass of the loop */
	ERRORS_MOST = 64 * 1024,	/* bytes of errors between two barriers */
};

static const double pause_most = 1.0;	/* seconds, before packets are dropped instead */

static void stop_watchers(struct ofc_channel *c)
{
	ev_io_stop(c->loop, &c->readable);
	ev_io_stop(c->loop, &c->writable);
	ev_timer_stop(c->loop, &c->probe);
	ev_timer_stop(c->loop, &c->pause);
	ev_clear_pending(c->loop, &c->flush);
	ev_clear_pending(c->loop, &c->readable);
}

void ofc_end(struct ofc_channel *c, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (c->ended)
		return;
	c->ended = true;
	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	c->code = code;
	stop_watchers(c);
	/* The last words, as far as they go: an error that tells the peer why. */
	if (!c->stream->error && buffer_length(&c->stream->out))
		stream_send(c->stream, buffer_bytes(&c->stream->out), buffer_length(&c->stream->out));
	stream_close(c->stream);
	while (c->calls)
		ofc_call_finish(c->calls);
	ofc_senders_wake(c);
	wait_done(&c->taker);
}

static void fail(struct ofc_channel *c, int err)
{
	if (err == EPIPE || err == ECONNRESET)
		ofc_end(c, "closed", "the other end has closed");
	else
		ofc_end(c, "closed", "%s", strerror(err));
}

/* Sends until the socket takes no more. */
static void flush(struct ofc_channel *c)
{
	struct buffer *out = &c->stream->out;

	while (!c->ended && buffer_length(out)) {
		ssize_t n = stream_send(c->stream, buffer_bytes(out), buffer_length(out));

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return fail(c, (int)-n);
		buffer_consume(out, (size_t)n);
	}
	if (c->ended)
		return;
	if (buffer_length(out))
		ev_io_start(c->loop, &c->writable);
	else
		ev_io_stop(c->loop, &c->writable);
	if (c->senders && buffer_length(out) < OFC_OUT / 2)
		ofc_senders_wake(c);
}

static void on_flush(struct ev_loop *loop, struct ev_prepare *w, int events)
{
	(void)loop;
	(void)events;
	flush(w->data);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	(void)events;
	flush(io->data);
}

void ofc_send(struct ofc_channel *c, const uint8_t *bytes, size_t n)
{
	struct buffer *out = &c->stream->out;

	if (c->ended)
		return;
	if (buffer_length(out) > OFC_OUT_MOST)
		return ofc_end(c, "timeout", "the other end does not read");
	if (buffer_append(out, bytes, n))
		return fail(c, ENOMEM);
	c->sent++;
	if (!ev_is_active(&c->writable))
		ev_feed_event(c->loop, &c->flush, 0);
	switch (bytes[1]) {
	case OFP_FLOW_MOD:
	case OFP_GROUP_MOD:
	case OFP_METER_MOD:
	case OFP_PORT_MOD:
	case OFP_TABLE_MOD:
	case OFP_SET_CONFIG:
	case OFP_SET_ASYNC:
		while (buffer_length(&c->log) + n > OFC_LOG && buffer_length(&c->log))
			buffer_consume(&c->log, (size_t)ofp_get((const uint8_t *)buffer_bytes(&c->log) + 2, 2));
		buffer_append(&c->log, bytes, n);	/* without memory it is not shown */
	}
}

const uint8_t *ofc_request(const struct ofc_channel *c, uint32_t xid, size_t *n)
{
	const uint8_t *at = (const uint8_t *)buffer_bytes(&c->log), *end = at + buffer_length(&c->log);

	for (; at < end; at += *n) {
		*n = (size_t)ofp_get(at + 2, 2);
		if (ofp_get(at + 4, 4) == xid)
			return at;
	}
	return NULL;
}

void ofc_resume(struct ofc_channel *c)
{
	if (!c->paused || c->ended)
		return;
	c->paused = false;
	c->heard = ev_now(c->loop);
	ev_timer_stop(c->loop, &c->pause);
	ev_io_start(c->loop, &c->readable);
	ev_feed_event(c->loop, &c->readable, EV_READ);	/* what has been read already */
}

static void on_pause_end(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct ofc_channel *c = t->data;

	(void)loop;
	(void)events;
	c->dropping = true;
	ofc_resume(c);
}

static void pause_reading(struct ofc_channel *c)
{
	c->paused = true;
	ev_io_stop(c->loop, &c->readable);
	ev_timer_set(&c->pause, pause_most, 0);
	ev_timer_start(c->loop, &c->pause);
}

static void add_event(struct ofc_channel *c, const uint8_t *bytes, size_t n)
{
	if (buffer_length(&c->events) > 4 * c->queue)
		return ofc_end(c, "ENOBUFS", "its events are not handled as fast as they come");
	if (buffer_append(&c->events, bytes, n))
		return fail(c, ENOMEM);
	wait_done(&c->taker);
}

/* False when reading has to stop before this message. */
static bool add_packet(struct ofc_channel *c, const uint8_t *bytes, size_t n)
{
	if (buffer_length(&c->events) < c->queue) {
		add_event(c, bytes, n);
	} else if (c->dropping || c->calls) {
		c->dropped++;
	} else {
		pause_reading(c);
		return false;
	}
	return true;
}

static struct ofc_call *find_call(struct ofc_channel *c, const uint8_t *bytes)
{
	struct ofc_call *call = c->calls;
	uint32_t xid = (uint32_t)ofp_get(bytes + 4, 4);

	while (call && (call->xid != xid || (bytes[1] != call->expects && bytes[1] != OFP_ERROR)))
		call = call->next;
	return call;
}

/* A reply, or a part of one. */
static void answer(struct ofc_channel *c, struct ofc_call *call, const uint8_t *bytes, size_t n)
{
	bool more = bytes[1] == OFP_MULTIPART_REPLY && n >= OFP_HEAD + 8 && (bytes[OFP_HEAD + 3] & 1);

	if (bytes[1] == OFP_ERROR)
		buffer_free(&call->reply);
	if (bytes[1] == OFP_BARRIER_REPLY) {
		struct buffer none = call->errors;

		call->errors = c->errors;
		c->errors = none;
	}
	if (buffer_length(&call->reply) + n > OFC_REPLY_MOST || buffer_append(&call->reply, bytes, n))
		call->too_long = true;
	if (!more || call->too_long)
		ofc_call_finish(call);
}

static void answer_echo(struct ofc_channel *c, const uint8_t *bytes, size_t n)
{
	size_t before = buffer_length(&c->stream->out);

	ofc_send(c, bytes, n);
	if (!c->ended)
		((uint8_t *)c->stream->out.data)[c->stream->out.start + before + 1] = OFP_ECHO_REPLY;
}

/* One whole message. False when reading has to stop before it. */
static bool receive(struct ofc_channel *c, const uint8_t *bytes, size_t n)
{
	struct ofc_call *call;

	if (bytes[0] != OFP_VERSION && bytes[1] != OFP_HELLO && bytes[1] != OFP_ERROR) {
		ofc_end(c, "EPROTO", "a message of version %d, not 1.3", bytes[0]);
		return false;
	}
	if (bytes[1] == OFP_PACKET_IN)
		return add_packet(c, bytes, n);
	if (bytes[1] == OFP_ECHO_REQUEST) {
		answer_echo(c, bytes, n);
		return true;
	}
	call = find_call(c, bytes);
	if (call) {
		answer(c, call, bytes, n);
		return true;
	}
	if (bytes[1] == OFP_ERROR && buffer_length(&c->errors) + n <= ERRORS_MOST)
		buffer_append(&c->errors, bytes, n);
	switch (bytes[1]) {
	case OFP_HELLO:
	case OFP_ERROR:
	case OFP_EXPERIMENTER:
	case OFP_FLOW_REMOVED:
	case OFP_PORT_STATUS:
		add_event(c, bytes, n);
		break;
	default:	/* a reply that nobody waits for any more, or a request that a controller need not answer */
		break;
	}
	return true;
}

/* The messages that are there. */
static void scan(struct ofc_channel *c)
{
	struct buffer *in = &c->stream->in;

	while (!c->ended && !c->paused && buffer_length(in) >= OFP_HEAD) {
		const uint8_t *bytes = (const uint8_t *)buffer_bytes(in);
		size_t n = (size_t)ofp_get(bytes + 2, 2);

		if (n < OFP_HEAD)
			return ofc_end(c, "EPROTO", "a message with a length of %zu bytes", n);
		if (buffer_length(in) < n)
			return;
		c->heard = ev_now(c->loop);
		c->probing = false;
		if (!receive(c, bytes, n))
			return;
		c->received++;
		if (!c->ended)
			buffer_consume(in, n);
	}
}

static void read_some(struct ofc_channel *c)
{
	scan(c);
	for (int i = 0; !c->ended && !c->paused && (i < READS || (c->stream->tls && tls_pending(c->stream->tls))); i++) {
		char *to = buffer_reserve(&c->stream->in, READ_CHUNK);
		ssize_t n = to ? stream_receive(c->stream, to, READ_CHUNK) : -ENOMEM;

		if (n == -EAGAIN)
			return;
		if (n < 0)
			return fail(c, (int)-n);
		if (n == 0)
			return ofc_end(c, "closed", "the other end has closed");
		buffer_added(&c->stream->in, (size_t)n);
		scan(c);
	}
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	(void)events;
	read_some(io->data);
}

/* Looks for what has come while the loop was busy before it judges. */
static void on_probe(struct ev_loop *loop, struct ev_timer *t, int events)
{
	static const uint8_t echo[OFP_HEAD] = { OFP_VERSION, OFP_ECHO_REQUEST, 0, OFP_HEAD };
	struct ofc_channel *c = t->data;

	(void)events;
	if (c->paused)
		return;
	read_some(c);
	if (c->ended || c->paused)
		return;
	if (c->probing)
		return ofc_end(c, "timeout", "no answer to an echo request within %g s", c->interval);
	if (ev_now(loop) - c->heard < c->interval * 0.9)
		return;
	c->probing = true;
	ofc_send(c, echo, sizeof(echo));
}

void ofc_keepalive(struct ofc_channel *c, double seconds)
{
	c->interval = seconds;
	ev_timer_stop(c->loop, &c->probe);
	if (seconds <= 0 || c->ended)
		return;
	c->probe.repeat = seconds;
	ev_now_update(c->loop);
	c->heard = ev_now(c->loop);
	ev_timer_again(c->loop, &c->probe);
}

const uint8_t *ofc_event(struct ofc_channel *c, size_t *n)
{
	const uint8_t *bytes = (const uint8_t *)buffer_bytes(&c->events);

	if (!buffer_length(&c->events))
		return NULL;
	*n = (size_t)ofp_get(bytes + 2, 2);
	return bytes;
}

void ofc_taken(struct ofc_channel *c, size_t n)
{
	buffer_consume(&c->events, n);
	if (buffer_length(&c->events) >= c->queue / 2)
		return;
	c->dropping = false;
	ofc_resume(c);
}

void ofc_begin(struct ofc_channel *c, struct stream *s, struct ev_loop *loop)
{
	c->stream = s;
	c->loop = loop;
	c->queue = OFC_QUEUE;
	ev_io_init(&c->readable, on_readable, s->fd, EV_READ);
	ev_io_init(&c->writable, on_writable, s->fd, EV_WRITE);
	ev_prepare_init(&c->flush, on_flush);
	ev_set_priority(&c->flush, EV_MINPRI);
	ev_init(&c->probe, on_probe);
	ev_init(&c->pause, on_pause_end);
	c->readable.data = c->writable.data = c->flush.data = c->probe.data = c->pause.data = c;
	c->heard = ev_now(loop);
	ev_io_start(loop, &c->readable);
	ev_feed_event(loop, &c->readable, EV_READ);	/* what the stream has read already */
}
