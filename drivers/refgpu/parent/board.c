/* SPDX-License-Identifier: MIT */
/*
 * The parent half: owns the GPU, and shares it between vGPUs. It gets records
 * from instance halves (proto.h), none of which it believes.
 * docs/mediation.md follows its files; this one is above all others.
 *
 * VRAM's address space: a window for each vGPU's VRAM, then a bank for each.
 *
 * The parent's loop only; the model's interrupts come from other threads, and
 * do nothing but wake the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/iommu.h>

#include "../clock.h"
#include "../halves.h"
#include "config.h"
#include "inbox.h"
#include "state.h"

#define MAX_CLIENTS  128u /* vGPUs on one board */
#define FAIR_CLIENTS 64u  /* so many share one half of the contexts */

/* A vGPU */
struct rgp_client {
	struct rgp_parent *parent;
	unsigned index;
	bool plugged; /* its VRAM is there */
	struct rgp_slots slots;
	struct rgp_inbox inbox;
	/* Another go is due */
	bool queued;
	struct rgp_client *next_busy;
};

struct rgp_parent {
	struct vgpu_parent parent;
	struct rgp_config config;
	struct vgpu_iommu *iommu;
	struct rgp_engines engines;
	struct rgp_contexts contexts;
	struct vgpu_parent_source *work;
	uint64_t window, vram_left;
	struct rgp_client *clients[MAX_CLIENTS];
	struct rgp_client *busy;
	unsigned n_fair; /* vGPUs that were promised contexts */
};

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

static void bus_irq(void *user, unsigned vector)
{
	vgpu_parent_signal(((struct rgp_parent *)user)->engines.signal);
}

static const struct refgpu_hw_bus bus = { bus_enter, bus_leave, bus_ptr };

static uint64_t bank_at(const struct rgp_parent *p, unsigned index)
{
	return MAX_CLIENTS * p->window + index * RGP_BANK_STRIDE;
}

/* Its engines are threads, so it comes with the first vGPU, when the process
 * is in its sandbox. */
static int power_on(struct rgp_parent *p)
{
	const struct refgpu_hw_config config = {
		.vram_size = bank_at(p, MAX_CLIENTS),
		.contexts = p->config.contexts,
		.bus = &bus,
		.irq = bus_irq,
		.user = p,
	};
	int err;

	if (p->engines.hw)
		return 0;
	err = refgpu_hw_new(&config, &p->engines.hw);
	if (err) {
		vgpu_parent_log(&p->parent, NULL, VGPU_LOG_ERROR,
				"refgpu: the board does not start: %s",
				strerror(-err));
		return err;
	}
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		refgpu_hw_write(p->engines.hw, REFGPU_ENG(i, REFGPU_ENG_MODE),
				REFGPU_MODE_HOST);
	refgpu_hw_write(p->engines.hw, REFGPU_IRQ_ENABLE,
			REFGPU_IRQ_HOST | REFGPU_IRQ_EVENT);
	return 0;
}

/* ------------------------------------------------------------------ */
/* vGPUs                                                               */
/* ------------------------------------------------------------------ */

static unsigned fair_contexts(const struct rgp_parent *p)
{
	return p->config.contexts / 2 / FAIR_CLIENTS;
}

static void client_free(struct rgp_client *c)
{
	struct rgp_parent *p = c->parent;
	struct rgp_slots *s = &c->slots;

	if (s->bank.base && s->hw)
		refgpu_hw_vram_unplug(s->hw, s->bank.at);
	rgp_bank_fini(&s->bank);
	vgpu_sched_group_free(s->group);
	p->vram_left += s->tables.vram_size;
	p->n_fair -= s->fair > 0;
	p->clients[c->index] = NULL;
	free(c);
}

static void queue(struct rgp_client *c)
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

static void on_room(struct rgp_slots *slots, unsigned id)
{
	struct rgp_client *c =
		vgpu_container_of(slots, struct rgp_client, slots);

	if (rgp_inbox_unblock(&c->inbox, id))
		queue(c);
}

static int client_init(struct rgp_client *c)
{
	struct rgp_parent *p = c->parent;
	struct rgp_slots *s = &c->slots;
	void *shared;
	int err;

	s->contexts = &p->contexts;
	s->room = on_room;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		s->slot[i].all = s;
		s->slot[i].id = i;
	}
	err = power_on(p);
	if (err)
		return err;
	s->hw = s->tables.hw = p->engines.hw;
	s->tables.inst = s->inst;
	s->tables.bank = &s->bank;
	err = rgp_bank_init(&s->bank, bank_at(p, c->index));
	if (!err)
		err = refgpu_hw_vram_plug(s->hw, s->bank.at, s->bank.base,
					  RGP_BANK_SIZE);
	if (!err)
		err = vgpu_sched_group_new(
			p->engines.sched, vgpu_instance_weight(s->inst),
			vgpu_instance_cap(s->inst), &s->group);
	if (!err)
		err = vgpu_instance_share(s->inst, sizeof(struct rg_shared),
					  &shared);
	if (err)
		return err;
	s->shared = shared;
	c->inbox.slots = s;
	c->inbox.engines = &p->engines;
	return rg_ring_init(&c->inbox.ring, s->shared);
}

