/* SPDX-License-Identifier: MIT */
/* Both halves of a driver, each on its loop and thread: what they share, and
 * kicks both ways, also from threads of the driver's own. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vgpu/parent.h>
#include <vgpu/ring.h>

#include "device/device.h"
#include "device/module.h"
#include "hub/hub.h"
#include "uplink/uplink.h"
#include "transport/listener.h"
#include "util/log.h"
#include "util/loop.h"

#define ENTRIES 16u
#define AREA	(3u * 4096u)
#define BACK	4096u /* the second ring's offset */

/* What the two halves of this driver agreed on: two rings of numbers. */
struct rings {
	struct vgpu_ring in, out;
};

static int rings_init(struct rings *rings, void *area, bool parent)
{
	char *there = area, *back = there + BACK;
	int err = vgpu_ring_init(parent ? &rings->in : &rings->out, there,
				 ENTRIES, 8);

	return err ? err
		   : vgpu_ring_init(parent ? &rings->out : &rings->in, back,
				    ENTRIES, 8);
}

/* ---- the parent half: sends every number back, plus one ------------- */

struct half {
	struct vgpu_parent parent;
	struct vgpu_iommu *iommu;
	bool in_new_failed, late_failed;
	bool engine; /* a thread of its own answers */
	_Atomic unsigned kicks, gone;
};

static struct half half;

struct inst {
	struct rings rings;
	struct vgpu_parent_instance *inst;
	pthread_t engine;
	_Atomic bool stop;
};

static int half_open(struct vgpu_parent *parent, const char *config)
{
	int err = vgpu_iommu_cpu_new(NULL, &half.iommu);

	(void)config;
	return err ? err : vgpu_parent_init(parent, half.iommu);
}

static void half_close(struct vgpu_parent *parent)
{
	(void)parent;
	vgpu_iommu_destroy(half.iommu);
}

static int answer(struct inst *i)
{
	uint64_t value;
	unsigned n = 0;
	int err = 0;

	while (n < i->rings.in.n &&
	       !(err = vgpu_ring_pop(&i->rings.in, &value))) {
		value++;
		err = vgpu_ring_push(&i->rings.out, &value);
		if (err)
			return err;
		n++;
	}
	if (n)
		vgpu_instance_kick(i->inst);
	return err == -EPROTO ? err : 0;
}

static void *engine(void *user)
{
	struct inst *i = user;

	while (!i->stop) {
		if (answer(i))
			return i;
		sched_yield();
	}
	return NULL;
}

static int half_new(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	struct inst *i = calloc(1, sizeof(*i));
	void *area, *again = NULL;
	int err;

	(void)parent;
	if (!i)
		return -ENOMEM;
	half.in_new_failed = vgpu_instance_send(inst, "x", 1) == -EINVAL &&
			     vgpu_instance_share(inst, 0, &again) == -EINVAL &&
			     vgpu_instance_share(inst,
						 VGPU_PARENT_MAX_SHARED + 1ull,
						 &again) == -EINVAL;
	err = vgpu_instance_share(inst, AREA - 5, &area);
	half.in_new_failed &=
		vgpu_instance_share(inst, 1, &again) == -EALREADY && !again;
	if (!err)
		err = rings_init(&i->rings, area, true);
	i->inst = inst;
	vgpu_instance_set_data(inst, i);
	if (!err && half.engine)
		err = -pthread_create(&i->engine, NULL, engine, i);
	if (err)
		free(i);
	return err;
}

static void half_gone(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst)
{
	struct inst *i = vgpu_instance_data(inst);

	(void)parent;
	i->stop = true;
	if (half.engine)
		pthread_join(i->engine, NULL);
	free(i);
	half.gone++;
}

static int half_message(struct vgpu_parent *parent,
			struct vgpu_parent_instance *inst, const void *msg,
			size_t len)
{
	void *area;

	(void)parent;
	half.late_failed = vgpu_instance_share(inst, 1, &area) == -EALREADY;
	return vgpu_instance_send(inst, msg, len);
}

static int half_kick(struct vgpu_parent *parent,
		     struct vgpu_parent_instance *inst)
{
	(void)parent;
	half.kicks++;
	return half.engine ? 0 : answer(vgpu_instance_data(inst));
}

