/* When to try again and when to ask whether the server lives: pure functions.
 *
 * All times are seconds of CLOCK_MONOTONIC and come in as arguments; nothing here
 * holds a timer.
 */
#ifndef NERV_BINDINGS_OVSDB_TIMING_H
#define NERV_BINDINGS_OVSDB_TIMING_H

#define OVSDB_BACKOFF_FIRST 0.1
#define OVSDB_BACKOFF_LAST 8.0

/* Zeroed at the start. */
struct ovsdb_backoff {
	double delay;	/* before the next attempt; 0: none has failed yet */
};

/* A connection that was usable since `up` (0: it never was) has ended at `now`.
 * Returns the time of the next attempt. The delay doubles from 0.1 s to 8 s, and
 * begins anew only after a connection that outlived it, so that a server which
 * accepts and drops is not hammered. */
double ovsdb_backoff_next(struct ovsdb_backoff *b, double up, double now);

struct ovsdb_probe {
	double interval;	/* of silence before a probe; 0: never probe */
	double heard;		/* when the last bytes came */
	double sent;		/* when the last probe was sent; 0: none is out */
};

enum ovsdb_probe_verdict { OVSDB_PROBE_WAIT, OVSDB_PROBE_SEND, OVSDB_PROBE_DEAD };

/* What to do at `now`. *next is the time of the next look; for OVSDB_PROBE_SEND
 * the caller sends an echo and the probe counts as sent. */
enum ovsdb_probe_verdict ovsdb_probe_check(struct ovsdb_probe *p, double now, double *next);

/* CLOCK_MONOTONIC in seconds. */
double ovsdb_now(void);

#endif
