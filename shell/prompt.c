/* The readline prompt, and the Lua module `prompt`. */
#include "shell/prompt.h"

#include <langinfo.h>
#include <lauxlib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "shell/output.h"
#include "shell/prompt_complete.h"
#include "shell/registry.h"
#include "shell/runtime.h"

enum { HISTORY_MOST = 10000 };

struct prompt {
	struct wait wait;	/* the task that reads a line */
	struct runtime *rt;
	struct ev_io input;
	struct ev_prepare show;	/* never started: fed, to come last in the loop's pass */
	struct ev_signal resized, stopped, continued;
	char *line;		/* read and not yet taken; free() */
	bool ended;		/* Ctrl-D */
	bool interrupted;
	bool active;		/* readline has the line */
	bool hidden;
};

/* For readline's callbacks, which have no argument of their own. */
static struct prompt *the_prompt;

static void leave(struct prompt *p)
{
	struct ev_loop *loop = p->rt->loop;

	if (!p->active)
		return;
	p->active = false;
	rl_callback_handler_remove();
	ev_io_stop(loop, &p->input);
	ev_clear_pending(loop, &p->show);
	ev_signal_stop(loop, &p->resized);
	ev_signal_stop(loop, &p->stopped);
	ev_signal_stop(loop, &p->continued);
	p->rt->prompt = NULL;
}

