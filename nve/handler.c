/* Thrift methods on one side, tables, counters and ports on the other. */
#include "handler.h"

#include <string.h>

#include "bm_standard.h"

#define MAX_FIELDS 64

typedef struct {
	bmStandardHandler parent;
	struct nve_switch *sw;
} NveHandler;

typedef struct {
	bmStandardHandlerClass parent;
} NveHandlerClass;

GType nve_handler_get_type(void);
G_DEFINE_TYPE(NveHandler, nve_handler, BM_TYPE_STANDARD_HANDLER)

const char *const nve_handler_methods[] = {
	"bm_mt_get_num_entries", "bm_mt_clear_entries", "bm_mt_add_entry", "bm_mt_set_default_action",
	"bm_mt_reset_default_entry", "bm_mt_delete_entry", "bm_mt_modify_entry", "bm_mt_read_counter",
	"bm_mt_reset_counters", "bm_mt_write_counter", "bm_mt_get_entries", "bm_mt_get_entry", "bm_mt_get_default_entry",
	"bm_mt_get_entry_from_key", "bm_counter_read", "bm_counter_reset_all", "bm_counter_write", "bm_dev_mgr_add_port",
	"bm_dev_mgr_remove_port", "bm_dev_mgr_show_ports", "bm_mgmt_get_info", "bm_reset_state", "bm_get_config",
	"bm_get_config_md5", "bm_get_id_from_name", NULL,
};

static struct nve_switch *switch_of(bmStandardIf *iface)
{
	return ((NveHandler *)iface)->sw;
}

static struct nve_tables *tables_of(bmStandardIf *iface)
{
	return switch_of(iface)->tables;
}

/* Every method ends in one of these three: TRUE for 0, else the declared exception. */
static gboolean table_result(int ret, const struct nve_error *e, bmInvalidTableOperation **ouch)
{
	int code = nve_error_code(ret, NVE_KIND_TABLE);

	if (!ret)
		return TRUE;
	*ouch = g_object_new(BM_TYPE_INVALID_TABLE_OPERATION, NULL);
	(*ouch)->code = code ? (bmTableOperationErrorCode)code : BM_TABLE_OPERATION_ERROR_CODE_ERROR;
	(*ouch)->__isset_code = TRUE;
	(*ouch)->why = g_strdup(e->text);
	(*ouch)->__isset_why = TRUE;
	return FALSE;
}

static gboolean counter_result(int ret, const struct nve_error *e, bmInvalidCounterOperation **ouch)
{
	int code = nve_error_code(ret, NVE_KIND_COUNTER);

	if (!ret)
		return TRUE;
	*ouch = g_object_new(BM_TYPE_INVALID_COUNTER_OPERATION, NULL);
	(*ouch)->code = code ? (bmCounterOperationErrorCode)code : BM_COUNTER_OPERATION_ERROR_CODE_ERROR;
	(*ouch)->__isset_code = TRUE;
	(*ouch)->why = g_strdup(e->text);
	(*ouch)->__isset_why = TRUE;
	return FALSE;
}

static gboolean port_result(int ret, const struct nve_error *e, bmInvalidDevMgrOperation **ouch)
{
	if (!ret)
		return TRUE;
	*ouch = g_object_new(BM_TYPE_INVALID_DEV_MGR_OPERATION, NULL);
	(*ouch)->code = BM_DEV_MGR_ERROR_CODE_ERROR;
	(*ouch)->__isset_code = TRUE;
	(*ouch)->why = g_strdup(e->text);
	(*ouch)->__isset_why = TRUE;
	return FALSE;
}

static struct nve_blob blob_of(const GByteArray *a)
{
	return a ? (struct nve_blob){ a->data, a->len } : (struct nve_blob){ NULL, 0 };
}

/* Borrowed pointers into the request. A field that the client left out stays empty and is refused as such. */
static unsigned int keys_of(const GPtrArray *list, struct nve_key keys[MAX_FIELDS])
{
	const bmBmMatchParam *m;
	guint i;

	for (i = 0; list && i < list->len && i < MAX_FIELDS; i++) {
		m = g_ptr_array_index(list, i);
		memset(&keys[i], 0, sizeof(keys[i]));
		keys[i].match = (enum nve_match)m->type;
		if (m->__isset_exact && m->exact)
			keys[i].value = blob_of(m->exact->key);
	}
	return list ? list->len : 0;
}

