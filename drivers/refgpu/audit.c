/* SPDX-License-Identifier: MIT */
#include "audit.h"

#include <stdbool.h>
#include <stddef.h>

#define KNOWN	   (1u << 0)
#define PRIVILEGED (1u << 2)
#define RENDER	   (1u << 3) /* not on the copy engine */
#define JUMP	   (1u << 4) /* not in a job */

/* Which dwords are the low half of an address that has to be aligned */
#define AT(i) (1u << (i))

struct rule {
	uint8_t flags;
	uint8_t min; /* dwords */
	uint16_t max;
	uint16_t align4;
	uint16_t align8;
	unsigned (*check)(const uint32_t *cmd, uint32_t len);
};

static unsigned argument(bool good)
{
	return good ? REFGPU_ERROR_NONE : REFGPU_ERROR_ARGUMENT;
}

/* ------------------------------------------------------------------ */
/* Commands                                                            */
/* ------------------------------------------------------------------ */

static unsigned check_batch(const uint32_t *cmd, uint32_t len)
{
	return argument(cmd[3] >= 1 && cmd[3] <= REFGPU_BATCH_MAX);
}

static unsigned check_fill(const uint32_t *cmd, uint32_t len)
{
	uint64_t bytes = rg_u64(cmd + 3);

	return argument(!(bytes % 4) && bytes <= REFGPU_BYTES_MAX);
}

static unsigned check_copy(const uint32_t *cmd, uint32_t len)
{
	return argument(rg_u64(cmd + 5) <= REFGPU_BYTES_MAX);
}

/* Bytes from a line to the next */
static bool stride(uint32_t v)
{
	return !(v % 4) && v <= 65536;
}

static bool pair(uint32_t v)
{
	return (v & 0xffff) < REFGPU_SURFACE_MAX &&
	       v >> 16 < REFGPU_SURFACE_MAX;
}

static bool rect(uint32_t xy, uint32_t wh)
{
	return pair(xy) && pair(wh) &&
	       (xy & 0xffff) + (wh & 0xffff) <= REFGPU_SURFACE_MAX &&
	       (xy >> 16) + (wh >> 16) <= REFGPU_SURFACE_MAX;
}

static unsigned check_rect_fill(const uint32_t *cmd, uint32_t len)
{
	return argument(stride(cmd[3]) && rect(cmd[4], cmd[5]));
}

static unsigned check_rects(const uint32_t *cmd, uint32_t len)
{
	return argument(stride(cmd[3]) && stride(cmd[6]) &&
			rect(cmd[7], cmd[9]) && rect(cmd[8], cmd[9]));
}

/* ------------------------------------------------------------------ */
/* Kernels                                                             */
/* ------------------------------------------------------------------ */

/* Dword @max_at of the arguments is @max at most; those of @align4 are
 * addresses and strides. */
struct kernel {
	uint8_t n_args;
	uint8_t max_at;
	uint16_t align4;
	uint32_t max;
};

#define NO_MAX .max = UINT32_MAX

static const struct kernel kernels[] = {
	[REFGPU_KERNEL_SAXPY] = { 6, .align4 = AT(2) | AT(4), NO_MAX },
	[REFGPU_KERNEL_SGEMM] = { 14, .align4 = AT(8) | AT(10) | AT(12),
				  .max_at = 2, .max = REFGPU_SGEMM_MAX_K },
	[REFGPU_KERNEL_MANDELBROT] = { 14, .align4 = AT(0) | AT(2), .max_at = 5,
				       .max = REFGPU_MANDEL_MAX },
	[REFGPU_KERNEL_REDUCE] = { 6, .align4 = AT(2) | AT(4), NO_MAX },
	[REFGPU_KERNEL_HISTOGRAM] = { 6, .align4 = AT(2) | AT(4), NO_MAX },
	[REFGPU_KERNEL_SPIN] = { 2, NO_MAX },
};

#define N_KERNELS (sizeof(kernels) / sizeof(kernels[0]))

static bool aligned(const uint32_t *dwords, unsigned where, uint32_t mask)
{
	for (; where; where &= where - 1)
		if (dwords[__builtin_ctz(where)] & mask)
			return false;
	return true;
}

static unsigned check_dispatch(const uint32_t *cmd, uint32_t len)
{
	const uint32_t *args = cmd + RG_DISPATCH_ARGS;
	const struct kernel *k;

	if (cmd[1] >= N_KERNELS || !kernels[cmd[1]].n_args)
		return REFGPU_ERROR_ARGUMENT;
	k = &kernels[cmd[1]];
	for (unsigned i = 2; i < RG_DISPATCH_ARGS; i++)
		if (cmd[i] < 1 || cmd[i] > REFGPU_GROUPS_MAX)
			return REFGPU_ERROR_ARGUMENT;
	return argument(len - RG_DISPATCH_ARGS == k->n_args &&
			args[k->max_at] <= k->max &&
			aligned(args, k->align4, 3));
}

