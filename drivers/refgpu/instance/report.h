/* SPDX-License-Identifier: MIT */
/* Registers; and what a vGPU tells unasked: interrupts to its guest, time on
 * engines to the core. */
#ifndef RG_REPORT_H
#define RG_REPORT_H

#include <stdint.h>
#include <string.h>

#include <vgpu/driver.h>
#include <vgpu/refgpu.h>

struct rg_irqs {
	uint32_t status, enable;
};

/* Registers in a structure that has them in their order, low halves first */
static inline uint32_t rg_reg_load(const void *regs, uint32_t at)
{
	uint32_t value;

	memcpy(&value, (const char *)regs + at, sizeof(value));
	return value;
}

static inline void rg_reg_store(void *regs, uint32_t at, uint32_t value)
{
	memcpy((char *)regs + at, &value, sizeof(value));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as on the bus");

struct rg_report {
	struct vgpu_device *dev;
	struct rg_irqs *irqs;
	uint64_t engine_ns[REFGPU_NUM_ENGINES];
};

/* @irq: REFGPU_IRQ_..., one or more */
static inline void rg_report_irq(struct rg_report *r, uint32_t irq)
{
	r->irqs->status |= irq;
	for (unsigned v = 0; v < REFGPU_NUM_VECTORS; v++)
		if (irq & r->irqs->enable & 1u << v)
			vgpu_irq_signal(r->dev, VGPU_IRQ_MSIX, v);
}

/* A context has run for @ns more. */
static inline void rg_report_time(struct rg_report *r, unsigned engine,
				  uint64_t ns)
{
	if (!ns || engine >= REFGPU_NUM_ENGINES)
		return;
	r->engine_ns[engine] += ns;
	vgpu_device_account(r->dev, engine, r->engine_ns[engine]);
}

#endif
