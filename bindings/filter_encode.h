/* Options of tc filters as netlink attributes. No Lua. */
#ifndef NERV_BINDINGS_FILTER_ENCODE_H
#define NERV_BINDINGS_FILTER_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

struct nl_msg;
struct nlattr;

#define FILTER_MATCHES 32

/* 32 bits of a packet, in host order, and which of them count. */
struct filter_match {
	int offset;		/* bytes from the network header, a multiple of 4 */
	uint32_t value, mask;
};

struct filter {
	uint32_t classid;	/* 0: none */
	uint32_t target;	/* index of the interface to send to; 0: none */
	bool mirror;		/* send a copy, and go on with the packet */
	struct filter_match match[FILTER_MATCHES];	/* u32; none: every packet */
	int matches;
	int program_fd;		/* bpf */
	const char *program_name;
	bool direct_action;	/* bpf: what the program returns is done with the packet */
	bool drop;		/* bpf: every packet goes, with no program; sets direct_action */
};

/* Adds TCA_OPTIONS of a filter of `kind`: u32, matchall or bpf. 0 or negative. */
int filter_put(struct nl_msg *msg, const char *kind, const struct filter *f);

/* Reads it: all but program_fd. program_name points into the attribute. 0 or -EINVAL. */
int filter_get(struct filter *f, const char *kind, struct nlattr *options);

#endif
