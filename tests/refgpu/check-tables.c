/* SPDX-License-Identifier: MIT */
/*
 * Page tables that mean harm. What becomes of them is what the reference says,
 * on a vGPU as on the model.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "check-hostile.h"

/* A context with a page that is mapped at the start of the user's half, so
 * that there are tables to spoil. */
struct victim {
	struct vgpu_rg_context *ctx;
	struct mem page, tables;
	uint64_t *root, *entry;
	struct vgpu_rg_stream s;
};

#define VA VGPU_RG_VA_USER

static void set_up(struct victim *v, struct vgpu_rg_device *dev)
{
	memset(v, 0, sizeof(*v));
	MUST(vgpu_rg_context_new(dev, NULL, &v->ctx));
	v->page = mem_new(v->ctx, 8192, VGPU_RG_VRAM, RW);
	v->tables = mem_new(v->ctx, 16 << 10, VGPU_RG_VRAM, RW);
	MUST(vgpu_rg_map_at(v->ctx, VA, v->page.buf, 0, 4096,
			    RW | VGPU_RG_SMALL));
	v->root = vgpu_rg_root(v->ctx);
	v->entry = vgpu_rg_entry(v->ctx, VA);
}

static void tear_down(struct victim *v)
{
	vgpu_rg_context_free(v->ctx);
	vgpu_rg_buffer_free(v->page.buf);
	vgpu_rg_buffer_free(v->tables.buf);
	vgpu_rg_stream_free(&v->s);
}

static void set(uint64_t *entry, uint64_t pte)
{
	__atomic_store_n(entry, pte, __ATOMIC_RELEASE);
}

#define PAGE_PTE (REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE)

static void read_at(struct victim *v, uint64_t va)
{
	vgpu_rg_copy(&v->s, v->page.va, va, 64);
}

static void write_at(struct victim *v, uint64_t va)
{
	vgpu_rg_fill(&v->s, va, 64, 0xbad);
}

/* Replace the entry, and see that a read and a write both fault so. */
static void entry_faults(struct victim *v, uint64_t pte, uint32_t fault)
{
	set(v->entry, pte);
	MUST(vgpu_rg_invalidate(v->ctx, VA, 1));
	write_at(v, VA);
	expect_fault(v->ctx, &v->s, fault, VA);
	read_at(v, VA);
	expect_fault(v->ctx, &v->s, fault, VA);
}

void hostile_outside(struct vgpu_rg_device *dev)
{
	uint64_t size = vgpu_rg_info(dev).vram_size;
	static const uint64_t bus[] = { 0, 0x1000, 0xfee00000, 1ull << 45 };
	struct victim v;

	set_up(&v, dev);
	entry_faults(&v, size | PAGE_PTE, REFGPU_FAULT_RESERVED);
	entry_faults(&v, 2 * size | PAGE_PTE, REFGPU_FAULT_RESERVED);
	entry_faults(&v, (REFGPU_PTE_ADDR & ~0xfffull) | PAGE_PTE,
		     REFGPU_FAULT_RESERVED);
	entry_faults(&v, 1ull << 63 | PAGE_PTE, REFGPU_FAULT_RESERVED);
	entry_faults(&v, REFGPU_PTE_HUGE | PAGE_PTE, REFGPU_FAULT_RESERVED);
	for (unsigned i = 0; i < 4; i++)
		entry_faults(&v, bus[i] | REFGPU_PTE_SYSTEM | PAGE_PTE,
			     REFGPU_FAULT_BUS);
	/* Whole tables there, and the root */
	for (unsigned i = 0; i < 2; i++) {
		uint64_t where = i ? bus[3] | REFGPU_PTE_SYSTEM : size;
		uint32_t fault = i ? REFGPU_FAULT_BUS : REFGPU_FAULT_RESERVED;
		uint64_t old = v.root[VA >> REFGPU_ROOT_SHIFT];

		set(&v.root[VA >> REFGPU_ROOT_SHIFT], where | REFGPU_PTE_VALID);
		MUST(vgpu_rg_invalidate(v.ctx, 0, 0));
		write_at(&v, VA);
		expect_fault(v.ctx, &v.s, fault, VA);
		set(&v.root[VA >> REFGPU_ROOT_SHIFT], old);
	}
	set(v.entry, vgpu_rg_buffer_addr(v.page.buf) | PAGE_PTE);
	MUST(vgpu_rg_invalidate(v.ctx, 0, 0));
	write_at(&v, VA);
	run(v.ctx, &v.s);
	CHECK(*(uint32_t *)v.page.p == 0xbad);
	tear_down(&v);
}

