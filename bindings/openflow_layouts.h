/* What the files that describe OpenFlow's structures share; nobody else includes it. */
#ifndef NERV_BINDINGS_OPENFLOW_LAYOUTS_H
#define NERV_BINDINGS_OPENFLOW_LAYOUTS_H

#include "bindings/openflow_layout.h"

extern const struct ofp_name ofp_groups[], ofp_queues[], ofp_meters[], ofp_group_types[], ofp_flow_flags[],
	ofp_meter_flags[];
extern const struct ofp_layout *const ofp_bands[];
extern const struct ofp_layout ofp_bucket, ofp_port;

#endif
