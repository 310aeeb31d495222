/* The ports of a switch: numbers bound to interfaces, in the maps of its data plane.
 *
 * State (interface, what was changed on it) is in the plane, so that a successor has it. A port whose interface has
 * vanished is removed when next looked at, with a message. Errors are BMv2's ERROR of a port operation (error.h) with
 * the reason as text, so that the same number reaches a client. */
#ifndef NERV_NVE_PORTS_H
#define NERV_NVE_PORTS_H

#include <stdbool.h>

#include "log.h"
#include "plane.h"

#define NVE_KNOWN 16

/* Programs whose filters are ours: the plane's own and those of its predecessors. */
struct nve_known {
	uint32_t ids[NVE_KNOWN];
	unsigned int n;
};

struct nve_port {
	unsigned int number;
	char name[IF_NAMESIZE];		/* as it is now */
	bool up;
};

typedef int (*nve_port_fn)(void *arg, const struct nve_port *port);

/* Adding what is there already, same number and interface, is no error. */
int nve_port_add(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log, const char *iface,
		 int64_t number, struct nve_error *e);
int nve_port_remove(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log, int64_t number,
		    struct nve_error *e);
int nve_port_walk(struct nve_plane *p, const struct nve_log *log, nve_port_fn fn, void *arg);

/* After a start with a pinned plane: drops ports whose interface is gone, attaches where the filter is missing or runs
 * another program. from (NULL or a predecessor's plane) gives the ports; traffic goes on all the while. */
int nve_ports_adopt(struct nve_plane *p, struct nve_plane *from, const struct nve_known *known, const struct nve_log *log,
		    struct nve_error *e);
/* Takes filters, qdiscs and promiscuous mode off every port. */
void nve_ports_detach(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log);
/* Takes the ports out of the maps only: filters that cannot be reached then let every frame pass. */
void nve_ports_release(struct nve_plane *p);

#endif
