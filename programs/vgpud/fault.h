/* SPDX-License-Identifier: MIT */
/*
 * For tests only: VGPUD_FAIL_AT=STEP in the environment kills the daemon with
 * SIGKILL when it comes to that step, as a power cut would.
 */
#ifndef VGPUD_FAULT_H
#define VGPUD_FAULT_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void fault_point(const char *step)
{
	const char *at = getenv("VGPUD_FAIL_AT");

	if (at && !strcmp(at, step))
		kill(getpid(), SIGKILL);
}

/* "@kind-@step" */
static inline void fault_point_of(const char *kind, const char *step)
{
	char name[64];

	snprintf(name, sizeof(name), "%s-%s", kind, step);
	fault_point(name);
}

#endif
