/* Sockets, buffers and the cutting of messages. */
#include "bindings/ovsdb_stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bindings/ovsdb_timing.h"
#include "bindings/tls.h"
#include "shell/runtime.h"
#include "shell/worker.h"

#define READ_SIZE (256u << 10)	/* for each pass of the loop */
#define PARSE_HERE (64u << 10)	/* a longer message would stop the loop for more than a millisecond */
#define KEEP_SIZE (1u << 20)	/* an empty buffer above this size is freed */

/* A long message on its way through a worker thread. */
struct ovsdb_parse {
	struct job job;
	struct ovsdb_stream *st;	/* NULL: closed meanwhile */
	struct ovsdb_buffer bytes;
	json_t *msg;
	json_error_t error;
};

static int parse_unix(const char *path, struct sockaddr_storage *addr, socklen_t *len)
{
	struct sockaddr_un *un = (struct sockaddr_un *)addr;

	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	*len = sizeof(*un);
	return 0;
}

static int parse_tcp(const char *text, struct sockaddr_storage *addr, socklen_t *len)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	char host[64];
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	size_t n;

	if (!colon || !colon[1])
		return -EINVAL;
	n = (size_t)(colon - text);
	if (*text == '[' && n >= 2 && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found))
		return -EINVAL;
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static bool is_tls(const char *remote)
{
	return strncmp(remote, "ssl:", 4) == 0;
}

static int parse_remote(const char *remote, struct sockaddr_storage *addr, socklen_t *len)
{
	memset(addr, 0, sizeof(*addr));
	if (strncmp(remote, "unix:", 5) == 0)
		return parse_unix(remote + 5, addr, len);
	if (strncmp(remote, "tcp:", 4) == 0 || is_tls(remote))
		return parse_tcp(remote + 4, addr, len);
	return -EINVAL;
}

int ovsdb_remote_check(const char *remote)
{
	struct sockaddr_storage addr;
	socklen_t len;

	return parse_remote(remote, &addr, &len);
}

