/* A netlink route connection: build with libnl, send, read the answer.
 *
 * Every call here blocks (under the kernel's RTNL lock), so it belongs on a worker
 * thread; only nlconn_name() and nlconn_index() never take that lock. Knows nothing
 * of Lua. Functions return 0 or a negative errno and tell the story in a
 * `struct fault`.
 */
#ifndef NERV_BINDINGS_NETLINK_H
#define NERV_BINDINGS_NETLINK_H

#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>

struct nl_sock;

/* Why something failed. */
struct fault {
	int err;		/* negative errno; 0: nothing failed */
	char what[160];		/* the part that failed, or "" */
	char ext[200];		/* the kernel's own words (NLMSGERR_ATTR_MSG), or "" */
};

/* Sets err and what, forgets the kernel's words; returns err. */
int fault_set(struct fault *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Names the part that failed and keeps the rest; returns f->err. */
int fault_name(struct fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bytes that grow: here a row of netlink messages, or of struct ifname. */
struct nlbuf {
	char *data;
	size_t len, cap;
};

int nlbuf_add(struct nlbuf *b, const void *data, size_t len);
void nlbuf_free(struct nlbuf *b);

/* Steps over the messages of `b`: begin with NULL, ends with NULL. */
const struct nlmsghdr *nlbuf_next(const struct nlbuf *b, const struct nlmsghdr *msg);

struct nlconn {
	struct nl_sock *sk;	/* NULL: closed */
	int fd;
};

/* Opens a connection in the calling thread's namespace. It stays in that namespace
 * wherever the thread goes later. */
int nlconn_open(struct nlconn *c, struct fault *f);
void nlconn_close(struct nlconn *c);	/* idempotent */

/* A message of type RTM_* with a zeroed header of `size` bytes; *header points at
 * it. NULL when out of memory. */
struct nl_msg *nlconn_message(int type, int flags, size_t size, void *header);

/* Sends and waits for the acknowledgement. Takes `msg`, which may be NULL (-ENOMEM)
 * or have overflowed; so do the two below. */
int nlconn_request(struct nlconn *c, struct nl_msg *msg, struct fault *f);

/* Sends a question and appends the one answer to `out`. */
int nlconn_get(struct nlconn *c, struct nl_msg *msg, struct nlbuf *out, struct fault *f);

/* Appends a whole listing (NLM_F_DUMP is set here). A listing that the kernel calls
 * interrupted is read again a few times; then it is taken as it is: what existed
 * throughout is in it. */
int nlconn_dump(struct nlconn *c, struct nl_msg *msg, struct nlbuf *out, struct fault *f);

/* The index of an interface, or a negative errno with a fault that names it. */
int nlconn_index(struct nlconn *c, const char *name, struct fault *f);

/* The name of an index; 0 or negative errno. */
int nlconn_name(const struct nlconn *c, int index, char name[IFNAMSIZ]);

/* Which name an index had when a listing was read. */
struct ifname {
	int index;
	char name[IFNAMSIZ];
};

/* Notes the name of `index` in `names`, unless the last one noted is the same. An
 * index that is gone is left out. */
int nlconn_note_name(struct nlconn *c, int index, struct nlbuf *names);

#endif
