/* A controller's connection, and any bytes from the switch, in pieces: what is kept stays bounded, every echo is
 * answered, and messages come out whole and in order. The first byte says how large the pieces are. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bindings/openflow_channel.h"
#include "bindings/stream.h"
#include "tests/fuzz/fuzz.h"

enum { QUEUE = 2048, XID = 7 };

/* What the switch has sent and got. */
struct peer {
	int fd;
	size_t echoes, answers;
	struct buffer got;
};

/* Counts the whole messages of a kind. */
static size_t count(struct buffer *b, uint8_t type)
{
	size_t found = 0;

	while (buffer_length(b) >= OFP_HEAD) {
		const uint8_t *m = (const uint8_t *)buffer_bytes(b);
		size_t n = (size_t)ofp_get(m + 2, 2);

		MUST(n >= OFP_HEAD && m[0] == OFP_VERSION);
		if (buffer_length(b) < n)
			break;
		found += m[1] == type;
		buffer_consume(b, n);
	}
	return found;
}

static void receive(struct peer *p)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		MUST(buffer_append(&p->got, bytes, (size_t)n) == 0);
	p->answers += count(&p->got, OFP_ECHO_REPLY);
}

static void take(struct ofc_channel *c)
{
	size_t n;
	const uint8_t *m = ofc_event(c, &n);

	if (!m)
		return;
	MUST(n >= OFP_HEAD && n <= buffer_length(&c->events) && ofp_get(m + 2, 2) == n);
	MUST(m[1] != OFP_ECHO_REQUEST && m[1] != OFP_ECHO_REPLY);
	ofc_taken(c, n);
}

static void check(const struct ofc_channel *c)
{
	MUST(buffer_length(&c->events) <= 4 * QUEUE + OFP_MOST);
	MUST(buffer_length(&c->errors) <= 64 * 1024);
	MUST(c->ended || buffer_length(&c->stream->in) <= OFP_MOST + 4 * 64 * 1024);
	MUST(!c->ended || (c->code && *c->reason && c->stream->fd < 0));
}

/* How many echo requests lead the bytes, before something that ends the connection. */
static size_t count_echoes(const uint8_t *at, size_t n)
{
	size_t found = 0;

	while (n >= OFP_HEAD) {
		size_t length = (size_t)ofp_get(at + 2, 2);

		if (length < OFP_HEAD || length > n || (at[0] != OFP_VERSION && at[1] != OFP_HELLO && at[1] != OFP_ERROR))
			break;
		found += at[1] == OFP_ECHO_REQUEST;
		at += length;
		n -= length;
	}
	return found;
}

static void play(struct ofc_channel *c, struct peer *p, const uint8_t *bytes, size_t n, size_t piece)
{
	for (size_t i = 0; n; i++) {
		size_t now = piece < n ? piece : n;

		if (send(p->fd, bytes, now, MSG_NOSIGNAL) < 0)
			break;
		bytes += now;
		n -= now;
		ev_run(c->loop, EVRUN_NOWAIT);
		receive(p);
		check(c);
		if (i % 3 == 0)
			take(c);
	}
	while (buffer_length(&c->events)) {
		take(c);
		ev_run(c->loop, EVRUN_NOWAIT);
		receive(p);
		check(c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV);
	struct ofc_channel c = { .ended = false };
	struct ofc_call call = { .xid = XID, .expects = OFP_MULTIPART_REPLY };
	struct stream s = { .is_socket = true, .loop = loop, .name = "switch" };
	struct peer p = { .echoes = 0 };
	int fds[2];

	MUST(loop && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	s.fd = fds[0];
	p.fd = fds[1];
	ofc_begin(&c, &s, loop);
	c.queue = QUEUE;
	ofc_call_add(&c, &call, 60);
	if (n > 1) {
		p.echoes = count_echoes(bytes + 1, n - 1);
		play(&c, &p, bytes + 1, n - 1, 1 + bytes[0] * 8u);
	}
	MUST(p.answers <= p.echoes && (c.ended || p.answers == p.echoes));
	ofc_end(&c, "closed", "closed here");
	MUST(!c.calls && call.done);
	buffer_free(&c.events);
	buffer_free(&c.errors);
	buffer_free(&c.log);
	buffer_free(&call.reply);
	buffer_free(&call.errors);
	buffer_free(&p.got);
	close(p.fd);
	ev_loop_destroy(loop);
	return 0;
}
