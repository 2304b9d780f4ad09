/* SPDX-License-Identifier: MIT */
/*
 * A session: one client on one instance, from its VERSION to its end.
 *
 * Takes checked requests from the connection, does what they say on the
 * device, and writes the replies. One thread: the instance's loop.
 */
#ifndef DEVICE_SESSION_H
#define DEVICE_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

struct conn_stats;
struct vgpu_core;
struct session;

/* @fd: owned from here on. */
int session_new(struct vgpu_core *core, int fd, struct session **ret_session);

/* End at once; NULL is fine. */
void session_free(struct session *session);

/* Drain and close; the session frees itself when that is done. */
void session_shutdown(struct session *session, int err);

/* The client has closed its end, and its last words were not yet read. */
bool session_hung_up(const struct session *session);

int session_peer(const struct session *session, pid_t *ret_pid, uid_t *ret_uid);

/* Counters of the connection. */
void session_get_stats(const struct session *session,
		       struct conn_stats *ret_stats);

#endif
