/* SPDX-License-Identifier: MIT */
#include "../clock.h"
#include "engines.h"

/* Semaphores that others may have reached are looked at after */
#define WAIT_MIN_NS 50000u
#define WAIT_MAX_NS 1000000u
/* Where an interrupt came before its command was over: likewise */
#define LOOK_MIN_NS 20000u
#define LOOK_MAX_NS 1000000u

/* ------------------------------------------------------------------ */
/* What the scheduler wants                                            */
/* ------------------------------------------------------------------ */

static void op_submit(void *user, unsigned engine,
		      struct vgpu_sched_entity *entity)
{
	struct rgp_engines *e = user;
	const struct rgp_slot *slot = vgpu_sched_entity_user(entity);

	refgpu_hw_write(e->hw, REFGPU_ENG(engine, REFGPU_ENG_SUBMIT),
			slot->ctx);
}

static void op_preempt(void *user, unsigned engine)
{
	struct rgp_engines *e = user;

	refgpu_hw_write(e->hw, REFGPU_ENG(engine, REFGPU_ENG_PREEMPT), 1);
	/* The next one was dropped; who is next now is there before the other
	 * has left. */
	rgp_engines_drain(e);
}

/* Disabling stops this context and no other, also if it has left just now. */
static void op_reset(void *user, unsigned engine,
		     struct vgpu_sched_entity *entity)
{
	struct rgp_slot *slot = vgpu_sched_entity_user(entity);
	struct rgp_engines *e = user;

	vgpu_parent_log(e->parent, slot->all->inst, VGPU_LOG_WARNING,
			"context %u hangs: it is reset", slot->id);
	rgp_slot_die(e, slot, RG_NOTICE_ERROR, REFGPU_ERROR_RESET);
}

static uint64_t op_time(void *user, struct vgpu_sched_entity *entity)
{
	return rgp_slot_time(vgpu_sched_entity_user(entity));
}

static const struct vgpu_sched_ops ops = {
	.submit = op_submit,
	.preempt = op_preempt,
	.reset = op_reset,
	.time = op_time,
};

/* ------------------------------------------------------------------ */
/* What the hardware reports                                           */
/* ------------------------------------------------------------------ */

static void unlink_waiting(struct rgp_slot *slot)
{
	if (!slot->link)
		return;
	*slot->link = slot->next_waiting;
	if (slot->next_waiting)
		slot->next_waiting->link = slot->link;
	slot->link = NULL;
}

static void link_waiting(struct rgp_slot **list, struct rgp_slot *slot)
{
	unlink_waiting(slot);
	slot->next_waiting = *list;
	if (*list)
		(*list)->link = &slot->next_waiting;
	slot->link = list;
	*list = slot;
}

/* Those whose time has come look again, and all of @slots (which may be NULL):
 * they may have waited for what others of the vGPU have stored. */
static void retry(struct rgp_engines *e, const struct rgp_slots *slots,
		  uint64_t now)
{
	struct rgp_slot *due = NULL, *slot, *next;

	for (slot = e->waiting; slot; slot = next) {
		next = slot->next_waiting;
		if (slot->all == slots || slot->retry_at <= now)
			link_waiting(&due, slot);
	}
	while (due) {
		slot = due;
		unlink_waiting(slot);
		vgpu_sched_ready(slot->entity, now);
	}
}

static void wait(struct rgp_engines *e, struct rgp_slot *slot, bool moved,
		 uint64_t now)
{
	/* The longer it was not there, the rarer is the next look. */
	if (moved || !slot->retry_ns)
		slot->retry_ns = WAIT_MIN_NS;
	else if (slot->retry_ns < WAIT_MAX_NS)
		slot->retry_ns *= 2;
	slot->retry_at = now + slot->retry_ns;
	link_waiting(&e->waiting, slot);
}

static void left(struct rgp_engines *e, unsigned ctx, enum refgpu_stop why)
{
	struct rgp_slot *slot =
		ctx < REFGPU_MAX_CONTEXTS ? e->contexts->owners[ctx] : NULL;
	uint64_t now = rg_now(), time, ran, head;
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
		more = more && !slot->all->saved; /* or it stands */
		break;
	case REFGPU_STOP_WAIT:
		if (!slot->all->saved)
			wait(e, slot, moved, now);
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
		rgp_slot_die(e, slot, RG_NOTICE_ERROR,
			     refgpu_hw_read(e->hw,
					    REFGPU_CTX(ctx, REFGPU_CTX_ERROR)));
	/* Also one that was preempted as it had done its last command. */
	if (rests) {
		rgp_slot_set_state(slot, REFGPU_STATE_IDLE);
		if (slot->done != slot->told)
			rgp_slot_tell(slot);
	}
	if (why != REFGPU_STOP_WAIT || moved)
		retry(e, slot->all, now);
}

void rgp_engines_drain(struct rgp_engines *e)
{
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		for (;;) {
			uint32_t event = refgpu_hw_read(
				e->hw, REFGPU_ENG(i, REFGPU_ENG_EVENT));

			if (event == REFGPU_NO_EVENT)
				break;
			left(e, event & 0xffffu,
			     (enum refgpu_stop)(event >> 16 & 0xffu));
		}
}

