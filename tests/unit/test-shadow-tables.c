/* SPDX-License-Identifier: MIT */
/*
 * src/shadow with a format of its own: four levels, as a CPU's, with large
 * pages at two of them. The "hardware" is an array that put() writes, and no
 * page may be in it that is not pinned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/shadow.h>

#define PAGE	  4096ull
#define RAM_PAGES 8192u
#define LOCAL	  1024u	     /* pages of the device's own memory */
#define SEEN	  (4u << 18) /* pages of addresses that are looked at: 4 GiB */
#define BUS	  (1ull << 44)

#define P 1ull /* present */
#define W 2ull
#define L 4ull /* large */
#define D 8ull /* in the device's memory */

/* 4 x 9 bits; bit 62 is reserved */
static void decode(uint64_t e, int level, struct vgpu_shadow_target *t)
{
	bool page = level == 3 || (level > 0 && (e & L));

	*t = (struct vgpu_shadow_target){ 0 };
	if (!(e & P))
		return;
	t->kind = e >> 62 ? VGPU_SHADOW_BAD
		  : page  ? VGPU_SHADOW_PAGE
			  : VGPU_SHADOW_TABLE;
	t->addr = e & 0xfffffffff000ull;
	t->local = !!(e & D);
	t->prot = VGPU_DMA_READ | (e & W ? VGPU_DMA_WRITE : 0);
}

static const struct vgpu_shadow_format format = {
	.n_levels = 4,
	.shift = { 39, 30, 21, 12 },
	.entries = { 512, 512, 512, 512 },
	.decode = decode,
};

struct world {
	struct vgpu_shadow_pool *pool;
	struct vgpu_shadow *shadow;
	uint64_t *ram;	 /* RAM_PAGES */
	uint64_t *local; /* LOCAL pages */
	bool gone[RAM_PAGES];
	unsigned pins[RAM_PAGES];
	unsigned n_pins, limit, pin_calls, puts;
	uint64_t *hw; /* SEEN: address, or 0; bit 0: W, bit 1: local */
	int sections;
	uint64_t fence;
	struct vgpu_shadow_watch watches; /* of the tracker that is told */
	bool told;
};

static void enter(void *user)
{
	((struct world *)user)->sections++;
}

static void leave(void *user)
{
	((struct world *)user)->sections--;
}

static const void *ptr(void *user, uint64_t addr, bool local, size_t len,
		       unsigned prot)
{
	struct world *w = user;
	uint64_t size = local ? LOCAL * PAGE : RAM_PAGES * PAGE;

	assert_int_equal(w->sections, 1);
	assert_true(len <= PAGE && addr % PAGE + len <= PAGE);
	if (addr > size - len || (!local && w->gone[addr / PAGE]))
		return NULL;
	return (char *)(local ? w->local : w->ram) + addr;
}

static int pin(void *user, const uint64_t *iovas, unsigned n, unsigned prot,
	       uint64_t *ret_addrs)
{
	struct world *w = user;

	assert_int_equal(w->sections, 0);
	w->pin_calls++;
	if (w->limit && w->n_pins + n > w->limit)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++)
		if (iovas[i] / PAGE >= RAM_PAGES || w->gone[iovas[i] / PAGE])
			return -EFAULT;
	for (unsigned i = 0; i < n; i++) {
		w->pins[iovas[i] / PAGE]++;
		ret_addrs[i] = BUS + iovas[i];
	}
	w->n_pins += n;
	return 0;
}

static void unpin(void *user, const uint64_t *iovas, unsigned n, unsigned prot)
{
	struct world *w = user;

	for (unsigned i = 0; i < n; i++) {
		assert_true(w->pins[iovas[i] / PAGE] > 0);
		w->pins[iovas[i] / PAGE]--;
	}
	w->n_pins -= n;
}

static void put(void *user, uint64_t va, uint64_t n, uint64_t addr, bool local,
		unsigned prot)
{
	struct world *w = user;

	w->puts++;
	for (uint64_t i = 0; i < n && va / PAGE + i < SEEN; i++) {
		uint64_t *e = &w->hw[va / PAGE + i];

		*e = 0;
		if (!prot)
			continue;
		*e = (addr + i * PAGE) | (prot & VGPU_DMA_WRITE ? 1 : 0) |
		     (local ? 2 : 0);
		if (!local)
			assert_true(w->pins[(addr - BUS) / PAGE + i] > 0);
	}
}

