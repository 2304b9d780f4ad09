/* SPDX-License-Identifier: MIT */
#include "refgpu-half-rig.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "rig/clock.h"

extern const struct vgpu_module vgpu_driver_module;

#define PAGE	     4096ull
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))

/* Whole pages, of which there are as many as are used, and nothing behind. */
static void *zeroes(size_t size)
{
	void *p = mmap(NULL, size + PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	REQUIRE(!mprotect(p, size, PROT_READ | PROT_WRITE));
	return p;
}

static void unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size + PAGE);
}

/* ------------------------------------------------------------------ */
/* The core                                                            */
/* ------------------------------------------------------------------ */

int vgpu_device_init(struct vgpu_device *dev, const struct vgpu_pci_desc *pci)
{
	dev->state = calloc(1, dev->core->ops->state.size);
	REQUIRE(dev->state);
	REQUIRE(pci->bars[REFGPU_BAR_VRAM].size == VRAM_SIZE);
	return 0;
}

void *vgpu_device_memory(struct vgpu_device *dev, unsigned region,
			 uint64_t offset, uint64_t len)
{
	REQUIRE(region == REFGPU_BAR_VRAM && !offset && len == VRAM_SIZE);
	return dev->core->vram;
}

int vgpu_irq_signal(struct vgpu_device *dev, enum vgpu_irq_index index,
		    unsigned vector)
{
	REQUIRE(index == VGPU_IRQ_MSIX && vector < REFGPU_NUM_VECTORS);
	dev->core->irqs[vector]++;
	return 0;
}

int vgpu_plane_set_sized(struct vgpu_device *dev, unsigned index,
			 const struct vgpu_plane *plane, size_t size)
{
	REQUIRE(!index);
	if (plane->format)
		REQUIRE(plane->offset +
				(uint64_t)plane->stride * plane->height <=
			VRAM_SIZE);
	dev->core->plane = *plane;
	dev->core->planes++;
	return 0;
}

void vgpu_log(struct vgpu_device *dev, enum vgpu_log_level level,
	      const char *fmt, ...)
{
}

void vgpu_device_account(struct vgpu_device *dev, unsigned engine, uint64_t ns)
{
	REQUIRE(engine < REFGPU_NUM_ENGINES);
}

int vgpu_timer_new(struct vgpu_device *dev, void (*fn)(void *user), void *user,
		   struct vgpu_timer **ret_timer)
{
	for (unsigned i = 0; i < 8; i++) {
		struct timer *t = &dev->core->timers[i];

		if (t->used)
			continue;
		*t = (struct timer){ .fn = fn, .user = user, .used = true };
		*ret_timer = (struct vgpu_timer *)(void *)t;
		return 0;
	}
	return -ENOMEM;
}

int vgpu_timer_arm(struct vgpu_timer *timer, uint64_t ns)
{
	((struct timer *)(void *)timer)->armed = ns != 0;
	return 0;
}

void vgpu_timer_free(struct vgpu_timer *timer)
{
	if (timer)
		((struct timer *)(void *)timer)->used = false;
}

