/* Requests to the handler, to a declared refusal, or to "unknown method". */
#include "dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <thrift/c_glib/processor/thrift_dispatch_processor.h>
#include <thrift/c_glib/thrift_application_exception.h>

#include "bm_standard.h"
#include "handler.h"

#define SERVICE "standard:"

struct nve_dispatch {
	void *handler;
	ThriftDispatchProcessor *processor;
	GHashTable *methods;
};

/* The first prefix that fits decides. Every exception of the service is a struct with field 1 = i32 code, field 2 = text. */
static const struct refusal {
	const char *prefix;
	int code;
	const char *why;
} refusals[] = {
	{ "bm_mt_act_prof_", NVE_INVALID_ACTION_PROFILE_NAME, "this program has no action profiles" },
	{ "bm_mt_indirect_", NVE_WRONG_TABLE_TYPE, "this program has no table with an action profile" },
	{ "bm_mt_set_entry_ttl", NVE_AGEING_DISABLED, "entries of this switch do not age" },
	{ "bm_mt_set_meter_rates", NVE_METERS_DISABLED, "this program has no meters" },
	{ "bm_mt_get_meter_rates", NVE_METERS_DISABLED, "this program has no meters" },
	{ "bm_learning_", 1, "this program has no digests" },
	{ "bm_load_new_config", 1, "start nerv-nve with the new description and the same --pin: it takes over without loss" },
	{ "bm_swap_configs", 1, "start nerv-nve with the new description and the same --pin: it takes over without loss" },
	{ "bm_meter_", 1, "this program has no meters" },
	{ "bm_register_", 1, "this program has no registers" },
	{ "bm_parse_vset_", 1, "this program has no value sets" },
	{ "bm_set_crc", 1, "this program has no such calculation" },
	{ "bm_set_toeplitz_", 1, "this program has no such calculation" },
};

static const struct refusal *refusal_of(const char *method)
{
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strncmp(method, refusals[i].prefix, strlen(refusals[i].prefix)) == 0)
			return &refusals[i];
	return NULL;
}

static int skip_arguments(ThriftProtocol *p, GError **error)
{
	if (thrift_protocol_skip(p, T_STRUCT, error) < 0 || thrift_protocol_read_message_end(p, error) < 0)
		return -EBADMSG;
	return 0;
}

static int refuse(ThriftProtocol *p, const char *method, gint32 seq, const struct refusal *r, GError **error)
{
	int ret = skip_arguments(p, error);

	if (ret)
		return ret;
	thrift_protocol_write_message_begin(p, method, T_REPLY, seq, error);
	thrift_protocol_write_field_begin(p, "ouch", T_STRUCT, 1, error);
	thrift_protocol_write_field_begin(p, "code", T_I32, 1, error);
	thrift_protocol_write_i32(p, r->code, error);
	thrift_protocol_write_field_begin(p, "why", T_STRING, 2, error);
	thrift_protocol_write_string(p, r->why, error);
	thrift_protocol_write_field_stop(p, error);
	thrift_protocol_write_field_stop(p, error);
	thrift_protocol_write_message_end(p, error);
	return *error ? -EBADMSG : 0;
}

static int unknown(ThriftProtocol *p, const char *method, gint32 seq, GError **error)
{
	int ret = skip_arguments(p, error);
	char *text;

	if (ret)
		return ret;
	text = g_strdup_printf("Invalid method name: '%s'", method);
	thrift_protocol_write_message_begin(p, method, T_EXCEPTION, seq, error);
	thrift_protocol_write_field_begin(p, "message", T_STRING, 1, error);
	thrift_protocol_write_string(p, text, error);
	thrift_protocol_write_field_begin(p, "type", T_I32, 2, error);
	thrift_protocol_write_i32(p, THRIFT_APPLICATION_EXCEPTION_ERROR_UNKNOWN_METHOD, error);
	thrift_protocol_write_field_stop(p, error);
	thrift_protocol_write_message_end(p, error);
	g_free(text);
	return *error ? -EBADMSG : 0;
}

static int route(struct nve_dispatch *d, ThriftProtocol *p, const char *name, gint32 seq, GError **error)
{
	const char *method = name;

	if (strncmp(name, SERVICE, strlen(SERVICE)) == 0)
		method += strlen(SERVICE);
	if (g_hash_table_contains(d->methods, method)) {
		/* The processor frees the name. */
		return THRIFT_DISPATCH_PROCESSOR_GET_CLASS(d->processor)->dispatch_call(d->processor, p, p, g_strdup(method),
											seq, error) ? 0 : -EBADMSG;
	}
	if (method != name || !strchr(name, ':')) {
		if (refusal_of(method))
			return refuse(p, method, seq, refusal_of(method), error);
	}
	return unknown(p, method, seq, error);
}

int nve_dispatch_message(struct nve_dispatch *d, ThriftProtocol *protocol, struct nve_error *e)
{
	ThriftMessageType type;
	GError *error = NULL;
	gchar *name = NULL;
	gint32 seq = 0;
	int ret = -EBADMSG;

	if (thrift_protocol_read_message_begin(protocol, &name, &type, &seq, &error) >= 0 && name)
		ret = route(d, protocol, name, seq, &error);
	if (ret)
		nve_fail(e, ret, "bad request: %s", error ? error->message : "not understood");
	g_clear_error(&error);
	g_free(name);
	return ret;
}

struct nve_dispatch *nve_dispatch_new(struct nve_switch *sw)
{
	struct nve_dispatch *d = calloc(1, sizeof(*d));
	size_t i;

	if (!d)
		return NULL;
	d->handler = nve_handler_new(sw);
	d->processor = g_object_new(BM_TYPE_STANDARD_PROCESSOR, "handler", d->handler, NULL);
	d->methods = g_hash_table_new(g_str_hash, g_str_equal);
	for (i = 0; nve_handler_methods[i]; i++)
		g_hash_table_add(d->methods, (gpointer)(uintptr_t)nve_handler_methods[i]);
	return d;
}

void nve_dispatch_free(struct nve_dispatch *d)
{
	if (!d)
		return;
	g_object_unref(d->processor);
	g_object_unref(d->handler);
	g_hash_table_unref(d->methods);
	free(d);
}
