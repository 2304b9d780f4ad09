/* SPDX-License-Identifier: MIT */
/*
 * A hub: one parent and its instances, in vgpu-parent. Takes in workers,
 * checks what they say, calls the driver's parent half. One loop.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "../util/list.h"
#include "../util/log.h"
#include "budget.h"
#include "../link/wire.h"

struct bell;
struct busguard_region;
struct link;
struct loop;
struct loop_source;
struct module;
struct hub_space;

#define HUB_MAX_INSTANCES 256u
#define HUB_NAME_MAX	     96
/* A worker says HELLO within this time; one that was introduced has to be
 * started first. */
#define HUB_HELLO_NS	     (5ull * 1000000000ull)
#define HUB_INTRODUCED_NS (20ull * 1000000000ull)

struct vgpu_hub {
	struct loop *loop;
	const struct module *module;
	struct vgpu_parent_ops ops; /* our version of the driver's */
	struct vgpu_parent *parent; /* the driver's */
	bool opened;		    /* its open op has succeeded */
	struct vgpu_iommu *iommu;   /* likewise */
	struct list instances;
	unsigned n_instances; /* those that are going included */
	struct log_limit refusals;
	struct hub_budget budget;
};

/* An UNMAP of addresses that the engine is using: its reply waits. */
struct hub_unmap {
	struct list link;
	uint32_t seq;
	uint32_t n;
	uint32_t at; /* one that was in use when last looked at */
	uint64_t addrs[];
};

/* Memory of the vGPU itself, given to the parent half; @ptr NULL: none */
struct hub_given {
	void *ptr;
	uint64_t size;
	struct busguard_region *guard;
	_Atomic uint32_t replaced; /* pages that were punched out */
};

struct vgpu_parent_instance {
	struct list link;
	struct vgpu_hub *hub;
	struct link *messages, *calls;
	struct bell *bell;
	void *shared; /* with the worker; NULL: nothing */
	size_t shared_size;
	int shared_fd; /* until WELCOME; -1 */
	struct loop_source *hello_timer;
	struct hub_space *space;
	struct hub_share share; /* of the budget */
	void *data; /* the driver's */
	char name[HUB_NAME_MAX];
	uint8_t uuid[16];
	const struct vgpu_type *type;
	unsigned weight, cap;
	uint64_t pin_limit;
	bool introduced; /* all of these are somebody's word that counts */
	bool coming;   /* in instance_new */
	bool known;    /* instance_new has succeeded */
	bool gone;     /* instance_gone was called, or is not needed */
	bool dropping; /* in it */
	struct list unmaps; /* struct hub_unmap, up to WIRE_MAX_CALLS */
	unsigned n_unmaps;
	struct hub_given given[VGPU_PARENT_MAX_MEMORIES];
	struct log_limit log_limit;
};

/**
 * hub_open() - take the hardware
 * @module: has a parent half; outlives the parent
 *
 * Return: 0, or what failed (it is logged).
 */
int hub_open(struct loop *loop, const struct module *module,
		const char *config, struct vgpu_hub **ret_hub);

/* Drops all instances, whatever they are doing. NULL is fine. */
void hub_close(struct vgpu_hub *hub);

/* A connection of somebody who may be a worker; @fd is non-blocking, and the
 * parent's from here on. */
int hub_accept(struct vgpu_hub *hub, int fd);

/* The same for one that says nothing of itself: what @hello_ns allows. @ret_inst
 * lives until the loop's next round at least. */
int hub_take_in(struct vgpu_hub *hub, int fd, uint64_t hello_ns,
		   struct vgpu_parent_instance **ret_inst);

/* ---- between the files of this layer -------------------------------- */

/* calls.c: a call on the second socket. Negative errno: nonsense. */
int hub_call(struct vgpu_parent_instance *inst,
		const struct wire_header *header, const void *payload,
		size_t len);
/**
 * hub_give() - a call: memory of the vGPU, for the parent half
 * @fd: stays the caller's; -1: take back what there is
 *
 * Return: 0; -EINVAL: id, alignment, size, not a file that its owner can
 * neither shrink nor block us with; -EACCES; -EDQUOT: more than the type has, or
 * than its share; -EOPNOTSUPP; -ENOMEM; or
 * what the driver says.
 */
int hub_give(struct vgpu_parent_instance *inst,
		const struct wire_give *give, int fd);
/* The instance goes: all of it is taken back. */
void hub_given_fini(struct vgpu_parent_instance *inst);
/* Something was released: answer UNMAPs that waited for it. */
void hub_calls_retry(struct vgpu_parent_instance *inst);
/* The instance goes: nobody waits for an answer any more. */
void hub_calls_fini(struct vgpu_parent_instance *inst);
/* Free it, if it is gone and the engine uses nothing of it any more. */
void hub_instance_sweep(struct vgpu_parent_instance *inst);

#endif