unsigned rig_timers(struct vgpu_core *core)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 8; i++) {
		struct timer *t = &core->timers[i];

		if (!t->used || !t->armed)
			continue;
		t->armed = false;
		t->fn(t->user);
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

static bool page_of(struct vgpu_core *core, uint64_t iova, unsigned *ret_page)
{
	uint64_t page = (iova - RAM_BASE) / PAGE;

	if (iova < RAM_BASE || page >= RAM_PAGES || core->unmapped[page])
		return false;
	*ret_page = (unsigned)page;
	return true;
}

void vgpu_dma_enter(struct vgpu_device *dev)
{
	dev->core->sections++;
}

void vgpu_dma_leave(struct vgpu_device *dev)
{
	REQUIRE(dev->core->sections);
	dev->core->sections--;
}

void *vgpu_dma_ptr(struct vgpu_device *dev, uint64_t iova, size_t len,
		   unsigned prot)
{
	struct vgpu_core *core = dev->core;
	unsigned first, last;

	REQUIRE(core->sections && len && prot);
	if (iova + len < iova || !page_of(core, iova, &first) ||
	    !page_of(core, iova + len - 1, &last))
		return NULL;
	for (unsigned i = first; i <= last; i++)
		if (core->unmapped[i] ||
		    (i == RO_PAGE && prot & VGPU_DMA_WRITE))
			return NULL;
	return core->ram + (iova - RAM_BASE);
}

static int pin(struct vgpu_core *core, const uint64_t *iovas, unsigned n,
	       unsigned prot, uint64_t *ret_addrs)
{
	unsigned page;

	for (unsigned i = 0; i < n; i++) {
		if (iovas[i] % PAGE)
			return -EINVAL;
		if (!page_of(core, iovas[i], &page))
			return -EFAULT;
		if (page == RO_PAGE && prot & VGPU_DMA_WRITE)
			return -EACCES;
	}
	if (core->max_pins && core->n_pinned + n > core->max_pins)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		page_of(core, iovas[i], &page);
		core->pins[page][prot]++;
		ret_addrs[i] = BUS_BASE + page * PAGE;
	}
	core->n_pinned += n;
	return 0;
}

int vgpu_dma_pin_async(struct vgpu_device *dev, const uint64_t *iovas,
		       unsigned n, unsigned prot, uint64_t *ret_addrs,
		       vgpu_dma_done_fn done, void *user)
{
	struct vgpu_core *core = dev->core;
	struct rig_pin *p = &core->pin;

	REQUIRE(!core->sections && n && prot && prot < 4);
	core->pin_calls++;
	if (!core->slow_pins)
		return pin(core, iovas, n, prot, ret_addrs);
	REQUIRE(!p->iovas); /* one at a time */
	*p = (struct rig_pin){ malloc(n * sizeof(*iovas)), n,	 prot,
			       ret_addrs,		   done, user };
	REQUIRE(p->iovas);
	memcpy(p->iovas, iovas, n * sizeof(*iovas));
	return -EINPROGRESS;
}

static bool end_pin(struct vgpu_core *core, int err)
{
	struct rig_pin p = core->pin;

	if (!p.iovas)
		return false;
	core->pin.iovas = NULL;
	if (!err)
		err = pin(core, p.iovas, p.n, p.prot, p.ret_addrs);
	free(p.iovas);
	p.done(core->dev, err, p.user);
	return true;
}

bool rig_pins(struct vgpu_core *core)
{
	return end_pin(core, 0);
}

void vgpu_dma_cancel(struct vgpu_device *dev, void *user)
{
	if (dev->core->pin.iovas && dev->core->pin.user == user)
		end_pin(dev->core, -ECANCELED);
}

void vgpu_dma_unpin(struct vgpu_device *dev, const uint64_t *iovas, unsigned n,
		    unsigned prot)
{
	struct vgpu_core *core = dev->core;
	unsigned *pins;

	REQUIRE(!core->sections);
	core->unpin_calls++;
	for (unsigned i = 0; i < n; i++) {
		unsigned page = (unsigned)((iovas[i] - RAM_BASE) / PAGE);

		REQUIRE(page < RAM_PAGES);
		pins = core->pins[page];
		REQUIRE(pins[prot]);
		pins[prot]--;
		core->n_pinned--;
		/* Nothing that the hardware still has is let go of: the call
		 * waits for the parent half, which may have to look first. */
		if (pins[1] || pins[2] || pins[3] || !core->hw_refs[page])
			continue;
		core->waits++;
		rig_take(core, UINT32_MAX);
		REQUIRE(!core->hw_refs[page]);
	}
}

void vgpu_dma_unmap_done(struct vgpu_device *dev, uint64_t iova, uint64_t size)
{
	dev->core->unmaps_done++;
}

