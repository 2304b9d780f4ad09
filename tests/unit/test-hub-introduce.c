/* SPDX-License-Identifier: MIT */
/* Who an instance is: by its own word, and by that of one who is trusted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <vgpu/iommu.h>

#include "device/module.h"
#include "hub/introduce.h"
#include "hub/hub.h"
#include "rig/clock.h"
#include "uplink/private.h"
#include "util/loop.h"

static const uint8_t uuid[16] = { 1, 2, 3 }, other[16] = { 9 };

/* The driver: one parent, which notes down what it is told. */
struct fake {
	struct vgpu_iommu *iommu;
	struct vgpu_parent_instance *inst; /* the last one that came */
	unsigned n, gone, changed;
};

static struct fake fake;

static int fake_open(struct vgpu_parent *parent, const char *config)
{
	(void)config;
	return vgpu_parent_init(parent, fake.iommu);
}

static int fake_new(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	(void)parent;
	fake.inst = inst;
	fake.n++;
	return 0;
}

static void fake_gone(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
	fake.gone++;
}

static void fake_changed(struct vgpu_parent *parent,
			 struct vgpu_parent_instance *inst)
{
	(void)parent;
	assert_ptr_equal(inst, fake.inst);
	fake.changed++;
}

static int fake_message(struct vgpu_parent *parent,
			struct vgpu_parent_instance *inst, const void *msg,
			size_t len)
{
	(void)parent;
	(void)inst;
	(void)msg;
	(void)len;
	return 0;
}

static const struct vgpu_parent_ops parent_ops = {
	.open = fake_open,
	.instance_new = fake_new,
	.instance_gone = fake_gone,
	.message = fake_message,
	.instance_changed = fake_changed,
};

static int no_create(struct vgpu_device *dev)
{
	(void)dev;
	return -ENODEV;
}

static const struct vgpu_device_ops no_instance = { .create = no_create };

static const struct vgpu_type types[] = {
	{ .name = "fake-big", .description = "64 MiB", .vram_size = 64 << 20 },
	{ .name = "fake-small", .description = "none" },
};

static const struct vgpu_driver driver = {
	.name = "fake",
	.version = "1",
	.description = "a fake",
	VGPU_LIST(types, types),
	.instance = &no_instance,
	.parent = &parent_ops,
};

struct rig {
	struct loop *loop;
	struct module *module;
	struct vgpu_hub *core;
	int calls[8];
	unsigned n_calls;
};

static int setup(void **state)
{
	const struct vgpu_iommu_cpu_config config = { 0 };
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	fake = (struct fake){ 0 };
	assert_int_equal(vgpu_iommu_cpu_new(&config, &fake.iommu), 0);
	assert_int_equal(loop_new(&r->loop), 0);
	assert_int_equal(module_from_driver(&driver, &r->module), 0);
	assert_int_equal(hub_open(r->loop, r->module, "x", &r->core), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	hub_close(r->core);
	module_close(r->module);
	loop_free(r->loop);
	fake.iommu->ops->destroy(fake.iommu);
	assert_int_equal(fake.gone, fake.n);
	while (r->n_calls)
		close(r->calls[--r->n_calls]);
	free(r);
	return 0;
}

/* Says HELLO on @fd, and returns what WELCOME says. */
static int hello(struct rig *r, int fd, const uint8_t id[16], const char *type,
		 unsigned weight, unsigned cap)
{
	struct wire_hello h = { .version = WIRE_VERSION,
				.weight = (uint16_t)weight,
				.cap = (uint16_t)cap };
	struct wire_welcome welcome;
	struct wire_header header;
	struct wire_fds fds = { 0 };

	memcpy(h.uuid, id, sizeof(h.uuid));
	strcpy(h.type, type);
	assert_int_equal(wire_send(fd, WIRE_HELLO, 0, &h, sizeof(h), NULL),
			 0);
	clock_run(r->loop, 0);
	assert_int_equal(wire_receive(fd, 1000, &header, &welcome,
				      sizeof(welcome), &fds),
			 sizeof(welcome));
	assert_int_equal(fds.n >= WIRE_FDS_LEAST, welcome.err == 0);
	/* It stays open: without it a worker is none. */
	if (fds.n)
		r->calls[r->n_calls++] = fds.fd[WIRE_FD_CALLS];
	for (unsigned i = WIRE_FD_CALLS + 1; i < fds.n; i++)
		close(fds.fd[i]);
	return -(int)welcome.err;
}

static int introduce(struct rig *r, const char *type, uint32_t weight,
		     uint32_t cap)
{
	const struct hub_terms terms = { weight, cap, 4096 };
	int fd = -1, err = hub_introduce(r->core, uuid, type, &terms, &fd);

	return err ? err : fd;
}

/* Somebody who connects by himself. */
static int stranger(struct rig *r)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(hub_accept(r->core, fds[0]), 0);
	return fds[1];
}

