/* SPDX-License-Identifier: MIT */
/*
 * Waiting: a short look, then sleep until an interrupt.
 *
 * The device interrupts when a context's EVENT gets a bit that was not set. So
 * nobody needs to clear EVENT but who is about to sleep, and commands that are
 * done while their program is awake cost no interrupt.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "private.h"

/* What is waited for: a fence, or room in the ring. */
struct goal {
	uint64_t fence; /* 0: room */
	uint32_t room;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t room_now(const struct vgpu_rg_context *ctx)
{
	uint32_t head = __atomic_load_n(&ctx->ctl->head, __ATOMIC_ACQUIRE);

	/* The device's number, used as an offset nowhere else. */
	return (head - ctx->tail - 4) & (ctx->ring_size - 1);
}

static bool reached(const struct vgpu_rg_context *ctx, struct goal goal)
{
	return goal.fence ? vgpu_rg_done(ctx, goal.fence)
			  : room_now(ctx) >= goal.room;
}

bool vgpu_rg_done(const struct vgpu_rg_context *ctx, uint64_t fence)
{
	return __atomic_load_n(ctx->fence, __ATOMIC_ACQUIRE) >= fence;
}

static int look(const struct vgpu_rg_context *ctx, struct goal goal,
		uint64_t ns)
{
	uint64_t begin;

	if (reached(ctx, goal))
		return 1;
	begin = now_ns();
	while (now_ns() - begin < ns) {
		for (unsigned i = 0; i < 16; i++)
			if (reached(ctx, goal))
				return 1;
		sched_yield();
	}
	return 0;
}

static int standing(struct vgpu_rg_context *ctx)
{
	uint32_t state = 0;
	int err = rg_get(ctx, REFGPU_CTX_STATE, &state);

	if (err)
		return err;
	return state == REFGPU_STATE_FAULT   ? -EFAULT
	       : state == REFGPU_STATE_ERROR ? -EIO
					     : 0;
}

/*
 * Make what happens from now on interrupt, and look how the context stands.
 * IRQ_STATUS goes before EVENT, as the reference wants; which events there
 * were, the state and the goal tell better.
 */
static int clear_events(struct vgpu_rg_context *ctx)
{
	struct vgpu_rg_bus *bus = ctx->dev->bus;
	int err;

	if (ctx->cleared_at == ctx->dev->interrupts)
		return 0;
	err = bus->ops->post(bus, REFGPU_IRQ_STATUS, REFGPU_IRQ_EVENT);
	if (!err)
		err = rg_post(ctx, REFGPU_CTX_EVENT, ~0u);
	if (!err) /* reading also waits for the two */
		err = standing(ctx);
	if (!err)
		ctx->cleared_at = ctx->dev->interrupts;
	return err;
}

static int wait_for(struct vgpu_rg_context *ctx, struct goal goal,
		    uint64_t timeout_ns)
{
	uint64_t begin, passed = 0;
	int err;

	if (look(ctx, goal, MIN(timeout_ns, (uint64_t)RG_POLL_NS)))
		return 0;
	begin = now_ns();
	while (passed < timeout_ns) {
		err = clear_events(ctx);
		if (reached(ctx, goal))
			return 0;
		if (err)
			return err;
		err = ctx->dev->bus->ops->wait(ctx->dev->bus,
					       timeout_ns - passed);
		if (err < 0)
			return err;
		ctx->dev->interrupts += (uint64_t)err;
		if (look(ctx, goal, 0))
			return 0;
		if (timeout_ns != VGPU_RG_FOR_EVER)
			passed = now_ns() - begin;
	}
	err = standing(ctx);
	return reached(ctx, goal) ? 0 : err ? err : -ETIMEDOUT;
}

int vgpu_rg_wait(struct vgpu_rg_context *ctx, uint64_t fence,
		 uint64_t timeout_ns)
{
	return fence ? wait_for(ctx, (struct goal){ .fence = fence },
				timeout_ns)
		     : 0;
}

int rg_wait_room(struct vgpu_rg_context *ctx, uint32_t room)
{
	return wait_for(ctx, (struct goal){ .room = room }, VGPU_RG_FOR_EVER);
}
