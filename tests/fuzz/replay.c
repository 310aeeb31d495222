/* Runs a fuzz target over the inputs in tests/fuzz/corpus/NAME, where NAME is the program's own: a TAP test.
 *	NAME			each input is a case
 *	NAME --unpack DIR	writes the inputs as libFuzzer wants them
 * A file whose name ends in .hex holds hexadecimal digits; blanks and what follows a # are left out. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MOST = 1 << 20 };

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Replaces the text by the bytes that it describes; their number. */
static size_t decode(uint8_t *text, size_t n)
{
	size_t out = 0, digits = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '#')
			while (i < n && text[i] != '\n')
				i++;
		if (i == n || !isxdigit(text[i]))
			continue;
		if (digits++ % 2 == 0)
			text[out] = 0;
		text[out] = (uint8_t)(text[out] << 4 | (isdigit(text[i]) ? text[i] - '0' : (text[i] | 32) - 'a' + 10));
		out += digits % 2 == 0;
	}
	return out;
}

/* The input's bytes go to `bytes`; how many, or -1. */
static long read_input(const char *directory, const char *name, uint8_t *bytes)
{
	char path[512];
	size_t n, length = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "rb");
	if (!file)
		return -1;
	n = fread(bytes, 1, INPUT_MOST, file);
	fclose(file);
	if (length > 4 && strcmp(name + length - 4, ".hex") == 0)
		n = decode(bytes, n);
	return (long)n;
}

static int unpack(const char *to, const char *name, const uint8_t *bytes, size_t n)
{
	char path[512];
	FILE *file;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", to, name);
	file = fopen(path, "wb");
	if (!file)
		return -1;
	ret = fwrite(bytes, 1, n, file) == n ? 0 : -1;
	return fclose(file) ? -1 : ret;
}

/* A copy of its exact size, so that a sanitizer sees each byte that is read behind it. */
static int judge(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		return -1;
	memcpy(copy, bytes, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	return 0;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[INPUT_MOST];
	const char *slash = strrchr(argv[0], '/'), *to = argc == 3 && !strcmp(argv[1], "--unpack") ? argv[2] : NULL;
	char directory[256];
	struct dirent **entries;
	int n, failed = 0;

	snprintf(directory, sizeof(directory), "tests/fuzz/corpus/%s", slash ? slash + 1 : argv[0]);
	n = scandir(directory, &entries, is_input, alphasort);
	if (n <= 0 || (argc > 1 && !to)) {
		fprintf(stderr, "%s: no inputs in %s: %s\n", argv[0], directory, strerror(errno));
		return 1;
	}
	for (int i = 0; i < n; i++) {
		long length = read_input(directory, entries[i]->d_name, bytes);
		int ret = length < 0 ? -1 : to ? unpack(to, entries[i]->d_name, bytes, (size_t)length)
					       : judge(bytes, (size_t)length);

		failed += ret != 0;
		if (!to)
			printf("%s %d - %s\n", ret ? "not ok" : "ok", i + 1, entries[i]->d_name);
		fflush(stdout);
		free(entries[i]);
	}
	free(entries);
	if (!to)
		printf("1..%d\n", n);
	return failed > 0;
}
