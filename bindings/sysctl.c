/* The Lua module `sysctl`: kernel settings under /proc/sys. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bindings/batch.h"
#include "bindings/op_lua.h"

struct sysctl_op {
	struct op op;
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

/* As sysctl(8): the first separator decides; after a dot the two are swapped. */
static const char *compile_path(const struct compile *c)
{
	const char *name = compile_string(c, "name");
	char *path;

	if (!name[0])
		compile_error(c, "name is empty");
	path = compile_alloc(c, strlen(name) + sizeof("/proc/sys/"));
	strcpy(path, "/proc/sys/");
	strcat(path, name);
	if (name[strcspn(name, "./")] == '.')
		for (char *p = path + strlen("/proc/sys/"); *p; p++)
			*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../") ||
	    strcmp(strrchr(path, '/'), "/..") == 0 || strcmp(strrchr(path, '/'), "/.") == 0 ||
	    !strrchr(path, '/')[1])
		compile_error(c, "bad name \"%s\": it has an empty part or leads out of /proc/sys", name);
	return path;
}

static void compile_get(const struct compile *c, struct op *op)
{
	struct sysctl_op *o = (struct sysctl_op *)op;

	o->path = compile_path(c);
	op->subject = compile_string(c, "name");
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
	fd = open(o->path, (o->value ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	ret = fd < 0 ? -errno : o->value ? write_all(fd, o->value) : read_all(l, fd);
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

static const struct fn sysctl_functions[] = {
	{ "get", l_get, OP_ARGS(get_fields, true), "returns the setting as a string" },
	{ "set", l_set, OP_ARGS(set_fields, true), "changes the setting; returns true" },
	{ 0 }
};

NERV_MODULE(sysctl, .name = "sysctl", .text = "kernel settings", .functions = sysctl_functions);
