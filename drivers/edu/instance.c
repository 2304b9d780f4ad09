/* SPDX-License-Identifier: MIT */
/*
 * The instance half: a vGPU that looks like an edu device. Registers are kept
 * here; what takes the hardware is a job for the parent half, one of each unit
 * at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edu.h"

#define PAGE	   VGPU_DMA_PAGE_SIZE
#define MAX_UNMAPS EDU_MAX_PIECES /* ranges that a transfer can be in */

struct edu_state {
	uint64_t src, dst, count;
	uint32_t cmd;
	uint32_t liveness, factorial, status, irq_status;
	uint32_t reserved;
};

/* What the parent half is doing for us. It outlives a reset of the vGPU, so
 * it is not part of the state. */
struct job {
	bool active;
	bool stale;   /* the guest has reset: nobody waits for its end */
	bool waiting; /* and has started the unit again: when it is over */
	uint32_t id;
};

struct range {
	uint64_t iova, size;
};

struct edu {
	struct vgpu_device dev;
	struct job jobs[EDU_N_UNITS];
	uint32_t last_id;
	struct edu_request transfer;   /* while its pages are being pinned */
	uint64_t pins[EDU_MAX_PIECES]; /* of the transfer */
	uint64_t addrs[EDU_MAX_PIECES];
	unsigned n_pins, prot;
	struct range unmaps[MAX_UNMAPS]; /* that wait for its end */
	unsigned n_unmaps;
};

static struct edu *edu_of(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct edu, dev);
}

static struct edu_state *state_of(struct edu *e)
{
	return e->dev.state;
}

static void raise_irq(struct edu *e, uint32_t bits)
{
	state_of(e)->irq_status |= bits;
	vgpu_intx_set(&e->dev, state_of(e)->irq_status);
	if (state_of(e)->irq_status &&
	    vgpu_irq_enabled(&e->dev) == VGPU_IRQ_MSI)
		vgpu_irq_signal(&e->dev, VGPU_IRQ_MSI, 0);
}

static int send(struct edu *e, struct edu_request *r)
{
	int err = vgpu_parent_send(&e->dev, r, sizeof(*r));

	if (err)
		vgpu_log(&e->dev, VGPU_LOG_DEBUG, "parent: %s", strerror(-err));
	return err;
}

/* ------------------------------------------------------------------ */
/* Factorial                                                           */
/* ------------------------------------------------------------------ */

static void factorial_done(struct edu *e, uint32_t value)
{
	state_of(e)->factorial = value;
	state_of(e)->status &= ~EDU_STATUS_COMPUTING;
	if (state_of(e)->status & EDU_STATUS_IRQ)
		raise_irq(e, EDU_IRQ_FACTORIAL);
}

static void start_factorial(struct edu *e)
{
	struct job *job = &e->jobs[EDU_UNIT_FACTORIAL];
	struct edu_request r = { .op = EDU_OP_FACTORIAL,
				 .id = ++e->last_id,
				 .value = state_of(e)->factorial };

	if (job->active) {
		job->waiting = true;
		return;
	}
	*job = (struct job){ .active = true, .id = r.id };
	if (send(e, &r)) {
		job->active = false;
		factorial_done(e, 0);
	}
}

/* ------------------------------------------------------------------ */
/* DMA                                                                 */
/* ------------------------------------------------------------------ */

static void start_dma(struct edu *e);

static void dma_done(struct edu *e)
{
	state_of(e)->cmd &= ~EDU_CMD_RUN;
	if (state_of(e)->cmd & EDU_CMD_IRQ)
		raise_irq(e, EDU_IRQ_DMA);
}

static void unpin(struct edu *e)
{
	vgpu_dma_unpin(&e->dev, e->pins, e->n_pins, e->prot);
	e->n_pins = 0;
	for (unsigned i = 0; i < e->n_unmaps; i++)
		vgpu_dma_unmap_done(&e->dev, e->unmaps[i].iova,
				    e->unmaps[i].size);
	e->n_unmaps = 0;
}

/* The transfer is over, or was none. */
static void end_dma(struct edu *e)
{
	struct job job = e->jobs[EDU_UNIT_DMA];

	e->jobs[EDU_UNIT_DMA] = (struct job){ 0 };
	if (job.waiting)
		start_dma(e);
	else if (!job.stale)
		dma_done(e);
}

/* Its pages have device addresses, or can't have any. */
static void on_pinned(struct vgpu_device *dev, int err, void *user)
{
	struct edu *e = edu_of(dev);
	struct edu_request *r = user;

	if (!err) {
		e->n_pins = r->n;
		for (unsigned i = 0; i < r->n; i++)
			r->addr[i] += e->addrs[i];
		err = e->jobs[EDU_UNIT_DMA].stale ? -ECANCELED : send(e, r);
		if (err)
			unpin(e);
	}
	if (err) {
		/* As a transfer that the IOMMU has stopped: nobody tells. */
		vgpu_log(dev, VGPU_LOG_DEBUG, "no transfer at 0x%llx: %s",
			 (unsigned long long)e->pins[0], strerror(-err));
		end_dma(e);
	}
}

