/* SPDX-License-Identifier: MIT */
/* The guest's address spaces: what its page tables look like, shadows of them,
 * and the memory behind them. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "instance.h"

#define PAGE REFGPU_PAGE

/* ------------------------------------------------------------------ */
/* The format: docs/refgpu.md, "Page tables"                           */
/* ------------------------------------------------------------------ */

#define KNOWN                                                                  \
	(REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE |               \
	 REFGPU_PTE_SYSTEM | REFGPU_PTE_HUGE | REFGPU_PTE_ADDR |               \
	 REFGPU_PTE_SOFT)
#define PAGES_ONLY  (REFGPU_PTE_READ | REFGPU_PTE_WRITE | REFGPU_PTE_HUGE)
#define HUGE_UNUSED ((REFGPU_HUGE - 1) & ~(PAGE - 1))

static void decode(uint64_t e, int level, struct vgpu_shadow_target *ret)
{
	bool page = level == 2 || (level == 1 && (e & REFGPU_PTE_HUGE));
	uint64_t bad = ~KNOWN;

	*ret = (struct vgpu_shadow_target){ .kind = VGPU_SHADOW_NONE };
	if (!(e & REFGPU_PTE_VALID))
		return;
	if (!page)
		bad |= PAGES_ONLY;
	else
		bad |= level == 1 ? HUGE_UNUSED : REFGPU_PTE_HUGE;
	ret->kind = e & bad ? VGPU_SHADOW_BAD
		    : page  ? VGPU_SHADOW_PAGE
			    : VGPU_SHADOW_TABLE;
	ret->addr = e & REFGPU_PTE_ADDR;
	ret->local = !(e & REFGPU_PTE_SYSTEM);
	ret->prot = (uint8_t)((e & REFGPU_PTE_READ ? VGPU_DMA_READ : 0) |
			      (e & REFGPU_PTE_WRITE ? VGPU_DMA_WRITE : 0));
}

static const struct vgpu_shadow_format format = {
	.struct_size = sizeof(format),
	.n_levels = 3,
	.shift = { REFGPU_ROOT_SHIFT, REFGPU_MID_SHIFT, REFGPU_LEAF_SHIFT },
	.entries = { REFGPU_ROOT_ENTRIES, REFGPU_ENTRIES, REFGPU_ENTRIES },
	.decode = decode,
};

enum refgpu_fault rg_space_fault_code(enum vgpu_shadow_fault fault)
{
	switch (fault) {
	case VGPU_SHADOW_OK:
		return REFGPU_FAULT_NONE;
	case VGPU_SHADOW_FAULT_NONE:
		return REFGPU_FAULT_INVALID;
	case VGPU_SHADOW_FAULT_READ:
		return REFGPU_FAULT_READ;
	case VGPU_SHADOW_FAULT_WRITE:
		return REFGPU_FAULT_WRITE;
	case VGPU_SHADOW_FAULT_BAD:
		return REFGPU_FAULT_RESERVED;
	default:
		return REFGPU_FAULT_BUS;
	}
}

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

static void enter(void *user)
{
	struct rg *rg = user;

	vgpu_dma_enter(&rg->dev);
}

static void leave(void *user)
{
	struct rg *rg = user;

	vgpu_dma_leave(&rg->dev);
}

static const void *ptr(void *user, uint64_t addr, bool local, size_t len,
		       unsigned prot)
{
	struct rg *rg = user;

	if (!local)
		return vgpu_dma_ptr(&rg->dev, addr, len, prot);
	if (addr > rg->vram_size || len > rg->vram_size - addr)
		return NULL;
	return rg->vram + addr;
}

static int pin(void *user, const uint64_t *iovas, unsigned n, unsigned prot,
	       uint64_t *ret_addrs)
{
	struct rg *rg = user;

	return vgpu_dma_pin(&rg->dev, iovas, n, prot, ret_addrs);
}

static void unpin(void *user, const uint64_t *iovas, unsigned n, unsigned prot)
{
	struct rg *rg = user;

	vgpu_dma_unpin(&rg->dev, iovas, n, prot);
}

/* Copies by the tables as they are now. *@ret_done bytes could be. */
enum refgpu_fault rg_space_read(struct rg_slot *s, uint64_t va, void *buf,
				size_t len, size_t *ret_done)
{
	struct rg *rg = s->rg;
	struct vgpu_shadow_target t;
	enum vgpu_shadow_fault fault = VGPU_SHADOW_OK;
	size_t done = 0;

	while (done < len && !fault) {
		size_t n = PAGE - (va + done) % PAGE;
		const void *p;

		if (n > len - done)
			n = len - done;
		enter(rg);
		fault = vgpu_shadow_walk(rg->pool, rg_ctx_of(s)->root,
					 va + done, VGPU_DMA_READ, &t);
		if (!fault) {
			p = ptr(rg, t.addr, t.local, n, VGPU_DMA_READ);
			if (p)
				memcpy((char *)buf + done, p, n);
			else
				fault = t.local ? VGPU_SHADOW_FAULT_BAD
						: VGPU_SHADOW_FAULT_BUS;
		}
		leave(rg);
		if (!fault)
			done += n;
	}
	*ret_done = done;
	return rg_space_fault_code(fault);
}

