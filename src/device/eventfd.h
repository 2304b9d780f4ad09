/* SPDX-License-Identifier: MIT */
/* Eventfds that came from a client: it may have sent anything. */
#ifndef DEVICE_EVENTFD_H
#define DEVICE_EVENTFD_H

#include <stdbool.h>

/* Is @fd an eventfd? Sets O_NONBLOCK, so that
 * a client that never reads it can't stop us. */
bool eventfd_check(int fd);

/* Add 1. A full counter is left as it is: the event is there. */
void eventfd_signal(int fd);

/* Take what is there. Return: whether there was anything. */
bool eventfd_drain(int fd);

#endif