/* ------------------------------------------------------------------ */
/* The parent half                                                     */
/* ------------------------------------------------------------------ */

/* Whoever waits for the parent half lets it run: one who yields, and one who
 * sleeps, since the clock's nanosleep() yields. */
static struct vgpu_core *the_core;

int sched_yield(void)
{
	if (the_core && !the_core->asleep)
		rig_take(the_core, 1);
	return 0;
}

void *vgpu_parent_shared(struct vgpu_device *dev, size_t *ret_size)
{
	*ret_size = sizeof(*dev->core->shared);
	return dev->core->shared;
}

int vgpu_parent_kick(struct vgpu_device *dev)
{
	dev->core->kicked = true;
	if (dev->core->eager)
		rig_take(dev->core, UINT32_MAX);
	return 0;
}

int vgpu_parent_give_memory(struct vgpu_device *dev, unsigned id,
			    unsigned region, uint64_t offset, uint64_t size,
			    vgpu_dma_done_fn done, void *user)
{
	REQUIRE(!id && region == REFGPU_BAR_VRAM && !offset &&
		size == VRAM_SIZE);
	dev->core->given[dev->core->n_given++] =
		(struct rig_given){ done, user };
	return 0;
}

void rig_given(struct vgpu_core *core)
{
	for (unsigned i = 0; i < core->n_given; i++)
		core->given[i].done(core->dev, 0, core->given[i].user);
	core->n_given = 0;
}

/* What may be in the hardware's tables */
static void check_pte(struct vgpu_core *core, uint64_t pte)
{
	uint64_t addr = pte & REFGPU_PTE_ADDR;
	unsigned page = (unsigned)((addr - BUS_BASE) / PAGE);
	const unsigned *pins;

	if (!pte)
		return;
	REQUIRE(pte & REFGPU_PTE_VALID);
	REQUIRE(pte & (REFGPU_PTE_READ | REFGPU_PTE_WRITE));
	REQUIRE(!(pte &
		  ~(REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE |
		    REFGPU_PTE_SYSTEM | REFGPU_PTE_ADDR)));
	if (!(pte & REFGPU_PTE_SYSTEM)) {
		REQUIRE(addr <= VRAM_SIZE - PAGE);
		return;
	}
	REQUIRE(addr >= BUS_BASE && page < RAM_PAGES);
	pins = core->pins[page];
	if (pte & REFGPU_PTE_READ)
		REQUIRE(pins[VGPU_DMA_READ] || pins[3]);
	if (pte & REFGPU_PTE_WRITE)
		REQUIRE(pins[VGPU_DMA_WRITE] || pins[3]);
}

static void count(struct vgpu_core *core, uint64_t pte, int by)
{
	if (pte & REFGPU_PTE_SYSTEM)
		core->hw_refs[((pte & REFGPU_PTE_ADDR) - BUS_BASE) / PAGE] +=
			by;
}

static void set_ptes(struct vgpu_core *core, struct rig_slot *s, uint64_t va,
		     uint64_t n, const uint64_t *ptes, uint64_t run)
{
	REQUIRE(s->open && !(va % PAGE) && va < REFGPU_VA_SIZE && n &&
		n <= (REFGPU_VA_SIZE - va) / PAGE);
	if (!ptes && !run) /* nothing to be taken away there */
		n = va / PAGE < s->end ? MIN_OF(n, s->end - va / PAGE) : 0;
	for (uint64_t i = 0; i < n && va / PAGE + i < HW_VA; i++) {
		uint64_t pte = ptes ? ptes[i] : run ? run + i * PAGE : 0;

		count(core, s->pte[va / PAGE + i], -1);
		check_pte(core, pte);
		count(core, pte, 1);
		s->pte[va / PAGE + i] = pte;
		if (pte && s->end <= va / PAGE + i)
			s->end = va / PAGE + i + 1;
	}
}