/* The entry with which the root names a table */
static uint64_t named(struct victim *v, uint64_t va)
{
	return v->root[va >> REFGPU_ROOT_SHIFT];
}

void hostile_loops(struct vgpu_rg_device *dev)
{
	uint64_t self, loop = VA + (100ull << 30);
	struct victim v;
	uint64_t *t;

	set_up(&v, dev);
	t = v.tables.p;
	self = vgpu_rg_buffer_addr(v.tables.buf) | REFGPU_PTE_VALID;
	/* A table that is its own next level, everywhere: its entries are
	 * tables' ones, which neither may be read nor written. */
	for (unsigned i = 0; i < REFGPU_ENTRIES; i++)
		t[i] = self;
	set(&v.root[loop >> REFGPU_ROOT_SHIFT], self);
	read_at(&v, loop);
	expect_fault(v.ctx, &v.s, REFGPU_FAULT_READ, loop);
	write_at(&v, loop + 12345678 * 64);
	expect_fault(v.ctx, &v.s, REFGPU_FAULT_WRITE,
		     (loop + 12345678 * 64) & ~4095ull);
	/* One that is a page of itself, too: it may be written, and so the
	 * commands write the table through which they write. */
	for (unsigned i = 0; i < REFGPU_ENTRIES; i++)
		t[i] = i & 1 ? self | PAGE_PTE : self;
	MUST(vgpu_rg_invalidate(v.ctx, 0, 0));
	for (unsigned i = 0; i < 50; i++) {
		vgpu_rg_fill(&v.s, loop + 4096, 4096, i * 0x01010101);
		calm_down(v.ctx, try_run(v.ctx, &v.s));
		vgpu_rg_copy(&v.s, loop + 4096, v.page.va, 4096);
		calm_down(v.ctx, try_run(v.ctx, &v.s));
		for (unsigned k = 0; k < REFGPU_ENTRIES; k++)
			set(&t[k], k & 1 ? self | PAGE_PTE : self);
	}
	/* The root as a table of tables: a mapping of what is mapped */
	set(&v.root[loop >> REFGPU_ROOT_SHIFT], named(&v, VA));
	MUST(vgpu_rg_invalidate(v.ctx, 0, 0));
	write_at(&v, loop);
	run(v.ctx, &v.s);
	tear_down(&v);
}

/* All of 2^40 bytes are mapped, by one table of each level. */
void hostile_fan(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;
	struct mem m, page;
	uint64_t *mid, *leaf, addr, seed = 1;
	uint64_t *root;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	m = mem_new(ctx, 8192, VGPU_RG_VRAM, RW);
	page = mem_new(ctx, 8192, VGPU_RG_SYSTEM, RW);
	addr = vgpu_rg_buffer_addr(m.buf);
	mid = m.p;
	leaf = mid + REFGPU_ENTRIES;
	for (unsigned i = 0; i < REFGPU_ENTRIES; i++) {
		mid[i] = (addr + 4096) | REFGPU_PTE_VALID;
		leaf[i] = vgpu_rg_buffer_addr(page.buf) | PAGE_PTE |
			  REFGPU_PTE_SYSTEM;
	}
	root = vgpu_rg_root(ctx);
	for (unsigned i = 1; i < REFGPU_ROOT_ENTRIES; i++)
		set(&root[i], addr | REFGPU_PTE_VALID);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < 8; i++)
			vgpu_rg_fill(
				&s,
				((1 + (uint64_t)below(&seed, 1023)) << 30) +
					below(&seed, 1 << 29) * 4096ull %
						(1 << 30),
				64, turn);
		calm_down(ctx, try_run(ctx, &s));
		MUST(vgpu_rg_invalidate(ctx, 0, turn & 1 ? 1000000 : 0));
	}
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(m.buf);
	vgpu_rg_buffer_free(page.buf);
	vgpu_rg_stream_free(&s);
}

