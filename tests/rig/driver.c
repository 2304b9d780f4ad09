/* SPDX-License-Identifier: MIT */
#include "rig/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "display/plane.h"

/* Not cmocka's: programs that are no tests use the rig, too. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #condition);                         \
			abort();                                               \
		}                                                              \
	} while (0)

struct rig *rig_new(const char *type)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct device_config config;

	MUST(rig);
	inproc_init(&rig->client);
	MUST(!loop_new(&rig->loop));
	MUST(!module_from(&vgpu_driver_module, &rig->module));
	config = (struct device_config){
		.loop = rig->loop,
		.module = rig->module,
		.type = module_find_type(rig->module, type),
	};
	MUST(config.type);
	MUST(!device_create(&config, &rig->core));
	return rig;
}

void rig_free(struct rig *rig)
{
	if (rig->client.core)
		inproc_detach(&rig->client);
	if (rig->shown)
		munmap((void *)rig->shown, sizeof(*rig->shown));
	device_destroy(rig->core);
	module_close(rig->module);
	loop_free(rig->loop);
	free(rig);
}

void rig_attach(struct rig *rig)
{
	MUST(!inproc_attach(&rig->client, rig->core));
}

void rig_turn(struct rig *rig)
{
	int n;

	do
		n = loop_run_once(rig->loop, 0);
	while (n > 0);
	MUST(!n);
}

uint64_t rd(struct rig *rig, unsigned region, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	MUST(!region_read(rig->core, region, offset, &value, size));
	return value;
}

void wr(struct rig *rig, unsigned region, uint64_t offset, uint64_t value,
	unsigned size)
{
	MUST(!region_write(rig->core, region, offset, &value, size));
}

const struct vgpu_plane_shm *rig_plane(struct rig *rig)
{
	static const struct vgpu_plane_shm nothing;
	int err, fd;

	if (!rig->shown) {
		err = display_fd(rig->core, &fd);
		if (err == -ENODATA)
			return &nothing;
		MUST(!err);
		rig->shown = mmap(NULL, sizeof(*rig->shown), PROT_READ,
				  MAP_SHARED, fd, 0);
		MUST(rig->shown != MAP_FAILED);
	}
	return &rig->shown->planes[0];
}