static int rgp_instance_new(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst)
{
	struct rgp_parent *p = parent_of(parent);
	uint64_t vram = vgpu_instance_type(inst)->vram_size;
	struct rgp_client *c;
	unsigned i = 0;
	int err;

	while (i < MAX_CLIENTS && p->clients[i])
		i++;
	if (i == MAX_CLIENTS || vram > p->vram_left) {
		vgpu_parent_log(parent, inst, VGPU_LOG_WARNING,
				"refused: the board has no %s left",
				i == MAX_CLIENTS ? "place" : "VRAM");
		return -ENOSPC;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->parent = p;
	c->index = i;
	c->slots.inst = inst;
	c->slots.tables.vram_at = i * p->window;
	c->slots.tables.vram_size = vram;
	if (p->n_fair < FAIR_CLIENTS) {
		p->n_fair++;
		c->slots.fair = fair_contexts(p);
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

	c->slots.gone = true;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++)
		rgp_slot_stop(&c->parent->engines, &c->slots.slot[i]);
	c->slots.shared = NULL;
	queue(c);
}

static int rgp_memory(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst, unsigned id, void *ptr,
		      uint64_t size)
{
	struct rgp_client *c = vgpu_instance_data(inst);
	int err;

	if (id || size > c->slots.tables.vram_size)
		return -EINVAL;
	err = refgpu_hw_vram_plug(c->slots.hw, c->slots.tables.vram_at, ptr,
				  size);
	c->plugged = !err;
	return err;
}

static void rgp_memory_gone(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst, unsigned id)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	if (c->plugged)
		refgpu_hw_vram_unplug(c->slots.hw, c->slots.tables.vram_at);
	c->plugged = false;
}

static void rgp_instance_changed(struct vgpu_parent *parent,
				 struct vgpu_parent_instance *inst)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	vgpu_sched_group_set(c->slots.group, vgpu_instance_weight(inst),
			     vgpu_instance_cap(inst), rg_now());
	rgp_engines_arm(&parent_of(parent)->engines);
}

static int work(struct rgp_client *c)
{
	int err = rgp_inbox_work(&c->inbox);

	if (err > 0)
		queue(c);
	return err < 0 ? err : 0;
}

/* Who waits for another go has it later: others have theirs before. */
static int rgp_kick(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	struct rgp_client *c = vgpu_instance_data(inst);
	int err = c->queued ? rgp_inbox_look(&c->inbox) : work(c);

	rgp_engines_arm(&c->parent->engines);
	return err;
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
	if (!c->slots.gone) {
		err = work(c);
		if (err)
			vgpu_instance_drop(c->slots.inst, err);
	} else if (rgp_inbox_clear(&c->inbox)) {
		client_free(c);
	} else {
		queue(c);
	}
	if (p->busy)
		vgpu_parent_signal(p->work);
	rgp_engines_arm(&p->engines);
}

static int rgp_save(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst, void *buf, size_t size,
		    size_t *ret_len)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	return rgp_state_save(&c->parent->engines, &c->slots, c->inbox.ring.own,
			      buf, size, ret_len);
}

static int rgp_restore(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst, const void *buf,
		       size_t len)
{
	struct rgp_client *c = vgpu_instance_data(inst);

	return rgp_state_restore(&c->parent->engines, &c->slots, buf, len);
}

static void rgp_stop(struct vgpu_parent *parent)
{
	struct rgp_parent *p = parent_of(parent);

	/* They are all dying by now. */
	while (p->busy) {
		struct rgp_client *c = p->busy;

		p->busy = c->next_busy;
		c->queued = false;
		while (!rgp_inbox_clear(&c->inbox))
			;
		client_free(c);
	}
}

static void rgp_close(struct vgpu_parent *parent)
{
	struct rgp_parent *p = parent_of(parent);

	refgpu_hw_free(p->engines.hw);
	vgpu_parent_remove(p->work);
	rgp_engines_fini(&p->engines);
	vgpu_iommu_destroy(p->iommu);
}

static int rgp_open(struct vgpu_parent *parent, const char *config)
{
	struct rgp_parent *p = parent_of(parent);
	int err;

	err = rgp_config_parse(config, &p->config);
	if (!err)
		err = vgpu_iommu_cpu_new(NULL, &p->iommu);
	if (err)
		return err;
	p->vram_left = p->config.vram;
	p->contexts.total = p->config.contexts;
	p->contexts.promised = FAIR_CLIENTS * fair_contexts(p);
	p->engines.parent = &p->parent;
	p->engines.contexts = &p->contexts;
	for (p->window = 1; p->window < p->config.vram;)
		p->window *= 2;
	err = vgpu_parent_init(parent, p->iommu);
	if (!err)
		err = rgp_engines_init(&p->engines, &p->config.sched);
	if (!err)
		err = vgpu_parent_add_signal(&p->parent, on_work, p, &p->work);
	if (err)
		rgp_close(parent);
	return err;
}

/* There is no message: all is by ring. */
const struct vgpu_parent_ops rg_parent_ops = {
	.size = sizeof(struct rgp_parent),
	.open = rgp_open,
	.stop = rgp_stop,
	.close = rgp_close,
	.instance_new = rgp_instance_new,
	.instance_gone = rgp_instance_gone,
	.instance_changed = rgp_instance_changed,
	.kick = rgp_kick,
	.memory = rgp_memory,
	.memory_gone = rgp_memory_gone,
	.save = rgp_save,
	.restore = rgp_restore,
};
