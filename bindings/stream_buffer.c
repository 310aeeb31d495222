/* A growing row of bytes. */
#include "bindings/stream_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const size_t kept_when_empty = 256 * 1024;

char *buffer_reserve(struct buffer *b, size_t n)
{
	size_t length = buffer_length(b), capacity = b->capacity ? b->capacity : 4096;
	char *data;

	if (b->capacity - b->end >= n && b->data)
		return b->data + b->end;
	/* Moving costs at most what was consumed, so bytes are moved once on average. */
	if (b->data && b->start >= length && b->capacity - length >= n) {
		memmove(b->data, b->data + b->start, length);
		b->start = 0;
		b->end = length;
		return b->data + b->end;
	}
	while (capacity < length + n)
		capacity *= 2;
	data = malloc(capacity);
	if (!data)
		return NULL;
	if (length)
		memcpy(data, b->data + b->start, length);
	free(b->data);
	b->data = data;
	b->start = 0;
	b->end = length;
	b->capacity = capacity;
	return data + length;
}

void buffer_added(struct buffer *b, size_t n)
{
	b->end += n;
}

int buffer_append(struct buffer *b, const void *bytes, size_t n)
{
	char *to;

	if (!n)
		return 0;
	to = buffer_reserve(b, n);
	if (!to)
		return -ENOMEM;
	memcpy(to, bytes, n);
	buffer_added(b, n);
	return 0;
}

void buffer_consume(struct buffer *b, size_t n)
{
	b->start += n;
	if (b->start < b->end)
		return;
	b->start = b->end = 0;
	if (b->capacity > kept_when_empty)
		buffer_free(b);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}
