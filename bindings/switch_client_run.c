/* Changes and entries of a switch's tables: what runs on worker threads and is more than one call of the client. */
#include "bindings/switch_client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PORTION 8192u	/* ops between two looks at whether anybody still waits */

/* Adds to the end of the error's text. */
static void __attribute__((format(printf, 2, 3))) add_text(struct nve_error *e, const char *fmt, ...)
{
	size_t used = strlen(e->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text + used, sizeof(e->text) - used, fmt, ap);
	va_end(ap);
}

static int refusal(struct switch_call *c, const struct nve_op *op)
{
	return nve_fail(&c->e, op->err, "%s", op->why ? op->why : nve_error_name(op->err));
}

int switch_run_op(struct switch_call *c)
{
	unsigned int failed;
	int ret = nve_client_ops(c->h->client, c->ops, 1, &failed, &c->e);

	return !ret && failed ? refusal(c, c->ops) : ret;
}

/* Makes ops that delete what the first n ops have added; returns how many. */
static unsigned int reverse(struct switch_call *c, unsigned int n)
{
	unsigned int i, added = 0;

	nve_ops_clean(c->ops, n);
	for (i = 0; i < n; i++) {
		if (c->ops[i].err)
			continue;
		c->ops[i].kind = NVE_OP_DELETE;
		c->ops[added++] = c->ops[i];
	}
	return added;
}

/* An entry that somebody else has deleted meanwhile is as good as deleted. */
static bool is_gone(int err)
{
	int code = nve_error_code(err, NVE_KIND_TABLE);

	return !err || code == NVE_INVALID_HANDLE || code == NVE_EXPIRED_HANDLE;
}

/* Deletes what the first n ops have added. What cannot be deleted is told in the text. 0, or an error of the
 * connection. */
static int undo(struct switch_call *c, unsigned int n)
{
	unsigned int added = reverse(c, n), failed, left = 0, i;
	struct nve_error e;
	int ret = nve_client_ops(c->h->client, c->ops, added, &failed, &e);

	for (i = 0; i < added; i++)
		left += !is_gone(c->ops[i].err);
	if (ret)
		add_text(&c->e, "; then %s, and up to %u entries added before it may have stayed", e.text, left);
	else if (left)
		add_text(&c->e, "; %u entries added before it could not be deleted again", left);
	return ret;
}

/* Adds portion by portion, until one has a refusal. *tried: how many ops have a result. */
static int add_portions(struct switch_call *c, unsigned int *tried, unsigned int *failed)
{
	unsigned int n;
	int ret = 0;

	*tried = *failed = 0;
	while (!ret && !*failed && *tried < c->n_ops && !atomic_load(&c->abandoned)) {
		n = c->n_ops - *tried < PORTION ? c->n_ops - *tried : PORTION;
		ret = nve_client_ops(c->h->client, c->ops + *tried, n, failed, &c->e);
		*tried += n;
	}
	return ret;
}

static unsigned int count_added(const struct switch_call *c, unsigned int tried)
{
	unsigned int i, added = 0;

	for (i = 0; i < tried; i++)
		added += !c->ops[i].err;
	return added;
}

int switch_run_add(struct switch_call *c)
{
	unsigned int tried, failed, i = 0;
	int ret = add_portions(c, &tried, &failed), undone;

	if (ret) {
		add_text(&c->e, " (%u of %u entries were confirmed before)", count_added(c, tried), c->n_ops);
		return ret;
	}
	if (failed) {
		while (!c->ops[i].err)
			i++;
		ret = refusal(c, &c->ops[i]);
		c->refused = i + 1;
	} else if (atomic_load(&c->abandoned)) {
		ret = nve_fail(&c->e, -ECANCELED, "%s", c->verb->name);
	} else {
		return 0;
	}
	undone = undo(c, tried);
	return undone ? undone : ret;
}

static int no_memory(struct switch_call *c)
{
	return nve_fail(&c->e, -ENOMEM, "%s: out of memory", c->verb->name);
}