static void buffer_free(struct ovsdb_buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

/* Room for `more` bytes behind b->end. */
static int buffer_reserve(struct ovsdb_buffer *b, size_t more)
{
	size_t used = b->end - b->start;
	size_t size = b->size ? b->size : 4096;
	char *data;

	/* Bytes move only where at least as many are gained as are moved. */
	if (b->start > 0 && (used == 0 || (b->end + more > b->size && b->start >= used))) {
		memmove(b->data, b->data + b->start, used);
		b->start = 0;
		b->end = used;
	}
	if (b->end + more <= b->size)
		return 0;
	while (size < b->end + more)
		size *= 2;
	data = realloc(b->data, size);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

/* All is done with: large memory is given back. */
static void buffer_reset(struct ovsdb_buffer *b)
{
	if (b->size > KEEP_SIZE)
		buffer_free(b);
	b->start = 0;
	b->end = 0;
}

void ovsdb_stream_close(struct ovsdb_stream *st)
{
	if (st->fd < 0)
		return;
	ev_io_stop(st->loop, &st->reader);
	ev_io_stop(st->loop, &st->writer);
	tls_free(st->tls);
	st->tls = NULL;
	close(st->fd);
	st->fd = -1;
	if (st->parsing)
		st->parsing->st = NULL;
	st->parsing = NULL;
	st->connecting = st->shaking = false;
	buffer_free(&st->in);
	buffer_free(&st->out);
}

static void stream_fail(struct ovsdb_stream *st, int err, const char *why)
{
	ovsdb_stream_close(st);
	st->events->failed(st, err, why);
}

static void stream_cut(struct ovsdb_stream *st);

static void run_parse(struct job *job)
{
	struct ovsdb_parse *p = (struct ovsdb_parse *)job;

	p->msg = json_loadb(p->bytes.data + p->bytes.start, p->bytes.end - p->bytes.start, 0, &p->error);
	buffer_free(&p->bytes);
}

static void run_discard(struct job *job)
{
	json_decref(((struct ovsdb_parse *)job)->msg);
}

static void free_parse(struct job *job)
{
	free(job);
}

/* To free thousands of values takes as long as to apply them. */
static void discard(struct ev_loop *loop, struct ovsdb_parse *p)
{
	p->job.run = run_discard;
	p->job.done = free_parse;
	if (!worker_start(loop, &p->job))
		return;
	run_discard(&p->job);
	free(p);
}

static void hand_out(struct ovsdb_stream *st, json_t *msg, const json_error_t *error)
{
	char why[JSON_ERROR_TEXT_LENGTH + 32];

	if (msg) {
		st->events->message(st, msg);
		return;
	}
	snprintf(why, sizeof(why), "the server sent bad JSON: %s", error->text);
	stream_fail(st, -EPROTO, why);
}

/* Goes on with what was read behind the message, and with reading. */
static void end_parse(struct job *job)
{
	struct ovsdb_parse *p = (struct ovsdb_parse *)job;
	struct ovsdb_stream *st = p->st;
	struct ev_loop *loop = job->rt->loop;

	if (st) {
		st->parsing = NULL;
		hand_out(st, p->msg, &p->error);
		stream_cut(st);
		if (st->fd >= 0 && !st->parsing) {
			ev_io_start(loop, &st->reader);
			if (st->tls && tls_pending(st->tls))
				ev_feed_event(loop, &st->reader, EV_READ);
		}
	}
	discard(loop, p);
}

/* Gives the buffer, whose message ends at `end`, to a worker thread. 0 or a negative errno. */
static int start_parse(struct ovsdb_stream *st, size_t end)
{
	struct ovsdb_buffer rest = { 0 };
	struct ovsdb_parse *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (!p || buffer_reserve(&rest, st->in.end - end + 1))
		goto out;
	p->job.run = run_parse;
	p->job.done = end_parse;
	p->st = st;
	p->bytes = st->in;
	p->bytes.end = end;
	rest.end = st->in.end - end;
	memcpy(rest.data, st->in.data + end, rest.end);
	ret = worker_start(st->loop, &p->job);
	if (ret)
		goto out;
	st->in = rest;	/* the former one is the worker's from here on */
	st->scanned = 0;
	st->parsing = p;
	ev_io_stop(st->loop, &st->reader);
	return 0;
out:
	buffer_free(&rest);
	free(p);
	return ret;
}

/* Parses and hands out the message in the buffer that ends at `end`, now or later. */
static void stream_message(struct ovsdb_stream *st, size_t end)
{
	size_t size = end - st->in.start;
	json_error_t error;
	json_t *msg;

	if (size > PARSE_HERE && !start_parse(st, end))
		return;
	msg = json_loadb(st->in.data + st->in.start, size, 0, &error);
	st->in.start = end;
	hand_out(st, msg, &error);
	json_decref(msg);
}

/* Hands out every whole message. A callback may close the stream. */
static void stream_cut(struct ovsdb_stream *st)
{
	int ret = 0;

	while (st->fd >= 0 && !st->parsing) {
		ret = ovsdb_scan(&st->scan, st->in.data, st->in.end, &st->scanned);
		if (ret <= 0)
			break;
		stream_message(st, st->scanned);
	}
	if (st->fd < 0 || st->parsing)
		return;
	if (ret < 0)
		stream_fail(st, ret, "the server sent something that is no JSON-RPC");
	else if (st->in.end - st->in.start > OVSDB_MESSAGE_MAX)
		stream_fail(st, -EMSGSIZE, "the server sent a message that is too long");
	else if (st->in.start == st->in.end)
		buffer_reset(&st->in);
}

static ssize_t receive(struct ovsdb_stream *st, void *bytes, size_t size)
{
	ssize_t n = st->tls ? tls_read(st->tls, bytes, size) : read(st->fd, bytes, size);

	return n < 0 && !st->tls ? -errno : n;
}

static ssize_t transmit(struct ovsdb_stream *st, const void *bytes, size_t size)
{
	ssize_t n = st->tls ? tls_write(st->tls, bytes, size) : send(st->fd, bytes, size, MSG_NOSIGNAL);

	return n < 0 && !st->tls ? -errno : n;
}

static void stream_ready(struct ovsdb_stream *st)
{
	st->connecting = st->shaking = false;
	st->heard = ovsdb_now();
	ev_io_start(st->loop, &st->reader);
	st->events->connected(st);
}

/* One more step; the socket's events bring the next. */
static void stream_shake(struct ovsdb_stream *st)
{
	int ret = tls_handshake(st->tls);
	char why[256];

	ev_io_stop(st->loop, &st->reader);
	ev_io_stop(st->loop, &st->writer);
	if (!ret) {
		stream_ready(st);
	} else if (ret == -EAGAIN) {
		ev_io_start(st->loop, tls_wants_write(st->tls) ? &st->writer : &st->reader);
	} else {
		snprintf(why, sizeof(why), "TLS: %s", ret == -EPROTO ? tls_problem(st->tls) : strerror(-ret));
		stream_fail(st, ret, why);
	}
}

static void on_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct ovsdb_stream *st = w->data;
	ssize_t n;

	(void)revents;
	if (st->shaking) {
		stream_shake(st);
		return;
	}
	if (buffer_reserve(&st->in, READ_SIZE)) {
		stream_fail(st, -ENOMEM, "");
		return;
	}
	st->scanned = st->in.end;
	n = receive(st, st->in.data + st->in.end, READ_SIZE);
	if (n > 0) {
		st->heard = ovsdb_now();
		st->in.end += (size_t)n;
		stream_cut(st);
		/* What TLS holds back already has no event of the socket. */
		if (st->tls && !st->parsing && tls_pending(st->tls))
			ev_feed_event(loop, w, EV_READ);
	} else if (n == 0) {
		stream_fail(st, -ECONNRESET, "the server closed the connection");
	} else if (n != -EAGAIN && n != -EINTR) {
		stream_fail(st, (int)n, "");
	}
}

/* 0 once the connection is made, else why it is not. */
static int stream_established(struct ovsdb_stream *st)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

static void on_connected(struct ovsdb_stream *st)
{
	int err = stream_established(st);

	if (err) {
		stream_fail(st, err, "");
		return;
	}
	if (st->tls) {
		st->shaking = true;
		stream_shake(st);
		return;
	}
	stream_ready(st);
}

static void on_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct ovsdb_stream *st = w->data;
	ssize_t n;

	(void)revents;
	if (st->connecting) {
		if (st->shaking)
			stream_shake(st);
		else
			on_connected(st);
		return;
	}
	if (st->out.start < st->out.end) {
		n = transmit(st, st->out.data + st->out.start, st->out.end - st->out.start);
		if (n < 0 && n != -EAGAIN && n != -EINTR) {
			stream_fail(st, (int)n, "");
			return;
		}
		if (n > 0)
			st->out.start += (size_t)n;
	}
	if (st->out.start == st->out.end) {
		buffer_reset(&st->out);
		ev_io_stop(loop, &st->writer);
	}
}

