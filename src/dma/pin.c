/* SPDX-License-Identifier: MIT */
/*
 * Pinning: a batch of pages becomes reachable for the device, all or none.
 *
 * Where the backend takes its time, batches are requests in a queue, one of
 * which is under way: so none ever finds a page that another one is mapping.
 */
#include "pin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "budget.h"
#include "hold.h"
#include "pin-private.h"

/* The backend's view of a range, made at its first pin. In a section, where
 * the range is whole. */
static struct vgpu_iommu_memory *memory_of(struct dma_space *space,
					   uint32_t range)
{
	static _Atomic uint64_t last_id;
	struct dma_range_local *local = &space->local[range];
	const struct dma_range *r = &space->ranges->range[range];
	struct vgpu_iommu_memory *m = local->memory;

	if (m)
		return m;
	m = malloc(sizeof(*m));
	if (!m)
		return NULL;
	*m = (struct vgpu_iommu_memory){
		.prot = r->flags & (DMA_PROT_READ | DMA_PROT_WRITE),
		.id = atomic_fetch_add(&last_id, 1) + 1,
		.base = space->files.files[r->file - 1].base + r->offset,
		.size = r->size,
		.fd = space->files.records[r->file - 1].fd,
		.offset = r->offset,
	};
	local->memory = m;
	return m;
}

/* A batch, and what is new in it */
struct batch {
	const uint64_t *iovas;
	size_t n;
	unsigned prot;
	struct vgpu_iommu_page *pages;
	struct dma_pin **pins; /* by position in the request */
	uint64_t *addrs;
	uint32_t *fresh; /* positions */
	size_t n_fresh;
	uint64_t moves; /* the table's: do @pins still point to them? */
};