static unsigned int data_of(const GPtrArray *list, struct nve_blob data[MAX_FIELDS])
{
	guint i;

	for (i = 0; list && i < list->len && i < MAX_FIELDS; i++)
		data[i] = blob_of(g_ptr_array_index(list, i));
	return list ? list->len : 0;
}

static gboolean h_num_entries(bmStandardIf *iface, gint64 *out, const gint32 cxt, const gchar *table,
			      bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_error e;
	uint32_t n = 0;
	int ret = nve_table_count(tables_of(iface), table, &n, &e);

	(void)cxt;
	(void)error;
	*out = n;
	return table_result(ret, &e, ouch);
}

static gboolean h_clear(bmStandardIf *iface, const gint32 cxt, const gchar *table, const gboolean reset_default,
			bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_error e;

	(void)cxt;
	(void)error;
	return table_result(nve_table_clear(tables_of(iface), table, reset_default, &e), &e, ouch);
}

static gboolean h_add(bmStandardIf *iface, bmBmEntryHandle *out, const gint32 cxt, const gchar *table,
		      const bmBmMatchParams *match, const gchar *action, const bmBmActionData *action_data,
		      const bmBmAddEntryOptions *options, bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_blob data[MAX_FIELDS];
	struct nve_key keys[MAX_FIELDS];
	unsigned int n_keys = keys_of(match, keys), n_data = data_of(action_data, data);
	struct nve_error e;
	uint32_t handle = 0;
	int ret;

	(void)cxt;
	(void)options;		/* a priority means nothing to an exact table */
	(void)error;
	ret = nve_table_add(tables_of(iface), table, keys, n_keys, action, data, n_data, &handle, &e);
	*out = (gint32)handle;
	return table_result(ret, &e, ouch);
}

static gboolean h_modify(bmStandardIf *iface, const gint32 cxt, const gchar *table, const bmBmEntryHandle handle,
			 const gchar *action, const bmBmActionData *action_data, bmInvalidTableOperation **ouch,
			 GError **error)
{
	struct nve_blob data[MAX_FIELDS];
	unsigned int n = data_of(action_data, data);
	struct nve_error e;
	int ret = nve_table_modify(tables_of(iface), table, (uint32_t)handle, action, data, n, &e);

	(void)cxt;
	(void)error;
	return table_result(ret, &e, ouch);
}

static gboolean h_delete(bmStandardIf *iface, const gint32 cxt, const gchar *table, const bmBmEntryHandle handle,
			 bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_error e;

	(void)cxt;
	(void)error;
	return table_result(nve_table_delete(tables_of(iface), table, (uint32_t)handle, &e), &e, ouch);
}

static gboolean h_set_default(bmStandardIf *iface, const gint32 cxt, const gchar *table, const gchar *action,
			      const bmBmActionData *action_data, bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_blob data[MAX_FIELDS];
	unsigned int n = data_of(action_data, data);
	struct nve_error e;
	int ret = nve_default_set(tables_of(iface), table, action, data, n, &e);

	(void)cxt;
	(void)error;
	return table_result(ret, &e, ouch);
}

static gboolean h_reset_default(bmStandardIf *iface, const gint32 cxt, const gchar *table,
				bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_error e;

	(void)cxt;
	(void)error;
	return table_result(nve_default_reset(tables_of(iface), table, &e), &e, ouch);
}

static void put_count(bmBmCounterValue **out, const struct nve_count *c)
{
	if (!*out)
		*out = g_object_new(BM_TYPE_BM_COUNTER_VALUE, NULL);
	(*out)->packets = (gint64)c->packets;
	(*out)->bytes = (gint64)c->bytes;
	(*out)->__isset_packets = (*out)->__isset_bytes = TRUE;
}

static struct nve_count count_of(const bmBmCounterValue *v)
{
	return v ? (struct nve_count){ (uint64_t)v->packets, (uint64_t)v->bytes } : (struct nve_count){ 0, 0 };
}

static gboolean h_read_count(bmStandardIf *iface, bmBmCounterValue **out, const gint32 cxt, const gchar *table,
			     const bmBmEntryHandle handle, bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_count c = { 0, 0 };
	struct nve_error e;
	int ret = nve_table_count_get(tables_of(iface), table, (uint32_t)handle, &c, &e);

	(void)cxt;
	(void)error;
	put_count(out, &c);
	return table_result(ret, &e, ouch);
}

