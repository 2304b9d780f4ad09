/* SPDX-License-Identifier: MIT */
/* A subscription to io.vgpud.Device of one worker, on the loop. */
#ifndef VGPUD_DEVWATCH_H
#define VGPUD_DEVWATCH_H

#include <sys/types.h>

#include "util/loop.h"

struct json_object;
struct devwatch;

/**
 * struct devwatch_ops - what is heard; @watch may be freed in both
 * @state: who the worker says it is, and its client (@pid 0: none)
 * @closed: over; to be freed
 */
struct devwatch_ops {
	void (*state)(struct devwatch *watch, const char *uuid, pid_t pid, uid_t uid,
		      void *user);
	void (*closed)(struct devwatch *watch, void *user);
};

/* Never blocks. Return: 0; errno of connect(), -EAGAIN too. */
int devwatch_new(struct loop *loop, const char *path, const struct devwatch_ops *ops,
	     void *user, struct devwatch **ret_watch);
/* NULL is fine. */
void devwatch_free(struct devwatch *watch);

/* The process that listens there. */
pid_t devwatch_peer(const struct devwatch *watch);

#endif
