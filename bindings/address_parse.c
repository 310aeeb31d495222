/* IPv4 and IPv6 addresses with prefix lengths, as text and as bytes. */
#include "bindings/address_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t prefix_size(const struct prefix *p)
{
	return p->family == AF_INET ? 4 : 16;
}

/* The prefix length in `s`, or -1. */
static int parse_length(const char *s)
{
	if (!isdigit((unsigned char)s[0]) || strlen(s) > 3 || s[strspn(s, "0123456789")])
		return -1;
	return atoi(s);
}

int prefix_parse(struct prefix *p, const char *text, char *why, size_t size)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix got = { .has_length = slash };
	char address[INET6_ADDRSTRLEN] = "";
	int max;

	if (len < sizeof(address))
		memcpy(address, text, len);
	if (inet_pton(AF_INET, address, got.bytes) == 1) {
		got.family = AF_INET;
	} else if (inet_pton(AF_INET6, address, got.bytes) == 1) {
		got.family = AF_INET6;
	} else {
		snprintf(why, size, "bad %s \"%.80s\": \"%.*s\" is neither an IPv4 nor an IPv6 address",
			 slash ? "CIDR" : "address", text, (int)(len < 60 ? len : 60), text);
		return -EINVAL;
	}
	max = (int)prefix_size(&got) * 8;
	got.length = slash ? parse_length(slash + 1) : max;
	if (got.length < 0) {
		snprintf(why, size, "bad CIDR \"%.80s\": \"%.20s\" is no prefix length", text, slash + 1);
		return -EINVAL;
	}
	if (got.length > max) {
		snprintf(why, size, "bad CIDR \"%s\": the prefix length of IPv%d is at most %d", text,
			 got.family == AF_INET ? 4 : 6, max);
		return -EINVAL;
	}
	*p = got;
	return 0;
}

void prefix_format(const struct prefix *p, bool with_length, char text[PREFIX_TEXT])
{
	size_t len;

	if (!inet_ntop(p->family, p->bytes, text, PREFIX_TEXT))
		text[0] = '\0';
	len = strlen(text);
	if (with_length)
		snprintf(text + len, PREFIX_TEXT - len, "/%d", p->length);
}

bool prefix_from_bytes(struct prefix *p, int family, const void *bytes, size_t len, int length)
{
	*p = (struct prefix){ .family = family, .length = length, .has_length = true };
	if ((family != AF_INET && family != AF_INET6) || len != prefix_size(p))
		return false;
	memcpy(p->bytes, bytes, len);
	return true;
}

bool prefix_mask(struct prefix *p)
{
	uint8_t lost = 0;

	for (int i = 0; i < (int)prefix_size(p); i++) {
		int bits = p->length - i * 8;	/* of this byte that are in the prefix */
		uint8_t mask = bits >= 8 ? 0xff : bits <= 0 ? 0 : (uint8_t)(0xff << (8 - bits));

		lost |= (uint8_t)(p->bytes[i] & ~mask);
		p->bytes[i] &= mask;
	}
	return lost;
}
