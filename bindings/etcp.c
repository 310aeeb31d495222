/* The messages of ETCP, and their wire format (https://protobuf.dev/programming-guides/encoding/). */
#include "bindings/etcp.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define NAME(field, n, list, ...) { field, n, ETCP_NAME, .names = list, __VA_ARGS__ }
#define STRING(field, n, ...) { field, n, ETCP_STRING, __VA_ARGS__ }
#define BOOLEAN(field, n, ...) { field, n, ETCP_BOOLEAN, __VA_ARGS__ }
#define INTEGER(field, n, ...) { field, n, ETCP_INTEGER, __VA_ARGS__ }
#define UNSIGNED(field, n, ...) { field, n, ETCP_UNSIGNED, __VA_ARGS__ }
#define MESSAGE(field, n, m, ...) { field, n, ETCP_MESSAGE, .message = m, __VA_ARGS__ }
#define FIELDS(...) (const struct etcp_field[]){ __VA_ARGS__, { 0 } }

const char *const etcp_types[] = { "entity_register", "entity_unregister", "workspace_create", "workspace_attach",
	"workspace_detach", "workspace_delete", "workspace_modify", "workspace_lookup", "workspace_advertise",
	"dtsa_register", "dtsa_message", NULL };
static const char *const statuses[] = { "success", "failure", NULL };
static const char *const operations[] = { "insert", "delete", "update", NULL };
static const char *const handovers[] = { "candidate_query", "commit", "complete", NULL };

static const struct etcp_message requirement = { "requirement",
	FIELDS(INTEGER("type", 1), INTEGER("length", 2), STRING("value", 3)) };
static const struct etcp_message entity_register = { "entity_register",
	FIELDS(STRING("title", 1), MESSAGE("requirements", 2, &requirement, .repeated = true),
	       MESSAGE("capabilities", 3, &requirement, .repeated = true), STRING("bound_entity_title", 4)) };
static const struct etcp_message only_title = { "title", FIELDS(STRING("title", 1)) };
static const struct etcp_message workspace_create = { "workspace_create",
	FIELDS(STRING("workspace_title", 1), STRING("entity_title", 2), BOOLEAN("attach_too", 3), INTEGER("level", 4),
	       BOOLEAN("public_access", 5), MESSAGE("capabilities", 6, &requirement, .repeated = true)) };
static const struct etcp_message workspace_modify = { "workspace_modify",
	FIELDS(STRING("workspace_title", 1), STRING("entity_title", 2), BOOLEAN("attach_too", 3),
	       INTEGER("level", 4, .required = true), BOOLEAN("public_access", 5, .required = true),
	       MESSAGE("capabilities", 6, &requirement, .repeated = true)) };
static const struct etcp_message membership = { "membership",
	FIELDS(STRING("workspace_title", 1), STRING("entity_title", 2)) };
static const struct etcp_message workspace_lookup = { "workspace_lookup", FIELDS(STRING("workspace_title", 1)) };
static const struct etcp_message workspace_advertise = { "workspace_advertise",
	FIELDS(STRING("workspace_title", 1), STRING("dtsa_title", 2), NAME("operation", 3, operations),
	       UNSIGNED("level", 4)) };
static const struct etcp_message dtsa_register = { "dtsa_register",
	FIELDS(STRING("title", 1), STRING("neighbor_titles", 2, .repeated = true)) };
static const struct etcp_message dtsa_message = { "dtsa_message",
	FIELDS(NAME("message_type", 1, handovers), UNSIGNED("operation_id", 2), STRING("src_title", 3),
	       MESSAGE("entity", 4, &entity_register), MESSAGE("workspace", 5, &workspace_create),
	       STRING("candidate_address", 6)) };

const struct etcp_message etcp_request = { "request",
	FIELDS(NAME("type", 1, etcp_types, .required = true), UNSIGNED("id", 2), STRING("dst_title", 3)) };
const struct etcp_message etcp_response = { "response",
	FIELDS(NAME("status", 1, statuses, .required = true), UNSIGNED("request_id", 2), STRING("src_title", 3),
	       STRING("reason", 15)) };

static const struct etcp_message *const bodies[] = { &entity_register, &only_title, &workspace_create, &membership,
	&membership, &only_title, &workspace_modify, &workspace_lookup, &workspace_advertise, &dtsa_register,
	&dtsa_message };
_Static_assert(sizeof(bodies) / sizeof(*bodies) + 1 == sizeof(etcp_types) / sizeof(*etcp_types), "a body a type");

const struct etcp_message *etcp_body(uint64_t type)
{
	return type < sizeof(bodies) / sizeof(*bodies) ? bodies[type] : NULL;
}

