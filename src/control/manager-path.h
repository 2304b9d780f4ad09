/* SPDX-License-Identifier: MIT */
/* Where vgpud listens, if nobody says otherwise: for its clients. */
#ifndef CONTROL_MANAGER_PATH_H
#define CONTROL_MANAGER_PATH_H

#include <stddef.h>

/* Room for it; the path of a socket has 108 bytes at most. */
#define CONTROL_MANAGER_PATH_MAX 256

/**
 * control_manager_path() - the path of vgpud's control socket
 * @buf: CONTROL_MANAGER_PATH_MAX bytes, may be used for it
 *
 * $VGPUD_CONTROL; else for root the system's, for others
 * $XDG_RUNTIME_DIR/vgpud/control.sock, or the system's where that is there and
 * theirs is not. Return: @buf, a string of the environment, or a constant one.
 */
const char *control_manager_path(char *buf);

#endif
