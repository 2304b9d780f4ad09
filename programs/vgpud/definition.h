/* SPDX-License-Identifier: MIT */
/* What is remembered of an instance, and its form as a file. */
#ifndef VGPUD_DEFINITION_H
#define VGPUD_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>

#define DEFINITION_LABEL_MAX 64		 /* bytes of a label */
#define DEFINITION_FILE_MAX  (64u << 10) /* bytes of a file */

enum policy { POLICY_RESTART, POLICY_STOP, POLICY_FAIL };

/**
 * struct definition - an instance as it was asked for
 * @uuid: lower case
 * @label: "": none
 * @policy: what is to be done when a worker dies
 * @weight: its share of the engine, 1 to VGPU_WEIGHT_MAX; 0: as its type has it
 * @cap: percent of the engine that it gets at most; 0: no limit
 */
struct definition {
	char uuid[37];
	char type[64];
	char parent[64];
	char label[DEFINITION_LABEL_MAX + 1];
	bool autostart;
	enum policy policy;
	unsigned weight, cap;
};

const char *policy_name(enum policy policy);
/* 0, or -EINVAL. */
int policy_parse(const char *name, enum policy *ret_policy);

/* 36 characters, any case, to lower case. 0, or -EINVAL. */
int uuid_canonical(const char *text, char ret_uuid[37]);

/* UTF-8, no characters that steer a terminal, at most DEFINITION_LABEL_MAX
 * bytes, and nothing that could be taken for a UUID's beginning. */
bool label_is_valid(const char *label);

/* As a file; to be freed. NULL: out of memory. */
char *definition_format(const struct definition *definition);

/**
 * definition_parse() - read a file
 * @path: for messages
 * @uuid: whose file it is, by its name
 * @ret_problem: "PATH:LINE: what is wrong", to be freed, on -EBADMSG
 *
 * Return: 0; -EBADMSG: nonsense; -ENOMEM.
 */
int definition_parse(const char *path, const char *uuid, const char *text,
		     size_t len, struct definition *ret_definition,
		     char **ret_problem);

#endif
