/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../audit.h"
#include "../clock.h"
#include "slot.h"

#define RING_MASK (RGP_HOST_RING - 1)
#define IRQ_LEN	  2u /* dwords of an IRQ command */

_Static_assert(IRQ_LEN * sizeof(uint32_t) <= RG_JOB_EXTRA, "it has room");

/* ------------------------------------------------------------------ */
/* What the instance half sees                                         */
/* ------------------------------------------------------------------ */

void rgp_slot_set_state(struct rgp_slot *slot, enum refgpu_state state)
{
	if (!slot->all->gone)
		__atomic_store_n(&rgp_slot_status(slot)->state, (uint32_t)state,
				 __ATOMIC_RELEASE);
}

void rgp_slot_tell(struct rgp_slot *slot)
{
	slot->told = slot->done;
	slot->told_head = slot->head;
	if (!slot->all->gone)
		vgpu_instance_kick(slot->all->inst);
}

void rgp_slot_notice(struct rgp_slot *slot, enum rg_notice_kind kind,
		     uint64_t va, uint32_t code)
{
	const struct rg_notice n = {
		.kind = kind,
		.slot = slot->id,
		.va = va,
		.code = code,
		.generation = slot->generation,
		.seq = slot->done,
	};

	/* One that does not take it is dropped by the core. */
	if (!slot->all->gone)
		(void)vgpu_instance_send(slot->all->inst, &n, sizeof(n));
}

uint64_t rgp_slot_time(const struct rgp_slot *slot)
{
	return rgp_slot_read64(slot, REFGPU_CTX_TIME_LO);
}

