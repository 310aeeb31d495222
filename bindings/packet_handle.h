/* The handle of a packet socket in Lua; for the files of its class only. */
#ifndef NERV_BINDINGS_PACKET_HANDLE_H
#define NERV_BINDINGS_PACKET_HANDLE_H

#include <ev.h>
#include <lua.h>
#include <net/if.h>

#include "bindings/packet_socket.h"
#include "shell/worker.h"

enum {
	FRAME_LEAST = 14,
	FRAME_MOST = 256 * 1024,	/* GSO frames pass 64 KiB */
};

struct packet {
	struct job job;			/* first: opening, and closing when promiscuous */
	struct wait reader, writer;
	struct ev_io readable, writable;
	struct ev_timer timer;
	struct ev_loop *loop;
	int fd;				/* -1: closed */
	int netns_fd, result;
	int linktype;
	unsigned int burst;		/* frames received since its task last slept */
	bool promiscuous, timed_out;
	uint16_t protocol;
	struct packet_counts counts;
	char link[IFNAMSIZ];
	char netns[160];
	char *filter;			/* or NULL; in user value 2 */
	char why[256];			/* what is wrong with the filter */
	uint8_t *frame;			/* FRAME_MOST bytes, in user value 1 */
};

/* The open socket at index 1; raises when it is none or closed. */
struct packet *packet_check_open(lua_State *L);

/* The socket at index 1, open or not. */
struct packet *packet_check_handle(lua_State *L);

/* nil, "LINK: closed meanwhile", "closed"; returns 3. */
int packet_push_closed(lua_State *L, const struct packet *p);

/* Nobody waits for frames any more. */
void packet_stop_reading(struct packet *p);

/* The receiving methods. All may sleep but frames(). */
int packet_l_recv(lua_State *L);
int packet_l_records(lua_State *L);
int packet_l_frames(lua_State *L);

/* The module's function. */
int packet_l_open(lua_State *L);

/* Makes the class known. */
void packet_class_open(lua_State *L);

#endif
