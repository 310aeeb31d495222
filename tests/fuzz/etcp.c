/* Control messages of ETArch, behind an Ethernet header: nothing is read out of bounds, messages are left as often as
 * they are entered, and numbers are of the field's kind. */
#include "bindings/etcp.h"
#include "tests/fuzz/fuzz.h"

struct walk {
	const uint8_t *bytes;
	size_t n, depth;
};

static void number(void *arg, const struct etcp_field *f, uint64_t value)
{
	(void)arg;
	MUST(f->kind < ETCP_STRING);
	MUST(f->kind != ETCP_BOOLEAN || value <= 1);
	MUST(f->kind != ETCP_INTEGER || (int64_t)value == (int32_t)value);
}

static void string(void *arg, const struct etcp_field *f, const uint8_t *bytes, size_t n)
{
	const struct walk *w = arg;

	MUST(f->kind == ETCP_STRING);
	MUST(bytes >= w->bytes && n <= w->n && bytes + n <= w->bytes + w->n);
}

static void enter(void *arg, const struct etcp_field *f)
{
	struct walk *w = arg;

	MUST(f->kind == ETCP_MESSAGE && f->message);
	w->depth++;
}

static void leave(void *arg, const struct etcp_field *f)
{
	struct walk *w = arg;

	MUST(f->kind == ETCP_MESSAGE && w->depth > 0);
	w->depth--;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct etcp_visitor visitor = { number, string, enter, leave };
	struct walk w = { bytes, n, 0 };
	size_t at = 0, length;
	const uint8_t *part;

	while ((part = etcp_part(bytes, n, &at, &length))) {
		MUST(at <= n && part + length == bytes + at);
		etcp_read(&etcp_request, part, length, &visitor, &w);
		etcp_read(&etcp_response, part, length, &visitor, &w);
		for (uint64_t type = 0; etcp_body(type); type++)
			etcp_read(etcp_body(type), part, length, &visitor, &w);
		MUST(w.depth == 0);
	}
	MUST(at <= n);
	return 0;
}
