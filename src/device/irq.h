/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of an instance: INTx, MSI, MSI-X, ERR, REQ by eventfd.
 *
 * Semantics are VFIO's (<linux/vfio.h>, VFIO_DEVICE_SET_IRQS):
 *  - INTx is level-triggered and masks itself when it fires. Unmasking (by
 *    message, or by the client's resample eventfd) fires it again if the
 *    level is still high.
 *  - A message vector of an enabled index that has no eventfd is pending
 *    until it gets one: that is how clients mask MSI-X vectors.
 *
 * What is routed where lives in the arena, file descriptor numbers included.
 */
#ifndef DEVICE_IRQ_H
#define DEVICE_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/driver.h>

#include "../util/loop.h"

struct arena;
struct irqs;
struct msix;

/**
 * struct irqs_config - what there is
 * @counts: vectors by enum vgpu_irq_index
 * @msix: table and PBA, NULL without MSI-X
 * @sent: an interrupt left, for the statistics; any thread
 */
struct irqs_config {
	uint32_t counts[VGPU_NUM_IRQS];
	struct msix *msix;
	void (*sent)(void *user, enum vgpu_irq_index index);
	void *user;
};

int irqs_new(struct loop *loop, struct arena *arena,
	     const struct irqs_config *config, struct irqs **ret_irqs);
void irqs_free(struct irqs *irqs);

uint32_t irqs_count(const struct irqs *irqs, unsigned index);

enum irq_action {
	IRQ_TRIGGER,
	IRQ_MASK, /* INTx only, as IRQ_UNMASK */
	IRQ_UNMASK,
};

enum irq_when {
	IRQ_NOW,
	IRQ_IF,		/* now, where @bools says so */
	IRQ_BY_EVENTFD, /* whenever it is signalled, or (triggers) signal it */
};

/**
 * struct irq_set - what a client wants of vectors [@start, @start + @count)
 * @index: enum vgpu_irq_index
 * @count: 0, with IRQ_TRIGGER and IRQ_NOW: all routes of @index go
 * @bools: IRQ_IF: a byte for each vector
 * @fds: IRQ_BY_EVENTFD: @count of them (taken: replaced by -1)
 * @n_fds: @count, or 0: those that are there go
 */
struct irq_set {
	uint32_t index, start, count;
	enum irq_action action;
	enum irq_when when;
	const uint8_t *bools;
	int *fds;
	size_t n_fds;
};

/**
 * irqs_set() - do that, or nothing. Loop thread.
 *
 * Return: 0; -EINVAL: no such index, range or combination, or not an eventfd;
 * -ENOMEM.
 */
int irqs_set(struct irqs *irqs, const struct irq_set *set);

/* The client is gone: close its eventfds, forget masks. Loop thread. */
void irqs_disconnect(struct irqs *irqs);

/* Device reset: level low, nothing pending; the routes stay. Loop thread. */
void irqs_reset(struct irqs *irqs);

/* Any thread; see vgpu_irq_signal(), vgpu_intx_set(), vgpu_irq_enabled(). */
int irqs_signal(struct irqs *irqs, enum vgpu_irq_index index, unsigned vector);
void irqs_set_level(struct irqs *irqs, bool asserted);
enum vgpu_irq_index irqs_enabled(struct irqs *irqs);

/* Is INTx's level high (Status register, bit 3)? Any thread. */
bool irqs_level(struct irqs *irqs);
/* The guest cleared a mask bit in the MSI-X table: send what is pending. */
void irqs_unmasked(struct irqs *irqs, unsigned vector);

/* Command register, Interrupt Disable. Loop thread. */
void irqs_set_intx_disabled(struct irqs *irqs, bool disabled);

#endif
