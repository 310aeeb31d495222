/* The client's calls about entries: changes in bulk, and reading. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"

#define WINDOW 1024u			/* requests without an answer */
#define SEND 256u			/* requests in one write */

static GByteArray *bytes_of(struct nve_blob b)
{
	return g_byte_array_append(g_byte_array_sized_new((guint)b.len), b.data, (guint)b.len);
}

static void free_bytes(gpointer p)
{
	g_byte_array_unref(p);
}

GPtrArray *nve_client_data(const struct nve_blob *data, unsigned int n)
{
	GPtrArray *list = g_ptr_array_new_full(n, free_bytes);
	unsigned int i;

	for (i = 0; i < n; i++)
		g_ptr_array_add(list, bytes_of(data[i]));
	return list;
}

/* One match parameter: the member of its kind is filled and marked as set. */
static bmBmMatchParam *match_param(const struct nve_key *k)
{
	bmBmMatchParam *m = g_object_new(BM_TYPE_BM_MATCH_PARAM, NULL);

	m->type = (bmBmMatchParamType)k->match;
	m->__isset_type = TRUE;
	switch (k->match) {
	case NVE_MATCH_EXACT:
		m->exact->key = bytes_of(k->value);
		m->__isset_exact = m->exact->__isset_key = TRUE;
		break;
	case NVE_MATCH_LPM:
		m->lpm->key = bytes_of(k->value);
		m->lpm->prefix_length = k->prefix;
		m->__isset_lpm = m->lpm->__isset_key = m->lpm->__isset_prefix_length = TRUE;
		break;
	case NVE_MATCH_TERNARY:
		m->ternary->key = bytes_of(k->value);
		m->ternary->mask = bytes_of(k->extra);
		m->__isset_ternary = m->ternary->__isset_key = m->ternary->__isset_mask = TRUE;
		break;
	case NVE_MATCH_VALID:
		m->valid->key = k->value.len && k->value.data[k->value.len - 1];
		m->__isset_valid = m->valid->__isset_key = TRUE;
		break;
	case NVE_MATCH_RANGE:
		m->range->start = bytes_of(k->value);
		m->range->end_ = bytes_of(k->extra);
		m->__isset_range = m->range->__isset_start = m->range->__isset_end_ = TRUE;
		break;
	}
	return m;
}

static gboolean send_add(struct nve_client *c, const struct nve_op *op, const char *table, const char *action, GError **g)
{
	GPtrArray *keys = g_ptr_array_new_full(op->n_keys, g_object_unref), *data = nve_client_data(op->data, op->n_data);
	bmBmAddEntryOptions *options = g_object_new(BM_TYPE_BM_ADD_ENTRY_OPTIONS, NULL);
	unsigned int i;
	gboolean ok;

	for (i = 0; i < op->n_keys; i++)
		g_ptr_array_add(keys, match_param(&op->keys[i]));
	options->priority = op->priority;
	options->__isset_priority = TRUE;
	ok = bm_standard_client_send_bm_mt_add_entry(c->rpc, 0, table, keys, action, data, options, g);
	g_object_unref(options);
	g_ptr_array_unref(data);
	g_ptr_array_unref(keys);
	return ok;
}

static gboolean send_modify(struct nve_client *c, const struct nve_op *op, const char *table, const char *action,
			    GError **g)
{
	GPtrArray *data = nve_client_data(op->data, op->n_data);
	gboolean ok = bm_standard_client_send_bm_mt_modify_entry(c->rpc, 0, table, (gint32)op->handle, action, data, g);

	g_ptr_array_unref(data);
	return ok;
}

/* The refusal of one change, with a copy of its text. */
static void refuse(struct nve_op *op, int err, const struct nve_error *e)
{
	op->err = err;
	op->why = strdup(e->text);
}

/* Writes one request into the buffer. A wrong name is found here: then there is no request, and op->err is set. */
static int send_op(struct nve_client *c, struct nve_op *op, struct nve_error *e)
{
	const struct nve_table *t;
	const char *action = "";
	struct nve_error mine;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = nve_client_table(c, op->table, &ret, &mine);
	if (t && op->kind != NVE_OP_DELETE)
		action = nve_client_action(c, t, op->action, &ret, &mine);
	if (ret) {
		refuse(op, ret, &mine);
		return c->dead ? nve_fail(e, c->dead, "%s", mine.text) : 0;
	}
	if (op->kind == NVE_OP_ADD)
		ok = send_add(c, op, t->name, action, &g);
	else if (op->kind == NVE_OP_MODIFY)
		ok = send_modify(c, op, t->name, action, &g);
	else
		ok = bm_standard_client_send_bm_mt_delete_entry(c->rpc, 0, t->name, (gint32)op->handle, &g);
	op->err = -EINPROGRESS;
	return nve_client_end(c, ok, g, op->table, e);
}

