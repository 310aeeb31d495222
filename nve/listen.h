/* Listening sockets. Descriptors are non-blocking and close-on-exec; errors are negative errno with a text. */
#ifndef NERV_NVE_LISTEN_H
#define NERV_NVE_LISTEN_H

#include "error.h"

/* A numeric address; *port 0 becomes the port that the kernel chose. */
int nve_listen_tcp(const char *address, int *port, struct nve_error *e);
/* Mode 0660. A socket file that nobody answers is replaced; one that answers is -EADDRINUSE. */
int nve_listen_unix(const char *path, struct nve_error *e);
/* -errno when nobody waits. TCP connections are set to send at once and to notice dead peers. */
int nve_accept(int listener);

#endif
