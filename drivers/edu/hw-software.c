/* SPDX-License-Identifier: MIT */
/*
 * A model of the hardware, behind the software IOMMU: what QEMU's does, without
 * a machine around it. Options: delay=MICROSECONDS of a transfer, hang=BYTES: a
 * transfer of so many bytes never ends (to test who watches over it).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edu.h"

#define DEFAULT_DELAY_US 1000u
#define MAX_DELAY_US	 10000000u

/* Room for device addresses: those that the mask allows, but the first 16
 * MiB, so that a small number is a wrong address. */
#define BASE  (16ull << 20)
#define PAGES ((EDU_DMA_MASK + 1 - BASE) / VGPU_DMA_PAGE_SIZE)

struct software {
	struct edu_hw hw;
	struct vgpu_parent_source *timer, *kick;
	uint32_t delay_us, hang;
	uint32_t liveness, factorial, status, irq_status;
	uint64_t src, dst;
	uint32_t count, cmd;
	uint8_t buffer[EDU_BUFFER_SIZE];
};

static struct software *software_of(struct edu_hw *hw)
{
	return vgpu_container_of(hw, struct software, hw);
}

/* Interrupts come from the loop, never from within a register access. */
static void raise_irq(struct software *s, uint32_t bits)
{
	s->irq_status |= bits;
	if (s->irq_status)
		vgpu_parent_arm_timer(s->kick, 1);
}

static void on_kick(void *user)
{
	struct software *s = user;

	if (s->irq_status)
		s->hw.irq(s->hw.user);
}

static bool in_buffer(uint64_t at, uint32_t count)
{
	return at >= EDU_BUFFER && count <= EDU_BUFFER_SIZE &&
	       at - EDU_BUFFER <= EDU_BUFFER_SIZE - count;
}

static void on_timer(void *user)
{
	struct software *s = user;

	if (s->cmd & EDU_CMD_TO_RAM) {
		if (in_buffer(s->src, s->count))
			vgpu_iommu_cpu_write(s->hw.iommu, s->dst & EDU_DMA_MASK,
					     s->buffer + (s->src - EDU_BUFFER),
					     s->count);
	} else if (in_buffer(s->dst, s->count)) {
		vgpu_iommu_cpu_read(s->hw.iommu, s->src & EDU_DMA_MASK,
				    s->buffer + (s->dst - EDU_BUFFER),
				    s->count);
	}
	s->cmd &= ~EDU_CMD_RUN;
	if (s->cmd & EDU_CMD_IRQ)
		raise_irq(s, EDU_IRQ_DMA);
}

static uint32_t software_read(struct edu_hw *hw, unsigned reg)
{
	struct software *s = software_of(hw);

	switch (reg) {
	case EDU_ID:
		return EDU_ID_VALUE;
	case EDU_LIVENESS:
		return ~s->liveness;
	case EDU_FACTORIAL:
		return s->factorial;
	case EDU_STATUS:
		return s->status;
	case EDU_IRQ_STATUS:
		return s->irq_status;
	default:
		return ~0u;
	}
}

static void software_write(struct edu_hw *hw, unsigned reg, uint32_t value)
{
	struct software *s = software_of(hw);
	uint32_t f = 1;

	switch (reg) {
	case EDU_LIVENESS:
		s->liveness = value;
		break;
	case EDU_FACTORIAL:
		/* From 34! on all 32 bits are zero. */
		for (uint32_t i = 2; i <= value && f; i++)
			f *= i;
		s->factorial = f;
		if (s->status & EDU_STATUS_IRQ)
			raise_irq(s, EDU_IRQ_FACTORIAL);
		break;
	case EDU_STATUS:
		s->status = value & EDU_STATUS_IRQ;
		break;
	case EDU_IRQ_RAISE:
		raise_irq(s, value);
		break;
	case EDU_IRQ_ACK:
		s->irq_status &= ~value;
		break;
	}
}

static void software_dma(struct edu_hw *hw, uint64_t src, uint64_t dst,
			 uint32_t count, uint32_t cmd)
{
	struct software *s = software_of(hw);

	s->src = src;
	s->dst = dst;
	s->count = count;
	s->cmd = cmd;
	if (!s->hang || count != s->hang)
		vgpu_parent_arm_timer(s->timer, 1 + s->delay_us * 1000ull);
}

static bool software_busy(struct edu_hw *hw)
{
	return software_of(hw)->cmd & EDU_CMD_RUN;
}

static int software_stop(struct edu_hw *hw)
{
	struct software *s = software_of(hw);

	vgpu_parent_arm_timer(s->timer, 0);
	vgpu_parent_arm_timer(s->kick, 0);
	s->cmd = s->status = s->irq_status = 0;
	memset(s->buffer, 0, sizeof(s->buffer));
	return 0;
}

static void software_free(struct edu_hw *hw)
{
	struct software *s = software_of(hw);

	vgpu_parent_remove(s->timer);
	vgpu_parent_remove(s->kick);
	vgpu_iommu_destroy(hw->iommu);
	free(s);
}

static int software_start(struct edu_hw *hw, struct vgpu_parent *parent)
{
	struct software *s = software_of(hw);
	int err = vgpu_parent_add_timer(parent, on_timer, s, &s->timer);

	return err ? err : vgpu_parent_add_timer(parent, on_kick, s, &s->kick);
}

static const struct edu_hw_ops software_ops = {
	.read = software_read,
	.write = software_write,
	.dma = software_dma,
	.busy = software_busy,
	.stop = software_stop,
	.free = software_free,
};

static int parse(struct software *s, const char *p)
{
	while (*p == ',') {
		unsigned long value;
		char *end;
		bool delay = !strncmp(p, ",delay=", 7);

		if (!delay && strncmp(p, ",hang=", 6))
			return -EINVAL;
		p = strchr(p, '=') + 1;
		value = strtoul(p, &end, 10);
		if (end == p || value > MAX_DELAY_US)
			return -EINVAL;
		p = end;
		if (delay)
			s->delay_us = (uint32_t)value;
		else
			s->hang = (uint32_t)value;
	}
	return *p ? -EINVAL : 0;
}

static void on_fault(struct vgpu_iommu *iommu, uint64_t addr, unsigned prot,
		     void *user)
{
	vgpu_parent_log(NULL, NULL, VGPU_LOG_ERROR,
			"edu: fault: %s of device address 0x%llx",
			prot & VGPU_DMA_WRITE ? "write" : "read",
			(unsigned long long)addr);
}

int edu_hw_software(const char *options, struct edu_hw **ret_hw)
{
	const struct vgpu_iommu_cpu_config config = {
		.base = BASE,
		.max_pages = PAGES,
		.fault = on_fault,
	};
	struct software *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->delay_us = DEFAULT_DELAY_US;
	err = parse(s, options);
	if (err)
		vgpu_parent_log(NULL, NULL, VGPU_LOG_ERROR,
				"edu: 'software%s': the options are "
				"delay=MICROSECONDS and hang=BYTES",
				options);
	else
		err = vgpu_iommu_cpu_new(&config, &s->hw.iommu);
	if (err) {
		free(s);
		return err;
	}
	s->hw.ops = &software_ops;
	s->hw.start = software_start;
	*ret_hw = &s->hw;
	return 0;
}
