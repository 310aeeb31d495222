/* Finds where JSON messages end in a stream of bytes that has no delimiters.
 *
 * The scanner counts brackets outside of strings and knows nothing else of JSON:
 * what it cuts out still has to be parsed. It remembers its place, so each byte is
 * looked at once however small the pieces are in which the stream arrives.
 */
#ifndef NERV_BINDINGS_OVSDB_SCAN_H
#define NERV_BINDINGS_OVSDB_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Deeper nesting than this is refused; RFC 7047 needs about 10. */
#define OVSDB_DEPTH_MAX 64

/* Zeroed at the start of a stream. */
struct ovsdb_scan {
	unsigned int depth;
	bool in_string;
	bool escaped;
};

/* Reads on from data[*pos] and moves *pos behind what it has read. Returns 1 when
 * a message ends there (blanks before its first brace belong to it), 0 when
 * more bytes are needed (then *pos is `len`), -EPROTO at a byte that begins no
 * object or at too deep nesting. */
int ovsdb_scan(struct ovsdb_scan *scan, const char *data, size_t len, size_t *pos);

#endif
