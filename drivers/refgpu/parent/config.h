/* SPDX-License-Identifier: MIT */
#ifndef RGP_CONFIG_H
#define RGP_CONFIG_H

#include <vgpu/sched.h>

struct rgp_config {
	uint64_t vram;
	unsigned contexts;
	struct vgpu_sched_config sched; /* mode, shares, slice_ns, hang_ns */
};

/* What the operator wants it to be: "software,vram=4g,contexts=1024,mode=fixed"
 * and so on. Return: 0; -EINVAL (it is logged). */
int rgp_config_parse(const char *text, struct rgp_config *ret_config);

#endif
