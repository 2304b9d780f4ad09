/* SPDX-License-Identifier: MIT */
/*
 * Records of an instance half. The ring is its memory: each record is copied
 * once, and only the copy is looked at. One that makes no sense ends its slot;
 * one that says too many of them is dropped.
 *
 * Records are done in order, so that one whose job finds no room holds up what
 * is behind it; but not the end of its own context, which is looked for.
 */
#include <errno.h>
#include <string.h>

#include "parent.h"

/* The header of the record at @at: its size is good, and all of it is there. */
static int peek(const struct rgp_client *c, uint64_t at, struct rg_record *ret)
{
	uint64_t offset = at % RG_RING_SIZE, left = c->tail - at;

	memcpy(ret, c->shared->ring + offset, sizeof(*ret));
	if (ret->size < sizeof(*ret) || ret->size > left ||
	    ret->size > RG_RING_SIZE - offset ||
	    (ret->size > RG_RECORD_MAX && ret->kind != RG_PAD))
		return -EINVAL;
	return 0;
}

static uint64_t padded(uint32_t size)
{
	return (size + (uint64_t)RG_ALIGN - 1) & ~((uint64_t)RG_ALIGN - 1);
}

/* ------------------------------------------------------------------ */
/* Nonsense                                                            */
/* ------------------------------------------------------------------ */

/* There is not enough of something, which its guest can't know. */
static bool is_limit(int err)
{
	return err == -ENOSPC || err == -ENOMEM;
}

/* @slot: whose record it was, or NULL: a slot that can't be. */
static int nonsense(struct rgp_client *c, struct rgp_slot *slot, int err)
{
	vgpu_parent_log(&c->parent->parent, c->inst, VGPU_LOG_DEBUG,
			"a record is refused: %s", strerror(-err));
	if (!is_limit(err) && ++c->nonsense > RGP_MAX_NONSENSE)
		return -EPROTO;
	if (!slot)
		return 0;
	if (slot->state == RGP_NONE)
		slot->state = RGP_DEAD;
	rgp_slot_die(slot, RG_NOTICE_NONSENSE, (uint32_t)-err);
	return 0;
}

/* ------------------------------------------------------------------ */
/* One record                                                          */
/* ------------------------------------------------------------------ */

#define OPEN_WORK 1024u /* as much as so many entries of tables */

static int do_open(struct rgp_slot *slot, const struct rg_open *r)
{
	int err;

	if (slot->state != RGP_NONE)
		return -EEXIST;
	if (r->r.size < sizeof(*r) || r->engine >= REFGPU_NUM_ENGINES)
		return -EINVAL;
	err = rgp_slot_open(slot, r->engine);
	slot->generation = r->generation;
	if (err) /* until it is closed */
		slot->state = RGP_DEAD;
	return err;
}

static bool range_ok(uint64_t va, uint64_t n)
{
	return !(va & (REFGPU_PAGE - 1)) && va < REFGPU_VA_SIZE &&
	       n <= (REFGPU_VA_SIZE - va) / REFGPU_PAGE;
}

static int do_ptes(struct rgp_slot *slot, const struct rg_ptes *r)
{
	int err;

	if (r->r.size < sizeof(*r) ||
	    r->n > (r->r.size - sizeof(*r)) / sizeof(uint64_t) ||
	    !range_ok(r->va, r->n))
		return -EINVAL;
	err = rgp_table_write(&slot->table, r->va, (const uint64_t *)(r + 1),
			      r->n);
	rgp_table_flush(&slot->table);
	return err;
}

/* @begin: for the first time; else from where the last go came to */
static int do_run(struct rgp_slot *slot, const struct rg_run *r, bool begin,
		  uint32_t *work)
{
	struct rgp_client *c = slot->client;
	int err;

	if (begin) {
		if (r->r.size < sizeof(*r) || !range_ok(r->va, r->n))
			return -EINVAL;
		c->run_va = r->va;
		c->run_n = r->n;
		c->run_pte = r->pte;
	}
	err = rgp_table_run(&slot->table, &c->run_va, &c->run_n, &c->run_pte,
			    work);
	rgp_table_flush(&slot->table);
	return err;
}

