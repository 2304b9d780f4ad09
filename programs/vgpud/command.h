/* SPDX-License-Identifier: MIT */
/* The command lines of what the daemon starts. */
#ifndef VGPUD_COMMAND_H
#define VGPUD_COMMAND_H

struct instance;

#define COMMAND_MAX 40 /* words */

/* @argv ends with NULL. Its words belong to others, but for @owned. */
struct command {
	const char *argv[COMMAND_MAX];
	unsigned n;
	char *owned[8];
	unsigned n_owned;
};

/**
 * command_device() - vgpu-device, for an instance
 * @dir: the instance's folder
 * @parent_fd: its connection to the vgpu-parent; -1: none
 *
 * Return: 0; -ENOMEM. command_release() in any case.
 */
int command_device(const struct instance *instance, const char *dir,
		   int parent_fd, struct command *ret_command);

/* vgpu-parent; all strings stay the caller's, and there is nothing to
 * release. */
void command_parent(const char *program, const char *module, const char *config,
		    const char *control, struct command *ret_command);

void command_release(struct command *command);

#endif