static gboolean h_write_count(bmStandardIf *iface, const gint32 cxt, const gchar *table, const bmBmEntryHandle handle,
			      const bmBmCounterValue *value, bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_count c = count_of(value);
	struct nve_error e;

	(void)cxt;
	(void)error;
	return table_result(nve_table_count_set(tables_of(iface), table, (uint32_t)handle, &c, &e), &e, ouch);
}

static gboolean h_reset_counts(bmStandardIf *iface, const gint32 cxt, const gchar *table, bmInvalidTableOperation **ouch,
			       GError **error)
{
	struct nve_error e;

	(void)cxt;
	(void)error;
	return table_result(nve_table_count_reset(tables_of(iface), table, &e), &e, ouch);
}

static GByteArray *bytes_of(struct nve_blob b)
{
	return g_byte_array_append(g_byte_array_sized_new((guint)b.len), b.data, (guint)b.len);
}

static void put_action(bmBmActionEntry *out, const struct nve_entry *en)
{
	unsigned int i;

	out->action_type = BM_BM_ACTION_ENTRY_TYPE_ACTION_DATA;
	out->__isset_action_type = TRUE;
	out->action_name = g_strdup(en->action->name);
	out->__isset_action_name = TRUE;
	for (i = 0; i < en->action->n_params; i++)
		g_ptr_array_add(out->action_data, bytes_of(nve_trim(nve_unpack(en->action->params, i, en->data))));
	out->__isset_action_data = TRUE;
}

static void put_keys(GPtrArray *out, const struct nve_entry *en)
{
	bmBmMatchParam *m;
	unsigned int i;

	for (i = 0; i < en->table->n_keys; i++) {
		m = g_object_new(BM_TYPE_BM_MATCH_PARAM, NULL);
		m->type = BM_BM_MATCH_PARAM_TYPE_EXACT;
		m->__isset_type = TRUE;
		m->exact->key = bytes_of(nve_unpack(en->table->keys, i, en->key));
		m->exact->__isset_key = TRUE;
		m->__isset_exact = TRUE;
		g_ptr_array_add(out, m);
	}
}

/* BMv2 shows priority -1 for tables that have none. */
static void put_entry(bmBmMtEntry *out, const struct nve_entry *en)
{
	put_keys(out->match_key, en);
	out->__isset_match_key = TRUE;
	out->options->priority = -1;
	out->options->__isset_priority = TRUE;
	out->__isset_options = TRUE;
	out->entry_handle = (gint32)en->handle;
	out->__isset_entry_handle = TRUE;
	put_action(out->action_entry, en);
	out->__isset_action_entry = TRUE;
}

static int append_entry(void *arg, const struct nve_entry *en)
{
	bmBmMtEntry *m = g_object_new(BM_TYPE_BM_MT_ENTRY, NULL);

	put_entry(m, en);
	g_ptr_array_add(arg, m);
	return 0;
}

static gboolean h_get_entries(bmStandardIf *iface, GPtrArray **out, const gint32 cxt, const gchar *table,
			      bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_error e;

	(void)cxt;
	(void)error;
	return table_result(nve_table_walk(tables_of(iface), table, append_entry, *out, &e), &e, ouch);
}

static gboolean h_get_entry(bmStandardIf *iface, bmBmMtEntry **out, const gint32 cxt, const gchar *table,
			    const bmBmEntryHandle handle, bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_entry en;
	struct nve_error e;
	int ret = nve_table_get(tables_of(iface), table, (uint32_t)handle, &en, &e);

	(void)cxt;
	(void)error;
	if (!ret)
		put_entry(*out, &en);
	return table_result(ret, &e, ouch);
}

static gboolean h_find_entry(bmStandardIf *iface, bmBmMtEntry **out, const gint32 cxt, const gchar *table,
			     const bmBmMatchParams *match, const bmBmAddEntryOptions *options,
			     bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_key keys[MAX_FIELDS];
	unsigned int n = keys_of(match, keys);
	struct nve_entry en;
	struct nve_error e;
	int ret = nve_table_find(tables_of(iface), table, keys, n, &en, &e);

	(void)cxt;
	(void)options;
	(void)error;
	if (!ret)
		put_entry(*out, &en);
	return table_result(ret, &e, ouch);
}

