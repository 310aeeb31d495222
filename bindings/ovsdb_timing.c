/* Back-off and probes. */
#include "bindings/ovsdb_timing.h"

#include <time.h>

double ovsdb_backoff_next(struct ovsdb_backoff *b, double up, double now)
{
	if (b->delay == 0 || (up > 0 && now - up > b->delay))
		b->delay = OVSDB_BACKOFF_FIRST;
	else
		b->delay *= 2;
	if (b->delay > OVSDB_BACKOFF_LAST)
		b->delay = OVSDB_BACKOFF_LAST;
	return now + b->delay;
}

enum ovsdb_probe_verdict ovsdb_probe_check(struct ovsdb_probe *p, double now, double *next)
{
	if (p->sent > 0 && p->heard < p->sent) {
		*next = p->sent + p->interval;
		return now >= *next ? OVSDB_PROBE_DEAD : OVSDB_PROBE_WAIT;
	}
	*next = p->heard + p->interval;
	if (now < *next)
		return OVSDB_PROBE_WAIT;
	p->sent = now;
	*next = now + p->interval;
	return OVSDB_PROBE_SEND;
}

double ovsdb_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
