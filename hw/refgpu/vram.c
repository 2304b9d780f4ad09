/* SPDX-License-Identifier: MIT */
/*
 * Modules of VRAM. A table that engines see is never changed: there are two,
 * the spare one is filled and takes the place of the other, which is the spare
 * one as soon as no engine is in a section in which it was seen.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "section.h"
#include "vram.h"

#define SYNC_SPINS 2000u

void section_sync(struct engine *e)
{
	uint64_t open = atomic_load(&e->section);
	struct timespec nap = { .tv_nsec = 20000 };

	if (!(open & 1))
		return;
	atomic_store_explicit(&e->awaited, true, memory_order_relaxed);
	for (unsigned i = 0;
	     atomic_load_explicit(&e->section, memory_order_acquire) == open;
	     i++) {
		if (i < SYNC_SPINS)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

/* The module that has @offset, or NULL. */
static const struct module *search(const struct modules *t, uint64_t offset)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct module *m = &t->m[mid];

		if (offset < m->offset)
			high = mid;
		else if (offset - m->offset >= m->size)
			low = mid + 1;
		else
			return m;
	}
	return NULL;
}

void *vram_find(struct engine *e, uint64_t offset, size_t *len)
{
	const struct module *m = e->module;
	uint64_t at;

	if (!m || offset - m->offset >= m->size) {
		m = search(e->modules, offset);
		if (!m)
			return NULL;
		e->module = m;
	}
	at = offset - m->offset;
	if (*len > m->size - at)
		*len = (size_t)(m->size - at);
	return m->ptr + at;
}

/* The table that no engine sees; vram_lock. */
static struct modules *spare(struct refgpu_hw *hw)
{
	return &hw->tables[atomic_load(&hw->modules) == &hw->tables[0]];
}

/* Puts it in the place of the present one, which becomes the spare one. */
static void publish(struct refgpu_hw *hw, struct modules *t)
{
	atomic_store(&hw->modules, t);
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		section_sync(&hw->engine[i]);
}

static int plug(struct refgpu_hw *hw, const struct module *m)
{
	const struct modules *old = atomic_load(&hw->modules);
	struct modules *t = spare(hw);
	size_t i = 0;

	while (i < old->n && old->m[i].offset < m->offset)
		i++;
	if (i < old->n && old->m[i].offset - m->offset < m->size)
		return -EEXIST;
	if (i && m->offset - old->m[i - 1].offset < old->m[i - 1].size)
		return -EEXIST;
	if (old->n == MAX_MODULES)
		return -ENOMEM;
	memcpy(t->m, old->m, i * sizeof(t->m[0]));
	t->m[i] = *m;
	memcpy(t->m + i + 1, old->m + i, (old->n - i) * sizeof(t->m[0]));
	t->n = old->n + 1;
	publish(hw, t);
	return 0;
}

int refgpu_hw_vram_plug(struct refgpu_hw *hw, uint64_t offset, void *ptr,
			uint64_t size)
{
	struct module m = { offset, size, ptr };
	int err;

	if (!ptr || !size || (offset | size) % REFGPU_PAGE ||
	    (uintptr_t)ptr % 8 || size > hw->config.vram_size ||
	    offset > hw->config.vram_size - size)
		return -EINVAL;
	pthread_mutex_lock(&hw->vram_lock);
	err = plug(hw, &m);
	pthread_mutex_unlock(&hw->vram_lock);
	return err;
}

void refgpu_hw_vram_unplug(struct refgpu_hw *hw, uint64_t offset)
{
	const struct modules *old;
	struct modules *t;
	size_t i = 0;

	pthread_mutex_lock(&hw->vram_lock);
	old = atomic_load(&hw->modules);
	t = spare(hw);
	while (i < old->n && old->m[i].offset != offset)
		i++;
	if (i < old->n) {
		t->n = old->n - 1;
		memcpy(t->m, old->m, i * sizeof(t->m[0]));
		memcpy(t->m + i, old->m + i + 1, (t->n - i) * sizeof(t->m[0]));
		publish(hw, t);
	}
	pthread_mutex_unlock(&hw->vram_lock);
}

void *refgpu_hw_vram_ptr(struct refgpu_hw *hw, uint64_t offset, uint64_t len)
{
	const struct module *m;
	void *p = NULL;

	pthread_mutex_lock(&hw->vram_lock);
	m = search(atomic_load(&hw->modules), offset);
	if (m && len <= m->size - (offset - m->offset))
		p = m->ptr + (offset - m->offset);
	pthread_mutex_unlock(&hw->vram_lock);
	return p;
}
