/* SPDX-License-Identifier: MIT */
/* Memory of a vGPU that its worker gives to the parent half, and what a liar
 * would give. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <vgpu/iommu.h>

#include "device/module.h"
#include "hub/hub.h"
#include "rig/clock.h"
#include "uplink/private.h"
#include "util/bytes.h"
#include "util/loop.h"

#define PAGE  4096u
#define LIMIT (64u * PAGE)

static struct fake {
	struct vgpu_iommu *iommu;
	int refuse;
	struct {
		uint8_t *ptr;
		uint64_t size;
	} memory[VGPU_PARENT_MAX_MEMORIES];
	unsigned given, gone;
	bool inst_gone;
} fake;

static int fake_open(struct vgpu_parent *parent, const char *config)
{
	(void)config;
	return vgpu_parent_init(parent, fake.iommu);
}

static int fake_new(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
	return 0;
}

static void fake_gone(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
	fake.inst_gone = true;
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

static int fake_memory(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst, unsigned id,
		       void *ptr, uint64_t size)
{
	(void)parent;
	(void)inst;
	assert_null(fake.memory[id].ptr);
	if (fake.refuse)
		return fake.refuse;
	fake.memory[id].ptr = ptr;
	fake.memory[id].size = size;
	fake.given++;
	return 0;
}

static void fake_memory_gone(struct vgpu_parent *parent,
			     struct vgpu_parent_instance *inst, unsigned id)
{
	(void)parent;
	(void)inst;
	assert_false(fake.inst_gone);
	assert_non_null(fake.memory[id].ptr);
	/* It is still there. */
	fake.memory[id].ptr[fake.memory[id].size - 1]++;
	fake.memory[id].ptr = NULL;
	fake.gone++;
}

static const struct vgpu_parent_ops parent_ops = {
	.open = fake_open,
	.instance_new = fake_new,
	.instance_gone = fake_gone,
	.message = fake_message,
	.memory = fake_memory,
	.memory_gone = fake_memory_gone,
};

static int no_create(struct vgpu_device *dev)
{
	(void)dev;
	return -ENODEV;
}

static const struct vgpu_device_ops no_instance = { .create = no_create };

static const struct vgpu_type types[] = {
	{ .name = "fake-64p", .description = "64 pages", .vram_size = LIMIT }
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
	int fd, calls;
	struct wire_fds fds;
	uint32_t seq;
};

static int setup(void **state)
{
	struct wire_hello h = { .version = WIRE_VERSION, .uuid = { 1 } };
	struct rig *r = calloc(1, sizeof(*r));
	struct wire_welcome welcome;
	struct wire_header header;
	int fds[2];

	assert_non_null(r);
	fake = (struct fake){ 0 };
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &fake.iommu), 0);
	assert_int_equal(loop_new(&r->loop), 0);
	assert_int_equal(module_from_driver(&driver, &r->module), 0);
	assert_int_equal(hub_open(r->loop, r->module, "x", &r->core), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(hub_accept(r->core, fds[0]), 0);
	r->fd = fds[1];
	strcpy(h.type, types[0].name);
	assert_int_equal(wire_send(r->fd, WIRE_HELLO, 0, &h, sizeof(h), NULL),
			 0);
	clock_run(r->loop, 0);
	assert_int_equal(wire_receive(r->fd, 1000, &header, &welcome,
				      sizeof(welcome), &r->fds),
			 sizeof(welcome));
	assert_int_equal(welcome.err, 0);
	r->calls = r->fds.fd[WIRE_FD_CALLS];
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
	assert_int_equal(fake.gone, fake.given);
	close(r->fd);
	wire_fds_close(&r->fds);
	free(r);
	return 0;
}

static int give(struct rig *r, unsigned id, int fd, uint64_t offset,
		uint64_t size)
{
	const struct wire_give g = { .id = id, .offset = offset, .size = size };
	const struct wire_fds fds = { fd >= 0, { fd } };
	struct wire_reply reply;
	struct wire_header header;

	assert_int_equal(wire_send(r->calls, WIRE_GIVE, ++r->seq, &g, sizeof(g),
				   &fds),
			 0);
	clock_run(r->loop, 0);
	assert_int_equal(wire_receive(r->calls, 1000, &header, &reply,
				      sizeof(reply), NULL),
			 sizeof(reply));
	assert_int_equal(header.seq, r->seq);
	return -(int)reply.err;
}

