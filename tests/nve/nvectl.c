/* A test tool: one call to a switch per run, answers on stdout, errors as "NAME: text" on stderr with exit status 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "transport.h"
#include "values.h"

#define MAX_ARGS 32

struct call {
	struct nve_client *c;
	const struct nve_desc *d;
	int argc;
	char **argv;
	struct nve_error e;
};

struct command {
	const char *name;
	int args;			/* at least */
	int (*run)(struct call *k);
};

static void print_blob(struct nve_blob b)
{
	size_t i;

	printf("0x");
	for (i = 0; i < b.len; i++)
		printf("%02x", b.data[i]);
}

static void print_row(const struct nve_row *r)
{
	unsigned int i;

	if (r->handle != NVE_NO_HANDLE)
		printf("%u", r->handle);
	else
		printf("default");
	for (i = 0; i < r->n_keys; i++) {
		putchar(' ');
		print_blob(r->keys[i].value);
	}
	printf(" %s", r->action ? r->action : "none");
	for (i = 0; i < r->n_data; i++) {
		putchar(' ');
		print_blob(r->data[i]);
	}
	putchar('\n');
}

static int print_rows(struct nve_rows *r, int ret)
{
	unsigned int i;

	for (i = 0; !ret && i < r->n; i++)
		print_row(&r->rows[i]);
	if (!ret)
		nve_rows_free(r);
	return ret;
}

/* Action data from argv[from...] */
static int data_of(struct call *k, const struct nve_action *a, int from, uint8_t bytes[MAX_ARGS][256],
		   struct nve_blob data[MAX_ARGS], unsigned int *n)
{
	int i, ret = 0;

	*n = (unsigned int)(k->argc - from);
	for (i = 0; !ret && i < (int)*n && i < MAX_ARGS; i++) {
		struct nve_field any = { (char *)(uintptr_t)"surplus", 32, NVE_MATCH_EXACT };
		const struct nve_field *f = i < (int)a->n_params ? &a->params[i] : &any;

		ret = nve_value_parse(k->argv[from + i], f, bytes[i], &k->e);
		data[i] = (struct nve_blob){ bytes[i], nve_field_bytes(f) };
	}
	return ret;
}

static int one_op(struct call *k, struct nve_op *op)
{
	unsigned int failed;
	int ret = nve_client_ops(k->c, op, 1, &failed, &k->e);

	if (!ret && op->err)
		ret = nve_fail(&k->e, op->err, "%s", op->why);
	nve_ops_clean(op, 1);
	return ret;
}

static int find(struct call *k, const char *table, const char *action, const struct nve_table **t,
		const struct nve_action **a)
{
	int i = nve_desc_table(k->d, table, &k->e);

	if (i < 0)
		return i;
	*t = &k->d->tables[i];
	i = action ? nve_desc_action(k->d, *t, action, &k->e) : 0;
	if (i < 0)
		return i;
	*a = &k->d->actions[i];
	return 0;
}

/* add TABLE ACTION KEY... => DATA... */
static int do_add(struct call *k)
{
	static struct nve_key_bytes kb[MAX_ARGS];
	static uint8_t bytes[MAX_ARGS][256];
	struct nve_blob data[MAX_ARGS];
	struct nve_key keys[MAX_ARGS];
	struct nve_op op = { .kind = NVE_OP_ADD, .table = k->argv[0], .action = k->argv[1] };
	const struct nve_action *a;
	const struct nve_table *t;
	int i, ret;

	ret = find(k, k->argv[0], k->argv[1], &t, &a);
	for (i = 2; !ret && i < k->argc && strcmp(k->argv[i], "=>"); i++) {
		struct nve_field any = { (char *)(uintptr_t)"surplus", 32, NVE_MATCH_EXACT };

		ret = nve_key_parse(k->argv[i], op.n_keys < t->n_keys ? &t->keys[op.n_keys] : &any, &kb[op.n_keys],
				    &keys[op.n_keys], &k->e);
		op.n_keys++;
	}
	if (!ret)
		ret = data_of(k, a, i < k->argc ? i + 1 : i, bytes, data, &op.n_data);
	op.keys = keys;
	op.data = data;
	if (!ret)
		ret = one_op(k, &op);
	if (!ret)
		printf("%u\n", op.handle);
	return ret;
}