static void take_job(struct vgpu_core *core, const struct rg_job *j)
{
	struct rig_slot *s = &core->slots[j->r.slot];
	struct rig_job *kept;
	uint32_t at;

	REQUIRE(s->open && j->seq == ++s->last_seq && j->n);
	REQUIRE(j->r.size == sizeof(*j) + j->n * 4);
	REQUIRE(!rg_audit((const uint32_t *)(j + 1), j->n, s->engine, &at));
	core->jobs =
		realloc(core->jobs, (core->n_jobs + 1) * sizeof(*core->jobs));
	REQUIRE(core->jobs);
	kept = &core->jobs[core->n_jobs++];
	*kept = (struct rig_job){ j->seq, j->r.slot, j->n, 0,
				  malloc(j->n * 4) };
	REQUIRE(kept->dwords);
	memcpy(kept->dwords, j + 1, j->n * 4);
}

static void close_slot(struct vgpu_core *core, unsigned slot)
{
	struct rig_slot *s = &core->slots[slot];
	unsigned kept = 0;

	for (uint64_t i = 0; i < s->end; i++)
		count(core, s->pte[i], -1);
	unmap(s->pte, HW_VA * 8);
	*s = (struct rig_slot){ 0 };
	for (unsigned i = 0; i < core->n_jobs; i++)
		if (core->jobs[i].slot == slot)
			free(core->jobs[i].dwords);
		else
			core->jobs[kept++] = core->jobs[i];
	core->n_jobs = kept;
}

static void take(struct vgpu_core *core, const struct rg_record *r)
{
	struct rig_slot *s = &core->slots[r->slot];

	REQUIRE(r->kind < RG_MEMORY && r->slot < RG_MAX_SLOTS);
	core->n_records[r->kind]++;
	switch (r->kind) {
	case RG_OPEN:
		REQUIRE(!s->open && r->size == sizeof(struct rg_open));
		*s = (struct rig_slot){
			.open = true,
			.engine = ((const struct rg_open *)r)->engine,
			.generation = ((const struct rg_open *)r)->generation,
			.pte = zeroes(HW_VA * 8),
		};
		core->shared->slots[r->slot] = (struct rg_slot_status){ 0 };
		REQUIRE(s->pte && s->engine < REFGPU_NUM_ENGINES);
		break;
	case RG_CLOSE:
		REQUIRE(s->open);
		close_slot(core, r->slot);
		break;
	case RG_PTES: {
		const struct rg_ptes *p = (const void *)r;

		REQUIRE(r->size == sizeof(*p) + p->n * 8);
		set_ptes(core, s, p->va, p->n, (const uint64_t *)(p + 1), 0);
		break;
	}
	case RG_RUN: {
		const struct rg_run *p = (const void *)r;

		REQUIRE(r->size == sizeof(*p));
		set_ptes(core, s, p->va, p->n, NULL, p->pte);
		break;
	}
	case RG_JOB:
		take_job(core, (const void *)r);
		break;
	case RG_RESUME:
		REQUIRE(s->open && s->stands);
		s->stands = false;
		s->resumes++;
		break;
	case RG_STOP_FAULT:
		REQUIRE(s->open && s->stands);
		s->stops++;
		break;
	}
}

unsigned rig_take(struct vgpu_core *core, unsigned max)
{
	static _Alignas(8) uint8_t record[RG_RECORD_MAX];
	const struct rg_record *r = (const void *)record;
	struct vgpu_ring *ring = &core->ring;
	unsigned n = 0;

	REQUIRE(!vgpu_ring_look(ring));
	while (ring->own != ring->seen && n < max) {
		REQUIRE(!vgpu_ring_peek(ring, ring->own, record, sizeof(*r)));
		REQUIRE(r->size >= sizeof(*r) && r->size <= RG_RECORD_MAX);
		REQUIRE(!vgpu_ring_peek(ring, ring->own, record, r->size));
		take(core, r);
		vgpu_ring_drop(ring, vgpu_ring_entries(ring, r->size));
		n++;
		core->n_taken++;
		REQUIRE(!vgpu_ring_look(ring));
	}
	return n;
}

