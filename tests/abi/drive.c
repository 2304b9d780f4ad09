/* SPDX-License-Identifier: MIT */
/*
 * Loads a module that is made of tests/abi/driver.c, and does with it what a
 * client and its guest would. Exits with 0 if all is as the driver says, and
 * with 2 if it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vgpu/display.h>

#include "device/device.h"
#include "device/module.h"
#include "device/region.h"
#include "display/plane.h"
#include "rig/inproc-client.h"
#include "util/log.h"
#include "util/loop.h"

#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "not so: %s\n", #condition);           \
			exit(1);                                               \
		}                                                              \
	} while (0)

static void print(enum log_level level, const char *subject, const char *line)
{
	if (level < LOG_LEVEL_DEBUG)
		fprintf(stderr, "%s: %s\n", subject ? subject : "", line);
}

static uint32_t rd(struct vgpu_core *core, unsigned region, uint64_t offset)
{
	uint32_t value;

	MUST(!region_read(core, region, offset, &value, sizeof(value)));
	return value;
}

/* The second capability in the list */
static uint8_t second_cap(struct vgpu_core *core)
{
	uint8_t at = (uint8_t)rd(core, VGPU_REGION_CONFIG, 0x34);

	return (uint8_t)(rd(core, VGPU_REGION_CONFIG, at) >> 8);
}

static void drive(struct vgpu_core *core, unsigned xres)
{
	const struct vgpu_display_shm *shown;
	struct inproc client;
	int fd;

	inproc_init(&client);
	MUST(!inproc_attach(&client, core));
	for (unsigned i = 0; i < 3; i++)
		MUST(rd(core, VGPU_REGION_BAR0, 8 * i) == i + 1);
	MUST(rd(core, VGPU_REGION_BAR0, 4) == UINT32_MAX); /* nobody's */
	MUST(!region_write(core, VGPU_REGION_BAR0, 16, "abcd", 4));
	MUST(!region_write(core, VGPU_REGION_CONFIG, second_cap(core) + 3u, "",
			   1));
	MUST(rd(core, VGPU_REGION_BAR0, 8) == 0x010102);
	MUST(!display_fd(core, &fd));
	shown = mmap(NULL, sizeof(*shown), PROT_READ, MAP_SHARED, fd, 0);
	MUST(shown != MAP_FAILED && shown->planes[0].width == xres);
	device_reset(core, VGPU_RESET_CLIENT);
	MUST(rd(core, VGPU_REGION_BAR0, 8) == 2);
	munmap((void *)shown, sizeof(*shown));
	inproc_detach(&client);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *type;
		unsigned xres;
	} types[] = { { "abi-a", 800 }, { "abi-b", 1024 } };
	struct device_config config = { 0 };
	struct vgpu_core *core;
	struct module *module;
	int err;

	log_setup(print, LOG_LEVEL_INFO);
	MUST(argc == 2);
	MUST(!loop_new(&config.loop));
	err = module_open(argv[1], &module);
	if (err)
		module = NULL;
	config.module = module;
	for (unsigned i = 0; !err && i < 2; i++) {
		config.type = module_find_type(module, types[i].type);
		MUST(config.type);
		err = device_create(&config, &core);
		if (err)
			break;
		drive(core, types[i].xres);
		device_destroy(core);
	}
	module_close(module);
	loop_free(config.loop);
	return err ? 2 : 0;
}
