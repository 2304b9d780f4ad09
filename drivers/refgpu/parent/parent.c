/* SPDX-License-Identifier: MIT */
/* The board, and the vGPUs that share it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/iommu.h>

#include "parent.h"

static struct rgp_parent *parent_of(struct vgpu_parent *parent)
{
	return vgpu_container_of(parent, struct rgp_parent, parent);
}

/* ------------------------------------------------------------------ */
/* The board                                                           */
/* ------------------------------------------------------------------ */

static void bus_enter(void *user)
{
	vgpu_iommu_cpu_enter(((struct rgp_parent *)user)->iommu);
}

static void bus_leave(void *user)
{
	vgpu_iommu_cpu_leave(((struct rgp_parent *)user)->iommu);
}

static void *bus_ptr(void *user, uint64_t addr, unsigned prot)
{
	return vgpu_iommu_cpu_ptr(((struct rgp_parent *)user)->iommu, addr,
				  prot);
}

static const struct refgpu_hw_bus bus = { bus_enter, bus_leave, bus_ptr };

static uint64_t bank_at(const struct rgp_parent *p, unsigned index)
{
	return RGP_MAX_CLIENTS * p->window + index * RGP_BANK_STRIDE;
}

/* Its engines are threads, so it comes with the first vGPU, when the process
 * is in its sandbox. */
static int power_on(struct rgp_parent *p)
{
	const struct refgpu_hw_config config = {
		.vram_size = bank_at(p, RGP_MAX_CLIENTS),
		.contexts = p->config.contexts,
		.bus = &bus,
		.irq = rgp_sched_irq,
		.user = p,
	};
	int err;

	if (p->hw)
		return 0;
	err = refgpu_hw_new(&config, &p->hw);
	if (err) {
		vgpu_parent_log(&p->parent, NULL, VGPU_LOG_ERROR,
				"refgpu: the board does not start: %s",
				strerror(-err));
		return err;
	}
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		refgpu_hw_write(p->hw, REFGPU_ENG(i, REFGPU_ENG_MODE),
				REFGPU_MODE_HOST);
	refgpu_hw_write(p->hw, REFGPU_IRQ_ENABLE,
			REFGPU_IRQ_HOST | REFGPU_IRQ_EVENT);
	return 0;
}

/* ------------------------------------------------------------------ */
/* vGPUs                                                               */
/* ------------------------------------------------------------------ */

static unsigned fair_contexts(const struct rgp_parent *p)
{
	return p->config.contexts / 2 / RGP_FAIR_CLIENTS;
}

static void client_free(struct rgp_client *c)
{
	struct rgp_parent *p = c->parent;

	if (c->bank.base && p->hw)
		refgpu_hw_vram_unplug(p->hw, c->bank.at);
	rgp_bank_fini(&c->bank);
	vgpu_sched_group_free(c->group);
	p->vram_left += c->vram_size;
	p->n_fair -= c->fair > 0;
	p->clients[c->index] = NULL;
	free(c->slots);
	free(c);
}

static int client_init(struct rgp_client *c)
{
	struct vgpu_parent_instance *inst = c->inst;
	struct rgp_parent *p = c->parent;
	void *shared;
	int err;

	c->slots = calloc(RG_MAX_SLOTS, sizeof(*c->slots));
	if (!c->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		c->slots[i].client = c;
		c->slots[i].id = i;
	}
	err = power_on(p);
	if (!err)
		err = rgp_bank_init(&c->bank, bank_at(p, c->index));
	if (!err)
		err = refgpu_hw_vram_plug(p->hw, c->bank.at, c->bank.base,
					  RGP_BANK_SIZE);
	if (!err)
		err = vgpu_sched_group_new(p->sched,
					   vgpu_instance_weight(inst),
					   vgpu_instance_cap(inst), &c->group);
	if (!err)
		err = vgpu_instance_share(inst, sizeof(struct rg_shared),
					  &shared);
	if (!err)
		c->shared = shared;
	return err;
}

static int rgp_instance_new(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst)
{
	struct rgp_parent *p = parent_of(parent);
	uint64_t vram = vgpu_instance_type(inst)->vram_size;
	struct rgp_client *c;
	unsigned i = 0;
	int err;

	while (i < RGP_MAX_CLIENTS && p->clients[i])
		i++;
	if (i == RGP_MAX_CLIENTS || vram > p->vram_left) {
		vgpu_parent_log(parent, inst, VGPU_LOG_WARNING,
				"refused: the board has no %s left",
				i == RGP_MAX_CLIENTS ? "place" : "VRAM");
		return -ENOSPC;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->parent = p;
	c->inst = inst;
	c->index = i;
	c->vram_at = i * p->window;
	c->vram_size = vram;
	if (p->n_fair < RGP_FAIR_CLIENTS) {
		p->n_fair++;
		c->fair = fair_contexts(p);
	}
	p->vram_left -= vram;
	p->clients[i] = c;
	err = client_init(c);
	if (err) {
		client_free(c);
		return err;
	}
	vgpu_instance_set_data(inst, c);
	return 0;
}

/* Its contexts end now. Its tables may be large: they are cleared in goes, and
 * what they held is released by and by. */
static void rgp_instance_gone(struct vgpu_parent *parent,
			      struct vgpu_parent_instance *inst)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	(void)parent;
	c->dying = true;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++)
		rgp_slot_stop(&c->slots[i]);
	c->shared = NULL;
	c->blocked_slot = RG_MAX_SLOTS;
	rgp_client_queue(c);
}

