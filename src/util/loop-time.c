/* SPDX-License-Identifier: MIT */
/* The clock by itself: libvgpu-client has it without the loop. */
#include "loop.h"

#include <time.h>

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
