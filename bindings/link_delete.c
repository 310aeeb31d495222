/* Link operations: how links are deleted, alone and together. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "bindings/link_op.h"

int link_delete_by(struct nlconn *conn, const char *name, uint32_t group, struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_DELLINK, 0, sizeof(*ifi), &ifi);

	if (msg && (name ? nla_put_string(msg, IFLA_IFNAME, name)
			 : nla_put_u32(msg, IFLA_GROUP, group))) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return nlconn_request(conn, msg, f);
}

int link_run_delete(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	return ret ? ret : link_delete_by(conn, ((struct link_delete_op *)op)->name, 0, &l->fault);
}

int link_run_delete_group(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, op->netns, &conn);

	return ret ? ret : link_delete_by(conn, NULL, ((struct link_group_op *)op)->group, &l->fault);
}

static int compare_int(const void *a, const void *b)
{
	const int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* 1 when every link of the group is one of the `count` sorted indexes; 0 when a
 * stranger is in it. */
static int group_is_ours(struct nlconn *conn, uint32_t group, const int *indexes, size_t count,
			 struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_GETLINK, 0, sizeof(*ifi), &ifi);
	struct nlbuf links = { 0 };
	int ret;

	if (msg)
		nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	ret = nlconn_dump(conn, msg, &links, f);
	if (!ret)
		ret = 1;
	for (const struct nlmsghdr *h = NULL; ret == 1 && (h = nlbuf_next(&links, h));) {
		struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(*ifi),
						   IFLA_GROUP);

		ifi = nlmsg_data(h);
		if (a && nla_get_u32(a) == group &&
		    !bsearch(&ifi->ifi_index, indexes, count, sizeof(*indexes), compare_int))
			ret = 0;
	}
	nlbuf_free(&links);
	return ret;
}

/* Moves those that exist into the group; notes their indexes, returns how many. */
static int gather(struct op_list *l, const struct link_group_op *o, struct nlconn *conn,
		  int *indexes)
{
	const struct link_spec spec = { .group = o->group, .set = LINK_GROUP };
	int n = 0;

	for (int i = 0; i < o->count; i++) {
		int index = nlconn_index(conn, o->names[i], &l->fault);
		int ret = index < 0 ? index : link_change(l, conn, index, &spec);

		if (ret == -ENODEV) {
			l->fault.what[0] = '\0';
			continue;
		}
		if (ret)
			return fault_name(&l->fault, "%s", o->names[i]);
		indexes[n++] = index;
	}
	qsort(indexes, (size_t)n, sizeof(*indexes), compare_int);
	return n;
}

static int delete_each(struct op_list *l, const struct link_group_op *o, struct nlconn *conn)
{
	for (int i = 0; i < o->count; i++) {
		int ret = link_delete_by(conn, o->names[i], 0, &l->fault);

		if (ret && ret != -ENODEV)
			return fault_name(&l->fault, "%s", o->names[i]);
	}
	return 0;
}

int link_run_delete_many(struct op_list *l, struct op *op)
{
	const struct link_group_op *o = (const struct link_group_op *)op;
	struct nlconn *conn;
	int *indexes;
	int ret = op_conn(l, op->netns, &conn), n;

	if (ret)
		return ret;
	if (o->count == 1)	/* to look whose the group is takes longer, the more links there are */
		return delete_each(l, o, conn);
	indexes = calloc((size_t)o->count + 1, sizeof(*indexes));
	if (!indexes)
		return fault_set(&l->fault, -ENOMEM, "list of links");
	ret = n = gather(l, o, conn, indexes);
	if (n > 0)
		ret = group_is_ours(conn, o->group, indexes, (size_t)n, &l->fault);
	free(indexes);
	if (n <= 0 || ret < 0)
		return ret;
	if (ret)
		ret = link_delete_by(conn, NULL, o->group, &l->fault);
	else
		ret = -EBUSY;
	return ret ? delete_each(l, o, conn) : 0;
}
