/* SPDX-License-Identifier: MIT */
/*
 * refgpu-check: a user of the reference GPU who looks closely, or means harm.
 * Tests get a device that is just open; it may be a vGPU or the model itself.
 */
#ifndef REFGPU_CHECK_H
#define REFGPU_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <vgpu/client.h>
#include <vgpu/refgpu-user.h>

#define RW	 (VGPU_RG_READ | VGPU_RG_WRITE)
#define PATIENCE 120000000000ull /* ns; nothing here takes as long */

struct vgpu_rg_device *check_open(const char *where);

/* Print what and where, and exit with 1. */
void fail_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x))                                                      \
			FAIL("not: %s", #x);                                   \
	} while (0)
#define MUST(call)                                                             \
	do {                                                                   \
		int err_ = (call);                                             \
		if (err_)                                                      \
			FAIL("%s: %d", #call, err_);                           \
	} while (0)

/* A buffer that a context sees. */
struct mem {
	struct vgpu_rg_buffer *buf;
	void *p;
	uint64_t va, size;
};
struct mem mem_new(struct vgpu_rg_context *ctx, uint64_t size, unsigned where,
		   unsigned flags);
void mem_free(struct vgpu_rg_context *ctx, struct mem *m);

/* Submit, and wait for the end; the stream is emptied. Return: as
 * vgpu_rg_wait(). */
int try_run(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s);
/* It must succeed. */
void run(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s);

/* It must end in this way. */
void expect_fault(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s,
		  uint32_t fault, uint64_t va);
void expect_error(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s,
		  uint32_t error);

uint32_t random32(uint64_t *state);
static inline uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((uint64_t)random32(state) * n >> 32);
}

struct test {
	const char *name;
	void (*fn)(struct vgpu_rg_device *dev);
};
/* End with a NULL name. */
extern const struct test command_tests[], hostile_tests[];

/* Random streams on @dev and on the model, from @seed on, for @ms. */
void property(struct vgpu_rg_device *dev, uint64_t seed, unsigned n);

/* A neighbour: works, and looks whether its memory is what it left there,
 * until standard input ends. */
void neighbour(struct vgpu_rg_device *dev);

#endif
