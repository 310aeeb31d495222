/* Files and trees of them, in C. */
#include "bindings/file_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, READ_MOST = 64 * 1024 * 1024, LEVELS_MOST = 64 };

static int read_open_file(int fd, struct buffer *out)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	for (;;) {
		char *to = buffer_reserve(out, CHUNK);
		ssize_t n;

		if (!to)
			return -ENOMEM;
		n = read(fd, to, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buffer_added(out, (size_t)n);
		if (buffer_length(out) > READ_MOST)
			return -EFBIG;
	}
}

int file_read_all(const char *path, struct buffer *out)
{
	/* O_NONBLOCK: a FIFO would wait for its writer. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = read_open_file(fd, out);
	close(fd);
	return ret;
}

static int write_fully(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill_file(int fd, const void *bytes, size_t len, int mode)
{
	int ret = write_fully(fd, bytes, len);

	if (!ret && mode >= 0 && fchmod(fd, (mode_t)mode))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/* A name of its own beside the file: two writers at once must not share one. Hidden: who reads all files
 * of a directory shall not take it for one of them. */
static int write_beside(const char *path, const void *bytes, size_t len, int mode)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash + 1 - path) : 0;
	char temporary[PATH_MAX];
	int fd, ret, n = snprintf(temporary, sizeof(temporary), "%.*s.%s.XXXXXX", dir, path, path + dir);

	if (n < 0 || n >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (mode < 0) {
		struct stat st;

		/* The umask can only be read by setting it, for all threads. */
		mode = stat(path, &st) ? 0644 : (int)(st.st_mode & 07777);
	}
	ret = fill_file(fd, bytes, len, mode);
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret)
		unlink(temporary);
	return ret;
}

int file_write_all(const char *path, const void *bytes, size_t len,
		   const struct file_write_options *options)
{
	int fd, flags = O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;

	if (options->atomic)
		return write_beside(path, bytes, len, options->mode);
	fd = open(path, flags | (options->append ? O_APPEND : O_TRUNC),
		  options->mode < 0 ? 0666 : (mode_t)options->mode);
	return fd < 0 ? -errno : fill_file(fd, bytes, len, options->mode);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int make_parents(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && !is_directory(path))
			return -errno;
		*p = '/';
	}
	return 0;
}

int file_make_directory(const char *path, mode_t mode, bool parents)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);
	int ret;

	if (!len || len >= sizeof(copy))
		return len ? -ENAMETOOLONG : -ENOENT;
	memcpy(copy, path, len + 1);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	if (parents) {
		ret = make_parents(copy);
		if (ret)
			return ret;
	}
	if (mkdir(copy, mode)) {
		ret = -errno;
		return parents && ret == -EEXIST && is_directory(copy) ? 0 : ret;
	}
	return chmod(copy, mode) ? -errno : 0;	/* the umask has taken bits away */
}

/* Opens a directory in `dir`, but neither through a link nor in another file system,
 * bind mounts included (openat2(2)). */
static int open_below(int dir, const char *name)
{
	struct open_how how;
	int fd;

	memset(&how, 0, sizeof(how));
	how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
	fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* Notes the path of a failure: `where` is that of the directory so far. */
static int failed(char *where, size_t size, const char *name, int err)
{
	size_t used = strlen(where);

	snprintf(where + used, size - used, "%s%s", used && where[used - 1] != '/' ? "/" : "", name);
	return err;
}

static int remove_entry(int dir, const char *name, int levels, char *where, size_t size);

/* Empties the directory, whose descriptor it takes over. */
static int remove_content(int fd, int levels, char *where, size_t size)
{
	DIR *stream = fdopendir(fd);
	struct dirent *e;
	int ret = 0;

	if (!stream) {
		ret = -errno;
		close(fd);
		return ret;
	}
	while (!ret && (e = readdir(stream)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ret = remove_entry(dirfd(stream), e->d_name, levels, where, size);
	closedir(stream);
	return ret;
}

static int remove_entry(int dir, const char *name, int levels, char *where, size_t size)
{
	size_t used = strlen(where);
	int fd, ret;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)	/* POSIX has EPERM for a directory */
		return failed(where, size, name, -errno);
	fd = open_below(dir, name);
	if (fd < 0 || levels == 0) {
		if (fd >= 0)
			close(fd);
		return failed(where, size, name, fd < 0 ? fd : -ELOOP);
	}
	failed(where, size, name, 0);
	ret = remove_content(fd, levels - 1, where, size);
	if (ret)
		return ret;
	where[used] = '\0';
	if (unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT)
		return failed(where, size, name, -errno);
	return 0;
}

int file_remove_tree(const char *path, char *where, size_t size)
{
	char dir_path[PATH_MAX], *base;
	size_t len = strlen(path);
	int dir, ret;

	*where = '\0';
	strncat(where, path, size - 1);
	if (!len || len >= sizeof(dir_path))
		return len ? -ENAMETOOLONG : -ENOENT;
	memcpy(dir_path, path, len + 1);
	while (len > 1 && dir_path[len - 1] == '/')
		dir_path[--len] = '\0';
	base = strrchr(dir_path, '/');
	if (base ? !base[1] || !strcmp(base, "/.") || !strcmp(base, "/..")
		 : !strcmp(dir_path, ".") || !strcmp(dir_path, ".."))
		return -EINVAL;
	dir = open(!base ? "." : base == dir_path ? "/" : (*base = '\0', dir_path),
		   O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (faccessat(dir, base ? base + 1 : dir_path, F_OK, AT_SYMLINK_NOFOLLOW)) {
		ret = -errno;
	} else {
		snprintf(where, size, "%s", base ? (*dir_path ? dir_path : "/") : "");
		ret = remove_entry(dir, base ? base + 1 : dir_path, LEVELS_MOST, where, size);
	}
	close(dir);
	return ret;
}
