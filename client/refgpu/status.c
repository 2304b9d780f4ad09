/* SPDX-License-Identifier: MIT */
/* How a context stands, in words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

int vgpu_rg_context_status(struct vgpu_rg_context *ctx,
			   struct vgpu_rg_status *ret_status)
{
	static const uint32_t regs[] = {
		REFGPU_CTX_STATE,    REFGPU_CTX_ERROR,	  REFGPU_CTX_FAULT,
		REFGPU_CTX_FAULT_LO, REFGPU_CTX_FAULT_HI, REFGPU_CTX_HEAD
	};
	uint32_t v[ARRAY_SIZE(regs)] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		int err = rg_get(ctx, regs[i], &v[i]);

		if (err)
			return err;
	}
	*ret_status = (struct vgpu_rg_status){
		.state = v[0],
		.error = v[1],
		.fault = v[2] & 0xff,
		.write = v[2] >> 8 & 1,
		.fault_va = v[3] | (uint64_t)v[4] << 32,
		.head = v[5],
	};
	return 0;
}

static const char *fault_text(uint32_t fault)
{
	switch (fault) {
	case REFGPU_FAULT_INVALID:
		return "nothing is mapped there";
	case REFGPU_FAULT_READ:
		return "that page is not for reading";
	case REFGPU_FAULT_WRITE:
		return "that page is not for writing";
	case REFGPU_FAULT_RESERVED:
		return "its page table entry makes no sense, or names VRAM "
		       "that "
		       "is not there";
	case REFGPU_FAULT_BUS:
		return "its page or page table is in system memory that the "
		       "device may not reach";
	}
	return "the device gives no reason that is known here";
}

static const char *error_text(uint32_t error)
{
	switch (error) {
	case REFGPU_ERROR_RING:
		return "ring, control block or tail make no sense";
	case REFGPU_ERROR_COMMAND:
		return "a command is unknown, of a wrong length, or cut off";
	case REFGPU_ERROR_PRIVILEGED:
		return "a command is for privileged contexts only";
	case REFGPU_ERROR_ENGINE:
		return "a command is not for this engine";
	case REFGPU_ERROR_ARGUMENT:
		return "a command has a number that can't be";
	case REFGPU_ERROR_NESTING:
		return "batches are nested too deep";
	case REFGPU_ERROR_RESET:
		return "it was stopped by force: what it ran took too long, or "
		       "the engine was reset";
	}
	return "the device gives no reason that is known here";
}

void vgpu_rg_context_explain(struct vgpu_rg_context *ctx, char *buf,
			     size_t size)
{
	static const char *const states[] = { "is off", "is idle",
					      "waits for its engine",
					      "is running",
					      "waits for a semaphore" };
	struct vgpu_rg_status s;
	int err = vgpu_rg_context_status(ctx, &s);

	if (err)
		snprintf(buf, size,
			 "context %u: the device does not answer: %s", ctx->id,
			 strerror(-err));
	else if (s.state == REFGPU_STATE_FAULT)
		snprintf(buf, size,
			 "context %u: fault %s GPU address 0x%" PRIx64 ": %s",
			 ctx->id, s.write ? "writing to" : "reading from",
			 s.fault_va, fault_text(s.fault));
	else if (s.state == REFGPU_STATE_ERROR)
		snprintf(buf, size,
			 "context %u: error at byte %u of its ring: %s",
			 ctx->id, s.head, error_text(s.error));
	else
		snprintf(buf, size, "context %u %s", ctx->id,
			 s.state < ARRAY_SIZE(states)
				 ? states[s.state]
				 : "is in an unknown state");
}

int vgpu_rg_resume(struct vgpu_rg_context *ctx)
{
	return rg_set(ctx, REFGPU_CTX_RESUME, 1);
}
