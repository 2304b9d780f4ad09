/* SPDX-License-Identifier: MIT */
/*
 * Sections: an engine's pointers to memory are good within one. They are short
 * (a chunk, a group's reads) and nothing in them blocks or takes the lock.
 *
 * Whoever takes something away first makes it unreachable (a new asid, another
 * table of modules), then waits with section_sync(). Both sides store their own
 * and then load the other's, sequentially consistent: either the engine sees
 * what is new, or it is waited for.
 */
#ifndef SECTION_H
#define SECTION_H

#include "model.h"

static inline void section_begin(struct engine *e)
{
	const struct refgpu_hw_bus *bus = e->hw->config.bus;

	atomic_store_explicit(&e->awaited, false, memory_order_relaxed);
	atomic_store(&e->section,
		     atomic_load_explicit(&e->section, memory_order_relaxed) +
			     1);
	e->asid = atomic_load(&e->run->asid);
	e->modules = atomic_load(&e->hw->modules);
	e->module = NULL;
	if (bus)
		bus->enter(e->hw->config.user);
}

static inline void section_end(struct engine *e)
{
	const struct refgpu_hw_bus *bus = e->hw->config.bus;

	if (bus)
		bus->leave(e->hw->config.user);
	atomic_store_explicit(
		&e->section,
		atomic_load_explicit(&e->section, memory_order_relaxed) + 1,
		memory_order_release);
}

/* A moment for those who wait; pointers from before are no longer good. */
static inline void section_renew(struct engine *e)
{
	section_end(e);
	section_begin(e);
}

/* May the section go on after a chunk? Beginning one costs a fence, in which
 * nothing is copied. The bus has no such price, and gets a moment; pointers
 * from before are no longer good. */
static inline bool section_goes_on(struct engine *e)
{
	const struct refgpu_hw_bus *bus = e->hw->config.bus;

	if (atomic_load_explicit(&e->awaited, memory_order_relaxed) ||
	    atomic_load_explicit(&e->request, memory_order_relaxed))
		return false;
	if (bus) {
		bus->leave(e->hw->config.user);
		bus->enter(e->hw->config.user);
	}
	return true;
}

/* Waits until the section that @e may be in is over. Not from a section. */
void section_sync(struct engine *e);

#endif
