/* Socket addresses from what Lua gives: Unix paths of any length, numeric IP addresses.
 *
 * Nothing here blocks: host names are not looked up.
 */
#ifndef NERV_BINDINGS_STREAM_ADDRESS_H
#define NERV_BINDINGS_STREAM_ADDRESS_H

#include <sys/socket.h>

struct address {
	struct sockaddr_storage addr;
	socklen_t len;
	int dir_fd;		/* of a long Unix path's directory, or -1 */
	char name[160];		/* for messages; a long path's end */
};

/* Makes an address that address_done() may take. */
void address_init(struct address *a);

/* 0 or negative errno. A path that does not fit into a socket address is reached
 * through /proc/self/fd of its directory; its last part still must (-ENAMETOOLONG). */
int address_unix(struct address *a, const char *path);

/* 0, or -EINVAL when `host` is no numeric address. */
int address_tcp(struct address *a, const char *host, int port);

/* The address of the socket's other end, as text. */
void address_peer_name(int fd, char *buf, size_t size);

void address_done(struct address *a);

#endif
