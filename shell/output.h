/* What this program writes to a terminal while a line there is somebody else's: the one that
 * a person types, or the status line, which says what takes so long.
 *
 * From output_capture() on whatever C or Lua writes to stdout and stderr passes through here.
 * The line that is typed is hidden before it and shown again behind it, at the end of the
 * loop's pass; so is the status line. What another process writes to the terminal by itself
 * cannot be seen here.
 */
#ifndef NERV_SHELL_OUTPUT_H
#define NERV_SHELL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct runtime;

/* Needs the Lua library io. Without a terminal at stdout or stderr those stay as they are.
 * No effect when it has been done. */
void output_capture(struct runtime *rt);

/* Gives back what output_capture() took; before Lua is closed. */
void output_release(struct runtime *rt);

/* Writes what stdout holds back, for the loop is about to wait: who reads a file or a pipe sees
 * what has been printed. Nothing where output_capture() has a terminal, whose lines are whole.
 * May block as long as the reader of a full pipe does. */
void output_flush(struct runtime *rt);

/* Makes `text`, as much as fits into a line, the status line; none when it is empty. It shows
 * while no prompt is there. */
void output_status(struct runtime *rt, const char *text);

/* Takes the status line off the terminal, for what writes there by itself; it comes back
 * with the next output or change. */
void output_hide_status(struct runtime *rt);

/* The stream to the terminal that passes by all this: for who draws the line itself. */
FILE *output_terminal(struct runtime *rt);

/* Whether the cursor stands behind something that is no whole line. */
bool output_in_line(struct runtime *rt);

/* It does not any more. */
void output_line_ended(struct runtime *rt);

#endif
