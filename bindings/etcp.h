/* ETCP, by which entities and the agents of the Domain Title Service (DTSAs) of ETArch speak: messages in the
 * encoding of Protocol Buffers (proto2), package `dts`, each behind its length in two bytes, least significant first.
 * A request is a ControlRequest and the body that its type names; a response is a ControlResponse.
 *
 * One table describes all messages: reading, writing and the checks of arguments are made from it. What is read may
 * be any bytes. No Lua, no memory, nothing blocks.
 */
#ifndef NERV_BINDINGS_ETCP_H
#define NERV_BINDINGS_ETCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ETCP_ETHERTYPE = 0x0880, ETCP_VARINT_MOST = 10, ETCP_PART_MOST = 0xffff };

enum etcp_kind {
	ETCP_NAME,		/* a number that has names */
	ETCP_INTEGER,		/* int32 */
	ETCP_UNSIGNED,		/* uint32 and uint64 */
	ETCP_BOOLEAN,
	ETCP_STRING,
	ETCP_MESSAGE,
};

struct etcp_message;

struct etcp_field {
	const char *name;	/* NULL ends the array */
	uint32_t number;
	enum etcp_kind kind;
	bool required, repeated;
	const char *const *names;		/* of ETCP_NAME: that of 0 first, NULL ends */
	const struct etcp_message *message;	/* of ETCP_MESSAGE */
};

struct etcp_message {
	const char *name;
	const struct etcp_field *fields;
};

extern const struct etcp_message etcp_request, etcp_response;
/* The names of request types: that of 0 first, NULL ends. */
extern const char *const etcp_types[];

/* The body of a request type; NULL when there is no such type. */
const struct etcp_message *etcp_body(uint64_t type);

/* What etcp_read() finds, in its order; a field that is not `repeated` may come more than once: the last one counts.
 * A number of an int32 is sign-extended. */
struct etcp_visitor {
	void (*number)(void *arg, const struct etcp_field *f, uint64_t value);
	void (*string)(void *arg, const struct etcp_field *f, const uint8_t *bytes, size_t n);
	void (*enter)(void *arg, const struct etcp_field *f);
	void (*leave)(void *arg, const struct etcp_field *f);
};

/* Reads a message of `n` bytes; fields that it does not know are skipped. Returns NULL, or what is wrong: the
 * visitor may have been called by then. */
const char *etcp_read(const struct etcp_message *m, const uint8_t *bytes, size_t n, const struct etcp_visitor *v,
		      void *arg);

/* The part of a frame at `*at`, which moves behind it: its bytes and their number; NULL when it is cut. */
const uint8_t *etcp_part(const uint8_t *bytes, size_t n, size_t *at, size_t *length);

/* Writes a varint; returns its bytes, ETCP_VARINT_MOST at most. */
size_t etcp_put_varint(uint8_t *to, uint64_t value);
/* Writes what comes before a field's value: its number and kind, and the length of a string or message. */
size_t etcp_put_tag(uint8_t *to, const struct etcp_field *f, size_t length);

#endif
