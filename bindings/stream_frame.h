/* Frames of the agents' protocol: u32 length, big-endian, of what follows; u8 type;
 * payload. No state, no Lua: what arrives is judged here and nowhere else.
 */
#ifndef NERV_BINDINGS_STREAM_FRAME_H
#define NERV_BINDINGS_STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEAD = 5,
	FRAME_PAYLOAD_MOST = 16 * 1024 * 1024 - 1,	/* with its type 16 MiB */
};

/* Of the `n` bytes that have arrived: the size of the whole frame at their start, or
 * how many bytes tell it. Returns NULL, or what is wrong with them. */
static inline const char *frame_measure(const void *bytes, size_t n, size_t *total)
{
	const uint8_t *b = bytes;
	uint32_t length;

	*total = FRAME_HEAD;
	if (n < 4)
		return NULL;
	length = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	if (!length)
		return "a frame without a type";
	if (length > FRAME_PAYLOAD_MOST + 1)
		return "no frame, or one of more than 16 MiB";
	*total = 4 + (size_t)length;
	return NULL;
}

static inline int frame_type(const void *bytes)
{
	return ((const uint8_t *)bytes)[4];
}

/* Writes the head of a frame with `n` bytes of payload. */
static inline void frame_head(uint8_t head[FRAME_HEAD], int type, size_t n)
{
	uint32_t length = (uint32_t)n + 1;

	head[0] = (uint8_t)(length >> 24);
	head[1] = (uint8_t)(length >> 16);
	head[2] = (uint8_t)(length >> 8);
	head[3] = (uint8_t)length;
	head[4] = (uint8_t)type;
}

#endif
