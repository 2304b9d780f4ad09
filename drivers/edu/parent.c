/* SPDX-License-Identifier: MIT */
/*
 * The parent half: takes requests, none of which it believes, and queues them
 * for the engine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "parent.h"

static struct edu_parent *edu_parent_of(struct vgpu_parent *parent)
{
	return vgpu_container_of(parent, struct edu_parent, parent);
}

/* ------------------------------------------------------------------ */
/* Requests                                                            */
/* ------------------------------------------------------------------ */

/* Are the pieces the instance's, and do they fit into the buffer? Then they
 * are held. */
static int take_pieces(struct edu_client *c, const struct edu_request *r)
{
	unsigned prot = r->value ? VGPU_DMA_WRITE : VGPU_DMA_READ;
	uint32_t room;
	int err;

	if (r->value > 1 || !r->n || r->n > EDU_MAX_PIECES ||
	    r->offset > EDU_BUFFER_SIZE)
		return -EINVAL;
	room = EDU_BUFFER_SIZE - r->offset;
	for (unsigned i = 0; i < r->n; i++) {
		err = !r->len[i] || r->len[i] > room
			      ? -EINVAL
			      : vgpu_instance_hold(c->inst, r->addr[i],
						   r->len[i], prot);
		if (err) {
			while (i--)
				vgpu_instance_release(c->inst, r->addr[i],
						      r->len[i]);
			return err;
		}
		room -= r->len[i];
	}
	return 0;
}

static int enqueue(struct edu_client *c, enum edu_unit unit,
		   const struct edu_request *r)
{
	struct edu_job *job = &c->jobs[unit];
	int err = 0;

	if (job->state != JOB_NONE)
		return -EBUSY;
	if (unit == EDU_UNIT_DMA)
		err = take_pieces(c, r);
	if (err)
		return err;
	*job = (struct edu_job){ .state = JOB_QUEUED, .r = *r };
	if (unit == EDU_UNIT_FACTORIAL && r->value > EDU_ZERO_FACTORIAL)
		job->r.value = EDU_ZERO_FACTORIAL;
	return 0;
}

static void cancel(struct edu_parent *p, struct edu_client *c,
		   enum edu_unit unit)
{
	struct edu_job *job = &c->jobs[unit];

	if (job->state == JOB_QUEUED)
		edu_job_end(p, c, unit, -ECANCELED, 0);
	else if (job->state == JOB_RUNNING)
		job->cancelled = true;
}

static void reset(struct edu_parent *p, struct edu_client *c)
{
	for (unsigned i = 0; i < EDU_N_UNITS; i++)
		cancel(p, c, i);
	if (c->jobs[EDU_UNIT_DMA].state == JOB_RUNNING)
		c->wipe = true;
	else
		edu_client_wipe(p, c);
}

static int edu_message(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst, const void *msg,
		       size_t len)
{
	struct edu_parent *p = edu_parent_of(parent);
	struct edu_client *c = vgpu_instance_data(inst);
	struct edu_request r;
	int err = 0;

	if (len != sizeof(r))
		return -EINVAL;
	memcpy(&r, msg, sizeof(r));
	switch (r.op) {
	case EDU_OP_FACTORIAL:
		err = enqueue(c, EDU_UNIT_FACTORIAL, &r);
		break;
	case EDU_OP_DMA:
		err = enqueue(c, EDU_UNIT_DMA, &r);
		break;
	case EDU_OP_CANCEL:
		/* It may have ended while the request was under way. */
		if (c->jobs[EDU_UNIT_DMA].r.id == r.id)
			cancel(p, c, EDU_UNIT_DMA);
		break;
	case EDU_OP_RESET:
		reset(p, c);
		break;
	default:
		err = -EINVAL;
	}
	if (!err)
		edu_engine_kick(p);
	return err;
}

/* ------------------------------------------------------------------ */
/* Instances                                                           */
/* ------------------------------------------------------------------ */

static int edu_instance_new(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst)
{
	struct edu_parent *p = edu_parent_of(parent);
	struct edu_client *c;
	unsigned i = 0;

	while (i < EDU_MAX_CLIENTS && p->clients[i])
		i++;
	if (i == EDU_MAX_CLIENTS)
		return -EUSERS;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->inst = inst;
	p->clients[i] = c;
	vgpu_instance_set_data(inst, c);
	return 0;
}

