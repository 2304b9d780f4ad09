/* SPDX-License-Identifier: MIT */
/* A descriptor of the same file that can't be used to write. */
#ifndef DISPLAY_REOPEN_H
#define DISPLAY_REOPEN_H

/**
 * reopen_for_reading() - open a memfd once more, read-only
 * @fd: stays the caller's
 *
 * Who gets the result can neither write nor map it for writing. Needs /proc.
 *
 * Return: the new descriptor, close-on-exec, or a negative errno.
 */
int reopen_for_reading(int fd);

#endif
