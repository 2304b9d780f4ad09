/* SPDX-License-Identifier: MIT */
/*
 * The reference GPU itself, in this process, as a bus of libvgpu-refgpu: one
 * user, nobody in between. What tests compare a vGPU with, and benchmarks call
 * native.
 */
#ifndef REFGPU_DIRECT_H
#define REFGPU_DIRECT_H

#include <vgpu/refgpu-user.h>

/* @vram: bytes, a multiple of 1 MiB. VRAM and system memory are of the kind
 * that a vGPU has: files in memory. Return: 0, or negative errno. */
int direct_bus_new(uint64_t vram, struct vgpu_rg_bus **ret_bus);

#endif
