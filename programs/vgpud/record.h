/* SPDX-License-Identifier: MIT */
/* The record of which process is an instance's worker, or a parent's hub, in
 * its folder. */
#ifndef VGPUD_RECORD_H
#define VGPUD_RECORD_H

#include <stdbool.h>
#include <sys/types.h>

/* An empty record, for the child to write itself into. Return: an fd, or
 * negative errno. */
int record_create(const char *dir);

/**
 * record_find() - the process on record, if it runs
 *
 * A process of that number that is another program (the number was used
 * again) is not taken for it: its command line has to name @key.
 *
 * Return: 0, and @ret_pidfd is the caller's; -ESRCH: none; others.
 */
int record_find(const char *dir, const char *key, pid_t *ret_pid,
		int *ret_pidfd);

/* Is @word one of the words of its command line? */
bool record_names(pid_t pid, const char *word);

#endif
