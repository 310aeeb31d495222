/* Completion at the prompt.
 *
 * readline's notion of a word does not fit: `net.<TAB>`, `"` and ` = ` are Lua's affair. So
 * each match that it gets is the whole line up to the cursor, and Lua says from where on it
 * is new. Lists of matches are laid out in Lua and cut there: readline's own asks questions,
 * and would stop the loop until they are answered.
 */
#include "shell/prompt_complete.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "shell/registry.h"
#include "shell/runtime.h"

/* For readline's functions, which have no argument of their own. */
static struct {
	struct runtime *rt;
	int complete, list;	/* in the Lua registry */
	int answer;		/* what `complete` returned last */
} the_completer = { NULL, LUA_NOREF, LUA_NOREF, LUA_NOREF };

/* No completion may take longer, in seconds. */
static const double TIME_LIMIT = 1;

static int call(lua_State *L, int nargs, int nresults)
{
	struct runtime *rt = the_completer.rt;
	double outer = rt->deadline;
	int status;

	rt->deadline = runtime_now() + TIME_LIMIT;
	status = lua_pcall(L, nargs, nresults, 0);
	rt->deadline = outer;
	if (status != LUA_OK)
		lua_pop(L, 1);
	return status;
}

/* The part that the words on top of the stack have in common; never half a character. */
static size_t common_length(lua_State *L, int words, lua_Integer n)
{
	size_t common = 0, len;
	const char *first;

	lua_rawgeti(L, words, 1);
	first = lua_tolstring(L, -1, &common);
	for (lua_Integer i = 2; i <= n; i++) {
		const char *word;

		lua_rawgeti(L, words, i);
		word = lua_tolstring(L, -1, &len);
		if (len < common)
			common = len;
		while (common > 0 && memcmp(first, word, common) != 0)
			common--;
		lua_pop(L, 1);
	}
	while (n > 1 && common > 0 && ((unsigned char)first[common] & 0xc0) == 0x80)
		common--;
	lua_pop(L, 1);
	return common;
}

static char *join(const char *line, size_t start, const char *word, size_t len)
{
	char *match = malloc(start + len + 1);

	if (!match)
		return NULL;
	memcpy(match, line, start);
	memcpy(match + start, word, len);
	match[start + len] = '\0';
	return match;
}

/* readline wants: what all have in common, then each, then NULL; one that is alone is only
 * the first. */
static char **make_matches(lua_State *L, const char *line, size_t start, int words, lua_Integer n)
{
	char **matches = calloc((size_t)n + 2, sizeof(*matches));
	const char *word;
	size_t len;

	if (!matches)
		return NULL;
	lua_rawgeti(L, words, 1);
	matches[0] = join(line, start, lua_tostring(L, -1), common_length(L, words, n));
	lua_pop(L, 1);
	for (lua_Integer i = 1; n > 1 && matches[i - 1] && i <= n; i++) {
		lua_rawgeti(L, words, i);
		word = lua_tolstring(L, -1, &len);
		matches[i] = join(line, start, word, len);
		lua_pop(L, 1);
	}
	return matches;
}

/* Only what is a list of words and lies in the line. */
static lua_Integer count_words(lua_State *L, int words)
{
	lua_Integer n = lua_istable(L, words) ? (lua_Integer)lua_rawlen(L, words) : 0;

	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_rawgeti(L, words, i) != LUA_TSTRING)
			n = 0;
		lua_pop(L, 1);
	}
	return n;
}

static char **attempt(const char *text, int start, int end)
{
	lua_State *L = the_completer.rt->L;
	char **matches = NULL;
	int top = lua_gettop(L);
	lua_Integer from, n;

	(void)start;
	rl_attempted_completion_over = 1;
	rl_completion_suppress_append = 1;
	lua_rawgeti(L, LUA_REGISTRYINDEX, the_completer.complete);
	lua_pushlstring(L, text, (size_t)end);
	if (call(L, 1, 1) != LUA_OK || !lua_istable(L, -1))
		goto out;
	lua_pushvalue(L, -1);
	lua_rawseti(L, LUA_REGISTRYINDEX, the_completer.answer);
	lua_getfield(L, -1, "start");
	from = lua_tointeger(L, -1);
	lua_getfield(L, -2, "words");
	n = count_words(L, lua_gettop(L));
	if (n > 0 && from >= 1 && from <= end + 1)
		matches = make_matches(L, text, (size_t)from - 1, lua_gettop(L), n);
out:
	lua_settop(L, top);
	return matches;
}

/* Below the line, which may take several rows. */
static void show_matches(char **matches, int count, int longest)
{
	lua_State *L = the_completer.rt->L;
	int point = rl_point, rows, columns;

	(void)matches;
	(void)count;
	(void)longest;
	rl_get_screen_size(&rows, &columns);
	lua_rawgeti(L, LUA_REGISTRYINDEX, the_completer.list);
	lua_rawgeti(L, LUA_REGISTRYINDEX, the_completer.answer);
	lua_pushinteger(L, rows);
	lua_pushinteger(L, columns);
	if (call(L, 3, 1) != LUA_OK)
		return;
	rl_point = rl_end;
	rl_redisplay();
	rl_crlf();
	if (lua_isstring(L, -1))
		fputs(lua_tostring(L, -1), rl_outstream);
	lua_pop(L, 1);
	rl_point = point;
	rl_forced_update_display();
}

void prompt_complete_init(struct runtime *rt)
{
	the_completer.rt = rt;
	rl_attempted_completion_function = attempt;
	rl_completion_display_matches_hook = show_matches;
	rl_completer_word_break_characters = "";
	rl_completer_quote_characters = NULL;
	rl_sort_completion_matches = 0;
	rl_ignore_completion_duplicates = 0;
}

int prompt_l_completer(lua_State *L)
{
	luaL_unref(L, LUA_REGISTRYINDEX, the_completer.complete);
	luaL_unref(L, LUA_REGISTRYINDEX, the_completer.list);
	lua_settop(L, 2);
	the_completer.list = luaL_ref(L, LUA_REGISTRYINDEX);
	the_completer.complete = luaL_ref(L, LUA_REGISTRYINDEX);
	if (the_completer.answer == LUA_NOREF) {
		lua_pushboolean(L, false);
		the_completer.answer = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	return 0;
}
