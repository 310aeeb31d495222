/* What a message about a link says of its kind. */
#include "bindings/link_info.h"

#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

static const char *text_of(struct nlattr *a)
{
	return a ? nla_get_string(a) : "";
}

/* What the kernel calls "tun" is of two kinds. */
static const char *kind_name(const char *kind, struct nlattr *data)
{
	struct nlattr *type;

	if (strcmp(kind, "tun") != 0 || !data)
		return kind;
	type = nla_find(nla_data(data), nla_len(data), IFLA_TUN_TYPE);
	return type && nla_get_u8(type) == IFF_TAP ? "tap" : kind;
}

void link_info(const struct nlmsghdr *msg, struct link_info *info)
{
	struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)msg,
					   sizeof(struct ifinfomsg), IFLA_LINKINFO);
	struct nlattr *tb[IFLA_INFO_MAX + 1];

	*info = (struct link_info){ .kind = "" };
	if (!a || nla_parse_nested(tb, IFLA_INFO_MAX, a, NULL) < 0)
		return;
	info->data = tb[IFLA_INFO_DATA];
	info->kind = kind_name(text_of(tb[IFLA_INFO_KIND]), info->data);
	if (strcmp(text_of(tb[IFLA_INFO_SLAVE_KIND]), "bridge") == 0)
		info->port = tb[IFLA_INFO_SLAVE_DATA];
}
