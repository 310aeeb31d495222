/* The command line of nervsh: one table for getopt, for --help, and through it for
 * the manual and the completion of bash.
 */
#ifndef NERV_SHELL_OPTIONS_H
#define NERV_SHELL_OPTIONS_H

#include <lua.h>

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* Fills the two tables on top of the stack: options by name, and the array of actions
 * { kind = "code", "command" or "module", text = }, in order; optind is then at the
 * script. Returns -1, or the exit status when all is done: after --help, or when the
 * words are wrong, which it has said on standard error. */
int options_read(lua_State *L, int argc, char **argv);

#endif
