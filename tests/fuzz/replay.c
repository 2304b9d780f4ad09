/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target on given inputs, without libFuzzer: files, or all files
 * of a folder. With --vary, on what is close to them, too: each cut short at
 * every byte, and with every byte changed in a few ways. Always the same, so
 * it can be a test.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (4u << 20)

static size_t runs;
static size_t inputs;

/* In memory of just its size */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	REQUIRE(copy);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static void vary(uint8_t *data, size_t size, size_t step)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };

	for (size_t i = 0; i < size; i += step)
		run(data, i);
	for (size_t i = 0; i < size; i += step) {
		uint8_t was = data[i];

		for (size_t j = 0; j < sizeof(flips); j++) {
			data[i] = was ^ flips[j];
			run(data, size);
		}
		data[i] = 0;
		run(data, size);
		data[i] = was;
	}
}

static int file(const char *path, size_t step)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f || !data) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(data);
		return 1;
	}
	size = fread(data, 1, INPUT_MAX, f);
	if (ferror(f) || size == INPUT_MAX) {
		fprintf(stderr, "%s: can't be read, or is too large\n", path);
		exit(1);
	}
	fclose(f);
	/* Should it die in here, this was it. */
	printf("%s, %zu bytes\n", path, size);
	fflush(stdout);
	run(data, size);
	if (step)
		vary(data, size, step);
	inputs++;
	free(data);
	return 0;
}

static int any_entry(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int path_or_folder(const char *path, size_t step)
{
	struct dirent **list;
	struct stat st;
	int failed = 0;
	int n;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return file(path, step);
	n = scandir(path, &list, any_entry, alphasort);
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		failed |= file(name, step);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return failed;
}

int main(int argc, char **argv)
{
	size_t step = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--vary=", 7))
			step = strtoul(argv[i] + 7, NULL, 10);
		else
			failed |= path_or_folder(argv[i], step);
	}
	printf("%zu inputs, %zu runs\n", inputs, runs);
	if (!inputs) {
		fprintf(stderr, "Usage: %s [--vary=STEP] FILE|FOLDER...\n",
			argv[0]);
		return 1;
	}
	return failed;
}
