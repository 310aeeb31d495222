/* A scanner of JSON (RFC 8259): from a text to a row of events. */
#include "bindings/json_scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE, VALUE_OR_END, KEY, KEY_OR_END, AFTER, DONE, FAILED };

void json_scan_begin(struct json_scan *s, const char *text, size_t length)
{
	memset(s, 0, sizeof(*s));
	s->start = s->at = text;
	s->end = text + length;
	s->expect = VALUE;
}

void json_scan_free(struct json_scan *s)
{
	buffer_free(&s->scratch);
}

void json_scan_place(const struct json_scan *s, int *line, int *column)
{
	*line = *column = 1;
	for (const char *p = s->start; p < s->at; p++) {
		if (*p == '\n') {
			++*line;
			*column = 1;
		} else if ((*p & 0xc0) != 0x80) {
			++*column;
		}
	}
}

static enum json_event fail(struct json_scan *s, const char *why)
{
	s->why = why;
	s->expect = FAILED;
	return JSON_ERROR;
}

static bool in_object(const struct json_scan *s)
{
	return s->objects[s->depth / 8] & 1 << s->depth % 8;
}

/* A value has ended. */
static void after_value(struct json_scan *s)
{
	s->expect = s->depth ? AFTER : DONE;
}

static enum json_event begin(struct json_scan *s, bool object)
{
	if (s->depth == JSON_DEPTH)
		return fail(s, "too many objects and arrays in one another");
	s->at++;
	s->depth++;
	s->objects[s->depth / 8] &= (unsigned char)~(1 << s->depth % 8);
	s->objects[s->depth / 8] |= (unsigned char)(object << s->depth % 8);
	s->expect = object ? KEY_OR_END : VALUE_OR_END;
	return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_event finish(struct json_scan *s)
{
	bool object = in_object(s);

	s->at++;
	s->depth--;
	after_value(s);
	return object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_event word(struct json_scan *s, const char *text, enum json_event event)
{
	const size_t n = strlen(text);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, text, n) != 0)
		return fail(s, "a value is expected");
	s->at += n;
	after_value(s);
	return event;
}

/* Four hexadecimal digits, or -1. */
static int hex4(const char *at, const char *end)
{
	int n = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const char c = at[i];

		if (c >= '0' && c <= '9')
			n = n * 16 + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			n = n * 16 + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return n;
}

static size_t utf8(char *to, int c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The escape at s->at, which is a backslash, into to[4]; its length, or 0: `why` is set. */
static size_t escape(struct json_scan *s, char *to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *p = s->at + 1 < s->end && s->at[1] ? strchr(from, s->at[1]) : NULL;
	int c, low;

	if (p) {
		s->at += 2;
		*to = into[p - from];
		return 1;
	}
	c = s->end - s->at > 1 && s->at[1] == 'u' ? hex4(s->at + 2, s->end) : -1;
	if (c < 0) {
		s->why = "there is no such escape in a string";
		return 0;
	}
	if (c >= 0xd800 && c < 0xe000) {
		low = s->end - s->at > 7 && s->at[6] == '\\' && s->at[7] == 'u' ?
		      hex4(s->at + 8, s->end) : -1;
		if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
			s->why = "half of a character (a surrogate without its other)";
			return 0;
		}
		s->at += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	s->at += 6;
	return utf8(to, c);
}

/* The string at s->at, which is a quote. Without an escape it stays where it is. */
static bool scan_string(struct json_scan *s)
{
	const char *run = ++s->at;
	bool copied = false;
	char bytes[4];

	buffer_consume(&s->scratch, buffer_length(&s->scratch));
	for (;;) {
		size_t n;

		while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= 0x20)
			s->at++;
		if (s->at == s->end || (unsigned char)*s->at < 0x20) {
			s->why = s->at == s->end ? "the text ends inside a string" :
				 "a control character must be escaped in a string";
			return false;
		}
		if (*s->at == '"' && !copied)
			break;
		copied = true;
		if (buffer_append(&s->scratch, run, (size_t)(s->at - run)))
			goto no_memory;
		if (*s->at == '"')
			break;
		n = escape(s, bytes);
		if (!n)
			return false;
		if (buffer_append(&s->scratch, bytes, n))
			goto no_memory;
		run = s->at;
	}
	s->string = copied ? buffer_bytes(&s->scratch) : run;
	s->length = copied ? buffer_length(&s->scratch) : (size_t)(s->at - run);
	s->at++;
	return true;
no_memory:
	s->why = "out of memory";
	return false;
}

