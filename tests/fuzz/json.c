/* JSON, which the agents' control messages are: the scanner and jansson, a library that is not ours, make the same of
 * any text, or both refuse it. The scanner alone takes bytes that are no UTF-8, numbers of any size and NUL in names. */
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

/* Both have an enumeration with names like these. */
#define JSON_NULL SCAN_NULL
#define JSON_FALSE SCAN_FALSE
#define JSON_TRUE SCAN_TRUE
#define JSON_INTEGER SCAN_INTEGER
#define JSON_STRING SCAN_STRING
#define JSON_OBJECT SCAN_OBJECT
#define JSON_ARRAY SCAN_ARRAY
#include "bindings/json_scan.h"
#undef JSON_NULL
#undef JSON_FALSE
#undef JSON_TRUE
#undef JSON_INTEGER
#undef JSON_STRING
#undef JSON_OBJECT
#undef JSON_ARRAY
#include "tests/fuzz/fuzz.h"

/* What has been begun, outermost first, and the name that waits for its value. */
struct builder {
	json_t *open[JSON_DEPTH], *root;
	size_t depth;
	char *key;
};

/* The value, which is given away, goes where it belongs. */
static void place(struct builder *b, json_t *value)
{
	json_t *in = b->depth ? b->open[b->depth - 1] : NULL;

	MUST(value);
	if (json_is_object(in)) {
		MUST(b->key);
		MUST(json_object_set_new_nocheck(in, b->key, value) == 0);
		free(b->key);
		b->key = NULL;
	} else if (in) {
		MUST(!b->key && json_array_append_new(in, value) == 0);
	} else {
		MUST(!b->root);
		b->root = value;
	}
}

static void begin(struct builder *b, json_t *value)
{
	place(b, value);
	MUST(b->depth < JSON_DEPTH);
	b->open[b->depth++] = value;
}

static void finish(struct builder *b, bool object)
{
	MUST(b->depth && json_is_object(b->open[b->depth - 1]) == object && !b->key);
	b->depth--;
}

static void add(struct builder *b, const struct json_scan *s, enum json_event event)
{
	switch (event) {
	case SCAN_NULL:
		return place(b, json_null());
	case SCAN_FALSE:
	case SCAN_TRUE:
		return place(b, json_boolean(event == SCAN_TRUE));
	case SCAN_INTEGER:
		return place(b, json_integer(s->integer));
	case JSON_NUMBER:	/* an infinite one jansson has not, nor does it take such a text */
		return place(b, json_real(s->number - s->number == 0 ? s->number : 0));
	case SCAN_STRING:
		return place(b, json_stringn_nocheck(s->string, s->length));
	case JSON_KEY:
		MUST(!b->key);
		b->key = strndup(s->string, s->length);
		MUST(b->key);
		return;
	case SCAN_OBJECT:
		return begin(b, json_object());
	case SCAN_ARRAY:
		return begin(b, json_array());
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		return finish(b, event == JSON_OBJECT_END);
	case JSON_ERROR:
	case JSON_END:
		break;
	}
	abort();
}

/* What the scanner makes of the text, or NULL. */
static json_t *scan(const char *text, size_t n, bool *deep)
{
	struct builder b = { .depth = 0 };
	enum json_event event;
	struct json_scan s;
	int line, column;

	json_scan_begin(&s, text, n);
	while ((event = json_scan_next(&s)) != JSON_ERROR && event != JSON_END)
		add(&b, &s, event);
	json_scan_place(&s, &line, &column);
	MUST(s.at <= s.end && line >= 1 && column >= 1);
	*deep = event == JSON_ERROR && b.depth == JSON_DEPTH;
	MUST(event == JSON_ERROR ? s.why && *s.why : b.root && !b.depth);
	if (event == JSON_ERROR) {
		json_decref(b.root);
		b.root = NULL;
	}
	free(b.key);
	json_scan_free(&s);
	return b.root;
}

static bool refused_for_good(const json_error_t *error)
{
	return json_error_code(error) == json_error_invalid_syntax || json_error_code(error) == json_error_premature_end_of_input ||
	       json_error_code(error) == json_error_end_of_input_expected;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *text = malloc(n + 1);
	json_t *ours, *theirs;
	json_error_t error;
	bool deep;

	MUST(text);
	memcpy(text, bytes, n);
	text[n] = '\0';
	ours = scan(text, n, &deep);
	if (!memchr(text, '\0', n)) {	/* jansson swallows one behind a number */
		theirs = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
		MUST(theirs || !ours || !refused_for_good(&error));
		MUST(!theirs || (ours ? json_equal(ours, theirs) : deep));
		json_decref(theirs);
	}
	json_decref(ours);
	free(text);
	return 0;
}
