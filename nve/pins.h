/* The directory in a bpffs where a switch keeps its data plane.
 *
 *	DIR/gN		a plane (plane.h), N counting up
 *	DIR/current	symbolic link to the one in force
 * A new plane is pinned beside the old one; the link's replacement, one rename, puts it in force. Whatever crash comes,
 * "current" names a whole plane and every other gN is rubbish. The directory is locked (flock) while a switch runs. */
#ifndef NERV_NVE_PINS_H
#define NERV_NVE_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define NVE_PATH 4096

struct nve_pins {
	int fd;
	char dir[NVE_PATH - 64];
};

/* Makes DIR if its parent is there and create is set, and locks it. -EBUSY when another switch has it, -EINVAL when it
 * is not in a bpffs, -ENOENT. */
int nve_pins_open(const char *dir, bool create, struct nve_pins **out, struct nve_error *e);
void nve_pins_close(struct nve_pins *p);

/* Path of the plane in force; -ENOENT when there is none. */
int nve_pins_current(struct nve_pins *p, char path[NVE_PATH]);
/* Path for a new plane. */
int nve_pins_next(struct nve_pins *p, char path[NVE_PATH]);
/* Puts a plane in force that nve_pins_next() named. */
int nve_pins_commit(struct nve_pins *p, const char *path, struct nve_error *e);
/* Program ids of all planes in DIR, also of those left by a crash: at most max, returns how many. */
unsigned int nve_pins_programs(struct nve_pins *p, uint32_t *ids, unsigned int max);
/* Removes every plane but the one in force. */
int nve_pins_sweep(struct nve_pins *p, struct nve_error *e);
/* Removes everything and DIR. */
int nve_pins_remove(struct nve_pins *p, struct nve_error *e);

#endif
