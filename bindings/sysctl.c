/* The Lua module `sysctl`: kernel settings under /proc/sys. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/batch.h"
#include "bindings/op_lua.h"
#include "bindings/proc_sys.h"

#define ROOT "/proc/sys/"

struct sysctl_op {
	struct op op;
	struct proc_sys *files;
	const char *path;
	const char *value;
};

#define NAME_FIELD \
	{ "name", ARG_STRING, true, "such as net.ipv6.conf.all.disable_ipv6; where a part holds a " \
	  "dot, write net/ipv4/conf/eth0.1/forwarding", NULL }

static const struct arg get_fields[] = {
	NAME_FIELD,
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg set_fields[] = {
	NAME_FIELD,
	{ "value", ARG_ANY, true, "a string, a number, or a boolean, which means 1 or 0", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg list_fields[] = {
	ARG_FIELD_NETNS,
	{ "below", ARG_STRING, false, "only these: a name's beginning that ends with a part, such as "
	  "net.ipv4.conf; by default all", NULL },
	{ 0 }
};

static void swap_separators(char *name)
{
	for (char *p = name; *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
}

/* As sysctl(8): the first separator decides; after a dot the two are swapped. */
static const char *compile_path(const struct compile *c, const char *name)
{
	char *path;

	if (!name[0])
		compile_error(c, "name is empty");
	path = compile_alloc(c, strlen(name) + sizeof(ROOT));
	strcpy(path, ROOT);
	strcat(path, name);
	if (name[strcspn(name, "./")] == '.')
		swap_separators(path + strlen(ROOT));
	if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../") ||
	    strcmp(strrchr(path, '/'), "/..") == 0 || strcmp(strrchr(path, '/'), "/.") == 0 ||
	    !strrchr(path, '/')[1])
		compile_error(c, "bad name \"%s\": it has an empty part or leads out of /proc/sys", name);
	return path;
}

static void compile_get(const struct compile *c, struct op *op)
{
	struct sysctl_op *o = (struct sysctl_op *)op;

	op->subject = compile_string(c, "name");
	o->path = compile_path(c, op->subject);
	o->files = proc_sys_of(c->L);
}

static void compile_set(const struct compile *c, struct op *op)
{
	struct sysctl_op *o = (struct sysctl_op *)op;

	compile_get(c, op);
	switch (lua_getfield(c->L, c->idx, "value")) {
	case LUA_TBOOLEAN:
		o->value = lua_toboolean(c->L, -1) ? "1" : "0";
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(c->L, -1))
			o->value = compile_printf(c, "%lld", (long long)lua_tointeger(c->L, -1));
		else
			o->value = compile_printf(c, "%.14g", lua_tonumber(c->L, -1));
		break;
	case LUA_TSTRING:
		o->value = compile_string(c, "value");
		break;
	default:
		compile_error(c, "value must be a string, a number, true or false, not %s",
			      luaL_typename(c->L, -1));
	}
	lua_pop(c->L, 1);
}

static int read_all(struct op_list *l, int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (nlbuf_add(&l->out, buf, (size_t)n))
			return -ENOMEM;
	return n < 0 ? -errno : 0;
}

static int write_all(int fd, const char *value)
{
	ssize_t n = write(fd, value, strlen(value));	/* /proc/sys takes a value whole */

	return n < 0 ? -errno : 0;
}

static int run(struct op_list *l, struct op *op)
{
	const struct sysctl_op *o = (const struct sysctl_op *)op;
	int ret = op_enter(l, op->netns), fd;

	if (ret)
		return ret;
	fd = proc_sys_open(o->files, o->path, o->value ? O_WRONLY : O_RDONLY);
	ret = fd < 0 ? fd : o->value ? write_all(fd, o->value) : read_all(l, fd);
	if (fd >= 0)
		close(fd);
	op_leave(op->netns);
	return ret;
}

static int push_value(lua_State *L, struct op_list *l, struct op *op)
{
	size_t len = l->out.len;

	(void)op;
	while (len && l->out.data[len - 1] == '\n')
		len--;
	lua_pushlstring(L, len ? l->out.data : "", len);
	return 1;
}

