/* The agents' protocol: frames come out the same however their bytes arrive. The first byte says in what pieces. */
#include <string.h>

#include "bindings/stream_buffer.h"
#include "bindings/stream_frame.h"
#include "tests/fuzz/fuzz.h"

/* What was made of the bytes: a sum over the frames, and what was wrong in the end. */
struct outcome {
	size_t frames, left;
	uint64_t sum;
	const char *fault;
};

static void take(struct buffer *in, struct outcome *o)
{
	uint8_t head[FRAME_HEAD];
	size_t total;

	while (!o->fault) {
		const char *bytes = buffer_bytes(in);

		o->fault = frame_measure(bytes, buffer_length(in), &total);
		MUST(total >= FRAME_HEAD);
		if (o->fault || buffer_length(in) < total)
			break;
		MUST(total - FRAME_HEAD <= FRAME_PAYLOAD_MOST);
		frame_head(head, frame_type(bytes), total - FRAME_HEAD);
		MUST(memcmp(head, bytes, FRAME_HEAD) == 0);
		for (size_t i = 0; i < total; i++)
			o->sum = o->sum * 31 + (uint8_t)bytes[i];
		o->frames++;
		buffer_consume(in, total);
	}
	o->left = buffer_length(in);
}

static struct outcome feed(const uint8_t *bytes, size_t n, size_t piece)
{
	struct outcome o = { 0 };
	struct buffer in = { 0 };

	for (size_t at = 0; at < n && !o.fault; at += piece) {
		size_t length = n - at < piece ? n - at : piece;

		MUST(buffer_append(&in, bytes + at, length) == 0);
		take(&in, &o);
	}
	buffer_free(&in);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct outcome whole, pieces;

	if (!n)
		return 0;
	whole = feed(bytes + 1, n - 1, n);
	pieces = feed(bytes + 1, n - 1, 1 + bytes[0] % 64);
	MUST(whole.frames == pieces.frames && whole.sum == pieces.sum && whole.fault == pieces.fault);
	MUST(whole.fault || whole.left == pieces.left);
	return 0;
}
