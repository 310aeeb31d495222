/* Completion: readline asks, a Lua function answers. */
#ifndef NERV_SHELL_PROMPT_COMPLETE_H
#define NERV_SHELL_PROMPT_COMPLETE_H

#include <lua.h>

struct runtime;

/* Makes readline ask the function set by prompt_set_completer(). Once, before it is
 * initialized. */
void prompt_complete_init(struct runtime *rt);

/* prompt.completer(complete, list) of the Lua module. */
int prompt_l_completer(lua_State *L);

#endif
