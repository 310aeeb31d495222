/* Requests of ethtool: names, features, counters, settings of an interface. No Lua.
 *
 * They go by ioctl on a connection's socket and block as the driver does, so they belong
 * on a worker thread. All return 0 or a negative errno; -EOPNOTSUPP: the driver does not
 * know it.
 */
#ifndef NERV_BINDINGS_ETHTOOL_IOCTL_H
#define NERV_BINDINGS_ETHTOOL_IOCTL_H

#include <linux/ethtool.h>
#include <stdbool.h>
#include <stdint.h>

#include "bindings/netlink.h"

/* One ETHTOOL_* request: `data` begins with its number. */
int ethtool_request(const struct nlconn *conn, const char *link, void *data);

/* One of the requests that carry one value. */
int ethtool_value(const struct nlconn *conn, const char *link, uint32_t cmd, uint32_t *value);

struct ethtool_feature {
	char name[ETH_GSTRING_LEN];	/* the kernel's: "tx-checksum-ipv4" */
	bool on;
	bool fixed;			/* nobody can change it */
};

/* Appends a struct ethtool_feature for each that the kernel has. */
int ethtool_features(const struct nlconn *conn, const char *link, struct nlbuf *out);

/* What one of the features shall be. */
struct ethtool_wish {
	const char *name;
	bool on;
};

/* Changes the features; the fault names one that there is not (-EINVAL, with the nearest
 * name) or that cannot be changed (-EOPNOTSUPP). */
int ethtool_wish(const struct nlconn *conn, const char *link, const struct ethtool_wish *wishes,
		 int n, struct fault *f);

struct ethtool_counter {
	char name[ETH_GSTRING_LEN];
	uint64_t value;
};

/* Appends a struct ethtool_counter for each of the driver's own. */
int ethtool_counters(const struct nlconn *conn, const char *link, struct nlbuf *out);

/* What an interface is. Absent: "", 0, or a negative `speed` and `duplex`. */
struct ethtool_info {
	char driver[32], version[32], firmware[ETHTOOL_FWVERS_LEN], bus[ETHTOOL_BUSINFO_LEN];
	int64_t speed;			/* bits/s */
	int duplex;			/* DUPLEX_HALF, DUPLEX_FULL */
	bool has_settings, autoneg;
	bool has_link, link;		/* a signal is there */
	uint8_t address[6];		/* that it was built with */
	bool has_address;
	struct ethtool_ringparam rings;	/* cmd 0: absent */
	struct ethtool_channels channels;
};

int ethtool_info(const struct nlconn *conn, const char *link, struct ethtool_info *info);

/* What of the settings is to change. */
struct ethtool_settings {
	bool set_speed, set_duplex, set_autoneg;
	uint32_t speed;			/* Mbit/s */
	uint8_t duplex;
	bool autoneg;
};

int ethtool_change(const struct nlconn *conn, const char *link, const struct ethtool_settings *s);

#endif
