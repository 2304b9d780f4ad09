/* SPDX-License-Identifier: MIT */
/* A driver that is linked in, on the real core, without a client. */
#ifndef TEST_DEVICE_RIG_H
#define TEST_DEVICE_RIG_H

#include <stdlib.h>

#include <vgpu/driver.h>

#include "device/device.h"
#include "device/module.h"
#include "device/region.h"
#include "util/loop.h"

extern const struct vgpu_driver *const vgpu_driver_entry;

struct rig {
	struct loop *loop;
	struct module *module;
	struct vgpu_core *core;
};

static inline struct rig *rig_new(const char *type)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct device_config config;

	assert_non_null(rig);
	assert_int_equal(loop_new(&rig->loop), 0);
	assert_int_equal(module_from_driver(vgpu_driver_entry, &rig->module),
			 0);
	config = (struct device_config){
		.loop = rig->loop,
		.module = rig->module,
		.type = module_find_type(rig->module, type),
	};
	assert_non_null(config.type);
	assert_int_equal(device_create(&config, &rig->core), 0);
	return rig;
}

static inline void rig_free(struct rig *rig)
{
	device_destroy(rig->core);
	module_close(rig->module);
	loop_free(rig->loop);
	free(rig);
}

/* @size: 1 to 8 bytes, little endian */
static inline uint64_t rd(struct rig *rig, unsigned region, uint64_t offset,
			  unsigned size)
{
	uint64_t value = 0;

	assert_int_equal(region_read(rig->core, region, offset, &value, size),
			 0);
	return value;
}

static inline void wr(struct rig *rig, unsigned region, uint64_t offset,
		      uint64_t value, unsigned size)
{
	assert_int_equal(region_write(rig->core, region, offset, &value, size),
			 0);
}

#endif
