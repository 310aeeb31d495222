/* Keys and action data to and from the byte layout of the data plane's maps. */
#include "pack.h"

#include <errno.h>
#include <string.h>

static unsigned int pad8(unsigned int n)
{
	return (n + 7) & ~7u;
}

unsigned int nve_field_bytes(const struct nve_field *f)
{
	return (f->bits + 7) / 8;
}

static unsigned int fields_bytes(const struct nve_field *f, unsigned int n)
{
	unsigned int sum = 0, i;

	for (i = 0; i < n; i++)
		sum += nve_field_bytes(&f[i]);
	return sum;
}

unsigned int nve_key_bytes(const struct nve_table *t)
{
	return pad8(fields_bytes(t->keys, t->n_keys));
}

unsigned int nve_value_bytes(const struct nve_desc *d, const struct nve_table *t)
{
	unsigned int most = 0, n, i;

	for (i = 0; i < t->n_actions; i++) {
		n = fields_bytes(d->actions[t->actions[i]].params, d->actions[t->actions[i]].n_params);
		if (n > most)
			most = n;
	}
	return pad8(NVE_VALUE_HEAD + most);
}

bool nve_fits(struct nve_blob b, unsigned int bits)
{
	b = nve_trim(b);
	if (b.len > (bits + 7) / 8)
		return false;
	if (b.len < (bits + 7) / 8 || bits % 8 == 0 || b.len == 0)
		return true;
	return b.data[0] >> (bits % 8) == 0;
}

struct nve_blob nve_trim(struct nve_blob b)
{
	while (b.len > 1 && b.data[0] == 0) {
		b.data++;
		b.len--;
	}
	return b;
}

int nve_pack_key(const struct nve_table *t, const struct nve_key *keys, unsigned int n, uint8_t *out, struct nve_error *e)
{
	const struct nve_field *f;
	unsigned int i;

	if (n != t->n_keys)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_MATCH_KEY, "table '%s' has %u key fields, %u were given", t->name,
				     t->n_keys, n);
	memset(out, 0, nve_key_bytes(t));
	for (i = 0; i < n; i++) {
		f = &t->keys[i];
		if (keys[i].match != f->match)
			return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_MATCH_KEY, "key '%s' of table '%s' is matched %s, not %s",
					     f->name, t->name, nve_match_name(f->match), nve_match_name(keys[i].match));
		if (keys[i].value.len != nve_field_bytes(f))
			return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_MATCH_KEY, "key '%s' of table '%s' has %u bits: %u bytes, not %zu",
					     f->name, t->name, f->bits, nve_field_bytes(f), keys[i].value.len);
		if (!nve_fits(keys[i].value, f->bits))
			return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_MATCH_KEY, "key '%s' of table '%s': the value needs more than %u bits",
					     f->name, t->name, f->bits);
		memcpy(out, keys[i].value.data, keys[i].value.len);
		out += keys[i].value.len;
	}
	return 0;
}

int nve_pack_data(const struct nve_action *a, const struct nve_blob *data, unsigned int n, uint8_t *out,
		  struct nve_error *e)
{
	const struct nve_field *f;
	struct nve_blob b;
	unsigned int i, len;

	if (n != a->n_params)
		return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_ACTION_DATA, "action '%s' has %u parameters, %u were given", a->name,
				     a->n_params, n);
	for (i = 0; i < n; i++) {
		f = &a->params[i];
		len = nve_field_bytes(f);
		b = nve_trim(data[i]);
		if (!b.len)
			return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_ACTION_DATA, "parameter '%s' of action '%s' is empty", f->name,
					     a->name);
		if (!nve_fits(b, f->bits))
			return nve_fail_code(e, NVE_KIND_TABLE, NVE_BAD_ACTION_DATA, "parameter '%s' of action '%s': the value needs more than %u bits",
					     f->name, a->name, f->bits);
		memcpy(out + len - b.len, b.data, b.len);
		out += len;
	}
	return 0;
}

struct nve_blob nve_unpack(const struct nve_field *fields, unsigned int i, const uint8_t *bytes)
{
	return (struct nve_blob){ bytes + fields_bytes(fields, i), nve_field_bytes(&fields[i]) };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int nve_parse_hex(const char *s, uint8_t *out, unsigned int n)
{
	size_t len, i;
	int v;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	len = strlen(s);
	if (!len)
		return -EINVAL;
	memset(out, 0, n);
	for (i = 0; i < len; i++) {
		v = hex_digit(s[len - 1 - i]);
		if (v < 0 || (v && i / 2 >= n))
			return -EINVAL;
		if (v)
			out[n - 1 - i / 2] |= (uint8_t)(v << (i % 2 * 4));
	}
	return 0;
}