static void look_again(struct rgp_engines *e, bool soon)
{
	e->look_ns = soon ? LOOK_MIN_NS : 2 * e->look_ns;
	if (e->look_ns > LOOK_MAX_NS)
		e->look_ns = LOOK_MAX_NS;
	e->look_at = rg_now() + e->look_ns;
}

static void look(struct rgp_engines *e)
{
	bool again = false;

	e->look_at = VGPU_SCHED_NEVER;
	for (unsigned i = 0; i < e->contexts->total; i++) {
		struct rgp_slot *slot = e->contexts->owners[i];

		if (!slot || !rgp_slot_is_due(slot))
			continue;
		rgp_slot_update(slot);
		again |= rgp_slot_is_due(slot) &&
			 vgpu_sched_is_submitted(slot->entity);
	}
	if (again)
		look_again(e, false);
}

/* Contexts that go on, and want something to be noticed. The head comes by an
 * interrupt's command a moment after the interrupt: then another look is due.
 */
static void look_at_events(struct rgp_engines *e)
{
	for (unsigned w = 0; w * 32 < e->contexts->total; w++) {
		uint32_t bits = refgpu_hw_read(e->hw, REFGPU_CTX_EVENTS(w));

		for (; bits; bits &= bits - 1) {
			unsigned ctx = w * 32 + (unsigned)__builtin_ctz(bits);
			struct rgp_slot *slot = e->contexts->owners[ctx];

			refgpu_hw_write(e->hw,
					REFGPU_CTX(ctx, REFGPU_CTX_EVENT), ~0u);
			if (!slot)
				continue;
			rgp_slot_update(slot);
			if (rgp_slot_is_due(slot))
				look_again(e, true);
		}
	}
}

static void on_signal(void *user)
{
	struct rgp_engines *e = user;
	uint32_t irqs;

	if (!e->hw)
		return;
	irqs = refgpu_hw_read(e->hw, REFGPU_IRQ_STATUS);
	refgpu_hw_write(e->hw, REFGPU_IRQ_STATUS, irqs);
	rgp_engines_drain(e);
	if (irqs & REFGPU_IRQ_EVENT)
		look_at_events(e);
	rgp_engines_arm(e);
}

/* ------------------------------------------------------------------ */
/* Time                                                                */
/* ------------------------------------------------------------------ */

void rgp_engines_arm(struct rgp_engines *e)
{
	uint64_t at = vgpu_sched_next(e->sched), now;

	for (const struct rgp_slot *s = e->waiting; s; s = s->next_waiting)
		at = s->retry_at < at ? s->retry_at : at;
	at = e->look_at < at ? e->look_at : at;
	/* A timer that is early finds out; arming costs a system call. */
	if (at >= e->armed_at)
		return;
	now = rg_now();
	e->armed_at = at;
	vgpu_parent_arm_timer(e->timer, at > now ? at - now : 1);
}

static void on_timer(void *user)
{
	struct rgp_engines *e = user;
	uint64_t now = rg_now();

	e->armed_at = VGPU_SCHED_NEVER;
	if (!e->hw)
		return;
	if (now >= e->look_at)
		look(e);
	rgp_engines_drain(e);
	retry(e, NULL, now);
	vgpu_sched_tick(e->sched, rg_now());
	rgp_engines_arm(e);
}

/* ------------------------------------------------------------------ */
/* Stopping                                                            */
/* ------------------------------------------------------------------ */

void rgp_slot_unready(struct rgp_slot *slot)
{
	vgpu_sched_unready(slot->entity);
	unlink_waiting(slot);
}

void rgp_slot_stop(struct rgp_engines *e, struct rgp_slot *slot)
{
	if (!slot->has_ctx || !slot->table.live)
		return;
	rgp_slot_unready(slot);
	slot->faulted = false;
	rgp_slot_write(slot, REFGPU_CTX_CONTROL, 0);
	/* What was done by then, counts. */
	rgp_slot_update(slot);
	slot->table.live = false;
	/* It has left its engine, and there is no word of it any more. */
	rgp_engines_drain(e);
	vgpu_sched_left(slot->entity, false, VGPU_SCHED_UNKNOWN, rg_now());
}

void rgp_slot_die(struct rgp_engines *e, struct rgp_slot *slot,
		  enum rg_notice_kind kind, uint32_t code)
{
	rgp_slot_stop(e, slot);
	slot->state = RGP_DEAD;
	/* Jobs of it that wait for room are not wanted any more. */
	slot->all->room(slot->all, slot->id);
	rgp_slot_set_state(slot, REFGPU_STATE_ERROR);
	rgp_slot_notice(slot, kind, 0, code);
}

int rgp_engines_init(struct rgp_engines *e, struct vgpu_sched_config *config)
{
	int err;

	e->armed_at = e->look_at = VGPU_SCHED_NEVER;
	config->engines = REFGPU_NUM_ENGINES;
	config->ops = &ops;
	config->user = e;
	err = vgpu_sched_new(config, &e->sched);
	if (!err)
		err = vgpu_parent_add_signal(e->parent, on_signal, e,
					     &e->signal);
	if (!err)
		err = vgpu_parent_add_timer(e->parent, on_timer, e, &e->timer);
	return err;
}

void rgp_engines_fini(struct rgp_engines *e)
{
	vgpu_parent_remove(e->timer);
	vgpu_parent_remove(e->signal);
	vgpu_sched_free(e->sched);
}
