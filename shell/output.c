/* stdout and stderr as streams that know of the prompt. */
#include "shell/output.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shell/prompt.h"
#include "shell/runtime.h"

struct channel {
	struct output *output;
	int fd;
	FILE *former;
	FILE *stream;			/* NULL: not captured */
};

struct output {
	struct runtime *rt;
	pthread_t owner;		/* the loop's thread, which may touch the line */
	struct channel out, err;
	bool in_line;
	char status[256];		/* empty: none */
	int status_width;		/* columns that it fills now */
};

static int write_all(int fd, const char *bytes, size_t size)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EAGAIN) {
			poll(&room, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* With blanks, which every terminal knows. */
void output_hide_status(struct runtime *rt)
{
	if (!rt->output || rt->output->status_width == 0)
		return;
	dprintf(STDERR_FILENO, "\r%*s\r", rt->output->status_width, "");
	rt->output->status_width = 0;
}

static void show_status(struct output *o)
{
	struct winsize size = { 0 };
	int columns = 80, bytes = 0, width = 0;

	if (o->rt->prompt || o->in_line || !o->status[0])
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;
	for (; o->status[bytes] && width < columns; bytes++)	/* UTF-8: not for each byte */
		width += (o->status[bytes] & 0xc0) != 0x80;
	if (width == columns) {
		width--;
		while ((o->status[--bytes] & 0xc0) == 0x80)
			;
	}
	dprintf(STDERR_FILENO, "%.*s", bytes, o->status);
	o->status_width = width;
}

void output_status(struct runtime *rt, const char *text)
{
	output_capture(rt);
	if (!rt->output)
		return;
	output_hide_status(rt);
	snprintf(rt->output->status, sizeof(rt->output->status), "%s", text);
	show_status(rt->output);
}

static void begin(struct output *o)
{
	if (o->rt->prompt)
		prompt_hide(o->rt->prompt);
	output_hide_status(o->rt);
}

static ssize_t write_channel(void *cookie, const char *bytes, size_t size)
{
	struct channel *c = cookie;
	struct output *o = c->output;
	bool ours = pthread_equal(pthread_self(), o->owner);

	if (ours)
		begin(o);
	if (write_all(c->fd, bytes, size))
		return 0;
	if (size)
		o->in_line = bytes[size - 1] != '\n';
	if (ours)
		show_status(o);
	return (ssize_t)size;
}

static void lua_stream(lua_State *L, const char *name, FILE *stream)
{
	luaL_Stream *s;

	lua_getglobal(L, LUA_IOLIBNAME);
	lua_getfield(L, -1, name);
	s = luaL_testudata(L, -1, LUA_FILEHANDLE);
	if (s && s->closef)
		s->f = stream;
	lua_pop(L, 2);
}

static void capture(struct channel *c, struct output *o, int fd, FILE *former, int mode)
{
	static const cookie_io_functions_t functions = { .write = write_channel };

	c->output = o;
	c->fd = fd;
	c->former = former;
	c->stream = isatty(fd) ? fopencookie(c, "w", functions) : NULL;
	if (!c->stream)
		return;
	fflush(former);
	setvbuf(c->stream, NULL, mode, BUFSIZ);
}

void output_capture(struct runtime *rt)
{
	struct output *o;

	if (rt->output)
		return;
	o = calloc(1, sizeof(*o));
	if (!o)
		return;
	o->rt = rt;
	o->owner = pthread_self();
	capture(&o->out, o, STDOUT_FILENO, stdout, _IOLBF);
	capture(&o->err, o, STDERR_FILENO, stderr, _IONBF);
	rt->output = o;
	if (o->out.stream) {
		stdout = o->out.stream;
		lua_stream(rt->L, "stdout", stdout);
	}
	if (o->err.stream) {
		stderr = o->err.stream;
		lua_stream(rt->L, "stderr", stderr);
	}
}

void output_release(struct runtime *rt)
{
	struct output *o = rt->output;

	if (!o)
		return;
	if (o->out.stream) {
		lua_stream(rt->L, "stdout", o->out.former);
		stdout = o->out.former;
		fclose(o->out.stream);
	}
	if (o->err.stream) {
		lua_stream(rt->L, "stderr", o->err.former);
		stderr = o->err.former;
		fclose(o->err.stream);
	}
	rt->output = NULL;
	free(o);
}

void output_flush(struct runtime *rt)
{
	if (!rt->output || !rt->output->out.stream)
		fflush(stdout);
}

FILE *output_terminal(struct runtime *rt)
{
	return rt->output ? rt->output->out.former : stdout;
}

bool output_in_line(struct runtime *rt)
{
	return rt->output && rt->output->in_line;
}

void output_line_ended(struct runtime *rt)
{
	if (rt->output)
		rt->output->in_line = false;
}