static int do_job(struct rgp_slot *slot, const struct rg_job *r)
{
	if (r->r.size < sizeof(*r) ||
	    r->n > (r->r.size - sizeof(*r)) / sizeof(uint32_t))
		return -EINVAL;
	return rgp_slot_job(slot, (const uint32_t *)(r + 1), r->n, r->seq);
}

/* All of its table, then the rest. */
static int do_close(struct rgp_slot *slot, bool begin, uint32_t *work)
{
	struct rgp_client *c = slot->client;
	int err;

	if (begin) {
		rgp_slot_stop(slot);
		c->run_va = 0;
		c->run_n = REFGPU_VA_SIZE / REFGPU_PAGE;
		c->run_pte = 0;
	}
	if (slot->table.root) {
		err = rgp_table_run(&slot->table, &c->run_va, &c->run_n,
				    &c->run_pte, work);
		rgp_table_flush(&slot->table);
		if (err)
			return err;
	}
	rgp_slot_close(slot);
	return 0;
}

static int do_record(struct rgp_client *c, bool begin, uint32_t *work)
{
	const struct rg_record *r = (const struct rg_record *)c->record;
	struct rgp_slot *slot;
	int err;

	if (r->slot >= RG_MAX_SLOTS)
		return nonsense(c, NULL, -EINVAL);
	slot = &c->slots[r->slot];
	if (r->kind == RG_OPEN) {
		*work -= *work < OPEN_WORK ? *work : OPEN_WORK;
		err = do_open(slot, (const struct rg_open *)r);
		return err ? nonsense(c, slot, err) : 0;
	}
	if (r->kind == RG_CLOSE)
		return slot->state == RGP_NONE
			       ? nonsense(c, NULL, -ENOENT)
			       : do_close(slot, begin, work);
	if (slot->state == RGP_DEAD) {
		/* Sent before it was known. Entries that go do go. */
		if (r->kind == RG_RUN && slot->table.root &&
		    !((const struct rg_run *)r)->pte)
			err = do_run(slot, (const struct rg_run *)r, begin,
				     work);
		else
			err = 0;
		return err == -EAGAIN ? err : 0;
	}
	if (slot->state == RGP_NONE)
		return nonsense(c, NULL, -ENOENT);
	switch (r->kind) {
	case RG_PTES:
		err = do_ptes(slot, (const struct rg_ptes *)r);
		break;
	case RG_RUN:
		err = do_run(slot, (const struct rg_run *)r, begin, work);
		break;
	case RG_JOB:
		err = do_job(slot, (const struct rg_job *)r);
		break;
	case RG_RESUME:
		rgp_slot_resume(slot);
		err = 0;
		break;
	case RG_STOP_FAULT:
		rgp_slot_set_state(slot, REFGPU_STATE_FAULT);
		err = 0;
		break;
	default:
		err = -EINVAL;
	}
	return err && err != -EAGAIN ? nonsense(c, slot, err) : err;
}

/* ------------------------------------------------------------------ */
/* A ring that is full                                                 */
/* ------------------------------------------------------------------ */

/* Behind the job that has no room: does its context end anyway? Then it may
 * end now, and the job need not run. */
static bool ends_anyway(struct rgp_client *c)
{
	struct rg_record r;

	while (c->tail - c->scanned >= sizeof(r)) {
		if (peek(c, c->scanned, &r))
			return false; /* said when it is its turn */
		if (r.kind == RG_CLOSE && r.slot == c->blocked_slot)
			return true;
		c->scanned += padded(r.size);
	}
	return false;
}

static void stop_blocked(struct rgp_client *c)
{
	struct rgp_slot *slot = &c->slots[c->blocked_slot];

	rgp_slot_stop(slot);
	slot->state = RGP_DEAD;
	c->blocked = false;
}

