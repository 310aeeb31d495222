/* The bracket and string scanner. */
#include "bindings/ovsdb_scan.h"

#include <errno.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Inside of a string: moves to its end, or to the end of the data. */
static size_t scan_string(struct ovsdb_scan *scan, const char *data, size_t len, size_t pos)
{
	for (; pos < len; pos++) {
		if (scan->escaped) {
			scan->escaped = false;
		} else if (data[pos] == '\\') {
			scan->escaped = true;
		} else if (data[pos] == '"') {
			scan->in_string = false;
			return pos + 1;
		}
	}
	return pos;
}

/* Outside of a string, inside of a message; 1 at the last bracket. */
static int scan_byte(struct ovsdb_scan *scan, char c)
{
	switch (c) {
	case '"':
		scan->in_string = true;
		return 0;
	case '{':
	case '[':
		return ++scan->depth > OVSDB_DEPTH_MAX ? -EPROTO : 0;
	case '}':
	case ']':
		return --scan->depth == 0;
	default:
		return 0;
	}
}

int ovsdb_scan(struct ovsdb_scan *scan, const char *data, size_t len, size_t *pos)
{
	size_t at = *pos;
	int ret = 0;

	while (at < len && ret == 0) {
		if (scan->in_string) {
			at = scan_string(scan, data, len, at);
		} else if (scan->depth == 0 && data[at] != '{') {
			if (!is_blank(data[at]))
				ret = -EPROTO;
			else
				at++;
		} else {
			ret = scan_byte(scan, data[at++]);
		}
	}
	*pos = at;
	return ret;
}
