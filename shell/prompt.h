/* The interactive prompt: readline by its callback interface on the event loop.
 *
 * One prompt a process (readline has one state). The lines it reads are evaluated
 * by a Lua function, in the foreground task; while that runs the prompt is away
 * and the terminal has its usual settings.
 */
#ifndef NERV_SHELL_PROMPT_H
#define NERV_SHELL_PROMPT_H

#include <lua.h>

struct prompt;
struct runtime;

/* Hides the line being typed so that something can be printed. It comes back at the
 * end of the loop's pass. */
void prompt_hide(struct prompt *p);

/* Ctrl-C at the prompt: drops what was typed. */
void prompt_interrupt(struct prompt *p);

#endif