/* The pages of [@iova, @iova + @len) as pieces of the request */
static void cut(struct edu *e, uint64_t iova, uint32_t len,
		struct edu_request *r)
{
	while (len) {
		uint32_t in_page = (uint32_t)(iova & (PAGE - 1));
		uint32_t n = PAGE - in_page < len ? PAGE - in_page : len;

		e->pins[r->n] = iova - in_page;
		r->addr[r->n] = in_page;
		r->len[r->n++] = n;
		iova += n;
		len -= n;
	}
}

static void start_dma(struct edu *e)
{
	const struct edu_state *s = e->dev.state;
	struct job *job = &e->jobs[EDU_UNIT_DMA];
	bool to_ram = s->cmd & EDU_CMD_TO_RAM;
	uint64_t buffer = to_ram ? s->src : s->dst;
	uint64_t ram = (to_ram ? s->dst : s->src) & EDU_DMA_MASK;
	struct edu_request *r = &e->transfer;
	int err;

	if (job->active) {
		job->waiting = true;
		return;
	}
	if (!s->count || s->count > EDU_BUFFER_SIZE || buffer < EDU_BUFFER ||
	    buffer - EDU_BUFFER > EDU_BUFFER_SIZE - s->count) {
		vgpu_log(&e->dev, VGPU_LOG_DEBUG,
			 "a transfer outside of the buffer is ignored");
		dma_done(e);
		return;
	}
	*r = (struct edu_request){ .op = EDU_OP_DMA,
				   .id = ++e->last_id,
				   .value = to_ram,
				   .offset = (uint32_t)(buffer - EDU_BUFFER) };
	*job = (struct job){ .active = true, .id = r->id };
	e->prot = to_ram ? VGPU_DMA_WRITE : VGPU_DMA_READ;
	cut(e, ram, (uint32_t)s->count, r);
	err = vgpu_dma_pin_async(&e->dev, e->pins, r->n, e->prot, e->addrs,
				 on_pinned, r);
	if (err != -EINPROGRESS)
		on_pinned(&e->dev, err, r);
}

static int edu_dma_unmap(struct vgpu_device *dev, uint64_t iova, uint64_t size)
{
	struct edu *e = edu_of(dev);
	struct edu_request r = { .op = EDU_OP_CANCEL,
				 .id = e->jobs[EDU_UNIT_DMA].id };

	for (unsigned i = 0; i < e->n_pins; i++) {
		if (e->pins[i] - iova >= size)
			continue;
		if (e->n_unmaps == MAX_UNMAPS)
			return 0; /* can't be: the core frees it in time */
		e->unmaps[e->n_unmaps++] = (struct range){ iova, size };
		if (send(e, &r)) {
			unpin(e);
			return 0;
		}
		return -EINPROGRESS;
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* The parent half's answers                                           */
/* ------------------------------------------------------------------ */

static void edu_parent_message(struct vgpu_device *dev, const void *msg,
			       size_t len)
{
	struct edu *e = edu_of(dev);
	struct edu_reply reply;
	struct job job;

	if (len != sizeof(reply))
		return;
	memcpy(&reply, msg, sizeof(reply));
	if (reply.unit >= EDU_N_UNITS || !e->jobs[reply.unit].active ||
	    e->jobs[reply.unit].id != reply.id)
		return;
	vgpu_device_account(dev, 0, reply.engine_ns);
	job = e->jobs[reply.unit];
	if (reply.err && !job.stale)
		vgpu_log(dev, VGPU_LOG_DEBUG, "job %u: %s", reply.id,
			 strerror((int)(reply.err & 4095)));
	if (reply.unit == EDU_UNIT_DMA) {
		unpin(e);
		end_dma(e);
		return;
	}
	e->jobs[reply.unit] = (struct job){ 0 };
	if (job.waiting) {
		start_factorial(e);
	} else if (!job.stale) {
		factorial_done(e, reply.value);
	}
}

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

static uint64_t edu_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	const struct edu_state *s = dev->state;

	if (offset < EDU_DMA_SRC && size != 4)
		return ~0ull;
	switch (offset) {
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
	case EDU_DMA_SRC:
		return s->src;
	case EDU_DMA_DST:
		return s->dst;
	case EDU_DMA_COUNT:
		return s->count;
	case EDU_DMA_CMD:
		return s->cmd;
	default:
		return ~0ull;
	}
}

static void write_dma(struct edu *e, uint64_t offset, uint64_t value)
{
	struct edu_state *s = e->dev.state;

	if (s->cmd & EDU_CMD_RUN)
		return;
	switch (offset) {
	case EDU_DMA_SRC:
		s->src = value;
		break;
	case EDU_DMA_DST:
		s->dst = value;
		break;
	case EDU_DMA_COUNT:
		s->count = value;
		break;
	case EDU_DMA_CMD:
		if (!(value & EDU_CMD_RUN))
			break;
		s->cmd = value & EDU_CMD_BITS;
		start_dma(e);
		break;
	}
}

static void edu_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct edu *e = edu_of(dev);
	struct edu_state *s = e->dev.state;

	if (offset < EDU_DMA_SRC && size != 4)
		return;
	switch (offset) {
	case EDU_LIVENESS:
		s->liveness = (uint32_t)value;
		break;
	case EDU_FACTORIAL:
		if (s->status & EDU_STATUS_COMPUTING)
			break;
		s->factorial = (uint32_t)value;
		s->status |= EDU_STATUS_COMPUTING;
		start_factorial(e);
		break;
	case EDU_STATUS:
		s->status = (s->status & ~EDU_STATUS_IRQ) |
			    ((uint32_t)value & EDU_STATUS_IRQ);
		break;
	case EDU_IRQ_RAISE:
		raise_irq(e, (uint32_t)value);
		break;
	case EDU_IRQ_ACK:
		s->irq_status &= ~(uint32_t)value;
		vgpu_intx_set(dev, s->irq_status);
		break;
	default:
		write_dma(e, offset, value);
	}
}

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

