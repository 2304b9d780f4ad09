/* SPDX-License-Identifier: MIT */
/* Contexts' registers and doorbells. All under the lock. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "model.h"

uint32_t context_read(struct refgpu_hw *hw, struct context *c, uint32_t reg);
/* May wait, with the lock released, where that is what the register does. */
void context_write(struct refgpu_hw *hw, struct context *c, uint32_t reg,
		   uint32_t value);
/* Bits of EVENT come up. */
void context_event(struct refgpu_hw *hw, struct context *c, uint32_t bits);
void context_doorbell(struct refgpu_hw *hw, struct context *c);
/* As at power-on; nothing runs it. */
void context_reset(struct refgpu_hw *hw, struct context *c);

#endif
