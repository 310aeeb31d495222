/* Links of the kinds tap and tun, which are made through /dev/net/tun and not by
 * rtnetlink. For a worker thread; knows nothing of Lua. Source: the kernel's
 * Documentation/networking/tuntap.rst.
 */
#ifndef NERV_BINDINGS_LINK_TUN_H
#define NERV_BINDINGS_LINK_TUN_H

#include <stdbool.h>
#include <stdint.h>

#include "bindings/op.h"

struct tun_spec {
	bool tap;		/* carries Ethernet frames; otherwise IP packets */
	bool vnet_header;	/* a struct virtio_net_hdr before each frame */
	bool multi_queue;	/* may be opened more than once */
	int64_t owner, group;	/* who else may open it; -1: nobody */
};

/* Makes a link `name` in the namespace (a path, or NULL) with index `index` (0: the
 * kernel picks). It goes when *fd is closed, unless tun_keep() was called before, so
 * a crash between the two leaves nothing. */
int tun_make(struct op_list *l, const char *netns, const char *name, int index,
	     const struct tun_spec *s, int *fd);

/* Makes it stay. */
int tun_keep(struct op_list *l, int fd);

#endif