uint8_t *rig_hw(struct vgpu_core *core, unsigned slot, uint64_t va, bool write)
{
	struct rig_slot *s = &core->slots[slot];
	uint64_t pte = s->open && HW_PAGES(va) < HW_VA ? s->pte[HW_PAGES(va)]
						       : 0;
	uint64_t addr = (pte & REFGPU_PTE_ADDR) + va % PAGE;

	if (!(pte & (write ? REFGPU_PTE_WRITE : REFGPU_PTE_READ)))
		return NULL;
	return pte & REFGPU_PTE_SYSTEM ? core->ram + (addr - BUS_BASE)
				       : core->vram + addr;
}

/* FENCE and FILL; others are nothing here. 0: it faults. */
static bool run(struct vgpu_core *core, struct rig_job *j)
{
	while (j->at < j->n) {
		const uint32_t *c = j->dwords + j->at;
		uint64_t va = c[1] | (uint64_t)c[2] << 32, n = 0;
		uint8_t *p;

		if (REFGPU_CMD_OP(c[0]) == REFGPU_OP_FILL)
			n = c[3];
		if (REFGPU_CMD_OP(c[0]) == REFGPU_OP_FENCE)
			n = 8;
		for (uint64_t i = 0; i < n; i += 4) {
			p = rig_hw(core, j->slot, va + i, true);
			if (!p) {
				rig_fault(core, j->slot, va + i, true);
				return false;
			}
			memcpy(p,
			       n == 8 && REFGPU_CMD_OP(c[0]) == REFGPU_OP_FENCE
				       ? c + 3 + i / 4
				       : c + 5,
			       4);
		}
		if (REFGPU_CMD_OP(c[0]) == REFGPU_OP_IRQ) {
			core->shared->slots[j->slot].cookie = c[1];
			core->shared->slots[j->slot].events |=
				REFGPU_EVENT_USER;
		}
		j->at += REFGPU_CMD_LEN(c[0]);
	}
	core->shared->slots[j->slot].done = j->seq;
	return true;
}

void rig_finish(struct vgpu_core *core)
{
	unsigned kept = 0, n = core->n_jobs;

	for (unsigned i = 0; i < n; i++) {
		struct rig_job j = core->jobs[i];

		if (core->slots[j.slot].stands || !run(core, &j))
			core->jobs[kept++] = j;
		else
			free(j.dwords);
	}
	core->n_jobs = kept;
}

void rig_kick(struct vgpu_core *core)
{
	core->ops->parent_kick(core->dev);
}

bool rig_tell(struct vgpu_core *core)
{
	struct rg_shared *sh = core->shared;
	bool due = sh->full && core->n_taken != core->n_seen;

	for (unsigned i = 0; i < RG_MAX_SLOTS; i++) {
		struct rig_slot *s = &core->slots[i];
		uint64_t done = sh->slots[i].done;

		if (!s->open)
			continue;
		due |= sh->slots[i].events != 0;
		due |= done > s->told &&
		       (done == s->last_seq || done - s->told >= 32);
	}
	if (!due)
		return false;
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++)
		core->slots[i].told = sh->slots[i].done;
	core->n_seen = core->n_taken;
	sh->full = 0;
	rig_kick(core);
	return true;
}

void rig_fault(struct vgpu_core *core, unsigned slot, uint64_t va, bool write)
{
	struct rg_notice n = {
		.kind = RG_NOTICE_FAULT,
		.slot = slot,
		.va = va & ~(PAGE - 1),
		.code = REFGPU_FAULT_INVALID | (write ? 1u << 8 : 0),
		.seq = core->shared->slots[slot].done,
		.generation = core->slots[slot].generation,
	};

	core->n_faults++;
	core->slots[slot].stands = true;
	core->shared->slots[slot].state = REFGPU_STATE_FAULT;
	core->ops->parent_message(core->dev, &n, sizeof(n));
}

