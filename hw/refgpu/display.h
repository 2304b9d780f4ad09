/* SPDX-License-Identifier: MIT */
/* The display pipe. Under the lock unless said otherwise. */
#ifndef DISPLAY_H
#define DISPLAY_H

#include "model.h"

/* Is there a mode like that (0 x 0: no display)? Return: 0, -EINVAL. No lock.
 */
int display_check(unsigned xres, unsigned yres);
int display_start(struct refgpu_hw *hw); /* no lock */
void display_stop(struct refgpu_hw *hw); /* no lock */

uint32_t display_read(struct refgpu_hw *hw, uint32_t reg);
void display_write(struct refgpu_hw *hw, uint32_t reg, uint32_t value);
void display_reset(struct refgpu_hw *hw);

/* edid.c: a block of 128 bytes, for a monitor that likes xres x yres at 60 Hz
 */
void edid_build(unsigned xres, unsigned yres, uint8_t block[128]);

#endif