/* The guest starts anew; what the parent half is at ends without it. */
static void forget_jobs(struct edu *e)
{
	struct edu_request r = { .op = EDU_OP_RESET };

	for (unsigned i = 0; i < EDU_N_UNITS; i++) {
		e->jobs[i].stale = true;
		e->jobs[i].waiting = false;
	}
	send(e, &r);
}

static void edu_reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	struct edu *e = edu_of(dev);

	memset(dev->state, 0, sizeof(struct edu_state));
	/* The core has taken back what we would tell it about. */
	if (reason == VGPU_RESET_DMA)
		e->n_unmaps = 0;
	forget_jobs(e);
	vgpu_intx_set(dev, false);
}

static void edu_client_gone(struct vgpu_device *dev)
{
	forget_jobs(edu_of(dev));
}

static const struct vgpu_mmio_ops edu_mmio = {
	.min_access = 4,
	.max_access = 8,
	.flags = VGPU_MMIO_NO_PARTIAL_WRITE,
	.read = edu_read,
	.write = edu_write,
};

static const struct vgpu_area edu_areas[] = {
	VGPU_TRAPPED(0, EDU_BAR_SIZE, &edu_mmio, NULL),
};

static const struct vgpu_pci_desc edu_pci = {
	.vendor_id = 0x1234,
	.device_id = 0x11e8,
	.subsystem_vendor_id = 0x1af4,
	.subsystem_id = 0x1100,
	.class_code = 0x00ff00,
	.revision = 0x10,
	.intx_pin = 1,
	.msi_vectors = 1,
	.bars[0] = { .size = EDU_BAR_SIZE, VGPU_LIST(areas, edu_areas) },
};

static const struct vgpu_field edu_fields[] = {
	VGPU_FIELD(struct edu_state, src, 1),
	VGPU_FIELD(struct edu_state, dst, 1),
	VGPU_FIELD(struct edu_state, count, 1),
	VGPU_FIELD(struct edu_state, cmd, 1),
	VGPU_FIELD(struct edu_state, liveness, 1),
	VGPU_FIELD(struct edu_state, factorial, 1),
	VGPU_FIELD(struct edu_state, status, 1),
	VGPU_FIELD(struct edu_state, irq_status, 1),
};

static const struct vgpu_device_ops edu_ops = {
	.size = sizeof(struct edu),
	VGPU_STATE(struct edu_state, 1, edu_fields),
	.pci = &edu_pci,
	.reset = edu_reset,
	.client_gone = edu_client_gone,
	.dma_unmap = edu_dma_unmap,
	.parent_message = edu_parent_message,
};

static const struct vgpu_type edu_types[] = {
	{ .name = "edu",
	  .description = "QEMU's edu device, shared by several vGPUs" },
};

static const struct vgpu_driver edu_driver = {
	.name = "edu",
	.version = "1",
	.description = "shares an edu device, physical or modelled",
	VGPU_LIST(types, edu_types),
	.instance = &edu_ops,
	.parent = &edu_parent_ops,
};

VGPU_DRIVER_MODULE(edu_driver);
