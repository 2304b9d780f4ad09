/* SPDX-License-Identifier: MIT */
/* The public functions of <vgpu/parent.h>, the parent's side. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "../device/module.h"
#include "../dma/pin.h"
#include "../link/bell.h"
#include "../link/link.h"
#include "../link/shared.h"
#include "../util/cleanup.h"
#include "../util/loop.h"
#include "hub.h"
#include "space.h"

#define HOLD_MAX (2ull << 30)

int vgpu_parent_init(struct vgpu_parent *parent, struct vgpu_iommu *iommu)
{
	/* The hardware is here: a backend that asks somebody else is none. */
	if (!iommu || !iommu_is_whole(iommu) || iommu->ops->submit_map)
		return -EINVAL;
	parent->hub->iommu = iommu;
	return 0;
}

void vgpu_instance_set_data(struct vgpu_parent_instance *inst, void *data)
{
	inst->data = data;
}

void *vgpu_instance_data(const struct vgpu_parent_instance *inst)
{
	return inst->data;
}

const char *vgpu_instance_name(const struct vgpu_parent_instance *inst)
{
	return inst->name;
}

const struct vgpu_type *
vgpu_instance_type(const struct vgpu_parent_instance *inst)
{
	return module_own_type(inst->hub->module, inst->type);
}

unsigned vgpu_instance_weight(const struct vgpu_parent_instance *inst)
{
	return inst->weight;
}

unsigned vgpu_instance_cap(const struct vgpu_parent_instance *inst)
{
	return inst->cap;
}

int vgpu_instance_send(struct vgpu_parent_instance *inst, const void *msg,
		       size_t len)
{
	if (!len || len > VGPU_PARENT_MAX_MESSAGE || inst->coming)
		return -EINVAL;
	if (inst->gone)
		return -ENOTCONN;
	return link_send(inst->messages, WIRE_MESSAGE, 0, msg, len, NULL);
}

int vgpu_instance_share(struct vgpu_parent_instance *inst, size_t size,
			void **ret_ptr)
{
	size_t whole = (size + VGPU_DMA_PAGE_SIZE - 1) &
		       ~((size_t)VGPU_DMA_PAGE_SIZE - 1);
	cleanup_fd int fd = -1;
	int err;

	if (!size || size > VGPU_PARENT_MAX_SHARED)
		return -EINVAL;
	if (inst->shared)
		return -EALREADY;
	if (!inst->coming)
		return -EBUSY;
	err = shared_file("vgpu-shared", whole, &fd);
	if (!err)
		err = shared_map(fd, whole, &inst->shared);
	if (err)
		return err;
	inst->shared_size = whole;
	inst->shared_fd = steal_fd(&fd);
	*ret_ptr = inst->shared;
	return 0;
}

void vgpu_instance_kick(struct vgpu_parent_instance *inst)
{
	bell_ring(inst->bell);
}

bool vgpu_instance_owns(const struct vgpu_parent_instance *inst, uint64_t addr,
			uint64_t len, unsigned prot)
{
	return hub_space_owns(inst->space, addr, len, prot);
}

int vgpu_instance_hold(struct vgpu_parent_instance *inst, uint64_t addr,
		       uint64_t len, unsigned prot)
{
	if (!len || len > HOLD_MAX || !prot)
		return -EINVAL;
	if (inst->gone || !hub_space_owns(inst->space, addr, len, prot))
		return -EFAULT;
	hub_space_get(inst->space, addr, len);
	return 0;
}

void vgpu_instance_release(struct vgpu_parent_instance *inst, uint64_t addr,
			   uint64_t len)
{
	hub_space_put(inst->space, addr, len);
	hub_calls_retry(inst);
	hub_instance_sweep(inst);
}

/* ------------------------------------------------------------------ */
/* The loop                                                            */
/* ------------------------------------------------------------------ */

struct vgpu_parent_source {
	struct loop_source *src;    /* or */
	struct bell *ear, *clapper; /* both ends of a doorbell */
	void (*fn)(void *user);
	void *user;
};

static void on_timer(struct loop_source *src, void *user)
{
	struct vgpu_parent_source *s = user;

	s->fn(s->user);
}

static void on_fd(struct loop_source *src, uint32_t events, void *user)
{
	struct vgpu_parent_source *s = user;

	s->fn(s->user);
}

static struct vgpu_parent_source *source_new(void (*fn)(void *user), void *user)
{
	struct vgpu_parent_source *s = calloc(1, sizeof(*s));

	if (s) {
		s->fn = fn;
		s->user = user;
	}
	return s;
}

int vgpu_parent_add_timer(struct vgpu_parent *parent, void (*fn)(void *user),
			  void *user, struct vgpu_parent_source **ret_source)
{
	struct vgpu_parent_source *s = source_new(fn, user);
	int err = s ? loop_add_timer(parent->hub->loop, on_timer, s, &s->src)
		    : -ENOMEM;

	if (err)
		free(s);
	else
		*ret_source = s;
	return err;
}

int vgpu_parent_arm_timer(struct vgpu_parent_source *source, uint64_t ns)
{
	return loop_arm_timer(source->src, ns, 0);
}

int vgpu_parent_add_fd(struct vgpu_parent *parent, int fd,
		       void (*fn)(void *user), void *user,
		       struct vgpu_parent_source **ret_source)
{
	struct vgpu_parent_source *s = source_new(fn, user);
	int err = s ? loop_add_fd(parent->hub->loop, fd, EPOLLIN, on_fd, s,
				  &s->src)
		    : -ENOMEM;

	if (err)
		free(s);
	else
		*ret_source = s;
	return err;
}

static void on_signal(void *user)
{
	struct vgpu_parent_source *s = user;

	s->fn(s->user);
}

/* Nobody rings back. */
static void never(void *user)
{
}

static int make_signal(struct loop *loop, struct vgpu_parent_source *s)
{
	int own[BELL_N_FDS], other[BELL_N_FDS], err;

	err = bell_make(own, other);
	if (err)
		return err;
	err = bell_new(loop, BELL_PARENT, own, on_signal, s, &s->ear);
	if (err) {
		for (unsigned i = 0; i < BELL_N_FDS; i++)
			close_fd(other[i]);
		return err;
	}
	err = bell_new(loop, BELL_WORKER, other, never, NULL, &s->clapper);
	if (err)
		bell_free(s->ear);
	else
		bell_mute(s->clapper);
	return err;
}

int vgpu_parent_add_signal(struct vgpu_parent *parent, void (*fn)(void *user),
			   void *user, struct vgpu_parent_source **ret_source)
{
	struct vgpu_parent_source *s = source_new(fn, user);
	int err = s ? make_signal(parent->hub->loop, s) : -ENOMEM;

	if (err)
		free(s);
	else
		*ret_source = s;
	return err;
}

void vgpu_parent_signal(struct vgpu_parent_source *source)
{
	bell_ring(source->clapper);
}

void vgpu_parent_remove(struct vgpu_parent_source *source)
{
	if (!source)
		return;
	bell_free(source->ear);
	bell_free(source->clapper);
	/* The loop calls no removed source, so ours may go at once. */
	loop_remove(source->src);
	free(source);
}

void vgpu_parent_log(struct vgpu_parent *parent,
		     struct vgpu_parent_instance *inst,
		     enum vgpu_log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_wants((enum log_level)level) ||
	    (inst && !log_allowed(&inst->log_limit, inst->name)))
		return;
	va_start(ap, fmt);
	log_vline((enum log_level)level, inst ? inst->name : NULL, fmt, ap);
	va_end(ap);
}
