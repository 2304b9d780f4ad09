/* SPDX-License-Identifier: MIT */
/* The control socket of vgpu-parent: io.vgpud.Parent. */
#ifndef VGPU_PARENT_CONTROL_H
#define VGPU_PARENT_CONTROL_H

struct loop;
struct options;
struct parent_control;
struct vgpu_hub;

/* @options and @core outlive it. Return: 0, or negative errno. */
int parent_control_new(struct loop *loop, const struct options *options,
		       struct vgpu_hub *core,
		       struct parent_control **ret_control);
/* Before the parent is closed. NULL is fine. */
void parent_control_free(struct parent_control *control);

/* @fd is the server's from here on. */
void parent_control_accept(struct parent_control *control, int fd);

#endif
