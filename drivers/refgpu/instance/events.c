/* SPDX-License-Identifier: MIT */
/* What the parent half has to say. */
#include <errno.h>
#include <string.h>

#include "instance.h"

/* There is room, jobs are over, interrupts are due: look at everything. */
void rg_parent_kick(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);

	if (!rg->shared)
		return;
	(void)__atomic_exchange_n(&rg->shared->full, 0, __ATOMIC_ACQ_REL);
	rg_pump_all(rg);
	rg_space_reap(rg, false);
}

static void on_fault(struct rg_slot *s, const struct rg_notice *n)
{
	if (rg_ctx_of(s)->state != REFGPU_STATE_IDLE || s->st->faulted)
		return;
	if (n->va == s->st->fault_va && n->seq == s->st->fault_seq)
		s->st->same_faults++;
	else
		s->st->same_faults = 0;
	if (n->seq != s->st->fault_seq)
		s->drops = 0;
	s->st->faulted = true;
	s->st->fault_va = n->va;
	s->st->fault_seq = n->seq;
	s->st->fault_code = n->code;
	s->fault_after = 0;
	rg_slot_pump(s);
}

void rg_parent_message(struct vgpu_device *dev, const void *msg, size_t len)
{
	struct rg *rg = rg_of(dev);
	struct rg_notice n;
	struct rg_slot *s;

	if (len != sizeof(n))
		return;
	memcpy(&n, msg, sizeof(n));
	if (n.slot >= RG_CONTEXTS)
		return;
	s = &rg->slots[n.slot];
	rg_slot_update(s);
	/* It may be about the context that was here before. */
	if (!s->st->open || n.generation != s->st->generation)
		return;
	switch (n.kind) {
	case RG_NOTICE_FAULT:
		on_fault(s, &n);
		break;
	case RG_NOTICE_ERROR:
		if (rg_ctx_of(s)->state != REFGPU_STATE_ERROR)
			rg_slot_error(s, n.code);
		break;
	case RG_NOTICE_NONSENSE:
		vgpu_log(dev, VGPU_LOG_WARNING,
			 "context %u: the parent has refused a record: %s",
			 n.slot, strerror((int)(n.code & 4095)));
		if (rg_ctx_of(s)->state != REFGPU_STATE_ERROR)
			rg_slot_error(s, REFGPU_ERROR_RESET);
		break;
	}
}
