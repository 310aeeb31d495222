/* The scanner of JSON on texts that are mutated at random, always the same: it stays inside the text, its events
 * nest, and it comes to an end. With the sanitizers this finds what a fuzzer would. */
#include "bindings/json_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 300000

static const char *const seeds[] = {
	"{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\",true,null,{}],\"b\":{\"c\":false}}",
	"[[[[[[[[[[[]]]]]]]]]]]", "  \"\\\"\\\\\\/\\b\\f\\n\\r\\t\"  ", "-0.0e-12", "9223372036854775808",
	"[{\"\":{}},[],\"\xff\xc3\",1E400]", "{\"k\":1,\"k\":2}",
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Scans a copy that ends where its memory does; false when an event is out of place. */
static bool scan(const char *bytes, size_t length)
{
	char *text = malloc(length + 1), open[JSON_DEPTH + 1];
	struct json_scan s;
	size_t events = 0, depth = 0, touched = 0;
	bool good = true, key = false, end = false;

	memcpy(text, bytes, length);
	text[length] = '\0';
	json_scan_begin(&s, text, length);
	while (good && !end) {
		const enum json_event event = json_scan_next(&s);

		good = ++events <= 2 * length + 2 && s.at <= s.end;
		if (event == JSON_ERROR || event == JSON_END) {
			good = good && (event == JSON_ERROR ? s.why && json_scan_next(&s) == JSON_ERROR : !depth);
			end = true;
		} else if (event == JSON_KEY) {
			good = good && !key && depth && open[depth - 1] == '{';
			key = true;
		} else if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
			good = good && !key && depth && open[--depth] == (event == JSON_OBJECT_END ? '{' : '[');
		} else {
			good = good && (!depth || key == (open[depth - 1] == '{'));
			key = false;
			if (event == JSON_OBJECT || event == JSON_ARRAY) {
				good = good && depth < JSON_DEPTH;
				if (good)
					open[depth++] = event == JSON_OBJECT ? '{' : '[';
			}
		}
		if (event == JSON_STRING || event == JSON_KEY)
			for (size_t i = 0; i < s.length; i++)
				touched += (unsigned char)s.string[i];
	}
	json_scan_free(&s);
	free(text);
	return good && touched < SIZE_MAX;
}

/* One to three changes: a byte, a bit, a piece cut out, a piece doubled. */
static size_t mutate(char *text, size_t length, size_t room, uint32_t *state)
{
	for (uint32_t n = 1 + next_random(state) % 3; n && length; n--) {
		const size_t at = next_random(state) % length, piece = 1 + next_random(state) % (length - at);

		switch (next_random(state) % 4) {
		case 0:
			text[at] = (char)next_random(state);
			break;
		case 1:
			text[at] = "{}[]\",:\\u0-e1 tfn"[next_random(state) % 17];
			break;
		case 2:
			memmove(text + at, text + at + piece, length - at - piece);
			length -= piece;
			break;
		default:
			if (length + piece > room)
				break;
			memmove(text + at + piece, text + at, length - at);
			length += piece;
		}
	}
	return length;
}

int main(void)
{
	uint32_t state = 1;
	bool good = true;

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		good = good && scan(seeds[i], strlen(seeds[i]));
	printf("%s 1 - texts as they are\n", good ? "ok" : "not ok");
	for (int i = 0; good && i < ROUNDS; i++) {
		const char *seed = seeds[next_random(&state) % (sizeof(seeds) / sizeof(seeds[0]))];
		char text[512];
		size_t length = strlen(seed);

		memcpy(text, seed, length);
		length = mutate(text, length, sizeof(text), &state);
		good = scan(text, length);
		if (!good)
			printf("# round %d: %.*s\n", i, (int)length, text);
	}
	printf("%s 2 - %d texts that were mutated\n1..2\n", good ? "ok" : "not ok", ROUNDS);
	return !good;
}