static void on_line(char *line)
{
	struct prompt *p = the_prompt;

	p->line = line;
	p->ended = !line;
	if (p->ended)
		rl_crlf();
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

/* A terminal that cannot erase keeps the line; what is printed begins below it. */
static bool can_erase(void)
{
	return rl_get_termcap("ce") && rl_get_termcap("up");
}

/* The cursor below the last row of what is typed. */
static void go_below(void)
{
	rl_point = rl_end;
	rl_redisplay();
	rl_crlf();
	fflush(rl_outstream);
}

void prompt_hide(struct prompt *p)
{
	if (!p->active || p->hidden)
		return;
	p->hidden = true;
	if (can_erase()) {
		rl_clear_visible_line();
		fflush(rl_outstream);
	} else {
		int point = rl_point;

		go_below();
		rl_point = point;
	}
	ev_feed_event(p->rt->loop, &p->show, EV_CUSTOM);
}

static void on_show(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	struct prompt *p = watcher->data;

	(void)loop;
	(void)events;
	if (!p->hidden)
		return;
	p->hidden = false;
	if (output_in_line(p->rt))
		rl_crlf();
	output_line_ended(p->rt);
	rl_forced_update_display();
}

static void on_resize(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
	rl_resize_terminal();
}

/* Ctrl-Z. With a default action, because the kernel knows better whether somebody is there to
 * continue us: without a job-controlling parent the signal has no effect. */
static void on_stop(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct sigaction usual = { .sa_handler = SIG_DFL }, ours;
	int point = rl_point;

	(void)loop;
	(void)watcher;
	(void)events;
	go_below();
	rl_point = point;
	rl_deprep_terminal();
	sigaction(SIGTSTP, &usual, &ours);
	raise(SIGTSTP);
	sigaction(SIGTSTP, &ours, NULL);
	rl_prep_term_function(0);
	rl_forced_update_display();
}

/* The shell that continued us has set the terminal as it likes. */
static void on_continue(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
	rl_deprep_terminal();
	rl_prep_term_function(0);
	if (can_erase())
		rl_clear_visible_line();
	rl_forced_update_display();
}

void prompt_interrupt(struct prompt *p)
{
	if (!p->active)
		return;
	p->interrupted = true;
	rl_callback_sigcleanup();
	rl_point = rl_end;
	rl_redisplay();
	fputs("^C", rl_outstream);
	rl_crlf();
	rl_free_line_state();
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
	if (p->interrupted || p->ended) {
		lua_pushnil(L);
		lua_pushstring(L, p->ended ? "end" : "interrupted");
		return 2;
	}
	lua_pushstring(L, p->line);
	free(p->line);
	p->line = NULL;
	return 1;
}

static void prepare_terminal(int meta)
{
	struct terminal *t = &the_prompt->rt->terminal;
	const char *paste = rl_variable_value("enable-bracketed-paste");

	terminal_will_change(t, paste && strcmp(paste, "on") == 0 && can_erase());
	rl_prep_terminal(meta);
	terminal_changed(t);
}

/* readline would end the line after Ctrl-D only where bracketed paste is on: on_line() does. */
static void restore_terminal(void)
{
	rl_eof_found = 0;
	rl_deprep_terminal();
}

/* Letters of several bytes are edited as such where the terminal sends UTF-8, which is taken for
 * granted where nothing is said. Other encodings would change what Lua takes for a letter. */
static void set_encoding(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	bool said = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		said = said || (getenv(names[i]) && *getenv(names[i]));
	if (!setlocale(LC_CTYPE, said ? "" : "C.UTF-8") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C");
}

/* Our preferences come before the user's ~/.inputrc, which rl_initialize() reads. */
static void start_readline(struct runtime *rt)
{
	static bool started;

	if (started)
		return;
	started = true;
	set_encoding();
	output_capture(rt);
	rl_readline_name = "nervsh";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_outstream = output_terminal(rt);
	rl_prep_term_function = prepare_terminal;
	rl_deprep_term_function = restore_terminal;
	prompt_complete_init(rt);
	rl_variable_bind("show-all-if-ambiguous", "on");
	rl_initialize();
	using_history();
	stifle_history(HISTORY_MOST);
}

static void watch(struct prompt *p)
{
	struct ev_loop *loop = p->rt->loop;

	ev_io_init(&p->input, on_input, STDIN_FILENO, EV_READ);
	ev_io_start(loop, &p->input);
	ev_prepare_init(&p->show, on_show);
	ev_set_priority(&p->show, EV_MINPRI);
	p->show.data = p;
	ev_signal_init(&p->resized, on_resize, SIGWINCH);
	ev_signal_start(loop, &p->resized);
	ev_signal_init(&p->stopped, on_stop, SIGTSTP);
	ev_signal_start(loop, &p->stopped);
	ev_signal_init(&p->continued, on_continue, SIGCONT);
	ev_signal_start(loop, &p->continued);
}

static int l_read(lua_State *L)
{
	struct runtime *rt = runtime_of(L);
	struct prompt *p = lua_newuserdatauv(L, sizeof(*p), 0);

	memset(p, 0, sizeof(*p));
	if (rt->prompt)
		return nerv_error(L, "prompt.read: somebody reads already");
	task_check_wait(L);
	p->rt = rt;
	p->wait.cancel = cancel_read;
	the_prompt = p;
	start_readline(rt);
	fflush(stdout);
	output_hide_status(rt);
	if (output_in_line(rt))
		rl_crlf();
	output_line_ended(rt);
	rl_reset_screen_size();
	rl_callback_handler_install(lua_tostring(L, 1), on_line);
	p->active = true;
	rt->prompt = p;
	watch(p);
	return task_wait(L, &p->wait, lua_gettop(L), finish_read);
}

static int l_remember(lua_State *L)
{
	add_history(lua_tostring(L, 1));
	return 0;
}

/* foreground(f, ...): runs f in a task that Ctrl-C cancels; returns its handle. */
static int l_foreground(lua_State *L)
{
	struct runtime *rt = runtime_of(L);

	task_spawn(L, lua_gettop(L) - 1, "prompt");
	rt->was_interrupted = false;
	rt->foreground = lua_touserdata(L, -1);
	return 1;
}

static int l_background(lua_State *L)
{
	struct runtime *rt = runtime_of(L);

	lua_pushboolean(L, rt->was_interrupted);
	rt->foreground = NULL;
	rt->was_interrupted = false;
	return 1;
}

static const struct fn functions[] = {
	{ "read", l_read,
	  (const struct arg[]){ { "prompt", ARG_STRING, true, "what stands before the line", NULL }, { 0 } },
	  "reads a line from the terminal; nil and \"end\" or \"interrupted\" without one", NULL },
	{ "remember", l_remember,
	  (const struct arg[]){ { "text", ARG_STRING, true, "one input, of one line or several", NULL }, { 0 } },
	  "puts an input into the history that the arrow keys show", NULL },
	{ "completer", prompt_l_completer,
	  (const struct arg[]){
		  { "complete", ARG_FUNCTION, true,
		    "given the line up to the cursor: {start = of the word, words = {...}}, or nil", NULL },
		  { "list", ARG_FUNCTION, true,
		    "given such a table, rows and columns: the text that lists the words", NULL },
		  { 0 } },
	  "sets the functions that complete what is typed; they cannot wait", NULL },
	{ "foreground", l_foreground,
	  (const struct arg[]){
		  { "function", ARG_FUNCTION, true, "what to run", NULL },
		  { "...", ARG_REST, false, "its arguments", NULL },
		  { 0 } },
	  "starts the task that Ctrl-C cancels; returns its handle", NULL },
	{ "background", l_background, NULL, "ends the foreground; returns whether it was interrupted", NULL },
	{ 0 }
};

NERV_MODULE(prompt, .name = "prompt", .text = "the interactive prompt", .functions = functions);
