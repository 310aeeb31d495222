/* Which kinds of link this kernel has. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bindings/link_option.h"
#include "bindings/link_read.h"

/* Whether the running kernel has `module` as a file to load when it is needed. */
static bool is_loadable(const char *module)
{
	struct utsname kernel;
	char path[256], needle[64], *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f;

	uname(&kernel);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", kernel.release);
	snprintf(needle, sizeof(needle), "/%s.ko", module);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &size, f) > 0) {
		line[strcspn(line, ":")] = '\0';	/* what follows are those that it needs */
		found = strstr(line, needle);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* Asks for a link that cannot be: one with no queue. That is found only after the kind. */
static int ask(struct nlconn *conn, const char *driver, struct fault *f)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg = nlconn_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifi), &ifi);
	struct nlattr *info = msg ? nla_nest_start(msg, IFLA_LINKINFO) : NULL;

	if (info && !nla_put_string(msg, IFLA_INFO_KIND, driver)) {
		nla_nest_end(msg, info);
		nla_put_u32(msg, IFLA_NUM_TX_QUEUES, 0);
	}
	return nlconn_request(conn, msg, f);
}

/* A module that is only a file counts, but is not loaded for the question's sake: ifb
 * and dummy make links of their own when they are. */
int link_run_kinds(struct op_list *l, struct op *op)
{
	struct nlconn *conn;
	int ret = op_conn(l, NULL, &conn);

	(void)op;
	for (const struct link_kind *k = link_kinds; !ret && k->name; k++) {
		char has = is_loadable(k->module);

		if (!has) {
			int err = ask(conn, k->driver, &l->fault);

			has = err != -EOPNOTSUPP || strcmp(l->fault.ext, "Unknown device type") != 0;
			if (err == -EPERM)
				return err;
		}
		ret = nlbuf_add(&l->out, &has, 1);
	}
	return ret;
}

int link_push_kinds(lua_State *L, struct op_list *l, struct op *op)
{
	(void)op;
	lua_newtable(L);
	for (int i = 0; link_kinds[i].name; i++)
		set_boolean(L, link_kinds[i].name, l->out.data[i]);
	return 1;
}
