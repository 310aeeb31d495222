/* TLS sessions, by OpenSSL. */
#include "bindings/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

struct tls {
	SSL_CTX *context;
	SSL *session;
	bool wants_write;
	char problem[160];
};

/* The reason of OpenSSL's oldest error, which is the cause of the others. */
static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_get_error());

	ERR_clear_error();
	return text ? text : "unknown error";
}

static int file_problem(const char *path, const char *what, char *why, size_t size)
{
	int err = access(path, R_OK) ? errno : EINVAL;

	if (err == EINVAL)
		snprintf(why, size, "%s is no %s: %s", path, what, reason());
	else
		snprintf(why, size, "%s: %s", path, strerror(err));
	ERR_clear_error();
	return -err;
}

static int load_files(SSL_CTX *context, const struct tls_files *files, char *why, size_t size)
{
	if (SSL_CTX_load_verify_file(context, files->ca) != 1)
		return file_problem(files->ca, "list of certificates", why, size);
	if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1)
		return file_problem(files->certificate, "certificate", why, size);
	if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1)
		return file_problem(files->key, "key of that certificate", why, size);
	return 0;
}

int tls_new(struct tls **out, const struct tls_files *files, int fd, bool server, char *why,
	    size_t size)
{
	struct tls *t = calloc(1, sizeof(*t));
	int ret = -ENOMEM;

	snprintf(why, size, "out of memory");
	if (!t)
		return ret;
	t->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!t->context)
		goto fail;
	SSL_CTX_set_min_proto_version(t->context, TLS1_3_VERSION);
	SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* Each connection proves itself anew. */
	SSL_CTX_set_num_tickets(t->context, 0);
	SSL_CTX_set_mode(t->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	ret = load_files(t->context, files, why, size);
	if (ret)
		goto fail;
	ret = -ENOMEM;
	t->session = SSL_new(t->context);
	if (!t->session || SSL_set_fd(t->session, fd) != 1)
		goto fail;
	if (server)
		SSL_set_accept_state(t->session);
	else
		SSL_set_connect_state(t->session);
	*out = t;
	return 0;
fail:
	tls_free(t);
	return ret;
}

/* What a call that returned `n` <= 0 means. */
static int problem_of(struct tls *t, int n)
{
	int err = errno;
	long verified;

	t->wants_write = false;
	switch (SSL_get_error(t->session, n)) {
	case SSL_ERROR_WANT_WRITE:
		t->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return err ? -err : -ECONNRESET;
	default:
		break;
	}
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return -ECONNRESET;
	}
	verified = SSL_get_verify_result(t->session);
	if (verified != X509_V_OK)
		snprintf(t->problem, sizeof(t->problem), "the other end's certificate: %s",
			 X509_verify_cert_error_string(verified));
	else
		snprintf(t->problem, sizeof(t->problem), "%s", reason());
	ERR_clear_error();
	return -EPROTO;
}

int tls_handshake(struct tls *t)
{
	int n, ret;

	errno = 0;
	n = SSL_do_handshake(t->session);
	if (n == 1)
		return 0;
	ret = problem_of(t, n);
	return ret ? ret : -ECONNRESET;
}

bool tls_wants_write(const struct tls *t)
{
	return t->wants_write;
}

static int at_most_int(size_t n)
{
	return n < (1u << 30) ? (int)n : 1 << 30;
}

ssize_t tls_read(struct tls *t, void *bytes, size_t n)
{
	int got;

	errno = 0;
	got = SSL_read(t->session, bytes, at_most_int(n));
	return got > 0 ? got : problem_of(t, got);
}

ssize_t tls_write(struct tls *t, const void *bytes, size_t n)
{
	int done, ret;

	if (!n)
		return 0;
	errno = 0;
	done = SSL_write(t->session, bytes, at_most_int(n));
	if (done > 0)
		return done;
	ret = problem_of(t, done);
	return ret ? ret : -EPIPE;
}

bool tls_pending(const struct tls *t)
{
	return SSL_has_pending(t->session);
}

const char *tls_problem(const struct tls *t)
{
	return t->problem;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->session && SSL_is_init_finished(t->session))
		SSL_shutdown(t->session);
	ERR_clear_error();
	SSL_free(t->session);
	SSL_CTX_free(t->context);
	free(t);
}
