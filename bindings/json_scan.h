/* A scanner of JSON (RFC 8259): from a text to a row of events. No Lua, no recursion.
 *
 * Strings may hold bytes that are no UTF-8; they pass as they are. The structure is
 * checked: after JSON_KEY comes a value, and what is begun ends.
 */
#ifndef NERV_BINDINGS_JSON_SCAN_H
#define NERV_BINDINGS_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "bindings/stream_buffer.h"

#define JSON_DEPTH 500	/* objects and arrays in one another */

enum json_event {
	JSON_ERROR,		/* `why` says why; also at each further call */
	JSON_END,		/* the text is read, and nothing follows its value */
	JSON_NULL, JSON_FALSE, JSON_TRUE,
	JSON_INTEGER,		/* a whole number that `integer` holds */
	JSON_NUMBER,		/* `number` */
	JSON_STRING, JSON_KEY,	/* `string`, `length` */
	JSON_OBJECT, JSON_OBJECT_END, JSON_ARRAY, JSON_ARRAY_END,
};

struct json_scan {
	const char *start, *at, *end;
	const char *why;		/* a literal */
	int64_t integer;
	double number;
	const char *string;		/* until the next call; may hold NUL */
	size_t length;
	/* private */
	struct buffer scratch;
	int expect, depth;
	unsigned char objects[JSON_DEPTH / 8 + 1];	/* bit: this level is an object */
};

/* The text must live as long as the scan, and text[length] must be 0. */
void json_scan_begin(struct json_scan *s, const char *text, size_t length);
enum json_event json_scan_next(struct json_scan *s);

/* Where the scan is, from 1; columns count characters. */
void json_scan_place(const struct json_scan *s, int *line, int *column);

void json_scan_free(struct json_scan *s);

#endif