static int file(uint64_t size, int seals)
{
	int fd = memfd_create("given", MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void test_it_is_the_same_memory(void **state)
{
	struct rig *r = *state;
	int fd = file(8 * PAGE, F_SEAL_SHRINK);

	assert_int_equal(pwrite(fd, "vram", 4, 2 * PAGE), 4);
	assert_int_equal(give(r, 1, fd, 2 * PAGE, 4 * PAGE), 0);
	assert_int_equal(fake.memory[1].size, 4 * PAGE);
	assert_memory_equal(fake.memory[1].ptr, "vram", 4);
	/* Another one in its place, and none. */
	assert_int_equal(give(r, 1, fd, 0, PAGE), 0);
	assert_int_equal(fake.gone, 1);
	assert_int_equal(give(r, 1, -1, 0, 0), 0);
	assert_int_equal(fake.gone, 2);
	assert_null(fake.memory[1].ptr);
	close(fd);
}

static void test_the_instance_goes(void **state)
{
	struct rig *r = *state;
	int fd = file(PAGE, F_SEAL_SHRINK);

	assert_int_equal(give(r, 0, fd, 0, PAGE), 0);
	assert_int_equal(give(r, 3, fd, 0, PAGE), 0);
	close(r->fd);
	r->fd = -1;
	clock_run(r->loop, 0);
	assert_int_equal(fake.gone, 2);
	assert_true(fake.inst_gone);
	close(fd);
}

static void test_what_is_no_such_memory(void **state)
{
	struct rig *r = *state;
	int open = file(PAGE, F_SEAL_GROW), pipes[2];
	int fd = file(2 * LIMIT, F_SEAL_SHRINK);
	int ro = file(PAGE, F_SEAL_SHRINK | F_SEAL_WRITE);

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(give(r, 0, open, 0, PAGE), -EINVAL);
	assert_int_equal(give(r, 0, pipes[0], 0, PAGE), -EINVAL);
	assert_int_equal(give(r, 0, ro, 0, PAGE), -EACCES);
	assert_int_equal(give(r, 4, fd, 0, PAGE), -EINVAL);
	assert_int_equal(give(r, UINT32_MAX, fd, 0, PAGE), -EINVAL);
	assert_int_equal(give(r, 0, fd, 0, PAGE - 1), -EINVAL);
	assert_int_equal(give(r, 0, fd, 8, PAGE), -EINVAL);
	assert_int_equal(give(r, 0, fd, 2 * LIMIT, PAGE), -EINVAL);
	assert_int_equal(give(r, 0, fd, UINT64_MAX - PAGE + 1, PAGE), -EINVAL);
	assert_int_equal(give(r, 0, fd, 2 * PAGE, UINT64_MAX - PAGE + 1),
			 -EDQUOT);
	assert_int_equal(give(r, 0, fd, 0, 0), -EINVAL);
	assert_int_equal(give(r, 0, -1, 0, PAGE), -EINVAL);
	assert_int_equal(fake.given, 0);
	close(open);
	close(ro);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_no_more_than_the_type_has(void **state)
{
	struct rig *r = *state;
	int fd = file(2 * LIMIT, F_SEAL_SHRINK);

	assert_int_equal(give(r, 0, fd, 0, LIMIT + PAGE), -EDQUOT);
	assert_int_equal(give(r, 0, fd, 0, LIMIT / 2), 0);
	assert_int_equal(give(r, 1, fd, 0, LIMIT / 2 + PAGE), -EDQUOT);
	assert_int_equal(give(r, 1, fd, 0, LIMIT / 2), 0);
	assert_int_equal(give(r, 2, fd, 0, PAGE), -EDQUOT);
	/* What is replaced does not count twice. */
	assert_int_equal(give(r, 1, fd, LIMIT, LIMIT / 2), 0);
	close(fd);
}

static void test_the_driver_refuses(void **state)
{
	struct rig *r = *state;
	int fd = file(PAGE, F_SEAL_SHRINK);

	fake.refuse = -ENOSPC;
	assert_int_equal(give(r, 0, fd, 0, PAGE), -ENOSPC);
	fake.refuse = 0;
	assert_int_equal(give(r, 0, fd, 0, PAGE), 0);
	/* A refusal leaves none, also where there was one. */
	fake.refuse = -EBUSY;
	assert_int_equal(give(r, 0, fd, 0, PAGE), -EBUSY);
	assert_int_equal(fake.gone, 1);
	close(fd);
}

static void test_nothing_is_left_open(void **state)
{
	struct rig *r = *state;
	int fd = file(PAGE, F_SEAL_SHRINK), next = dup(fd);

	close(next);
	for (unsigned i = 0; i < 64; i++) {
		give(r, i % 5, fd, 0, PAGE);
		give(r, i % 5, fd, 1, PAGE);
	}
	assert_int_equal(dup(fd), next);
	close(next);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(test_it_is_the_same_memory),
		TEST(test_the_instance_goes),
		TEST(test_what_is_no_such_memory),
		TEST(test_no_more_than_the_type_has),
		TEST(test_the_driver_refuses),
		TEST(test_nothing_is_left_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
