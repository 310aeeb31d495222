/* Routes one request by its name "standard:METHOD" (or METHOD alone).
 *
 * Methods of the handler go to the generated processor. The others of BMv2's service answer the exception that BMv2 gives
 * where a program has no such thing: a switch with no action profile, meter or register has none by any name. What is left
 * answers TApplicationException "unknown method". */
#ifndef NERV_NVE_DISPATCH_H
#define NERV_NVE_DISPATCH_H

#include <thrift/c_glib/protocol/thrift_protocol.h>

#include "switch.h"

struct nve_dispatch;

struct nve_dispatch *nve_dispatch_new(struct nve_switch *sw);
void nve_dispatch_free(struct nve_dispatch *d);

/* Reads one whole request from the protocol and writes its answer to it. 0, or -EBADMSG: close the connection. */
int nve_dispatch_message(struct nve_dispatch *d, ThriftProtocol *protocol, struct nve_error *e);

#endif
