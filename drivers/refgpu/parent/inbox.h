/* SPDX-License-Identifier: MIT */
/*
 * Records of an instance half. The ring is its memory: each record is copied
 * once, and only the copy is looked at. One that makes no sense ends its slot;
 * one that says too many of them is dropped.
 *
 * Records are done in order, so that one whose job finds no room holds up what
 * is behind it; but not the end of its own context, which is looked for.
 */
#ifndef RGP_INBOX_H
#define RGP_INBOX_H

#include "engines.h"

struct rgp_inbox {
	struct rgp_slots *slots;
	struct rgp_engines *engines;
	struct vgpu_ring ring;
	unsigned nonsense;
	/* A job has no room */
	bool blocked;
	unsigned blocked_slot;
	uint64_t scanned; /* records that were looked at for the slot's end */
	const struct rgp_slot *clearing;
	/* The record that is being worked on, our copy */
	bool has_record;
	struct rgp_run run; /* what is left of it */
	_Alignas(8) uint8_t record[RG_RECORD_MAX];
};

/**
 * rgp_inbox_look() - see what the instance half has written
 * rgp_inbox_work() - take of that as many records as one go allows
 *
 * Return: 0; 1: another go is due; negative errno: drop the vGPU.
 */
int rgp_inbox_look(struct rgp_inbox *in);
int rgp_inbox_work(struct rgp_inbox *in);

/* A ring has room again. Return: another go is due. */
bool rgp_inbox_unblock(struct rgp_inbox *in, unsigned slot);

/* Nothing is read any more: clears all slots, as far as one go allows. Return:
 * it is done. */
bool rgp_inbox_clear(struct rgp_inbox *in);

#endif
