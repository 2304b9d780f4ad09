/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "../device/doorbell.h"
#include "../device/irq.h"
#include "../device/region.h"
#include "../util/bytes.h"
#include "../vfio-user/encode.h"
#include "private.h"

int do_device_info(struct session *s, struct exchange *x)
{
	return vfio_user_encode_device_info(x->buf, x->room, &x->req.header,
					    VFIO_USER_DEVICE_FLAGS_RESET |
						    VFIO_USER_DEVICE_FLAGS_PCI,
					    VGPU_NUM_REGIONS, VGPU_NUM_IRQS);
}

/* The mapped areas as the sparse mmap capability lists them. */
static size_t sparse_areas(const struct region *region,
			   struct vfio_user_sparse_area *areas)
{
	size_t n = 0;

	for (uint32_t i = 0; i < region->n_areas; i++) {
		const struct region_area *a = &region->areas[i];

		if (a->kind != VGPU_AREA_MAPPED)
			continue;
		areas[n++] = (struct vfio_user_sparse_area){
			.offset = a->offset,
			.size = a->size,
		};
	}
	/* All of it: the MMAP flag alone says so. */
	if (n == 1 && areas[0].size == region->size)
		n = 0;
	return n;
}

static uint32_t region_flags(const struct region *region)
{
	uint32_t flags = 0;

	if (region->flags & REGION_CAN_READ)
		flags |= VFIO_USER_REGION_FLAG_READ;
	if (region->flags & REGION_CAN_WRITE)
		flags |= VFIO_USER_REGION_FLAG_WRITE;
	if (region->flags & REGION_CAN_MMAP)
		flags |= VFIO_USER_REGION_FLAG_MMAP;
	return flags;
}

int do_region_info(struct session *s, struct exchange *x)
{
	const struct vfio_user_region_info *asked = &x->req.u.region_info;
	struct vfio_user_sparse_area areas[REGION_MAX_AREAS];
	const struct region *region;
	struct vfio_user_region_info info;
	bool whole;
	int size;

	if (asked->index >= VGPU_NUM_REGIONS)
		return -EINVAL;
	region = &s->core->regions[asked->index];
	info = (struct vfio_user_region_info){
		.flags = region_flags(region),
		.index = asked->index,
		.size = region->size,
	};
	size = vfio_user_encode_region_info(
		x->buf, x->room, &x->req.header, asked->argsz, &info, areas,
		sparse_areas(region, areas), &whole);
	/* The fd goes with the reply that has all: a client that asks again
	 * for the capability would be given two. */
	if (size > 0 && whole && (region->flags & REGION_CAN_MMAP))
		x->reply_fds[x->n_reply_fds++] = region->mapped.fd;
	return size;
}

int do_region_io_fds(struct session *s, struct exchange *x)
{
	const struct vfio_user_region_io_fds *asked = &x->req.u.region_io_fds;
	struct vfio_user_ioeventfd entries[REGION_MAX_AREAS];
	struct doorbell_fd bells[REGION_MAX_AREAS];
	bool whole;
	int n, size;

	if (asked->index >= VGPU_NUM_REGIONS)
		return -EINVAL;
	n = doorbells_offer(
		s->core, asked->index, bells,
		MIN(s->state->client_max_fds, (uint32_t)REGION_MAX_AREAS));
	for (int i = 0; i < n; i++) {
		entries[i] = (struct vfio_user_ioeventfd){
			.offset = bells[i].offset,
			.size = bells[i].size,
			.fd_index = (uint32_t)i,
			.type = VFIO_USER_IO_FD_TYPE_IOEVENTFD,
		};
		x->reply_fds[i] = bells[i].fd;
	}
	if (n < 0)
		return n;
	size = vfio_user_encode_region_io_fds(x->buf, x->room, &x->req.header,
					      asked->argsz, asked->index,
					      entries, (size_t)n, &whole);
	if (size > 0 && whole)
		x->n_reply_fds = (size_t)n;
	return size;
}

static uint32_t irq_flags(const struct vfio_user_irq_info *info)
{
	if (!info->count)
		return 0;
	/* No NORESIZE: a vector that is added needs one message, not a new set
	 * of all of them. */
	if (info->index == VGPU_IRQ_INTX)
		return VFIO_USER_IRQ_INFO_EVENTFD |
		       VFIO_USER_IRQ_INFO_MASKABLE |
		       VFIO_USER_IRQ_INFO_AUTOMASKED;
	return VFIO_USER_IRQ_INFO_EVENTFD;
}

int do_irq_info(struct session *s, struct exchange *x)
{
	struct vfio_user_irq_info info = { .index = x->req.u.irq_info.index };

	if (info.index >= VGPU_NUM_IRQS)
		return -EINVAL;
	info.count = irqs_count(s->core->irqs, info.index);
	info.flags = irq_flags(&info);
	return vfio_user_encode_irq_info(x->buf, x->room, &x->req.header,
					 &info);
}

/* The decoder has made sure that there is one of each. */
static enum irq_action irq_action(uint32_t flags)
{
	if (flags & VFIO_USER_IRQ_SET_ACTION_TRIGGER)
		return IRQ_TRIGGER;
	return flags & VFIO_USER_IRQ_SET_ACTION_MASK ? IRQ_MASK : IRQ_UNMASK;
}

static enum irq_when irq_when(uint32_t flags)
{
	if (flags & VFIO_USER_IRQ_SET_DATA_EVENTFD)
		return IRQ_BY_EVENTFD;
	return flags & VFIO_USER_IRQ_SET_DATA_BOOL ? IRQ_IF : IRQ_NOW;
}

int do_set_irqs(struct session *s, struct exchange *x)
{
	const struct vfio_user_irq_set *asked = &x->req.u.irq_set.set;
	const struct irq_set set = {
		.index = asked->index,
		.start = asked->start,
		.count = asked->count,
		.action = irq_action(asked->flags),
		.when = irq_when(asked->flags),
		.bools = x->req.u.irq_set.bools,
		.fds = x->msg->fds,
		.n_fds = x->msg->n_fds,
	};
	int err = irqs_set(s->core->irqs, &set);

	return err ? err : reply_empty(x);
}