static const struct vgpu_parent_ops half_ops = {
	.open = half_open,
	.close = half_close,
	.instance_new = half_new,
	.instance_gone = half_gone,
	.message = half_message,
	.kick = half_kick,
};

/* ---- the instance half ---------------------------------------------- */

struct card {
	struct vgpu_device dev;
	struct rings rings;
	size_t shared;
	uint64_t sum, answers;
	unsigned kicks;
	_Atomic unsigned messages;
	_Atomic bool gone;
};

static struct card *to_card(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct card, dev);
}

static void card_message(struct vgpu_device *dev, const void *msg, size_t len)
{
	(void)msg;
	(void)len;
	to_card(dev)->messages++;
}

static void card_kick(struct vgpu_device *dev)
{
	struct card *d = to_card(dev);
	uint64_t value;

	d->kicks++;
	while (!vgpu_ring_pop(&d->rings.in, &value)) {
		d->sum += value;
		d->answers++;
	}
}

static void card_gone(struct vgpu_device *dev)
{
	to_card(dev)->gone = true;
}

static const struct vgpu_area areas[] = {
	{ .size = 4096, .kind = VGPU_AREA_MEMORY },
};

static const struct vgpu_pci_desc pci = {
	.vendor_id = 0x1234,
	.device_id = 0x5678,
	.class_code = 0xff0000,
	.bars[0] = { .size = 4096, VGPU_LIST(areas, areas) },
};

static int create(struct vgpu_device *dev)
{
	struct card *d = to_card(dev);
	void *area = vgpu_parent_shared(dev, &d->shared);

	return area ? rings_init(&d->rings, area, false) : -ENODEV;
}

static const struct vgpu_device_ops card_ops = {
	.size = sizeof(struct card),
	.pci = &pci,
	.create = create,
	.parent_message = card_message,
	.parent_gone = card_gone,
	.parent_kick = card_kick,
};

static const struct vgpu_type types[] = { { .name = "halves",
					    .description = "for the test" } };
static const struct vgpu_driver driver = {
	.name = "halves",
	.version = "1",
	.description = "for the test",
	VGPU_LIST(types, types),
	.instance = &card_ops,
	.parent = &half_ops,
};

/* ---- both ----------------------------------------------------------- */

struct worker {
	struct uplink *link;
	struct vgpu_core *core;
	struct card *dev;
};

struct rig {
	char dir[64], path[96];
	struct loop *loop, *parent_loop;
	struct module *module;
	struct vgpu_hub *parent;
	struct listener *listener;
	pthread_t thread;
	struct worker a, b;
};

static void on_worker(struct listener *listener, int fd, void *user)
{
	(void)listener;
	hub_accept(((struct rig *)user)->parent, fd);
}

static void *run_parent(void *user)
{
	struct rig *r = user;

	return loop_run(r->parent_loop) ? r : NULL;
}

static void join(struct rig *r, struct worker *w, uint8_t name)
{
	struct device_config config = { .loop = r->loop,
					.module = r->module,
					.type = types,
					.uuid = { name } };

	const struct uplink_config link = { .loop = r->loop,
						   .path = r->path,
						   .fd = -1,
						   .uuid = config.uuid,
						   .type = "halves" };

	assert_int_equal(uplink_connect(&link, &w->link), 0);
	config.uplink = w->link;
	config.iommu = uplink_iommu(w->link);
	assert_int_equal(device_create(&config, &w->core), 0);
	uplink_attach(w->link, w->core, NULL, NULL);
	w->dev = to_card(w->core->dev);
}

static void leave(struct worker *w)
{
	device_destroy(w->core);
	uplink_free(w->link);
	*w = (struct worker){ 0 };
}

static struct rig *rig_new(bool with_engine)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct listener_config config = { .fd = -1,
					  .mode = 0600,
					  .gid = (gid_t)-1 };

	assert_non_null(r);
	memset(&half, 0, sizeof(half));
	half.engine = with_engine;
	strcpy(r->dir, "/tmp/test-parent-halves-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/s", r->dir);
	config.path = r->path;
	assert_int_equal(loop_new(&r->loop), 0);
	assert_int_equal(loop_new(&r->parent_loop), 0);
	assert_int_equal(module_from_driver(&driver, &r->module), 0);
	assert_int_equal(hub_open(r->parent_loop, r->module, "", &r->parent),
			 0);
	assert_int_equal(listener_new(r->parent_loop, &config, on_worker, r,
				      &r->listener),
			 0);
	assert_int_equal(pthread_create(&r->thread, NULL, run_parent, r), 0);
	join(r, &r->a, 'a');
	join(r, &r->b, 'b');
	return r;
}

