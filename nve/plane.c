/* The maps of a data plane: names, sizes, life. */
#include "plane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pack.h"
#include "plane_private.h"

#define NAME_PART 40

static void make_symbol(char *out, enum nve_map_kind kind, uint32_t id, const char *name)
{
	int i;

	i = snprintf(out, NVE_SYMBOL, "%c%u_%.*s", (char)kind, id, NAME_PART, name);
	for (; i >= 0 && *out; out++)
		if (!isalnum((unsigned char)*out))
			*out = '_';
}

static size_t words_bytes(const struct nve_table *t)
{
	return ((size_t)t->max_size + 1) / 2 * 8;
}

static int one(nve_map_fn fn, void *arg, enum nve_map_kind kind, uint32_t id, const char *name, int *fd, uint32_t type,
	       uint32_t key_bytes, uint32_t value_bytes, uint32_t entries, struct nve_error *e)
{
	struct nve_map m = {
		.kind = kind, .fd = fd, .type = type, .key_bytes = key_bytes, .value_bytes = value_bytes,
		.max_entries = entries, .in_object = kind != NVE_MAP_MARKS,
		.flags = kind == NVE_MAP_MARKS ? BPF_F_MMAPABLE : 0,
	};

	make_symbol(m.symbol, kind, id, name);
	return fn(arg, &m, e);
}

static int each_of_table(struct nve_plane *p, unsigned int i, nve_map_fn fn, void *arg, struct nve_error *e)
{
	const struct nve_table *t = &p->desc->tables[i];
	struct nve_plane_table *pt = &p->tables[i];
	uint32_t value = nve_value_bytes(p->desc, t);
	int ret;

	ret = one(fn, arg, NVE_MAP_DEFAULT, t->id, t->name, &pt->def, BPF_MAP_TYPE_ARRAY, 4, value, 1, e);
	if (ret || !t->n_keys)
		return ret;
	ret = one(fn, arg, NVE_MAP_ENTRIES, t->id, t->name, &pt->entries, BPF_MAP_TYPE_HASH, nve_key_bytes(t), value,
		  t->max_size, e);
	if (!ret && t->with_counters)
		ret = one(fn, arg, NVE_MAP_COUNTS, t->id, t->name, &pt->counts, BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			  sizeof(struct nve_count), t->max_size, e);
	if (!ret)
		ret = one(fn, arg, NVE_MAP_MARKS, t->id, t->name, &pt->marks, BPF_MAP_TYPE_ARRAY, 4, 8,
			  (t->max_size + 1) / 2, e);	/* two words a slot: the kernel's slots are multiples of 8 bytes */
	return ret;
}

static int each_other(struct nve_plane *p, nve_map_fn fn, void *arg, struct nve_error *e)
{
	const struct nve_map others[] = {
		{ NVE_MAP_OTHER, "nerv_control", &p->control, true, BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0 },
		{ NVE_MAP_OTHER, "nerv_port_of", &p->port_of, true, BPF_MAP_TYPE_HASH, 4, 4, 1024, 0 },
		{ NVE_MAP_OTHER, "nerv_ifindex", &p->ifindex, true, BPF_MAP_TYPE_ARRAY, 4, 4, NVE_PORTS, 0 },
		{ NVE_MAP_OTHER, "nerv_state", &p->state, false, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct nve_plane_state), 1, 0 },
		{ NVE_MAP_OTHER, "nerv_ports", &p->ports, false, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct nve_port_state), NVE_PORTS, 0 },
		{ NVE_MAP_OTHER, "nerv_text", &p->text, false, BPF_MAP_TYPE_ARRAY, 4, (uint32_t)p->desc->text_len, 1, 0 },
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < sizeof(others) / sizeof(others[0]); i++)
		ret = fn(arg, &others[i], e);
	return ret;
}

int nve_plane_each(struct nve_plane *p, nve_map_fn fn, void *arg, struct nve_error *e)
{
	const struct nve_counter *c;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < p->desc->n_tables; i++)
		ret = each_of_table(p, i, fn, arg, e);
	for (i = 0; !ret && i < p->desc->n_counters; i++) {
		c = &p->desc->counters[i];
		if (!c->is_direct)
			ret = one(fn, arg, NVE_MAP_COUNTER, c->id, c->name, &p->counters[i], BPF_MAP_TYPE_PERCPU_ARRAY, 4,
				  sizeof(struct nve_count), c->size, e);
	}
	return ret ? ret : each_other(p, fn, arg, e);
}

