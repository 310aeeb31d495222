/* The methods of service "standard" over a switch: arguments in, tables and ports called, BMv2's answers out.
 *
 * The object is a handler for the generated processor. Only the methods in nve_handler_methods are there; the dispatcher
 * (dispatch.h) answers the rest itself, since a generated handler without a method crashes. */
#ifndef NERV_NVE_HANDLER_H
#define NERV_NVE_HANDLER_H

#include "switch.h"

/* Names of the methods that the handler has, NULL at the end. */
extern const char *const nve_handler_methods[];

/* A bmStandardHandler; sw must outlive it. Released by g_object_unref(). */
void *nve_handler_new(struct nve_switch *sw);

#endif