/* A copy in the arena with at least `size` bytes: zeros come first. */
static int copy_bytes(struct switch_call *c, struct nve_blob *b, size_t size)
{
	size_t zeros = size > b->len ? size - b->len : 0;
	uint8_t *copy = arena_alloc(&c->arena, zeros + b->len + 1);

	if (!copy)
		return no_memory(c);
	if (b->len)
		memcpy(copy + zeros, b->data, b->len);
	b->data = copy;
	b->len += zeros;
	return 0;
}

static int copy_keys(struct switch_call *c, struct nve_row *row)
{
	struct nve_key *keys = arena_alloc(&c->arena, row->n_keys * sizeof(*keys));
	unsigned int i;
	int ret = keys ? 0 : no_memory(c);

	for (i = 0; !ret && i < row->n_keys; i++) {
		keys[i] = row->keys[i];
		ret = copy_bytes(c, &keys[i].value, 0);
		if (!ret)
			ret = copy_bytes(c, &keys[i].extra, 0);
	}
	row->keys = keys;
	return ret;
}

/* BMv2 drops leading zero bytes of action data: put them back, so that what is read can be written again. */
static int copy_data(struct switch_call *c, struct nve_row *row, const struct nve_action *a)
{
	struct nve_blob *data = arena_alloc(&c->arena, row->n_data * sizeof(*data));
	unsigned int i;
	int ret = data ? 0 : no_memory(c);

	for (i = 0; !ret && i < row->n_data; i++) {
		data[i] = row->data[i];
		ret = copy_bytes(c, &data[i], a && i < a->n_params ? nve_field_bytes(&a->params[i]) : 0);
	}
	row->data = data;
	return ret;
}

/* The description of an action of the call's table, or NULL. */
static const struct nve_action *find_action(const struct switch_call *c, const char *name)
{
	const struct nve_desc *d = c->h->desc;
	int t = nve_desc_table(d, c->table, NULL), a = t < 0 || !name ? -1 : nve_desc_action(d, &d->tables[t], name, NULL);

	return a < 0 ? NULL : &d->actions[a];
}

static const char *copy_name(struct switch_call *c, const char *name)
{
	char *copy = name ? arena_alloc(&c->arena, strlen(name) + 1) : NULL;

	return copy ? strcpy(copy, name) : NULL;
}

static bool same_name(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Most rows have the action of the one before. */
static int copy_rows(struct switch_call *c, const struct nve_rows *from)
{
	const struct nve_action *a = NULL;
	const char *name = NULL;
	unsigned int i;
	int ret = 0;

	c->rows = arena_alloc(&c->arena, from->n * sizeof(*c->rows));
	if (!c->rows)
		return no_memory(c);
	for (i = 0; !ret && i < from->n; i++) {
		struct nve_row *row = &c->rows[i];

		*row = from->rows[i];
		if (!same_name(row->action, name)) {
			a = find_action(c, row->action);
			name = copy_name(c, row->action);
		}
		if (row->action && !name)
			return no_memory(c);
		row->action = name;
		ret = copy_keys(c, row);
		if (!ret)
			ret = copy_data(c, row, a);
	}
	c->n_rows = from->n;
	return ret;
}

/* Rows are objects of GLib: they are freed here, where a hundred thousand of them do not hold up the loop. */
static int take_rows(struct switch_call *c, struct nve_rows *rows)
{
	int ret = copy_rows(c, rows);

	nve_rows_free(rows);
	return ret;
}

int switch_run_entries(struct switch_call *c)
{
	struct nve_rows *rows;
	int ret = nve_client_entries(c->h->client, c->table, &rows, &c->e);

	return ret ? ret : take_rows(c, rows);
}

int switch_run_default(struct switch_call *c)
{
	struct nve_rows *rows;
	int ret = nve_client_default(c->h->client, c->table, &rows, &c->e);

	return ret ? ret : take_rows(c, rows);
}
