/* The client's connection: making it, its errors, the switch's description. */
#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/protocol/thrift_multiplexed_protocol.h>
#include <thrift/c_glib/thrift_application_exception.h>
#include <unistd.h>

#include "client_private.h"

#define KIND (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define MAX_REPLY ((size_t)512 << 20)

/* The registration of types in generated code is not safe against a second thread: done once, here. */
static void register_types(void)
{
	const GType types[] = {
		BM_TYPE_STANDARD_CLIENT, BM_TYPE_BM_MATCH_PARAM, BM_TYPE_BM_MATCH_PARAM_EXACT, BM_TYPE_BM_MATCH_PARAM_L_P_M,
		BM_TYPE_BM_MATCH_PARAM_TERNARY, BM_TYPE_BM_MATCH_PARAM_VALID, BM_TYPE_BM_MATCH_PARAM_RANGE,
		BM_TYPE_BM_ADD_ENTRY_OPTIONS, BM_TYPE_BM_COUNTER_VALUE, BM_TYPE_DEV_MGR_PORT_INFO, BM_TYPE_BM_ACTION_ENTRY,
		BM_TYPE_BM_MT_ENTRY_LIFE, BM_TYPE_BM_MT_ENTRY, BM_TYPE_BM_CONFIG, BM_TYPE_INVALID_TABLE_OPERATION,
		BM_TYPE_INVALID_COUNTER_OPERATION, BM_TYPE_INVALID_DEV_MGR_OPERATION, THRIFT_TYPE_BINARY_PROTOCOL,
		THRIFT_TYPE_MULTIPLEXED_PROTOCOL, THRIFT_TYPE_APPLICATION_EXCEPTION,
	};
	size_t i;

	/* The classes stay for good: making one anew would race as well. */
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		g_type_class_ref(types[i]);
}

static void ensure_types(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_types);
}

