/* SPDX-License-Identifier: MIT */
/*
 * The rig for tests of drivers: a driver that is linked into the test, on the
 * real core, and a client in the same process (inproc-client.h). No socket, no
 * protocol, no process.
 *
 *	struct rig *rig = rig_new("bochs-16m");
 *
 *	rig_attach(rig);                            as a VM that starts
 *	wr(rig, VGPU_REGION_BAR2, 0x502, 800, 2);   what the guest does
 *	assert_int_equal(rig_plane(rig)->width, 800);
 *	rig_free(rig);
 *
 * What the guest does is rd() and wr(); client memory is given and taken by
 * dma_space_map() and client_unmap() of rig->core, interrupts are routed by
 * inproc_route(). Time passes by rig/clock.h, if that is linked, too.
 *
 * Where the core itself has to fail on command, the functions of <vgpu/...>
 * are the test's own: unit/refgpu-half-rig.h is such a core, for refgpu.
 */
#ifndef TEST_RIG_DRIVER_H
#define TEST_RIG_DRIVER_H

#include <vgpu/display.h>
#include <vgpu/driver.h>

#include "device/device.h"
#include "device/module.h"
#include "device/region.h"
#include "rig/inproc-client.h"
#include "util/loop.h"

/* What a module exports; here, the driver that is linked in. */
extern const struct vgpu_module vgpu_driver_module;

struct rig {
	struct loop *loop;
	struct module *module;
	struct vgpu_core *core;
	struct inproc client; /* .core is NULL until rig_attach() */
	const struct vgpu_display_shm *shown; /* private: see rig_plane() */
};

/* A vGPU of a type. Nobody is its client yet. All of this aborts where it
 * fails: the test has not begun then. */
struct rig *rig_new(const char *type);
/* The client goes first, if there is one. */
void rig_free(struct rig *rig);

/* The client comes. To have one that refuses things, see inproc_init(). */
void rig_attach(struct rig *rig);

/* All that can be done now, without waiting */
void rig_turn(struct rig *rig);

/* Accesses of 1 to 8 bytes, little endian, as the client's messages make them.
 * They must be inside of the region; the core does the rest. */
uint64_t rd(struct rig *rig, unsigned region, uint64_t offset, unsigned size);
void wr(struct rig *rig, unsigned region, uint64_t offset, uint64_t value,
	unsigned size);

/* What is shown on plane 0, as readers of the display see it; .format is 0 if
 * that is nothing. Changes as the driver changes it. */
const struct vgpu_plane_shm *rig_plane(struct rig *rig);

#endif