const uint8_t *etcp_part(const uint8_t *bytes, size_t n, size_t *at, size_t *length)
{
	const uint8_t *part = bytes + *at + 2;

	if (n - *at < 2)
		return NULL;
	*length = bytes[*at] | (size_t)bytes[*at + 1] << 8;
	if (n - *at - 2 < *length)
		return NULL;
	*at += 2 + *length;
	return part;
}

/* What is left of a message. */
struct rest {
	const uint8_t *at, *end;
};

static bool take_varint(struct rest *r, uint64_t *value)
{
	*value = 0;
	for (unsigned int i = 0; i < ETCP_VARINT_MOST && r->at < r->end; i++) {
		uint8_t byte = *r->at++;

		*value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* The bytes of a string, or of what is skipped. */
static const uint8_t *take_bytes(struct rest *r, uint64_t n)
{
	const uint8_t *bytes = r->at;

	if (n > (uint64_t)(r->end - r->at))
		return NULL;
	r->at += n;
	return bytes;
}

static const struct etcp_field *find_field(const struct etcp_message *m, uint64_t number, enum wire wire)
{
	for (const struct etcp_field *f = m->fields; f->name; f++)
		if (f->number == number)
			return (wire == WIRE_BYTES) == (f->kind >= ETCP_STRING) &&
					       (wire == WIRE_BYTES || wire == WIRE_VARINT) ?
				       f :
				       NULL;
	return NULL;
}

static void visit_number(const struct etcp_field *f, uint64_t value, const struct etcp_visitor *v, void *arg)
{
	if (f->kind == ETCP_INTEGER)
		value = (uint64_t)(int32_t)value;
	else if (f->kind == ETCP_BOOLEAN)
		value = value != 0;
	v->number(arg, f, value);
}

static const char *visit_bytes(const struct etcp_field *f, const uint8_t *bytes, size_t n,
			       const struct etcp_visitor *v, void *arg)
{
	const char *fault;

	if (f->kind == ETCP_STRING) {
		v->string(arg, f, bytes, n);
		return NULL;
	}
	v->enter(arg, f);
	fault = etcp_read(f->message, bytes, n, v, arg);
	v->leave(arg, f);
	return fault;
}

/* One field, known or not. `seen` has a bit for each field of the message. */
static const char *read_field(const struct etcp_message *m, struct rest *r, uint32_t *seen,
			      const struct etcp_visitor *v, void *arg)
{
	const struct etcp_field *f;
	const uint8_t *bytes;
	uint64_t key, value;
	enum wire wire;

	if (!take_varint(r, &key))
		return "a field's number is cut or too long";
	wire = (enum wire)(key & 7);
	if (!(key >> 3) || key >> 32)
		return "a field's number is out of range";
	f = find_field(m, key >> 3, wire);
	if (f)
		*seen |= 1u << (f - m->fields);
	switch (wire) {
	case WIRE_VARINT:
		if (!take_varint(r, &value))
			return "a number is cut or too long";
		if (f)
			visit_number(f, value, v, arg);
		return NULL;
	case WIRE_BYTES:
		if (!take_varint(r, &value))
			return "a length is cut or too long";
		bytes = take_bytes(r, value);
		if (!bytes)
			return "a field is longer than its message";
		return f ? visit_bytes(f, bytes, (size_t)value, v, arg) : NULL;
	case WIRE_64:
	case WIRE_32:
		return take_bytes(r, wire == WIRE_64 ? 8 : 4) ? NULL : "a field is longer than its message";
	}
	return "a field is of a kind that proto2 does not have";
}

const char *etcp_read(const struct etcp_message *m, const uint8_t *bytes, size_t n, const struct etcp_visitor *v,
		      void *arg)
{
	struct rest r = { bytes, bytes + n };
	const char *fault;
	uint32_t seen = 0;

	while (r.at < r.end) {
		fault = read_field(m, &r, &seen, v, arg);
		if (fault)
			return fault;
	}
	for (const struct etcp_field *f = m->fields; f->name; f++)
		if (f->required && !(seen & 1u << (f - m->fields)))
			return "a required field is missing";
	return NULL;
}

size_t etcp_put_varint(uint8_t *to, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

size_t etcp_put_tag(uint8_t *to, const struct etcp_field *f, size_t length)
{
	bool bytes = f->kind >= ETCP_STRING;
	size_t n = etcp_put_varint(to, f->number << 3 | (bytes ? WIRE_BYTES : WIRE_VARINT));

	return bytes ? n + etcp_put_varint(to + n, length) : n;
}