static int batch_init(struct batch *b, const uint64_t *iovas, size_t n,
		      unsigned prot)
{
	*b = (struct batch){ .iovas = iovas, .n = n, .prot = prot };
	if (n > SIZE_MAX / 64)
		return -ENOMEM;
	b->pages = malloc(n * (sizeof(*b->pages) + sizeof(*b->pins) +
			       sizeof(*b->addrs) + sizeof(*b->fresh)));
	if (!b->pages)
		return -ENOMEM;
	b->pins = (struct dma_pin **)(b->pages + n);
	b->addrs = (uint64_t *)(b->pins + n);
	b->fresh = (uint32_t *)(b->addrs + n);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Pages of a batch                                                    */
/* ------------------------------------------------------------------ */

/* One page of the batch, in a section. */
static int take_page(struct dma_space *space, struct batch *b, size_t i)
{
	struct dma_pins *pins = space->pins;
	uint64_t iova = b->iovas[i], e = dma_table_find(&space->table, iova);
	struct vgpu_iommu_memory *memory;
	const struct dma_range *r;
	struct dma_pin *pin;
	int err = iova & (DMA_PAGE_SIZE - 1) ? -EINVAL
					     : dma_entry_error(e, b->prot);

	if (err)
		return err;
	pin = dma_pin_table_slot(&pins->table, dma_pin_key(iova, b->prot));
	b->pins[i] = pin;
	if (pin->key) {
		if (pin->refs == UINT32_MAX)
			return -EOVERFLOW;
		pin->refs++;
		return 0;
	}
	memory = memory_of(space, dma_entry_range(e));
	if (!memory)
		return -ENOMEM;
	r = dma_space_range(space, e);
	*pin = (struct dma_pin){ .key = dma_pin_key(iova, b->prot),
				 .addr = DMA_PIN_NO_ADDR,
				 .range = dma_entry_range(e),
				 .refs = 1 };
	pins->table.n++;
	atomic_fetch_add_explicit(&space->local[pin->range].refs, 1,
				  memory_order_relaxed);
	b->pages[b->n_fresh] =
		(struct vgpu_iommu_page){ memory, iova - r->iova };
	b->fresh[b->n_fresh++] = (uint32_t)i;
	return 0;
}

/* Let go of the first @n pages of a batch. Those that have an address by now
 * are taken off as by an unpin. */
static void undo(struct dma_space *space, const struct batch *b, size_t n)
{
	struct dma_pins *pins = space->pins;

	for (size_t i = n; i--;) {
		struct dma_pin *pin = dma_pin_table_find(
			&pins->table, dma_pin_key(b->iovas[i], b->prot));
		uint32_t range;

		if (!pin || --pin->refs) /* NULL: it was revoked meanwhile */
			continue;
		range = pin->range;
		if (pin->addr != DMA_PIN_NO_ADDR) {
			dma_pin_take_off(space, pin);
			continue;
		}
		dma_pin_table_remove(&pins->table, pin);
		dma_range_drop(space, range, 1);
	}
	dma_removals_flush(space);
}

static int take_pages(struct dma_space *space, struct batch *b)
{
	struct dma_pins *pins = space->pins;
	int err = 0;
	size_t i;

	dma_enter();
	for (i = 0; i < b->n; i++) {
		if (i && !(i % DMA_PIN_BATCH)) { /* let unmaps in */
			dma_leave();
			dma_enter();
		}
		if (i + DMA_PIN_AHEAD < b->n)
			dma_pin_table_prefetch(
				&pins->table,
				dma_pin_key(b->iovas[i + DMA_PIN_AHEAD],
					    b->prot));
		err = take_page(space, b, i);
		if (err)
			break;
	}
	dma_leave();
	if (err)
		undo(space, b, i);
	b->moves = pins->table.moves;
	return err;
}

static int charge(struct dma_pins *pins, uint64_t bytes)
{
	int err;

	if (pins->bytes > pins->limit || bytes > pins->limit - pins->bytes)
		return -ENOSPC;
	err = dma_budget_charge(pins->budget, bytes);
	if (!err)
		pins->bytes += bytes;
	return err;
}

/* What is mapped already, and will be unmapped: it counts until then. */
static void charge_anyway(struct dma_pins *pins, uint64_t bytes)
{
	if (pins->budget)
		atomic_fetch_add(&pins->budget->used, bytes);
	pins->bytes += bytes;
}

static void fill_in(const struct batch *b, uint64_t *ret_addrs)
{
	for (size_t i = 0; i < b->n; i++)
		ret_addrs[i] = b->pins[i]->addr;
}

static int check(size_t n, unsigned prot)
{
	if (!prot || prot & ~(DMA_PROT_READ | DMA_PROT_WRITE) ||
	    n > DMA_MAX_PIN_PAGES)
		return -EINVAL;
	return 0;
}

/* Room for all that may follow, so that nothing else can fail. */
static int reserve(struct dma_pins *pins, size_t n)
{
	int err = dma_pin_table_reserve(&pins->table, n);

	return err ? err : dma_removals_reserve(pins, n);
}

/* ------------------------------------------------------------------ */
/* At once                                                             */
/* ------------------------------------------------------------------ */

static int map(struct dma_space *space, struct batch *b)
{
	struct dma_pins *pins = space->pins;
	const struct vgpu_iommu_ops *ops = pins->iommu->ops;
	unsigned n = (unsigned)b->n_fresh;
	int64_t bytes;
	int err;

	if (!n)
		return 0;
	bytes = ops->map(pins->iommu, b->pages, n, b->prot, b->addrs);
	if (bytes < 0)
		return (int)bytes;
	/* Only the backend knows what it takes: it may hold more than pages. */
	err = charge(pins, (uint64_t)bytes);
	if (err)
		ops->unmap(pins->iommu, b->addrs, n);
	return err;
}

static int pin(struct dma_space *space, struct batch *b, uint64_t *ret_addrs)
{
	struct dma_pins *pins = space->pins;
	int err;

	if (!pins->iommu)
		return -ENODEV;
	err = reserve(pins, b->n);
	if (err)
		return err;
	err = take_pages(space, b);
	if (err)
		return err;
	err = map(space, b);
	if (err) {
		undo(space, b, b->n);
		return err;
	}
	for (size_t i = 0; i < b->n_fresh; i++)
		b->pins[b->fresh[i]]->addr = b->addrs[i];
	fill_in(b, ret_addrs);
	return 0;
}

int dma_space_pin(struct dma_space *space, const uint64_t *iovas, size_t n,
		  unsigned prot, uint64_t *ret_addrs)
{
	struct dma_pins *pins = space->pins;
	struct batch b;
	int err = check(n, prot);

	if (!err && pins->async)
		err = -EWOULDBLOCK;
	if (err || !n)
		return err;
	err = batch_init(&b, iovas, n, prot);
	if (err)
		return err;
	pthread_mutex_lock(&pins->lock);
	err = pin(space, &b, ret_addrs);
	pthread_mutex_unlock(&pins->lock);
	free(b.pages);
	return err;
}

/* ------------------------------------------------------------------ */
/* In its time                                                         */
/* ------------------------------------------------------------------ */

struct dma_pin_request {
	struct list link;
	struct dma_space *space;
	struct batch batch;
	uint64_t *ret_addrs;
	dma_copied_fn done; /* NULL: nobody waits for it any more */
	void *user;
	bool begun;
	struct vgpu_iommu_request req;
	uint64_t iovas[]; /* the caller's are his again when he cancels */
};

static struct dma_pin_request *first(const struct dma_pins *pins)
{
	return list_empty(&pins->requests)
		       ? NULL
		       : list_entry(pins->requests.next,
				    struct dma_pin_request, link);
}

static void request_free(struct dma_pins *pins, struct dma_pin_request *r)
{
	list_remove(&r->link);
	pins->n_requests--;
	free(r->batch.pages);
	free(r);
}

/* The pages, by now: others may have moved in the table meanwhile. Return: are
 * all of them still to be pinned? Not where a range is on its way out. */
static bool look_again(struct dma_space *space, struct batch *b)
{
	struct dma_pin_table *t = &space->pins->table;
	bool moved = t->moves != b->moves, going = !list_empty(&space->unmaps);
	bool whole = true;

	for (size_t i = 0; (moved || going) && i < b->n; i++) {
		struct dma_pin *p = b->pins[i];

		if (moved)
			p = dma_pin_table_find(
				t, dma_pin_key(b->iovas[i], b->prot));
		b->pins[i] = p;
		if (!p || atomic_load(&space->local[p->range].refs) &
				  DMA_REFS_DYING)
			whole = false;
	}
	return whole;
}

/* The backend's answer. Return: 0 or what becomes of the request. */
static int settle(struct dma_space *space, struct dma_pin_request *r,
		  int64_t bytes)
{
	struct dma_pins *pins = space->pins;
	struct batch *b = &r->batch;
	bool whole = look_again(space, b);
	int err = 0;

	if (bytes < 0) {
		undo(space, b, b->n);
		return (int)bytes;
	}
	for (size_t i = 0; i < b->n_fresh; i++)
		b->pins[b->fresh[i]]->addr = b->addrs[i];
	err = charge(pins, (uint64_t)bytes);
	if (err)
		charge_anyway(pins, (uint64_t)bytes);
	if (!err && !whole)
		err = -EFAULT;
	if (err || !r->done) {
		undo(space, b, b->n);
		return err;
	}
	fill_in(b, r->ret_addrs);
	return 0;
}

static void on_mapped(struct vgpu_iommu_request *req, int64_t bytes)
{
	struct dma_pin_request *r =
		vgpu_container_of(req, struct dma_pin_request, req);
	struct dma_space *space = r->space;
	struct dma_pins *pins = space->pins;
	dma_copied_fn done;
	void *user;
	int err;

	pthread_mutex_lock(&pins->lock);
	err = settle(space, r, bytes);
	pthread_mutex_unlock(&pins->lock);
	done = r->done;
	user = r->user;
	request_free(pins, r);
	if (done)
		done(err, user);
	dma_pin_requests_advance(space);
}

/* The first one in the queue. What was unpinned before it goes first: its room
 * may be needed. Return: 0: it is over; -EINPROGRESS; or why not. */
static int begin(struct dma_space *space, struct dma_pin_request *r)
{
	struct dma_pins *pins = space->pins;
	struct batch *b = &r->batch;
	int64_t bytes = 0;
	int err;

	if (!list_empty(&pins->waiting))
		return -EINPROGRESS;
	r->begun = true;
	err = reserve(pins, b->n);
	if (!err)
		err = take_pages(space, b);
	if (err)
		return err;
	if (b->n_fresh) {
		r->req = (struct vgpu_iommu_request){
			.pages = b->pages,
			.addrs = b->addrs,
			.n = (uint32_t)b->n_fresh,
			.prot = b->prot,
			.done = on_mapped,
		};
		bytes = pins->iommu->ops->submit_map(pins->iommu, &r->req);
	}
	return bytes == -EINPROGRESS ? -EINPROGRESS
				     : settle(space, r, bytes);
}

static int begin_locked(struct dma_space *space, struct dma_pin_request *r)
{
	struct dma_pins *pins = space->pins;
	int err;

	pthread_mutex_lock(&pins->lock);
	err = begin(space, r);
	pthread_mutex_unlock(&pins->lock);
	return err;
}

void dma_pin_requests_advance(struct dma_space *space)
{
	struct dma_pins *pins = space->pins;
	struct dma_pin_request *r;

	while ((r = first(pins)) && !r->begun) {
		int err = begin_locked(space, r);
		dma_copied_fn done = r->done;
		void *user = r->user;

		if (err == -EINPROGRESS)
			return;
		request_free(pins, r);
		done(err, user);
	}
}

int dma_space_pin_async(struct dma_space *space, const uint64_t *iovas,
			size_t n, unsigned prot, uint64_t *ret_addrs,
			dma_copied_fn done, void *user)
{
	struct dma_pins *pins = space->pins;
	struct dma_pin_request *r;
	int err = check(n, prot);

	if (!pins->async)
		return dma_space_pin(space, iovas, n, prot, ret_addrs);
	if (err || !n)
		return err;
	if (pins->n_requests == DMA_MAX_PIN_REQUESTS)
		return -EBUSY;
	r = calloc(1, sizeof(*r) + n * sizeof(*iovas));
	if (!r)
		return -ENOMEM;
	memcpy(r->iovas, iovas, n * sizeof(*iovas));
	err = batch_init(&r->batch, r->iovas, n, prot);
	if (err) {
		free(r);
		return err;
	}
	r->space = space;
	r->ret_addrs = ret_addrs;
	r->done = done;
	r->user = user;
	list_insert(&pins->requests, &r->link);
	pins->n_requests++;
	if (first(pins) != r)
		return -EINPROGRESS;
	err = begin_locked(space, r);
	if (err != -EINPROGRESS)
		request_free(pins, r);
	return err;
}

/* What is under way ends when the backend answers, and is taken back then. */
void dma_space_pin_cancel(struct dma_space *space, dma_copied_match_fn match,
			  void *user)
{
	struct dma_pins *pins = space->pins;
	bool any;

	do {
		any = false;
		list_for_each(n, &pins->requests) {
			struct dma_pin_request *r =
				list_entry(n, struct dma_pin_request, link);
			dma_copied_fn done = r->done;
			void *whose = r->user;

			if (!done || !match(whose, user))
				continue;
			r->done = NULL;
			if (!r->begun)
				request_free(pins, r);
			done(-ECANCELED, whose);
			any = true; /* it may have asked for more */
			break;
		}
	} while (any);
}

/* The space goes, and with it all that its pages hold. */
void dma_pin_requests_abandon(struct dma_space *space)
{
	struct dma_pins *pins = space->pins;
	struct dma_pin_request *r;

	while ((r = first(pins))) {
		pthread_mutex_lock(&pins->lock);
		if (r->begun) {
			pins->iommu->ops->withdraw(pins->iommu, &r->req);
			undo(space, &r->batch, r->batch.n);
		}
		pthread_mutex_unlock(&pins->lock);
		request_free(pins, r);
	}
}