static uint64_t fence(void *user)
{
	return ++((struct world *)user)->fence;
}

static const struct vgpu_shadow_ops ops = {
	.enter = enter,
	.leave = leave,
	.ptr = ptr,
	.pin = pin,
	.unpin = unpin,
	.put = put,
	.fence = fence,
};

/* Pages of RAM that are tables */
enum { ROOT = 1, L1, L2, L3, L3B, DATA = 64 };

static uint64_t *entry(struct world *w, unsigned page, unsigned i)
{
	return w->ram + page * 512 + i;
}

static void notice(struct world *w, unsigned page);

static void set(struct world *w, unsigned page, unsigned i, uint64_t e)
{
	*entry(w, page, i) = e;
	if (w->told)
		notice(w, page);
}

/* ------------------------------------------------------------------ */
/* Another tracker: one whom somebody tells which tables are written, as a VMM
 */
/* that write-protects them could. Heat: it was written to.             */
/* ------------------------------------------------------------------ */

static struct world *told_world(struct vgpu_shadow_tracker *tracker)
{
	return (struct world *)(void *)tracker;
}

static int told_open(void *user, struct vgpu_shadow_tracker **ret_tracker)
{
	struct world *w = user;

	w->told = true;
	w->watches.prev = w->watches.next = &w->watches;
	*ret_tracker = (struct vgpu_shadow_tracker *)(void *)w;
	return 0;
}

static void told_close(struct vgpu_shadow_tracker *tracker)
{
	struct world *w = told_world(tracker);

	assert_ptr_equal(w->watches.next, &w->watches);
}

static void told_add(struct vgpu_shadow_tracker *tracker,
		     struct vgpu_shadow_watch *watch)
{
	struct vgpu_shadow_watch *head = &told_world(tracker)->watches;

	watch->heat = 0;
	watch->prev = head;
	watch->next = head->next;
	head->next->prev = watch;
	head->next = watch;
}

static void told_remove(struct vgpu_shadow_tracker *tracker,
			struct vgpu_shadow_watch *watch)
{
	(void)tracker;
	watch->prev->next = watch->next;
	watch->next->prev = watch->prev;
}

static void told_compared(struct vgpu_shadow_tracker *tracker,
			  struct vgpu_shadow_watch *watch, unsigned changed)
{
	(void)tracker;
	(void)changed;
	watch->heat = 0;
}

static void told_suspects(struct vgpu_shadow_tracker *tracker,
			  void (*found)(struct vgpu_shadow_watch *watch,
					void *user),
			  void *user)
{
	struct vgpu_shadow_watch *head = &told_world(tracker)->watches;

	for (struct vgpu_shadow_watch *i = head->next; i != head; i = i->next)
		if (i->heat)
			found(i, user);
}

static void notice(struct world *w, unsigned page)
{
	for (struct vgpu_shadow_watch *i = w->watches.next; i != &w->watches;
	     i = i->next)
		if (!i->local && i->addr == page * PAGE)
			i->heat = 1;
}

static const struct vgpu_shadow_tracker_ops told = {
	.name = "told",
	.open = told_open,
	.close = told_close,
	.add = told_add,
	.remove = told_remove,
	.compared = told_compared,
	.suspects = told_suspects,
};

static struct world *world(unsigned max_tables,
			   const struct vgpu_shadow_tracker_ops *tracker)
{
	struct world *w = calloc(1, sizeof(*w));
	struct vgpu_shadow_config config = {
		.max_tables = max_tables,
		.format = &format,
		.ops = &ops,
		.user = w,
		.tracker = tracker,
		.tracker_user = w,
	};

	assert_non_null(w);
	w->ram = calloc(RAM_PAGES, PAGE);
	w->local = calloc(LOCAL, PAGE);
	w->hw = calloc(SEEN, 8);
	assert_true(w->ram && w->local && w->hw);
	set(w, ROOT, 0, L1 * PAGE | P);
	set(w, L1, 0, L2 * PAGE | P);
	set(w, L2, 0, L3 * PAGE | P);
	assert_int_equal(vgpu_shadow_pool_new(&config, &w->pool), 0);
	assert_int_equal(
		vgpu_shadow_new(w->pool, ROOT * PAGE | P, w, &w->shadow), 0);
	return w;
}

static int setup_small(void **state)
{
	*state = world(64, NULL);
	return 0;
}

