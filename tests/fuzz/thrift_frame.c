/* Thrift's messages: the scanner judges alike however the bytes arrive, and what it calls whole the library reads to its
 * end, with no byte more. */
#include <string.h>
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/thrift.h>
#include <thrift/c_glib/transport/thrift_memory_buffer.h>

#include "nve/frame.h"
#include "tests/fuzz/fuzz.h"

struct reader {
	GByteArray *bytes;
	ThriftProtocol *protocol;
};

/* One for all inputs: the library's memory buffer leaks when it is freed (it does not call its parent's finalize). */
static const struct reader *library_reader(void)
{
	static struct reader r;
	ThriftTransport *transport;

	if (r.bytes)
		return &r;
	r.bytes = g_byte_array_new();
	transport = g_object_new(THRIFT_TYPE_MEMORY_BUFFER, "buf", r.bytes, "owner", FALSE, NULL);
	r.protocol = g_object_new(THRIFT_TYPE_BINARY_PROTOCOL, "transport", transport, NULL);
	return &r;
}

/* The library's own reader takes exactly the `n` bytes of the message. */
static void check_message(const uint8_t *bytes, size_t n)
{
	const struct reader *r = library_reader();
	ThriftMessageType type;
	GError *error = NULL;
	gchar *name = NULL;
	gint32 id, begun, skipped;

	g_byte_array_append(r->bytes, bytes, (guint)n);
	begun = thrift_protocol_read_message_begin(r->protocol, &name, &type, &id, &error);
	MUST(begun >= 0 && !error);
	skipped = thrift_protocol_skip(r->protocol, T_STRUCT, &error);
	MUST(skipped >= 0 && !error);
	MUST(r->bytes->len == 0);
	g_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct nve_frame whole = { 0 }, pieces = { 0 };
	int judged = nve_frame_scan(&whole, bytes, n), so_far = 0;

	for (size_t have = 0; have <= n && so_far == 0; have++)
		so_far = nve_frame_scan(&pieces, bytes, have);
	MUST(judged == so_far);
	MUST(judged != 1 || (whole.pos == pieces.pos && whole.pos <= n));
	if (judged == 1)
		check_message(bytes, whole.pos);
	return 0;
}
