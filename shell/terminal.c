/* The terminal's settings, the guardian, and the Lua module `terminal`. */
#include "shell/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "shell/registry.h"
#include "shell/runtime.h"

/* One message to the guardian; shorter than PIPE_BUF, so it comes whole. */
struct order {
	struct termios former;		/* to be put back */
	struct termios ours;
	bool changed;			/* `ours` holds; else the change is just being made */
	bool paste;
};

/* Settings of ours can be told from those of a shell that also runs readline: with ICANON off
 * this character has no effect. */
enum { MARK = 0x1e, OTHER_MARK = 0x1f };

static bool same_settings(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

/* Nobody has set the terminal since. */
static bool still_ours(const struct order *order)
{
	struct termios now;

	if (tcgetattr(STDIN_FILENO, &now))
		return false;
	return order->changed ? same_settings(&now, &order->ours) : (now.c_lflag & ICANON) == 0;
}

/* A parent with job control may set the terminal itself: it gets time for that. */
static void put_back(const struct order *order, bool wait)
{
	static const char paste_off[] = "\033[?2004l", next_line[] = "\r\n";
	const struct timespec pause = { .tv_nsec = 200000000 };

	if (wait)
		nanosleep(&pause, NULL);
	if (!still_ours(order))
		return;
	if (order->paste && write(STDIN_FILENO, paste_off, sizeof(paste_off) - 1) < 0)
		return;
	if (write(STDIN_FILENO, next_line, sizeof(next_line) - 1) < 0)
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &order->former);
}

/* The guardian: after a fork in a program with threads only system calls are safe. It keeps
 * the session, for the terminal would not be its own in another, and takes a process group of
 * its own. All signals are blocked: nothing typed ends it, and it may set the terminal from
 * the background. */
static void guard(int orders, bool job_control)
{
	struct order order, last = { 0 };
	bool told = false;
	ssize_t n;

	setpgid(0, 0);
	prctl(PR_SET_NAME, "nervsh-guard");
	dup2(orders, STDOUT_FILENO);
	close_range(STDERR_FILENO, ~0U, 0);
	while ((n = read(STDOUT_FILENO, &order, sizeof(order))) != 0) {
		if (n == sizeof(order)) {
			last = order;
			told = true;
		} else if (errno != EINTR) {
			break;
		}
	}
	if (told)
		put_back(&last, job_control);
	_exit(0);
}

static void start_guardian(struct terminal *t)
{
	bool job_control = getpgid(getppid()) != getpgrp();	/* or we would be in our parent's group */
	sigset_t all, old;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		guard(fds[0], job_control);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return;
	}
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	t->guardian = fds[1];
}

/* Without a guardian (no process to be had) all works but its work. */
static void tell(struct terminal *t, const struct order *order)
{
	if (t->guardian == 0)
		start_guardian(t);
	if (t->guardian > 0 && write(t->guardian, order, sizeof(*order)) < 0)
		terminal_finish(t);
}

void terminal_will_change(struct terminal *t, bool paste)
{
	struct order order = { .paste = paste };

	if (tcgetattr(STDIN_FILENO, &order.former))
		return;
	t->former = order.former;
	t->paste = paste;
	tell(t, &order);
}

void terminal_changed(struct terminal *t)
{
	struct order order = { .former = t->former, .changed = true, .paste = t->paste };

	if (tcgetattr(STDIN_FILENO, &order.ours))
		return;
	order.ours.c_cc[VEOL2] = order.former.c_cc[VEOL2] == MARK ? OTHER_MARK : MARK;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &order.ours) == 0)
		tell(t, &order);
}

bool terminal_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

void terminal_finish(struct terminal *t)
{
	if (t->guardian > 0)
		close(t->guardian);
	t->guardian = -1;
}

/* Both handles put the settings back that they found. */
struct held {
	struct termios former;
	bool open;
	bool lent;
};

static const char class_name[] = "terminal";

static int l_release(lua_State *L)
{
	struct held *h = luaL_checkudata(L, 1, class_name);

	if (!h->open)
		return 0;
	h->open = false;
	if (h->lent)
		runtime_of(L)->terminal.lent--;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &h->former);
	return 0;
}

static int hold(lua_State *L, const char *what, bool lent)
{
	struct held *h = lua_newuserdatauv(L, sizeof(*h), 0);

	memset(h, 0, sizeof(*h));
	luaL_setmetatable(L, class_name);
	if (tcgetattr(STDIN_FILENO, &h->former))
		return nerv_fail(L, errno, "%s: standard input", what);
	h->open = true;
	h->lent = lent;
	return 1;
}

static int l_raw(lua_State *L)
{
	struct terminal *t = &runtime_of(L)->terminal;
	struct termios raw;
	int n = hold(L, "terminal.raw", false);

	if (n != 1)
		return n;
	terminal_will_change(t, false);
	raw = t->former;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw))
		return nerv_fail(L, errno, "terminal.raw");
	terminal_changed(t);
	return 1;
}

static int l_lend(lua_State *L)
{
	int n = hold(L, "terminal.lend", true);

	if (n == 1)
		runtime_of(L)->terminal.lent++;
	return n;
}

static int l_size(lua_State *L)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return nerv_fail(L, errno, "terminal.size: standard output");
	lua_pushinteger(L, size.ws_row ? size.ws_row : 24);
	lua_pushinteger(L, size.ws_col ? size.ws_col : 80);
	return 2;
}

static int l_there(lua_State *L)
{
	lua_pushboolean(L, terminal_there());
	return 1;
}

static const struct fn methods[] = {
	{ "close", l_release, NULL, "puts the terminal's settings back", NULL },
	{ 0 }
};

static int init(lua_State *L)
{
	registry_class(L, class_name, "the terminal as somebody else uses it", methods, l_release);
	return 1;
}

static const struct fn functions[] = {
	{ "there", l_there, NULL, "returns whether standard input and output are a terminal",
	  "if terminal.there() then print('somebody is there') end" },
	{ "size", l_size, NULL, "returns the rows and columns of the terminal at standard output",
	  "local rows, columns = terminal.size()" },
	{ "raw", l_raw, NULL,
	  "lets each key through as it is typed, Ctrl-C too; returns a handle whose close() ends it",
	  "local raw <close> = terminal.raw()" },
	{ "lend", l_lend, NULL,
	  "leaves Ctrl-C to a program that runs on the terminal; returns a handle whose close() ends it",
	  "local lent <close> = terminal.lend()" },
	{ 0 }
};

NERV_MODULE(terminal, .name = "terminal", .text = "the terminal that a person sits at",
	    .functions = functions, .init = init);
