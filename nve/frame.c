/* The scanner of Thrift messages. */
#include "frame.h"

#include <errno.h>
#include <string.h>

enum type {
	T_STOP = 0, T_BOOL = 2, T_BYTE = 3, T_DOUBLE = 4, T_I16 = 6, T_I32 = 8, T_I64 = 10, T_STRING = 11,
	T_STRUCT = 12, T_MAP = 13, T_SET = 14, T_LIST = 15,
};

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Bytes of a type with a fixed size, 0 for others. */
static unsigned int fixed(uint8_t type)
{
	switch (type) {
	case T_BOOL:
	case T_BYTE:
		return 1;
	case T_I16:
		return 2;
	case T_I32:
		return 4;
	case T_I64:
	case T_DOUBLE:
		return 8;
	default:
		return 0;
	}
}

static int known(uint8_t type)
{
	return fixed(type) || (type >= T_STRING && type <= T_LIST);
}

static int push(struct nve_frame *f, uint8_t kind, uint8_t a, uint8_t b, uint64_t left)
{
	if (f->depth == NVE_FRAME_DEPTH)
		return -EBADMSG;
	f->levels[f->depth++] = (struct nve_frame_level){ kind, { a, b }, left };
	return 1;
}

/* Version, name, sequence id. */
static int begin(struct nve_frame *f, const uint8_t *data, size_t len)
{
	uint32_t version, name;

	if (len < 8)
		return len && data[0] != 0x80 ? -EBADMSG : 0;
	version = word(data);
	name = word(data + 4);
	if (version >> 16 != 0x8001 || ((version & 0xff) != 1 && (version & 0xff) != 4))
		return -EBADMSG;
	if (name > NVE_FRAME_NAME)
		return -EBADMSG;
	f->pos = 12 + name;
	f->begun = 1;
	return push(f, T_STRUCT, 0, 0, 0);
}

static int item_type(uint8_t type, uint64_t n)
{
	return known(type) || (!n && type == T_STOP);
}

static int container(struct nve_frame *f, uint8_t type, const uint8_t *p, uint64_t room)
{
	unsigned int head = type == T_MAP ? 6 : 5;
	uint64_t n;

	if (room < head)
		return 0;
	n = word(p + head - 4);
	/* The library refuses unknown types of an empty container, too, but for the T_STOP that some clients write. */
	if (n > INT32_MAX || !item_type(p[0], n) || (type == T_MAP && !item_type(p[1], n)))
		return -EBADMSG;
	f->pos += head;
	if (!n)
		return 1;
	if (type != T_MAP)
		return push(f, T_LIST, p[0], p[0], n);
	return push(f, T_MAP, p[0], p[1], n * 2);
}

/* One value, or the head of one that holds others. */
static int value(struct nve_frame *f, uint8_t type, const uint8_t *p, uint64_t room)
{
	unsigned int n = fixed(type);

	if (n) {
		f->pos += n;
		return 1;
	}
	switch (type) {
	case T_STRING:
		if (room < 4)
			return 0;
		f->pos += 4 + (uint64_t)word(p);
		return 1;
	case T_STRUCT:
		return push(f, T_STRUCT, 0, 0, 0);
	case T_MAP:
	case T_SET:
	case T_LIST:
		return container(f, type, p, room);
	default:
		return -EBADMSG;
	}
}

/* A field of a struct is taken whole: its head is read again when its value's head has not arrived. */
static int field(struct nve_frame *f, const uint8_t *p, uint64_t room)
{
	int ret;

	if (p[0] == T_STOP) {
		f->pos++;
		f->depth--;
		return 1;
	}
	if (!known(p[0]))
		return -EBADMSG;
	if (room < 3)
		return 0;
	f->pos += 3;
	ret = value(f, p[0], p + 3, room - 3);
	if (!ret)
		f->pos -= 3;
	return ret;
}

static int item(struct nve_frame *f, struct nve_frame_level *l, const uint8_t *p, uint64_t room)
{
	int ret;

	if (!l->left) {
		f->depth--;
		return 1;
	}
	/* value() may push a level: this one is counted down before, and again if nothing was taken. */
	l->left--;
	ret = value(f, l->types[l->kind == T_MAP && !(l->left & 1)], p, room);
	if (!ret)
		l->left++;
	return ret;
}

int nve_frame_scan(struct nve_frame *f, const uint8_t *data, size_t len)
{
	struct nve_frame_level *l;
	int ret = 1;

	if (!f->begun)
		ret = begin(f, data, len);
	while (ret == 1) {
		if (f->pos > NVE_FRAME_MAX)
			return -EMSGSIZE;
		if (!f->depth)
			return f->pos <= len;
		if (f->items++ > NVE_FRAME_ITEMS * 2)
			return -EMSGSIZE;
		l = &f->levels[f->depth - 1];
		if (f->pos >= len && (l->kind == T_STRUCT || l->left)) {
			f->items--;
			return 0;
		}
		if (l->kind == T_STRUCT)
			ret = field(f, data + f->pos, len - f->pos);
		else
			ret = item(f, l, data + f->pos, len - f->pos);
	}
	return ret;
}
