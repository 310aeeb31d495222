/* One OpenFlow connection of a controller: messages in and out, over a stream that it takes over.
 *
 * Everything runs on the loop's thread and nothing blocks. It always reads while it writes. Echo requests are
 * answered here, so that a Lua handler that is slow does not cost the connection; replies go to the call that waits
 * for them; everything else waits in a queue to be taken, in order.
 *
 * What is kept is bounded. While a full queue is not taken from, reading pauses, so that the switch is held back. When
 * that goes on, or when somebody waits for a reply behind it, packet_in messages are dropped instead and counted;
 * when other events come in such numbers, the connection ends. Bytes that are no OpenFlow end it, too.
 */
#ifndef NERV_BINDINGS_OPENFLOW_CHANNEL_H
#define NERV_BINDINGS_OPENFLOW_CHANNEL_H

#include <ev.h>
#include <lua.h>

#include "bindings/openflow_wire.h"
#include "bindings/stream_buffer.h"
#include "shell/task.h"

struct stream;

enum {
	OFC_QUEUE = 512 * 1024,		/* bytes of events that may wait, by default */
	OFC_OUT = 512 * 1024,		/* bytes to be sent above which senders wait */
	OFC_OUT_MOST = 16 << 20,	/* above which the peer does not read */
	OFC_REPLY_MOST = 64 << 20,	/* bytes of all parts of a reply */
	OFC_LOG = 128 * 1024,		/* bytes of requests that are kept to be shown with their errors */
};

/* A call that waits for its reply; a userdata on the task's stack. */
struct ofc_call {
	struct wait wait;		/* first */
	struct ofc_call *next;
	struct ofc_channel *channel;	/* NULL: not in its list */
	struct ev_timer timer;
	struct buffer reply, errors;	/* whole messages */
	uint32_t xid;
	uint8_t expects;		/* the reply's type */
	bool done, timed_out, too_long;
};

/* Who waits until there is room to send. */
struct ofc_sender {
	struct wait wait;		/* first */
	struct ofc_sender *next;
	struct ofc_channel *channel;	/* NULL: not in its list */
};

struct ofc_channel {
	struct stream *stream;		/* anchored in user value 1 */
	struct ev_loop *loop;
	struct ev_io readable, writable;
	struct ev_prepare flush;	/* never started: fed, at lowest priority */
	struct ev_timer probe, pause;
	struct wait taker;
	struct ofc_call *calls;
	struct ofc_sender *senders;
	struct buffer events, errors, log;	/* whole messages */
	size_t queue;			/* bytes of events above which it reads no more */
	uint32_t xid;
	bool paused, dropping, probing, ended;
	unsigned int burst;		/* events taken since the task last slept */
	double heard, interval;
	uint64_t received, sent, dropped;
	char reason[192];		/* why it has ended */
	const char *code;		/* a literal */
};

/* Begins: takes over the open stream, which the caller anchors. */
void ofc_begin(struct ofc_channel *c, struct stream *s, struct ev_loop *loop);

/* Ends the connection; idempotent. Everybody who waits hears why. `code` is a literal. */
void ofc_end(struct ofc_channel *c, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Hands over a message; it leaves when the loop has run what is ready. */
void ofc_send(struct ofc_channel *c, const uint8_t *bytes, size_t n);

/* The next event's bytes, or NULL; they stay until ofc_taken(). */
const uint8_t *ofc_event(struct ofc_channel *c, size_t *n);
void ofc_taken(struct ofc_channel *c, size_t n);

/* Goes on reading after a pause. */
void ofc_resume(struct ofc_channel *c);

/* Begins and ends the waiting for a reply; finish: it is over. */
void ofc_call_add(struct ofc_channel *c, struct ofc_call *call, double timeout);
void ofc_call_remove(struct ofc_call *call);
void ofc_call_finish(struct ofc_call *call);

/* The same for room to send. */
void ofc_sender_add(struct ofc_channel *c, struct ofc_sender *s);
void ofc_sender_remove(struct ofc_sender *s);
void ofc_senders_wake(struct ofc_channel *c);

/* Asks the peer every `seconds` of silence whether it is there; 0: never. */
void ofc_keepalive(struct ofc_channel *c, double seconds);

/* The request with the error's number, if it is still known, or NULL. */
const uint8_t *ofc_request(const struct ofc_channel *c, uint32_t xid, size_t *n);

#endif
