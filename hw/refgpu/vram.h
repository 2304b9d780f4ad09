/* SPDX-License-Identifier: MIT */
/* Modules of memory in VRAM's address space. */
#ifndef VRAM_H
#define VRAM_H

#include "model.h"

/* The byte at @offset, and how many follow it in its module (at most *@len);
 * NULL: no module. In a section. */
void *vram_find(struct engine *e, uint64_t offset, size_t *len);

#endif
