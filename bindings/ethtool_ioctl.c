/* Requests of ethtool: names, features, counters, settings of an interface. */
#include "bindings/ethtool_ioctl.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shell/registry.h"

/* The kernel's lists of names are shorter. */
#define NAMES_MAX 4096

int ethtool_request(const struct nlconn *conn, const char *link, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", link);
	return ioctl(conn->fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;	/* above 0: remarks */
}

int ethtool_value(const struct nlconn *conn, const char *link, uint32_t cmd, uint32_t *value)
{
	struct ethtool_value v = { .cmd = cmd, .data = *value };
	int ret = ethtool_request(conn, link, &v);

	if (!ret)
		*value = v.data;
	return ret;
}

/* The names of a set (ETH_SS_*): names->len of them. The caller frees *names. */
static int read_names(const struct nlconn *conn, const char *link, uint32_t set,
		      struct ethtool_gstrings **names)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t count;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << set } };
	struct ethtool_gstrings *list;
	int ret = ethtool_request(conn, link, &info);

	if (ret)
		return ret;
	if (!info.head.sset_mask || info.count > NAMES_MAX)
		return -EOPNOTSUPP;
	list = calloc(1, sizeof(*list) + (size_t)info.count * ETH_GSTRING_LEN);
	if (!list)
		return -ENOMEM;
	list->cmd = ETHTOOL_GSTRINGS;
	list->string_set = set;
	list->len = info.count;
	ret = info.count ? ethtool_request(conn, link, list) : 0;
	if (!ret && list->len > info.count)	/* the driver changed meanwhile */
		ret = -EAGAIN;
	if (ret)
		free(list);
	else
		*names = list;
	return ret;
}

static const char *name_of(const struct ethtool_gstrings *names, uint32_t i)
{
	return (const char *)names->data + (size_t)i * ETH_GSTRING_LEN;
}

static uint32_t blocks_of(const struct ethtool_gstrings *names)
{
	return (names->len + 31) / 32;
}

static struct ethtool_gfeatures *read_features(const struct nlconn *conn, const char *link,
					       const struct ethtool_gstrings *names, int *ret)
{
	const uint32_t blocks = blocks_of(names);
	struct ethtool_gfeatures *f = calloc(1, sizeof(*f) + blocks * sizeof(f->features[0]));

	if (!f) {
		*ret = -ENOMEM;
		return NULL;
	}
	f->cmd = ETHTOOL_GFEATURES;
	f->size = blocks;
	*ret = ethtool_request(conn, link, f);
	return f;
}

int ethtool_features(const struct nlconn *conn, const char *link, struct nlbuf *out)
{
	struct ethtool_gstrings *names;
	struct ethtool_gfeatures *f;
	int ret = read_names(conn, link, ETH_SS_FEATURES, &names);

	if (ret)
		return ret;
	f = read_features(conn, link, names, &ret);
	for (uint32_t i = 0; !ret && i < names->len; i++) {
		const struct ethtool_get_features_block *b = &f->features[i / 32];
		const uint32_t bit = 1U << i % 32;
		struct ethtool_feature one = {
			.on = b->active & bit,
			.fixed = !(b->available & bit) || b->never_changed & bit,
		};

		if (!*name_of(names, i))
			continue;
		memcpy(one.name, name_of(names, i), sizeof(one.name) - 1);
		ret = nlbuf_add(out, &one, sizeof(one));
	}
	free(f);
	free(names);
	return ret;
}

static int unknown_feature(const struct ethtool_gstrings *names, const char *word, struct fault *f)
{
	const char **list = calloc(names->len + 1, sizeof(*list)), *near = NULL;

	for (uint32_t i = 0, n = 0; list && i < names->len; i++)
		if (*name_of(names, i))
			list[n++] = name_of(names, i);
	if (list)
		near = nearest_name(word, list);
	fault_set(f, -EINVAL, near ? "there is no feature '%.32s'; did you mean '%.32s'" :
		  "there is no feature '%.32s'", word, near);
	free(list);
	return -EINVAL;
}

/* Sets the bits of the wishes in `s`. */
static int fill_wishes(struct ethtool_sfeatures *s, const struct ethtool_gstrings *names,
		       const struct ethtool_wish *wishes, int n, struct fault *f)
{
	for (int w = 0; w < n; w++) {
		uint32_t i = 0;

		while (i < names->len && strncmp(name_of(names, i), wishes[w].name, ETH_GSTRING_LEN) != 0)
			i++;
		if (i == names->len)
			return unknown_feature(names, wishes[w].name, f);
		s->features[i / 32].valid |= 1U << i % 32;
		if (wishes[w].on)
			s->features[i / 32].requested |= 1U << i % 32;
	}
	return 0;
}

/* Which of the wishes are fixed: the kernel drops them without a word. */
static int check_fixed(const struct nlconn *conn, const char *link, const struct ethtool_wish *wishes,
		       int n, struct fault *f)
{
	struct nlbuf have = { 0 };
	int ret = ethtool_features(conn, link, &have);
	const struct ethtool_feature *one = (const void *)have.data;

	for (size_t left = have.len / sizeof(*one); !ret && left; left--, one++)
		for (int w = 0; !ret && w < n; w++)
			if (strcmp(one->name, wishes[w].name) == 0 && one->fixed && one->on != wishes[w].on)
				ret = fault_set(f, -EOPNOTSUPP, "feature '%s' is fixed", one->name);
	nlbuf_free(&have);
	return ret;
}

