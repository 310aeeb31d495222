/* Connections and the loop. */
#include "thrift_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <unistd.h>

#include "dispatch.h"
#include "frame.h"
#include "listen.h"
#include "transport.h"

#define TURN 256			/* requests of one client before the others have their turn */
#define MUCH (256u << 10)		/* waiting output that is sent without delay */
#define TOO_MUCH (4u << 20)		/* waiting output that stops reading */

struct client {
	struct client *next;
	int fd;				/* the transport's */
	struct nve_transport *t;
	ThriftProtocol *protocol;
	struct nve_frame frame;
	uint32_t events;
	bool ended;			/* the peer sends no more */
	bool more;			/* whole requests may be left in the input */
};

struct nve_server {
	struct nve_switch *sw;
	struct nve_dispatch *dispatch;
	int epoll;
	int listeners[2];
	char *path;
	struct client *clients;
	unsigned int n_clients;
};

int nve_server_new(struct nve_switch *sw, struct nve_server **out, struct nve_error *e)
{
	struct nve_server *s = calloc(1, sizeof(*s));

	if (!s)
		return nve_fail(e, -ENOMEM, "out of memory");
	s->sw = sw;
	s->listeners[0] = s->listeners[1] = -1;
	s->dispatch = nve_dispatch_new(sw);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!s->dispatch || s->epoll < 0) {
		nve_server_free(s);
		return nve_fail(e, -ENOMEM, "no server: %s", strerror(errno));
	}
	*out = s;
	return 0;
}

static void client_free(struct client *c)
{
	g_object_unref(c->protocol);
	g_object_unref(c->t);
	free(c);
}

void nve_server_free(struct nve_server *s)
{
	struct client *c;
	int i;

	if (!s)
		return;
	while ((c = s->clients)) {
		s->clients = c->next;
		client_free(c);
	}
	if (s->path)
		unlink(s->path);
	free(s->path);
	for (i = 0; i < 2; i++)
		if (s->listeners[i] >= 0)
			close(s->listeners[i]);
	if (s->epoll >= 0)
		close(s->epoll);
	nve_dispatch_free(s->dispatch);
	free(s);
}

/* Listeners are marked by pointers into the server, clients by their own. */
static int watch(struct nve_server *s, int slot, int fd, struct nve_error *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &s->listeners[slot] };

	if (fd < 0)
		return fd;
	s->listeners[slot] = fd;
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev))
		return nve_fail(e, -errno, "epoll: %s", strerror(errno));
	return 0;
}

int nve_server_tcp(struct nve_server *s, const char *address, int port, struct nve_error *e)
{
	int fd = nve_listen_tcp(address, &port, e), ret = watch(s, 0, fd, e);

	return ret ? ret : port;
}

int nve_server_unix(struct nve_server *s, const char *path, struct nve_error *e)
{
	int fd = nve_listen_unix(path, e);

	if (fd >= 0) {
		s->path = strdup(path);
		if (!s->path) {
			close(fd);
			return nve_fail(e, -ENOMEM, "out of memory");
		}
	}
	return watch(s, 1, fd, e);
}

static int client_new(struct nve_server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (!c || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev)) {
		free(c);
		return -ENOMEM;
	}
	c->fd = fd;
	c->events = EPOLLIN;
	c->t = nve_transport_new(fd, NVE_FRAME_MAX + (1u << 20));
	c->protocol = g_object_new(THRIFT_TYPE_BINARY_PROTOCOL, "transport", c->t, NULL);
	c->next = s->clients;
	s->clients = c;
	s->n_clients++;
	return 0;
}

static void accept_clients(struct nve_server *s, int listener)
{
	int fd;

	while ((fd = nve_accept(listener)) >= 0) {
		if (s->n_clients >= NVE_MAX_CLIENTS) {
			nve_log(s->sw->log, NVE_LOG_WARN, "client refused: there are %u already", s->n_clients);
			close(fd);
		} else if (client_new(s, fd)) {
			close(fd);
		}
	}
}

