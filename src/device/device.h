/* SPDX-License-Identifier: MIT */
/*
 * An instance: what the core keeps for one vGPU.
 *
 * Built in two steps: device_create() makes the empty core and asks the
 * driver's create op, which calls vgpu_device_init() with its description: that
 * builds config space, regions, interrupts and state. A driver whose instances
 * all look alike names the description, and has it built before.
 *
 * One thread, the loop's, unless a function says otherwise.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <vgpu/driver.h>

#include "../util/list.h"
#include "../util/log.h"
#include "../util/loop.h"
#include "region.h"

struct arena;
struct client;
struct dma_budgets;
struct dma_space;
struct doorbell;
struct irqs;
struct module;
struct msix;
struct uplink;
struct pci_config;
struct vgpu_core;
struct vgpu_iommu;

#define DEVICE_NAME_MAX 96 /* bytes of an instance's name in the log */

/**
 * struct device_stats - counters since the instance was made
 * @irqs: interrupts sent by eventfd, by enum vgpu_irq_index; any thread
 * @clients: that have attached
 * @doorbells: rung by eventfd
 * @resets: by enum vgpu_reset_reason
 * @engine_ns: time on a shared engine, as the driver says; any thread
 * @n_engines: of these, the ones that the driver has spoken of; likewise
 */
struct device_stats {
	atomic_uint_fast64_t irqs[VGPU_NUM_IRQS];
	uint64_t clients;
	uint64_t doorbells;
	uint64_t resets[VGPU_NUM_RESET_REASONS];
	atomic_uint_fast64_t engine_ns[VGPU_MAX_ENGINES];
	atomic_uint n_engines;
};

/**
 * struct device_extension - a layer above that keeps something per instance
 * @renewed: all state and memory was replaced for a new client
 * @free: the instance is going away
 */
struct device_extension {
	void (*renewed)(struct vgpu_core *core, void *data);
	void (*free)(void *data);
};

struct vgpu_core {
	struct vgpu_device *dev; /* the driver's */
	struct loop *loop;
	struct arena *arena;
	const struct module *module;
	const struct vgpu_type *type;
	uint8_t uuid[16];
	char name[DEVICE_NAME_MAX];

	struct vgpu_device_ops ops; /* our versions of the driver's */
	struct vgpu_pci_desc desc;
	bool initialised;          /* vgpu_device_init() has succeeded */
	bool created;		   /* the driver's create op has, too */
	struct pci_config *config;
	const uint8_t *power; /* of @config: pci_config_power_byte() */
	struct region regions[VGPU_NUM_REGIONS];
	struct msix *msix;
	struct irqs *irqs;
	struct doorbell *doorbells; /* those that the client has as eventfds */
	struct dma_space *dma;
	const _Atomic uint64_t *dma_low; /* of @dma, for vgpu_dma_ptr() */
	struct vgpu_iommu *iommu;     /* of device_config */
	struct dma_budgets *budgets;  /* of device_config */
	struct uplink *uplink; /* src/uplink/; NULL: no parent */
	void *state;
	size_t state_size;

	bool any_memory; /* see struct device_config */
	void (*client_changed)(struct vgpu_core *core, bool attached,
			       void *user);
	void *client_user;

	bool used; /* a client was here: renew before the next one */
	struct client *client;	    /* NULL: none */
	struct list client_unmaps; /* of client.c: those under way */

	/* display sits above this layer: it hangs itself in here */
	const struct device_extension *display_ext;
	void *display;

	struct device_stats stats;
	pthread_mutex_t log_lock;
	struct log_limit driver_log; /* under log_lock: lines of vgpu_log() */
	struct log_limit client_log; /* lines that the client causes */
};

/**
 * struct device_config - what to make
 * @module: the driver's module; must outlive the instance
 * @type: one of its types
 * @uplink: the link to its hub, or NULL; stays the caller's
 * @iommu: what pins go through from the start, or NULL: the driver says it
 * @budgets: how much memory the clients' users may have pinned, or NULL: no
 *           limit but the instance's; must outlive the instance
 */
struct device_config {
	struct loop *loop;
	const struct module *module;
	const struct vgpu_type *type;
	uint8_t uuid[16];
	bool any_memory; /* also client memory that is on a disk */
	struct uplink *uplink;
	struct vgpu_iommu *iommu;
	struct dma_budgets *budgets;

	/* A client came or went; may be NULL. Not from device_create() or
	 * device_destroy(); must not destroy the instance. */
	void (*client_changed)(struct vgpu_core *core, bool attached,
			       void *user);
	void *user;
};

/**
 * device_create() - make an instance, reset and ready for a client
 *
 * Return: 0 or what failed (it is logged); nothing is left behind then.
 */
int device_create(const struct device_config *config,
		  struct vgpu_core **ret_core);

/* Its client must have detached. NULL is fine. */
void device_destroy(struct vgpu_core *core);

/* Ask the client to leave, if there is one: see struct client_ops.
 * Asynchronous: client_changed() tells. */
void device_disconnect(struct vgpu_core *core);

/* Reset registers, config space and interrupt state; mapped memory stays. */
void device_reset(struct vgpu_core *core, enum vgpu_reset_reason reason);

/* The client's credentials, -ENOTCONN if there is none. */
int device_client(const struct vgpu_core *core, int *ret_pid, unsigned *ret_uid);

#endif
