/* A client of a switch's Thrift API: nerv-nve, or BMv2's simple_switch.
 *
 * Every call blocks until its answer is there, at most the client's time limit; run it on a worker thread. A client is
 * used by one thread at a time; several clients may be used at once. After an error of the connection (any errno: time
 * limit, end of stream) the client answers every call with that error: close it and connect anew. A refusal by the switch
 * (codes of error.h; nve_error_name() gives BMv2's name) leaves it usable.
 *
 * Table, action and counter names may be unique dotted suffixes: they are resolved with the switch's description, which is
 * fetched at the first need. Functions return 0 or a negative error. */
#ifndef NERV_NVE_CLIENT_H
#define NERV_NVE_CLIENT_H

#include <net/if.h>

#include "description.h"
#include "pack.h"
#include "store.h"

struct nve_client;

/* where: a path (it holds a '/') of a Unix socket, HOST:PORT or [IPV6]:PORT. HOST may be a name; its look-up is not under
 * the time limit. */
int nve_client_connect(const char *where, int timeout_ms, struct nve_client **out, struct nve_error *e);
void nve_client_close(struct nve_client *c);

/* Why the connection has ended, or NULL while it has not; lives as long as the client. */
const char *nve_client_ended(const struct nve_client *c);

/* The switch's description, owned by the client; fetched once, anew with refresh (pointers to the former die). */
int nve_client_desc(struct nve_client *c, bool refresh, const struct nve_desc **out, struct nve_error *e);

enum nve_op_kind { NVE_OP_ADD, NVE_OP_MODIFY, NVE_OP_DELETE };

/* One change of a table. Pointers are the caller's. */
struct nve_op {
	enum nve_op_kind kind;
	const char *table;
	const char *action;		/* not for delete */
	const struct nve_blob *data;
	unsigned int n_data;
	const struct nve_key *keys;	/* add only */
	unsigned int n_keys;
	int priority;			/* add only: for ternary and range tables */
	uint32_t handle;		/* modify, delete: which; add: the result */
	int err;			/* result: 0 or the switch's refusal; -ECANCELED when no answer came */
	char *why;			/* its text, or NULL: nve_ops_clean() */
};

/* Sends many changes before it reads answers; they are done in order, each on its own. 0 when every one has an answer
 * (*failed counts the refusals), else the error of the connection. */
int nve_client_ops(struct nve_client *c, struct nve_op *ops, unsigned int n, unsigned int *failed, struct nve_error *e);
void nve_ops_clean(struct nve_op *ops, unsigned int n);

/* An entry as the switch tells it. */
struct nve_row {
	uint32_t handle;
	int priority;			/* -1: the table has none */
	unsigned int n_keys;
	struct nve_key *keys;
	const char *action;		/* NULL: no default entry, or one of an action profile */
	unsigned int n_data;
	struct nve_blob *data;		/* BMv2 drops leading zero bytes */
};

struct nve_rows {
	unsigned int n;
	struct nve_row *rows;
	void *held;			/* what the rows point into */
};

int nve_client_entries(struct nve_client *c, const char *table, struct nve_rows **out, struct nve_error *e);
int nve_client_entry(struct nve_client *c, const char *table, uint32_t handle, struct nve_rows **out, struct nve_error *e);
int nve_client_default(struct nve_client *c, const char *table, struct nve_rows **out, struct nve_error *e);
void nve_rows_free(struct nve_rows *r);

int nve_client_num_entries(struct nve_client *c, const char *table, int64_t *n, struct nve_error *e);
int nve_client_clear(struct nve_client *c, const char *table, bool reset_default, struct nve_error *e);
int nve_client_set_default(struct nve_client *c, const char *table, const char *action, const struct nve_blob *data,
			   unsigned int n_data, struct nve_error *e);
int nve_client_reset_default(struct nve_client *c, const char *table, struct nve_error *e);

/* Direct counters, by table and entry; counter arrays, by name and index. */
int nve_client_count(struct nve_client *c, const char *table, uint32_t handle, struct nve_count *out, struct nve_error *e);
int nve_client_counter(struct nve_client *c, const char *counter, int index, struct nve_count *out, struct nve_error *e);
int nve_client_set_counter(struct nve_client *c, const char *counter, int index, const struct nve_count *v,
			   struct nve_error *e);

struct nve_client_port {
	int number;
	char name[64];
	bool up;
};

/* *out: *n ports, to be freed by free(). */
int nve_client_ports(struct nve_client *c, struct nve_client_port **out, unsigned int *n, struct nve_error *e);
int nve_client_add_port(struct nve_client *c, const char *iface, int number, struct nve_error *e);
int nve_client_remove_port(struct nve_client *c, int number, struct nve_error *e);

struct nve_client_info {
	int64_t device_id;
	int thrift_port;		/* 0: none */
};

int nve_client_info(struct nve_client *c, struct nve_client_info *out, struct nve_error *e);
int nve_client_reset_state(struct nve_client *c, struct nve_error *e);

#endif
