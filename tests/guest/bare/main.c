/* SPDX-License-Identifier: MIT */
#include "bare.h"

/* Only what is used of Multiboot's boot information. */
struct boot_info {
	uint32_t flags;
	uint32_t memory_low;
	uint32_t memory_high;
	uint32_t boot_device;
	uint32_t command_line;
};

#define BOOT_HAS_COMMAND_LINE 0x4

static const struct bare_test *const tables[] = { bochs_tests, irq_tests,
						  area_tests };

void bare_main(const struct boot_info *info);

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* The last word: before it stands the name of the image. */
static const char *last_word(const char *line)
{
	const char *word = line;

	for (; *line; line++)
		if (*line == ' ' && line[1] && line[1] != ' ')
			word = line + 1;
	return word;
}

void bare_main(const struct boot_info *info)
{
	const char *name = "";

	if (info->flags & BOOT_HAS_COMMAND_LINE)
		name = last_word((const char *)info->command_line);
	print("\nbegin: %s\n", name);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct bare_test *t = tables[i]; t->name; t++)
			if (same(t->name, name)) {
				t->run();
				finish();
			}
	check_true("there is a test of this name", false);
	finish();
}

/* The compiler may call these by itself. */
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *to, int c, size_t n)
{
	void *p = to;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *p = to;

	__asm__ volatile("rep movsb"
			 : "+D"(p), "+S"(from), "+c"(n)
			 :
			 : "memory");
	return to;
}
