/* Frames on their way from a switch to its controller.
 *
 * Open vSwitch in user space takes a sender's frame with the checksum of TCP or UDP left to the device, and hands it
 * over so ("userspace-tso", 3.1: measured). The controller sends it back as it is, the switch takes it for a finished
 * one then, and who gets it drops it: every first connection between two endpoints would wait a second for another SYN.
 */
#include <lauxlib.h>
#include <string.h>

#include "bindings/openflow_lua.h"
#include "bindings/packet_parse.h"

/* OpenFlow 1.0: the frame begins at once. From 1.3 on: where the match's length is; what the match is a multiple of,
 * and the bytes between it and the frame. */
enum { VERSION_10 = 1, FRAME_10 = 18, VERSION_13 = 4, MATCH_13 = 24, MATCH_UNIT = 8, GAP_13 = 2 };

/* Where the frame begins in a packet_in; 0: nobody knows. */
static size_t frame_at(const uint8_t *message, size_t n)
{
	size_t match;

	if (message[0] == VERSION_10)
		return FRAME_10;
	if (message[0] < VERSION_13 || n < MATCH_13 + 4)
		return 0;
	match = (size_t)ofp_get(message + MATCH_13 + 2, 2);
	return MATCH_13 + (match + MATCH_UNIT - 1) / MATCH_UNIT * MATCH_UNIT + GAP_13;
}

size_t ofp_finish_frames(uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (n - at >= OFP_HEAD) {
		uint8_t *message = bytes + at;
		size_t length = (size_t)ofp_get(message + 2, 2), frame;

		if (length < OFP_HEAD)
			return n;
		if (length > n - at)
			break;
		frame = message[1] == OFP_PACKET_IN ? frame_at(message, length) : 0;
		if (frame && frame < length)
			packet_finish(message + frame, length - frame);
		at += length;
	}
	return at;
}

int ofp_l_finish_frames(lua_State *L)
{
	luaL_Buffer buffer;
	size_t n, whole;
	const char *bytes = lua_tolstring(L, 1, &n);
	char *copy = luaL_buffinitsize(L, &buffer, n);

	memcpy(copy, bytes, n);
	whole = ofp_finish_frames((uint8_t *)copy, n);
	luaL_pushresultsize(&buffer, whole);
	lua_pushlstring(L, bytes + whole, n - whole);
	return 2;
}
