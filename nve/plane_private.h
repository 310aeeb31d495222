/* The maps of a plane by name: shared by the files that load, pin and open planes. */
#ifndef NERV_NVE_PLANE_PRIVATE_H
#define NERV_NVE_PLANE_PRIVATE_H

#include "plane.h"

#define NVE_SYMBOL 64

enum nve_map_kind {
	NVE_MAP_ENTRIES = 't',
	NVE_MAP_DEFAULT = 'd',
	NVE_MAP_COUNTS = 'n',
	NVE_MAP_MARKS = 'v',
	NVE_MAP_COUNTER = 'c',
	NVE_MAP_OTHER = 0,
};

/* One map of a plane: its name as symbol and as pin, and what it must be. */
struct nve_map {
	enum nve_map_kind kind;
	char symbol[NVE_SYMBOL];
	int *fd;
	bool in_object;			/* else the loader makes it */
	uint32_t type, key_bytes, value_bytes, max_entries, flags;
};

typedef int (*nve_map_fn)(void *arg, const struct nve_map *m, struct nve_error *e);

/* Memory for a plane with every descriptor -1. Takes d on success. */
int nve_plane_new(struct nve_desc *d, struct nve_plane **out, struct nve_error *e);
/* Every map of the plane in one order; ends with the first result that is not 0. */
int nve_plane_each(struct nve_plane *p, nve_map_fn fn, void *arg, struct nve_error *e);
/* After all descriptors are there: maps the words, notes the program's id. */
int nve_plane_ready(struct nve_plane *p, struct nve_error *e);

#endif