int nve_plane_new(struct nve_desc *d, struct nve_plane **out, struct nve_error *e)
{
	struct nve_plane *p = calloc(1, sizeof(*p));
	int cpus = libbpf_num_possible_cpus();
	unsigned int i;

	if (!p)
		return nve_fail(e, -ENOMEM, "out of memory");
	p->prog = p->control = p->port_of = p->ifindex = p->state = p->ports = p->text = -1;
	p->n_cpus = cpus > 0 ? (unsigned int)cpus : 1;
	p->tables = calloc(d->n_tables + 1, sizeof(*p->tables));
	p->counters = calloc(d->n_counters + 1, sizeof(*p->counters));
	if (!p->tables || !p->counters) {
		free(p->tables);
		free(p->counters);
		free(p);
		return nve_fail(e, -ENOMEM, "out of memory");
	}
	for (i = 0; i < d->n_tables; i++)
		p->tables[i] = (struct nve_plane_table){ -1, -1, -1, -1, NULL };
	for (i = 0; i < d->n_counters; i++)
		p->counters[i] = -1;
	p->desc = d;
	*out = p;
	return 0;
}

int nve_plane_ready(struct nve_plane *p, struct nve_error *e)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	unsigned int i;
	void *mem;

	if (bpf_obj_get_info_by_fd(p->prog, &info, &len))
		return nve_fail(e, -errno, "program: %s", strerror(errno));
	p->prog_id = info.id;
	for (i = 0; i < p->desc->n_tables; i++) {
		if (p->tables[i].marks < 0)
			continue;
		mem = mmap(NULL, words_bytes(&p->desc->tables[i]), PROT_READ | PROT_WRITE, MAP_SHARED,
			   p->tables[i].marks, 0);
		if (mem == MAP_FAILED)
			return nve_fail(e, -errno, "marks of table '%s': %s", p->desc->tables[i].name, strerror(errno));
		p->tables[i].words = mem;
	}
	return 0;
}

static int close_map(void *arg, const struct nve_map *m, struct nve_error *e)
{
	(void)arg;
	(void)e;
	if (*m->fd >= 0)
		close(*m->fd);
	*m->fd = -1;
	return 0;
}

void nve_plane_free(struct nve_plane *p)
{
	unsigned int i;

	if (!p)
		return;
	for (i = 0; i < p->desc->n_tables; i++)
		if (p->tables[i].words)
			munmap(p->tables[i].words, words_bytes(&p->desc->tables[i]));
	nve_plane_each(p, close_map, NULL, NULL);
	if (p->prog >= 0)
		close(p->prog);
	nve_desc_free(p->desc);
	free(p->tables);
	free(p->counters);
	free(p);
}

int nve_plane_get_state(struct nve_plane *p, struct nve_plane_state *s, struct nve_error *e)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(p->state, &zero, s))
		return nve_fail(e, -errno, "state of the data plane: %s", strerror(errno));
	if (s->layout != NVE_PLANE_LAYOUT)
		return nve_fail(e, -EPROTO, "the pinned data plane has layout %u, this program knows %u: take it out with --remove",
				s->layout, NVE_PLANE_LAYOUT);
	return 0;
}

int nve_plane_check_netns(struct nve_plane *p, struct nve_error *e)
{
	struct nve_plane_state s;
	struct stat st;
	int ret = nve_plane_get_state(p, &s, e);

	if (ret)
		return ret;
	if (stat("/proc/self/ns/net", &st))
		return nve_fail(e, -errno, "/proc/self/ns/net: %s", strerror(errno));
	if (st.st_dev != s.netns_dev || st.st_ino != s.netns_ino)
		return nve_fail(e, -EXDEV, "the pinned data plane belongs to another network namespace (inode %llu): "
				"start there, or take it out with --remove",
				(unsigned long long)s.netns_ino);
	return 0;
}
