/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "inbox.h"

#define MAX_NONSENSE 64u /* a vGPU that says more is dropped */

/* Work in one go, so that no vGPU holds the loop */
#define GO_BYTES   (512u << 10) /* of records */
#define GO_ENTRIES 65536u	/* of page tables */
#define OPEN_WORK  1024u	/* a context is as much as so many of them */

/* The header of the record at @position: its size is good, and all of it is
 * there. */
static int peek(const struct rgp_inbox *in, uint64_t position,
		struct rg_record *ret)
{
	uint64_t left = (in->ring.seen - position) * RG_ENTRY;

	if (vgpu_ring_peek(&in->ring, position, ret, sizeof(*ret)) ||
	    ret->size < sizeof(*ret) || ret->size > left ||
	    ret->size > RG_RECORD_MAX)
		return -EINVAL;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Nonsense                                                            */
/* ------------------------------------------------------------------ */

/* @slot: whose record it was, or NULL: a slot that can't be. */
static int nonsense(struct rgp_inbox *in, struct rgp_slot *slot, int err)
{
	vgpu_parent_log(in->engines->parent, in->slots->inst, VGPU_LOG_DEBUG,
			"a record is refused: %s", strerror(-err));
	/* Limits are nothing that its guest can know. */
	if (err != -ENOSPC && err != -ENOMEM && ++in->nonsense > MAX_NONSENSE)
		return -EPROTO;
	if (!slot)
		return 0;
	rgp_slot_die(in->engines, slot, RG_NOTICE_NONSENSE, (uint32_t)-err);
	return 0;
}

/* ------------------------------------------------------------------ */
/* One record                                                          */
/* ------------------------------------------------------------------ */

static int do_open(struct rgp_slot *slot, const struct rg_open *r)
{
	int err;

	if (slot->state != RGP_NONE)
		return -EEXIST;
	if (r->r.size < sizeof(*r) || r->engine >= REFGPU_NUM_ENGINES)
		return -EINVAL;
	err = rgp_slot_open(slot, r->engine);
	slot->generation = r->generation;
	return err;
}

/* From where the last go came to */
static int write_on(struct rgp_inbox *in, struct rgp_slot *slot, uint32_t *work)
{
	int err = rgp_table_write(&slot->table, &in->run, work);

	rgp_table_flush(&slot->table);
	return err;
}

/* RG_PTES, RG_RUN. @begin: for the first time */
static int do_entries(struct rgp_inbox *in, struct rgp_slot *slot, bool begin,
		      uint32_t *work)
{
	const struct rg_ptes *p = (const struct rg_ptes *)in->record;
	const struct rg_run *r = (const struct rg_run *)in->record;

	if (begin && r->r.kind == RG_PTES) {
		if (p->r.size < sizeof(*p) ||
		    p->n > (p->r.size - sizeof(*p)) / sizeof(uint64_t))
			return -EINVAL;
		in->run = (struct rgp_run){ p->va, p->n,
					    (const uint64_t *)(p + 1), 0 };
	} else if (begin) {
		if (r->r.size < sizeof(*r))
			return -EINVAL;
		in->run = (struct rgp_run){ r->va, r->n, NULL, r->pte };
	}
	if (begin &&
	    (in->run.va & (REFGPU_PAGE - 1) || in->run.va >= REFGPU_VA_SIZE ||
	     in->run.n > (REFGPU_VA_SIZE - in->run.va) / REFGPU_PAGE))
		return -EINVAL;
	return write_on(in, slot, work);
}

static int do_job(struct rgp_slot *slot, const struct rg_job *r)
{
	if (r->r.size < sizeof(*r) ||
	    r->n > (r->r.size - sizeof(*r)) / sizeof(uint32_t))
		return -EINVAL;
	return rgp_slot_job(slot, (const uint32_t *)(r + 1), r->n, r->seq);
}

/* All of its table, then the rest. */
static int do_close(struct rgp_inbox *in, struct rgp_slot *slot, bool begin,
		    uint32_t *work)
{
	int err = 0;

	if (begin) {
		rgp_slot_stop(in->engines, slot);
		in->run = (struct rgp_run){ .n = REFGPU_VA_SIZE / REFGPU_PAGE };
	}
	if (slot->table.root)
		err = write_on(in, slot, work);
	if (!err)
		rgp_slot_close(slot);
	return err;
}

static int do_record(struct rgp_inbox *in, bool begin, uint32_t *work)
{
	const struct rg_record *r = (const struct rg_record *)in->record;
	const struct rg_run *run = (const struct rg_run *)r;
	struct rgp_slot *slot;
	int err = 0;

	if (r->slot >= RG_MAX_SLOTS)
		return nonsense(in, NULL, -EINVAL);
	slot = &in->slots->slot[r->slot];
	if (slot->state == RGP_NONE && r->kind != RG_OPEN)
		return nonsense(in, NULL, -ENOENT);
	/* Sent before it was known. Entries that go do go. */
	if (slot->state == RGP_DEAD && r->kind != RG_OPEN &&
	    r->kind != RG_CLOSE) {
		if (r->kind == RG_RUN && slot->table.root && !run->pte)
			err = do_entries(in, slot, begin, work);
		return err == -EAGAIN ? err : 0;
	}
	switch (r->kind) {
	case RG_OPEN:
		*work -= *work < OPEN_WORK ? *work : OPEN_WORK;
		err = do_open(slot, (const struct rg_open *)r);
		break;
	case RG_CLOSE:
		return do_close(in, slot, begin, work);
	case RG_PTES:
	case RG_RUN:
		err = do_entries(in, slot, begin, work);
		break;
	case RG_JOB:
		err = do_job(slot, (const struct rg_job *)r);
		break;
	case RG_RESUME:
		rgp_slot_resume(slot);
		break;
	case RG_STOP_FAULT:
		rgp_slot_set_state(slot, REFGPU_STATE_FAULT);
		break;
	default:
		err = -EINVAL;
	}
	return err && err != -EAGAIN ? nonsense(in, slot, err) : err;
}

/* ------------------------------------------------------------------ */
/* A ring of the hardware's that is full                               */
/* ------------------------------------------------------------------ */

/* Behind the job that has no room: does its context end anyway? Then it ends
 * now, and the job need not run. */
static bool blocked(struct rgp_inbox *in)
{
	struct rgp_slot *slot = &in->slots->slot[in->blocked_slot];
	struct rg_record r;

	/* Sizes that are wrong are said when it is their turn. */
	while (in->blocked && in->scanned != in->ring.seen &&
	       !peek(in, in->scanned, &r)) {
		if (r.kind == RG_CLOSE && r.slot == in->blocked_slot) {
			rgp_slot_stop(in->engines, slot);
			slot->state = RGP_DEAD;
			in->blocked = false;
		}
		in->scanned += vgpu_ring_entries(&in->ring, r.size);
	}
	return in->blocked;
}

bool rgp_inbox_unblock(struct rgp_inbox *in, unsigned slot)
{
	bool was = in->blocked && in->blocked_slot == slot;

	if (was)
		in->blocked = false;
	return was;
}

/* ------------------------------------------------------------------ */
/* Goes                                                                */
/* ------------------------------------------------------------------ */

/* The next record into our own memory; there is one. */
static int fetch(struct rgp_inbox *in)
{
	struct rg_record r;
	int err = peek(in, in->ring.own, &r);

	if (err)
		return err;
	vgpu_ring_peek(&in->ring, in->ring.own, in->record, r.size);
	/* As it was when it was checked. */
	memcpy(in->record, &r, sizeof(r));
	return 0;
}

/* It waits for room: there is some. Both halves read and write @full at once:
 * whoever is second sees what the first has done before, so that either this
 * one finds it set, or the other one finds room. */
static void tell_room(struct rgp_inbox *in)
{
	if (__atomic_exchange_n(&in->slots->shared->full, 0, __ATOMIC_ACQ_REL))
		vgpu_instance_kick(in->slots->inst);
}

static int go(struct rgp_inbox *in)
{
	const struct rg_record *r = (const struct rg_record *)in->record;
	uint32_t bytes = GO_BYTES, work = GO_ENTRIES;

	while (in->has_record || in->ring.own != in->ring.seen) {
		bool begin = !in->has_record;
		int err = begin ? fetch(in) : 0;

		if (!err)
			err = do_record(in, begin, &work);
		if (err == -EAGAIN && r->kind == RG_JOB) {
			/* Copied again: it may be long. */
			in->has_record = false;
			in->blocked = true;
			in->blocked_slot = r->slot;
			in->scanned = in->ring.own;
			if (blocked(in))
				return 0;
			continue;
		}
		in->has_record = err == -EAGAIN;
		if (err)
			return in->has_record ? 1 : err;
		vgpu_ring_drop(&in->ring,
			       vgpu_ring_entries(&in->ring, r->size));
		if (bytes <= r->size || !work)
			return in->ring.own != in->ring.seen;
		bytes -= r->size;
	}
	return 0;
}

int rgp_inbox_look(struct rgp_inbox *in)
{
	return vgpu_ring_look(&in->ring);
}

int rgp_inbox_work(struct rgp_inbox *in)
{
	int ret = rgp_inbox_look(in);

	if (ret || in->slots->saved || blocked(in))
		return ret;
	ret = go(in);
	if (ret >= 0)
		tell_room(in);
	return ret;
}

bool rgp_inbox_clear(struct rgp_inbox *in)
{
	uint32_t work = GO_ENTRIES;

	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		struct rgp_slot *slot = &in->slots->slot[i];

		if (slot->state == RGP_NONE)
			continue;
		if (do_close(in, slot, slot != in->clearing, &work)) {
			in->clearing = slot; /* go on there */
			return false;
		}
	}
	return true;
}
