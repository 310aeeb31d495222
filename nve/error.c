/* Error numbers, their names and texts. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct code_name {
	int code;
	const char *name;
};

static const struct code_name table_names[] = {
	{ 1, "TABLE_FULL" }, { 2, "INVALID_HANDLE" }, { 3, "EXPIRED_HANDLE" }, { 4, "COUNTERS_DISABLED" },
	{ 5, "METERS_DISABLED" }, { 6, "AGEING_DISABLED" }, { 7, "INVALID_TABLE_NAME" }, { 8, "INVALID_ACTION_NAME" },
	{ 9, "WRONG_TABLE_TYPE" }, { 10, "INVALID_MBR_HANDLE" }, { 11, "MBR_STILL_USED" }, { 12, "MBR_ALREADY_IN_GRP" },
	{ 13, "MBR_NOT_IN_GRP" }, { 14, "INVALID_GRP_HANDLE" }, { 15, "GRP_STILL_USED" }, { 16, "EMPTY_GRP" },
	{ 17, "DUPLICATE_ENTRY" }, { 18, "BAD_MATCH_KEY" }, { 19, "INVALID_METER_OPERATION" },
	{ 20, "DEFAULT_ACTION_IS_CONST" }, { 21, "DEFAULT_ENTRY_IS_CONST" }, { 22, "NO_DEFAULT_ENTRY" },
	{ 23, "INVALID_ACTION_PROFILE_NAME" }, { 24, "NO_ACTION_PROFILE_SELECTION" }, { 25, "IMMUTABLE_TABLE_ENTRIES" },
	{ 26, "BAD_ACTION_DATA" }, { 27, "NO_TABLE_KEY" }, { 100, "ERROR" }, { 0, NULL },
};

static const struct code_name counter_names[] = {
	{ 1, "INVALID_COUNTER_NAME" }, { 2, "INVALID_INDEX" }, { 3, "ERROR" }, { 0, NULL },
};

static const struct code_name port_names[] = { { 1, "ERROR" }, { 0, NULL } };

/* Numbers of Thrift's TApplicationException. */
static const struct code_name application_names[] = {
	{ 1, "UNKNOWN_METHOD" }, { 2, "INVALID_MESSAGE_TYPE" }, { 3, "WRONG_METHOD_NAME" }, { 4, "BAD_SEQUENCE_ID" },
	{ 5, "MISSING_RESULT" }, { 6, "INTERNAL_ERROR" }, { 7, "PROTOCOL_ERROR" }, { 0, NULL },
};

int nve_fail(struct nve_error *e, int err, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return err;
}

int nve_fail_code(struct nve_error *e, enum nve_error_kind kind, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return -((int)kind + code);
}

int nve_error_code(int err, enum nve_error_kind kind)
{
	int n = -err - (int)kind;

	return n > 0 && n < 1000 ? n : 0;
}

static const char *name_in(const struct code_name *names, int code)
{
	for (; names->name; names++)
		if (names->code == code)
			return names->name;
	return "UNKNOWN";
}

const char *nve_error_name(int err)
{
	const char *s;
	int n = -err;

	if (n >= NVE_KIND_APPLICATION)
		return name_in(application_names, n - NVE_KIND_APPLICATION);
	if (n >= NVE_KIND_PORT)
		return name_in(port_names, n - NVE_KIND_PORT);
	if (n >= NVE_KIND_COUNTER)
		return name_in(counter_names, n - NVE_KIND_COUNTER);
	if (n >= NVE_KIND_TABLE)
		return name_in(table_names, n - NVE_KIND_TABLE);
	s = strerrorname_np(n);
	return s ? s : "UNKNOWN";
}

/* Levenshtein's distance; names longer than the row are not worth a suggestion. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[65], last, keep;
	size_t n = strlen(a), m = strlen(b), i, j;

	if (n > 64 || m > 64)
		return 1000;
	for (j = 0; j <= m; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= n; i++) {
		last = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= m; j++) {
			keep = row[j];
			row[j] = last + (a[i - 1] != b[j - 1]);
			if (keep + 1 < row[j])
				row[j] = keep + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			last = keep;
		}
	}
	return row[m];
}

const char *nve_nearest(const char *name, const char *const *names, size_t n)
{
	unsigned int best = (unsigned int)strlen(name) / 2 + 2, d;
	const char *found = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		d = distance(name, names[i]);
		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
