/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "../audit.h"
#include "../clock.h"
#include "state.h"

#define STATE_MAGIC   0x53504752u /* "RGPS" */
#define STATE_VERSION 2u
/* A context makes way at its next boundary, within 1 ms but for long groups.
 * Whoever asks again finds more of them gone. */
#define PAUSE_NS 2000000u

/* Registers of it: DONE, GROUP, PART */
#define PROGRESS(i) (REFGPU_CTX_DONE_LO + 4 * (i))
#define N_PROGRESS  ((REFGPU_CTX_PART - REFGPU_CTX_DONE_LO) / 4 + 1)

struct saved_client {
	uint32_t magic, version;
	uint32_t n_slots, reserved;
	uint64_t records; /* of the instance half's that were done */
};

struct saved_slot {
	uint32_t id, engine, generation;
	uint32_t dead; /* it has failed, and stands */
	uint64_t seq, done, time;
	uint32_t events, cookie; /* that the instance half has not taken */
	uint32_t progress[N_PROGRESS]; /* of the first command */
	uint32_t n_marks, n_dwords;
	/* They follow: struct rgp_mark, and commands, padded to 8 bytes */
};

static size_t size_of(uint32_t n_marks, uint32_t n_dwords)
{
	return sizeof(struct saved_slot) + n_marks * sizeof(struct rgp_mark) +
	       (n_dwords + 1) / 2 * 8;
}

/* ------------------------------------------------------------------ */
/* Making it stand                                                     */
/* ------------------------------------------------------------------ */

static bool runs(const struct rgp_slots *slots, unsigned engine)
{
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		const struct rgp_slot *slot = &slots->slot[i];

		if (slot->has_ctx && slot->engine == engine &&
		    vgpu_sched_is_submitted(slot->entity))
			return true;
	}
	return false;
}

static int pause(struct rgp_engines *e, struct rgp_slots *slots)
{
	uint64_t end = rg_now() + PAUSE_NS;
	bool any;

	slots->saved = true;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++)
		if (slots->slot[i].has_ctx)
			rgp_slot_unready(&slots->slot[i]);
	do {
		any = false;
		rgp_engines_drain(e);
		for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++) {
			if (!runs(slots, i))
				continue;
			any = true;
			refgpu_hw_write(e->hw,
					REFGPU_ENG(i, REFGPU_ENG_PREEMPT), 1);
		}
		if (any)
			sched_yield();
	} while (any && rg_now() < end);
	return any ? -EAGAIN : 0;
}

/* ------------------------------------------------------------------ */
/* Saving                                                              */
/* ------------------------------------------------------------------ */

static void save_ring(const struct rgp_slot *slot, uint8_t *to, size_t bytes)
{
	size_t at = slot->head & (RGP_HOST_RING - 1);
	size_t first = RGP_HOST_RING - at < bytes ? RGP_HOST_RING - at : bytes;

	memcpy(to, slot->ring + at, first);
	memcpy(to + first, slot->ring, bytes - first);
}

static size_t saved_size(const struct rgp_slot *slot)
{
	if (slot->state == RGP_NONE)
		return 0;
	if (slot->state == RGP_DEAD)
		return size_of(0, 0);
	return size_of(slot->n_marks, (uint32_t)(slot->tail - slot->head) / 4);
}

static void save_slot(const struct rgp_slot *slot, struct saved_slot *s)
{
	const struct rg_slot_status *st = rgp_slot_status(slot);
	struct rgp_mark *m = (struct rgp_mark *)(s + 1);
	size_t bytes = slot->tail - slot->head;

	s->id = slot->id;
	s->engine = slot->engine;
	s->generation = slot->generation;
	s->dead = slot->state == RGP_DEAD;
	s->seq = slot->seq;
	s->done = slot->done;
	s->events = __atomic_load_n(&st->events, __ATOMIC_ACQUIRE);
	s->cookie = __atomic_load_n(&st->cookie, __ATOMIC_RELAXED);
	if (s->dead)
		return;
	s->time = rgp_slot_time(slot) - slot->time_0;
	for (unsigned i = 0; i < N_PROGRESS; i++)
		s->progress[i] = rgp_slot_read(slot, PROGRESS(i));
	s->n_marks = slot->n_marks;
	s->n_dwords = (uint32_t)bytes / 4;
	for (unsigned i = 0; i < slot->n_marks; i++) {
		m[i] = slot->marks[(slot->first_mark + i) % RGP_MAX_MARKS];
		m[i].at -= slot->head; /* from the first command on */
	}
	save_ring(slot, (uint8_t *)(m + slot->n_marks), bytes);
}

int rgp_state_save(struct rgp_engines *e, struct rgp_slots *slots,
		   uint64_t records, void *buf, size_t size, size_t *ret_len)
{
	size_t len = sizeof(struct saved_client);
	struct saved_client *head = buf;
	uint8_t *at = (uint8_t *)(head + 1);
	int err = pause(e, slots);

	rgp_engines_arm(e);
	if (err)
		return err;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		rgp_slot_update(&slots->slot[i]);
		len += saved_size(&slots->slot[i]);
	}
	*ret_len = len;
	if (len > size)
		return -ENOSPC;
	memset(buf, 0, len);
	head->magic = STATE_MAGIC;
	head->version = STATE_VERSION;
	head->records = records;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		if (slots->slot[i].state == RGP_NONE)
			continue;
		save_slot(&slots->slot[i], (struct saved_slot *)at);
		at += saved_size(&slots->slot[i]);
		head->n_slots++;
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* Looking at what is to be restored                                   */
/* ------------------------------------------------------------------ */

