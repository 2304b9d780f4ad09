/* SPDX-License-Identifier: MIT */
/* A subscription on the control socket of a process, on the loop. */
#ifndef VGPUD_DEVWATCH_H
#define VGPUD_DEVWATCH_H

#include <sys/types.h>

#include "util/loop.h"

struct devwatch;

/**
 * struct devwatch_kind - whom we watch
 * @method: to subscribe by
 * @identity: member of its replies that says which one it is
 */
struct devwatch_kind {
	const char *method, *identity;
};

/**
 * struct devwatch_ops - what is heard; @watch may be freed in both
 * @state: who it says it is, and its client (@pid 0: none)
 * @closed: over; to be freed
 */
struct devwatch_ops {
	void (*state)(struct devwatch *watch, const char *identity, pid_t pid,
		      uid_t uid, void *user);
	void (*closed)(struct devwatch *watch, void *user);
};

/* Never blocks. Return: 0; errno of connect(), -EAGAIN too. */
int devwatch_new(struct loop *loop, const char *path,
		 const struct devwatch_kind *kind,
		 const struct devwatch_ops *ops, void *user,
		 struct devwatch **ret_watch);
/* NULL is fine. */
void devwatch_free(struct devwatch *watch);

/* The process that listens there. */
pid_t devwatch_peer(const struct devwatch *watch);

#endif