/* Commands write the entries that the commands behind them use. */
void hostile_by_command(struct vgpu_rg_device *dev)
{
	uint64_t evil[2] = { vgpu_rg_info(dev).vram_size | PAGE_PTE,
			     1ull << 45 | REFGPU_PTE_SYSTEM | PAGE_PTE };
	static const uint32_t faults[2] = { REFGPU_FAULT_RESERVED,
					    REFGPU_FAULT_BUS };
	struct victim v;
	uint64_t *t, va = VA + (200ull << 30);

	set_up(&v, dev);
	t = v.tables.p; /* a table of each lower level */
	t[0] = (vgpu_rg_buffer_addr(v.tables.buf) + 4096) | REFGPU_PTE_VALID;
	set(&v.root[va >> REFGPU_ROOT_SHIFT],
	    vgpu_rg_buffer_addr(v.tables.buf) | REFGPU_PTE_VALID);
	for (unsigned i = 0; i < 2; i++) {
		t[512] = 0;
		MUST(vgpu_rg_invalidate(v.ctx, 0, 0));
		vgpu_rg_fence(&v.s, v.tables.va + 4096, evil[i]);
		write_at(&v, va);
		expect_fault(v.ctx, &v.s, faults[i], va);
	}
	/* And one that is fine */
	t[512] = 0;
	MUST(vgpu_rg_invalidate(v.ctx, 0, 0));
	vgpu_rg_fence(&v.s, v.tables.va + 4096,
		      vgpu_rg_buffer_addr(v.page.buf) | PAGE_PTE);
	write_at(&v, va);
	run(v.ctx, &v.s);
	CHECK(*(uint32_t *)v.page.p == 0xbad);
	tear_down(&v);
}

/* ---- while they are read ---------------------------------------------- */

struct changer {
	uint64_t *entries;
	const uint64_t *choice;
	unsigned n_choice, n;
	bool stop;
};

static void *change(void *arg)
{
	struct changer *c = arg;
	uint64_t seed = 7;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		uint64_t pte = c->choice[below(&seed, c->n_choice)];

		set(&c->entries[below(&seed, c->n)],
		    below(&seed, 8) ? pte : pte ^ 1ull << below(&seed, 64));
	}
	return NULL;
}

void hostile_changing(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx;
	struct vgpu_rg_stream s = { 0 };
	struct mem own, sys;
	struct changer c = { .n = REFGPU_ENTRIES };
	uint64_t choice[6], va = VA;
	pthread_t thread;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	own = mem_new(ctx, 2 << 20, VGPU_RG_VRAM, RW);
	sys = mem_new(ctx, 2 << 20, VGPU_RG_SYSTEM, RW);
	MUST(vgpu_rg_map_at(ctx, va, own.buf, 0, 2 << 20, RW | VGPU_RG_SMALL));
	c.entries = vgpu_rg_entry(ctx, va);
	c.choice = choice;
	c.n_choice = 6;
	choice[0] = 0;
	choice[1] = vgpu_rg_buffer_addr(own.buf) | PAGE_PTE;
	choice[2] = vgpu_rg_buffer_addr(sys.buf) | PAGE_PTE | REFGPU_PTE_SYSTEM;
	choice[3] = vgpu_rg_info(dev).vram_size | PAGE_PTE;
	choice[4] = 1ull << 45 | PAGE_PTE | REFGPU_PTE_SYSTEM;
	choice[5] = (vgpu_rg_buffer_addr(sys.buf) + 4096) | PAGE_PTE |
		    REFGPU_PTE_SYSTEM;
	CHECK(!pthread_create(&thread, NULL, change, &c));
	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;) {
		for (unsigned i = 0; i < 32; i++)
			vgpu_rg_fill(&s, va + i * 65536, 8192, i);
		vgpu_rg_copy(&s, va, va + (1 << 20), 100000);
		vgpu_rg_inv(&s, va, 512);
		calm_down(ctx, try_run(ctx, &s));
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(own.buf);
	vgpu_rg_buffer_free(sys.buf);
	vgpu_rg_stream_free(&s);
}

/* ---- vast ones --------------------------------------------------------- */

/* The longest that the device has left an access of each kind without answer */
struct patience {
	uint64_t read, invalidate, unmap, end;
};

