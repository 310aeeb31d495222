/* Parses numbers and addresses of any width. */
#include "values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* out = out * 10 + digit over n bytes; false when it overflows */
static bool times_ten(uint8_t *out, unsigned int n, unsigned int digit)
{
	unsigned int i, v, carry = digit;

	for (i = n; i-- > 0;) {
		v = out[i] * 10u + carry;
		out[i] = (uint8_t)v;
		carry = v >> 8;
	}
	return carry == 0;
}

static int parse_decimal(const char *s, uint8_t *out, unsigned int n)
{
	if (!*s)
		return -EINVAL;
	memset(out, 0, n);
	for (; *s; s++)
		if (*s < '0' || *s > '9' || !times_ten(out, n, (unsigned int)(*s - '0')))
			return -EINVAL;
	return 0;
}

static int parse_mac(const char *s, uint8_t *out)
{
	unsigned int b[6], i;
	char end;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6)
		return -EINVAL;
	for (i = 0; i < 6; i++)
		out[i] = (uint8_t)b[i];
	return 0;
}

int nve_value_parse(const char *text, const struct nve_field *f, uint8_t *out, struct nve_error *e)
{
	unsigned int n = nve_field_bytes(f);
	int ret;

	if (f->bits == 32 && strchr(text, '.'))
		ret = inet_pton(AF_INET, text, out) == 1 ? 0 : -EINVAL;
	else if (f->bits == 128 && strchr(text, ':'))
		ret = inet_pton(AF_INET6, text, out) == 1 ? 0 : -EINVAL;
	else if (f->bits == 48 && strchr(text, ':'))
		ret = parse_mac(text, out);
	else if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		ret = nve_parse_hex(text, out, n);
	else
		ret = parse_decimal(text, out, n);
	if (!ret && nve_fits((struct nve_blob){ out, n }, f->bits))
		return 0;
	return nve_fail(e, -EINVAL, "'%s' is no value for '%s' of %u bits", text, f->name, f->bits);
}

/* Splits "a SEP b" into two values. */
static int parse_pair(const char *text, const char *sep, const struct nve_field *f, struct nve_key_bytes *bytes,
		      struct nve_error *e)
{
	const char *at = strstr(text, sep);
	char head[700];
	int ret;

	if (!at || (size_t)(at - text) >= sizeof(head))
		return nve_fail(e, -EINVAL, "'%s': key '%s' is matched %s: write a%sb", text, f->name, nve_match_name(f->match), sep);
	memcpy(head, text, (size_t)(at - text));
	head[at - text] = '\0';
	ret = nve_value_parse(head, f, bytes->value, e);
	return ret ? ret : nve_value_parse(at + strlen(sep), f, bytes->extra, e);
}

static int parse_prefix(const char *text, const struct nve_field *f, struct nve_key_bytes *bytes, int *prefix,
			struct nve_error *e)
{
	const char *slash = strrchr(text, '/');
	char head[700], *end;
	long n;

	if (!slash || (size_t)(slash - text) >= sizeof(head))
		return nve_fail(e, -EINVAL, "'%s': key '%s' is matched lpm: write value/length", text, f->name);
	memcpy(head, text, (size_t)(slash - text));
	head[slash - text] = '\0';
	n = strtol(slash + 1, &end, 10);
	if (!slash[1] || *end || n < 0 || n > (long)f->bits)
		return nve_fail(e, -EINVAL, "'%s': the prefix length of key '%s' is 0 to %u", text, f->name, f->bits);
	*prefix = (int)n;
	return nve_value_parse(head, f, bytes->value, e);
}

int nve_key_parse(const char *text, const struct nve_field *f, struct nve_key_bytes *bytes, struct nve_key *out,
		  struct nve_error *e)
{
	unsigned int n = nve_field_bytes(f);
	struct nve_key k = { .match = f->match, .value = { bytes->value, n } };
	int ret;

	switch (f->match) {
	case NVE_MATCH_LPM:
		ret = parse_prefix(text, f, bytes, &k.prefix, e);
		break;
	case NVE_MATCH_TERNARY:
		ret = parse_pair(text, "&&&", f, bytes, e);
		k.extra = (struct nve_blob){ bytes->extra, n };
		break;
	case NVE_MATCH_RANGE:
		ret = parse_pair(text, "->", f, bytes, e);
		k.extra = (struct nve_blob){ bytes->extra, n };
		break;
	default:
		ret = nve_value_parse(text, f, bytes->value, e);
	}
	if (!ret)
		*out = k;
	return ret;
}
