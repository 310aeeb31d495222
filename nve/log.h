/* Where messages go: one function that main provides. Nothing below main prints. */
#ifndef NERV_NVE_LOG_H
#define NERV_NVE_LOG_H

enum nve_level { NVE_LOG_ERROR, NVE_LOG_WARN, NVE_LOG_INFO, NVE_LOG_DEBUG };

struct nve_log {
	enum nve_level level;			/* more than this is not passed on */
	void (*put)(enum nve_level level, const char *text);	/* one line, no newline at the end */
};

void nve_log(const struct nve_log *log, enum nve_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
