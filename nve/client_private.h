/* What the files of the client share. */
#ifndef NERV_NVE_CLIENT_PRIVATE_H
#define NERV_NVE_CLIENT_PRIVATE_H

#include "bm_standard.h"
#include "client.h"
#include "transport.h"

struct nve_client {
	struct nve_transport *t;
	ThriftProtocol *binary, *protocol;
	bmStandardIf *rpc;
	struct nve_desc *desc;
	int timeout_ms;
	int dead;			/* the error that ended the connection */
	char why[128];
};

/* Before a call: starts its time, or repeats the error that ended the connection. */
int nve_client_begin(struct nve_client *c, struct nve_error *e);
/* The text of a refusal: the switch's own, or its code where there is none, as BMv2 does it. */
void nve_client_refusal(struct nve_error *e, int err, const char *why, const char *name);
/* After a call that gave no declared exception: 0, or what went wrong. Frees g. */
int nve_client_end(struct nve_client *c, gboolean ok, GError *g, const char *what, struct nve_error *e);
/* The same for a call with a table's exception. Frees both. name: the table. */
int nve_client_table_end(struct nve_client *c, gboolean ok, bmInvalidTableOperation *ouch, GError *g, const char *name,
			 struct nve_error *e);
/* Full name of a table; NULL with *err set. */
const struct nve_table *nve_client_table(struct nve_client *c, const char *name, int *err, struct nve_error *e);
/* Full name of an action of the table. */
const char *nve_client_action(struct nve_client *c, const struct nve_table *t, const char *name, int *err,
			      struct nve_error *e);
GPtrArray *nve_client_data(const struct nve_blob *data, unsigned int n);

#endif
