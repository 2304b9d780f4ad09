/* SPDX-License-Identifier: MIT */
/* What a starter leaves of descriptors: standard ones closed, few in all. */
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

/**
 * fds_raise_limit() - have as many descriptors as the hard limit allows
 *
 * Starters give 1,024 as a rule, for programs that use select(). Ours don't, and
 * have some for each client, vGPU and file of a guest's memory.
 */
void fds_raise_limit(void);

#endif
