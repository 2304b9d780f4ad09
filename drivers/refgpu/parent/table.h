/* SPDX-License-Identifier: MIT */
/*
 * Page tables, as the hardware walks them. An entry that leads to system memory
 * holds its pages (vgpu_instance_hold()) from before it is written until the
 * hardware has forgotten it; so whatever a table leads to is the vGPU's, and
 * stays mapped.
 *
 * Tables are in the bank, which nobody but table.c writes: what was written can
 * be believed when it is read again.
 */
#ifndef RGP_TABLE_H
#define RGP_TABLE_H

#include <stdbool.h>

#include <refgpu-hw.h>
#include <vgpu/parent.h>

#include "bank.h"

#define RGP_GONE_RUNS 2048u

/* What the tables of a vGPU have in common */
struct rgp_tables {
	struct refgpu_hw *hw;
	struct vgpu_parent_instance *inst;
	struct rgp_bank *bank;
	uint64_t vram_at, vram_size; /* its window of VRAM */
	/* What a table had, and pages of tables: the hardware may know them
	 * until it has been told to forget. */
	struct rgp_gone {
		unsigned n_runs, n_pages;
		bool valid; /* there was something valid */
		struct {
			uint64_t addr, len;
		} runs[RGP_GONE_RUNS];
		uint64_t *pages[RGP_GONE_PAGES];
	} gone;
};

/* The table of a context */
struct rgp_table {
	struct rgp_tables *all;
	uint64_t *root;
	unsigned ctx; /* of the hardware */
	bool live;    /* which may be using it */
};

/* Entries, as the instance half named them: @n from @va on, which is a multiple
 * of REFGPU_PAGE, as all of it below REFGPU_VA_SIZE */
struct rgp_run {
	uint64_t va, n;
	const uint64_t *ptes; /* NULL: they count up from */
	uint64_t pte;	      /* 0: taken away */
};

/**
 * rgp_table_write() - write entries
 * @run: what is done is taken off
 * @work: entries that may still be done in this go; likewise
 *
 * Return: 0; -EAGAIN: there is more to do; -EFAULT: not an address of this
 * vGPU; -EINVAL: not an entry; -ENOSPC: RGP_TABLE_PAGES. What was before the
 * one that failed is done.
 */
int rgp_table_write(struct rgp_table *table, struct rgp_run *run,
		    uint32_t *work);

/* Nothing that was replaced is in use any more: at the end of each record. */
void rgp_table_flush(struct rgp_table *table);

#endif