/* Who has something to do that nothing stands in the way of has done it. */
static void require_rest(struct vgpu_core *core)
{
	struct rg *rg = rg_of(core->dev);

	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_context *c = &rg->contexts[i];

		if (!c->place->open || c->regs->state != REFGPU_STATE_IDLE)
			continue;
		rg_context_update(c);
		REQUIRE(!c->place->faulted && !rg_pump_busy(c));
	}
	REQUIRE(!rg->spaces.n_unmaps);
}

void rig_settle(struct vgpu_core *core)
{
	for (unsigned i = 0; i < 100000; i++) {
		bool more = rig_take(core, UINT32_MAX) > 0;
		unsigned jobs = core->n_jobs;
		unsigned faults = core->n_faults;

		rig_finish(core);
		more |= rig_tell(core);
		more |= rig_waiting(core) != 0;
		if (more || core->n_jobs != jobs || core->n_faults != faults ||
		    rig_pins(core) || rig_timers(core))
			continue;
		require_rest(core);
		return;
	}
	REQUIRE(!"it settles");
}

/* ------------------------------------------------------------------ */

uint32_t rig_read(struct vgpu_core *core, uint32_t reg)
{
	return (uint32_t)rg_reg_ops.read(core->dev, NULL, reg, 4);
}

void rig_write(struct vgpu_core *core, uint32_t reg, uint32_t value)
{
	rg_reg_ops.write(core->dev, NULL, reg, value, 4);
}

void rig_write64(struct vgpu_core *core, uint32_t reg, uint64_t value)
{
	rig_write(core, reg, (uint32_t)value);
	rig_write(core, reg + 4, (uint32_t)(value >> 32));
}

void rig_doorbell(struct vgpu_core *core, unsigned ctx)
{
	rg_doorbell_ops.write(core->dev, &rg_of(core->dev)->contexts[ctx], 0, 0,
			      4);
}

void rig_ram64(struct vgpu_core *core, uint64_t page, unsigned i, uint64_t v)
{
	memcpy(core->ram + page * PAGE + i * 8, &v, 8);
}

struct vgpu_core *rig_new(void)
{
	struct vgpu_core *core = calloc(1, sizeof(*core));
	const struct vgpu_driver *driver = vgpu_driver_module.driver;

	REQUIRE(core);
	/* Time goes by as it is looked at. */
	clock_tick(RIG_TICK);
	the_core = core;
	core->ram = zeroes(RAM_SIZE);
	core->vram = zeroes(VRAM_SIZE);
	core->shared = zeroes(sizeof(*core->shared));
	REQUIRE(!rg_ring_init(&core->ring, core->shared));
	core->ops = driver->instance;
	core->dev = calloc(1, core->ops->size);
	REQUIRE(core->dev && driver->types->vram_size == VRAM_SIZE);
	core->dev->type = driver->types;
	core->dev->core = core;
	REQUIRE(!core->ops->create(core->dev));
	core->ops->reset(core->dev, VGPU_RESET_NEW_CLIENT);
	REQUIRE(core->n_given);
	rig_given(core);
	return core;
}

/* Nothing that was pinned is left behind. */
void rig_free(struct vgpu_core *core)
{
	core->asleep = false;
	core->ops->client_gone(core->dev);
	rig_take(core, UINT32_MAX);
	core->ops->destroy(core->dev);
	free(core->dev->state);
	free(core->dev);
	REQUIRE(!core->n_pinned && !core->sections);
	for (unsigned i = 0; i < RG_MAX_SLOTS; i++)
		close_slot(core, i);
	free(core->jobs);
	unmap(core->ram, RAM_SIZE);
	unmap(core->vram, VRAM_SIZE);
	unmap(core->shared, sizeof(*core->shared));
	free(core);
	the_core = NULL;
}
