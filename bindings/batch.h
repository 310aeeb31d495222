/* The verbs that change the system: each a Lua function, and an item of batch.run. */
#ifndef NERV_BINDINGS_BATCH_H
#define NERV_BINDINGS_BATCH_H

#include "bindings/op.h"

extern const struct verb verb_netns_add, verb_netns_delete;
extern const struct verb verb_link_add, verb_link_set, verb_link_delete;
extern const struct verb verb_link_delete_group, verb_link_delete_many, verb_link_settle;
extern const struct verb verb_address_add, verb_address_replace, verb_address_delete, verb_address_settle;
extern const struct verb verb_route_add, verb_route_replace, verb_route_delete;
extern const struct verb verb_rule_add, verb_rule_delete;
extern const struct verb verb_neighbour_add, verb_neighbour_replace, verb_neighbour_delete;
extern const struct verb verb_fdb_add, verb_fdb_replace, verb_fdb_append, verb_fdb_delete;
extern const struct verb verb_qdisc_add, verb_qdisc_set, verb_qdisc_delete;
extern const struct verb verb_class_add, verb_class_set, verb_class_delete;
extern const struct verb verb_filter_add, verb_filter_delete;
extern const struct verb verb_nftables_run;
extern const struct verb verb_sysctl_set;
extern const struct verb verb_ethtool_set;

#endif