static int receive_op(struct nve_client *c, struct nve_op *op, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	bmBmEntryHandle handle = 0;
	struct nve_error mine;
	GError *g = NULL;
	gboolean ok;

	nve_transport_deadline(c->t, nve_now_ms() + c->timeout_ms);
	if (op->kind == NVE_OP_ADD)
		ok = bm_standard_client_recv_bm_mt_add_entry(c->rpc, &handle, &ouch, &g);
	else if (op->kind == NVE_OP_MODIFY)
		ok = bm_standard_client_recv_bm_mt_modify_entry(c->rpc, &ouch, &g);
	else
		ok = bm_standard_client_recv_bm_mt_delete_entry(c->rpc, &ouch, &g);
	op->err = nve_client_table_end(c, ok, ouch, g, op->table, &mine);
	if (op->err)
		op->why = strdup(mine.text);
	else if (op->kind == NVE_OP_ADD)
		op->handle = (uint32_t)handle;
	return c->dead ? nve_fail(e, c->dead, "%s", mine.text) : 0;
}

/* Sends the next changes as one write. *sent counts those passed, with or without a request. */
static int send_some(struct nve_client *c, struct nve_op *ops, unsigned int n, unsigned int *sent, struct nve_error *e)
{
	unsigned int end = n - *sent > SEND ? *sent + SEND : n;
	int ret = 0;

	nve_transport_hold(c->t, true);
	for (; !ret && *sent < end; ++*sent)
		ret = send_op(c, &ops[*sent], e);
	nve_transport_hold(c->t, false);
	nve_transport_deadline(c->t, nve_now_ms() + c->timeout_ms);
	if (!ret && nve_transport_push(c->t))
		ret = nve_client_end(c, FALSE, NULL, "changes", e);
	return ret;
}

int nve_client_ops(struct nve_client *c, struct nve_op *ops, unsigned int n, unsigned int *failed, struct nve_error *e)
{
	const struct nve_desc *d;
	unsigned int sent = 0, done = 0, i;
	int ret;

	for (i = 0; i < n; i++) {
		ops[i].err = -ECANCELED;
		ops[i].why = NULL;
	}
	*failed = 0;
	ret = nve_client_desc(c, false, &d, e);
	if (!ret)
		ret = nve_client_begin(c, e);
	while (!ret && done < n) {
		if (sent < n && sent - done <= WINDOW - SEND) {
			ret = send_some(c, ops, n, &sent, e);
			continue;
		}
		if (ops[done].err == -EINPROGRESS)
			ret = receive_op(c, &ops[done], e);
		done++;
	}
	for (i = 0; i < n; i++) {
		if (ops[i].err == -EINPROGRESS)
			ops[i].err = -ECANCELED;
		*failed += ops[i].err != 0;
	}
	return ret;
}

void nve_ops_clean(struct nve_op *ops, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		free(ops[i].why);
		ops[i].why = NULL;
	}
}

static struct nve_blob blob_of(const GByteArray *a)
{
	return a ? (struct nve_blob){ a->data, a->len } : (struct nve_blob){ NULL, 0 };
}

static void take_key(const bmBmMatchParam *m, struct nve_key *k)
{
	static const uint8_t bits[2] = { 0, 1 };

	k->match = (enum nve_match)m->type;
	switch (k->match) {
	case NVE_MATCH_EXACT:
		k->value = blob_of(m->exact->key);
		break;
	case NVE_MATCH_LPM:
		k->value = blob_of(m->lpm->key);
		k->prefix = m->lpm->prefix_length;
		break;
	case NVE_MATCH_TERNARY:
		k->value = blob_of(m->ternary->key);
		k->extra = blob_of(m->ternary->mask);
		break;
	case NVE_MATCH_VALID:
		k->value = (struct nve_blob){ &bits[!!m->valid->key], 1 };
		break;
	case NVE_MATCH_RANGE:
		k->value = blob_of(m->range->start);
		k->extra = blob_of(m->range->end_);
		break;
	}
}

static int take_action(const bmBmActionEntry *a, struct nve_row *row)
{
	unsigned int i;

	if (!a || a->action_type != BM_BM_ACTION_ENTRY_TYPE_ACTION_DATA)
		return 0;
	row->action = a->action_name;
	row->data = calloc(a->action_data->len + 1, sizeof(*row->data));
	if (!row->data)
		return -ENOMEM;
	row->n_data = a->action_data->len;
	for (i = 0; i < row->n_data; i++)
		row->data[i] = blob_of(g_ptr_array_index(a->action_data, i));
	return 0;
}

static int take_entry(const bmBmMtEntry *m, struct nve_row *row)
{
	unsigned int i;

	row->handle = (uint32_t)m->entry_handle;
	row->priority = m->__isset_options && m->options->__isset_priority ? m->options->priority : -1;
	row->keys = calloc(m->match_key->len + 1, sizeof(*row->keys));
	if (!row->keys)
		return -ENOMEM;
	row->n_keys = m->match_key->len;
	for (i = 0; i < row->n_keys; i++)
		take_key(g_ptr_array_index(m->match_key, i), &row->keys[i]);
	return take_action(m->action_entry, row);
}

