/* SPDX-License-Identifier: MIT */
/* Standard input, output and error, which a starter may have left closed. */
#ifndef UTIL_STD_FDS_H
#define UTIL_STD_FDS_H

/**
 * std_fds_reserve() - open /dev/null in the place of each that is missing
 *
 * Call it first of all: otherwise the next socket or file gets the number 2,
 * and log lines are written into it.
 *
 * Return: 0 or negative errno.
 */
int std_fds_reserve(void);

#endif