static void edu_instance_gone(struct vgpu_parent *parent,
			      struct vgpu_parent_instance *inst)
{
	struct edu_parent *p = edu_parent_of(parent);
	struct edu_client *c = vgpu_instance_data(inst);

	c->gone = true;
	for (unsigned i = 0; i < EDU_N_UNITS; i++)
		cancel(p, c, i);
	/* Its bytes may be in the scratch page now: they go nowhere. */
	if (p->owner == c)
		p->owner = NULL;
	if (p->client == c)
		return; /* the engine frees it when it is done */
	for (unsigned i = 0; i < EDU_MAX_CLIENTS; i++)
		if (p->clients[i] == c)
			p->clients[i] = NULL;
	free(c);
}

/* ------------------------------------------------------------------ */
/* The parent                                                          */
/* ------------------------------------------------------------------ */

static int open_hw(const char *config, struct edu_hw **ret_hw)
{
	static const char software[] = "software", pci[] = "pci=";

	if (!strncmp(config, pci, sizeof(pci) - 1))
		return edu_hw_pci(config + sizeof(pci) - 1, ret_hw);
	if (!strncmp(config, software, sizeof(software) - 1))
		return edu_hw_software(config + sizeof(software) - 1, ret_hw);
	vgpu_parent_log(NULL, NULL, VGPU_LOG_ERROR,
			"edu: '%s': pci=ADDRESS or software is expected",
			config);
	return -EINVAL;
}

/* The context's way in and out of the hardware */
static int make_scratch(struct edu_parent *p)
{
	struct vgpu_iommu_page page = { .memory = &p->memory };
	int fd = memfd_create("edu-scratch", MFD_CLOEXEC);
	void *ptr;
	int64_t bytes;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, EDU_BUFFER_SIZE) < 0) {
		close(fd);
		return -errno;
	}
	ptr = mmap(NULL, EDU_BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	if (ptr == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	p->scratch = ptr;
	p->memory = (struct vgpu_iommu_memory){
		.prot = VGPU_DMA_READ | VGPU_DMA_WRITE,
		.id = UINT64_MAX,
		.base = ptr,
		.size = EDU_BUFFER_SIZE,
		.fd = fd,
	};
	bytes = p->hw->iommu->ops->map(p->hw->iommu, &page, 1, p->memory.prot,
				       &p->scratch_addr);
	return bytes < 0 ? (int)bytes : 0;
}

static void free_scratch(struct edu_parent *p)
{
	const struct vgpu_iommu_ops *ops = p->hw->iommu->ops;

	if (!p->scratch)
		return;
	if (p->scratch_addr)
		ops->unmap(p->hw->iommu, &p->scratch_addr, 1);
	if (ops->forget)
		ops->forget(p->hw->iommu, &p->memory);
	munmap(p->scratch, EDU_BUFFER_SIZE);
	close(p->memory.fd);
}

static void edu_close(struct vgpu_parent *parent)
{
	struct edu_parent *p = edu_parent_of(parent);

	vgpu_parent_remove(p->watchdog);
	free_scratch(p);
	p->hw->ops->free(p->hw);
}

static void edu_stop(struct vgpu_parent *parent)
{
	edu_engine_stop(edu_parent_of(parent), -ECANCELED);
}

static int edu_open(struct vgpu_parent *parent, const char *config)
{
	struct edu_parent *p = edu_parent_of(parent);
	int err = open_hw(config, &p->hw);

	if (err)
		return err;
	p->hw->irq = edu_engine_irq;
	p->hw->user = p;
	err = vgpu_parent_init(parent, p->hw->iommu);
	if (!err)
		err = make_scratch(p);
	if (!err)
		err = vgpu_parent_add_timer(parent, edu_engine_watchdog, p,
					    &p->watchdog);
	if (!err)
		err = p->hw->start(p->hw, parent);
	if (err)
		edu_close(parent);
	return err;
}

const struct vgpu_parent_ops edu_parent_ops = {
	.size = sizeof(struct edu_parent),
	.open = edu_open,
	.stop = edu_stop,
	.close = edu_close,
	.instance_new = edu_instance_new,
	.instance_gone = edu_instance_gone,
	.message = edu_message,
};
