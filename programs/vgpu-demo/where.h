/* SPDX-License-Identifier: MIT */
/* Which vGPU: the one behind a socket, one that vgpud has, or one that is
 * started for the occasion. */
#ifndef DEMO_WHERE_H
#define DEMO_WHERE_H

#include <sys/types.h>

struct options;
struct vgpu_rg_device;

#define WHERE_PATH_MAX 108 /* of a socket */

/**
 * struct occasion - processes that were started, in a folder of their own
 * @dir: "": none
 * @parent, @device: 0: not started
 * @socket: of the vGPU
 */
struct occasion {
	char dir[64];
	pid_t parent, device;
	char socket[WHERE_PATH_MAX];
};

/* Start vgpu-parent and vgpu-device with the reference GPU. Return: 0, or
 * negative errno; what went wrong was said, and nothing is left. */
int occasion_begin(const struct options *options, int signals,
		   struct occasion *ret_o);
/* End them and remove the folder. One that is zero is fine. */
void occasion_end(struct occasion *o);

/**
 * where_connect() - connect as the options say
 * @signals: see demo_interrupted()
 * @occasion: what was started for it; to be ended after the device is closed,
 *            also on failure
 *
 * Return: 0, or negative errno; what went wrong was said.
 */
int where_connect(const struct options *options, int signals,
		  struct occasion *occasion, struct vgpu_rg_device **ret_dev);

#endif