/* ------------------------------------------------------------------ */
/* All of them                                                         */
/* ------------------------------------------------------------------ */

#define LENGTH(least, most) .min = (least), .max = (most)

static const struct rule rules[256] = {
	[REFGPU_OP_NOP] = { KNOWN, LENGTH(1, UINT16_MAX) },
	[REFGPU_OP_BATCH] = { KNOWN | JUMP, LENGTH(4, 4), .align4 = AT(1),
			      .check = check_batch },
	[REFGPU_OP_END] = { KNOWN | JUMP, LENGTH(1, 1) },
	[REFGPU_OP_FENCE] = { KNOWN, LENGTH(5, 5), .align8 = AT(1) },
	[REFGPU_OP_SEM_WAIT] = { KNOWN, LENGTH(5, 5), .align8 = AT(1) },
	[REFGPU_OP_SEM_ADD] = { KNOWN, LENGTH(5, 5), .align8 = AT(1) },
	[REFGPU_OP_IRQ] = { KNOWN, LENGTH(2, 2) },
	[REFGPU_OP_TIMESTAMP] = { KNOWN, LENGTH(3, 3), .align8 = AT(1) },
	[REFGPU_OP_INVALIDATE] = { KNOWN | JUMP, LENGTH(4, 4) },
	[REFGPU_OP_FILL] = { KNOWN, LENGTH(6, 6), .align4 = AT(1),
			     .check = check_fill },
	[REFGPU_OP_COPY] = { KNOWN, LENGTH(7, 7), .check = check_copy },
	[REFGPU_OP_RECT_FILL] = { KNOWN | RENDER, LENGTH(7, 7), .align4 = AT(1),
				  .check = check_rect_fill },
	[REFGPU_OP_RECT_COPY] = { KNOWN | RENDER, LENGTH(10, 10),
				  .align4 = AT(1) | AT(4),
				  .check = check_rects },
	[REFGPU_OP_RECT_BLEND] = { KNOWN | RENDER, LENGTH(10, 10),
				   .align4 = AT(1) | AT(4),
				   .check = check_rects },
	[REFGPU_OP_DISPATCH] = { KNOWN | RENDER,
				 LENGTH(RG_DISPATCH_ARGS, RG_COMMAND_MAX),
				 .check = check_dispatch },
	[REFGPU_OP_REG_WRITE] = { KNOWN | PRIVILEGED, LENGTH(3, 3) },
	[REFGPU_OP_PHYS_COPY] = { KNOWN | PRIVILEGED, LENGTH(7, 7) },
};

unsigned rg_audit_head(uint32_t head, uint32_t n, unsigned engine,
		       uint32_t *ret_len)
{
	uint32_t len = REFGPU_CMD_LEN(head);
	const struct rule *r = &rules[REFGPU_CMD_OP(head)];

	if (!(r->flags & KNOWN) || REFGPU_CMD_FLAGS(head) || !len ||
	    len < r->min || len > r->max || len > n)
		return REFGPU_ERROR_COMMAND;
	if (r->flags & PRIVILEGED)
		return REFGPU_ERROR_PRIVILEGED;
	if ((r->flags & RENDER) && engine != REFGPU_ENGINE_RENDER)
		return REFGPU_ERROR_ENGINE;
	*ret_len = len;
	return REFGPU_ERROR_NONE;
}

unsigned rg_audit_body(const uint32_t *cmd)
{
	const struct rule *r = &rules[REFGPU_CMD_OP(cmd[0])];

	if (!aligned(cmd, r->align4, 3) || !aligned(cmd, r->align8, 7))
		return REFGPU_ERROR_ARGUMENT;
	return r->check ? r->check(cmd, REFGPU_CMD_LEN(cmd[0]))
			: (unsigned)REFGPU_ERROR_NONE;
}

unsigned rg_audit(const uint32_t *dwords, uint32_t n, unsigned engine,
		  uint32_t *ret_offset)
{
	uint32_t len;

	for (uint32_t at = 0; at < n; at += len) {
		const uint32_t *cmd = dwords + at;
		unsigned error = rg_audit_head(cmd[0], n - at, engine, &len);

		if (!error && (rules[REFGPU_CMD_OP(cmd[0])].flags & JUMP))
			error = REFGPU_ERROR_COMMAND;
		if (!error)
			error = rg_audit_body(cmd);
		if (error) {
			*ret_offset = at;
			return error;
		}
	}
	return REFGPU_ERROR_NONE;
}
