/* OVSDB's stream of JSON: the same messages come out however the bytes arrive. The first byte says in what pieces. */
#include "bindings/ovsdb_stream.c"

#include <fcntl.h>

#include "tests/fuzz/fuzz.h"

/* What the callbacks heard. */
struct heard {
	size_t messages;
	uint64_t sum;
	int err;
	bool closes;		/* the second message closes the stream */
};

static int add_text(const char *text, size_t n, void *arg)
{
	struct heard *h = arg;

	for (size_t i = 0; i < n; i++)
		h->sum = h->sum * 31 + (uint8_t)text[i];
	return 0;
}

static void on_message(struct ovsdb_stream *st, json_t *msg)
{
	struct heard *h = st->owner;

	MUST(json_is_object(msg));
	json_dump_callback(msg, add_text, h, JSON_COMPACT);
	h->messages++;
	if (h->closes && h->messages == 2)
		ovsdb_stream_close(st);
}

static void on_failed(struct ovsdb_stream *st, int err, const char *why)
{
	MUST(st->fd < 0 && err < 0 && why);
	((struct heard *)st->owner)->err = err;
}

static struct heard feed(struct ev_loop *loop, const uint8_t *bytes, size_t n, size_t piece, bool closes)
{
	static const struct ovsdb_stream_events events = { .message = on_message, .failed = on_failed };
	struct heard h = { .closes = closes };
	struct ovsdb_stream st;

	ovsdb_stream_init(&st, &events);
	st.owner = &h;
	st.loop = loop;
	st.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	MUST(st.fd >= 0);
	ev_io_init(&st.reader, on_readable, st.fd, EV_READ);
	ev_io_init(&st.writer, on_writable, st.fd, EV_WRITE);
	for (size_t at = 0; at < n && st.fd >= 0; at += piece) {
		size_t length = n - at < piece ? n - at : piece;

		MUST(buffer_reserve(&st.in, length) == 0);
		st.scanned = st.in.end;
		memcpy(st.in.data + st.in.end, bytes + at, length);
		st.in.end += length;
		stream_cut(&st);
	}
	ovsdb_stream_close(&st);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct ev_loop *loop;
	struct heard whole, pieces;

	if (!n)
		return 0;
	if (!loop)
		loop = ev_loop_new(EVFLAG_AUTO);
	MUST(loop);
	whole = feed(loop, bytes + 1, n - 1, n, bytes[0] & 0x80);
	pieces = feed(loop, bytes + 1, n - 1, 1 + bytes[0] % 64, bytes[0] & 0x80);
	MUST(whole.messages == pieces.messages && whole.sum == pieces.sum && whole.err == pieces.err);
	return 0;
}