static void longest(uint64_t *worst, uint64_t start)
{
	uint64_t ns = check_now() - start;

	if (ns > *worst)
		*worst = ns;
}

static uint32_t timed_state(struct vgpu_rg_device *dev,
			    struct vgpu_rg_context *ctx, struct patience *p)
{
	uint64_t start = check_now();
	uint32_t state;

	MUST(vgpu_rg_read(dev,
			  REFGPU_CTX(vgpu_rg_context_id(ctx), REFGPU_CTX_STATE),
			  &state));
	longest(&p->read, start);
	return state;
}

/* 8 million pages, no two of which follow each other, by few tables: all of
 * them are looked at, more than may be pinned. */
static void spread(struct vgpu_rg_context *ctx, const struct mem *tables,
		   const struct mem *pages)
{
	uint64_t addr = vgpu_rg_buffer_addr(tables->buf), *t = tables->p;
	unsigned n_pages = (unsigned)(pages->size / 4096);
	unsigned n_leaves = (unsigned)(tables->size / 4096) - 1;
	uint64_t *root = vgpu_rg_root(ctx);

	for (unsigned i = 0; i < REFGPU_ENTRIES; i++)
		t[i] = (addr + 4096 + i % n_leaves * 4096ull) |
		       REFGPU_PTE_VALID;
	for (unsigned i = 0; i < n_leaves * REFGPU_ENTRIES; i++)
		t[REFGPU_ENTRIES + i] =
			(vgpu_rg_buffer_addr(pages->buf) +
			 i * 7ull % n_pages * 4096) |
			PAGE_PTE | REFGPU_PTE_SYSTEM;
	for (unsigned i = 1; i < REFGPU_ROOT_ENTRIES; i++)
		set(&root[i], addr | REFGPU_PTE_VALID);
}

static void use_vast(struct vgpu_rg_device *dev, struct vgpu_rg_context *ctx,
		     struct patience *p)
{
	struct vgpu_rg_stream s = { 0 };
	uint64_t start, fence;

	for (unsigned i = 1; i < 9; i++)
		vgpu_rg_fill(&s, ((uint64_t)i * 100 << 30) + i * 4096, 64, i);
	MUST(vgpu_rg_submit(ctx, &s, &fence));
	while (!vgpu_rg_done(ctx, fence) &&
	       timed_state(dev, ctx, p) < REFGPU_STATE_FAULT)
		;
	/* By register, while there is a job */
	vgpu_rg_stream_clear(&s);
	vgpu_rg_spin(&s, 300, 1000000);
	MUST(vgpu_rg_submit(ctx, &s, NULL));
	for (unsigned i = 0; i < 3; i++) {
		start = check_now();
		MUST(vgpu_rg_invalidate(ctx, 0, 0));
		longest(&p->invalidate, start);
		timed_state(dev, ctx, p);
	}
	vgpu_rg_stream_free(&s);
}

void hostile_vast(struct vgpu_rg_device *dev)
{
	struct patience p = { 0 };
	uint64_t start;

	for (unsigned turn = 0; turn < 2; turn++) {
		struct vgpu_rg_context *ctx;
		struct mem tables, pages;

		MUST(vgpu_rg_context_new(dev, NULL, &ctx));
		tables = mem_new(ctx, 65 * 4096, VGPU_RG_VRAM, RW);
		pages = mem_new(ctx, 8 << 20, VGPU_RG_SYSTEM, RW);
		spread(ctx, &tables, &pages);
		use_vast(dev, ctx, &p);
		start = check_now();
		if (!turn)
			vgpu_rg_buffer_free(pages.buf);
		longest(&p.unmap, start);
		start = check_now();
		vgpu_rg_context_free(ctx);
		longest(&p.end, start);
		if (turn)
			vgpu_rg_buffer_free(pages.buf);
		vgpu_rg_buffer_free(tables.buf);
	}
	printf("at worst: read %u ms, invalidate %u ms, unmap %u ms, end %u "
	       "ms\n",
	       (unsigned)(p.read / 1000000), (unsigned)(p.invalidate / 1000000),
	       (unsigned)(p.unmap / 1000000), (unsigned)(p.end / 1000000));
}
