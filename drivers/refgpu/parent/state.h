/* SPDX-License-Identifier: MIT */
/*
 * What of a vGPU is in this half and in the hardware, and nowhere else: its
 * contexts' rings, from where they have come to, and how much is done of the
 * command that each of them stands at. Its tables and pins are not: it meets
 * faults without them, and its instance half makes them anew.
 *
 * Bytes that come to be restored are believed as little as a record is.
 */
#ifndef RGP_STATE_H
#define RGP_STATE_H

#include "engines.h"

/* As the ops of struct vgpu_parent_ops. @records: that were done */
int rgp_state_save(struct rgp_engines *e, struct rgp_slots *slots,
		   uint64_t records, void *buf, size_t size, size_t *ret_len);
int rgp_state_restore(struct rgp_engines *e, struct rgp_slots *slots,
		      const void *buf, size_t len);

#endif