static int finish_connect(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int err = 0, n;
	socklen_t len = sizeof(err);
	int64_t left;

	do {
		left = deadline - nve_now_ms();
		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

/* A connected descriptor, or a negative errno. */
static int connect_to(int family, const struct sockaddr *a, socklen_t len, int64_t deadline)
{
	int fd = socket(family, KIND, 0), ret = 0, one = 1;

	if (fd < 0)
		return -errno;
	if (connect(fd, a, len))
		ret = errno == EINPROGRESS ? finish_connect(fd, deadline) : -errno;
	if (ret) {
		close(fd);
		return ret;
	}
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	return connect_to(AF_UNIX, (const struct sockaddr *)&a, sizeof(a), 0);
}

static int connect_tcp(const char *where, int64_t deadline, struct nve_error *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai = NULL, *i;
	const char *colon = strrchr(where, ':'), *host = where;
	char name[256];
	size_t len;
	int ret;

	len = colon ? (size_t)(colon - where) : 0;
	if (len > 2 && where[0] == '[' && where[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (!len || len >= sizeof(name))
		return nve_fail(e, -EINVAL, "'%s' is neither the path of a socket nor HOST:PORT", where);
	memcpy(name, host, len);
	name[len] = '\0';
	ret = getaddrinfo(name, colon + 1, &hints, &ai);
	if (ret)
		return nve_fail(e, -EHOSTUNREACH, "%s: %s", where, gai_strerror(ret));
	ret = -EHOSTUNREACH;
	for (i = ai; i && ret < 0; i = i->ai_next)
		ret = connect_to(i->ai_family, i->ai_addr, i->ai_addrlen, deadline);
	freeaddrinfo(ai);
	return ret < 0 ? nve_fail(e, ret, "%s: %s", where, strerror(-ret)) : ret;
}

int nve_client_connect(const char *where, int timeout_ms, struct nve_client **out, struct nve_error *e)
{
	struct nve_client *c;
	int fd;

	ensure_types();
	if (strchr(where, '/')) {
		fd = connect_unix(where);
		if (fd < 0)
			nve_fail(e, fd, "%s: %s", where, strerror(-fd));
	} else {
		fd = connect_tcp(where, nve_now_ms() + timeout_ms, e);
	}
	if (fd < 0)
		return fd;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return nve_fail(e, -ENOMEM, "out of memory");
	}
	c->timeout_ms = timeout_ms;
	c->t = nve_transport_new(fd, MAX_REPLY);
	c->binary = g_object_new(THRIFT_TYPE_BINARY_PROTOCOL, "transport", c->t, NULL);
	c->protocol = g_object_new(THRIFT_TYPE_MULTIPLEXED_PROTOCOL, "protocol", c->binary, "service-name", "standard",
				   "transport", c->t, NULL);
	c->rpc = g_object_new(BM_TYPE_STANDARD_CLIENT, "input_protocol", c->protocol, "output_protocol", c->protocol, NULL);
	*out = c;
	return 0;
}

void nve_client_close(struct nve_client *c)
{
	if (!c)
		return;
	g_object_unref(c->rpc);
	g_object_unref(c->protocol);
	g_object_unref(c->binary);
	g_object_unref(c->t);
	nve_desc_free(c->desc);
	free(c);
}

const char *nve_client_ended(const struct nve_client *c)
{
	return c->dead ? c->why : NULL;
}

int nve_client_begin(struct nve_client *c, struct nve_error *e)
{
	if (c->dead)
		return nve_fail(e, c->dead, "the connection has ended: %s", c->why);
	nve_transport_deadline(c->t, nve_now_ms() + c->timeout_ms);
	return 0;
}

int nve_client_end(struct nve_client *c, gboolean ok, GError *g, const char *what, struct nve_error *e)
{
	int ret = 0;

	if (ok && !g)
		return 0;
	/* A TApplicationException is a whole answer; after anything else the stream cannot be trusted. */
	if (g && g->domain == THRIFT_APPLICATION_EXCEPTION_ERROR && !nve_transport_error(c->t) &&
	    g->code != THRIFT_APPLICATION_EXCEPTION_ERROR_WRONG_METHOD_NAME) {
		ret = nve_fail_code(e, NVE_KIND_APPLICATION, g->code, "%s: %s", what, g->message);
	} else {
		ret = nve_transport_error(c->t) ? nve_transport_error(c->t) : -EPROTO;
		c->dead = ret;
		snprintf(c->why, sizeof(c->why), "%s", g && ret == -EPROTO ? g->message : strerror(-ret));
		nve_fail(e, ret, "%s: %s", what, c->why);
	}
	g_clear_error(&g);
	return ret;
}

void nve_client_refusal(struct nve_error *e, int err, const char *why, const char *name)
{
	if (why)
		nve_fail(e, err, "%s", why);
	else
		nve_fail(e, err, "%s: the switch answers %s", name, nve_error_name(err));
}

int nve_client_table_end(struct nve_client *c, gboolean ok, bmInvalidTableOperation *ouch, GError *g, const char *name,
			 struct nve_error *e)
{
	int ret;

	if (!ouch)
		return nve_client_end(c, ok, g, name, e);
	ret = -(int)(NVE_KIND_TABLE + ouch->code);
	nve_client_refusal(e, ret, ouch->__isset_why ? ouch->why : NULL, name);
	g_object_unref(ouch);
	g_clear_error(&g);
	return ret;
}

int nve_client_desc(struct nve_client *c, bool refresh, const struct nve_desc **out, struct nve_error *e)
{
	struct nve_desc *d = NULL;
	gchar *text = NULL;
	GError *g = NULL;
	gboolean ok;
	int ret = 0;

	if (!c->desc || refresh) {
		ret = nve_client_begin(c, e);
		if (ret)
			return ret;
		ok = bm_standard_client_bm_get_config(c->rpc, &text, &g);
		ret = nve_client_end(c, ok, g, "bm_get_config", e);
		if (!ret)
			ret = nve_desc_parse(text ? text : "", text ? strlen(text) : 0, &d, e);
		g_free(text);
		if (!ret) {
			nve_desc_free(c->desc);
			c->desc = d;
		}
	}
	if (!ret)
		*out = c->desc;
	return ret;
}

const struct nve_table *nve_client_table(struct nve_client *c, const char *name, int *err, struct nve_error *e)
{
	const struct nve_desc *d;
	int i;

	*err = nve_client_desc(c, false, &d, e);
	if (*err)
		return NULL;
	i = nve_desc_table(d, name, e);
	if (i >= 0)
		return &d->tables[i];
	*err = i;
	return NULL;
}

const char *nve_client_action(struct nve_client *c, const struct nve_table *t, const char *name, int *err,
			      struct nve_error *e)
{
	int i = nve_desc_action(c->desc, t, name, e);

	if (i >= 0)
		return c->desc->actions[i].name;
	*err = i;
	return NULL;
}
