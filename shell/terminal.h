/* The terminal that a person sits at: its settings, and their return whatever happens.
 *
 * While readline edits a line, or the keys go to a program in an endpoint, the terminal's
 * settings are not the usual ones. A small process, the guardian, is told of both before
 * they change; when the shell dies meanwhile, by SIGKILL too, it puts the former ones back,
 * unless somebody else has changed them since. It starts with the first change and ends with
 * the shell.
 *
 * The Lua module `terminal` is here, too. Nothing here blocks; all of it belongs to the
 * loop's thread.
 */
#ifndef NERV_SHELL_TERMINAL_H
#define NERV_SHELL_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct terminal {
	int guardian;			/* pipe to it; 0 before its start, -1 when there is none */
	bool paste;			/* bracketed paste goes with the present settings */
	struct termios former;		/* what is to be put back */
	int lent;			/* to programs to whom Ctrl-C belongs */
};

/* The settings are about to change: remembers the present ones and tells the guardian.
 * `paste`: bracketed paste will be on. */
void terminal_will_change(struct terminal *t, bool paste);

/* They have changed. */
void terminal_changed(struct terminal *t);

/* Whether a person sits at standard input and output. */
bool terminal_there(void);

/* Lets the guardian go. */
void terminal_finish(struct terminal *t);

#endif
