/* SPDX-License-Identifier: MIT */
/* Telling the service manager how it goes (sd_notify(3)'s protocol). */
#ifndef VGPU_DEVICE_NOTIFY_H
#define VGPU_DEVICE_NOTIFY_H

/* Send "READY=1" and the like to $NOTIFY_SOCKET, if there is one; failing is
 * logged, not fatal. */
void notify_manager(const char *state);

/* A connection for notify_send(), which works in a sandbox, too. Return: an fd
 * that the caller closes; -1: there is nobody to tell, or he is not there. */
int notify_open(void);

/* Likewise by @fd, or as notify_manager() does if it is -1 or dead. */
void notify_send(int fd, const char *state);

/* Ready; @status: what an operator ought to know, or "". */
void notify_ready(int fd, const char *status);

#endif
