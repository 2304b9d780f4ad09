/* SPDX-License-Identifier: MIT */
/*
 * The work goes in blocks of 2 MiB. Where a record names a whole one that is
 * contiguous and aligned, it becomes one entry; one that is changed in part is
 * split first.
 */
#include <errno.h>
#include <string.h>

#include "table.h"

#define PROT_BITS (REFGPU_PTE_READ | REFGPU_PTE_WRITE)
#define LEAF_BITS                                                              \
	(REFGPU_PTE_VALID | PROT_BITS | REFGPU_PTE_SYSTEM | REFGPU_PTE_ADDR)
#define HUGE_PAGES REFGPU_ENTRIES /* of 4 KiB in a huge one */

_Static_assert((int)VGPU_DMA_READ == 1 && (int)VGPU_DMA_WRITE == 2,
	       "protections are the entries' bits, shifted");

static unsigned prot_of(uint64_t pte)
{
	return (unsigned)(pte & PROT_BITS) >> 1;
}

static bool is_system(uint64_t pte)
{
	return (pte & REFGPU_PTE_VALID) && (pte & REFGPU_PTE_SYSTEM);
}

static void store(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ */
/* What is gone                                                        */
/* ------------------------------------------------------------------ */

void rgp_table_flush(struct rgp_table *t)
{
	struct rgp_tables *all = t->all;
	struct rgp_gone *gone = &all->gone;

	if (gone->valid && t->live)
		refgpu_hw_write(all->hw,
				REFGPU_CTX(t->ctx, REFGPU_CTX_INV_PAGES), 0);
	gone->valid = false;
	for (unsigned i = 0; i < gone->n_pages; i++)
		rgp_bank_put(all->bank, gone->pages[i]);
	gone->n_pages = 0;
	for (unsigned i = 0; i < gone->n_runs; i++)
		vgpu_instance_release(all->inst, gone->runs[i].addr,
				      gone->runs[i].len);
	gone->n_runs = 0;
}

/* Room for what a block may have: pages, its table, and the one above. */
static void make_room(struct rgp_table *t)
{
	const struct rgp_gone *gone = &t->all->gone;

	if (gone->n_runs + HUGE_PAGES > RGP_GONE_RUNS ||
	    gone->n_pages + 2 > RGP_GONE_PAGES)
		rgp_table_flush(t);
}

static void note_gone(struct rgp_table *t, uint64_t pte, uint64_t len)
{
	struct rgp_gone *gone = &t->all->gone;
	uint64_t addr = pte & REFGPU_PTE_ADDR;
	unsigned n = gone->n_runs;

	gone->valid = true;
	if (!is_system(pte))
		return;
	if (n && gone->runs[n - 1].addr + gone->runs[n - 1].len == addr &&
	    gone->runs[n - 1].len < (1u << 30)) {
		gone->runs[n - 1].len += len;
		return;
	}
	gone->runs[n].addr = addr;
	gone->runs[n].len = len;
	gone->n_runs++;
}

/* ------------------------------------------------------------------ */
/* Entries of a block                                                  */
/* ------------------------------------------------------------------ */

/* The table that the entry leads to, made if there is none. */
static uint64_t *descend(struct rgp_table *t, uint64_t *entry, bool make,
			 uint16_t *used)
{
	struct rgp_bank *bank = t->all->bank;
	uint64_t *page;

	if (*entry & REFGPU_PTE_VALID)
		return rgp_bank_ptr(bank, *entry & REFGPU_PTE_ADDR);
	if (!make)
		return NULL;
	page = rgp_bank_get(bank);
	if (!page)
		return NULL;
	store(entry, rgp_bank_addr(bank, page) | REFGPU_PTE_VALID);
	if (used)
		++*used;
	return page;
}

static uint64_t *mid_table(struct rgp_table *t, uint64_t va, bool make)
{
	return descend(t, &t->root[va >> REFGPU_ROOT_SHIFT], make, NULL);
}

static uint64_t *mid_entry(uint64_t *mid, uint64_t va)
{
	return &mid[va >> REFGPU_MID_SHIFT & (REFGPU_ENTRIES - 1)];
}

/* A huge entry becomes a table that says the same: nothing to forget. */
static int split(struct rgp_table *t, uint64_t *entry)
{
	struct rgp_bank *bank = t->all->bank;
	uint64_t *leaf = rgp_bank_get(bank), pte = *entry & ~REFGPU_PTE_HUGE;

	if (!leaf)
		return -ENOSPC;
	for (unsigned i = 0; i < REFGPU_ENTRIES; i++)
		leaf[i] = pte + i * REFGPU_PAGE;
	*rgp_bank_used(bank, leaf) = REFGPU_ENTRIES;
	store(entry, rgp_bank_addr(bank, leaf) | REFGPU_PTE_VALID);
	return 0;
}

/* A page of tables that is in no table any more; walks may be in it. */
static void discard(struct rgp_table *t, uint64_t *page)
{
	struct rgp_gone *gone = &t->all->gone;

	gone->valid = true;
	gone->pages[gone->n_pages++] = page;
}

/* All of the block goes. */
static void clear_block(struct rgp_table *t, uint64_t *mid, uint64_t va,
			uint64_t replacement)
{
	struct rgp_bank *bank = t->all->bank;
	uint64_t *entry = mid_entry(mid, va), old = *entry, *leaf;

	store(entry, replacement);
	*rgp_bank_used(bank, mid) +=
		(uint16_t)((replacement & REFGPU_PTE_VALID) -
			   (old & REFGPU_PTE_VALID));
	if (old & REFGPU_PTE_HUGE) {
		note_gone(t, old, REFGPU_HUGE);
	} else if (old & REFGPU_PTE_VALID) {
		leaf = rgp_bank_ptr(bank, old & REFGPU_PTE_ADDR);
		for (unsigned i = 0; i < REFGPU_ENTRIES; i++)
			if (leaf[i] & REFGPU_PTE_VALID)
				note_gone(t, leaf[i], REFGPU_PAGE);
		discard(t, leaf);
	}
}

/*
 * What the hardware gets for the entry of an instance half. VRAM is a window
 * of the board's; a page that may be neither read nor written is none that
 * anything reaches.
 */
static int translate(const struct rgp_tables *all, uint64_t pte, uint64_t len,
		     uint64_t *ret_pte)
{
	uint64_t addr = pte & REFGPU_PTE_ADDR;

	if (!pte) {
		*ret_pte = 0;
		return 0;
	}
	if (!(pte & REFGPU_PTE_VALID) || pte & ~LEAF_BITS)
		return -EINVAL;
	if (!(pte & PROT_BITS)) {
		*ret_pte = REFGPU_PTE_VALID;
		return 0;
	}
	if (pte & REFGPU_PTE_SYSTEM) {
		*ret_pte = pte;
		return 0;
	}
	if (addr >= all->vram_size || len > all->vram_size - addr)
		return -EFAULT;
	*ret_pte = pte + all->vram_at;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Writing                                                             */
/* ------------------------------------------------------------------ */

/* Holds the pages of entries that are to be written over @old: runs of them at
 * once. Either all are held or none is. */
static int hold(struct rgp_table *t, const uint64_t *ptes, const uint64_t *old,
		unsigned n)
{
	struct vgpu_parent_instance *inst = t->all->inst;
	unsigned i = 0, k, first = 0;
	int err = 0;

	while (i < n) {
		uint64_t pte = ptes[i];

		if (!is_system(pte) || (old && old[i] == pte)) {
			i++;
			continue;
		}
		for (k = i + 1; k < n && ptes[k] == pte + (k - i) * REFGPU_PAGE;
		     k++)
			if (old && old[k] == ptes[k])
				break;
		err = vgpu_instance_hold(inst, pte & REFGPU_PTE_ADDR,
					 (k - i) * REFGPU_PAGE, prot_of(pte));
		if (err)
			break;
		i = k;
	}
	if (!err)
		return 0;
	/* One by one is as good, and this is not the usual way. */
	for (; first < i; first++)
		if (is_system(ptes[first]) &&
		    !(old && old[first] == ptes[first]))
			vgpu_instance_release(inst,
					      ptes[first] & REFGPU_PTE_ADDR,
					      REFGPU_PAGE);
	return err;
}

static bool any_valid(const uint64_t *ptes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (ptes[i])
			return true;
	return false;
}

/* Is it one huge page? */
static bool is_huge(const uint64_t *ptes, unsigned n)
{
	if (n != HUGE_PAGES || !(ptes[0] & PROT_BITS) ||
	    ptes[0] & (REFGPU_HUGE - 1) & REFGPU_PTE_ADDR)
		return false;
	for (unsigned i = 1; i < n; i++)
		if (ptes[i] != ptes[0] + i * REFGPU_PAGE)
			return false;
	return true;
}

static int write_huge(struct rgp_table *t, uint64_t *mid, uint64_t va,
		      uint64_t pte)
{
	int err = 0;

	if (*mid_entry(mid, va) == (pte | REFGPU_PTE_HUGE))
		return 0;
	if (is_system(pte))
		err = vgpu_instance_hold(t->all->inst, pte & REFGPU_PTE_ADDR,
					 REFGPU_HUGE, prot_of(pte));
	if (!err)
		clear_block(t, mid, va, pte | REFGPU_PTE_HUGE);
	return err;
}

/* In the block's middle table */
static int write_entries(struct rgp_table *t, uint64_t *mid, uint64_t va,
			 const uint64_t *ptes, unsigned n, bool any)
{
	struct rgp_bank *bank = t->all->bank;
	uint64_t *entry, *leaf;
	uint16_t *used;
	int err;

	if (is_huge(ptes, n))
		return write_huge(t, mid, va, ptes[0]);
	entry = mid_entry(mid, va);
	if (!any && n == HUGE_PAGES) {
		clear_block(t, mid, va, 0);
		return 0;
	}
	if (*entry & REFGPU_PTE_HUGE && split(t, entry))
		return -ENOSPC;
	leaf = descend(t, entry, any, rgp_bank_used(bank, mid));
	if (!leaf)
		return any ? -ENOSPC : 0;
	used = rgp_bank_used(bank, leaf);
	leaf += va >> REFGPU_LEAF_SHIFT & (REFGPU_ENTRIES - 1);
	err = hold(t, ptes, *used ? leaf : NULL, n);
	for (unsigned i = 0; !err && i < n; i++) {
		uint64_t old = leaf[i];

		if (old == ptes[i])
			continue;
		store(&leaf[i], ptes[i]);
		*used += (uint16_t)((ptes[i] & REFGPU_PTE_VALID) -
				    (old & REFGPU_PTE_VALID));
		if (old & REFGPU_PTE_VALID)
			note_gone(t, old, REFGPU_PAGE);
	}
	if (!*used)
		clear_block(t, mid, va, 0);
	return err;
}

/* @ptes are translated, not more than the block has. */
static int write_block(struct rgp_table *t, uint64_t va, const uint64_t *ptes,
		       unsigned n)
{
	bool any = any_valid(ptes, n);
	uint64_t *mid = mid_table(t, va, any);
	int err;

	if (!mid)
		return any ? -ENOSPC : 0;
	make_room(t);
	err = write_entries(t, mid, va, ptes, n, any);
	if (!*rgp_bank_used(t->all->bank, mid)) {
		store(&t->root[va >> REFGPU_ROOT_SHIFT], 0);
		discard(t, mid);
	}
	return err;
}

static unsigned in_block(uint64_t va, uint64_t n)
{
	uint64_t left = HUGE_PAGES - (va >> REFGPU_LEAF_SHIFT) % HUGE_PAGES;

	return (unsigned)(n < left ? n : left);
}

/* ------------------------------------------------------------------ */
/* Runs                                                                */
/* ------------------------------------------------------------------ */

/* Pages from @va on that have no table, and nothing to be taken away. */
static uint64_t nothing_there(struct rgp_table *t, uint64_t va)
{
	uint64_t *mid = mid_table(t, va, false), size = REFGPU_HUGE;

	if (mid && *mid_entry(mid, va) & REFGPU_PTE_VALID)
		return 0;
	if (!mid)
		size = 1ull << REFGPU_ROOT_SHIFT;
	return (size - (va & (size - 1))) / REFGPU_PAGE;
}

/* The next @n entries, which are in one block */
static int put_block(struct rgp_table *t, const struct rgp_run *run, unsigned n)
{
	uint64_t block[HUGE_PAGES], step;
	int err;

	if (!run->ptes) {
		err = translate(t->all, run->pte, n * REFGPU_PAGE, &block[0]);
		if (err)
			return err;
		step = block[0] & (REFGPU_PTE_ADDR | PROT_BITS) ? REFGPU_PAGE
								: 0;
		for (unsigned i = 1; i < n; i++)
			block[i] = block[0] + i * step;
	}
	for (unsigned i = 0; run->ptes && i < n; i++) {
		err = translate(t->all, run->ptes[i], REFGPU_PAGE, &block[i]);
		if (err)
			return err;
	}
	return write_block(t, run->va, block, n);
}

int rgp_table_write(struct rgp_table *t, struct rgp_run *run, uint32_t *work)
{
	while (run->n) {
		bool takes = !run->ptes && !run->pte;
		uint64_t some = takes ? nothing_there(t, run->va) : 0;
		uint32_t cost = 1;
		int err;

		if (!*work)
			return -EAGAIN;
		if (!some) {
			some = cost = in_block(run->va, run->n);
			err = put_block(t, run, cost);
			if (err)
				return err;
		}
		some = some < run->n ? some : run->n;
		run->va += some * REFGPU_PAGE;
		run->n -= some;
		if (run->ptes)
			run->ptes += some;
		else if (run->pte)
			run->pte += some * REFGPU_PAGE;
		*work -= cost < *work ? cost : *work;
	}
	return 0;
}
