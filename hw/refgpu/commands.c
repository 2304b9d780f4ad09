/* SPDX-License-Identifier: MIT */
/* The checks of commands, in the order that docs/refgpu.md gives. */
#include "commands.h"
#include "kernels/kernels.h"

#define ANY_LENGTH   0u
#define DISPATCH_LEN 5u

#define PTE_UNUSED                                                             \
	(~(REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE |             \
	   REFGPU_PTE_SYSTEM | REFGPU_PTE_ADDR | REFGPU_PTE_SOFT))

enum { RENDER = 1, PRIVILEGED = 2, EXISTS = 4 };

static const struct rule {
	uint8_t len, flags;
} rules[256] = {
	[REFGPU_OP_NOP] = { ANY_LENGTH, EXISTS },
	[REFGPU_OP_BATCH] = { COMMAND_BATCH_LEN, EXISTS },
	[REFGPU_OP_END] = { 1, EXISTS },
	[REFGPU_OP_FENCE] = { 5, EXISTS },
	[REFGPU_OP_SEM_WAIT] = { 5, EXISTS },
	[REFGPU_OP_SEM_ADD] = { 5, EXISTS },
	[REFGPU_OP_IRQ] = { 2, EXISTS },
	[REFGPU_OP_TIMESTAMP] = { 3, EXISTS },
	[REFGPU_OP_INVALIDATE] = { 4, EXISTS },
	[REFGPU_OP_FILL] = { 6, EXISTS },
	[REFGPU_OP_COPY] = { 7, EXISTS },
	[REFGPU_OP_RECT_FILL] = { 7, EXISTS | RENDER },
	[REFGPU_OP_RECT_COPY] = { 10, EXISTS | RENDER },
	[REFGPU_OP_RECT_BLEND] = { 10, EXISTS | RENDER },
	[REFGPU_OP_DISPATCH] = { ANY_LENGTH, EXISTS | RENDER },
	[REFGPU_OP_REG_WRITE] = { 3, EXISTS | PRIVILEGED },
	[REFGPU_OP_PHYS_COPY] = { 7, EXISTS | PRIVILEGED },
};

enum refgpu_error command_check_head(uint32_t head, uint32_t available,
				     uint32_t control, unsigned engine)
{
	const struct rule *rule = &rules[REFGPU_CMD_OP(head)];
	uint32_t len = REFGPU_CMD_LEN(head);

	if (!(rule->flags & EXISTS) || REFGPU_CMD_FLAGS(head) || !len ||
	    (rule->len != ANY_LENGTH && len != rule->len))
		return REFGPU_ERROR_COMMAND;
	if (REFGPU_CMD_OP(head) == REFGPU_OP_DISPATCH &&
	    (len < DISPATCH_LEN || len > COMMAND_MAX))
		return REFGPU_ERROR_COMMAND;
	if (len > available)
		return REFGPU_ERROR_COMMAND;
	if ((rule->flags & PRIVILEGED) && !(control & REFGPU_CTX_PRIV))
		return REFGPU_ERROR_PRIVILEGED;
	if ((rule->flags & RENDER) && engine != REFGPU_ENGINE_RENDER)
		return REFGPU_ERROR_ENGINE;
	return REFGPU_ERROR_NONE;
}

static bool bad_surface(const uint32_t *s)
{
	return s[0] % 4 || s[2] % 4 || s[2] > 65536;
}

static bool bad_pair(uint32_t xy)
{
	return (xy & 0xffff) >= REFGPU_SURFACE_MAX ||
	       xy >> 16 >= REFGPU_SURFACE_MAX;
}

/* A rectangle that is not in the largest surface. */
static bool bad_rect(uint32_t xy, uint32_t wh)
{
	return bad_pair(xy) || bad_pair(wh) ||
	       (xy & 0xffff) + (wh & 0xffff) > REFGPU_SURFACE_MAX ||
	       (xy >> 16) + (wh >> 16) > REFGPU_SURFACE_MAX;
}

static bool bad_pte(const uint32_t *d)
{
	uint64_t pte = command_u64(d);

	return !(pte & REFGPU_PTE_VALID) || (pte & PTE_UNUSED);
}

static bool bad_argument(const uint32_t *c)
{
	switch (REFGPU_CMD_OP(c[0])) {
	case REFGPU_OP_BATCH:
		return c[1] % 4 || !c[3] || c[3] > REFGPU_BATCH_MAX;
	case REFGPU_OP_FENCE:
	case REFGPU_OP_SEM_WAIT:
	case REFGPU_OP_SEM_ADD:
	case REFGPU_OP_TIMESTAMP:
		return c[1] % 8;
	case REFGPU_OP_FILL:
		return c[1] % 4 || c[3] % 4 ||
		       command_u64(c + 3) > REFGPU_BYTES_MAX;
	case REFGPU_OP_COPY:
		return command_u64(c + 5) > REFGPU_BYTES_MAX;
	case REFGPU_OP_PHYS_COPY:
		return bad_pte(c + 1) || bad_pte(c + 3) ||
		       command_u64(c + 5) > REFGPU_BYTES_MAX;
	case REFGPU_OP_RECT_FILL:
		return bad_surface(c + 1) || bad_rect(c[4], c[5]);
	case REFGPU_OP_RECT_COPY:
	case REFGPU_OP_RECT_BLEND:
		return bad_surface(c + 1) || bad_surface(c + 4) ||
		       bad_rect(c[7], c[9]) || bad_rect(c[8], c[9]);
	case REFGPU_OP_DISPATCH:
		for (int i = 2; i < 5; i++)
			if (!c[i] || c[i] > REFGPU_GROUPS_MAX)
				return true;
		return kernels_bad(c);
	default:
		return false;
	}
}

enum refgpu_error command_check(const uint32_t *cmd)
{
	return bad_argument(cmd) ? REFGPU_ERROR_ARGUMENT : REFGPU_ERROR_NONE;
}
