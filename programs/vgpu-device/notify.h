/* SPDX-License-Identifier: MIT */
/* Telling the service manager how it goes (sd_notify(3)'s protocol). */
#ifndef VGPU_DEVICE_NOTIFY_H
#define VGPU_DEVICE_NOTIFY_H

/* Send "READY=1" and the like to $NOTIFY_SOCKET, if there is one; failing is
 * logged, not fatal. */
void notify_manager(const char *state);

#endif
