/* What libnftables says of commands that fail, as a fault.
 *
 * It gives texts only, one for each fault:
 *	/proc/self/fd/9:3:26-26: Error: syntax error, unexpected newline
 *	add rule ip x y masquerad
 *	                         ^
 * The place is "internal:0:0-0: " for JSON, and may be absent. */
#include "bindings/nft_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char mark[] = "Error: ";

/* The errno whose text stands at `s`, or 0. */
static int errno_at(const char *s, size_t len)
{
	for (int err = 1; err < 134; err++) {
		const char *text = strerrordesc_np(err);
		const size_t n = text ? strlen(text) : 0;

		if (n && n <= len && strncmp(s, text, n) == 0 && (n == len || strchr(";,", s[n])))
			return err;
	}
	return 0;
}

/* Finds the errno that the message names, at its start or after a colon; *at is where its
 * text begins. */
static int find_errno(const char *message, size_t len, size_t *at)
{
	for (size_t i = 0; i < len; i++) {
		int err;

		if (i && (message[i - 1] != ' ' || i < 2 || message[i - 2] != ':'))
			continue;
		err = errno_at(message + i, len - i);
		if (err) {
			*at = i;
			return err;
		}
	}
	return 0;
}

/* "line 3, column 26 (add rule ...)" or "", from what stands before the mark. */
static void write_place(const char *text, const char *error, char *place, size_t size)
{
	const char *source = strchr(error, '\n');
	char columns[32] = "";
	int line = 0;

	place[0] = '\0';
	if (error - text < 200) {
		char before[200];
		const char *at;

		snprintf(before, sizeof(before), "%.*s", (int)(error - text), text);
		at = strncmp(before, "/proc/", 6) == 0 ? strchr(before, ':') : NULL;
		if (!at || sscanf(at, ":%d:%31[0-9-]", &line, columns) != 2)
			line = 0;
	}
	if (!line)
		return;
	source = source ? source + 1 : "";
	snprintf(place, size, "line %d, column %s (%.*s): ", line, columns,
		 (int)(strcspn(source, "\n") < 60 ? strcspn(source, "\n") : 60), source);
}

int nft_explain(const char *text, struct fault *f)
{
	const char *error = strstr(text, mark), *message;
	char place[128] = "";
	size_t len, at = 0;
	int err;

	if (!error)
		return fault_set(f, -EINVAL, "%.100s", *text ? text : "nft gives no reason");
	write_place(text, error, place, sizeof(place));
	message = error + strlen(mark);
	len = strcspn(message, "\n");
	err = find_errno(message, len, &at);
	if (!err)
		return fault_set(f, -EINVAL, "%s%.*s", place, (int)len, message);
	fault_set(f, -err, "%s%.*s", place, (int)at, message);
	for (size_t n = strlen(f->what); n && strchr(": ", f->what[n - 1]); n--)
		f->what[n - 1] = '\0';	/* what follows is the errno's text */
	at += strlen(strerrordesc_np(err));
	at += strspn(message + at, ";, ");
	if (at < len)
		snprintf(f->ext, sizeof(f->ext), "%.*s", (int)(len - at), message + at);
	return -err;
}
