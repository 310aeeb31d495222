/* The Lua module `file`: small files, directories, locks, mounts. */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/file_lock.h"
#include "bindings/file_tree.h"
#include "bindings/file_watch.h"
#include "bindings/process_user.h"
#include "shell/registry.h"

static const char buffer_class[] = "file.buffer";

static int collect_buffer(lua_State *L)
{
	buffer_free(luaL_checkudata(L, 1, buffer_class));
	return 0;
}

static int push_result(lua_State *L, int err, const char *path)
{
	if (err)
		return nerv_fail(L, err, "%s", path);
	lua_pushboolean(L, true);
	return 1;
}

static int l_read(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	struct buffer *b = lua_newuserdatauv(L, sizeof(*b), 0);
	int ret;

	memset(b, 0, sizeof(*b));
	luaL_setmetatable(L, buffer_class);
	ret = file_read_all(path, b);
	if (!ret)
		lua_pushlstring(L, buffer_bytes(b), buffer_length(b));
	buffer_free(b);
	if (ret == -EINVAL) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: is not a regular file", path);
		lua_pushliteral(L, "EINVAL");
		return 3;
	}
	return ret ? nerv_fail(L, ret, "%s", path) : 1;
}

static int mode_field(lua_State *L, int idx, int otherwise)
{
	lua_Integer mode = lua_istable(L, idx) ? field_integer(L, idx, "mode", otherwise) : otherwise;

	if (mode > 07777 || (mode < 0 && mode != otherwise))
		return nerv_error(L, "mode must be 0 to 4095 (07777 octal)");
	return (int)mode;
}

static bool flag_field(lua_State *L, int idx, const char *key)
{
	return lua_istable(L, idx) && field_boolean(L, idx, key, false);
}

static int l_write(lua_State *L)
{
	size_t len;
	const char *path = lua_tostring(L, 1), *bytes = lua_tolstring(L, 2, &len);
	struct file_write_options options = {
		.mode = mode_field(L, 3, -1),
		.atomic = flag_field(L, 3, "atomic"),
		.append = flag_field(L, 3, "append"),
	};

	if (options.atomic && options.append)
		return nerv_error(L, "file.write: give either atomic or append");
	return push_result(L, file_write_all(path, bytes, len, &options), path);
}

static int l_mkdir(lua_State *L)
{
	const char *path = lua_tostring(L, 1);

	return push_result(L, file_make_directory(path, (mode_t)mode_field(L, 2, 0755),
						  flag_field(L, 2, "parents")), path);
}

static int l_remove(lua_State *L)
{
	const char *path = lua_tostring(L, 1);

	return push_result(L, remove(path) ? errno : 0, path);
}

static int l_remove_tree(lua_State *L)
{
	char where[PATH_MAX];
	int ret = file_remove_tree(lua_tostring(L, 1), where, sizeof(where));

	if (ret == -EXDEV) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: something is mounted there", where);
		lua_pushliteral(L, "EXDEV");
		return 3;
	}
	return push_result(L, ret, where);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* Upvalue-free helper for lua_pcall: what scandir gave is freed whatever happens. */
