/* A netlink route connection: build with libnl, send, read the answer. */
#include "bindings/netlink.h"

#include <errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The kernel fills what the reader offers, at most 32 KiB for each part of a listing. */
#define READ_SIZE 32768
#define MESSAGE_SIZE 4096
#define DUMP_TRIES 4

int fault_set(struct fault *f, int err, const char *fmt, ...)
{
	va_list ap;

	f->err = err;
	f->ext[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	return err;
}

int fault_name(struct fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	return f->err;
}

int nlbuf_add(struct nlbuf *b, const void *data, size_t len)
{
	if (!len)
		return 0;
	if (b->cap - b->len < len) {
		size_t cap = (b->len + len) * 2;
		char *grown = realloc(b->data, cap);

		if (!grown)
			return -ENOMEM;
		b->data = grown;
		b->cap = cap;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

void nlbuf_free(struct nlbuf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

const struct nlmsghdr *nlbuf_next(const struct nlbuf *b, const struct nlmsghdr *msg)
{
	const char *at = msg ? (const char *)msg + NLMSG_ALIGN(msg->nlmsg_len) : b->data;

	if (!at || at >= b->data + b->len)
		return NULL;
	msg = (const struct nlmsghdr *)at;
	return nlmsg_ok(msg, (int)(b->data + b->len - at)) ? msg : NULL;
}

int nlconn_open(struct nlconn *c, struct fault *f)
{
	const int on = 1;
	int ret;

	c->sk = nl_socket_alloc();
	if (!c->sk)
		return fault_set(f, -ENOMEM, "netlink");
	nl_socket_disable_auto_ack(c->sk);
	errno = 0;
	ret = nl_connect(c->sk, NETLINK_ROUTE);
	if (ret < 0) {
		ret = errno ? -errno : -EIO;	/* libnl's own codes are no errno */
		nl_socket_free(c->sk);
		c->sk = NULL;
		return fault_set(f, ret, "netlink socket");
	}
	c->fd = nl_socket_get_fd(c->sk);
	/* Refinements; a kernel without them works with less to say. */
	setsockopt(c->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(c->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(c->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return 0;
}

void nlconn_close(struct nlconn *c)
{
	if (c->sk)
		nl_socket_free(c->sk);
	c->sk = NULL;
	c->fd = -1;
}

struct nl_msg *nlconn_message(int type, int flags, size_t size, void *header)
{
	struct nl_msg *msg = nlmsg_alloc_size(MESSAGE_SIZE);
	void *room = NULL;

	if (msg && nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags | NLM_F_REQUEST))
		room = nlmsg_reserve(msg, size, NLMSG_ALIGNTO);
	if (!room) {
		nlmsg_free(msg);
		return NULL;
	}
	memset(room, 0, size);
	*(void **)header = room;
	return msg;
}

/* Completes and sends; returns the message's sequence number. Frees `msg`. */
static int post(struct nlconn *c, struct nl_msg *msg, int flags, uint32_t *seq, struct fault *f)
{
	struct nlmsghdr *hdr;
	ssize_t n;

	if (!msg)
		return fault_set(f, -ENOMEM, "netlink message");
	hdr = nlmsg_hdr(msg);
	hdr->nlmsg_flags |= (uint16_t)flags;
	nl_complete_msg(c->sk, msg);
	*seq = hdr->nlmsg_seq;
	do
		n = send(c->fd, hdr, hdr->nlmsg_len, 0);
	while (n < 0 && errno == EINTR);
	nlmsg_free(msg);
	return n < 0 ? fault_set(f, -errno, "netlink send") : 0;
}

/* The error code of an NLMSG_ERROR message; keeps the kernel's words. */
static int read_error(const struct nlmsghdr *hdr, struct fault *f)
{
	const struct nlmsgerr *e = nlmsg_data(hdr);
	size_t skip = sizeof(*e);
	const struct nlattr *text;

	f->ext[0] = '\0';
	f->err = e->error;
	if (!e->error || !(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return e->error;
	if (!(hdr->nlmsg_flags & NLM_F_CAPPED))
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	text = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, (int)skip, NLMSGERR_ATTR_MSG);
	if (text)
		snprintf(f->ext, sizeof(f->ext), "%.*s", nla_len(text),
			 (const char *)nla_data(text));
	return e->error;
}

static ssize_t receive(struct nlconn *c, char *buf, size_t size, struct fault *f)
{
	ssize_t n;

	do
		n = recv(c->fd, buf, size, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault_set(f, -errno, "netlink receive");
	if ((size_t)n > size)
		return fault_set(f, -EMSGSIZE, "netlink receive");
	return n;
}

/* Reads until the answer to `seq` is complete; data messages go to `out`. Returns 1
 * when a listing was interrupted. */
static int collect(struct nlconn *c, uint32_t seq, bool dump, struct nlbuf *out, char *buf,
		   struct fault *f)
{
	bool interrupted = false;

	for (;;) {
		ssize_t got = receive(c, buf, READ_SIZE, f);
		int left = (int)got;

		if (got < 0)
			return (int)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			if (h->nlmsg_seq != seq)
				continue;	/* late answer to a question that failed to send */
			interrupted |= h->nlmsg_flags & NLM_F_DUMP_INTR;
			if (h->nlmsg_type == NLMSG_ERROR)
				return read_error(h, f);
			if (h->nlmsg_type == NLMSG_DONE)
				return interrupted;
			if (out && nlbuf_add(out, h, NLMSG_ALIGN(h->nlmsg_len)))
				return fault_set(f, -ENOMEM, "netlink answer");
			if (out && !dump)
				return 0;
		}
	}
}

int nlconn_request(struct nlconn *c, struct nl_msg *msg, struct fault *f)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint32_t seq;
	int ret = post(c, msg, NLM_F_ACK, &seq, f);

	while (!ret) {
		ssize_t got = receive(c, buf, sizeof(buf), f);
		struct nlmsghdr *h = (struct nlmsghdr *)buf;

		if (got < 0)
			return (int)got;
		if (nlmsg_ok(h, (int)got) && h->nlmsg_seq == seq && h->nlmsg_type == NLMSG_ERROR)
			return read_error(h, f);
	}
	return ret;
}

int nlconn_get(struct nlconn *c, struct nl_msg *msg, struct nlbuf *out, struct fault *f)
{
	char *buf = malloc(READ_SIZE);
	uint32_t seq;
	int ret = -ENOMEM;

	if (!buf) {
		nlmsg_free(msg);
		return fault_set(f, -ENOMEM, "netlink answer");
	}
	ret = post(c, msg, 0, &seq, f);
	if (!ret)
		ret = collect(c, seq, false, out, buf, f);
	free(buf);
	return ret;
}

int nlconn_dump(struct nlconn *c, struct nl_msg *msg, struct nlbuf *out, struct fault *f)
{
	const size_t start = out->len;
	char *buf = malloc(READ_SIZE);
	int ret = -ENOMEM;

	if (!buf || !msg) {
		ret = fault_set(f, -ENOMEM, "netlink answer");
		goto out;
	}
	for (int try = 0; try < DUMP_TRIES; try++) {
		uint32_t seq;

		out->len = start;
		nlmsg_get(msg);
		nlmsg_hdr(msg)->nlmsg_seq = NL_AUTO_SEQ;
		ret = post(c, msg, NLM_F_DUMP, &seq, f);
		if (!ret)
			ret = collect(c, seq, true, out, buf, f);
		if (ret <= 0)
			break;
	}
	if (ret > 0)
		ret = 0;
out:
	free(buf);
	nlmsg_free(msg);
	return ret;
}

int nlconn_index(struct nlconn *c, const char *name, struct fault *f)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(c->fd, SIOCGIFINDEX, &ifr))
		return fault_set(f, -errno, "interface %s", name);
	return ifr.ifr_ifindex;
}

int nlconn_name(const struct nlconn *c, int index, char name[IFNAMSIZ])
{
	struct ifreq ifr = { .ifr_ifindex = index };

	if (ioctl(c->fd, SIOCGIFNAME, &ifr))
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

int nlconn_note_name(struct nlconn *c, int index, struct nlbuf *names)
{
	struct ifname entry = { .index = index };

	if (names->len >= sizeof(entry)) {
		const struct ifname *last = (const void *)(names->data + names->len - sizeof(entry));

		if (last->index == index)
			return 0;
	}
	if (index <= 0 || nlconn_name(c, index, entry.name))
		return 0;
	return nlbuf_add(names, &entry, sizeof(entry));
}