static int setup(void **state)
{
	*state = world(2048, NULL);
	return 0;
}

static int setup_told(void **state)
{
	*state = world(2048, &told);
	return 0;
}

static void reap(struct world *w)
{
	while (vgpu_shadow_reap(w->pool, w->fence, 100))
		;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vgpu_shadow_free(w->shadow);
	vgpu_shadow_pool_free(w->pool);
	assert_int_equal(w->n_pins, 0);
	free(w->ram);
	free(w->local);
	free(w->hw);
	free(w);
	return 0;
}

static void sync_all(struct world *w)
{
	for (unsigned i = 0; vgpu_shadow_sync(w->shadow, 64); i++)
		assert_true(i < 100000);
}

static void look(struct world *w)
{
	vgpu_shadow_suspect(w->shadow);
	sync_all(w);
}

static struct vgpu_shadow_stats stats(struct world *w)
{
	struct vgpu_shadow_stats s;

	vgpu_shadow_get_stats(w->pool, &s);
	return s;
}

/* What the hardware has is what the tables say. */
static void check(struct world *w, uint64_t va, uint64_t expected)
{
	assert_int_equal(w->hw[va / PAGE], expected);
}

/* ------------------------------------------------------------------ */

static void tables_are_followed(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 512; i++)
		set(w, L3, i, (DATA + i) * PAGE | P | (i & 1 ? W : 0));
	set(w, L3, 7, 5 * PAGE | P | W | D);
	set(w, L3, 8, 2000 * PAGE | P | W | D); /* not there */
	set(w, L3, 9, RAM_PAGES * PAGE | P);	/* neither */
	set(w, L3, 10, DATA * PAGE | P | 1ull << 62);
	look(w);
	for (unsigned i = 0; i < 512; i++)
		check(w, i * PAGE,
		      i == 7 ? 5 * PAGE | 3
		      : i >= 8 && i <= 10
			      ? 0
			      : (BUS + (DATA + i) * PAGE) | (i & 1));
	assert_int_equal(w->n_pins, 508);
	assert_int_equal(w->pin_calls, 2); /* one for each protection */
	assert_int_equal(stats(w).pages, 509);
	/* Nothing has changed: nothing is done. */
	w->puts = 0;
	look(w);
	assert_int_equal(w->puts, 0);
	/* Bits that are the driver's own are no change. */
	set(w, L3, 3, (DATA + 3) * PAGE | P | W | 1ull << 55);
	vgpu_shadow_invalidate(w->shadow, 0, 0);
	sync_all(w);
	assert_int_equal(w->puts, 0);
	/* One page another one; the old one goes when it is let go of. */
	set(w, L3, 3, DATA * PAGE | P | W);
	vgpu_shadow_invalidate(w->shadow, 3 * PAGE, PAGE);
	sync_all(w);
	check(w, 3 * PAGE, (BUS + DATA * PAGE) | 1);
	assert_int_equal(w->pins[DATA + 3], 1);
	assert_int_equal(vgpu_shadow_reap(w->pool, w->fence - 1, 100), 1);
	assert_int_equal(w->pins[DATA + 3], 1);
	reap(w);
	assert_int_equal(w->pins[DATA + 3], 0);
	/* A whole table goes. */
	set(w, L2, 0, 0);
	vgpu_shadow_invalidate(w->shadow, 0, 1);
	sync_all(w);
	check(w, 0, 0);
	check(w, 511 * PAGE, 0);
	reap(w);
	assert_int_equal(w->n_pins, 0);
}

static void large_pages(void **state)
{
	struct world *w = *state;

	set(w, L2, 1, 1024 * PAGE | P | W | L);
	set(w, L1, 1, P | L | D); /* 1 GiB, of which LOCAL pages are there */
	look(w);
	check(w, 512 * PAGE, (BUS + 1024 * PAGE) | 1);
	check(w, 1023 * PAGE, (BUS + 1535 * PAGE) | 1);
	check(w, 1ull << 30, 2);
	check(w, (1ull << 30) + (LOCAL - 1) * PAGE, (LOCAL - 1) * PAGE | 2);
	check(w, (1ull << 30) + LOCAL * PAGE, 0);
	/* Smaller, then a table */
	set(w, L2, 1, L3B * PAGE | P);
	set(w, L3B, 511, DATA * PAGE | P);
	vgpu_shadow_invalidate(w->shadow, 512 * PAGE, 512 * PAGE);
	sync_all(w);
	reap(w);
	check(w, 512 * PAGE, 0);
	check(w, 1023 * PAGE, BUS + DATA * PAGE);
	assert_int_equal(w->n_pins, 1);
}