/* Positions rise to the end, and so do jobs up to the last one. */
static bool marks_ok(const struct saved_slot *s, const struct rgp_mark *m)
{
	uint64_t seq = s->done;
	uint64_t at = 0;

	for (uint32_t i = 0; i < s->n_marks; i++) {
		if (m[i].at % 4 || m[i].at < at || m[i].at > s->n_dwords * 4)
			return false;
		if (m[i].seq && m[i].seq <= seq)
			return false;
		at = m[i].at;
		seq = m[i].seq ? m[i].seq : seq;
	}
	return seq == s->seq;
}

static bool slot_ok(const struct saved_slot *s)
{
	const struct rgp_mark *m = (const struct rgp_mark *)(s + 1);
	const uint32_t *dwords = (const uint32_t *)(m + s->n_marks);
	uint32_t offset;

	if (s->dead)
		return !s->n_marks && !s->n_dwords;
	return marks_ok(s, m) &&
	       !rg_audit(dwords, s->n_dwords, s->engine, &offset);
}

/* The next slot: all of it is there, and its numbers are in range. */
static const struct saved_slot *next_slot(const uint8_t **at, size_t *left,
					  uint32_t *min_id)
{
	const struct saved_slot *s = (const struct saved_slot *)*at;
	size_t size;

	if (*left < sizeof(*s) || s->id < *min_id || s->id >= RG_MAX_SLOTS ||
	    s->engine >= REFGPU_NUM_ENGINES || s->n_marks > RGP_MAX_MARKS ||
	    s->n_dwords >= RGP_HOST_RING / 4)
		return NULL;
	size = size_of(s->n_marks, s->n_dwords);
	if (size > *left)
		return NULL;
	*min_id = s->id + 1;
	*at += size;
	*left -= size;
	return s;
}

static int check(const void *buf, size_t len)
{
	const struct saved_client *head = buf;
	const uint8_t *at = (const uint8_t *)(head + 1);
	size_t left = len - sizeof(*head);
	uint32_t min_id = 0;

	if (len < sizeof(*head) || head->magic != STATE_MAGIC)
		return -EINVAL;
	if (head->version != STATE_VERSION)
		return -EPROTO;
	for (uint32_t i = 0; i < head->n_slots; i++) {
		const struct saved_slot *s = next_slot(&at, &left, &min_id);

		if (!s || !slot_ok(s))
			return -EINVAL;
	}
	return left ? -EINVAL : 0;
}

/* ------------------------------------------------------------------ */
/* Restoring                                                           */
/* ------------------------------------------------------------------ */

static void load_ring(struct rgp_slot *slot, const struct saved_slot *s)
{
	const struct rgp_mark *m = (const struct rgp_mark *)(s + 1);

	memcpy(slot->marks, m, s->n_marks * sizeof(*m));
	slot->n_marks = s->n_marks;
	slot->tail = s->n_dwords * sizeof(uint32_t);
	memcpy(slot->ring, m + s->n_marks, slot->tail);
	__atomic_store_n(&slot->ctl->tail, (uint32_t)slot->tail,
			 __ATOMIC_RELEASE);
}

static int restore_slot(struct rgp_slot *slot, const struct saved_slot *s)
{
	struct rg_slot_status *st = rgp_slot_status(slot);
	int err = s->dead ? 0 : rgp_slot_open(slot, s->engine);

	if (err)
		return err;
	slot->generation = s->generation;
	slot->seq = s->seq;
	slot->done = slot->told = s->done;
	__atomic_store_n(&st->cookie, s->cookie, __ATOMIC_RELAXED);
	__atomic_store_n(&st->events, s->events & REFGPU_EVENT_USER,
			 __ATOMIC_RELEASE);
	if (s->dead) {
		slot->state = RGP_DEAD;
		rgp_slot_set_state(slot, REFGPU_STATE_ERROR);
		return 0;
	}
	slot->progress_seq = s->done;
	slot->time_0 -= s->time; /* it goes on from there */
	load_ring(slot, s);
	if (s->n_dwords) {
		for (unsigned i = 0; i < N_PROGRESS; i++)
			rgp_slot_write(slot, PROGRESS(i), s->progress[i]);
		vgpu_sched_ready(slot->entity, rg_now());
	}
	rgp_slot_update(slot); /* tells the instance half */
	return 0;
}

int rgp_state_restore(struct rgp_engines *e, struct rgp_slots *slots,
		      const void *buf, size_t len)
{
	const struct saved_client *head = buf;
	const uint8_t *at = (const uint8_t *)(head + 1);
	size_t left = len - sizeof(*head);
	uint32_t min_id = 0;
	int err = check(buf, len);

	for (unsigned i = 0; i < RG_MAX_SLOTS; i++)
		if (slots->slot[i].state != RGP_NONE)
			return -EINVAL; /* it has begun already */
	for (uint32_t i = 0; !err && i < head->n_slots; i++) {
		const struct saved_slot *s = next_slot(&at, &left, &min_id);

		err = restore_slot(&slots->slot[s->id], s);
	}
	for (unsigned i = 0; err && i < RG_MAX_SLOTS; i++) {
		if (slots->slot[i].state == RGP_NONE)
			continue;
		rgp_slot_stop(e, &slots->slot[i]);
		rgp_slot_close(&slots->slot[i]);
	}
	rgp_engines_arm(e);
	return err;
}
