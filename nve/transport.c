/* Buffered socket transport. The struct names with _ and the typedefs are GObject's conventions. */
#include "transport.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536u

struct buffer {
	uint8_t *data;
	size_t start, end, size;
};

struct nve_transport {
	ThriftTransport parent;
	int fd, error;
	size_t limit, bound;
	int64_t deadline;
	bool hold;
	struct buffer in, out;
};

typedef struct nve_transport NveTransport;
typedef struct {
	ThriftTransportClass parent;
} NveTransportClass;

GType nve_transport_get_type(void);
G_DEFINE_TYPE(NveTransport, nve_transport, THRIFT_TYPE_TRANSPORT)

static inline size_t held(const struct buffer *b)
{
	return b->end - b->start;
}

/* Room for n more bytes behind end. A large buffer that has become empty is given back. */
static int reserve(struct buffer *b, size_t n)
{
	size_t size = b->size ? b->size : CHUNK;
	uint8_t *p;

	if (b->start && b->size - b->end < n) {
		memmove(b->data, b->data + b->start, held(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (b->size - b->end >= n)
		return 0;
	while (size - b->end < n)
		size *= 2;
	p = realloc(b->data, size);
	if (!p)
		return -ENOMEM;
	b->data = p;
	b->size = size;
	return 0;
}

static void take(struct buffer *b, size_t n)
{
	b->start += n;
	if (b->start < b->end)
		return;
	b->start = b->end = 0;
	if (b->size > 16 * CHUNK) {
		free(b->data);
		*b = (struct buffer){ NULL, 0, 0, 0 };
	}
}

int64_t nve_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

ssize_t nve_transport_fill(struct nve_transport *t)
{
	ssize_t n;

	if (held(&t->in) >= t->limit)
		return -ENOBUFS;
	if (reserve(&t->in, CHUNK))
		return -ENOMEM;
	do {
		n = recv(t->fd, t->in.data + t->in.end, t->in.size - t->in.end, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	t->in.end += (size_t)n;
	return n;
}

int nve_transport_drain(struct nve_transport *t)
{
	ssize_t n;

	while (held(&t->out)) {
		n = send(t->fd, t->out.data + t->out.start, held(&t->out), MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		take(&t->out, (size_t)n);
	}
	return 0;
}

const uint8_t *nve_transport_input(const struct nve_transport *t, size_t *len)
{
	*len = held(&t->in);
	return t->in.data + t->in.start;
}

void nve_transport_consume(struct nve_transport *t, size_t n)
{
	take(&t->in, n < held(&t->in) ? n : held(&t->in));
}

void nve_transport_bound(struct nve_transport *t, size_t n)
{
	t->bound = n;
}

size_t nve_transport_pending(const struct nve_transport *t)
{
	return held(&t->out);
}

void nve_transport_deadline(struct nve_transport *t, int64_t ms)
{
	t->deadline = ms;
}

void nve_transport_hold(struct nve_transport *t, bool hold)
{
	t->hold = hold;
}

int nve_transport_error(const struct nve_transport *t)
{
	return t->error;
}

/* Waits for events; -ETIMEDOUT at the deadline. */
static int wait_for(struct nve_transport *t, short events, short *got)
{
	struct pollfd p = { .fd = t->fd, .events = events };
	int64_t left;
	int n;

	do {
		left = t->deadline - nve_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;
	*got = p.revents;
	return 0;
}

/* At the end of the stream a reader has nothing left to wait for. */
static int fill_waiting(struct nve_transport *t)
{
	short got;
	ssize_t n;
	int ret;

	for (;;) {
		n = nve_transport_fill(t);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ECONNRESET;
		if (n != -EAGAIN)
			return (int)n;
		if (!t->deadline)
			return -EAGAIN;
		ret = wait_for(t, POLLIN, &got);
		if (ret)
			return ret;
	}
}

static int push(struct nve_transport *t)
{
	short got = 0;
	int ret;

	for (;;) {
		ret = nve_transport_drain(t);
		if (ret != -EAGAIN || !t->deadline)
			return ret;
		ret = wait_for(t, held(&t->in) < t->limit ? POLLIN | POLLOUT : POLLOUT, &got);
		if (ret)
			return ret;
		if ((got & POLLIN) && nve_transport_fill(t) == 0)
			return -EPIPE;
	}
}

int nve_transport_push(struct nve_transport *t)
{
	int ret = t->error ? t->error : push(t);

	if (ret)
		t->error = ret;
	return ret;
}

static gboolean fail(struct nve_transport *t, int err, GError **error)
{
	if (!t->error)
		t->error = err;
	g_set_error(error, THRIFT_TRANSPORT_ERROR, THRIFT_TRANSPORT_ERROR_RECEIVE, "%s", strerror(-err));
	return FALSE;
}

static gint32 transport_read_all(ThriftTransport *transport, gpointer buf, guint32 len, GError **error)
{
	struct nve_transport *t = (struct nve_transport *)transport;
	int ret = len > t->bound ? -EBADMSG : 0;

	/* A server reads whole messages only: lacking bytes are no reason to wait there. */
	while (!ret && held(&t->in) < len)
		ret = t->error ? t->error : t->deadline ? fill_waiting(t) : -EBADMSG;
	if (ret) {
		fail(t, ret, error);
		return -1;
	}
	if (t->bound != SIZE_MAX)
		t->bound -= len;
	memcpy(buf, t->in.data + t->in.start, len);
	take(&t->in, len);
	return (gint32)len;
}

static gboolean transport_write(ThriftTransport *transport, const gpointer buf, const guint32 len, GError **error)
{
	struct nve_transport *t = (struct nve_transport *)transport;

	if (reserve(&t->out, len))
		return fail(t, -ENOMEM, error);
	memcpy(t->out.data + t->out.end, buf, len);
	t->out.end += len;
	return TRUE;
}

static gboolean transport_flush(ThriftTransport *transport, GError **error)
{
	struct nve_transport *t = (struct nve_transport *)transport;
	int ret;

	if (t->hold || !t->deadline)
		return TRUE;
	ret = nve_transport_push(t);
	return ret ? fail(t, ret, error) : TRUE;
}

static gboolean transport_is_open(ThriftTransport *transport)
{
	return ((struct nve_transport *)transport)->fd >= 0;
}

static gboolean transport_nothing(ThriftTransport *transport, GError **error)
{
	(void)transport;
	(void)error;
	return TRUE;
}

/* Sizes are bounded by the scanner (server) or by the buffer's limit (client). */
static gboolean transport_any_size(ThriftTransport *transport, glong n, GError **error)
{
	(void)transport;
	(void)n;
	(void)error;
	return TRUE;
}

static void transport_finalize(GObject *object)
{
	struct nve_transport *t = (struct nve_transport *)object;

	if (t->fd >= 0)
		close(t->fd);
	free(t->in.data);
	free(t->out.data);
	G_OBJECT_CLASS(nve_transport_parent_class)->finalize(object);
}

static void nve_transport_class_init(NveTransportClass *cls)
{
	ThriftTransportClass *base = THRIFT_TRANSPORT_CLASS(cls);

	G_OBJECT_CLASS(cls)->finalize = transport_finalize;
	base->is_open = transport_is_open;
	base->peek = transport_nothing;
	base->open = transport_nothing;
	base->close = transport_nothing;
	base->read = transport_read_all;
	base->read_all = transport_read_all;
	base->read_end = transport_nothing;
	base->write = transport_write;
	base->write_end = transport_nothing;
	base->flush = transport_flush;
	base->updateKnownMessageSize = transport_any_size;
	base->checkReadBytesAvailable = transport_any_size;
	base->resetConsumedMessageSize = transport_any_size;
	base->countConsumedMessageBytes = transport_any_size;
}

static void nve_transport_init(NveTransport *t)
{
	t->fd = -1;
	t->bound = SIZE_MAX;
}

struct nve_transport *nve_transport_new(int fd, size_t limit)
{
	struct nve_transport *t = g_object_new(nve_transport_get_type(), NULL);

	t->fd = fd;
	t->limit = limit;
	return t;
}
