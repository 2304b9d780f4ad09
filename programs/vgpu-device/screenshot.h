/* SPDX-License-Identifier: MIT */
/*
 * Screenshots for control clients. Reading and compressing a screen takes
 * longer than the loop may wait, so a thread does it.
 */
#ifndef VGPU_DEVICE_SCREENSHOT_H
#define VGPU_DEVICE_SCREENSHOT_H

#include "util/loop.h"

struct control_call;
struct display_reader;
struct screenshots;

/* Calls that wait or are in work at a time. */
#define SCREENSHOTS_MAX 8

/* Longest PNG that is sent in JSON, bytes. */
#define SCREENSHOT_MAX_PNG (16u << 20)

#define SCREENSHOT_NO_DISPLAY                                                  \
	"the vGPU shows nothing: its guest's driver has not set a "            \
	"mode yet, or its type has no screen"

int screenshots_new(struct loop *loop, struct screenshots **ret_screenshots);

/* Waits for the picture in work, if any; calls that are not answered yet get
 * an error. NULL is fine. */
void screenshots_free(struct screenshots *s);

/**
 * screenshots_add() - answer a Screenshot call, later
 * @call: owned
 * @reader: owned
 *
 * Loop thread, as for the others.
 */
void screenshots_add(struct screenshots *s, struct control_call *call,
		     struct display_reader *reader, unsigned plane);

#endif
