/* A switch: a data plane with its tables and ports, pinned or not. */
#ifndef NERV_NVE_SWITCH_H
#define NERV_NVE_SWITCH_H

#include "log.h"
#include "pins.h"
#include "plane.h"
#include "ports.h"
#include "tables.h"

struct nve_switch {
	struct nve_plane *plane;
	struct nve_tables *tables;
	struct nve_pins *pins;		/* NULL: nothing is pinned */
	bool adopted;			/* there was a pinned plane at the start */
	struct nve_known known;
	const struct nve_log *log;
	int64_t device_id;
	int thrift_port;
};

/* Takes d, also on failure. With a pin directory that holds a plane: adopts it when program and description are the
 * same; else loads the new program, carries entries, handles, counts and ports over, exchanges the filters without
 * losing a frame, and drops the old plane. log must outlive the switch. */
int nve_switch_start(struct nve_desc *d, const char *objects, const char *pin, const struct nve_log *log,
		     struct nve_switch **out, struct nve_error *e);
/* keep: the pinned data plane goes on; otherwise filters, qdiscs that were made and pins go. */
void nve_switch_stop(struct nve_switch *sw, bool keep);
/* Takes out what a switch left in a pin directory. Nothing there is no error. */
int nve_switch_remove(const char *pin, const struct nve_log *log, struct nve_error *e);

#endif
