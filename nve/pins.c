/* Generations of a data plane in a pin directory. */
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "plane.h"

#define BPFFS 0xcafe4a11

static int check_bpffs(struct nve_pins *p, struct nve_error *e)
{
	struct statfs fs;

	if (fstatfs(p->fd, &fs))
		return nve_fail(e, -errno, "%s: %s", p->dir, strerror(errno));
	if (fs.f_type != BPFFS)
		return nve_fail(e, -EINVAL, "%s: is not in a bpffs: mount one there with 'mount -t bpf bpf DIR'", p->dir);
	if (flock(p->fd, LOCK_EX | LOCK_NB))
		return nve_fail(e, errno == EWOULDBLOCK ? -EBUSY : -errno, "%s: %s", p->dir,
				errno == EWOULDBLOCK ? "another switch is running with it" : strerror(errno));
	return 0;
}

int nve_pins_open(const char *dir, bool create, struct nve_pins **out, struct nve_error *e)
{
	struct nve_pins *p = calloc(1, sizeof(*p));
	bool made;
	int ret;

	if (!p)
		return nve_fail(e, -ENOMEM, "out of memory");
	p->fd = -1;
	ret = nve_fail(e, -ENAMETOOLONG, "%s: the name is too long", dir);
	if ((size_t)snprintf(p->dir, sizeof(p->dir), "%s", dir) >= sizeof(p->dir))
		goto out;
	made = create && mkdir(dir, 0700) == 0;
	p->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = p->fd < 0 ? nve_fail(e, -errno, "%s: %s", dir, strerror(errno)) : check_bpffs(p, e);
	if (ret && made)
		rmdir(dir);
	if (!ret) {
		*out = p;
		p = NULL;
	}
out:
	nve_pins_close(p);
	return ret;
}

void nve_pins_close(struct nve_pins *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

/* N of "gN", 0 for other names */
static unsigned int generation(const char *name)
{
	char *end;
	unsigned long n;

	if (name[0] != 'g')
		return 0;
	n = strtoul(name + 1, &end, 10);
	return *end || n > 1000000000 ? 0 : (unsigned int)n;
}

static unsigned int current(struct nve_pins *p)
{
	char name[64];
	ssize_t n = readlinkat(p->fd, "current", name, sizeof(name) - 1);

	if (n <= 0)
		return 0;
	name[n] = '\0';
	return generation(name);
}

/* Calls fn for every generation; a fresh descriptor, since a directory stream keeps its place in p->fd. */
static int each_generation(struct nve_pins *p, int (*fn)(struct nve_pins *p, unsigned int n, void *arg), void *arg)
{
	DIR *d = opendir(p->dir);
	struct dirent *en;
	unsigned int n;
	int ret = 0;

	if (!d)
		return -errno;
	while (!ret && (en = readdir(d))) {
		n = generation(en->d_name);
		if (n)
			ret = fn(p, n, arg);
	}
	closedir(d);
	return ret;
}

static void path_of(struct nve_pins *p, unsigned int n, char path[NVE_PATH])
{
	snprintf(path, NVE_PATH, "%s/g%u", p->dir, n);
}

int nve_pins_current(struct nve_pins *p, char path[NVE_PATH])
{
	unsigned int n = current(p);

	if (!n)
		return -ENOENT;
	path_of(p, n, path);
	return access(path, F_OK) ? -ENOENT : 0;
}

static int highest(struct nve_pins *p, unsigned int n, void *arg)
{
	unsigned int *top = arg;

	(void)p;
	if (n > *top)
		*top = n;
	return 0;
}

int nve_pins_next(struct nve_pins *p, char path[NVE_PATH])
{
	unsigned int top = current(p);
	int ret = each_generation(p, highest, &top);

	if (!ret)
		path_of(p, top + 1, path);
	return ret;
}

int nve_pins_commit(struct nve_pins *p, const char *path, struct nve_error *e)
{
	const char *name = strrchr(path, '/') + 1;

	unlinkat(p->fd, "next", 0);
	if (symlinkat(name, p->fd, "next") || renameat(p->fd, "next", p->fd, "current"))
		return nve_fail(e, -errno, "%s/current: %s", p->dir, strerror(errno));
	return 0;
}

struct program_list {
	uint32_t *ids;
	unsigned int n, max;
};

static int note_program(struct nve_pins *p, unsigned int n, void *arg)
{
	struct program_list *l = arg;
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	char path[NVE_PATH + 16];
	int fd;

	path_of(p, n, path);
	strcat(path, "/program");
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (l->n < l->max && !bpf_obj_get_info_by_fd(fd, &info, &len))
		l->ids[l->n++] = info.id;
	close(fd);
	return 0;
}

unsigned int nve_pins_programs(struct nve_pins *p, uint32_t *ids, unsigned int max)
{
	struct program_list l = { ids, 0, max };

	each_generation(p, note_program, &l);
	return l.n;
}

struct sweep {
	unsigned int keep;
	struct nve_error *e;
};

static int sweep_one(struct nve_pins *p, unsigned int n, void *arg)
{
	struct sweep *s = arg;
	char path[NVE_PATH];

	if (n == s->keep)
		return 0;
	path_of(p, n, path);
	return nve_plane_unpin(path, s->e);
}

int nve_pins_sweep(struct nve_pins *p, struct nve_error *e)
{
	struct sweep s = { current(p), e };

	return each_generation(p, sweep_one, &s);
}

int nve_pins_remove(struct nve_pins *p, struct nve_error *e)
{
	struct sweep s = { 0, e };
	int ret;

	unlinkat(p->fd, "current", 0);
	unlinkat(p->fd, "next", 0);
	ret = each_generation(p, sweep_one, &s);
	if (!ret && rmdir(p->dir))
		ret = nve_fail(e, -errno, "%s: %s", p->dir, strerror(errno));
	return ret;
}
