/* SPDX-License-Identifier: MIT */
#include "hop.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

unsigned hop_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 0;
}

bool hop_away(unsigned cpus)
{
	cpu_set_t mine, others, now;
	int cpu = sched_getcpu();

	if (cpus < 2 || cpus > HOP_MAX_CPUS || cpu < 0 || cpu >= CPU_SETSIZE ||
	    sched_getaffinity(0, sizeof(mine), &mine) < 0)
		return false;
	/* Whoever has restricted us, with a cpuset perhaps, would find his
	 * later changes undone by ours. */
	if ((unsigned)CPU_COUNT(&mine) < cpus || !CPU_ISSET(cpu, &mine))
		return false;
	others = mine;
	CPU_CLR(cpu, &others);
	if (sched_setaffinity(0, sizeof(others), &others) < 0)
		return false;
	/* Not over what somebody has set meanwhile. */
	if (!sched_getaffinity(0, sizeof(now), &now) &&
	    !CPU_EQUAL(&now, &others))
		return true;
	/* Any cpu, also one that is there later only */
	memset(&mine, 0xff, sizeof(mine));
	return !sched_setaffinity(0, sizeof(mine), &mine);
}
