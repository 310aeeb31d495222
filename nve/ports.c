/* Ports in the maps of a plane and at the tc hooks of interfaces. */
#include "ports.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "tc.h"

static int port_fail(struct nve_error *e, const char *iface, const char *why)
{
	return nve_fail_code(e, NVE_KIND_PORT, NVE_PORT_ERROR, "interface '%s': %s", iface, why);
}

static void get_state(struct nve_plane *p, uint32_t number, struct nve_port_state *s)
{
	if (bpf_map_lookup_elem(p->ports, &number, s))
		memset(s, 0, sizeof(*s));
}

static int put_state(struct nve_plane *p, uint32_t number, const struct nve_port_state *s)
{
	return bpf_map_update_elem(p->ports, &number, s, BPF_ANY) ? -errno : 0;
}

/* Both directions for the data plane, then the state: a crash between leaves a port that works and can be added again. */
static int bind_port(struct nve_plane *p, uint32_t number, const struct nve_port_state *s)
{
	if (bpf_map_update_elem(p->ifindex, &number, &s->ifindex, BPF_ANY) ||
	    bpf_map_update_elem(p->port_of, &s->ifindex, &number, BPF_ANY))
		return -errno;
	return put_state(p, number, s);
}

static void unbind_port(struct nve_plane *p, uint32_t number, uint32_t ifindex)
{
	struct nve_port_state none = { 0 };
	uint32_t zero = 0;

	bpf_map_update_elem(p->ifindex, &number, &zero, BPF_ANY);
	if (ifindex)
		bpf_map_delete_elem(p->port_of, &ifindex);
	put_state(p, number, &none);
}

/* The interface's present name; false when it is gone. */
static bool present_name(const struct nve_port_state *s, char name[IF_NAMESIZE])
{
	return if_indextoname(s->ifindex, name) != NULL;
}

static void forget(struct nve_plane *p, const struct nve_log *log, uint32_t number, const struct nve_port_state *s)
{
	nve_log(log, NVE_LOG_WARN, "port %u: its interface '%s' (%u) is gone: port removed", number, s->name, s->ifindex);
	unbind_port(p, number, s->ifindex);
}

/* State of a port that is there; one whose interface has vanished is forgotten here. */
static bool live_port(struct nve_plane *p, const struct nve_log *log, uint32_t number, struct nve_port_state *s,
		      char name[IF_NAMESIZE])
{
	get_state(p, number, s);
	if (!s->ifindex)
		return false;
	if (present_name(s, name))
		return true;
	forget(p, log, number, s);
	return false;
}

static int attach(struct nve_plane *p, const struct nve_known *known, uint32_t number, struct nve_port_state *s,
		  struct nve_error *e)
{
	bool made = false, changed = false;
	int ret;

	ret = nve_tc_qdisc(s->ifindex, &made, e);
	if (ret)
		return ret;
	if (made) {
		s->flags |= NVE_PORT_CLSACT;
		put_state(p, number, s);
	}
	ret = nve_link_promisc(s->name, true, &changed, e);
	if (changed) {
		s->flags |= NVE_PORT_PROMISC;
		put_state(p, number, s);
	}
	return ret ? ret : nve_tc_attach(s->ifindex, p->prog, known->ids, known->n, e);
}

static int detach(const struct nve_known *known, const struct nve_port_state *s, const char *name, struct nve_error *e)
{
	bool changed;

	if (s->flags & NVE_PORT_PROMISC)
		nve_link_promisc(name, false, &changed, NULL);
	return nve_tc_detach(s->ifindex, known->ids, known->n, s->flags & NVE_PORT_CLSACT, e);
}

/* The number that the interface has already; a binding with no state is what a crash left. */
static bool number_of(struct nve_plane *p, uint32_t ifindex, uint32_t *number)
{
	struct nve_port_state s;

	if (bpf_map_lookup_elem(p->port_of, &ifindex, number))
		return false;
	get_state(p, *number, &s);
	return s.ifindex == ifindex;
}

int nve_port_add(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log, const char *iface,
		 int64_t number, struct nve_error *e)
{
	struct nve_port_state s, old;
	struct nve_error why;
	char name[IF_NAMESIZE];
	uint32_t nr = (uint32_t)number, other;
	int ret;

	iface = iface ? iface : "";
	if (number < 0 || number >= NVE_PORTS)
		return nve_fail_code(e, NVE_KIND_PORT, NVE_PORT_ERROR, "port %lld: ports are 0 to %u", (long long)number, NVE_PORTS - 1);
	s = (struct nve_port_state){ .ifindex = if_nametoindex(iface) };
	if (!s.ifindex)
		return port_fail(e, iface, strerror(errno));
	strncpy(s.name, iface, sizeof(s.name) - 1);
	if (live_port(p, log, nr, &old, name)) {
		if (old.ifindex == s.ifindex)
			return 0;
		return nve_fail_code(e, NVE_KIND_PORT, NVE_PORT_ERROR, "port %u is interface '%s' already", nr, name);
	}
	if (number_of(p, s.ifindex, &other) && other != nr)
		return nve_fail_code(e, NVE_KIND_PORT, NVE_PORT_ERROR, "interface '%s' is port %u already", iface, other);
	ret = bind_port(p, nr, &s);
	if (ret)
		return port_fail(e, iface, strerror(-ret));
	ret = attach(p, known, nr, &s, &why);
	if (ret) {
		detach(known, &s, iface, NULL);
		unbind_port(p, nr, s.ifindex);
		return port_fail(e, iface, why.text);
	}
	nve_log(log, NVE_LOG_INFO, "port %u: interface '%s' added", nr, iface);
	return 0;
}

