/* A growing row of bytes: appended at its end, consumed at its start.
 *
 * Zeroed memory is an empty buffer. The owner calls buffer_free(). Nothing here
 * blocks or knows of Lua; failure is always lack of memory.
 */
#ifndef NERV_BINDINGS_STREAM_BUFFER_H
#define NERV_BINDINGS_STREAM_BUFFER_H

#include <stddef.h>

struct buffer {
	char *data;
	size_t start, end;	/* the bytes are data[start..end) */
	size_t capacity;
};

static inline size_t buffer_length(const struct buffer *b)
{
	return b->end - b->start;
}

/* Valid until the next call that takes a non-const buffer. */
static inline const char *buffer_bytes(const struct buffer *b)
{
	return b->data ? b->data + b->start : "";
}

/* Room for `n` more bytes at the returned place, NULL without memory. */
char *buffer_reserve(struct buffer *b, size_t n);

/* `n` bytes have been written where buffer_reserve() said. */
void buffer_added(struct buffer *b, size_t n);

/* 0 or -ENOMEM, and then the buffer is as before. */
int buffer_append(struct buffer *b, const void *bytes, size_t n);

/* Drops the first `n` bytes; memory beyond a modest size is given back when the
 * buffer becomes empty. */
void buffer_consume(struct buffer *b, size_t n);

/* The buffer is empty afterwards and may be used again. */
void buffer_free(struct buffer *b);

#endif
