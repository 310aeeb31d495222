/* The command line of nervsh. */
#include "shell/options.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/registry.h"

enum effect { NONE, FLAG, VALUE, ACTION, HELP, VERSION };

struct choice {
	char letter;		/* or 0 */
	const char *name;	/* the long option, or NULL */
	const char *value;	/* what follows, in capitals, or NULL */
	enum effect effect;
	const char *key;	/* of the option in Lua, or the kind of action */
	const char *text;
};

static const struct choice choices[] = {
	{ 0, NULL, "FILE", NONE, NULL, "run a script; its arguments are in `arg` and `...`" },
	{ 0, NULL, "-", NONE, NULL, "run standard input" },
	{ 0, NULL, "COMMAND", NONE, NULL, "run a command, where no file is called so" },
	{ 'e', NULL, "CODE", ACTION, "code", "run Lua code (may be repeated)" },
	{ 'c', NULL, "COMMAND", ACTION, "command", "run one command line, as typed at the prompt" },
	{ 'l', NULL, "MODULE", ACTION, "module", "require MODULE into a global of its name" },
	{ 'i', NULL, NULL, FLAG, "interactive", "prompt after the script or code" },
	{ 0, "agent", NULL, FLAG, "agent", "be the agent of this node" },
	{ 0, "lab", NULL, FLAG, "lab", "(with --agent) end when the last shell leaves" },
	{ 0, "temporary", NULL, FLAG, "temporary",
	  "(with --agent) remove everything that was made when ending" },
	{ 0, "restore", NULL, FLAG, "restore",
	  "(with --agent) put the last good copy of the node's own database in its place" },
	{ 0, "keep", NULL, FLAG, "keep", "leave the lab running when the shell ends" },
	{ 0, "db", "REMOTE", VALUE, "db",
	  "use this database: unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT" },
	{ 0, "config", "FILE", VALUE, "config",
	  "(with --agent) settings; default /etc/nerv/nerv.lua" },
	{ 0, "listen", "ADDRESS:PORT", VALUE, "listen",
	  "(with --agent) answer shells on other nodes, with TLS" },
	{ 0, "share", "ADDRESS:PORT", VALUE, "share",
	  "(with --agent) share the node's own database, with TLS" },
	{ 0, "tls", "DIR", VALUE, "tls",
	  "ca.pem, certificate.pem and key.pem; default $NERV_TLS or /etc/nerv/tls" },
	{ 0, "state", "DIR", VALUE, "state", "state directory; default $NERV_STATE or /var/lib/nerv" },
	{ 0, "node", "NAME", VALUE, "node", "name of this node; default the host's name" },
	{ 0, "no-init", NULL, FLAG, "no-init",
	  "do not run ~/.config/nervsh/init.lua before the prompt" },
	{ 0, "help", NULL, HELP, NULL, "show this and exit" },
	{ 0, "version", NULL, VERSION, NULL, "show the version and exit" },
};

enum { CHOICES = sizeof(choices) / sizeof(choices[0]), FIRST_LONG = 256 };

static void print_usage(void)
{
	char head[64];

	fputs("Usage: nervsh [OPTION]... [FILE|COMMAND [ARGUMENT]...]\n"
	      "A shell and scripting environment for virtual networks of any architecture.\n\n",
	      stdout);
	for (const struct choice *c = choices; c < choices + CHOICES; c++) {
		const char *value = c->value ? c->value : "";

		if (c->letter)
			snprintf(head, sizeof(head), "-%c %s", c->letter, value);
		else if (c->name)
			snprintf(head, sizeof(head), "    --%s %s", c->name, value);
		else
			snprintf(head, sizeof(head), "%s", value);
		printf("  %-25s  %s\n", head, c->text);
	}
	fputs("\nExit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted; of a program that\n"
	      "-c runs in an endpoint its own. A failed `check`, `expect` or scenario is a failure.\n",
	      stdout);
}

static int unknown_option(const char *word)
{
	const char *names[CHOICES + 1];
	const char *near;
	size_t n = 0;

	for (const struct choice *c = choices; c < choices + CHOICES; c++) {
		if (c->name)
			names[n++] = c->name;
	}
	names[n] = NULL;
	near = strncmp(word, "--", 2) ? NULL : nearest_name(word + 2, names);
	fprintf(stderr, "nervsh: unknown option '%s'", word);
	if (near)
		fprintf(stderr, "; did you mean '--%s'?", near);
	fputs("; 'nervsh --help' lists the options\n", stderr);
	return EXIT_USAGE;
}

static void append_action(lua_State *L, const char *kind, const char *text)
{
	lua_createtable(L, 0, 2);
	lua_pushstring(L, kind);
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "text");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* -1, or an exit status. */
static int apply(lua_State *L, const struct choice *c)
{
	switch (c->effect) {
	case ACTION:
		append_action(L, c->key, optarg);
		break;
	case FLAG:
		lua_pushboolean(L, true);
		lua_setfield(L, -3, c->key);
		break;
	case VALUE:
		lua_pushstring(L, optarg);
		lua_setfield(L, -3, c->key);
		break;
	case HELP:
		print_usage();
		return EXIT_SUCCESS;
	case VERSION:
		puts("nervsh " NERV_VERSION);
		return EXIT_SUCCESS;
	case NONE:
		break;
	}
	return -1;
}

/* The table as getopt wants it. */
static void getopt_tables(char *letters, struct option *longs)
{
	letters = stpcpy(letters, "+:");
	for (int i = 0; i < CHOICES; i++) {
		const struct choice *c = &choices[i];

		if (c->letter) {
			*letters++ = c->letter;
			if (c->value)
				*letters++ = ':';
		} else if (c->name) {
			*longs++ = (struct option){ c->name, c->value ? required_argument : no_argument, NULL,
						    FIRST_LONG + i };
		}
	}
	*letters = '\0';
	*longs = (struct option){ 0 };
}

static const struct choice *find_choice(int value)
{
	if (value >= FIRST_LONG)
		return &choices[value - FIRST_LONG];
	for (const struct choice *c = choices; c < choices + CHOICES; c++) {
		if (c->letter && c->letter == value)
			return c;
	}
	return NULL;
}

int options_read(lua_State *L, int argc, char **argv)
{
	struct option longs[CHOICES + 1];
	char letters[2 * CHOICES + 3];
	int value, status = -1;

	getopt_tables(letters, longs);
	opterr = 0;
	while (status < 0 && (value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct choice *c = find_choice(value);

		if (c) {
			status = apply(L, c);
		} else if (value == ':') {
			fprintf(stderr, "nervsh: option '%s' needs a value\n", argv[optind - 1]);
			status = EXIT_USAGE;
		} else {
			status = unknown_option(argv[optind - 1]);
		}
	}
	return status;
}
