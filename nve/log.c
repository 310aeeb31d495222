/* Formats messages and drops those over the wanted level. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void nve_log(const struct nve_log *log, enum nve_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!log || !log->put || level > log->level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log->put(level, text);
}
