/* SPDX-License-Identifier: MIT */
/*
 * Doorbells. Each is an area of its own, so that a client may turn it into an
 * eventfd; and since an op does not hear which area it is called for, each has
 * a function of its own.
 */
#include "instance.h"

#define BELL(n)                                                                \
	static void ring_##n(struct vgpu_device *dev, void *data,              \
			     uint64_t offset, uint64_t value, unsigned size)   \
	{                                                                      \
		rg_slot_ring(&rg_of(dev)->slots[n]);                           \
	}

#define ENTRY(n)                                                               \
	[n] = {                                                                \
		.struct_size = sizeof(struct vgpu_mmio_ops),                   \
		.min_access = 4,                                               \
		.max_access = 4,                                               \
		.flags = VGPU_MMIO_NO_PARTIAL_WRITE,                           \
		.write = ring_##n,                                             \
	},

/* clang-format off */
#define EACH(what)                                                     \
	what(0) what(1) what(2) what(3) what(4) what(5) what(6)        \
	what(7) what(8) what(9) what(10) what(11) what(12) what(13)    \
	what(14) what(15) what(16) what(17) what(18) what(19) what(20) \
	what(21) what(22) what(23) what(24) what(25) what(26) what(27) \
	what(28) what(29) what(30) what(31)

EACH(BELL)

const struct vgpu_mmio_ops rg_doorbell_ops[RG_CONTEXTS] = { EACH(ENTRY) };
/* clang-format on */

_Static_assert(RG_CONTEXTS == 32, "a function each");