static int push_names(lua_State *L)
{
	struct dirent **entries = lua_touserdata(L, 1);
	lua_Integer n = lua_tointeger(L, 2);

	lua_createtable(L, (int)n, 0);
	for (lua_Integer i = 0; i < n; i++) {
		lua_pushstring(L, entries[i]->d_name);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static int l_list(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	struct dirent **entries;
	int n, status;

	lua_settop(L, 1);
	lua_pushcfunction(L, push_names);
	n = scandir(path, &entries, is_entry, compare_names);
	if (n < 0)
		return nerv_fail(L, errno, "%s", path);
	lua_pushlightuserdata(L, entries);
	lua_pushinteger(L, n);
	status = lua_pcall(L, 2, 1, 0);
	while (n > 0)
		free(entries[--n]);
	free(entries);
	return status == LUA_OK ? 1 : lua_error(L);
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFSOCK:
		return "socket";
	case S_IFIFO:
		return "fifo";
	case S_IFCHR:
		return "character device";
	default:
		return "block device";
	}
}

static int l_stat(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	struct stat st;

	if (flag_field(L, 2, "link") ? lstat(path, &st) : stat(path, &st))
		return nerv_fail(L, errno, "%s", path);
	lua_createtable(L, 0, 8);
	lua_pushstring(L, type_name(st.st_mode));
	lua_setfield(L, -2, "type");
	lua_pushinteger(L, st.st_size);
	lua_setfield(L, -2, "size");
	lua_pushnumber(L, (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9);
	lua_setfield(L, -2, "mtime");
	lua_pushinteger(L, st.st_uid);
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, st.st_gid);
	lua_setfield(L, -2, "gid");
	lua_pushinteger(L, st.st_mode & 07777);
	lua_setfield(L, -2, "mode");
	lua_pushinteger(L, (lua_Integer)st.st_dev);
	lua_setfield(L, -2, "dev");
	lua_pushinteger(L, (lua_Integer)st.st_ino);
	lua_setfield(L, -2, "ino");
	return 1;
}

static int l_realpath(lua_State *L)
{
	char path[PATH_MAX];

	if (!realpath(lua_tostring(L, 1), path))
		return nerv_fail(L, errno, "%s", lua_tostring(L, 1));
	lua_pushstring(L, path);
	return 1;
}

static int l_temp_dir(lua_State *L)
{
	const char *prefix = lua_tostring(L, 1), *dir = getenv("TMPDIR");
	char path[PATH_MAX];
	int n;

	if (strchr(prefix, '/'))
		n = snprintf(path, sizeof(path), "%sXXXXXX", prefix);
	else
		n = snprintf(path, sizeof(path), "%s/%sXXXXXX", dir && *dir ? dir : "/tmp", prefix);
	if (n >= (int)sizeof(path))
		return nerv_fail(L, ENAMETOOLONG, "%.200s", prefix);
	if (!mkdtemp(path))
		return nerv_fail(L, errno, "%s", path);
	lua_pushstring(L, path);
	return 1;
}

static int l_symlink(lua_State *L)
{
	return push_result(L, symlink(lua_tostring(L, 1), lua_tostring(L, 2)) ? errno : 0,
			   lua_tostring(L, 2));
}

static int l_rename(lua_State *L)
{
	return push_result(L, rename(lua_tostring(L, 1), lua_tostring(L, 2)) ? errno : 0,
			   lua_tostring(L, 1));
}

static int l_chmod(lua_State *L)
{
	lua_Integer mode = lua_tointeger(L, 2);

	if (mode < 0 || mode > 07777)
		return nerv_error(L, "file.chmod: mode must be 0 to 4095 (07777 octal)");
	return push_result(L, chmod(lua_tostring(L, 1), (mode_t)mode) ? errno : 0, lua_tostring(L, 1));
}

static int l_chown(lua_State *L)
{
	struct user user = { .uid = (uid_t)-1, .gid = (gid_t)-1 };

	if (field_present(L, 2, "user"))
		user_option(L, 2, "user", &user);
	if (field_present(L, 2, "group"))
		user.gid = user_group_option(L, 2, "group");
	return push_result(L, lchown(lua_tostring(L, 1), user.uid, user.gid) ? errno : 0,
			   lua_tostring(L, 1));
}

#define PATH_ARG { "path", ARG_STRING, true, "of the file", NULL }

static const struct arg path_args[] = { PATH_ARG, { 0 } };
static const struct arg write_args[] = {
	PATH_ARG,
	{ "bytes", ARG_BYTES, true, "the content", NULL },
	{ "options", ARG_TABLE, false, "how",
	  (const struct arg[]){
		  { "mode", ARG_INTEGER, false, "exact permissions; by default as the umask says", NULL },
		  { "atomic", ARG_BOOLEAN, false, "true: a new file takes the old one's place in one step", NULL },
		  { "append", ARG_BOOLEAN, false, "true: at the file's end", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg mkdir_args[] = {
	{ "path", ARG_STRING, true, "of the directory", NULL },
	{ "options", ARG_TABLE, false, "how",
	  (const struct arg[]){
		  { "mode", ARG_INTEGER, false, "exact permissions; by default 0755 octal", NULL },
		  { "parents", ARG_BOOLEAN, false, "true: make those above it too; it may exist", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg stat_args[] = {
	PATH_ARG,
	{ "options", ARG_TABLE, false, "how",
	  (const struct arg[]){
		  { "link", ARG_BOOLEAN, false, "true: describe a symbolic link itself", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg temp_args[] = {
	{ "prefix", ARG_STRING, true, "start of the name; without '/' it lies in $TMPDIR or /tmp", NULL },
	{ 0 }
};
static const struct arg symlink_args[] = {
	{ "target", ARG_STRING, true, "what the link says", NULL },
	{ "path", ARG_STRING, true, "of the link", NULL },
	{ 0 }
};
static const struct arg rename_args[] = {
	PATH_ARG, { "to", ARG_STRING, true, "its new path", NULL }, { 0 }
};
static const struct arg chmod_args[] = {
	PATH_ARG, { "mode", ARG_INTEGER, true, "permissions", NULL }, { 0 }
};
static const struct arg chown_args[] = {
	PATH_ARG,
	{ "owner", ARG_TABLE, true, "the new owner",
	  (const struct arg[]){
		  { "user", ARG_ANY, false, "name or number; brings the user's group along", NULL },
		  { "group", ARG_ANY, false, "name or number", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg watch_args[] = {
	{ "path", ARG_STRING, true, "of a directory, or of a file, which need not exist", NULL }, { 0 }
};
static const struct arg mount_args[] = {
	{ "options", ARG_TABLE, true, "what, and where",
	  (const struct arg[]){
		  { "target", ARG_STRING, true, "directory to mount on", NULL },
		  { "type", ARG_STRING, false, "of the file system, as \"bpf\" or \"tmpfs\"", NULL },
		  { "source", ARG_STRING, false, "device or name; by default \"none\"", NULL },
		  { "flags", ARG_TABLE, false, "list of names, as {\"ro\", \"bind\"}", NULL },
		  { "data", ARG_STRING, false, "options of the file system", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg umount_args[] = {
	{ "path", ARG_STRING, true, "the mount point", NULL },
	{ "options", ARG_TABLE, false, "how",
	  (const struct arg[]){
		  { "lazy", ARG_BOOLEAN, false, "true: from sight now, gone when nobody uses it", NULL },
		  { 0 } } },
	{ 0 }
};

static const struct fn functions[] = {
	{ "read", l_read, path_args, "returns the whole content of a file of up to 64 MiB",
	  "print(file.read \"/proc/sys/kernel/ostype\")" },
	{ "write", l_write, write_args, "writes a whole file; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.write(dir .. \"/f\", \"text\\n\", { atomic = true, mode = 384 })\n"
	  "file.remove_tree(dir)" },
	{ "mkdir", l_mkdir, mkdir_args, "makes a directory; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.mkdir(dir .. \"/a/b\", { parents = true })\n"
	  "file.remove_tree(dir)" },
	{ "remove", l_remove, path_args, "removes a file or an empty directory; returns true",
	  "local path = os.tmpname()\n"
	  "file.remove(path)" },
	{ "remove_tree", l_remove_tree, path_args,
	  "removes a directory with all in it, but crosses no mount and follows no link; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.remove_tree(dir)" },
	{ "list", l_list, path_args, "returns the names in a directory, sorted",
	  "for _, name in ipairs(file.list \"/proc/self/fd\") do print(name) end" },
	{ "stat", l_stat, stat_args, "returns type, size, mtime, uid, gid, mode, dev and ino",
	  "local s = file.stat \"/etc/passwd\"\n"
	  "print(s.type, s.size, s.mtime)" },
	{ "realpath", l_realpath, path_args, "returns the path without links and dots",
	  "print(file.realpath \"/proc/self/../1\")" },
	{ "temp_dir", l_temp_dir, temp_args, "makes a new directory, for its owner only; returns its path",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "print(dir)\n"
	  "file.remove_tree(dir)" },
	{ "symlink", l_symlink, symlink_args, "makes a symbolic link; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.symlink(\"/etc/passwd\", dir .. \"/link\")\n"
	  "file.remove_tree(dir)" },
	{ "rename", l_rename, rename_args, "moves a file within a file system; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.write(dir .. \"/a\", \"\")\n"
	  "file.rename(dir .. \"/a\", dir .. \"/b\")\n"
	  "file.remove_tree(dir)" },
	{ "chmod", l_chmod, chmod_args, "sets permissions; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.chmod(dir, 493)   -- 0755\n"
	  "file.remove_tree(dir)" },
	{ "chown", l_chown, chown_args, "sets the owner, of a link itself; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.chown(dir, { user = \"nobody\" })\n"
	  "file.remove_tree(dir)" },
	{ "lock", file_l_lock, path_args,
	  "locks a file, with our pid in it, until close; if locked nil, message, \"EWOULDBLOCK\", pid",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "local lock <close> = file.lock(dir .. \"/lock\")\n"
	  "file.remove_tree(dir)" },
	{ "watch", file_l_watch, watch_args,
	  "watches a file, or the entries of a directory (not those below); returns an object with next, "
	  "each and close",
	  "local path <const> = os.tmpname()\n"
	  "local w <close> = file.watch(path)\n"
	  "file.write(path, \"new\")\n"
	  "print(w:next(1).event)\n"
	  "file.remove(path)" },
	{ "mount", file_l_mount, mount_args, "mounts a file system; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.mount{ target = dir, type = \"tmpfs\", data = \"size=1m\" }\n"
	  "file.umount(dir)\n"
	  "file.remove_tree(dir)" },
	{ "umount", file_l_umount, umount_args, "unmounts; returns true",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "file.mount{ target = dir, type = \"tmpfs\" }\n"
	  "file.umount(dir, { lazy = true })\n"
	  "file.remove_tree(dir)" },
	{ 0 }
};

static int init(lua_State *L)
{
	if (luaL_newmetatable(L, buffer_class)) {
		lua_pushcfunction(L, collect_buffer);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	file_lock_open(L);
	file_watch_open(L);
	return 1;
}

NERV_MODULE(file, .name = "file", .text = "files, directories, locks, mounts",
	    .functions = functions, .init = init);
