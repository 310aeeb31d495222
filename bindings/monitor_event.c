/* The events of a monitor: what messages of the kernel tell of, as Lua tables. */
#include "bindings/monitor_event.h"

#include <linux/rtnetlink.h>

#include "bindings/link_read.h"
#include "bindings/netlink_push.h"

const struct word monitor_subjects[] = {
	{ "link", MONITOR_LINK }, { "address", MONITOR_ADDRESS }, { "route", MONITOR_ROUTE }, { "rule", MONITOR_RULE },
	{ "neighbour", MONITOR_NEIGHBOUR }, { "fdb", MONITOR_FDB }, { 0 }
};

const int monitor_groups[MONITOR_SUBJECTS][2] = {
	[MONITOR_LINK] = { RTNLGRP_LINK }, [MONITOR_ADDRESS] = { RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR },
	[MONITOR_ROUTE] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE },
	[MONITOR_RULE] = { RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE },
	[MONITOR_NEIGHBOUR] = { RTNLGRP_NEIGH }, [MONITOR_FDB] = { RTNLGRP_NEIGH },
};

/* A bridge tells of its ports a second time, in the family AF_BRIDGE; and its database has
 * the messages of neighbours. All headers begin with the family. */
unsigned int monitor_subject(const struct nlmsghdr *h)
{
	const uint8_t family = *(const uint8_t *)nlmsg_data(h);
	const bool inet = family == AF_INET || family == AF_INET6;

	switch (h->nlmsg_type) {
	case RTM_NEWLINK: case RTM_DELLINK:
		return family == AF_UNSPEC ? MONITOR_LINK : MONITOR_SUBJECTS;
	case RTM_NEWADDR: case RTM_DELADDR:
		return inet ? MONITOR_ADDRESS : MONITOR_SUBJECTS;
	case RTM_NEWROUTE: case RTM_DELROUTE:
		return inet ? MONITOR_ROUTE : MONITOR_SUBJECTS;
	case RTM_NEWRULE: case RTM_DELRULE:
		return inet ? MONITOR_RULE : MONITOR_SUBJECTS;
	case RTM_NEWNEIGH: case RTM_DELNEIGH:
		return inet ? MONITOR_NEIGHBOUR : family == AF_BRIDGE ? MONITOR_FDB : MONITOR_SUBJECTS;
	default:
		return MONITOR_SUBJECTS;
	}
}

static bool push_subject(lua_State *L, unsigned int subject, const struct nlmsghdr *msg, int names)
{
	switch (subject) {
	case MONITOR_LINK:
		link_push(L, msg, names);
		return true;
	case MONITOR_ADDRESS:
		return address_push(L, msg, names);
	case MONITOR_ROUTE:
		return route_push(L, msg, names);
	case MONITOR_RULE:
		return rule_push(L, msg);
	case MONITOR_NEIGHBOUR:
		return neighbour_push(L, msg, names);
	default:
		return fdb_push(L, msg, names);
	}
}

static bool is_new(const struct nlmsghdr *h)
{
	return h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_NEWADDR ||
	       h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_NEWRULE ||
	       h->nlmsg_type == RTM_NEWNEIGH;
}

bool monitor_push(lua_State *L, const struct nlmsghdr *msg, int names)
{
	const unsigned int subject = monitor_subject(msg);
	const int base = lua_gettop(L);

	lua_createtable(L, 0, 3);
	set_string(L, "event", is_new(msg) ? "new" : "delete");
	set_string(L, "subject", monitor_subjects[subject].name);
	if (!push_subject(L, subject, msg, names)) {
		lua_settop(L, base);
		return false;
	}
	lua_setfield(L, base + 1, monitor_subjects[subject].name);
	lua_settop(L, base + 1);
	return true;
}