/* A table with no default entry answers NONE, which the CLI prints as EMPTY. */
static gboolean h_get_default(bmStandardIf *iface, bmBmActionEntry **out, const gint32 cxt, const gchar *table,
			      bmInvalidTableOperation **ouch, GError **error)
{
	struct nve_entry en;
	struct nve_error e;
	int ret = nve_default_get(tables_of(iface), table, &en, &e);

	(void)cxt;
	(void)error;
	if (!ret) {
		put_action(*out, &en);
	} else if (nve_error_code(ret, NVE_KIND_TABLE) == NVE_NO_DEFAULT_ENTRY) {
		(*out)->action_type = BM_BM_ACTION_ENTRY_TYPE_NONE;
		(*out)->__isset_action_type = TRUE;
		ret = 0;
	}
	return table_result(ret, &e, ouch);
}

static gboolean h_counter_read(bmStandardIf *iface, bmBmCounterValue **out, const gint32 cxt, const gchar *name,
			       const gint32 index, bmInvalidCounterOperation **ouch, GError **error)
{
	struct nve_count c = { 0, 0 };
	struct nve_error e;
	int ret = nve_counter_get(tables_of(iface), name, index, &c, &e);

	(void)cxt;
	(void)error;
	put_count(out, &c);
	return counter_result(ret, &e, ouch);
}

static gboolean h_counter_write(bmStandardIf *iface, const gint32 cxt, const gchar *name, const gint32 index,
				const bmBmCounterValue *value, bmInvalidCounterOperation **ouch, GError **error)
{
	struct nve_count c = count_of(value);
	struct nve_error e;

	(void)cxt;
	(void)error;
	return counter_result(nve_counter_set(tables_of(iface), name, index, &c, &e), &e, ouch);
}

static gboolean h_counter_reset(bmStandardIf *iface, const gint32 cxt, const gchar *name,
				bmInvalidCounterOperation **ouch, GError **error)
{
	struct nve_error e;

	(void)cxt;
	(void)error;
	return counter_result(nve_counter_reset(tables_of(iface), name, &e), &e, ouch);
}

static gboolean h_add_port(bmStandardIf *iface, const gchar *name, const gint32 port, const gchar *pcap,
			   bmInvalidDevMgrOperation **ouch, GError **error)
{
	struct nve_switch *sw = switch_of(iface);
	struct nve_error e;

	(void)error;
	if (pcap && *pcap)
		return port_result(nve_fail_code(&e, NVE_KIND_PORT, NVE_PORT_ERROR, "this switch writes no pcap files: capture on '%s' itself",
						 name ? name : ""), &e, ouch);
	return port_result(nve_port_add(sw->plane, &sw->known, sw->log, name, port, &e), &e, ouch);
}

static gboolean h_remove_port(bmStandardIf *iface, const gint32 port, bmInvalidDevMgrOperation **ouch, GError **error)
{
	struct nve_switch *sw = switch_of(iface);
	struct nve_error e;

	(void)error;
	return port_result(nve_port_remove(sw->plane, &sw->known, sw->log, port, &e), &e, ouch);
}

static int append_port(void *arg, const struct nve_port *port)
{
	bmDevMgrPortInfo *p = g_object_new(BM_TYPE_DEV_MGR_PORT_INFO, NULL);

	p->port_num = (gint32)port->number;
	p->iface_name = g_strdup(port->name);
	p->is_up = port->up;
	p->__isset_port_num = p->__isset_iface_name = p->__isset_is_up = p->__isset_extra = TRUE;
	g_ptr_array_add(arg, p);
	return 0;
}

static gboolean h_show_ports(bmStandardIf *iface, GPtrArray **out, bmInvalidDevMgrOperation **ouch, GError **error)
{
	struct nve_switch *sw = switch_of(iface);

	(void)ouch;
	(void)error;
	nve_port_walk(sw->plane, sw->log, append_port, *out);
	return TRUE;
}

static gboolean h_info(bmStandardIf *iface, bmBmConfig **out, GError **error)
{
	struct nve_switch *sw = switch_of(iface);

	(void)error;
	(*out)->device_id = sw->device_id;
	(*out)->thrift_port = sw->thrift_port;
	(*out)->__isset_device_id = (*out)->__isset_thrift_port = TRUE;
	return TRUE;
}

