/* Errors of the switch and of its clients: one int that says what, one text that says why.
 *
 * A function returns 0 or a negative number: an errno below 1000, or one of BMv2's codes moved into a range of its
 * own (table operations 1001.., counters 2001.., ports 3001.., answers that no exception declares 4000..).
 * The text names the thing, the reason and, where there is one, the nearest valid choice; it never ends in a newline. */
#ifndef NERV_NVE_ERROR_H
#define NERV_NVE_ERROR_H

#include <stddef.h>

struct nve_error {
	char text[320];
};

enum nve_error_kind {
	NVE_KIND_TABLE = 1000,
	NVE_KIND_COUNTER = 2000,
	NVE_KIND_PORT = 3000,
	NVE_KIND_APPLICATION = 4000,
};

/* BMv2's TableOperationErrorCode, as far as this switch gives them. */
enum nve_table_code {
	NVE_TABLE_FULL = 1,
	NVE_INVALID_HANDLE = 2,
	NVE_EXPIRED_HANDLE = 3,
	NVE_COUNTERS_DISABLED = 4,
	NVE_METERS_DISABLED = 5,
	NVE_AGEING_DISABLED = 6,
	NVE_INVALID_TABLE_NAME = 7,
	NVE_INVALID_ACTION_NAME = 8,
	NVE_WRONG_TABLE_TYPE = 9,
	NVE_DUPLICATE_ENTRY = 17,
	NVE_BAD_MATCH_KEY = 18,
	NVE_DEFAULT_ACTION_IS_CONST = 20,
	NVE_DEFAULT_ENTRY_IS_CONST = 21,
	NVE_NO_DEFAULT_ENTRY = 22,
	NVE_INVALID_ACTION_PROFILE_NAME = 23,
	NVE_IMMUTABLE_TABLE_ENTRIES = 25,
	NVE_BAD_ACTION_DATA = 26,
	NVE_NO_TABLE_KEY = 27,
	NVE_TABLE_ERROR = 100,
};

enum nve_counter_code {
	NVE_INVALID_COUNTER_NAME = 1,
	NVE_INVALID_INDEX = 2,
	NVE_COUNTER_ERROR = 3,
};

enum nve_port_code {
	NVE_PORT_ERROR = 1,
};

/* Writes the text (e may be NULL) and returns err, so that a failing line is one statement. */
int nve_fail(struct nve_error *e, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for a BMv2 code: returns -(kind + code). */
int nve_fail_code(struct nve_error *e, enum nve_error_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* BMv2's code in err, or 0 when err is not of that kind. */
int nve_error_code(int err, enum nve_error_kind kind);
/* "DUPLICATE_ENTRY", "ECONNREFUSED", ...: a static string for every negative number. */
const char *nve_error_name(int err);

/* The one of n names nearest to the given one, NULL when none comes close. */
const char *nve_nearest(const char *name, const char *const *names, size_t n);

#endif
