/* nerv-nve: a P4 switch whose data plane is eBPF at the tc hook of its ports. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "thrift_server.h"

#ifndef NERV_VERSION
#define NERV_VERSION "unversioned"
#endif

#define DEFAULT_PORT 9090

struct options {
	const char *description, *address, *socket, *pin, *objects;
	const char *ports[NVE_PORTS];
	unsigned int n_ports;
	int thrift_port;		/* -1: not given */
	int64_t device_id;
	bool remove;
};

static const char usage[] =
	"usage: nerv-nve [options] DESCRIPTION.json\n"
	"       nerv-nve --remove --pin DIR\n"
	"  -i, --interface PORT@IFACE  attach an interface as port 0 to 510 (repeat for more)\n"
	"      --thrift-port N         serve Thrift on TCP port N (default 9090, unless --thrift-socket is given)\n"
	"      --thrift-addr A         address of that port (default 127.0.0.1)\n"
	"      --thrift-socket PATH    serve Thrift on a Unix socket\n"
	"      --pin DIR               keep the data plane in DIR of a bpffs: it outlives this process, and the next adopts it\n"
	"      --remove                take out the data plane in --pin DIR, and exit\n"
	"      --objects DIR           where PROGRAM.bpf.o is (default: p4/ beside this program)\n"
	"      --device-id N           device id that bm_mgmt_get_info shows (default 0)\n"
	"      --log-level L           error, warn, info (default) or debug\n"
	"      --version, --help       show the version, or this, and exit\n";

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static void put_log(enum nve_level level, const char *text)
{
	fprintf(stderr, "nerv-nve: %s: %s\n", level_names[level], text);
}

static struct nve_log the_log = { NVE_LOG_INFO, put_log };

/* Our own errors say what failed; what libbpf and the kernel say beside is for debugging. */
static int put_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[512];

	if (level == LIBBPF_DEBUG || the_log.level < NVE_LOG_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	nve_log(&the_log, NVE_LOG_DEBUG, "%s", text);
	return 0;
}

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "nerv-nve: %s '%s' (see --help)\n", what, value);
	return 2;
}

static int parse_number(const char *s, long long max, long long *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 0);
	return !*s || *end || errno || *out < 0 || *out > max ? -EINVAL : 0;
}

static int parse_level(const char *s)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (strcmp(s, level_names[i]) == 0) {
			the_log.level = (enum nve_level)i;
			return 0;
		}
	}
	return wrong("--log-level is error, warn, info or debug, not", s);
}

enum { OPT_PORT = 256, OPT_ADDR, OPT_SOCKET, OPT_PIN, OPT_REMOVE, OPT_OBJECTS, OPT_DEVICE, OPT_LEVEL, OPT_VERSION };

static int parse_option(struct options *o, int opt, const char *arg)
{
	long long n;

	switch (opt) {
	case 'i':
		if (o->n_ports == NVE_PORTS)
			return wrong("too many ports at", arg);
		o->ports[o->n_ports++] = arg;
		return 0;
	case OPT_PORT:
		if (parse_number(arg, 65535, &n))
			return wrong("--thrift-port is a number to 65535, not", arg);
		o->thrift_port = (int)n;
		return 0;
	case OPT_DEVICE:
		if (parse_number(arg, LLONG_MAX, &n))
			return wrong("--device-id is a number, not", arg);
		o->device_id = n;
		return 0;
	case OPT_ADDR:
		o->address = arg;
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_PIN:
		o->pin = arg;
		return 0;
	case OPT_REMOVE:
		o->remove = true;
		return 0;
	case OPT_OBJECTS:
		o->objects = arg;
		return 0;
	case OPT_LEVEL:
		return parse_level(arg);
	case OPT_VERSION:
		puts("nerv-nve " NERV_VERSION);
		return -1;
	case 'h':
		fputs(usage, stdout);
		return -1;
	default:
		fputs("nerv-nve: see --help\n", stderr);
		return 2;
	}
}