static const char *digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* The end of the number at `p`, or NULL; *whole: it has no fraction and no exponent. */
static const char *number_end(const char *p, bool *whole)
{
	const char *begin;

	p += *p == '-';
	begin = p;
	p = digits(p);
	if (p == begin || (*begin == '0' && p > begin + 1))
		return NULL;
	*whole = *p != '.' && (*p | 32) != 'e';
	if (*p == '.') {
		begin = ++p;
		p = digits(p);
		if (p == begin)
			return NULL;
	}
	if ((*p | 32) == 'e') {
		p++;
		p += *p == '-' || *p == '+';
		begin = p;
		p = digits(p);
		if (p == begin)
			return NULL;
	}
	return p;
}

static bool to_integer(const char *p, const char *end, int64_t *value)
{
	const bool negative = *p == '-';
	int64_t n = 0;

	for (p += negative; p < end; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, *p - '0', &n))
			return false;
	if (!negative && n == INT64_MIN)
		return false;
	*value = negative ? n : -n;
	return true;
}

/* The 0 after the text ends the number at the latest. */
static enum json_event scan_number(struct json_scan *s)
{
	bool whole = false;
	const char *end = number_end(s->at, &whole);
	enum json_event event = JSON_NUMBER;

	if (!end)
		return fail(s, "a number is expected, as JSON writes it");
	if (whole && to_integer(s->at, end, &s->integer))
		event = JSON_INTEGER;
	else
		s->number = strtod(s->at, NULL);
	s->at = end;
	after_value(s);
	return event;
}

static enum json_event scan_value(struct json_scan *s)
{
	switch (s->at < s->end ? *s->at : '\0') {
	case '{':
		return begin(s, true);
	case '[':
		return begin(s, false);
	case '"':
		if (!scan_string(s))
			return fail(s, s->why);
		after_value(s);
		return JSON_STRING;
	case 't':
		return word(s, "true", JSON_TRUE);
	case 'f':
		return word(s, "false", JSON_FALSE);
	case 'n':
		return word(s, "null", JSON_NULL);
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return scan_number(s);
	default:
		return fail(s, s->at == s->end ? "the text ends where a value is expected" :
			    "a value is expected");
	}
}

static void skip_blanks(struct json_scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static enum json_event scan_key(struct json_scan *s)
{
	if (s->at == s->end || *s->at != '"')
		return fail(s, s->at == s->end ? "the text ends inside an object" :
			    "a name in double quotes is expected");
	if (!scan_string(s))
		return fail(s, s->why);
	skip_blanks(s);
	if (s->at == s->end || *s->at != ':')
		return fail(s, "a colon is expected after a name");
	s->at++;
	s->expect = VALUE;
	return JSON_KEY;
}

enum json_event json_scan_next(struct json_scan *s)
{
	char c;

	if (s->expect == FAILED)
		return JSON_ERROR;
	skip_blanks(s);
	c = s->at < s->end ? *s->at : '\0';
	if (s->expect == AFTER && c == ',') {
		s->at++;
		skip_blanks(s);
		s->expect = in_object(s) ? KEY : VALUE;
	} else if (s->expect == AFTER || (s->expect == KEY_OR_END && c == '}') ||
		   (s->expect == VALUE_OR_END && c == ']')) {
		if (c == (in_object(s) ? '}' : ']'))
			return finish(s);
		return fail(s, s->at == s->end ? "the text ends too early" :
			    in_object(s) ? "a comma or } is expected" : "a comma or ] is expected");
	}
	if (s->expect == DONE)
		return s->at == s->end ? JSON_END : fail(s, "something follows the value");
	if (s->expect == KEY || s->expect == KEY_OR_END)
		return scan_key(s);
	return scan_value(s);
}
