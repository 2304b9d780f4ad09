/* SPDX-License-Identifier: MIT */
/*
 * Between the scheduler, which says who, and the hardware, which says what has
 * become of it. One signal stands for all interrupts, one timer for whatever is
 * next in time.
 */
#include <errno.h>
#include <time.h>

#include "parent.h"

uint64_t rgp_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------------------------ */
/* What the scheduler wants                                            */
/* ------------------------------------------------------------------ */

static void op_submit(void *user, unsigned engine,
		      struct vgpu_sched_entity *entity)
{
	struct rgp_parent *p = user;
	const struct rgp_slot *slot = vgpu_sched_entity_user(entity);

	refgpu_hw_write(p->hw, REFGPU_ENG(engine, REFGPU_ENG_SUBMIT),
			slot->ctx);
}

static void op_preempt(void *user, unsigned engine)
{
	struct rgp_parent *p = user;

	refgpu_hw_write(p->hw, REFGPU_ENG(engine, REFGPU_ENG_PREEMPT), 1);
	/* The next one was dropped; who is next now is there before the other
	 * has left. */
	rgp_sched_drain(p);
}

/* Disabling stops this context and no other, also if it has left just now. */
static void op_reset(void *user, unsigned engine,
		     struct vgpu_sched_entity *entity)
{
	struct rgp_slot *slot = vgpu_sched_entity_user(entity);
	struct rgp_parent *p = user;

	(void)engine;
	vgpu_parent_log(&p->parent, slot->client->inst, VGPU_LOG_WARNING,
			"context %u hangs: it is reset", slot->id);
	rgp_slot_die(slot, RG_NOTICE_ERROR, REFGPU_ERROR_RESET);
}

static uint64_t op_time(void *user, struct vgpu_sched_entity *entity)
{
	(void)user;
	return rgp_slot_time(vgpu_sched_entity_user(entity));
}

static const struct vgpu_sched_ops ops = {
	.struct_size = sizeof(ops),
	.submit = op_submit,
	.preempt = op_preempt,
	.reset = op_reset,
	.time = op_time,
};

/* ------------------------------------------------------------------ */
/* What the hardware reports                                           */
/* ------------------------------------------------------------------ */

/* Others of the vGPU may have waited for what it has stored. */
static void retry_waiters(struct rgp_client *c, uint64_t now)
{
	for (unsigned i = 0; c->n_waiting && i < RG_MAX_SLOTS; i++)
		if (c->slots[i].waiting) {
			c->slots[i].waiting = false;
			c->n_waiting--;
			vgpu_sched_ready(c->slots[i].entity, now);
		}
}

static void wait(struct rgp_slot *slot, bool moved, uint64_t now)
{
	/* The longer it was not there, the rarer is the next look. */
	if (moved || !slot->retry_ns)
		slot->retry_ns = RGP_WAIT_MIN_NS;
	else if (slot->retry_ns < RGP_WAIT_MAX_NS)
		slot->retry_ns *= 2;
	slot->retry_at = now + slot->retry_ns;
	if (!slot->waiting)
		slot->client->n_waiting++;
	slot->waiting = true;
}

static void left(struct rgp_parent *p, unsigned ctx, enum refgpu_stop why)
{
	struct rgp_slot *slot =
		ctx < REFGPU_MAX_CONTEXTS ? p->owners[ctx] : NULL;
	uint64_t now = rgp_now(), time, ran, head;
	bool more = false, rests = false, moved;

	/* One that was closed meanwhile has been spoken for. */
	if (!slot || !vgpu_sched_is_submitted(slot->entity))
		return;
	time = rgp_slot_time(slot);
	ran = time - slot->time;
	slot->time = time;
	head = slot->head;
	rgp_slot_update(slot);
	moved = slot->head != head;
	switch (slot->table.live ? why : REFGPU_STOP_ERROR) {
	case REFGPU_STOP_IDLE:
	case REFGPU_STOP_PREEMPTED:
	case REFGPU_STOP_DROPPED:
		more = slot->table.live && rgp_slot_has_work(slot);
		rests = !more;
		more = more && !slot->client->saved; /* or it stands */
		break;
	case REFGPU_STOP_WAIT:
		if (!slot->client->saved)
			wait(slot, moved, now);
		rgp_slot_set_state(slot, REFGPU_STATE_WAITING);
		break;
	case REFGPU_STOP_FAULT:
		if (!slot->faulted)
			rgp_slot_fault(slot);
		break;
	case REFGPU_STOP_ERROR:
		break;
	}
	vgpu_sched_left(slot->entity, more, ran, now);
	if (why == REFGPU_STOP_ERROR && slot->table.live)
		rgp_slot_die(slot, RG_NOTICE_ERROR,
			     refgpu_hw_read(p->hw,
					    REFGPU_CTX(ctx, REFGPU_CTX_ERROR)));
	/* Also one that was preempted as it had done its last command. */
	if (rests) {
		rgp_slot_set_state(slot, REFGPU_STATE_IDLE);
		if (slot->done != slot->told)
			rgp_slot_tell(slot);
	}
	if (slot->client->n_waiting && (why != REFGPU_STOP_WAIT || moved))
		retry_waiters(slot->client, now);
}

void rgp_sched_drain(struct rgp_parent *p)
{
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		for (;;) {
			uint32_t event = refgpu_hw_read(
				p->hw, REFGPU_ENG(i, REFGPU_ENG_EVENT));

			if (event == REFGPU_NO_EVENT)
				break;
			left(p, event & 0xffffu,
			     (enum refgpu_stop)(event >> 16 & 0xffu));
		}
}

