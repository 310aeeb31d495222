/* Loads a program's object and makes the maps of a data plane. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plane_private.h"

#define LOG_SIZE (1u << 20)
#define PROGRAM "nerv_ingress"

int nve_plane_object(const struct nve_desc *d, const char *dir, char *path, unsigned long size, struct nve_error *e)
{
	const char *s;

	for (s = d->program; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			break;
	if (*s || !*d->program)
		return nve_fail(e, -EINVAL, "description: the program name '%s' has other characters than A-Z a-z 0-9 _ -", d->program);
	if ((unsigned long)snprintf(path, size, "%s/%s.bpf.o", dir, d->program) >= size)
		return nve_fail(e, -ENAMETOOLONG, "%s/%s.bpf.o: the name is too long", dir, d->program);
	if (access(path, R_OK))
		return nve_fail(e, -errno, "no program for this description: %s: %s", path, strerror(errno));
	return 0;
}

int nve_plane_digest(const char *path, char out[65], struct nve_error *e)
{
	GError *err = NULL;
	gchar *data = NULL, *sum;
	gsize len;

	if (!g_file_get_contents(path, &data, &len, &err)) {
		nve_fail(e, -EIO, "%s", err->message);
		g_error_free(err);
		return -EIO;
	}
	sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)data, len);
	memcpy(out, sum, 64);
	out[64] = '\0';
	g_free(sum);
	g_free(data);
	return 0;
}

/* Before loading: the object's map must be as the description wants it; its size is set. */
static int prepare_map(void *arg, const struct nve_map *m, struct nve_error *e)
{
	struct bpf_map *map;

	if (!m->in_object)
		return 0;
	map = bpf_object__find_map_by_name(arg, m->symbol);
	if (!map)
		return nve_fail(e, -EINVAL, "the program does not fit its description: it has no map '%s'", m->symbol);
	if (bpf_map__type(map) != m->type)
		return nve_fail(e, -EINVAL, "the program does not fit its description: map '%s' is of type %d, not %u", m->symbol,
				bpf_map__type(map), m->type);
	if (bpf_map__key_size(map) != m->key_bytes || bpf_map__value_size(map) != m->value_bytes)
		return nve_fail(e, -EINVAL, "the program does not fit its description: map '%s' has keys "
				"and values of %u and %u bytes, not %u and %u",
				m->symbol, bpf_map__key_size(map), bpf_map__value_size(map), m->key_bytes, m->value_bytes);
	if (bpf_map__set_max_entries(map, m->max_entries))
		return nve_fail(e, -EINVAL, "map '%s' cannot have %u entries", m->symbol, m->max_entries);
	return 0;
}

static int keep_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* After loading: a descriptor of our own for each map; those of user space are made here. */
static int take_map(void *arg, const struct nve_map *m, struct nve_error *e)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = m->flags);

	if (m->in_object)
		*m->fd = keep_fd(bpf_map__fd(bpf_object__find_map_by_name(arg, m->symbol)));
	else
		*m->fd = bpf_map_create(m->type, m->symbol, m->key_bytes, m->value_bytes, m->max_entries, &opts);
	if (*m->fd < 0)
		return nve_fail(e, -errno, "map '%s': %s", m->symbol, strerror(errno));
	return 0;
}

static int fill_state(struct nve_plane *p, const char *object, struct nve_error *e)
{
	struct nve_plane_state s = { .layout = NVE_PLANE_LAYOUT };
	uint32_t zero = 0;
	struct stat st;
	int ret;

	ret = nve_plane_digest(object, s.object, e);
	if (ret)
		return ret;
	if (stat("/proc/self/ns/net", &st))
		return nve_fail(e, -errno, "/proc/self/ns/net: %s", strerror(errno));
	s.netns_dev = st.st_dev;
	s.netns_ino = st.st_ino;
	if (bpf_map_update_elem(p->state, &zero, &s, BPF_ANY) ||
	    bpf_map_update_elem(p->text, &zero, p->desc->text, BPF_ANY))
		return nve_fail(e, -errno, "state of the data plane: %s", strerror(errno));
	return 0;
}

/* What the verifier said last, without the statistics that follow it. */
static void verifier_tail(const char *log, char *out, size_t size)
{
	const char *end = strstr(log, "\nprocessed "), *p;
	int lines = 0;

	end = end ? end : log + strlen(log);
	for (p = end; p > log && (size_t)(end - p) < size - 1; p--)
		if (p[-1] == '\n' && p != end && ++lines == 3)
			break;
	snprintf(out, size, "%.*s", (int)(end - p), p);
	for (; *out; out++)
		if (*out == '\n')
			*out = ' ';
}

/* Loads once without a log; only a refused program is loaded again to hear why. */
static int load_object(struct nve_plane *p, const char *path, char *log, struct bpf_object **out, struct nve_error *e)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = log, .kernel_log_size = log ? LOG_SIZE : 0,
		    .kernel_log_level = log ? 1 : 0);
	struct bpf_object *obj = bpf_object__open_file(path, &opts);
	int ret = libbpf_get_error(obj) ? -errno : 0;

	if (ret)
		return nve_fail(e, ret, "%s: is no object for the kernel: %s", path, strerror(-ret));
	if (!bpf_object__find_program_by_name(obj, PROGRAM))
		ret = nve_fail(e, -EINVAL, "%s: has no function %s", path, PROGRAM);
	if (!ret)
		ret = nve_plane_each(p, prepare_map, obj, e);
	if (!ret) {
		ret = bpf_object__load(obj);
		if (ret)
			nve_fail(e, ret, "%s: the kernel refused it: %s", path, strerror(-ret));
	}
	if (ret)
		bpf_object__close(obj);
	else
		*out = obj;
	return ret;
}

static int load_or_explain(struct nve_plane *p, const char *path, struct bpf_object **out, struct nve_error *e)
{
	char tail[200], *log;
	int ret = load_object(p, path, NULL, out, e);

	if (ret != -EACCES && ret != -EINVAL && ret != -E2BIG)
		return ret;
	log = calloc(1, LOG_SIZE);
	if (!log)
		return ret;
	ret = load_object(p, path, log, out, e);
	if (ret && *log) {
		verifier_tail(log, tail, sizeof(tail));
		nve_fail(e, ret, "%s: the kernel refused it: %s", path, tail);
	}
	free(log);
	return ret;
}

int nve_plane_load(struct nve_desc *d, const char *object, const struct nve_log *log, struct nve_plane **out,
		   struct nve_error *e)
{
	struct bpf_object *obj = NULL;
	struct nve_plane *p = NULL;
	int ret = nve_plane_new(d, &p, e);

	if (ret) {
		nve_desc_free(d);
		return ret;
	}
	ret = load_or_explain(p, object, &obj, e);
	if (!ret)
		ret = nve_plane_each(p, take_map, obj, e);
	if (!ret) {
		p->prog = keep_fd(bpf_program__fd(bpf_object__find_program_by_name(obj, PROGRAM)));
		ret = p->prog < 0 ? nve_fail(e, -errno, "%s: %s", object, strerror(errno)) : nve_plane_ready(p, e);
	}
	if (!ret)
		ret = fill_state(p, object, e);
	bpf_object__close(obj);
	if (ret) {
		nve_plane_free(p);
		return ret;
	}
	nve_log(log, NVE_LOG_DEBUG, "loaded %s as program %u", object, p->prog_id);
	*out = p;
	return 0;
}