/* modify TABLE HANDLE ACTION DATA... */
static int do_modify(struct call *k)
{
	static uint8_t bytes[MAX_ARGS][256];
	struct nve_blob data[MAX_ARGS];
	struct nve_op op = { .kind = NVE_OP_MODIFY, .table = k->argv[0], .action = k->argv[2], .data = data };
	const struct nve_action *a;
	const struct nve_table *t;
	int ret;

	op.handle = (uint32_t)strtoul(k->argv[1], NULL, 0);
	ret = find(k, k->argv[0], k->argv[2], &t, &a);
	if (!ret)
		ret = data_of(k, a, 3, bytes, data, &op.n_data);
	return ret ? ret : one_op(k, &op);
}

static int do_delete(struct call *k)
{
	struct nve_op op = { .kind = NVE_OP_DELETE, .table = k->argv[0] };

	op.handle = (uint32_t)strtoul(k->argv[1], NULL, 0);
	return one_op(k, &op);
}

static int do_dump(struct call *k)
{
	struct nve_rows *r = NULL;
	int ret = nve_client_entries(k->c, k->argv[0], &r, &k->e);

	return print_rows(r, ret);
}

static int do_entry(struct call *k)
{
	struct nve_rows *r = NULL;
	int ret = nve_client_entry(k->c, k->argv[0], (uint32_t)strtoul(k->argv[1], NULL, 0), &r, &k->e);

	return print_rows(r, ret);
}

static int do_default(struct call *k)
{
	struct nve_rows *r = NULL;
	int ret = nve_client_default(k->c, k->argv[0], &r, &k->e);

	return print_rows(r, ret);
}

static int do_set_default(struct call *k)
{
	static uint8_t bytes[MAX_ARGS][256];
	struct nve_blob data[MAX_ARGS];
	const struct nve_action *a;
	const struct nve_table *t;
	unsigned int n = 0;
	int ret;

	ret = find(k, k->argv[0], k->argv[1], &t, &a);
	if (!ret)
		ret = data_of(k, a, 2, bytes, data, &n);
	return ret ? ret : nve_client_set_default(k->c, k->argv[0], k->argv[1], data, n, &k->e);
}

static int do_reset_default(struct call *k)
{
	return nve_client_reset_default(k->c, k->argv[0], &k->e);
}

static int do_num(struct call *k)
{
	int64_t n = 0;
	int ret = nve_client_num_entries(k->c, k->argv[0], &n, &k->e);

	if (!ret)
		printf("%lld\n", (long long)n);
	return ret;
}

static int do_clear(struct call *k)
{
	return nve_client_clear(k->c, k->argv[0], true, &k->e);
}

static int print_count(const struct nve_count *c, int ret)
{
	if (!ret)
		printf("%llu %llu\n", (unsigned long long)c->packets, (unsigned long long)c->bytes);
	return ret;
}

static int do_count(struct call *k)
{
	struct nve_count c;
	int ret = nve_client_count(k->c, k->argv[0], (uint32_t)strtoul(k->argv[1], NULL, 0), &c, &k->e);

	return print_count(&c, ret);
}

static int do_counter(struct call *k)
{
	struct nve_count c;
	int ret = nve_client_counter(k->c, k->argv[0], atoi(k->argv[1]), &c, &k->e);

	return print_count(&c, ret);
}

static int do_set_counter(struct call *k)
{
	struct nve_count c = { strtoull(k->argv[2], NULL, 0), strtoull(k->argv[3], NULL, 0) };

	return nve_client_set_counter(k->c, k->argv[0], atoi(k->argv[1]), &c, &k->e);
}

static int do_ports(struct call *k)
{
	struct nve_client_port *p;
	unsigned int n, i;
	int ret = nve_client_ports(k->c, &p, &n, &k->e);

	if (ret)
		return ret;
	for (i = 0; i < n; i++)
		printf("%d %s %s\n", p[i].number, p[i].name, p[i].up ? "up" : "down");
	free(p);
	return 0;
}

static int do_port_add(struct call *k)
{
	return nve_client_add_port(k->c, k->argv[1], atoi(k->argv[0]), &k->e);
}