/* Rows over a list of BmMtEntry or of one BmActionEntry, which they hold from now on, also on failure. */
static int rows_of(GPtrArray *list, bool entries, struct nve_rows **out, struct nve_error *e)
{
	struct nve_rows *r = calloc(1, sizeof(*r));
	int ret = -ENOMEM;
	guint i;

	if (!r) {
		g_ptr_array_unref(list);
		return nve_fail(e, ret, "out of memory");
	}
	r->held = list;
	r->rows = calloc(list->len + 1, sizeof(*r->rows));
	r->n = r->rows ? list->len : 0;
	ret = r->rows ? 0 : -ENOMEM;
	for (i = 0; !ret && i < r->n; i++) {
		r->rows[i].handle = NVE_NO_HANDLE;
		r->rows[i].priority = -1;
		if (entries)
			ret = take_entry(g_ptr_array_index(list, i), &r->rows[i]);
		else
			ret = take_action(g_ptr_array_index(list, i), &r->rows[i]);
	}
	if (ret) {
		nve_rows_free(r);
		return nve_fail(e, ret, "out of memory");
	}
	*out = r;
	return 0;
}

void nve_rows_free(struct nve_rows *r)
{
	unsigned int i;

	if (!r)
		return;
	for (i = 0; i < r->n; i++) {
		free(r->rows[i].keys);
		free(r->rows[i].data);
	}
	free(r->rows);
	if (r->held)
		g_ptr_array_unref(r->held);
	free(r);
}

/* Name check and start of a call about a table. */
static const struct nve_table *begin(struct nve_client *c, const char *table, int *ret, struct nve_error *e)
{
	const struct nve_table *t = nve_client_table(c, table, ret, e);

	if (t)
		*ret = nve_client_begin(c, e);
	return *ret ? NULL : t;
}

int nve_client_entries(struct nve_client *c, const char *table, struct nve_rows **out, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	GPtrArray *list;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (!t)
		return ret;
	list = g_ptr_array_new_with_free_func(g_object_unref);
	ok = bm_standard_client_bm_mt_get_entries(c->rpc, &list, 0, t->name, &ouch, &g);
	ret = nve_client_table_end(c, ok, ouch, g, t->name, e);
	if (!ret)
		return rows_of(list, true, out, e);
	g_ptr_array_unref(list);
	return ret;
}

/* Rows of one object, which they take, also on failure. */
static int one_row(gpointer object, bool entry, int ret, struct nve_rows **out, struct nve_error *e)
{
	GPtrArray *list;

	if (ret) {
		g_object_unref(object);
		return ret;
	}
	list = g_ptr_array_new_with_free_func(g_object_unref);
	g_ptr_array_add(list, object);
	return rows_of(list, entry, out, e);
}

int nve_client_entry(struct nve_client *c, const char *table, uint32_t handle, struct nve_rows **out, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	bmBmMtEntry *m;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (!t)
		return ret;
	m = g_object_new(BM_TYPE_BM_MT_ENTRY, NULL);
	ok = bm_standard_client_bm_mt_get_entry(c->rpc, &m, 0, t->name, (gint32)handle, &ouch, &g);
	return one_row(m, true, nve_client_table_end(c, ok, ouch, g, t->name, e), out, e);
}

int nve_client_default(struct nve_client *c, const char *table, struct nve_rows **out, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	bmBmActionEntry *a;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (!t)
		return ret;
	a = g_object_new(BM_TYPE_BM_ACTION_ENTRY, NULL);
	ok = bm_standard_client_bm_mt_get_default_entry(c->rpc, &a, 0, t->name, &ouch, &g);
	return one_row(a, false, nve_client_table_end(c, ok, ouch, g, t->name, e), out, e);
}

int nve_client_num_entries(struct nve_client *c, const char *table, int64_t *n, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	GError *g = NULL;
	gint64 value = 0;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (!t)
		return ret;
	ok = bm_standard_client_bm_mt_get_num_entries(c->rpc, &value, 0, t->name, &ouch, &g);
	ret = nve_client_table_end(c, ok, ouch, g, t->name, e);
	if (!ret)
		*n = value;
	return ret;
}

int nve_client_clear(struct nve_client *c, const char *table, bool reset_default, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (!t)
		return ret;
	ok = bm_standard_client_bm_mt_clear_entries(c->rpc, 0, t->name, reset_default, &ouch, &g);
	return nve_client_table_end(c, ok, ouch, g, t->name, e);
}

int nve_client_set_default(struct nve_client *c, const char *table, const char *action, const struct nve_blob *data,
			   unsigned int n_data, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	GPtrArray *list;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (t)
		action = nve_client_action(c, t, action, &ret, e);
	if (!t || !action)
		return ret;
	list = nve_client_data(data, n_data);
	ok = bm_standard_client_bm_mt_set_default_action(c->rpc, 0, t->name, action, list, &ouch, &g);
	g_ptr_array_unref(list);
	return nve_client_table_end(c, ok, ouch, g, t->name, e);
}

int nve_client_reset_default(struct nve_client *c, const char *table, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = begin(c, table, &ret, e);
	if (!t)
		return ret;
	ok = bm_standard_client_bm_mt_reset_default_entry(c->rpc, 0, t->name, &ouch, &g);
	return nve_client_table_end(c, ok, ouch, g, t->name, e);
}
