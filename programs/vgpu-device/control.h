/* SPDX-License-Identifier: MIT */
/* io.vgpud.Device: what vgpu-device answers on its control socket. */
#ifndef VGPU_DEVICE_CONTROL_H
#define VGPU_DEVICE_CONTROL_H

#include "util/loop.h"

struct device_control;
struct session_server;
struct vgpu_core;

/**
 * device_control_new() - answer control clients
 * @core: must outlive it
 * @sessions: its clients'; must outlive it
 * @socket_path: what GetInfo says; may be NULL; must outlive it
 */
int device_control_new(struct loop *loop, struct vgpu_core *core,
		       const struct session_server *sessions,
		       const char *socket_path,
		       struct device_control **ret_control);

/* NULL is fine. */
void device_control_free(struct device_control *control);

/* A client came or went: tell who subscribed. NULL is fine. */
void device_control_client_changed(struct device_control *control);

/* Serve a connection; @fd is taken. */
void device_control_accept(struct device_control *control, int fd);

#endif