/* 0, 2 after a complaint, -1 when all is done. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "interface", required_argument, NULL, 'i' }, { "thrift-port", required_argument, NULL, OPT_PORT },
		{ "thrift-addr", required_argument, NULL, OPT_ADDR }, { "thrift-socket", required_argument, NULL, OPT_SOCKET },
		{ "pin", required_argument, NULL, OPT_PIN }, { "remove", no_argument, NULL, OPT_REMOVE },
		{ "objects", required_argument, NULL, OPT_OBJECTS }, { "device-id", required_argument, NULL, OPT_DEVICE },
		{ "log-level", required_argument, NULL, OPT_LEVEL }, { "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "i:h", longs, NULL)) != -1) {
		ret = parse_option(o, opt, optarg);
		if (ret)
			return ret;
	}
	if (optind < argc)
		o->description = argv[optind++];
	if (optind < argc)
		return wrong("one description only, not also", argv[optind]);
	if (o->remove && (!o->pin || o->description))
		return wrong("--remove takes --pin DIR and nothing else, not", o->description ? o->description : "");
	if (!o->remove && !o->description)
		return wrong("no DESCRIPTION.json is given", "");
	return 0;
}

/* The build tree and an installation both have p4/ in reach of the program. */
static const char *objects_dir(char buf[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 8);
	char *slash;

	if (n > 0) {
		buf[n] = '\0';
		slash = strrchr(buf, '/');
		strcpy(slash, "/p4");
		if (access(buf, X_OK) == 0)
			return buf;
	}
#ifdef NERV_LIBDIR
	return NERV_LIBDIR "/p4";
#else
	return "p4";
#endif
}

static int add_ports(struct nve_switch *sw, const struct options *o, struct nve_error *e)
{
	char text[IF_NAMESIZE + 8], *at;
	unsigned int i;
	long long n;
	int ret = 0;

	for (i = 0; !ret && i < o->n_ports; i++) {
		snprintf(text, sizeof(text), "%s", o->ports[i]);
		at = strchr(text, '@');
		if (!at)
			return nve_fail(e, -EINVAL, "-i takes PORT@IFACE, not '%s'", o->ports[i]);
		*at = '\0';
		if (parse_number(text, NVE_PORTS - 1, &n))
			return nve_fail(e, -EINVAL, "-i %s: ports are 0 to %u", o->ports[i], NVE_PORTS - 1);
		ret = nve_port_add(sw->plane, &sw->known, sw->log, strchr(o->ports[i], '@') + 1, n, e);
	}
	return ret;
}

/* The socket comes last: it answers as soon as it is there. */
static int listen_all(struct nve_server *s, struct nve_switch *sw, const struct options *o, struct nve_error *e)
{
	int ret = 0;

	if (o->thrift_port >= 0 || !o->socket) {
		ret = nve_server_tcp(s, o->address, o->thrift_port >= 0 ? o->thrift_port : DEFAULT_PORT, e);
		if (ret < 0)
			return ret;
		sw->thrift_port = ret;
		nve_log(sw->log, NVE_LOG_INFO, "Thrift on %s port %d", o->address, ret);
	}
	return o->socket ? nve_server_unix(s, o->socket, e) : 0;
}

static int signal_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(const struct options *o, int stop_fd, struct nve_error *e)
{
	char buf[PATH_MAX];
	struct nve_switch *sw = NULL;
	struct nve_server *s = NULL;
	struct nve_desc *d;
	int ret;

	ret = nve_desc_load(o->description, &d, e);
	if (!ret)
		ret = nve_switch_start(d, o->objects ? o->objects : objects_dir(buf), o->pin, &the_log, &sw, e);
	if (ret)
		return ret;
	sw->device_id = o->device_id;
	ret = add_ports(sw, o, e);
	if (!ret)
		ret = nve_server_new(sw, &s, e);
	if (!ret)
		ret = listen_all(s, sw, o, e);
	if (!ret) {
		nve_log(&the_log, NVE_LOG_INFO, "ready: program '%s'", sw->plane->desc->program);
		ret = nve_server_run(s, stop_fd, e);
	}
	nve_server_free(s);
	/* A start that failed leaves nothing that was not there before it. */
	nve_switch_stop(sw, o->pin && (!ret || sw->adopted));
	return ret;
}

int main(int argc, char **argv)
{
	struct options o = { .address = "127.0.0.1", .thrift_port = -1 };
	struct nve_error e = { "" };
	int ret = parse_options(&o, argc, argv), stop_fd;

	if (ret)
		return ret < 0 ? 0 : ret;
	libbpf_set_print(put_libbpf);
	stop_fd = signal_fd();
	if (stop_fd < 0)
		ret = nve_fail(&e, -errno, "signals: %s", strerror(errno));
	else if (o.remove)
		ret = nve_switch_remove(o.pin, &the_log, &e);
	else
		ret = run(&o, stop_fd, &e);
	if (ret)
		nve_log(&the_log, NVE_LOG_ERROR, "%s", e.text);
	return ret ? 1 : 0;
}
