/* TLS on a connected, non-blocking socket: both ends prove by a certificate of one authority that
 * they belong together (mutual TLS 1.3, RFC 8446). OpenSSL does the work.
 *
 * Nothing here blocks but the reading of the three files in tls_new(). The socket stays the
 * caller's; the session must go before it is closed.
 */
#ifndef NERV_BINDINGS_TLS_H
#define NERV_BINDINGS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;

struct tls_files {
	const char *ca;			/* certificates of the authority that signs both ends' ones, PEM */
	const char *certificate;	/* our own, with what leads to the authority, PEM */
	const char *key;		/* its private key, PEM */
};

/* Makes the session. 0, or -EINVAL (a file is no such thing), -ENOMEM, or why a file cannot
 * be read; then `why` says which. */
int tls_new(struct tls **out, const struct tls_files *files, int fd, bool server, char *why,
	    size_t size);

/* Goes on with the handshake: 0 when it is done; -EAGAIN: again when the socket is readable,
 * or, where tls_wants_write(), writable; -EPROTO or an errno of the socket: it failed. */
int tls_handshake(struct tls *t);
bool tls_wants_write(const struct tls *t);

/* As read(2) and send(2), with negative errnos; after the handshake. */
ssize_t tls_read(struct tls *t, void *bytes, size_t n);
ssize_t tls_write(struct tls *t, const void *bytes, size_t n);

/* Whether bytes have been taken off the socket that tls_read() has not given yet. */
bool tls_pending(const struct tls *t);

/* What the last failure was, in words: "certificate verify failed". */
const char *tls_problem(const struct tls *t);

/* Says good-bye as far as the socket takes it; accepts NULL. */
void tls_free(struct tls *t);

#endif