int nve_port_remove(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log, int64_t number,
		    struct nve_error *e)
{
	struct nve_port_state s = { 0 };
	struct nve_error why;
	char name[IF_NAMESIZE];
	uint32_t nr = (uint32_t)number;
	int ret;

	if (number >= 0 && number < NVE_PORTS)
		get_state(p, nr, &s);
	if (!s.ifindex)
		return nve_fail_code(e, NVE_KIND_PORT, NVE_PORT_ERROR, "there is no port %lld", (long long)number);
	if (!present_name(&s, name)) {
		forget(p, log, nr, &s);
		return 0;
	}
	ret = detach(known, &s, name, &why);
	if (ret)
		return port_fail(e, name, why.text);
	unbind_port(p, nr, s.ifindex);
	nve_log(log, NVE_LOG_INFO, "port %u: interface '%s' removed", nr, name);
	return 0;
}

int nve_port_walk(struct nve_plane *p, const struct nve_log *log, nve_port_fn fn, void *arg)
{
	struct nve_port_state s;
	struct nve_port port;
	int ret = 0;

	for (port.number = 0; !ret && port.number < NVE_PORTS; port.number++) {
		if (!live_port(p, log, port.number, &s, port.name))
			continue;
		port.up = nve_link_running(port.name);
		ret = fn(arg, &port);
	}
	return ret;
}

static int adopt_port(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log, uint32_t number,
		      struct nve_port_state *s, struct nve_error *e)
{
	struct nve_error why;
	char name[IF_NAMESIZE];
	int ret;

	/* The number of a vanished interface may have been given to a new one: then neither filter nor name are ours. */
	if (!present_name(s, name) || (strcmp(name, s->name) && !nve_tc_attached(s->ifindex, known->ids, known->n))) {
		forget(p, log, number, s);
		return 0;
	}
	memcpy(s->name, name, sizeof(s->name));
	ret = bind_port(p, number, s);
	if (ret)
		return nve_fail(e, ret, "port %u: interface '%s': %s", number, name, strerror(-ret));
	if (nve_tc_attached(s->ifindex, &p->prog_id, 1))
		return 0;
	if (!nve_tc_attached(s->ifindex, known->ids, known->n))
		nve_log(log, NVE_LOG_WARN, "port %u: interface '%s' had lost its filter: attached again", number, name);
	ret = attach(p, known, number, s, &why);
	if (ret)
		return nve_fail(e, ret, "port %u: interface '%s': %s", number, name, why.text);
	return 0;
}

int nve_ports_adopt(struct nve_plane *p, struct nve_plane *from, const struct nve_known *known, const struct nve_log *log,
		    struct nve_error *e)
{
	struct nve_port_state s;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < NVE_PORTS && from; i++) {
		get_state(from, i, &s);
		if (s.ifindex && bind_port(p, i, &s))
			return nve_fail(e, -errno, "port %u: %s", i, strerror(errno));
	}
	for (i = 0; !ret && i < NVE_PORTS; i++) {
		get_state(p, i, &s);
		if (s.ifindex)
			ret = adopt_port(p, known, log, i, &s, e);
	}
	return ret;
}

void nve_ports_release(struct nve_plane *p)
{
	struct nve_port_state s;
	uint32_t i;

	for (i = 0; i < NVE_PORTS; i++) {
		get_state(p, i, &s);
		if (s.ifindex)
			unbind_port(p, i, s.ifindex);
	}
}

void nve_ports_detach(struct nve_plane *p, const struct nve_known *known, const struct nve_log *log)
{
	struct nve_port_state s;
	struct nve_error why;
	char name[IF_NAMESIZE];
	uint32_t i;

	for (i = 0; i < NVE_PORTS; i++) {
		get_state(p, i, &s);
		if (!s.ifindex)
			continue;
		if (present_name(&s, name) && detach(known, &s, name, &why))
			nve_log(log, NVE_LOG_ERROR, "port %u: interface '%s': %s", i, name, why.text);
		unbind_port(p, i, s.ifindex);
	}
}