static gboolean h_reset_state(bmStandardIf *iface, GError **error)
{
	struct nve_switch *sw = switch_of(iface);
	struct nve_error e;

	(void)error;
	if (nve_tables_reset(sw->tables, &e))
		nve_log(sw->log, NVE_LOG_ERROR, "reset: %s", e.text);
	return TRUE;
}

static gboolean h_get_config(bmStandardIf *iface, gchar **out, GError **error)
{
	(void)error;
	g_free(*out);
	*out = g_strdup(switch_of(iface)->plane->desc->text);
	return TRUE;
}

static gboolean h_config_md5(bmStandardIf *iface, GByteArray **out, GError **error)
{
	const struct nve_desc *d = switch_of(iface)->plane->desc;
	GChecksum *sum = g_checksum_new(G_CHECKSUM_MD5);
	guint8 digest[16];
	gsize len = sizeof(digest);

	(void)error;
	g_checksum_update(sum, (const guchar *)d->text, (gssize)d->text_len);
	g_checksum_get_digest(sum, digest, &len);
	g_checksum_free(sum);
	if (*out)
		g_byte_array_unref(*out);
	*out = g_byte_array_append(g_byte_array_new(), digest, (guint)len);
	return TRUE;
}

static gboolean h_id_from_name(bmStandardIf *iface, gint32 *out, const gint32 cxt, const bmBmResourceType type,
			       const gchar *name, bmInvalidIdLookup **ouch, GError **error)
{
	const struct nve_desc *d = switch_of(iface)->plane->desc;
	bmIdLookupErrorCode code = BM_ID_LOOKUP_ERROR_CODE_INVALID_RESOURCE_NAME;
	int i = -1;

	(void)cxt;
	(void)error;
	if (type == BM_BM_RESOURCE_TYPE_MATCH_TABLE)
		i = nve_desc_table(d, name, NULL);
	else if (type == BM_BM_RESOURCE_TYPE_COUNTER)
		i = nve_desc_counter(d, name, NULL);
	else if ((int)type < BM_BM_RESOURCE_TYPE_MATCH_TABLE || (int)type > BM_BM_RESOURCE_TYPE_LEARNING_LIST)
		code = BM_ID_LOOKUP_ERROR_CODE_INVALID_RESOURCE_TYPE;
	if (i >= 0) {
		*out = (gint32)(type == BM_BM_RESOURCE_TYPE_COUNTER ? d->counters[i].id : d->tables[i].id);
		return TRUE;
	}
	*ouch = g_object_new(BM_TYPE_INVALID_ID_LOOKUP, NULL);
	(*ouch)->code = code;
	(*ouch)->__isset_code = TRUE;
	return FALSE;
}

static void nve_handler_class_init(NveHandlerClass *cls)
{
	bmStandardHandlerClass *h = (bmStandardHandlerClass *)cls;

	h->bm_mt_get_num_entries = h_num_entries;
	h->bm_mt_clear_entries = h_clear;
	h->bm_mt_add_entry = h_add;
	h->bm_mt_set_default_action = h_set_default;
	h->bm_mt_reset_default_entry = h_reset_default;
	h->bm_mt_delete_entry = h_delete;
	h->bm_mt_modify_entry = h_modify;
	h->bm_mt_read_counter = h_read_count;
	h->bm_mt_reset_counters = h_reset_counts;
	h->bm_mt_write_counter = h_write_count;
	h->bm_mt_get_entries = h_get_entries;
	h->bm_mt_get_entry = h_get_entry;
	h->bm_mt_get_default_entry = h_get_default;
	h->bm_mt_get_entry_from_key = h_find_entry;
	h->bm_counter_read = h_counter_read;
	h->bm_counter_reset_all = h_counter_reset;
	h->bm_counter_write = h_counter_write;
	h->bm_dev_mgr_add_port = h_add_port;
	h->bm_dev_mgr_remove_port = h_remove_port;
	h->bm_dev_mgr_show_ports = h_show_ports;
	h->bm_mgmt_get_info = h_info;
	h->bm_reset_state = h_reset_state;
	h->bm_get_config = h_get_config;
	h->bm_get_config_md5 = h_config_md5;
	h->bm_get_id_from_name = h_id_from_name;
}

static void nve_handler_init(NveHandler *h)
{
	h->sw = NULL;
}

void *nve_handler_new(struct nve_switch *sw)
{
	NveHandler *h = g_object_new(nve_handler_get_type(), NULL);

	h->sw = sw;
	return h;
}
