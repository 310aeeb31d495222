/* What a message about a link says of its kind. No Lua. */
#ifndef NERV_BINDINGS_LINK_INFO_H
#define NERV_BINDINGS_LINK_INFO_H

#include <linux/netlink.h>

struct nlattr;

struct link_info {
	const char *kind;	/* as NERV names it; "": one that rtnetlink does not make */
	struct nlattr *data;	/* IFLA_INFO_DATA, or NULL */
	struct nlattr *port;	/* what it is as a port of a bridge, or NULL */
};

/* All points into `msg`, an RTM_NEWLINK or RTM_DELLINK. */
void link_info(const struct nlmsghdr *msg, struct link_info *info);

#endif
