/* SPDX-License-Identifier: MIT */
/* The module: its types (how much memory, how large a screen), and the two
 * halves. */
#include "halves.h"

#define TYPE(flavour, mib, x, y)                                               \
	{                                                                      \
		.name = "refgpu-" flavour,                                     \
		.description = "reference GPU, " #mib                          \
			       " MiB of video memory, " #x "x" #y,             \
		.vram_size = (mib##ull) << 20, .xres = (x), .yres = (y)        \
	}

static const struct vgpu_type rg_types[] = {
	TYPE("64m", 64, 1024, 768),
	TYPE("256m", 256, 1920, 1080),
	TYPE("1g", 1024, 2560, 1440),
	TYPE("2g", 2048, 3840, 2160),
};

static const struct vgpu_driver rg_driver = {
	.name = "refgpu",
	.version = "1",
	.description = "shares the reference GPU between vGPUs",
	VGPU_LIST(types, rg_types),
	.instance = &rg_instance_ops,
	.parent = &rg_parent_ops,
};

VGPU_DRIVER_MODULE(rg_driver);