static int setup(void **state)
{
	*state = rig_new(false);
	return 0;
}

static int setup_engine(void **state)
{
	*state = rig_new(true);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	void *failed;

	if (r->a.core)
		leave(&r->a);
	if (r->b.core)
		leave(&r->b);
	loop_stop(r->parent_loop);
	pthread_join(r->thread, &failed);
	assert_null(failed);
	listener_free(r->listener);
	hub_close(r->parent);
	assert_int_equal(half.gone, 2);
	module_close(r->module);
	loop_free(r->parent_loop);
	loop_free(r->loop);
	rmdir(r->dir);
	free(r);
	return 0;
}

/* A number there and back, @n times, at most @depth under way. */
static void exchange(struct rig *r, struct worker *w, unsigned n,
		     unsigned depth)
{
	uint64_t before = w->dev->sum, count = w->dev->answers, want = 0;
	unsigned sent = 0;

	while (w->dev->answers - count < n) {
		bool any = false;

		while (sent < n && sent - (w->dev->answers - count) < depth) {
			uint64_t value = sent++;

			want += value + 1;
			assert_int_equal(
				vgpu_ring_push(&w->dev->rings.out, &value), 0);
			any = true;
		}
		if (any)
			assert_int_equal(vgpu_parent_kick(&w->dev->dev), 0);
		loop_run_once(r->loop, -1);
	}
	assert_int_equal(w->dev->sum - before, want);
}

static void test_shared(void **state)
{
	struct rig *r = *state;

	assert_true(half.in_new_failed);
	assert_int_equal(r->a.dev->shared, AREA);
	exchange(r, &r->a, 1, 1);
	exchange(r, &r->b, 1000, 1);
	exchange(r, &r->a, 1000, ENTRIES);
	assert_int_equal(r->a.dev->answers, 1001);
	assert_int_equal(r->b.dev->answers, 1000);
	assert_true(r->a.dev->kicks && half.kicks);
	/* Messages go on beside them. */
	vgpu_parent_send(&r->a.dev->dev, "x", 1);
	while (!r->a.dev->messages)
		loop_run_once(r->loop, -1);
	assert_true(half.late_failed);
}

/* Lies in a ring are the driver's to see: the core drops who it refuses. */
static void test_a_lie_ends_it(void **state)
{
	struct rig *r = *state;

	exchange(r, &r->a, 10, 2);
	*r->a.dev->rings.out.head = 0x12345678;
	vgpu_parent_kick(&r->a.dev->dev);
	while (!r->a.dev->gone)
		loop_run_once(r->loop, -1);
	assert_int_equal(half.gone, 1);
	vgpu_parent_kick(&r->a.dev->dev); /* to nobody */
	exchange(r, &r->b, 10, 2);
}

static void *kick_for_ever(void *user)
{
	struct worker *w = user;

	while (!w->dev->gone && !w->dev->messages)
		vgpu_parent_kick(&w->dev->dev);
	return NULL;
}

/* One that kicks as fast as it can, and one that works. */
static void test_a_flood_of_kicks(void **state)
{
	struct rig *r = *state;
	pthread_t thread;

	pthread_create(&thread, NULL, kick_for_ever, &r->a);
	exchange(r, &r->b, 300, 1);
	for (unsigned i = 1; i <= 300; i++) {
		vgpu_parent_send(&r->b.dev->dev, "x", 1);
		while (r->b.dev->messages < i)
			loop_run_once(r->loop, -1);
	}
	r->a.dev->messages = 1; /* enough */
	pthread_join(thread, NULL);
	assert_true(half.kicks > 300);
}

static void test_engine_thread(void **state)
{
	struct rig *r = *state;

	exchange(r, &r->a, 2000, ENTRIES);
	exchange(r, &r->b, 200, 1);
	leave(&r->a); /* while its engine runs */
	exchange(r, &r->b, 200, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_lie_ends_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_flood_of_kicks, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_engine_thread,
						setup_engine, teardown),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
