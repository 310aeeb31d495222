/* Finds the end of a message of Thrift's binary protocol (strict) in bytes that arrive in pieces, and refuses what a
 * generated reader should not see: other versions, impossible sizes, deep nesting, floods of items. Only a whole message
 * is then given to generated code, so that it never waits and never recurses without bound.
 *
 * The scan goes on where it stopped: bytes before pos must stay in place between calls for one message. */
#ifndef NERV_NVE_FRAME_H
#define NERV_NVE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define NVE_FRAME_DEPTH 16
#define NVE_FRAME_NAME 256		/* longest method name */
#define NVE_FRAME_MAX (4u << 20)	/* longest request */
#define NVE_FRAME_ITEMS 65536u		/* fields and list items of one request */

struct nve_frame_level {
	uint8_t kind;			/* T_STRUCT, or a container: T_LIST, T_MAP */
	uint8_t types[2];		/* of a container's items, in turn for a map */
	uint64_t left;
};

struct nve_frame {
	uint64_t pos;			/* bytes scanned; the message's length when done */
	unsigned int depth, items, begun;
	struct nve_frame_level levels[NVE_FRAME_DEPTH];
};

/* A zeroed struct begins a message.
 * 1: the message is complete and frame->pos bytes long. 0: more bytes are needed. -EBADMSG, -EMSGSIZE: close. */
int nve_frame_scan(struct nve_frame *f, const uint8_t *data, size_t len);

#endif