static int out_append(const char *data, size_t len, void *arg)
{
	struct ovsdb_stream *st = arg;

	if (st->out.end - st->out.start + len > OVSDB_MESSAGE_MAX || buffer_reserve(&st->out, len))
		return -1;
	memcpy(st->out.data + st->out.end, data, len);
	st->out.end += len;
	return 0;
}

int ovsdb_stream_send(struct ovsdb_stream *st, const json_t *msg)
{
	size_t queued = st->out.end - st->out.start;

	if (st->fd < 0 || st->connecting)
		return -ENOTCONN;
	if (json_dump_callback(msg, out_append, st, JSON_COMPACT)) {
		bool large = st->out.end - st->out.start > OVSDB_MESSAGE_MAX / 2;

		st->out.end = st->out.start + queued;
		return large ? -EMSGSIZE : -ENOMEM;
	}
	ev_io_start(st->loop, &st->writer);
	return 0;
}

void ovsdb_stream_init(struct ovsdb_stream *st, const struct ovsdb_stream_events *events)
{
	memset(st, 0, sizeof(*st));
	st->events = events;
	st->fd = -1;
}

int ovsdb_stream_open(struct ovsdb_stream *st, struct ev_loop *loop, const char *remote,
		      const struct tls_files *files, char *why, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int one = 1;
	int ret = parse_remote(remote, &addr, &len);

	why[0] = '\0';
	if (ret)
		return ret;
	st->fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (st->fd < 0)
		return -errno;
	if (addr.ss_family != AF_UNIX)
		setsockopt(st->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(st->fd, (struct sockaddr *)&addr, len) && errno != EINPROGRESS) {
		ret = -errno;
		close(st->fd);
		st->fd = -1;
		return ret;
	}
	if (is_tls(remote)) {
		ret = tls_new(&st->tls, files, st->fd, false, why, size);
		if (ret) {
			close(st->fd);
			st->fd = -1;
			return ret;
		}
	}
	st->loop = loop;
	st->connecting = true;
	st->scanned = 0;
	memset(&st->scan, 0, sizeof(st->scan));
	ev_io_init(&st->reader, on_readable, st->fd, EV_READ);
	ev_io_init(&st->writer, on_writable, st->fd, EV_WRITE);
	st->reader.data = st;
	st->writer.data = st;
	ev_io_start(loop, &st->writer);
	return 0;
}
