/* SPDX-License-Identifier: MIT */
/* Power on, power off, reset; the lock and interrupts. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "arbiter.h"
#include "context.h"
#include "display.h"
#include "engine.h"
#include "kernels/kernels.h"

#define VRAM_ALIGN (1ull << 20)

uint64_t hw_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void hw_lock(struct refgpu_hw *hw)
{
	pthread_mutex_lock(&hw->lock);
}

void hw_unlock(struct refgpu_hw *hw)
{
	uint32_t fire = hw->fire;

	hw->fire = 0;
	pthread_mutex_unlock(&hw->lock);
	for (unsigned i = 0; fire; i++, fire >>= 1)
		if (fire & 1)
			hw->config.irq(hw->config.user, i);
}

void hw_irq(struct refgpu_hw *hw, unsigned vector)
{
	atomic_fetch_or(&hw->irq_status, 1u << vector);
	if (hw->irq_enable & 1u << vector)
		hw->fire |= 1u << vector;
}

static void clear_engine(struct engine *e)
{
	while (e->queue.first)
		arbiter_remove(e, e->queue.first);
	while (e->waiters.first)
		arbiter_remove(e, e->waiters.first);
	e->next = NULL;
	engine_request(e, REQUEST_STOP);
}

static bool busy(const struct refgpu_hw *hw)
{
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		if (atomic_load(&hw->engine[i].cur))
			return true;
	return false;
}

/* The lock is released while engines stop; others wait, or find everything
 * reset. */
void hw_reset(struct refgpu_hw *hw)
{
	hw->resetting = true;
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		clear_engine(&hw->engine[i]);
	while (busy(hw))
		pthread_cond_wait(&hw->left, &hw->lock);
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++) {
		struct engine *e = &hw->engine[i];

		e->mode = REFGPU_MODE_ARBITER;
		e->first_event = 0;
		atomic_store(&e->n_events, 0);
	}
	for (unsigned i = 0; i < hw->config.contexts; i++)
		context_reset(hw, &hw->ctx[i]);
	display_reset(hw);
	hw->irq_enable = 0;
	atomic_store(&hw->irq_status, 0);
	hw->resetting = false;
	pthread_cond_broadcast(&hw->left);
}

static int check(const struct refgpu_hw_config *config)
{
	if (!config->vram_size || config->vram_size % VRAM_ALIGN ||
	    config->vram_size > REFGPU_PTE_ADDR || !config->contexts ||
	    config->contexts > REFGPU_MAX_CONTEXTS || !config->irq)
		return -EINVAL;
	return display_check(config->xres, config->yres);
}

static void init_locks(struct refgpu_hw *hw)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
#ifdef __GLIBC__
	/* It is held for moments: try a little before sleeping. */
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
	pthread_mutex_init(&hw->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_mutex_init(&hw->vram_lock, NULL);
	pthread_cond_init(&hw->left, NULL);
}

int refgpu_hw_new(const struct refgpu_hw_config *config,
		  struct refgpu_hw **ret_hw)
{
	struct refgpu_hw *hw;
	int err = check(config);

	if (err)
		return err;
	hw = calloc(1, sizeof(*hw));
	if (!hw)
		return -ENOMEM;
	hw->config = *config;
	hw->power_on = hw_now();
	hw->ops = kernels_choose();
	atomic_store(&hw->modules, &hw->tables[0]);
	init_locks(hw);
	hw->ctx = calloc(config->contexts, sizeof(*hw->ctx));
	if (!hw->ctx) {
		err = -ENOMEM;
		goto fail;
	}
	for (unsigned i = 0; i < config->contexts; i++) {
		hw->ctx[i].id = i;
		context_reset(hw, &hw->ctx[i]);
	}
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES && !err; i++)
		err = engine_start(hw, i);
	if (!err)
		err = display_start(hw);
	if (err)
		goto fail;
	*ret_hw = hw;
	return 0;
fail:
	refgpu_hw_free(hw);
	return err;
}

void refgpu_hw_free(struct refgpu_hw *hw)
{
	if (!hw)
		return;
	display_stop(hw);
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		engine_stop(&hw->engine[i]);
	pthread_cond_destroy(&hw->left);
	pthread_mutex_destroy(&hw->vram_lock);
	pthread_mutex_destroy(&hw->lock);
	free(hw->ctx);
	free(hw);
}
