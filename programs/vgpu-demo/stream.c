/* SPDX-License-Identifier: MIT */
/* How fast memory is: each of VRAM and the program's memory, both ways. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

#define DEFAULT_SIZE 32u /* MiB */
#define MAX_SIZE     512u
#define PATTERN	     0x5ca1ab1eu

enum { VRAM_A, VRAM_B, SYSTEM_A, SYSTEM_B };

static const struct {
	const char *name;
	unsigned to, from; /* the same: fill */
} steps[] = {
	{ "fill video memory", VRAM_A, VRAM_A },
	{ "system to video memory", VRAM_B, SYSTEM_A },
	{ "video to video memory", VRAM_A, VRAM_B },
	{ "video to system memory", SYSTEM_B, VRAM_A },
};
#define STEPS (sizeof(steps) / sizeof(*steps))

static uint64_t bytes(const struct demo *d)
{
	return (uint64_t)d->size << 20;
}

static int set_up(struct demo *d)
{
	uint32_t seed = 4, *from;
	int err = 0;

	d->size = d->options->size ? d->options->size : DEFAULT_SIZE;
	if (d->size > MAX_SIZE) {
		demo_say("--size %u: up to %u MiB", d->size, MAX_SIZE);
		return -EINVAL;
	}
	if (!vgpu_rg_info(d->dev).system) {
		demo_say("this way to the vGPU has no system memory");
		return -ENOTSUP;
	}
	for (unsigned i = 0; !err && i < DEMO_MAX_BUFFERS; i++)
		err = demo_buffer_in(d, i, bytes(d),
				     i < SYSTEM_A ? VGPU_RG_VRAM
						  : VGPU_RG_SYSTEM);
	if (err)
		return err;
	from = demo_ptr(d, SYSTEM_A);
	for (uint64_t i = 0; i < bytes(d) / 4; i++)
		from[i] = demo_random(&seed);
	d->piece_ns = calloc(STEPS, sizeof(*d->piece_ns));
	if (!d->piece_ns) {
		demo_say("%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	d->pieces = STEPS;
	return 0;
}

static void piece(struct demo *d, unsigned i, struct vgpu_rg_stream *s)
{
	if (steps[i].to == steps[i].from)
		vgpu_rg_fill(s, d->va[steps[i].to], bytes(d), PATTERN);
	else
		vgpu_rg_copy(s, d->va[steps[i].to], d->va[steps[i].from],
			     bytes(d));
}

static int check(struct demo *d)
{
	for (unsigned i = 0; i < DEMO_MAX_BUFFERS; i++) {
		if (!memcmp(demo_ptr(d, i), demo_ptr(d, SYSTEM_A), bytes(d)))
			continue;
		demo_say("wrong: what was copied is not what arrived");
		return -EBADMSG;
	}
	demo_checked(d, "what went round has arrived, all %u MiB", d->size);
	return 0;
}

static void report(struct demo *d)
{
	printf("stream of %u MiB:\n", d->size);
	for (unsigned i = 0; i < STEPS; i++)
		printf("  %-24s %6.2f GB/s\n", steps[i].name,
		       (double)bytes(d) * d->rounds / (double)d->piece_ns[i]);
}

const struct job job_stream = {
	.name = "stream",
	.set_up = set_up,
	.piece = piece,
	.check = check,
	.report = report,
};
