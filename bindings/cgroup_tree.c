/* Control groups (cgroup2) as a file tree. */
#include "bindings/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* mountinfo writes blank, tab, line feed and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The mount point in a line of mountinfo when it is a cgroup2, else NULL (proc(5)). */
static char *cgroup2_mount(char *line)
{
	char *type = strstr(line, " - "), *save = NULL, *field = NULL;

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return NULL;
	for (int i = 0; i < 5; i++)
		field = strtok_r(i ? NULL : line, " ", &save);
	if (field)
		unescape(field);
	return field;
}

int cgroup_find_root(char *path, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *mount;
	size_t room = 0;
	int ret = -ENOENT;

	if (!f)
		return -errno;
	while (ret && getline(&line, &room, f) > 0) {
		mount = cgroup2_mount(line);
		if (!mount || strlen(mount) >= size)
			continue;
		ret = access(mount, W_OK) ? -EROFS : 0;
		if (!ret)
			strcpy(path, mount);
	}
	free(line);
	fclose(f);
	return ret;
}

int cgroup_check(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs))
		return -errno;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? 0 : -EINVAL;
}

static int make_below(char *path)
{
	char *slash;
	int ret = cgroup_check(path);

	if (ret != -ENOENT)
		return ret;
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return -EINVAL;
	*slash = '\0';
	ret = make_below(path);
	*slash = '/';
	if (ret)
		return ret;
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

int cgroup_make(const char *path)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, len + 1);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	return make_below(copy);
}

int cgroup_each_child(const char *path, int (*f)(void *data, const char *name), void *data)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int ret = 0;

	if (!dir)
		return -errno;
	while (!ret && (e = readdir(dir)))
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ret = f(data, e->d_name);
	closedir(dir);
	return ret;
}

/* The path of `name` in `path`: 0 or -ENAMETOOLONG. */
static int join(char *buf, size_t size, const char *path, const char *name)
{
	int n = snprintf(buf, size, "%s/%s", path, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

struct pid_walk {
	const char *path;
	int (*f)(void *data, pid_t pid);
	void *data;
};

static int walk_child_pids(void *data, const char *name)
{
	struct pid_walk *w = data;
	char path[PATH_MAX];
	int ret = join(path, sizeof(path), w->path, name);

	if (!ret)
		ret = cgroup_each_pid(path, w->f, w->data);
	return ret == -ENOENT ? 0 : ret;	/* a group may go at any time */
}

int cgroup_each_pid(const char *path, int (*f)(void *data, pid_t pid), void *data)
{
	struct pid_walk w = { path, f, data };
	char file[PATH_MAX];
	FILE *in;
	int pid, ret = join(file, sizeof(file), path, "cgroup.procs");

	if (ret)
		return ret;
	in = fopen(file, "re");
	if (!in)
		return -errno;
	while (!ret && fscanf(in, "%d", &pid) == 1)
		if (pid > 0)	/* 0: of an outer pid namespace */
			ret = f(data, pid);
	fclose(in);
	return ret ? ret : cgroup_each_child(path, walk_child_pids, &w);
}

int cgroup_kill_all(const char *path)
{
	char file[PATH_MAX];
	int fd, ret = join(file, sizeof(file), path, "cgroup.kill");

	if (!ret)
		ret = cgroup_check(path);
	if (ret)
		return ret;
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	ret = write(fd, "1", 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}

int cgroup_is_populated(const char *path)
{
	char file[PATH_MAX], text[256];
	const char *found;
	ssize_t n;
	int fd, ret = join(file, sizeof(file), path, "cgroup.events");

	if (ret)
		return ret;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	ret = n < 0 ? -errno : -EINVAL;
	close(fd);
	if (n < 0)
		return ret;
	text[n] = '\0';
	found = strstr(text, "populated ");
	return found ? found[strlen("populated ")] == '1' : ret;
}

static int remove_child(void *data, const char *name)
{
	char path[PATH_MAX];
	int ret = join(path, sizeof(path), data, name);

	return ret ? ret : cgroup_remove_all(path);
}

int cgroup_remove_all(const char *path)
{
	char copy[PATH_MAX];
	int ret = cgroup_check(path);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	ret = cgroup_each_child(path, remove_child, copy);
	if (ret && ret != -ENOENT)
		return ret;
	return rmdir(path) && errno != ENOENT ? -errno : 0;
}