static enum vgpu_shadow_fault fault(struct world *w, uint64_t va, unsigned prot)
{
	enum vgpu_shadow_fault why = 99;
	int err;

	for (unsigned i = 0; i < 10; i++) {
		err = vgpu_shadow_fault(w->shadow, va, prot, &why);
		if (err != -EAGAIN)
			break;
		reap(w);
	}
	assert_int_equal(err, 0);
	return why;
}

static void faults_say_whose_they_are(void **state)
{
	struct world *w = *state;

	assert_int_equal(fault(w, 5 * PAGE, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_NONE);
	set(w, L3, 5, DATA * PAGE | P);
	assert_int_equal(fault(w, 5 * PAGE, VGPU_DMA_WRITE),
			 VGPU_SHADOW_FAULT_WRITE);
	assert_int_equal(fault(w, 5 * PAGE, VGPU_DMA_READ), VGPU_SHADOW_OK);
	check(w, 5 * PAGE, BUS + DATA * PAGE);
	set(w, L3, 6, DATA * PAGE | P | 1ull << 62);
	assert_int_equal(fault(w, 6 * PAGE, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_BAD);
	set(w, L3, 6, RAM_PAGES * PAGE | P);
	assert_int_equal(fault(w, 6 * PAGE, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_BUS);
	set(w, L3, 6, LOCAL * PAGE | P | D);
	assert_int_equal(fault(w, 6 * PAGE, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_BAD);
	/* A table that is nowhere */
	set(w, L1, 2, RAM_PAGES * PAGE | P);
	assert_int_equal(fault(w, 2ull << 30, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_BUS);
	set(w, L1, 2, LOCAL * PAGE | P | D);
	assert_int_equal(fault(w, 2ull << 30, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_BAD);
	assert_int_equal(fault(w, 1ull << 48, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_NONE);
	/* It is lost, and comes back. */
	w->gone[L3] = true;
	assert_int_equal(fault(w, 5 * PAGE, VGPU_DMA_READ),
			 VGPU_SHADOW_FAULT_BUS);
	check(w, 5 * PAGE, 0);
	w->gone[L3] = false;
	assert_int_equal(fault(w, 5 * PAGE, VGPU_DMA_READ), VGPU_SHADOW_OK);
}

static void loops_and_crowds_are_bounded(void **state)
{
	struct world *w = *state;

	/* The root is its own child in every place. */
	for (unsigned i = 0; i < 512; i++)
		set(w, ROOT, i, ROOT * PAGE | P);
	look(w);
	assert_true(stats(w).tables <= 64);
	/* As a page, it is one like others: by any way. */
	assert_int_equal(fault(w, (3ull << 39) | (5ull << 30), VGPU_DMA_READ),
			 VGPU_SHADOW_OK);
	assert_int_equal(fault(w, 17 * PAGE, VGPU_DMA_READ), VGPU_SHADOW_OK);
	check(w, 17 * PAGE, BUS + ROOT * PAGE);
	assert_true(stats(w).drops > 0 && stats(w).tables <= 64);
	/* Many places use one table; each is found. */
	set(w, L3, 1, DATA * PAGE | P);
	for (unsigned i = 0; i < 512; i++)
		set(w, L2, i, L3 * PAGE | P);
	set(w, ROOT, 0, L1 * PAGE | P);
	vgpu_shadow_invalidate(w->shadow, 0, 0);
	sync_all(w);
	for (unsigned i = 0; i < 512; i++) {
		assert_int_equal(fault(w, i * 512 * PAGE + PAGE, 1),
				 VGPU_SHADOW_OK);
		check(w, i * 512 * PAGE + PAGE, BUS + DATA * PAGE);
	}
	reap(w);
	assert_true(w->pins[DATA] <= 64);
}

static void limits_of_pins(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 512; i++)
		set(w, L3, i, (DATA + i) * PAGE | P | W);
	w->limit = 100;
	look(w);
	assert_true(w->n_pins > 0 && w->n_pins <= 100);
	for (unsigned i = 0; i < 512; i += 37) {
		assert_int_equal(fault(w, i * PAGE, VGPU_DMA_WRITE),
				 VGPU_SHADOW_OK);
		check(w, i * PAGE, (BUS + (DATA + i) * PAGE) | 1);
		assert_true(w->n_pins <= 100);
	}
	/* Not even one */
	vgpu_shadow_clear(w->shadow);
	reap(w);
	assert_int_equal(w->n_pins, 0);
	w->n_pins = 100;
	enum vgpu_shadow_fault why;
	int err = vgpu_shadow_fault(w->shadow, 0, VGPU_DMA_READ, &why);

	if (err == -EAGAIN) {
		reap(w);
		err = vgpu_shadow_fault(w->shadow, 0, VGPU_DMA_READ, &why);
	}
	assert_int_equal(err, -ENOSPC);
	w->n_pins = 0;
}

static void memory_that_is_taken_back(void **state)
{
	struct world *w = *state;
	uint64_t f = 0;

	for (unsigned i = 0; i < 512; i++)
		set(w, L3, i, (DATA + i % 256) * PAGE | P);
	set(w, L2, 1, 512 * PAGE | P | L);
	look(w);
	assert_int_equal(w->pins[DATA + 9], 2);
	assert_int_equal(
		vgpu_shadow_unmap(w->pool, (DATA + 8) * PAGE, 3 * PAGE, &f), 1);
	assert_int_equal(f, w->fence);
	check(w, 9 * PAGE, 0);
	check(w, 265 * PAGE, 0);
	check(w, 11 * PAGE, BUS + (DATA + 11) * PAGE);
	assert_int_equal(vgpu_shadow_reap(w->pool, f - 1, 1000), 6);
	assert_int_equal(vgpu_shadow_reap(w->pool, f, 1000), 0);
	assert_int_equal(w->pins[DATA + 9], 0);
	/* Of a large page, and all there is */
	assert_int_equal(vgpu_shadow_unmap(w->pool, 600 * PAGE, PAGE, &f), 1);
	check(w, (512 + 88) * PAGE, 0);
	check(w, (512 + 89) * PAGE, BUS + 601 * PAGE);
	reap(w);
	assert_int_equal(vgpu_shadow_unmap(w->pool, 600 * PAGE, PAGE, &f), 0);
	vgpu_shadow_unmap(w->pool, 0, RAM_PAGES * PAGE, &f);
	reap(w);
	assert_int_equal(w->n_pins, 0);
	/* It comes back, if it is used. */
	assert_int_equal(fault(w, 9 * PAGE, VGPU_DMA_READ), VGPU_SHADOW_OK);
}

/* Tables full of anything, changed at random: the hardware never has what the
 * tables don't say, once they were invalidated. */
static void anything_goes(void **state)
{
	struct world *w = *state;
	uint64_t seed = 88172645463325252ull;
	struct vgpu_shadow_target t;

	for (unsigned round = 0; round < 400; round++) {
		for (unsigned k = 0; k < 200; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			set(w, ROOT + seed % 6, seed >> 8 & 511,
			    ((seed >> 20) % 80) * PAGE |
				    (seed >> 40 & (P | W | L | D)) |
				    ((seed >> 50) % 50 ? 0 : 1ull << 62));
		}
		w->gone[DATA + round % 16] ^= 1;
		if (w->gone[DATA + round % 16]) {
			uint64_t f;

			vgpu_shadow_unmap(w->pool, (DATA + round % 16) * PAGE,
					  PAGE, &f);
			reap(w);
			assert_int_equal(w->pins[DATA + round % 16], 0);
		}
		vgpu_shadow_invalidate(w->shadow, 0, 0);
		sync_all(w);
		reap(w);
		for (unsigned k = 0; k < 2000; k++) {
			uint64_t va = (seed + k * 0x9e3779b97f4a7c15ull) %
				      (SEEN * PAGE);
			enum vgpu_shadow_fault why;

			enter(w);
			why = vgpu_shadow_walk(w->pool, ROOT * PAGE | P, va, 0,
					       &t);
			leave(w);
			if (!w->hw[va / PAGE])
				continue;
			assert_int_equal(why, VGPU_SHADOW_OK);
			assert_int_equal(w->hw[va / PAGE] & ~3ull & ~(PAGE - 1),
					 ((t.local ? 0 : BUS) + t.addr) &
						 ~(PAGE - 1));
		}
		if (!(round % 50))
			vgpu_shadow_clear(w->shadow);
		if (!(round % 7)) /* as a job would */
			for (unsigned k = 0; k < 20; k++)
				fault(w, (seed >> k) % (SEEN * PAGE), 1);
	}
}

/* A page is another one, and then its whole table is gone, all in one look:
 * what the hardware had there before it is gone, too. */
static void a_page_changes_and_its_table_goes(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 4; i++)
		set(w, L3, i, (DATA + i) * PAGE | P | W);
	look(w);
	check(w, 2 * PAGE, (BUS + (DATA + 2) * PAGE) | 1);
	for (unsigned i = 0; i < 4; i++)
		set(w, L3, i, (DATA + 9 - i) * PAGE | P | W);
	set(w, L2, 0, 0);
	look(w); /* at the last level first */
	for (unsigned i = 0; i < 4; i++)
		check(w, i * PAGE, 0);
	reap(w);
	assert_int_equal(w->n_pins, 0);
}

#define MANY 100u /* tables, more than the other tracker suspects at once */

/* Nothing is compared but what was written, and all of that: no invalidate is
 * needed, and no fault. */
static void a_tracker_that_is_told(void **state)
{
	struct world *w = *state;
	uint64_t seed = 2463534242u, before, entries[MANY] = { 0 };

	for (unsigned t = 0; t < MANY; t++)
		set(w, L2, t, (RAM_PAGES - 1 - t) * PAGE | P);
	look(w);
	before = stats(w).compares;
	look(w);
	assert_int_equal(stats(w).compares, before);
	for (unsigned round = 0; round < 50; round++) {
		unsigned written = 0;

		for (unsigned t = 0; t < MANY; t++) {
			seed = seed * 6364136223846793005ull + 1;
			if (seed >> 62)
				continue;
			entries[t] =
				seed >> 61 & 1
					? (DATA + (seed >> 40) % 1000) * PAGE |
						  P | W
					: 0;
			set(w, RAM_PAGES - 1 - t, 17, entries[t]);
			written++;
		}
		before = stats(w).compares;
		look(w);
		assert_int_equal(stats(w).compares, before + written);
		for (unsigned t = 0; t < MANY; t++)
			check(w, (t * 512ull + 17) * PAGE,
			      entries[t]
				      ? (BUS + (entries[t] & ~(PAGE - 1))) | 1
				      : 0);
		reap(w);
	}
	assert_int_equal(stats(w).faults, 0);
}

static void formats_are_checked(void **state)
{
	struct vgpu_shadow_format bad = format;
	struct vgpu_shadow_config config = {
		.max_tables = 4,
		.format = &bad,
		.ops = &ops,
	};
	struct vgpu_shadow_ops no_ops = ops;
	struct vgpu_shadow_pool *pool;

	bad.shift[3] = 13;
	assert_int_equal(vgpu_shadow_pool_new(&config, &pool), -EINVAL);
	bad = format;
	bad.entries[1] = 256;
	assert_int_equal(vgpu_shadow_pool_new(&config, &pool), -EINVAL);
	bad = format;
	config.max_tables = 3;
	assert_int_equal(vgpu_shadow_pool_new(&config, &pool), -EINVAL);
	config.max_tables = 4;
	config.ops = &no_ops;
	no_ops.leave = NULL;
	assert_int_equal(vgpu_shadow_pool_new(&config, &pool), -EINVAL);
	no_ops.enter = NULL;
	assert_int_equal(vgpu_shadow_pool_new(&config, &pool), 0);
	vgpu_shadow_pool_free(pool);
	vgpu_shadow_pool_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#define TOLD(f) cmocka_unit_test_setup_teardown(f, setup_told, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tables_are_followed),
		TEST(large_pages),
		TEST(faults_say_whose_they_are),
		cmocka_unit_test_setup_teardown(loops_and_crowds_are_bounded,
						setup_small, teardown),
		cmocka_unit_test_setup_teardown(anything_goes, setup_small,
						teardown),
		TEST(limits_of_pins),
		TEST(memory_that_is_taken_back),
		TEST(anything_goes),
		TOLD(a_page_changes_and_its_table_goes),
		TOLD(a_tracker_that_is_told),
		TOLD(tables_are_followed),
		TOLD(large_pages),
		TOLD(anything_goes),
		cmocka_unit_test(formats_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
