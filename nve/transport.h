/* A Thrift transport over a stream socket that reads and writes in bulk, for the server's loop and for clients.
 *
 * Bytes go through two buffers. The loop of a server fills and drains them itself and never waits in here
 * (nve_transport_fill, _drain); a client sets a time limit, and then reading and flushing wait for the socket. While a
 * client waits to write it takes what arrives, so that two peers that both write cannot block each other. With hold set,
 * flush does nothing: many requests leave in one write by nve_transport_push().
 * Used by one thread at a time. */
#ifndef NERV_NVE_TRANSPORT_H
#define NERV_NVE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <thrift/c_glib/transport/thrift_transport.h>

struct nve_transport;

/* fd: connected, non-blocking; the transport owns it. limit: most bytes the input buffer may hold.
 * Released by g_object_unref(). */
struct nve_transport *nve_transport_new(int fd, size_t limit);

/* Reads what is there: bytes read, 0 at the end of the stream, -EAGAIN, -ENOBUFS at the limit, other -errno. */
ssize_t nve_transport_fill(struct nve_transport *t);
/* Writes what the socket takes: 0 when all is gone, -EAGAIN, other -errno. */
int nve_transport_drain(struct nve_transport *t);
/* Bytes in the input buffer; they move with the next fill. */
const uint8_t *nve_transport_input(const struct nve_transport *t, size_t *len);
/* Drops n bytes of the input. */
void nve_transport_consume(struct nve_transport *t, size_t n);
/* Lets the protocol read n bytes and no more: one request of a server. */
void nve_transport_bound(struct nve_transport *t, size_t n);
size_t nve_transport_pending(const struct nve_transport *t);	/* bytes to be written */

/* Until when reads and flushes wait: CLOCK_MONOTONIC in milliseconds; 0, as at first: they do not wait. */
void nve_transport_deadline(struct nve_transport *t, int64_t ms);
void nve_transport_hold(struct nve_transport *t, bool hold);
/* Writes everything, within the deadline. -ETIMEDOUT, -EPIPE, ... */
int nve_transport_push(struct nve_transport *t);
/* The first error of a waiting read or write, 0 for none: the GError of generated code has no number. */
int nve_transport_error(const struct nve_transport *t);

int64_t nve_now_ms(void);

#endif