int ethtool_wish(const struct nlconn *conn, const char *link, const struct ethtool_wish *wishes,
		 int n, struct fault *f)
{
	struct ethtool_gstrings *names;
	struct ethtool_sfeatures *s;
	int ret = read_names(conn, link, ETH_SS_FEATURES, &names);

	if (ret)
		return ret;
	s = calloc(1, sizeof(*s) + blocks_of(names) * sizeof(s->features[0]));
	if (!s) {
		free(names);
		return -ENOMEM;
	}
	s->cmd = ETHTOOL_SFEATURES;
	s->size = blocks_of(names);
	ret = fill_wishes(s, names, wishes, n, f);
	if (!ret)
		ret = check_fixed(conn, link, wishes, n, f);
	if (!ret)
		ret = ethtool_request(conn, link, s);
	free(s);
	free(names);
	return ret;
}

int ethtool_counters(const struct nlconn *conn, const char *link, struct nlbuf *out)
{
	struct ethtool_gstrings *names;
	struct ethtool_stats *s;
	int ret = read_names(conn, link, ETH_SS_STATS, &names);

	if (ret)
		return ret;
	s = calloc(1, sizeof(*s) + names->len * sizeof(s->data[0]));
	if (s) {
		s->cmd = ETHTOOL_GSTATS;
		s->n_stats = names->len;
		ret = names->len ? ethtool_request(conn, link, s) : 0;
	} else {
		ret = -ENOMEM;
	}
	for (uint32_t i = 0; !ret && i < names->len; i++) {
		struct ethtool_counter one = { .value = s->data[i] };

		memcpy(one.name, name_of(names, i), sizeof(one.name) - 1);
		ret = nlbuf_add(out, &one, sizeof(one));
	}
	free(s);
	free(names);
	return ret;
}

/* Link modes follow the settings: three masks of up to 127 words. */
struct settings {
	struct ethtool_link_settings head;
	uint32_t modes[3 * 127];
};

static int read_settings(const struct nlconn *conn, const char *link, struct settings *s)
{
	int words, ret;

	memset(s, 0, sizeof(*s));
	s->head.cmd = ETHTOOL_GLINKSETTINGS;
	ret = ethtool_request(conn, link, s);
	if (ret)
		return ret;
	words = -s->head.link_mode_masks_nwords;	/* the kernel says how many it wants */
	if (words <= 0)
		return -EOPNOTSUPP;
	memset(s, 0, sizeof(*s));
	s->head.cmd = ETHTOOL_GLINKSETTINGS;
	s->head.link_mode_masks_nwords = (int8_t)words;
	return ethtool_request(conn, link, s);
}

int ethtool_change(const struct nlconn *conn, const char *link, const struct ethtool_settings *wanted)
{
	struct settings s;
	int ret = read_settings(conn, link, &s);

	if (ret)
		return ret;
	s.head.cmd = ETHTOOL_SLINKSETTINGS;
	if (wanted->set_speed)
		s.head.speed = wanted->speed;
	if (wanted->set_duplex)
		s.head.duplex = wanted->duplex;
	if (wanted->set_autoneg)
		s.head.autoneg = wanted->autoneg ? AUTONEG_ENABLE : AUTONEG_DISABLE;
	return ethtool_request(conn, link, &s);
}

static void read_address(const struct nlconn *conn, const char *link, struct ethtool_info *info)
{
	struct {
		struct ethtool_perm_addr head;
		uint8_t bytes[32];
	} a = { .head = { .cmd = ETHTOOL_GPERMADDR, .size = sizeof(a.bytes) } };

	if (ethtool_request(conn, link, &a) || a.head.size != sizeof(info->address))
		return;
	memcpy(info->address, a.head.data, sizeof(info->address));
	for (size_t i = 0; i < sizeof(info->address); i++)
		info->has_address |= info->address[i] != 0;
}

int ethtool_info(const struct nlconn *conn, const char *link, struct ethtool_info *info)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct settings s;
	uint32_t value = 0;
	int ret = ethtool_request(conn, link, &driver);

	memset(info, 0, sizeof(*info));
	info->speed = info->duplex = -1;
	if (ret && ret != -EOPNOTSUPP)
		return ret;
	if (!ret) {
		memcpy(info->driver, driver.driver, sizeof(info->driver) - 1);
		memcpy(info->version, driver.version, sizeof(info->version) - 1);
		memcpy(info->firmware, driver.fw_version, sizeof(info->firmware) - 1);
		memcpy(info->bus, driver.bus_info, sizeof(info->bus) - 1);
	}
	if (!read_settings(conn, link, &s)) {
		info->has_settings = true;
		info->autoneg = s.head.autoneg == AUTONEG_ENABLE;
		if (s.head.speed != (uint32_t)SPEED_UNKNOWN)
			info->speed = (int64_t)s.head.speed * 1000000;
		if (s.head.duplex == DUPLEX_HALF || s.head.duplex == DUPLEX_FULL)
			info->duplex = s.head.duplex;
	}
	info->has_link = !ethtool_value(conn, link, ETHTOOL_GLINK, &value);
	info->link = value;
	read_address(conn, link, info);
	info->rings.cmd = ETHTOOL_GRINGPARAM;
	if (ethtool_request(conn, link, &info->rings))
		info->rings.cmd = 0;
	info->channels.cmd = ETHTOOL_GCHANNELS;
	if (ethtool_request(conn, link, &info->channels))
		info->channels.cmd = 0;
	return 0;
}