static void compile_list(const struct compile *c, struct op *op)
{
	op->subject = compile_string(c, "below");
	((struct sysctl_op *)op)->path = op->subject ? compile_path(c, op->subject) : "/proc/sys";
}

/* Appends the setting's name, as sysctl(8) writes it, and its value, each with a 0. One
 * that cannot be read (some can only be written) is left out. */
static int list_one(struct op_list *l, int fd, const char *path)
{
	const size_t before = l->out.len;
	char name[PATH_MAX];
	int ret;

	snprintf(name, sizeof(name), "%s", path + strlen(ROOT));
	swap_separators(name);
	ret = nlbuf_add(&l->out, name, strlen(name) + 1);
	if (!ret && read_all(l, fd))
		l->out.len = before;
	else if (!ret)
		ret = nlbuf_add(&l->out, "", 1);
	return ret;
}

/* What is below the directory, or is `path` itself. `path` has room for PATH_MAX. */
static int list_below(struct op_list *l, char *path)
{
	const size_t len = strlen(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		if (fd >= 0) {
			ret = list_one(l, fd, path);
			close(fd);
		}
		return ret;	/* it went meanwhile, or can only be written */
	}
	while (!ret && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(path + len, PATH_MAX - len, "/%s", e->d_name) < (int)(PATH_MAX - len))
			ret = list_below(l, path);
		path[len] = '\0';
	}
	closedir(dir);
	return ret;
}

static int run_list(struct op_list *l, struct op *op)
{
	const struct sysctl_op *o = (const struct sysctl_op *)op;
	char path[PATH_MAX];
	int ret = op_enter(l, op->netns);

	if (ret)
		return ret;
	if (access(o->path, F_OK))
		ret = -errno;
	else if (snprintf(path, sizeof(path), "%s", o->path) >= (int)sizeof(path))
		ret = -ENAMETOOLONG;
	else
		ret = list_below(l, path);
	op_leave(op->netns);
	return ret;
}

static int push_list(lua_State *L, struct op_list *l, struct op *op)
{
	const char *at = l->out.data, *end = l->out.len ? at + l->out.len : at;

	(void)op;
	lua_newtable(L);
	while (at != end) {
		const char *value = at + strlen(at) + 1;
		size_t len = strlen(value);

		lua_pushlstring(L, value, len && value[len - 1] == '\n' ? len - 1 : len);
		lua_setfield(L, -2, at);
		at = value + len + 1;
	}
	return 1;
}

static const struct verb verb_list = {
	"sysctl.list", list_fields, sizeof(struct sysctl_op), compile_list, run_list, push_list,
};
static const struct verb verb_get = {
	"sysctl.get", get_fields, sizeof(struct sysctl_op), compile_get, run, push_value,
};
const struct verb verb_sysctl_set = {
	"sysctl.set", set_fields, sizeof(struct sysctl_op), compile_set, run, NULL,
};

static int l_get(lua_State *L)
{
	return op_call(L, &verb_get);
}

static int l_set(lua_State *L)
{
	return op_call(L, &verb_sysctl_set);
}

static int l_list(lua_State *L)
{
	return op_call(L, &verb_list);
}

static const struct fn sysctl_functions[] = {
	{ "get", l_get, OP_ARGS(get_fields, true), "returns the setting as a string",
	  "print(sysctl.get{ name = \"net.ipv4.ip_forward\" })" },
	{ "set", l_set, OP_ARGS(set_fields, true), "changes the setting; returns true",
	  "sysctl.set{ name = \"net.ipv4.ip_forward\", value = true }\n"
	  "sysctl.set{ name = \"net/ipv4/conf/lo/forwarding\", value = 0 }" },
	{ "list", l_list, OP_ARGS(list_fields, false),
	  "returns a table of settings that can be read: name -> value, a string; a dot in a part of a name is "
	  "written as a slash",
	  "for name, value in pairs(sysctl.list{ below = \"net.ipv4.conf.lo\" }) do print(name, value) end" },
	{ 0 }
};

NERV_MODULE(sysctl, .name = "sysctl", .text = "kernel settings", .functions = sysctl_functions);