static void look_again(struct rgp_parent *p, bool soon)
{
	p->look_ns = soon ? RGP_LOOK_MIN_NS : 2 * p->look_ns;
	if (p->look_ns > RGP_LOOK_MAX_NS)
		p->look_ns = RGP_LOOK_MAX_NS;
	p->look_at = rgp_now() + p->look_ns;
}

static void look(struct rgp_parent *p)
{
	bool again = false;

	p->look_at = VGPU_SCHED_NEVER;
	for (unsigned i = 0; i < p->config.contexts; i++) {
		struct rgp_slot *slot = p->owners[i];

		if (!slot || !rgp_slot_is_due(slot))
			continue;
		rgp_slot_update(slot);
		again |= rgp_slot_is_due(slot) &&
			 vgpu_sched_is_submitted(slot->entity);
	}
	if (again)
		look_again(p, false);
}

/* Contexts that go on, and want something to be noticed. The head comes by an
 * interrupt's command a moment after the interrupt: then another look is due. */
static void look_at_events(struct rgp_parent *p)
{
	for (unsigned w = 0; w * 32 < p->config.contexts; w++) {
		uint32_t bits =
			refgpu_hw_read(p->hw, REFGPU_CTX_EVENTS(w));

		for (; bits; bits &= bits - 1) {
			unsigned ctx = w * 32 + (unsigned)__builtin_ctz(bits);
			struct rgp_slot *slot = p->owners[ctx];

			refgpu_hw_write(p->hw,
					REFGPU_CTX(ctx, REFGPU_CTX_EVENT), ~0u);
			if (!slot)
				continue;
			rgp_slot_update(slot);
			if (rgp_slot_is_due(slot))
				look_again(p, true);
		}
	}
}

static void on_signal(void *user)
{
	struct rgp_parent *p = user;
	uint32_t irqs;

	if (!p->hw)
		return;
	irqs = refgpu_hw_read(p->hw, REFGPU_IRQ_STATUS);
	refgpu_hw_write(p->hw, REFGPU_IRQ_STATUS, irqs);
	rgp_sched_drain(p);
	if (irqs & REFGPU_IRQ_EVENT)
		look_at_events(p);
	rgp_sched_arm(p);
}

void rgp_sched_irq(void *user, unsigned vector)
{
	struct rgp_parent *p = user;

	(void)vector;
	vgpu_parent_signal(p->signal);
}

/* ------------------------------------------------------------------ */
/* Time                                                                */
/* ------------------------------------------------------------------ */

static uint64_t first_retry(struct rgp_parent *p)
{
	uint64_t first = VGPU_SCHED_NEVER;

	for (unsigned i = 0; i < RGP_MAX_CLIENTS; i++) {
		const struct rgp_client *c = p->clients[i];

		for (unsigned k = 0; c && c->n_waiting && k < RG_MAX_SLOTS; k++)
			if (c->slots[k].waiting &&
			    c->slots[k].retry_at < first)
				first = c->slots[k].retry_at;
	}
	return first;
}

static void retry(struct rgp_parent *p, uint64_t now)
{
	for (unsigned i = 0; i < RGP_MAX_CLIENTS; i++) {
		struct rgp_client *c = p->clients[i];

		for (unsigned k = 0; c && c->n_waiting && k < RG_MAX_SLOTS;
		     k++) {
			struct rgp_slot *slot = &c->slots[k];

			if (!slot->waiting || slot->retry_at > now)
				continue;
			slot->waiting = false;
			c->n_waiting--;
			vgpu_sched_ready(slot->entity, now);
		}
	}
}

void rgp_sched_arm(struct rgp_parent *p)
{
	uint64_t at = vgpu_sched_next(p->sched), other, now;

	other = first_retry(p);
	at = other < at ? other : at;
	at = p->look_at < at ? p->look_at : at;
	/* A timer that is early finds out; arming costs a system call. */
	if (at >= p->armed_at && p->armed_at != VGPU_SCHED_NEVER)
		return;
	if (at == VGPU_SCHED_NEVER)
		return;
	now = rgp_now();
	p->armed_at = at;
	vgpu_parent_arm_timer(p->timer, at > now ? at - now : 1);
}

static void on_timer(void *user)
{
	struct rgp_parent *p = user;
	uint64_t now = rgp_now();

	p->armed_at = VGPU_SCHED_NEVER;
	if (!p->hw)
		return;
	if (now >= p->look_at)
		look(p);
	rgp_sched_drain(p);
	retry(p, now);
	vgpu_sched_tick(p->sched, rgp_now());
	rgp_sched_arm(p);
}

void rgp_sched_wake(struct rgp_slot *slot)
{
	vgpu_sched_ready(slot->entity, rgp_now());
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int rgp_sched_init(struct rgp_parent *p)
{
	const struct vgpu_sched_config config = {
		.struct_size = sizeof(config),
		.engines = REFGPU_NUM_ENGINES,
		.mode = p->config.mode,
		.shares = p->config.shares,
		.slice_ns = p->config.slice_ns,
		.hang_ns = p->config.hang_ns,
		.ops = &ops,
		.user = p,
	};
	int err;

	p->armed_at = p->look_at = VGPU_SCHED_NEVER;
	err = vgpu_sched_new(&config, &p->sched);
	if (!err)
		err = vgpu_parent_add_signal(&p->parent, on_signal, p,
					     &p->signal);
	if (!err)
		err = vgpu_parent_add_timer(&p->parent, on_timer, p, &p->timer);
	return err;
}

void rgp_sched_fini(struct rgp_parent *p)
{
	vgpu_parent_remove(p->timer);
	vgpu_parent_remove(p->signal);
	vgpu_sched_free(p->sched);
}
