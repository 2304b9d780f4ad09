/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "../clock.h"
#include "space.h"

#define PAGE REFGPU_PAGE

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

static void enter(void *user)
{
	vgpu_dma_enter(((struct rg_spaces *)user)->dev);
}

static void leave(void *user)
{
	vgpu_dma_leave(((struct rg_spaces *)user)->dev);
}

static const void *ptr(void *user, uint64_t addr, bool local, size_t len,
		       unsigned prot)
{
	struct rg_spaces *all = user;

	if (!local)
		return vgpu_dma_ptr(all->dev, addr, len, prot);
	if (addr > all->vram_size || len > all->vram_size - addr)
		return NULL;
	return all->vram + addr;
}

/* What waits for pins goes on, once there is none under way. */
static void on_pinned(struct vgpu_device *dev, int err, void *user)
{
	struct rg_spaces *all = user;
	int more = vgpu_shadow_pinned(all->pool, err);

	rg_spaces_mend(all);
	rg_queue_kick(all->queue);
	if (!more)
		all->pinned(all->user);
}

static int pin(void *user, const uint64_t *iovas, unsigned n, unsigned prot,
	       uint64_t *ret_addrs)
{
	return vgpu_dma_pin_async(((struct rg_spaces *)user)->dev, iovas, n,
				  prot, ret_addrs, on_pinned, user);
}

static void unpin(void *user, const uint64_t *iovas, unsigned n, unsigned prot)
{
	vgpu_dma_unpin(((struct rg_spaces *)user)->dev, iovas, n, prot);
}

/* In a section: where @va leads to, all @len bytes of it in one page. */
static enum vgpu_shadow_fault find(struct rg_space *s, uint64_t va, size_t len,
				   const void **ret_ptr)
{
	struct vgpu_shadow_target t;
	enum vgpu_shadow_fault fault =
		vgpu_shadow_walk(s->all->pool, s->root, va, VGPU_DMA_READ, &t);

	if (fault)
		return fault;
	*ret_ptr = ptr(s->all, t.addr, t.local, len, VGPU_DMA_READ);
	if (*ret_ptr)
		return VGPU_SHADOW_OK;
	return t.local ? VGPU_SHADOW_FAULT_BAD : VGPU_SHADOW_FAULT_BUS;
}

const void *rg_space_ptr(struct rg_space *s, uint64_t va, size_t len)
{
	const void *p;

	return find(s, va, len, &p) ? NULL : p;
}

enum refgpu_fault rg_space_read(struct rg_space *s, uint64_t va, void *buf,
				size_t len, size_t *ret_done)
{
	enum vgpu_shadow_fault fault = VGPU_SHADOW_OK;
	size_t done = 0;

	while (done < len && !fault) {
		size_t n = PAGE - (va + done) % PAGE;
		const void *p;

		if (n > len - done)
			n = len - done;
		enter(s->all);
		fault = find(s, va + done, n, &p);
		if (!fault)
			memcpy((char *)buf + done, p, n);
		leave(s->all);
		if (!fault)
			done += n;
	}
	*ret_done = done;
	return rg_fault_code(fault);
}

enum refgpu_fault rg_space_load32(struct rg_space *s, uint64_t va,
				  uint32_t *ret_value)
{
	enum vgpu_shadow_fault fault;
	const void *p;

	enter(s->all);
	fault = find(s, va, sizeof(*ret_value), &p);
	if (!fault)
		*ret_value = le32toh(
			__atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE));
	leave(s->all);
	return rg_fault_code(fault);
}

/* ------------------------------------------------------------------ */
/* Entries for the hardware                                            */
/* ------------------------------------------------------------------ */

static void write_entries(struct rg_spaces *all)
{
	struct rg_ptes *r = &all->entries.r;

	if (!r->n)
		return;
	r->r.size = (uint32_t)(sizeof(*r) + r->n * sizeof(uint64_t));
	if (!rg_queue_put(all->queue, &r->r, RG_ROOM_LAST))
		all->space[r->r.slot].lost = true;
	r->n = 0;
}

static bool write_run(struct rg_space *s, uint64_t va, uint64_t n, uint64_t pte,
		      uint32_t spare)
{
	const struct rg_run r = {
		.r = { .size = sizeof(r),
		       .kind = RG_RUN,
		       .slot = (uint16_t)s->slot },
		.va = va,
		.n = n,
		.pte = pte,
	};

	return rg_queue_put(s->all->queue, &r.r, spare);
}

/* Short runs that follow each other share a record. */
#define SHORT_RUN 8u

