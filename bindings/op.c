/* Operations: arena, open namespaces, and the run of a list. */
#include "bindings/op.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/worker.h"

#define CHUNK_SIZE 16384

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	alignas(max_align_t) char data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunks;
	void *p;

	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!c || c->size - c->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		c = calloc(1, sizeof(*c) + room);
		if (!c)
			return NULL;
		c->size = room;
		c->next = a->chunks;
		a->chunks = c;
	}
	p = c->data + c->used;
	c->used += size;
	return p;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
}

void op_list_add(struct op_list *l, struct op *op)
{
	op->next = NULL;
	if (l->tail)
		l->tail->next = op;
	else
		l->head = op;
	l->tail = op;
	l->count++;
}

static void close_space(struct netspace *s)
{
	if (!s->path)
		return;
	nlconn_close(&s->conn);
	if (s->fd >= 0)
		close(s->fd);
	s->path = NULL;
}

static struct netspace *find_space(struct op_list *l, const char *path)
{
	for (int i = 0; i < OP_SPACES; i++) {
		struct netspace *s = &l->spaces[i];

		if (s->path && (s->path == path || strcmp(s->path, path) == 0)) {
			s->used = ++l->clock;
			return s;
		}
	}
	return NULL;
}

/* A free place: the one that was not used for longest is closed. */
static struct netspace *new_space(struct op_list *l, const char *path)
{
	struct netspace *s = &l->spaces[0];

	for (int i = 1; i < OP_SPACES && s->path; i++)
		if (!l->spaces[i].path || l->spaces[i].used < s->used)
			s = &l->spaces[i];
	close_space(s);
	s->path = path;
	s->fd = -1;
	s->used = ++l->clock;
	return s;
}

static int space_fd(struct op_list *l, struct netspace *s)
{
	if (s->fd < 0)
		s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0)
		return fault_set(&l->fault, -errno, "network namespace %s", s->path);
	return s->fd;
}

static struct netspace *get_space(struct op_list *l, const char *path)
{
	struct netspace *s = find_space(l, path);

	return s ? s : new_space(l, path);
}

static int enter_space(struct op_list *l, struct netspace *s)
{
	int ret = space_fd(l, s);

	if (ret < 0)
		return ret;
	ret = worker_enter_netns(s->fd);
	return ret ? fault_set(&l->fault, ret, "network namespace %s", s->path) : 0;
}

int op_conn(struct op_list *l, const char *netns, struct nlconn **conn)
{
	struct netspace *s;
	int ret = 0;

	if (!netns) {
		*conn = &l->home;
		return l->home.sk ? 0 : nlconn_open(&l->home, &l->fault);
	}
	s = get_space(l, netns);
	if (!s->conn.sk) {
		ret = enter_space(l, s);
		if (ret)
			return ret;
		ret = nlconn_open(&s->conn, &l->fault);
		worker_leave_netns();
	}
	*conn = &s->conn;
	return ret;
}

int op_conn_link(struct op_list *l, const char *netns, const char *link, struct nlconn **conn,
		 int *index)
{
	int ret = op_conn(l, netns, conn), found;

	if (ret || !link)
		return ret;
	found = nlconn_index(*conn, link, &l->fault);
	if (found < 0)
		return found;
	*index = found;
	return 0;
}

int op_dump(struct op_list *l, struct nlconn *conn, struct nl_msg *msg, op_note *note)
{
	int ret = nlconn_dump(conn, msg, &l->out, &l->fault);

	for (const struct nlmsghdr *h = NULL; !ret && (h = nlbuf_next(&l->out, h));)
		ret = note(l, conn, h);
	return ret;
}

static_assert(offsetof(struct ifaddrmsg, ifa_index) == offsetof(struct ndmsg, ndm_ifindex) &&
	      offsetof(struct tcmsg, tcm_ifindex) == offsetof(struct ndmsg, ndm_ifindex),
	      "one place for the interface");

int op_note_link(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg)
{
	const struct ndmsg *ndm = nlmsg_data(msg);

	return nlconn_note_name(conn, ndm->ndm_ifindex, &l->names);
}

int op_netns_fd(struct op_list *l, const char *netns)
{
	return space_fd(l, get_space(l, netns));
}

int op_enter(struct op_list *l, const char *netns)
{
	return netns ? enter_space(l, get_space(l, netns)) : 0;
}

void op_leave(const char *netns)
{
	if (netns)
		worker_leave_netns();
}

int op_adopt(struct op_list *l, const char *path)
{
	op_forget(l, path);
	return nlconn_open(&new_space(l, path)->conn, &l->fault);
}

void op_forget(struct op_list *l, const char *path)
{
	struct netspace *s = find_space(l, path);

	if (s)
		close_space(s);
}

/* Routes give ESRCH, addresses EADDRNOTAVAIL, neighbours and namespaces ENOENT, interfaces ENODEV. */
static bool is_missing(int err)
{
	return err == -ESRCH || err == -EADDRNOTAVAIL || err == -ENOENT || err == -ENODEV;
}

void op_list_run(struct op_list *l)
{
	for (struct op *op = l->head; op; op = op->next) {
		int ret;

		l->fault.err = 0;
		l->fault.what[0] = l->fault.ext[0] = '\0';
		ret = op->verb->run(l, op);
		if (ret < 0 && !(op->missing_ok && is_missing(ret))) {
			l->fault.err = ret;
			l->failed = op;
			break;
		}
		l->done++;
	}
	for (int i = 0; i < OP_SPACES; i++)
		close_space(&l->spaces[i]);
	nlconn_close(&l->home);
}

void op_list_free(struct op_list *l)
{
	nlbuf_free(&l->out);
	nlbuf_free(&l->names);
	nlconn_close(&l->conn);
}
