/* SPDX-License-Identifier: MIT */
/* The public functions of <vgpu/driver.h> that have to do with time. */
#include <errno.h>
#include <stdlib.h>

#include "device.h"

struct vgpu_timer {
	struct loop_source *src;
	void (*fn)(void *user);
	void *user;
};

static void on_timer(struct loop_source *src, void *user)
{
	struct vgpu_timer *t = user;

	t->fn(t->user);
}

int vgpu_timer_new(struct vgpu_device *dev, void (*fn)(void *user), void *user,
		   struct vgpu_timer **ret_timer)
{
	struct vgpu_timer *t = malloc(sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->user = user;
	err = loop_add_timer(dev->core->loop, on_timer, t, &t->src);
	if (err) {
		free(t);
		return err;
	}
	*ret_timer = t;
	return 0;
}

int vgpu_timer_arm(struct vgpu_timer *timer, uint64_t ns)
{
	return loop_arm_timer(timer->src, ns, 0);
}

void vgpu_timer_free(struct vgpu_timer *timer)
{
	if (!timer)
		return;
	/* The loop calls no removed source, so ours may go at once. */
	loop_remove(timer->src);
	free(timer);
}

void vgpu_device_account(struct vgpu_device *dev, unsigned engine,
			 uint64_t ns_total)
{
	struct device_stats *stats = &dev->core->stats;
	unsigned n = atomic_load(&stats->n_engines);

	if (engine >= VGPU_MAX_ENGINES)
		return;
	atomic_store_explicit(&stats->engine_ns[engine], ns_total,
			      memory_order_relaxed);
	while (n <= engine &&
	       !atomic_compare_exchange_weak(&stats->n_engines, &n, engine + 1))
		;
}
