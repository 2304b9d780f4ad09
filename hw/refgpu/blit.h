/* SPDX-License-Identifier: MIT */
/* Rectangles. */
#ifndef BLIT_H
#define BLIT_H

#include "model.h"

/* RECT_FILL, RECT_COPY or RECT_BLEND: about CHUNK bytes of it. In a section. */
enum step blit_rect(struct engine *e, struct context *c, const uint32_t *d);

#endif
