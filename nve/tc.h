/* The tc hook of an interface: the clsact qdisc, our filter at priority 1 and handle 1 of its ingress side, and the
 * interface's promiscuous mode. Calls block while another netlink writer holds the kernel's RTNL lock. */
#ifndef NERV_NVE_TC_H
#define NERV_NVE_TC_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Makes a clsact qdisc: *made tells that there was none. */
int nve_tc_qdisc(uint32_t ifindex, bool *made, struct nve_error *e);
/* Attaches the program, in one step if ours is there already. A filter there whose program is none of the n known ids
 * belongs to somebody else: -EBUSY. */
int nve_tc_attach(uint32_t ifindex, int prog, const uint32_t *known, unsigned int n, struct nve_error *e);
/* true when a filter with one of the n known programs is there */
bool nve_tc_attached(uint32_t ifindex, const uint32_t *known, unsigned int n);
/* Removes our filter, if it is ours; then, with qdisc set and no other filter left, the qdisc. A vanished interface is
 * no error. */
int nve_tc_detach(uint32_t ifindex, const uint32_t *known, unsigned int n, bool qdisc, struct nve_error *e);

/* Receives frames for all addresses: *changed tells that the flag was off. */
int nve_link_promisc(const char *name, bool on, bool *changed, struct nve_error *e);
/* Up and with carrier. */
bool nve_link_running(const char *name);

#endif
