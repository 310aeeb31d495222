/* A data plane in the kernel: one program and its maps (p4/nve_rt.h), as file descriptors.
 *
 * It lives as long as a descriptor, a tc filter or a pin holds it. Pinned, it is a directory of a bpffs with one file
 * for the program and each map; nerv_text holds the description, so that a successor, or --remove, needs nothing else.
 * Maps beside those of the program: nerv_state (nve_plane_state), nerv_ports (nve_port_state by port), nerv_text, and
 * vID_NAME for each table (the words of store.h, mapped into memory).
 * Loading takes some milliseconds; nothing else here blocks. */
#ifndef NERV_NVE_PLANE_H
#define NERV_NVE_PLANE_H

#include <net/if.h>
#include <stdint.h>

#include "description.h"
#include "log.h"
#include "store.h"

#define NVE_PORTS 511u			/* ports 0 to 510; 511 is BMv2's drop port */
#define NVE_PLANE_LAYOUT 1u		/* changes with every change of nve_rt.h or of the structs below */

struct nve_plane_state {
	uint32_t layout;
	uint32_t unused;
	uint64_t netns_dev, netns_ino;	/* of the namespace that the ifindexes belong to */
	char object[65];		/* SHA-256 of the object file */
	char pad[7];
};

#define NVE_PORT_CLSACT 1u		/* the qdisc is ours: remove it with the port */
#define NVE_PORT_PROMISC 2u		/* IFF_PROMISC is ours: clear it with the port */

struct nve_port_state {
	uint32_t ifindex;		/* 0: no such port */
	uint32_t flags;
	char name[IF_NAMESIZE];
};

struct nve_plane_table {
	int entries, def, counts, marks;	/* -1 where the table has none */
	uint32_t *words;			/* marks, mapped */
};

struct nve_plane {
	struct nve_desc *desc;		/* owned: parsed from nerv_text, or given at load */
	int prog;
	uint32_t prog_id;
	struct nve_plane_table *tables;
	int *counters;			/* -1 for direct ones */
	int control, port_of, ifindex, state, ports, text;
	unsigned int n_cpus;
};

/* The object file of a description's program: DIR/PROGRAM.bpf.o. Later the compiler's cache takes its place.
 * -EINVAL for a program name with other characters than A-Z a-z 0-9 _ - . */
int nve_plane_object(const struct nve_desc *d, const char *dir, char *path, unsigned long size, struct nve_error *e);

/* Loads the object and makes all maps, empty. Takes d, also on failure. Errors name the map, or end with the verifier's last
 * lines. The state map is filled. */
int nve_plane_load(struct nve_desc *d, const char *object, const struct nve_log *log, struct nve_plane **out,
		   struct nve_error *e);
/* SHA-256 of a file as 64 digits. */
int nve_plane_digest(const char *path, char out[65], struct nve_error *e);

/* dir must be in a bpffs and must not exist. */
int nve_plane_pin(struct nve_plane *p, const char *dir, struct nve_error *e);
int nve_plane_open(const char *dir, struct nve_plane **out, struct nve_error *e);
/* Removes the files of a pinned plane and its directory, whatever is there of it. The plane itself may live on. */
int nve_plane_unpin(const char *dir, struct nve_error *e);
/* Closes the descriptors. NULL is fine. */
void nve_plane_free(struct nve_plane *p);

int nve_plane_get_state(struct nve_plane *p, struct nve_plane_state *s, struct nve_error *e);
/* 0 when the plane belongs to the network namespace of the caller, else -EXDEV. */
int nve_plane_check_netns(struct nve_plane *p, struct nve_error *e);

/* The store over a plane's maps: the store argument is the plane. */
extern const struct nve_store_ops nve_store_plane_ops;

#endif
