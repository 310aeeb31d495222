/* Starts a switch: from nothing, from a pinned plane, or from one with another program. */
#include "switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void know(struct nve_switch *sw, uint32_t id)
{
	if (sw->known.n < NVE_KNOWN)
		sw->known.ids[sw->known.n++] = id;
}

static int open_tables(struct nve_switch *sw, struct nve_plane *p, struct nve_tables **out, struct nve_error *e)
{
	int ret = nve_tables_new(p->desc, &nve_store_plane_ops, p, out, e);

	if (!ret && p == sw->plane)
		know(sw, p->prog_id);
	return ret;
}

/* Loads the program into sw->plane with its default and const entries. Takes d. */
static int load(struct nve_switch *sw, struct nve_desc *d, const char *object, struct nve_error *e)
{
	int ret = nve_plane_load(d, object, sw->log, &sw->plane, e);

	if (!ret)
		ret = open_tables(sw, sw->plane, &sw->tables, e);
	if (!ret)
		ret = nve_tables_preset(sw->tables, e);
	return ret;
}

static int pin(struct nve_switch *sw, char path[NVE_PATH], struct nve_error *e)
{
	int ret = nve_pins_next(sw->pins, path);

	if (ret)
		return nve_fail(e, ret, "%s: %s", sw->pins->dir, strerror(-ret));
	return nve_plane_pin(sw->plane, path, e);
}

static int start_fresh(struct nve_switch *sw, struct nve_desc *d, const char *object, struct nve_error *e)
{
	char path[NVE_PATH];
	int ret = load(sw, d, object, e);

	if (ret || !sw->pins)
		return ret;
	ret = pin(sw, path, e);
	if (!ret)
		ret = nve_pins_commit(sw->pins, path, e);
	if (!ret)
		ret = nve_pins_sweep(sw->pins, e);
	return ret;
}

/* Everything is in place behind the new program before the first filter changes, and "current" moves when the last has. */
static int exchange(struct nve_switch *sw, struct nve_plane *old, struct nve_desc *d, const char *object,
		    struct nve_error *e)
{
	struct nve_tables *from = NULL;
	char path[NVE_PATH];
	uint32_t lost = 0;
	int ret;

	ret = load(sw, d, object, e);
	if (!ret)
		ret = open_tables(sw, old, &from, e);
	if (!ret)
		ret = nve_tables_take(sw->tables, from, &lost, e);
	if (!ret)
		ret = pin(sw, path, e);
	if (!ret)
		ret = nve_ports_adopt(sw->plane, old, &sw->known, sw->log, e);
	if (!ret)
		ret = nve_pins_commit(sw->pins, path, e);
	nve_tables_free(from);
	if (ret)
		return ret;
	if (lost)
		nve_log(sw->log, NVE_LOG_WARN, "%u entries do not fit the new program and were dropped", lost);
	nve_log(sw->log, NVE_LOG_INFO, "program %u took the place of program %u", sw->plane->prog_id, old->prog_id);
	return nve_pins_sweep(sw->pins, e);
}

static int adopt(struct nve_switch *sw, struct nve_plane *old, struct nve_error *e)
{
	int ret;

	sw->plane = old;
	ret = open_tables(sw, old, &sw->tables, e);
	if (!ret)
		ret = nve_ports_adopt(old, NULL, &sw->known, sw->log, e);
	if (!ret)
		ret = nve_pins_sweep(sw->pins, e);
	if (!ret)
		nve_log(sw->log, NVE_LOG_INFO, "adopted the pinned program %u", old->prog_id);
	return ret;
}

static bool same_program(const struct nve_plane *old, const struct nve_plane_state *s, const struct nve_desc *d,
			 const char *digest)
{
	return strcmp(s->object, digest) == 0 && old->desc->text_len == d->text_len &&
	       memcmp(old->desc->text, d->text, d->text_len) == 0;
}

/* Takes d. */
static int start_pinned(struct nve_switch *sw, struct nve_desc *d, const char *object, const char *path,
			struct nve_error *e)
{
	struct nve_plane_state s;
	struct nve_plane *old;
	char digest[65];
	int ret;

	ret = nve_plane_open(path, &old, e);
	if (ret) {
		nve_desc_free(d);
		return ret;
	}
	ret = nve_plane_get_state(old, &s, e);
	if (!ret)
		ret = nve_plane_check_netns(old, e);
	if (!ret)
		ret = nve_plane_digest(object, digest, e);
	if (!ret && same_program(old, &s, d, digest)) {
		nve_desc_free(d);
		return adopt(sw, old, e);
	}
	if (ret)
		nve_desc_free(d);
	else
		ret = exchange(sw, old, d, object, e);
	nve_plane_free(old);
	return ret;
}

static void switch_free(struct nve_switch *sw)
{
	nve_tables_free(sw->tables);
	nve_plane_free(sw->plane);
	nve_pins_close(sw->pins);
	free(sw);
}

int nve_switch_start(struct nve_desc *d, const char *objects, const char *pin_dir, const struct nve_log *log,
		     struct nve_switch **out, struct nve_error *e)
{
	struct nve_switch *sw = calloc(1, sizeof(*sw));
	char object[NVE_PATH], path[NVE_PATH];
	int ret = nve_fail(e, -ENOMEM, "out of memory");

	if (sw) {
		sw->log = log;
		ret = nve_tables_check(d, e);
	}
	if (!ret)
		ret = nve_plane_object(d, objects, object, sizeof(object), e);
	if (!ret && pin_dir)
		ret = nve_pins_open(pin_dir, true, &sw->pins, e);
	if (ret) {
		nve_desc_free(d);
		goto out;
	}
	if (sw->pins)
		sw->known.n = nve_pins_programs(sw->pins, sw->known.ids, NVE_KNOWN - 1);
	sw->adopted = sw->pins && !nve_pins_current(sw->pins, path);
	if (sw->adopted)
		ret = start_pinned(sw, d, object, path, e);
	else
		ret = start_fresh(sw, d, object, e);
out:
	if (!ret)
		*out = sw;
	else if (sw)
		switch_free(sw);
	return ret;
}

void nve_switch_stop(struct nve_switch *sw, bool keep)
{
	struct nve_error e;

	if (!sw)
		return;
	if (!keep || !sw->pins) {
		nve_ports_detach(sw->plane, &sw->known, sw->log);
		if (sw->pins && nve_pins_remove(sw->pins, &e))
			nve_log(sw->log, NVE_LOG_ERROR, "%s", e.text);
	}
	switch_free(sw);
}

int nve_switch_remove(const char *pin_dir, const struct nve_log *log, struct nve_error *e)
{
	struct nve_pins *pins = NULL;
	struct nve_plane *p = NULL;
	struct nve_known known;
	char path[NVE_PATH];
	int ret = nve_pins_open(pin_dir, false, &pins, e);

	if (ret == -ENOENT)
		return 0;
	if (ret)
		return ret;
	known.n = nve_pins_programs(pins, known.ids, NVE_KNOWN);
	if (!nve_pins_current(pins, path)) {
		ret = nve_plane_open(path, &p, e);
		if (!ret && nve_plane_check_netns(p, NULL)) {
			nve_log(log, NVE_LOG_WARN, "the data plane is of another network namespace: its filters stay there and let every frame pass");
			nve_ports_release(p);
		} else if (!ret) {
			nve_ports_detach(p, &known, log);
		}
		if (ret)
			nve_log(log, NVE_LOG_WARN, "%s: filters, if any, stay", e ? e->text : path);
	}
	nve_plane_free(p);
	ret = nve_pins_remove(pins, e);
	nve_pins_close(pins);
	return ret;
}