static int rgp_memory(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst, unsigned id, void *ptr,
		      uint64_t size)
{
	struct rgp_client *c = vgpu_instance_data(inst);
	int err;

	if (id || size > c->vram_size)
		return -EINVAL;
	err = refgpu_hw_vram_plug(parent_of(parent)->hw, c->vram_at, ptr, size);
	c->plugged = !err;
	return err;
}

static void rgp_memory_gone(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst, unsigned id)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	(void)id;
	if (c->plugged)
		refgpu_hw_vram_unplug(parent_of(parent)->hw, c->vram_at);
	c->plugged = false;
}

static void rgp_instance_changed(struct vgpu_parent *parent,
				 struct vgpu_parent_instance *inst)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	vgpu_sched_group_set(c->group, vgpu_instance_weight(inst),
			     vgpu_instance_cap(inst), rgp_now());
	rgp_sched_arm(parent_of(parent));
}

/* All is by ring. */
static int rgp_message(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst, const void *msg,
		       size_t len)
{
	(void)parent;
	(void)inst;
	(void)msg;
	(void)len;
	return -EINVAL;
}

static int rgp_kick(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	int err = rgp_client_work(vgpu_instance_data(inst));

	rgp_sched_arm(parent_of(parent));
	return err;
}

/* ------------------------------------------------------------------ */
/* Another go                                                          */
/* ------------------------------------------------------------------ */

void rgp_client_queue(struct rgp_client *c)
{
	struct rgp_parent *p = c->parent;
	struct rgp_client **last = &p->busy;

	if (c->queued)
		return;
	c->queued = true;
	c->next_busy = NULL;
	while (*last)
		last = &(*last)->next_busy;
	*last = c;
	vgpu_parent_signal(p->work);
}

/* One go of one vGPU: others, and the hardware, get their turn in between. */
static void on_work(void *user)
{
	struct rgp_parent *p = user;
	struct rgp_client *c = p->busy;
	int err;

	if (!c)
		return;
	p->busy = c->next_busy;
	c->queued = false;
	if (!c->dying) {
		err = rgp_client_work(c);
		if (err)
			vgpu_instance_drop(c->inst, err);
	} else if (rgp_client_clear(c)) {
		client_free(c);
	} else {
		rgp_client_queue(c);
	}
	if (p->busy)
		vgpu_parent_signal(p->work);
	rgp_sched_arm(p);
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

static void rgp_stop(struct vgpu_parent *parent)
{
	struct rgp_parent *p = parent_of(parent);

	/* They are all dying by now. */
	while (p->busy) {
		struct rgp_client *c = p->busy;

		p->busy = c->next_busy;
		c->queued = false;
		while (!rgp_client_clear(c))
			;
		client_free(c);
	}
}

static void rgp_close(struct vgpu_parent *parent)
{
	struct rgp_parent *p = parent_of(parent);

	refgpu_hw_free(p->hw);
	vgpu_parent_remove(p->work);
	rgp_sched_fini(p);
	vgpu_iommu_destroy(p->iommu);
	free(p);
}

static int rgp_open(const struct vgpu_parent_args *args,
		    struct vgpu_parent **ret_parent)
{
	struct rgp_parent *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	err = rgp_config_parse(args->config, &p->config);
	if (!err)
		err = vgpu_iommu_cpu_new(NULL, &p->iommu);
	if (err) {
		free(p);
		return err;
	}
	p->vram_left = p->config.vram;
	p->promised = RGP_FAIR_CLIENTS * fair_contexts(p);
	for (p->window = 1; p->window < p->config.vram;)
		p->window *= 2;
	err = vgpu_parent_init(&p->parent, args, p->iommu);
	if (!err)
		err = rgp_sched_init(p);
	if (!err)
		err = vgpu_parent_add_signal(&p->parent, on_work, p, &p->work);
	if (err) {
		rgp_close(&p->parent);
		return err;
	}
	*ret_parent = &p->parent;
	return 0;
}

const struct vgpu_parent_ops rg_parent_ops = {
	.struct_size = sizeof(rg_parent_ops),
	.open = rgp_open,
	.stop = rgp_stop,
	.close = rgp_close,
	.instance_new = rgp_instance_new,
	.instance_gone = rgp_instance_gone,
	.message = rgp_message,
	.instance_changed = rgp_instance_changed,
	.kick = rgp_kick,
	.memory = rgp_memory,
	.memory_gone = rgp_memory_gone,
	.save = rgp_save,
	.restore = rgp_restore,
};
