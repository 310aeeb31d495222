/* Streams: bytes over a non-blocking descriptor (socket, pipe, terminal) on the loop.
 *
 * A stream is a full userdata. It owns its descriptor (unless borrowed), what was
 * read and not asked for yet, and what was written and not taken by the kernel yet.
 * Reads and writes try first and make their task sleep last. Cancelling a read loses
 * nothing: the bytes stay for the next one. Cancelling a write does not tear it: the
 * loop goes on sending what was handed over. One task at a time may wait to read, and
 * one to write; misuse raises.
 */
#ifndef NERV_BINDINGS_STREAM_H
#define NERV_BINDINGS_STREAM_H

#include <ev.h>
#include <lua.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bindings/stream_buffer.h"
#include "shell/task.h"

/* After so many bytes without sleeping the other tasks get their turn. */
enum { STREAM_BURST_MOST = 1024 * 1024 };

struct stream {
	int fd;				/* -1: closed */
	bool borrowed;			/* not closed, its former flags are restored */
	bool terminal;			/* pty master: EIO is the end */
	bool is_socket;
	bool end;			/* the peer sends no more */
	struct tls *tls;		/* or NULL: bytes go as they are */
	int former_flags;		/* file status flags before the stream took it */
	int error;			/* errno of a failed write: final */
	struct ev_loop *loop;
	struct ev_io readable, writable;
	struct wait reader, writer;
	struct buffer in, out;
	size_t scanned;			/* bytes of `in` known to hold no line end */
	size_t burst;			/* bytes moved since its task last slept */
	char name[96];			/* for messages */
};

/* Pushes a closed stream; stream_attach() opens it. */
struct stream *stream_new(lua_State *L);

/* Gives `fd` to the stream and makes it non-blocking. `name` is copied. 0 or negative
 * errno, then `fd` is still the caller's. */
int stream_attach(struct stream *s, int fd, const char *name);

/* Pushes a stream with all that the open one at `idx` has, which is closed afterwards. Raises when a task is using
 * that one. */
struct stream *stream_take(lua_State *L, int idx);

/* The open stream at `idx`; raises when it is none or closed. */
struct stream *stream_check(lua_State *L, int idx);

/* The stream at `idx`, closed or not, or NULL. */
struct stream *stream_test(lua_State *L, int idx);

/* Idempotent. Wakes whoever waits on it; they get "closed". */
void stream_close(struct stream *s);

/* nil, "WHAT: text", "closed"; returns 3. */
int stream_push_closed(lua_State *L, const char *what, const char *text);

/* The results for a failed read or write; returns 3. */
int stream_push_error(lua_State *L, struct stream *s, int err);

/* As read(2) and send(2), through TLS where the stream has it; a negative errno on failure. */
ssize_t stream_receive(struct stream *s, void *bytes, size_t n);
ssize_t stream_send(struct stream *s, const void *bytes, size_t n);

/* Makes the class known. */
void stream_class_open(lua_State *L);

#endif