static void put(void *user, uint64_t va, uint64_t n, uint64_t addr, bool local,
		unsigned prot)
{
	struct rg_space *s = user;
	uint64_t *ptes = s->all->entries.pte, pte = 0;
	struct rg_ptes *r = &s->all->entries.r;

	if (!s->shadow || s->lost)
		return;
	if (prot)
		pte = addr | REFGPU_PTE_VALID |
		      (local ? 0 : REFGPU_PTE_SYSTEM) |
		      (prot & VGPU_DMA_READ ? REFGPU_PTE_READ : 0) |
		      (prot & VGPU_DMA_WRITE ? REFGPU_PTE_WRITE : 0);
	if (n > SHORT_RUN) {
		write_entries(s->all);
		if (!write_run(s, va, n, pte, RG_ROOM_LAST))
			s->lost = true;
		return;
	}
	if (r->n && (r->r.slot != s->slot || r->va + r->n * PAGE != va ||
		     r->n + n > RG_MAX_PTES))
		write_entries(s->all);
	if (!r->n)
		*r = (struct rg_ptes){ .r.kind = RG_PTES,
				       .r.slot = (uint16_t)s->slot,
				       .va = va };
	for (uint64_t i = 0; i < n; i++)
		ptes[r->n++] = pte ? pte + i * PAGE : 0;
}

/* A shadow whose entries did not fit in the ring has lost some: all of them are
 * taken away then, for which room is kept. */
static uint64_t fence(void *user)
{
	struct rg_spaces *all = user;

	write_entries(all);
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_space *s = &all->space[i];

		if (s->lost && s->shadow &&
		    !write_run(s, 0, REFGPU_VA_SIZE / PAGE, 0, 0))
			vgpu_log(all->dev, VGPU_LOG_WARNING,
				 "the parent takes no records: context %u "
				 "keeps translations that are not valid",
				 i);
	}
	return all->queue->ring.own;
}

void rg_spaces_mend(struct rg_spaces *all)
{
	write_entries(all);
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_space *s = &all->space[i];

		if (!s->lost)
			continue;
		if (s->shadow)
			vgpu_shadow_clear(s->shadow);
		s->lost = false;
	}
}

static const struct vgpu_shadow_ops shadow_ops = {
	.enter = enter,
	.leave = leave,
	.ptr = ptr,
	.pin = pin,
	.unpin = unpin,
	.put = put,
	.fence = fence,
};

/* ------------------------------------------------------------------ */
/* Bringing a shadow up to date                                        */
/* ------------------------------------------------------------------ */

void rg_space_suspect(struct rg_space *s)
{
	vgpu_shadow_suspect(s->shadow);
	s->syncing = true;
}

void rg_space_invalidate(struct rg_space *s, uint64_t va, uint64_t pages)
{
	uint64_t len = pages < REFGPU_VA_SIZE / PAGE ? pages * PAGE : 0;

	vgpu_shadow_invalidate(s->shadow, va & ~(PAGE - 1), len);
	s->syncing = true;
}

int rg_space_sync(struct rg_space *s, uint64_t max_ns)
{
	struct rg_queue *q = s->all->queue;
	uint64_t start = rg_now();
	int more;

	do {
		if (rg_queue_room(q) < RG_ROOM_SYNC) {
			rg_queue_want_room(q);
			rg_queue_kick(q);
			if (rg_queue_room(q) < RG_ROOM_SYNC)
				return 1;
		}
		more = vgpu_shadow_sync(s->shadow, RG_SYNC_PAGES);
		rg_spaces_mend(s->all);
		if (more)
			rg_queue_kick(q); /* they work side by side */
	} while (more > 0 && rg_now() - start < max_ns);
	return more;
}

void rg_space_drop(struct rg_space *s)
{
	vgpu_shadow_clear(s->shadow);
	rg_spaces_mend(s->all);
}

bool rg_spaces_drop(struct rg_spaces *all)
{
	struct vgpu_shadow_stats before, after;

	vgpu_shadow_get_stats(all->pool, &before);
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (all->space[i].shadow)
			vgpu_shadow_clear(all->space[i].shadow);
	vgpu_shadow_get_stats(all->pool, &after);
	return after.waiting != before.waiting || before.waiting;
}

int rg_space_fault(struct rg_space *s, uint64_t va, unsigned prot,
		   enum vgpu_shadow_fault *ret_fault)
{
	int err = vgpu_shadow_fault(s->shadow, va, prot, ret_fault);

	rg_spaces_mend(s->all);
	return err;
}

int rg_space_open(struct rg_space *s, uint64_t root)
{
	s->root = root;
	return vgpu_shadow_new(s->all->pool, root, s, &s->shadow);
}

void rg_space_close(struct rg_space *s)
{
	struct vgpu_shadow *shadow = s->shadow;

	s->shadow = NULL;
	s->syncing = s->lost = false;
	vgpu_shadow_free(shadow);
}

int rg_spaces_init(struct rg_spaces *all, struct vgpu_device *dev,
		   struct rg_queue *queue, uint8_t *vram, uint64_t size)
{
	const struct vgpu_shadow_config config = {
		.max_tables = RG_MAX_TABLES,
		.format = &rg_format,
		.ops = &shadow_ops,
		.user = all,
	};

	all->dev = dev;
	all->queue = queue;
	all->vram = vram;
	all->vram_size = size;
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		all->space[i].all = all;
		all->space[i].slot = i;
	}
	return vgpu_shadow_pool_new(&config, &all->pool);
}