static void publish(struct rgp_slot *slot)
{
	struct rg_slot_status *s = rgp_slot_status(slot);

	__atomic_store_n(&s->time, rgp_slot_time(slot) - slot->time_0,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&s->done, slot->done, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ */
/* Open and close                                                      */
/* ------------------------------------------------------------------ */

static int take_ctx(struct rgp_slot *slot)
{
	struct rgp_slots *all = slot->all;
	struct rgp_contexts *c = all->contexts;
	unsigned free = c->total - c->used, i = 0;
	bool own = all->n_ctx < all->fair;

	if (!free || (!own && free <= c->promised))
		return -ENOSPC;
	while (c->owners[i])
		i++;
	c->owners[i] = slot;
	c->used++;
	c->promised -= own;
	all->n_ctx++;
	slot->ctx = i;
	slot->has_ctx = true;
	return 0;
}

static void put_ctx(struct rgp_slot *slot)
{
	struct rgp_slots *all = slot->all;

	if (!slot->has_ctx)
		return;
	all->contexts->owners[slot->ctx] = NULL;
	all->contexts->used--;
	all->n_ctx--;
	all->contexts->promised += all->n_ctx < all->fair;
	slot->has_ctx = false;
}

static void start(struct rgp_slot *slot)
{
	const struct rgp_bank *bank = &slot->all->bank;

	rgp_slot_write64(slot, REFGPU_CTX_ROOT_LO,
			 rgp_bank_addr(bank, slot->table.root) |
				 REFGPU_PTE_VALID);
	rgp_slot_write64(slot, REFGPU_CTX_RING_LO,
			 rgp_bank_addr(bank, slot->ring));
	rgp_slot_write(slot, REFGPU_CTX_RING_SIZE, RGP_HOST_RING);
	rgp_slot_write64(slot, REFGPU_CTX_CTL_LO,
			 rgp_bank_addr(bank, slot->ctl));
	rgp_slot_write(slot, REFGPU_CTX_CONTROL,
		       REFGPU_CTX_ENABLE | REFGPU_CTX_HOST_RING |
			       slot->engine << REFGPU_CTX_ENGINE_SHIFT);
	/* It counts on from its last owner's. */
	slot->time = slot->time_0 = rgp_slot_time(slot);
}

int rgp_slot_open(struct rgp_slot *slot, unsigned engine)
{
	struct rgp_slots *all = slot->all;
	uint8_t *bank = all->bank.base;
	unsigned id = slot->id;
	int err;

	*slot = (struct rgp_slot){ .all = all, .id = id, .engine = engine };
	slot->marks = malloc(RGP_MAX_MARKS * sizeof(*slot->marks));
	if (!slot->marks)
		return -ENOMEM;
	err = vgpu_sched_entity_new(all->group, engine, slot, &slot->entity);
	if (!err)
		err = take_ctx(slot);
	if (err) {
		vgpu_sched_entity_free(slot->entity);
		free(slot->marks);
		*slot = (struct rgp_slot){ .all = all, .id = id };
		return err;
	}
	slot->ring = bank + RGP_RINGS_AT + id * (size_t)RGP_HOST_RING;
	slot->ctl = (void *)(bank + RGP_CTLS_AT + id * RGP_CTL_STRIDE);
	slot->table = (struct rgp_table){
		.all = &all->tables,
		.root = (void *)(bank + RGP_ROOTS_AT + id * RGP_ROOT_SIZE),
		.ctx = slot->ctx,
		.live = true,
	};
	start(slot);
	slot->state = RGP_LIVE;
	memset(rgp_slot_status(slot), 0, sizeof(struct rg_slot_status));
	publish(slot);
	rgp_slot_set_state(slot, REFGPU_STATE_IDLE);
	return 0;
}

void rgp_slot_close(struct rgp_slot *slot)
{
	struct rgp_slots *all = slot->all;
	unsigned id = slot->id;

	vgpu_sched_entity_free(slot->entity);
	free(slot->marks);
	put_ctx(slot);
	if (slot->ring) {
		/* The next one finds zeroes. */
		madvise(slot->ring, RGP_HOST_RING, MADV_DONTNEED);
		memset(slot->ctl, 0, RGP_CTL_STRIDE);
		memset(slot->table.root, 0, RGP_ROOT_SIZE);
	}
	rgp_slot_set_state(slot, REFGPU_STATE_OFF);
	*slot = (struct rgp_slot){ .all = all, .id = id };
}

/* ------------------------------------------------------------------ */
/* Jobs                                                                */
/* ------------------------------------------------------------------ */

static uint64_t room(const struct rgp_slot *slot)
{
	/* A ring that is full would be one that is empty. */
	return RGP_HOST_RING - sizeof(uint32_t) - (slot->tail - slot->head);
}

static void add_mark(struct rgp_slot *slot, const struct rgp_mark *mark)
{
	unsigned i = (slot->first_mark + slot->n_marks++) % RGP_MAX_MARKS;

	slot->marks[i] = *mark;
}

static void put(struct rgp_slot *slot, const uint32_t *dwords, uint32_t n)
{
	size_t at = slot->tail & RING_MASK, bytes = n * sizeof(uint32_t);
	size_t first = RGP_HOST_RING - at < bytes ? RGP_HOST_RING - at : bytes;

	memcpy(slot->ring + at, dwords, first);
	memcpy(slot->ring, (const uint8_t *)dwords + first, bytes - first);
	slot->tail += bytes;
}

/* The guest's interrupts: where they will be in the ring. */
static void mark_irqs(struct rgp_slot *slot, const uint32_t *dwords, uint32_t n)
{
	unsigned marks = 0;

	for (uint32_t i = 0; i < n; i += REFGPU_CMD_LEN(dwords[i])) {
		if (REFGPU_CMD_OP(dwords[i]) != REFGPU_OP_IRQ)
			continue;
		if (marks++ >= RG_JOB_IRQS)
			slot->n_marks--; /* the last one comes later */
		add_mark(slot, &(struct rgp_mark){
				       .at = slot->tail +
					     (i + IRQ_LEN) * sizeof(uint32_t),
				       .cookie = dwords[i + 1],
				       .signals = true,
			       });
	}
}

int rgp_slot_job(struct rgp_slot *slot, const uint32_t *dwords, uint32_t n,
		 uint64_t seq)
{
	static const uint32_t progress[IRQ_LEN] = {
		REFGPU_CMD(REFGPU_OP_IRQ, IRQ_LEN), 0
	};
	uint64_t bytes = (n + IRQ_LEN) * sizeof(uint32_t);
	struct rgp_mark end = { .seq = seq };
	uint32_t offset;
	bool idle;

	if (seq != slot->seq + 1 || rg_audit(dwords, n, slot->engine, &offset))
		return -EINVAL;
	if (room(slot) < bytes ||
	    slot->n_marks + RG_JOB_IRQS + 1 > RGP_MAX_MARKS) {
		rgp_slot_update(slot);
		if (room(slot) < bytes ||
		    slot->n_marks + RG_JOB_IRQS + 1 > RGP_MAX_MARKS)
			return -EAGAIN;
	}
	idle = slot->tail == slot->head;
	mark_irqs(slot, dwords, n);
	put(slot, dwords, n);
	slot->seq = seq;
	/* One that finds the ring empty is noticed as it leaves the engine. */
	if (!idle && (seq - slot->progress_seq >= RGP_PROGRESS_JOBS ||
		      room(slot) < RGP_HOST_RING / 2)) {
		put(slot, progress, IRQ_LEN);
		slot->progress_seq = seq;
		end.signals = true;
	}
	end.at = slot->tail;
	add_mark(slot, &end);
	__atomic_store_n(&slot->ctl->tail, (uint32_t)(slot->tail & RING_MASK),
			 __ATOMIC_RELEASE);
	if (vgpu_sched_is_submitted(slot->entity))
		refgpu_hw_doorbell(slot->all->hw, slot->ctx);
	else if (!slot->faulted && !slot->link)
		vgpu_sched_ready(slot->entity, rg_now());
	return 0;
}

bool rgp_slot_has_work(const struct rgp_slot *slot)
{
	uint32_t head = __atomic_load_n(&slot->ctl->head, __ATOMIC_ACQUIRE);

	return head != (slot->tail & RING_MASK);
}

/* The interrupt that was seen, or one before it */
static void raise(struct rgp_slot *slot, uint32_t cookie)
{
	struct rg_slot_status *s = rgp_slot_status(slot);

	__atomic_store_n(&s->cookie, cookie, __ATOMIC_RELAXED);
	__atomic_fetch_or(&s->events, REFGPU_EVENT_USER, __ATOMIC_RELEASE);
}

bool rgp_slot_is_due(const struct rgp_slot *slot)
{
	const struct rgp_mark *m = &slot->marks[slot->first_mark];

	return slot->table.live && slot->n_marks && m->signals &&
	       m->at - IRQ_LEN * sizeof(uint32_t) <= slot->head;
}

void rgp_slot_update(struct rgp_slot *slot)
{
	bool user = false;
	uint32_t head;

	if (!slot->has_ctx || !slot->table.live || slot->all->gone)
		return;
	head = __atomic_load_n(&slot->ctl->head, __ATOMIC_ACQUIRE);
	slot->head += (head - (uint32_t)slot->head) & RING_MASK;
	while (slot->n_marks) {
		const struct rgp_mark *m = &slot->marks[slot->first_mark];

		if (m->at > slot->head)
			break;
		if (m->seq)
			slot->done = m->seq;
		else
			raise(slot, m->cookie);
		user |= !m->seq;
		slot->first_mark = (slot->first_mark + 1) % RGP_MAX_MARKS;
		slot->n_marks--;
	}
	publish(slot);
	if (user || slot->done - slot->told >= RGP_PROGRESS_JOBS ||
	    (slot->done != slot->told &&
	     slot->head - slot->told_head >= RGP_HOST_RING / 4))
		rgp_slot_tell(slot);
	if (room(slot) >= RGP_HOST_RING / 2 &&
	    slot->n_marks <= RGP_MAX_MARKS / 2)
		slot->all->room(slot->all, slot->id);
}

/* ------------------------------------------------------------------ */
/* Faults                                                              */
/* ------------------------------------------------------------------ */

void rgp_slot_fault(struct rgp_slot *slot)
{
	slot->faulted = true;
	rgp_slot_notice(slot, RG_NOTICE_FAULT,
			rgp_slot_read64(slot, REFGPU_CTX_FAULT_LO),
			rgp_slot_read(slot, REFGPU_CTX_FAULT));
}

void rgp_slot_resume(struct rgp_slot *slot)
{
	if (!slot->faulted)
		return;
	slot->faulted = false;
	rgp_slot_set_state(slot, REFGPU_STATE_READY);
	rgp_slot_write(slot, REFGPU_CTX_RESUME, 1);
	vgpu_sched_ready(slot->entity, rg_now());
}
