/* Data planes as directories of a bpffs. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plane_private.h"

#define PROGRAM "program"

static int pin_fd(int fd, const char *dir, const char *name, struct nve_error *e)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return nve_fail(e, -ENAMETOOLONG, "%s/%s: the name is too long", dir, name);
	if (bpf_obj_pin(fd, path))
		return nve_fail(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int pin_map(void *arg, const struct nve_map *m, struct nve_error *e)
{
	return pin_fd(*m->fd, arg, m->symbol, e);
}

int nve_plane_pin(struct nve_plane *p, const char *dir, struct nve_error *e)
{
	char copy[4096];
	int ret;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", dir) >= sizeof(copy))
		return nve_fail(e, -ENAMETOOLONG, "%s: the name is too long", dir);
	if (mkdir(dir, 0700))
		return nve_fail(e, -errno, "%s: %s", dir, strerror(errno));
	ret = nve_plane_each(p, pin_map, copy, e);
	if (!ret)
		ret = pin_fd(p->prog, dir, PROGRAM, e);
	if (ret)
		nve_plane_unpin(dir, NULL);
	return ret;
}

int nve_plane_unpin(const char *dir, struct nve_error *e)
{
	struct dirent *en;
	int ret = 0;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : nve_fail(e, -errno, "%s: %s", dir, strerror(errno));
	while ((en = readdir(d))) {
		if (strcmp(en->d_name, ".") == 0 || strcmp(en->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), en->d_name, 0) && !ret)
			ret = nve_fail(e, -errno, "%s/%s: %s", dir, en->d_name, strerror(errno));
	}
	closedir(d);
	if (!ret && rmdir(dir))
		ret = nve_fail(e, -errno, "%s: %s", dir, strerror(errno));
	return ret;
}

static int open_fd(const char *dir, const char *name, int *fd, struct nve_error *e)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return nve_fail(e, -ENAMETOOLONG, "%s/%s: the name is too long", dir, name);
	*fd = bpf_obj_get(path);
	if (*fd < 0)
		return nve_fail(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int open_map(void *arg, const struct nve_map *m, struct nve_error *e)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int ret = open_fd(arg, m->symbol, m->fd, e);

	if (ret)
		return ret;
	if (bpf_obj_get_info_by_fd(*m->fd, &info, &len))
		return nve_fail(e, -errno, "%s: %s", m->symbol, strerror(errno));
	if (info.type != m->type || info.key_size != m->key_bytes || info.value_size != m->value_bytes ||
	    info.max_entries != m->max_entries)
		return nve_fail(e, -EPROTO, "%s/%s: is not the map that its description wants: take the data plane out with --remove",
				(const char *)arg, m->symbol);
	return 0;
}

/* The description that the plane was loaded with. */
static int read_text(const char *dir, struct nve_desc **out, struct nve_error *e)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info), zero = 0;
	char *text = NULL;
	int fd = -1, ret;

	ret = open_fd(dir, "nerv_text", &fd, e);
	if (ret)
		return ret;
	ret = -ENOMEM;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		text = calloc(1, info.value_size + 1);
	if (!text)
		nve_fail(e, ret, "%s/nerv_text: no memory", dir);
	else if (bpf_map_lookup_elem(fd, &zero, text))
		ret = nve_fail(e, -errno, "%s/nerv_text: %s", dir, strerror(errno));
	else
		ret = nve_desc_parse(text, info.value_size, out, e);
	free(text);
	close(fd);
	return ret;
}

int nve_plane_open(const char *dir, struct nve_plane **out, struct nve_error *e)
{
	struct nve_desc *d = NULL;
	struct nve_plane *p = NULL;
	char copy[4096];
	int ret;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", dir) >= sizeof(copy))
		return nve_fail(e, -ENAMETOOLONG, "%s: the name is too long", dir);
	ret = read_text(dir, &d, e);
	if (ret)
		return ret;
	ret = nve_plane_new(d, &p, e);
	if (ret) {
		nve_desc_free(d);
		return ret;
	}
	ret = nve_plane_each(p, open_map, copy, e);
	if (!ret)
		ret = open_fd(dir, PROGRAM, &p->prog, e);
	if (!ret)
		ret = nve_plane_ready(p, e);
	if (ret)
		nve_plane_free(p);
	else
		*out = p;
	return ret;
}
