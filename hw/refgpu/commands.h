/* SPDX-License-Identifier: MIT */
/* Commands as they are written: what is wrong with one by itself. Pure. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <vgpu/refgpu.h>

#define COMMAND_BATCH_LEN 4u

/* The header, with @available dwords from it on, in a context with @control on
 * @engine: all that can be said before the rest is read. */
enum refgpu_error command_check_head(uint32_t head, uint32_t available,
				     uint32_t control, unsigned engine);
/* The whole command, whose header was good. */
enum refgpu_error command_check(const uint32_t *cmd);

/* A number of 64 bits: two dwords, low half first. */
static inline uint64_t command_u64(const uint32_t *d)
{
	return d[0] | (uint64_t)d[1] << 32;
}

static inline float command_f32(uint32_t d)
{
	float f;

	memcpy(&f, &d, sizeof(f));
	return f;
}

static inline double command_f64(const uint32_t *d)
{
	uint64_t bits = command_u64(d);
	double f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

#endif