void rgp_client_unblock(struct rgp_client *c, unsigned slot)
{
	if (!c->blocked || c->blocked_slot != slot)
		return;
	c->blocked = false;
	rgp_client_queue(c);
}

/* ------------------------------------------------------------------ */
/* Goes                                                                */
/* ------------------------------------------------------------------ */

/* The next record into our own memory. Return: 0; -EAGAIN: there is none. */
static int fetch(struct rgp_client *c)
{
	struct rg_record r;
	int err;

	while (c->tail != c->head) {
		if (c->tail - c->head < sizeof(r))
			return -EPROTO;
		err = peek(c, c->head, &r);
		if (err)
			return err;
		if (r.kind != RG_PAD) {
			memcpy(c->record,
			       c->shared->ring + c->head % RG_RING_SIZE,
			       r.size);
			/* As it was when it was checked. */
			memcpy(c->record, &r, sizeof(r));
			return 0;
		}
		c->head += padded(r.size);
		if (c->head > c->tail)
			return -EPROTO;
	}
	return -EAGAIN;
}

static void publish(struct rgp_client *c)
{
	__atomic_store_n(&c->shared->head, c->head, __ATOMIC_RELEASE);
}

static int look_at_tail(struct rgp_client *c)
{
	uint64_t tail = __atomic_load_n(&c->shared->tail, __ATOMIC_ACQUIRE);

	if (tail % RG_ALIGN || tail < c->tail || tail - c->head > RG_RING_SIZE)
		return -EPROTO;
	c->tail = tail;
	return 0;
}

/* It waits for room: there is some. Both halves read and write @full at once:
 * whoever is second sees what the first has done before, so that either this
 * one finds it set, or the other one finds room. */
static void tell_room(struct rgp_client *c)
{
	if (__atomic_exchange_n(&c->shared->full, 0, __ATOMIC_ACQ_REL))
		vgpu_instance_kick(c->inst);
}

static int go(struct rgp_client *c)
{
	uint32_t bytes = RGP_GO_BYTES, work = RGP_GO_ENTRIES;

	for (;;) {
		const struct rg_record *r = (const struct rg_record *)c->record;
		bool begin = !c->has_record;
		int err = begin ? fetch(c) : 0;

		if (err == -EAGAIN)
			return 0;
		if (!err) {
			c->has_record = true;
			err = do_record(c, begin, &work);
		}
		if (err == -EAGAIN && r->kind == RG_JOB) {
			c->has_record = false; /* copied again: it may be long */
			c->blocked = true;
			c->blocked_slot = r->slot;
			c->scanned = c->head;
			if (!ends_anyway(c))
				return 0;
			stop_blocked(c);
			continue;
		}
		if (err == -EAGAIN) {
			rgp_client_queue(c);
			return 0;
		}
		if (err)
			return err;
		c->has_record = false;
		c->head += padded(r->size);
		publish(c);
		if (c->head == c->tail)
			return 0;
		if (bytes <= r->size || !work) {
			rgp_client_queue(c);
			return 0;
		}
		bytes -= r->size;
		if (r->kind == RG_PTES)
			work -= work < r->size / 8 ? work : r->size / 8;
	}
}

int rgp_client_work(struct rgp_client *c)
{
	int err = look_at_tail(c);

	if (err || c->queued || c->saved)
		return err;
	if (c->blocked) {
		if (!ends_anyway(c))
			return 0;
		stop_blocked(c);
	}
	err = go(c);
	if (!err)
		tell_room(c);
	return err;
}

bool rgp_client_clear(struct rgp_client *c)
{
	uint32_t work = RGP_GO_ENTRIES;

	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		struct rgp_slot *slot = &c->slots[i];

		if (slot->state == RGP_NONE)
			continue;
		if (do_close(slot, c->blocked_slot != i, &work)) {
			c->blocked_slot = i; /* go on there */
			return false;
		}
	}
	return true;
}
