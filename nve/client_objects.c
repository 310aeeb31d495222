/* The client's calls about counters, ports and the switch itself. */
#include <stdio.h>
#include <stdlib.h>

#include "client_private.h"

static int counter_end(struct nve_client *c, gboolean ok, bmInvalidCounterOperation *ouch, GError *g, const char *name,
		       struct nve_error *e)
{
	int ret;

	if (!ouch)
		return nve_client_end(c, ok, g, name, e);
	ret = -(int)(NVE_KIND_COUNTER + ouch->code);
	nve_client_refusal(e, ret, ouch->__isset_why ? ouch->why : NULL, name);
	g_object_unref(ouch);
	g_clear_error(&g);
	return ret;
}

static int port_end(struct nve_client *c, gboolean ok, bmInvalidDevMgrOperation *ouch, GError *g, const char *name,
		    struct nve_error *e)
{
	int ret;

	if (!ouch)
		return nve_client_end(c, ok, g, name, e);
	ret = -(int)(NVE_KIND_PORT + ouch->code);
	nve_client_refusal(e, ret, ouch->__isset_why ? ouch->why : NULL, name);
	g_object_unref(ouch);
	g_clear_error(&g);
	return ret;
}

static const struct nve_counter *find_counter(struct nve_client *c, const char *name, int *err, struct nve_error *e)
{
	const struct nve_desc *d;
	int i;

	*err = nve_client_desc(c, false, &d, e);
	if (*err)
		return NULL;
	i = nve_desc_counter(d, name, e);
	if (i >= 0) {
		*err = nve_client_begin(c, e);
		return *err ? NULL : &d->counters[i];
	}
	*err = i;
	return NULL;
}

static int take_count(bmBmCounterValue *v, int ret, struct nve_count *out)
{
	if (!ret)
		*out = (struct nve_count){ (uint64_t)v->packets, (uint64_t)v->bytes };
	g_object_unref(v);
	return ret;
}

int nve_client_count(struct nve_client *c, const char *table, uint32_t handle, struct nve_count *out, struct nve_error *e)
{
	bmInvalidTableOperation *ouch = NULL;
	const struct nve_table *t;
	bmBmCounterValue *v;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	t = nve_client_table(c, table, &ret, e);
	if (!t || (ret = nve_client_begin(c, e)))
		return ret;
	v = g_object_new(BM_TYPE_BM_COUNTER_VALUE, NULL);
	ok = bm_standard_client_bm_mt_read_counter(c->rpc, &v, 0, t->name, (gint32)handle, &ouch, &g);
	return take_count(v, nve_client_table_end(c, ok, ouch, g, t->name, e), out);
}

int nve_client_counter(struct nve_client *c, const char *counter, int index, struct nve_count *out, struct nve_error *e)
{
	bmInvalidCounterOperation *ouch = NULL;
	const struct nve_counter *ct;
	bmBmCounterValue *v;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	ct = find_counter(c, counter, &ret, e);
	if (!ct)
		return ret;
	v = g_object_new(BM_TYPE_BM_COUNTER_VALUE, NULL);
	ok = bm_standard_client_bm_counter_read(c->rpc, &v, 0, ct->name, index, &ouch, &g);
	return take_count(v, counter_end(c, ok, ouch, g, ct->name, e), out);
}

int nve_client_set_counter(struct nve_client *c, const char *counter, int index, const struct nve_count *v,
			   struct nve_error *e)
{
	bmInvalidCounterOperation *ouch = NULL;
	const struct nve_counter *ct;
	bmBmCounterValue *value;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	ct = find_counter(c, counter, &ret, e);
	if (!ct)
		return ret;
	value = g_object_new(BM_TYPE_BM_COUNTER_VALUE, "packets", (gint64)v->packets, "bytes", (gint64)v->bytes, NULL);
	ok = bm_standard_client_bm_counter_write(c->rpc, 0, ct->name, index, value, &ouch, &g);
	g_object_unref(value);
	return counter_end(c, ok, ouch, g, ct->name, e);
}

static int copy_ports(GPtrArray *list, struct nve_client_port **out, unsigned int *n, struct nve_error *e)
{
	struct nve_client_port *ports = calloc(list->len + 1, sizeof(*ports));
	const bmDevMgrPortInfo *p;
	guint i;

	if (!ports)
		return nve_fail(e, -ENOMEM, "out of memory");
	for (i = 0; i < list->len; i++) {
		p = g_ptr_array_index(list, i);
		ports[i].number = p->port_num;
		ports[i].up = p->is_up;
		snprintf(ports[i].name, sizeof(ports[i].name), "%s", p->iface_name ? p->iface_name : "");
	}
	*out = ports;
	*n = list->len;
	return 0;
}

int nve_client_ports(struct nve_client *c, struct nve_client_port **out, unsigned int *n, struct nve_error *e)
{
	bmInvalidDevMgrOperation *ouch = NULL;
	GPtrArray *list;
	GError *g = NULL;
	gboolean ok;
	int ret = nve_client_begin(c, e);

	if (ret)
		return ret;
	list = g_ptr_array_new_with_free_func(g_object_unref);
	ok = bm_standard_client_bm_dev_mgr_show_ports(c->rpc, &list, &ouch, &g);
	ret = port_end(c, ok, ouch, g, "ports", e);
	if (!ret)
		ret = copy_ports(list, out, n, e);
	g_ptr_array_unref(list);
	return ret;
}

int nve_client_add_port(struct nve_client *c, const char *iface, int number, struct nve_error *e)
{
	bmInvalidDevMgrOperation *ouch = NULL;
	GError *g = NULL;
	gboolean ok;
	int ret = nve_client_begin(c, e);

	if (ret)
		return ret;
	ok = bm_standard_client_bm_dev_mgr_add_port(c->rpc, iface, number, "", &ouch, &g);
	return port_end(c, ok, ouch, g, iface, e);
}

int nve_client_remove_port(struct nve_client *c, int number, struct nve_error *e)
{
	bmInvalidDevMgrOperation *ouch = NULL;
	GError *g = NULL;
	char name[32];
	gboolean ok;
	int ret = nve_client_begin(c, e);

	if (ret)
		return ret;
	snprintf(name, sizeof(name), "port %d", number);
	ok = bm_standard_client_bm_dev_mgr_remove_port(c->rpc, number, &ouch, &g);
	return port_end(c, ok, ouch, g, name, e);
}

int nve_client_info(struct nve_client *c, struct nve_client_info *out, struct nve_error *e)
{
	bmBmConfig *v;
	GError *g = NULL;
	gboolean ok;
	int ret = nve_client_begin(c, e);

	if (ret)
		return ret;
	v = g_object_new(BM_TYPE_BM_CONFIG, NULL);
	ok = bm_standard_client_bm_mgmt_get_info(c->rpc, &v, &g);
	ret = nve_client_end(c, ok, g, "bm_mgmt_get_info", e);
	if (!ret)
		*out = (struct nve_client_info){ v->device_id, v->thrift_port };
	g_object_unref(v);
	return ret;
}

int nve_client_reset_state(struct nve_client *c, struct nve_error *e)
{
	GError *g = NULL;
	gboolean ok;
	int ret = nve_client_begin(c, e);

	if (ret)
		return ret;
	ok = bm_standard_client_bm_reset_state(c->rpc, &g);
	return nve_client_end(c, ok, g, "bm_reset_state", e);
}
