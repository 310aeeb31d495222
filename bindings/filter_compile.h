/* Options of filters, from Lua to an operation. The compile functions raise on misuse. */
#ifndef NERV_BINDINGS_FILTER_COMPILE_H
#define NERV_BINDINGS_FILTER_COMPILE_H

#include "bindings/filter_encode.h"
#include "bindings/tc.h"

struct filter_op {
	struct tc_op tc;
	struct filter filter;
	const char *program;		/* path of a pinned one */
	const char *target;		/* name of the interface to send to */
};

#define FILTER_FIELD_LINK { "link", ARG_STRING, true, "the interface", NULL }
#define FILTER_FIELD_PARENT { "parent", ARG_STRING, false, "\"root\" (default) or the handle of a queueing " \
	"discipline with classes, such as \"1:\"; \"ingress\" or \"egress\" of a clsact", NULL }

#define FILTER_KINDS 3

extern const char *const filter_kinds[FILTER_KINDS + 1];	/* ends with NULL */
extern const struct arg filter_add_fields[];

void filter_compile_add(const struct compile *c, struct op *op);

/* Link and parent of a struct tc_op. */
void filter_compile_place(const struct compile *c, struct op *op);

/* As the kernel has it: in the upper half; 0 when it is not given. */
uint32_t filter_compile_priority(const struct compile *c);

/* Sets "protocol" of the table on top: a name, or the EtherType's number. */
void filter_set_protocol(lua_State *L, uint16_t number);

#endif
