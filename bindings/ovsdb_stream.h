/* A stream of JSON messages over a Unix or TCP socket, on libev.
 *
 * Long messages are parsed by a worker thread, so that the loop goes on.
 *
 * Nothing blocks: the socket is read and written as it becomes ready, and it is
 * read while writes are pending (a server that waits for its client to read would
 * never read on itself). A send only appends to a buffer, so callbacks are called
 * from the loop and never from inside another call.
 *
 * The owner holds the struct and must keep it in place while it is open. A
 * callback may close the stream.
 */
#ifndef NERV_BINDINGS_OVSDB_STREAM_H
#define NERV_BINDINGS_OVSDB_STREAM_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bindings/ovsdb_scan.h"

/* A longer message ends the connection. */
#define OVSDB_MESSAGE_MAX (256u << 20)

struct ovsdb_parse;
struct ovsdb_stream;
struct tls;
struct tls_files;

struct ovsdb_stream_events {
	/* The connection is made; messages may be sent. */
	void (*connected)(struct ovsdb_stream *st);
	/* An object has come; `msg` is freed by the caller. */
	void (*message)(struct ovsdb_stream *st, json_t *msg);
	/* The stream is closed because of `err`, a negative errno; `why` may be
	 * empty where the errno says all. */
	void (*failed)(struct ovsdb_stream *st, int err, const char *why);
};

struct ovsdb_buffer {
	char *data;
	size_t start;	/* what lies before is done with */
	size_t end;
	size_t size;
};

struct ovsdb_stream {
	const struct ovsdb_stream_events *events;
	void *owner;
	struct ev_loop *loop;
	struct ev_io reader, writer;
	int fd;			/* -1: closed */
	struct tls *tls;	/* or NULL */
	bool connecting;
	bool shaking;		/* connected, and in the TLS handshake */
	struct ovsdb_buffer in, out;
	struct ovsdb_scan scan;
	size_t scanned;		/* place in in.data up to which `scan` has looked */
	struct ovsdb_parse *parsing;	/* a long message, on a worker thread; nothing is read meanwhile */
	double heard;		/* ovsdb_now() when bytes last came */
};

/* Whether `remote` can be connected to: "unix:PATH", "tcp:ADDRESS:PORT" or
 * "tcp:[IPV6]:PORT", with numeric addresses; "ssl:" is TCP with TLS. 0, -EINVAL or
 * -ENAMETOOLONG. */
int ovsdb_remote_check(const char *remote);

/* Makes a closed stream. */
void ovsdb_stream_init(struct ovsdb_stream *st, const struct ovsdb_stream_events *events);

/* Begins to connect; `files` are needed for "ssl:". 0, or a negative errno when it
 * failed at once, and in `why` what the errno does not tell, or ""; -EAGAIN: the server's
 * queue of connections is full at the moment. */
int ovsdb_stream_open(struct ovsdb_stream *st, struct ev_loop *loop, const char *remote,
		      const struct tls_files *files, char *why, size_t size);

/* Queues `msg`. 0, -ENOTCONN, -ENOMEM or -EMSGSIZE. */
int ovsdb_stream_send(struct ovsdb_stream *st, const json_t *msg);

/* Idempotent; calls no callback. */
void ovsdb_stream_close(struct ovsdb_stream *st);

#endif
