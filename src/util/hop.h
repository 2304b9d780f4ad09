/* SPDX-License-Identifier: MIT */
/*
 * To another cpu, without a sleep. Where the scheduler does not take two
 * threads apart that wake each other up and never sleep (place.h), one of them
 * can do it: it forbids itself the cpu that it is on, and allows it again.
 */
#ifndef UTIL_HOP_H
#define UTIL_HOP_H

#include <stdbool.h>

/* With more cpus a wake-up finds an idle one, and a hop might lead far away
 * from the memory that is in use. */
#define HOP_MAX_CPUS 16u

/* Cpus that there are, before the process is confined; 0: unknown. */
unsigned hop_cpus(void);

/**
 * hop_away() - let the calling thread go on on another cpu
 * @cpus: hop_cpus()
 *
 * Takes some ten microseconds where the other cpu is idle; where it is not,
 * until it is this thread's turn there. False: it is where it was, because
 * there is no other cpu, or too many, or somebody has said which it may use.
 */
bool hop_away(unsigned cpus);

#endif
