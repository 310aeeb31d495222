/* The readline prompt, and the Lua module `prompt`. */
#include "shell/prompt.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "shell/registry.h"
#include "shell/runtime.h"

struct prompt {
	struct wait wait;	/* the task that reads a line */
	struct runtime *rt;
	struct ev_io input;
	char *line;		/* read and not yet taken; free() */
	bool ended;		/* Ctrl-D */
	bool interrupted;
	bool active;		/* readline shows its line */
	int hidden;
	char *saved_text;	/* what was typed, while hidden */
	int saved_point;
};

/* For readline's callback, which has no argument of its own. */
static struct prompt *the_prompt;

static void leave(struct prompt *p)
{
	if (!p->active)
		return;
	p->active = false;
	rl_callback_handler_remove();
	ev_io_stop(p->rt->loop, &p->input);
	p->rt->prompt = NULL;
}

static void on_line(char *line)
{
	struct prompt *p = the_prompt;

	p->line = line;
	p->ended = !line;
	leave(p);
	wait_done(&p->wait);
}

static void on_input(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
	rl_callback_read_char();
}

void prompt_hide(struct prompt *p)
{
	if (!p->active || p->hidden++)
		return;
	p->saved_point = rl_point;
	p->saved_text = rl_copy_text(0, rl_end);
	rl_save_prompt();
	rl_replace_line("", 0);
	rl_redisplay();
}

void prompt_show(struct prompt *p)
{
	if (!p->active || --p->hidden)
		return;
	rl_restore_prompt();
	rl_replace_line(p->saved_text, 0);
	rl_point = p->saved_point;
	rl_redisplay();
	free(p->saved_text);
	p->saved_text = NULL;
}

void prompt_interrupt(struct prompt *p)
{
	if (!p->active)
		return;
	p->interrupted = true;
	rl_crlf();
	leave(p);
	wait_done(&p->wait);
}

static void cancel_read(struct wait *w)
{
	leave((struct prompt *)w);
}

static int finish_read(lua_State *L, int status, lua_KContext ctx)
{
	struct prompt *p = lua_touserdata(L, (int)ctx);

	(void)status;
	if (p->interrupted) {
		lua_pushnil(L);
		lua_pushliteral(L, "interrupted");
		return 2;
	}
	if (p->ended) {
		lua_pushnil(L);
		lua_pushliteral(L, "end");
		return 2;
	}
	if (*p->line)
		add_history(p->line);
	lua_pushstring(L, p->line);
	free(p->line);
	p->line = NULL;
	return 1;
}

static int l_read(lua_State *L)
{
	struct runtime *rt = runtime_of(L);
	struct prompt *p = lua_newuserdatauv(L, sizeof(*p), 0);

	memset(p, 0, sizeof(*p));
	if (rt->prompt)
		return nerv_error(L, "prompt.read: somebody reads already");
	p->rt = rt;
	p->wait.cancel = cancel_read;
	the_prompt = p;
	rt->prompt = p;
	rl_catch_signals = 0;
	runtime_hide_status(rt);
	rl_callback_handler_install(lua_tostring(L, 1), on_line);
	p->active = true;
	ev_io_init(&p->input, on_input, STDIN_FILENO, EV_READ);
	ev_io_start(rt->loop, &p->input);
	return task_wait(L, &p->wait, lua_gettop(L), finish_read);
}

/* foreground(f, ...): runs f in a task that Ctrl-C cancels; returns its handle. */
static int l_foreground(lua_State *L)
{
	struct runtime *rt = runtime_of(L);

	task_spawn(L, lua_gettop(L) - 1, "prompt");
	rt->was_interrupted = rt->insist = false;
	rt->foreground = lua_touserdata(L, -1);
	return 1;
}

static int l_background(lua_State *L)
{
	runtime_of(L)->foreground = NULL;
	return 0;
}

static int l_terminal(lua_State *L)
{
	lua_pushboolean(L, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	return 1;
}

static const struct fn functions[] = {
	{ "read", l_read,
	  (const struct arg[]){ { "prompt", ARG_STRING, true, "what stands before the line", NULL }, { 0 } },
	  "reads a line from the terminal; nil and \"end\" or \"interrupted\" without one" },
	{ "foreground", l_foreground,
	  (const struct arg[]){
		  { "function", ARG_FUNCTION, true, "what to run", NULL },
		  { "...", ARG_REST, false, "its arguments", NULL },
		  { 0 } },
	  "starts the task that Ctrl-C cancels; returns its handle" },
	{ "background", l_background, NULL, "ends the foreground: Ctrl-C goes to the prompt again" },
	{ "terminal", l_terminal, NULL, "returns whether a person sits at a terminal" },
	{ 0 }
};

NERV_MODULE(prompt, .name = "prompt", .text = "the interactive prompt", .functions = functions);