static int do_port_del(struct call *k)
{
	return nve_client_remove_port(k->c, atoi(k->argv[0]), &k->e);
}

static int do_info(struct call *k)
{
	struct nve_client_info i = { 0, 0 };
	int ret = nve_client_info(k->c, &i, &k->e);

	if (!ret)
		printf("%lld %d\n", (long long)i.device_id, i.thrift_port);
	return ret;
}

static int do_reset(struct call *k)
{
	return nve_client_reset_state(k->c, &k->e);
}

static int do_config(struct call *k)
{
	fwrite(k->d->text, 1, k->d->text_len, stdout);
	return 0;
}

/* bench N: N adds to table "tags" over as many (port, tag) pairs, pipelined; prints the rate and what failed */
static int do_bench(struct call *k)
{
	unsigned int n = (unsigned int)strtoul(k->argv[0], NULL, 0), i, failed = 0;
	struct nve_op *ops = calloc(n, sizeof(*ops));
	struct nve_key *keys = calloc(n, 2 * sizeof(*keys));
	uint8_t *bytes = calloc(n, 4);
	static const uint8_t port[2] = { 0, 1 };
	static const struct nve_blob data = { port, 2 };
	int64_t start = nve_now_ms(), ms;
	int ret = -1;

	for (i = 0; ops && keys && bytes && i < n; i++) {
		bytes[4 * i] = (uint8_t)(i >> 20 & 1);
		bytes[4 * i + 1] = (uint8_t)(i >> 12);
		bytes[4 * i + 2] = (uint8_t)(i >> 8 & 15);
		bytes[4 * i + 3] = (uint8_t)i;
		keys[2 * i].value = (struct nve_blob){ bytes + 4 * i, 2 };
		keys[2 * i + 1].value = (struct nve_blob){ bytes + 4 * i + 2, 2 };
		ops[i] = (struct nve_op){ .kind = NVE_OP_ADD, .table = "tags", .action = "to_port", .data = &data, .n_data = 1,
					  .keys = keys + 2 * i, .n_keys = 2 };
	}
	if (ops && keys && bytes)
		ret = nve_client_ops(k->c, ops, n, &failed, &k->e);
	ms = nve_now_ms() - start;
	if (!ret) {
		printf("%u adds, %u failed, %lld ms, %lld per second\n", n, failed, (long long)ms, (long long)n * 1000 / (ms ? ms : 1));
		nve_ops_clean(ops, n);
	}
	free(ops);
	free(keys);
	free(bytes);
	return ret;
}

static const struct command commands[] = {
	{ "add", 3, do_add }, { "modify", 3, do_modify }, { "delete", 2, do_delete }, { "dump", 1, do_dump },
	{ "entry", 2, do_entry }, { "default", 1, do_default }, { "set_default", 2, do_set_default },
	{ "reset_default", 1, do_reset_default }, { "num", 1, do_num }, { "clear", 1, do_clear }, { "count", 2, do_count },
	{ "counter", 2, do_counter }, { "set_counter", 4, do_set_counter }, { "ports", 0, do_ports },
	{ "port_add", 2, do_port_add }, { "port_del", 1, do_port_del }, { "info", 0, do_info }, { "reset", 0, do_reset },
	{ "config", 0, do_config }, { "bench", 1, do_bench },
};

int main(int argc, char **argv)
{
	struct call k = { .argc = argc - 3, .argv = argv + 3 };
	size_t i;
	int ret;

	for (i = 0; argc > 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[2]) == 0)
			break;
	if (argc < 3 || i == sizeof(commands) / sizeof(commands[0]) || k.argc < commands[i].args || k.argc > MAX_ARGS) {
		fprintf(stderr, "usage: nvectl SOCKET|HOST:PORT COMMAND [ARGUMENT]...\n");
		return 2;
	}
	ret = nve_client_connect(argv[1], 10000, &k.c, &k.e);
	if (!ret) {
		ret = nve_client_desc(k.c, false, &k.d, &k.e);
		if (!ret)
			ret = commands[i].run(&k);
		nve_client_close(k.c);
	}
	if (ret)
		fprintf(stderr, "%s: %s\n", nve_error_name(ret), k.e.text);
	return ret ? 1 : 0;
}