static void test_a_stranger_is_believed(void **state)
{
	struct rig *r = *state;
	int a = stranger(r), b = stranger(r), c = stranger(r);

	assert_int_equal(hello(r, a, uuid, "fake-big", 0, 0), 0);
	assert_ptr_equal(vgpu_instance_type(fake.inst), &types[0]);
	assert_int_equal(vgpu_instance_weight(fake.inst), 4);
	assert_int_equal(vgpu_instance_cap(fake.inst), 0);
	assert_int_equal(hello(r, b, other, "fake-small", 77, 50), 0);
	assert_int_equal(vgpu_instance_weight(fake.inst), 77);
	assert_int_equal(vgpu_instance_cap(fake.inst), 50);
	assert_int_equal(hello(r, c, uuid, "fake-small", 0, 101), -EINVAL);
	close(a);
	close(b);
	close(c);
}

static void test_a_worker_cannot_say_more_than_was_said(void **state)
{
	struct rig *r = *state;
	int fd = introduce(r, "fake-small", 3, 20);

	assert_int_equal(hello(r, fd, uuid, "fake-small", 10000, 0), 0);
	assert_int_equal(vgpu_instance_weight(fake.inst), 3);
	assert_int_equal(vgpu_instance_cap(fake.inst), 20);
	assert_int_equal(fake.inst->pin_limit, 4096);
	close(fd);
}

static void test_a_worker_cannot_be_another(void **state)
{
	struct rig *r = *state;
	int fd = introduce(r, "fake-small", 0, 0);

	assert_int_equal(hello(r, fd, uuid, "fake-big", 0, 0), -EACCES);
	close(fd);
	fd = introduce(r, "fake-small", 0, 0);
	assert_int_equal(hello(r, fd, other, "fake-small", 0, 0), -EACCES);
	close(fd);
	assert_int_equal(fake.n, 0);
}

static void test_terms_that_cannot_be(void **state)
{
	struct rig *r = *state;

	assert_int_equal(introduce(r, "fake-none", 0, 0), -ENODEV);
	assert_int_equal(introduce(r, "fake-big", VGPU_WEIGHT_MAX + 1, 0),
			 -EINVAL);
	assert_int_equal(introduce(r, "fake-big", 0, 101), -EINVAL);
	assert_int_equal(r->core->n_instances, 0);
}

static void test_change(void **state)
{
	const struct hub_terms terms = { 9, 90, 8192 };
	struct rig *r = *state;
	int fd = introduce(r, "fake-big", 5, 0), raw = stranger(r);

	assert_int_equal(parent_change(r->core, other, &terms), -ENOENT);
	/* Before HELLO, too: nobody is told, since nobody has asked yet. */
	assert_int_equal(parent_change(r->core, uuid, &terms), 0);
	assert_int_equal(fake.changed, 0);
	assert_int_equal(hello(r, fd, uuid, "fake-big", 0, 0), 0);
	assert_int_equal(vgpu_instance_weight(fake.inst), 9);
	assert_int_equal(parent_change(r->core, uuid, &terms), 0);
	assert_int_equal(fake.changed, 0);
	assert_int_equal(
		parent_change(r->core, uuid, &(struct hub_terms){ 0, 1, 1 }),
		0);
	assert_int_equal(fake.changed, 1);
	assert_int_equal(vgpu_instance_weight(fake.inst), 4);
	assert_int_equal(vgpu_instance_cap(fake.inst), 1);
	/* One that nobody has introduced is nobody's to change. */
	assert_int_equal(hello(r, raw, other, "fake-big", 0, 0), 0);
	assert_int_equal(parent_change(r->core, other, &terms), -ENOENT);
	close(fd);
	close(raw);
}

static void test_one_that_never_comes(void **state)
{
	struct rig *r = *state;
	int fd = introduce(r, "fake-big", 5, 0);

	assert_int_equal(r->core->n_instances, 1);
	close(fd);
	clock_run(r->loop, 0);
	assert_int_equal(r->core->n_instances, 0);
	assert_int_equal(fake.n, 0);
}

/* Its last worker is gone, or will be: who comes later decides. */
static void test_a_successor(void **state)
{
	struct rig *r = *state;
	int first = introduce(r, "fake-big", 5, 0), second;

	assert_int_equal(hello(r, first, uuid, "fake-big", 0, 0), 0);
	second = introduce(r, "fake-big", 5, 0);
	assert_int_equal(hello(r, second, uuid, "fake-big", 0, 0), -EBUSY);
	close(second);
	second = introduce(r, "fake-big", 5, 0);
	close(first);
	clock_run(r->loop, 0);
	assert_int_equal(hello(r, second, uuid, "fake-big", 0, 0), 0);
	assert_int_equal(fake.n, 2);
	close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(test_a_stranger_is_believed),
		TEST(test_a_worker_cannot_say_more_than_was_said),
		TEST(test_a_worker_cannot_be_another),
		TEST(test_terms_that_cannot_be),
		TEST(test_change),
		TEST(test_one_that_never_comes),
		TEST(test_a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