/* [@va, @va + @len), which lies in a page, by the tables as they are now; NULL:
 * it is not there. In a section. */
const void *rg_space_ptr(struct rg_slot *s, uint64_t va, size_t len)
{
	struct rg *rg = s->rg;
	struct vgpu_shadow_target t;

	if (vgpu_shadow_walk(rg->pool, rg_ctx_of(s)->root, va, VGPU_DMA_READ,
			     &t))
		return NULL;
	return ptr(rg, t.addr, t.local, len, VGPU_DMA_READ);
}

enum refgpu_fault rg_space_load32(struct rg_slot *s, uint64_t va,
				  uint32_t *ret_value)
{
	struct rg *rg = s->rg;
	struct vgpu_shadow_target t;
	enum vgpu_shadow_fault fault;
	const uint32_t *p;

	enter(rg);
	fault = vgpu_shadow_walk(rg->pool, rg_ctx_of(s)->root, va,
				 VGPU_DMA_READ, &t);
	if (!fault) {
		p = ptr(rg, t.addr, t.local, sizeof(*p), VGPU_DMA_READ);
		if (p)
			*ret_value =
				le32toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
		else
			fault = t.local ? VGPU_SHADOW_FAULT_BAD
					: VGPU_SHADOW_FAULT_BUS;
	}
	leave(rg);
	return rg_space_fault_code(fault);
}

/* ------------------------------------------------------------------ */
/* Entries for the hardware                                            */
/* ------------------------------------------------------------------ */

static void lose(struct rg *rg, unsigned slot)
{
	rg->slots[slot].lost = true;
}

static void write_entries(struct rg *rg)
{
	struct rg_entries *e = &rg->entries;
	size_t bytes = e->n * sizeof(e->pte[0]);
	struct rg_ptes *r;

	if (!e->n)
		return;
	r = rg_ring_reserve(rg, (uint32_t)(sizeof(*r) + bytes), RG_ROOM_LAST);
	if (r) {
		r->r.kind = RG_PTES;
		r->r.slot = (uint16_t)e->slot;
		r->va = e->va;
		r->n = e->n;
		r->reserved = 0;
		memcpy(r + 1, e->pte, bytes);
		rg_ring_commit(rg);
	} else {
		lose(rg, e->slot);
	}
	e->n = 0;
}

static bool write_run(struct rg *rg, unsigned slot, uint64_t va, uint64_t n,
		      uint64_t pte, uint32_t spare)
{
	struct rg_run *r = rg_ring_reserve(rg, sizeof(*r), spare);

	if (!r)
		return false;
	r->r.kind = RG_RUN;
	r->r.slot = (uint16_t)slot;
	r->va = va;
	r->n = n;
	r->pte = pte;
	rg_ring_commit(rg);
	return true;
}

/* Short runs that follow each other share a record. */
#define SHORT_RUN 8u

static void put(void *user, uint64_t va, uint64_t n, uint64_t addr, bool local,
		unsigned prot)
{
	struct rg_slot *s = user;
	struct rg *rg = s->rg;
	struct rg_entries *e = &rg->entries;
	uint64_t pte = 0;

	if (!s->st->open || s->lost)
		return;
	if (prot)
		pte = addr | REFGPU_PTE_VALID |
		      (local ? 0 : REFGPU_PTE_SYSTEM) |
		      (prot & VGPU_DMA_READ ? REFGPU_PTE_READ : 0) |
		      (prot & VGPU_DMA_WRITE ? REFGPU_PTE_WRITE : 0);
	if (n > SHORT_RUN) {
		write_entries(rg);
		if (!write_run(rg, s->id, va, n, pte, RG_ROOM_LAST))
			lose(rg, s->id);
		return;
	}
	if (e->n && (e->slot != s->id || e->va + e->n * PAGE != va ||
		     e->n + n > RG_MAX_PTES))
		write_entries(rg);
	if (!e->n) {
		e->slot = s->id;
		e->va = va;
	}
	for (uint64_t i = 0; i < n; i++)
		e->pte[e->n++] = pte ? pte + i * PAGE : 0;
}

/* A shadow whose entries did not fit in the ring has lost some: all of them are
 * taken away then, for which room is kept. */
static uint64_t fence(void *user)
{
	struct rg *rg = user;

	write_entries(rg);
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_slot *s = &rg->slots[i];

		if (s->lost && s->st->open &&
		    !write_run(rg, i, 0, REFGPU_VA_SIZE / PAGE, 0, 0))
			vgpu_log(&rg->dev, VGPU_LOG_WARNING,
				 "the parent takes no records: context %u "
				 "keeps translations that are not valid",
				 i);
	}
	return rg->tail;
}

/* Their shadows begin anew; faults bring back what is used. */
void rg_space_mend(struct rg *rg)
{
	write_entries(rg);
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_slot *s = &rg->slots[i];

		if (!s->lost)
			continue;
		if (s->shadow)
			vgpu_shadow_clear(s->shadow);
		s->lost = false;
	}
}

