/* SPDX-License-Identifier: MIT */
/* io.vgpud.Device.Subscribe: who is told when clients come and go. */
#ifndef VGPU_DEVICE_WATCHERS_H
#define VGPU_DEVICE_WATCHERS_H

#include "util/list.h"

struct control_call;
struct vgpu_core;

struct watchers {
	const struct vgpu_core *core;
	struct list calls; /* of struct watcher */
};

void watchers_init(struct watchers *watchers, const struct vgpu_core *core);
/* Ends all of them. */
void watchers_release(struct watchers *watchers);

/* Answer a Subscribe call, which is taken. */
void watchers_add(struct watchers *watchers, struct control_call *call);
/* A client came or went. */
void watchers_tell(struct watchers *watchers);

#endif
