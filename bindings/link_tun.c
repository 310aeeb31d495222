/* Links of the kinds tap and tun, which are made through /dev/net/tun. */
#include "bindings/link_tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/net/tun"

static int no_device(struct op_list *l, int err, const struct tun_spec *s)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		return fault_set(&l->fault, -EOPNOTSUPP, "this kernel has no '%s' links (module tun)",
				 s->tap ? "tap" : "tun");
	return fault_set(&l->fault, -err, DEVICE);
}

static int attach(struct op_list *l, int fd, const char *name, int index, const struct tun_spec *s)
{
	struct ifreq ifr = { 0 };
	int flags = (s->tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_TUN_EXCL;

	if (s->vnet_header)
		flags |= IFF_VNET_HDR;
	if (s->multi_queue)
		flags |= IFF_MULTI_QUEUE;
	ifr.ifr_flags = (short)flags;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (index && ioctl(fd, TUNSETIFINDEX, &index))
		return fault_set(&l->fault, -errno, "index %d", index);
	if (ioctl(fd, TUNSETIFF, &ifr))
		return fault_set(&l->fault, -errno, DEVICE);
	if (s->owner >= 0 && ioctl(fd, TUNSETOWNER, (unsigned long)s->owner))
		return fault_set(&l->fault, -errno, "owner");
	if (s->group >= 0 && ioctl(fd, TUNSETGROUP, (unsigned long)s->group))
		return fault_set(&l->fault, -errno, "owner_group");
	return 0;
}

int tun_make(struct op_list *l, const char *netns, const char *name, int index,
	     const struct tun_spec *s, int *fd)
{
	int ret = op_enter(l, netns), device;

	if (ret)
		return ret;
	device = open(DEVICE, O_RDWR | O_CLOEXEC);	/* it belongs to the thread's namespace */
	ret = device < 0 ? no_device(l, errno, s) : attach(l, device, name, index, s);
	op_leave(netns);
	if (!ret)
		*fd = device;
	else if (device >= 0)
		close(device);
	return ret;
}

int tun_keep(struct op_list *l, int fd)
{
	return ioctl(fd, TUNSETPERSIST, 1) ? fault_set(&l->fault, -errno, "persistence") : 0;
}