static const struct vgpu_shadow_ops shadow_ops = {
	.struct_size = sizeof(shadow_ops),
	.enter = enter,
	.leave = leave,
	.ptr = ptr,
	.pin = pin,
	.unpin = unpin,
	.put = put,
	.fence = fence,
};

/* Return: 0: up to date; 1: there is more to do, when there is room or time. */
int rg_space_sync(struct rg_slot *s, uint64_t max_ns)
{
	struct rg *rg = s->rg;
	uint64_t start = rg_now();
	int more;

	do {
		if (rg_ring_room(rg) < RG_ROOM_SYNC) {
			rg_ring_want_room(rg);
			rg_ring_kick(rg);
			if (rg_ring_room(rg) < RG_ROOM_SYNC)
				return 1;
		}
		more = vgpu_shadow_sync(s->shadow, RG_SYNC_PAGES);
		rg_space_mend(rg);
		if (more)
			rg_ring_kick(rg); /* they work side by side */
	} while (more && rg_now() - start < max_ns);
	return more;
}

/* ------------------------------------------------------------------ */
/* Pages that are not needed any more                                  */
/* ------------------------------------------------------------------ */

#define REAP_PAGES 1024u     /* worth a message to the parent */
#define REAP_TURN  8192u     /* in one go */
#define REAP_NS	   10000000u /* but no pin stays for longer */

static void answer_unmaps(struct rg *rg)
{
	uint64_t passed;
	unsigned kept = 0;

	/* What is passed later is told. */
	if (rg->n_unmaps)
		rg_ring_want_room(rg);
	passed = rg_ring_passed(rg);

	for (unsigned i = 0; i < rg->n_unmaps; i++) {
		struct rg_unmap u = rg->unmaps[i];

		if (u.fence <= passed)
			vgpu_dma_unmap_done(&rg->dev, u.iova, u.size);
		else
			rg->unmaps[kept++] = u;
	}
	rg->n_unmaps = kept;
	if (kept)
		rg_ring_kick(rg);
}

/* Work that somebody waits for goes first. */
static bool is_syncing(const struct rg *rg)
{
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (rg->slots[i].st->open && rg->slots[i].syncing)
			return true;
	return false;
}

/* @all: also what would not be worth it */
void rg_space_reap(struct rg *rg, bool all)
{
	struct vgpu_shadow_stats stats;
	size_t left;
	bool more;

	vgpu_shadow_get_stats(rg->pool, &stats);
	if (!stats.waiting && !rg->n_unmaps)
		return;
	if (!all && !rg->n_unmaps &&
	    (stats.waiting < REAP_PAGES || is_syncing(rg))) {
		vgpu_timer_arm(rg->reap_timer, REAP_NS);
		return;
	}
	left = vgpu_shadow_reap(rg->pool, rg_ring_passed(rg),
				rg->n_unmaps ? SIZE_MAX : REAP_TURN);
	answer_unmaps(rg);
	if (!left)
		return;
	/* As many as there are, but the loop has other work, too. */
	more = left > REAP_TURN && left < stats.waiting && !is_syncing(rg);
	vgpu_timer_arm(rg->reap_timer, more ? 1 : REAP_NS);
}

static void on_reap(void *user)
{
	rg_space_reap(user, true);
}

#define UNMAP_SPIN_NS 100000u

int rg_dma_unmap(struct vgpu_device *dev, uint64_t iova, uint64_t size)
{
	struct rg *rg = rg_of(dev);
	uint64_t at = 0;
	int wait = vgpu_shadow_unmap(rg->pool, iova, size, &at);

	rg_space_mend(rg);
	rg_ring_kick(rg);
	if (!wait)
		return 0;
	if (rg_ring_wait(rg, at, UNMAP_SPIN_NS) ||
	    rg->n_unmaps == RG_MAX_UNMAPS) {
		/* Unpinning waits for what the parent has in use, if need be.
		 */
		vgpu_shadow_reap(rg->pool, at, SIZE_MAX);
		return 0;
	}
	rg->unmaps[rg->n_unmaps++] = (struct rg_unmap){ iova, size, at };
	rg_ring_want_room(rg);
	if (rg_ring_passed(rg) >= at) {
		rg->n_unmaps--;
		vgpu_shadow_reap(rg->pool, at, SIZE_MAX);
		return 0;
	}
	return -EINPROGRESS;
}

/* ------------------------------------------------------------------ */

int rg_space_init(struct rg *rg)
{
	const struct vgpu_shadow_config config = {
		.struct_size = sizeof(config),
		.max_tables = RG_MAX_TABLES,
		.format = &format,
		.ops = &shadow_ops,
		.user = rg,
	};
	int err = vgpu_shadow_pool_new(&config, &rg->pool);

	if (err)
		return err;
	return vgpu_timer_new(&rg->dev, on_reap, rg, &rg->reap_timer);
}

void rg_space_fini(struct rg *rg)
{
	vgpu_timer_free(rg->reap_timer);
	vgpu_shadow_pool_free(rg->pool);
}