/* Handles one request if it is whole: 1, 0 when bytes lack, negative: close. */
static int one_request(struct nve_server *s, struct client *c)
{
	struct nve_error e;
	size_t len, left;
	const uint8_t *data = nve_transport_input(c->t, &len);
	int ret = nve_frame_scan(&c->frame, data, len);

	if (ret <= 0) {
		if (ret < 0)
			nve_log(s->sw->log, NVE_LOG_WARN, "client closed: its bytes are no Thrift request");
		return ret;
	}
	left = len - (size_t)c->frame.pos;
	nve_transport_bound(c->t, (size_t)c->frame.pos);
	memset(&c->frame, 0, sizeof(c->frame));
	ret = nve_dispatch_message(s->dispatch, c->protocol, &e);
	if (ret) {
		nve_log(s->sw->log, NVE_LOG_WARN, "client closed: %s", e.text);
		return ret;
	}
	nve_transport_input(c->t, &len);
	nve_transport_consume(c->t, len - left);
	return 1;
}

/* A turn: requests, until bytes lack, much output waits, or the turn is over. */
static int serve(struct nve_server *s, struct client *c)
{
	int i, ret = 1;

	for (i = 0; i < TURN && ret == 1; i++) {
		if (nve_transport_pending(c->t) > MUCH) {
			ret = nve_transport_drain(c->t);
			if (ret == -EAGAIN && nve_transport_pending(c->t) < TOO_MUCH)
				ret = 0;
			if (ret)
				break;
		}
		ret = one_request(s, c);
	}
	c->more = ret == 1 || ret == -EAGAIN;
	return ret == -EAGAIN || ret == 1 ? 0 : ret;
}

static int set_events(struct nve_server *s, struct client *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (events == c->events)
		return 0;
	c->events = events;
	return epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev) ? -errno : 0;
}

/* One pass over a client: read, handle, write. Negative: close it. */
static int step(struct nve_server *s, struct client *c, uint32_t events)
{
	bool full = nve_transport_pending(c->t) >= TOO_MUCH;
	ssize_t n = -EAGAIN;
	int ret;

	if (!full && !c->ended && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		n = nve_transport_fill(c->t);
		if (n == 0)
			c->ended = true;
		else if (n < 0 && n != -EAGAIN && n != -ENOBUFS)
			return (int)n;
	}
	ret = full ? 0 : serve(s, c);
	if (ret < 0)
		return ret;
	ret = c->more && nve_transport_pending(c->t) <= MUCH ? 0 : nve_transport_drain(c->t);
	if (ret && ret != -EAGAIN)
		return ret;
	if (c->ended && !c->more && !nve_transport_pending(c->t))
		return -ECONNRESET;
	full = nve_transport_pending(c->t) >= TOO_MUCH;
	return set_events(s, c, (full || c->ended ? 0 : EPOLLIN) | (nve_transport_pending(c->t) ? EPOLLOUT : 0));
}

static void close_client(struct nve_server *s, struct client *c)
{
	struct client **p;

	for (p = &s->clients; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	s->n_clients--;
	client_free(c);
}

/* Clients with whole requests left are served again without waiting. */
static bool serve_rest(struct nve_server *s)
{
	struct client *c, *next;
	bool more = false;

	for (c = s->clients; c; c = next) {
		next = c->next;
		if (!c->more || nve_transport_pending(c->t) >= TOO_MUCH)
			continue;
		if (step(s, c, 0) < 0)
			close_client(s, c);
		else
			more |= c->more && nve_transport_pending(c->t) < TOO_MUCH;
	}
	return more;
}

int nve_server_run(struct nve_server *s, int stop_fd, struct nve_error *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s }, got[64];
	bool more = false;
	int i, n;

	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, stop_fd, &ev))
		return nve_fail(e, -errno, "epoll: %s", strerror(errno));
	for (;;) {
		n = epoll_wait(s->epoll, got, 64, more ? 0 : -1);
		if (n < 0 && errno != EINTR)
			return nve_fail(e, -errno, "epoll: %s", strerror(errno));
		for (i = 0; i < n; i++) {
			if (got[i].data.ptr == s)
				return 0;
			if (got[i].data.ptr == &s->listeners[0] || got[i].data.ptr == &s->listeners[1])
				accept_clients(s, *(int *)got[i].data.ptr);
			else if (step(s, got[i].data.ptr, got[i].events) < 0)
				close_client(s, got[i].data.ptr);
		}
		more = serve_rest(s);
	}
}
