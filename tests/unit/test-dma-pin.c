/* SPDX-License-Identifier: MIT */
/* Pins: batches, roll-back, counts, limits, unmaps of what is pinned; and the
 * software IOMMU behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/iommu.h>

#include "dma/access.h"
#include "dma/budget.h"
#include "dma/pin-private.h"
#include "rig/clock.h"
#include "state/arena.h"
#include "util/loop.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define R    DMA_PROT_READ
#define W    DMA_PROT_WRITE
#define RW   (R | W)

static struct arena *arena;
static struct dma_space *space;
static struct loop *loop;
static struct vgpu_iommu *cpu;
static int fd;

/* The driver's dma_unmap op, as far as a test needs one */
static int (*driver_unmap)(uint64_t iova, uint64_t size);
static int n_unmaps, n_overdue, n_faults;

static int on_unmap(uint64_t iova, uint64_t size, void *user)
{
	(void)user;
	n_unmaps++;
	return driver_unmap ? driver_unmap(iova, size) : 0;
}

static void on_overdue(void *user)
{
	(void)user;
	n_overdue++;
}

static const struct dma_owner_ops owner_ops = {
	.unmap = on_unmap,
	.overdue = on_overdue,
};

static void on_fault(struct vgpu_iommu *iommu, uint64_t addr, unsigned prot,
		     void *user)
{
	assert_ptr_equal(iommu, cpu);
	(void)addr;
	(void)prot;
	++*(int *)user;
}

static int setup(void **state)
{
	const struct vgpu_iommu_cpu_config config = {
		.max_pages = 8192,
		.fault = on_fault,
		.user = &n_faults,
	};

	(void)state;
	driver_unmap = NULL;
	n_unmaps = n_overdue = n_faults = 0;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(dma_space_attach(space, loop, &owner_ops, NULL), 0);
	assert_int_equal(vgpu_iommu_cpu_new(&config, &cpu), 0);
	assert_int_equal(dma_space_set_iommu(space, cpu), 0);
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8 * MIB), 0);
	assert_int_equal(dma_space_map(space, 0, 4 * MIB, RW, fd, 4 * MIB), 0);
	assert_int_equal(dma_space_map(space, 4 * MIB, MIB, R, fd, 0), 0);
	assert_int_equal(dma_space_map(space, 6 * MIB, MIB, RW, -1, 0), 0);
	return 0;
}

static int teardown(void **state)
{
	struct vgpu_iommu_stats s;

	(void)state;
	dma_space_free(space);
	vgpu_iommu_get_stats(cpu, &s);
	assert_int_equal(s.mapped_pages, 0); /* whatever happened */
	vgpu_iommu_destroy(cpu);
	arena_free(arena);
	loop_free(loop);
	close(fd);
	return 0;
}

static uint64_t pinned(void)
{
	struct dma_pin_stats s;

	dma_space_pin_stats(space, &s);
	return s.bytes / PAGE;
}

static uint64_t reachable(void)
{
	struct vgpu_iommu_stats s;

	vgpu_iommu_get_stats(cpu, &s);
	return s.mapped_pages;
}

static int pin1(uint64_t iova, unsigned prot, uint64_t *ret_addr)
{
	return dma_space_pin(space, &iova, 1, prot, ret_addr);
}

static void unpin1(uint64_t iova, unsigned prot)
{
	dma_space_unpin(space, &iova, 1, prot);
}

static void the_engine_reaches_what_is_pinned(void **state)
{
	uint64_t addr = 0, other;
	char buf[16] = "device", back[16] = { 0 };

	(void)state;
	assert_int_equal(pin1(2 * PAGE, RW, &addr), 0);
	assert_true(addr != 2 * PAGE);
	assert_int_equal(vgpu_iommu_cpu_write(cpu, addr + 8, buf, 7), 0);
	assert_int_equal(dma_space_read(space, 2 * PAGE + 8, back, 7), 0);
	assert_string_equal(back, "device");
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr + 8, back, 7), 0);
	vgpu_iommu_cpu_enter(cpu);
	assert_non_null(vgpu_iommu_cpu_ptr(cpu, addr, RW));
	assert_null(vgpu_iommu_cpu_ptr(cpu, addr, 0));
	vgpu_iommu_cpu_leave(cpu);
	/* Anything else is a fault: beyond the page, guest addresses, host
	 * addresses, a page that is only read. */
	n_faults = 0;
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr + PAGE - 1, back, 2),
			 -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr - 1, back, 1), -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, 2 * PAGE, back, 1), -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, (uintptr_t)buf, back, 1),
			 -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_write(cpu, UINT64_MAX, back, 1),
			 -EFAULT);
	assert_int_equal(pin1(3 * PAGE, R, &other), 0);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, other, back, 1), 0);
	assert_int_equal(vgpu_iommu_cpu_write(cpu, other, back, 1), -EFAULT);
	assert_int_equal(n_faults, 6);
	unpin1(2 * PAGE, RW);
	unpin1(3 * PAGE, R);
	/* Addresses are not used again soon. */
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr, back, 1), -EFAULT);
	assert_int_equal(pin1(2 * PAGE, RW, &other), 0);
	assert_true(other != addr);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr, back, 1), -EFAULT);
	assert_int_equal(reachable(), 1);
	unpin1(2 * PAGE, RW);
	assert_int_equal(reachable(), 0);
	assert_int_equal(pinned(), 0);
}

static void pins_are_counted(void **state)
{
	uint64_t a, b, c;

	(void)state;
	assert_int_equal(pin1(0, R, &a), 0);
	assert_int_equal(pin1(0, R, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(pin1(0, RW, &c), 0);
	assert_true(c != a);
	assert_int_equal(pinned(), 2);
	unpin1(0, R);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, a, &b, 8), 0);
	unpin1(0, R);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, a, &b, 8), -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, c, &b, 8), 0);
	unpin1(0, RW);
	unpin1(0, RW); /* one too many */
	unpin1(PAGE, W);
	assert_int_equal(pinned(), 0);
}

static void batches_are_all_or_nothing(void **state)
{
	uint64_t iovas[600], addrs[600], copy[600];
	const struct {
		uint64_t iova;
		unsigned prot;
		int err;
	} bad[] = {
		{ 5 * MIB, R, -EFAULT },     { 4 * MIB, RW, -EACCES },
		{ 6 * MIB, R, -EOPNOTSUPP }, { 1, R, -EINVAL },
		{ UINT64_MAX, R, -EINVAL },  { 0 - PAGE, R, -EFAULT },
	};

	(void)state;
	for (int i = 0; i < 600; i++)
		iovas[i] = (uint64_t)((i * 7) % 500) * PAGE; /* some twice */
	memset(addrs, 0x55, sizeof(addrs));
	memcpy(copy, addrs, sizeof(addrs));
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		for (int at = 0; at < 600; at += 599) {
			uint64_t was = iovas[at];

			iovas[at] = bad[k].iova;
			assert_int_equal(dma_space_pin(space, iovas, 600,
						       bad[k].prot, addrs),
					 bad[k].err);
			iovas[at] = was;
			assert_int_equal(pinned(), 0);
			assert_int_equal(reachable(), 0);
		}
	}
	assert_memory_equal(addrs, copy, sizeof(addrs));
	assert_int_equal(dma_space_pin(space, iovas, 600, 0, addrs), -EINVAL);
	assert_int_equal(dma_space_pin(space, iovas, 600, 8, addrs), -EINVAL);
	assert_int_equal(dma_space_pin(space, iovas, 0, RW, addrs), 0);
	/* Nothing was left behind: the space can be emptied at once. */
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	assert_int_equal(n_unmaps, 0);
	assert_int_equal(dma_space_map(space, 0, 4 * MIB, RW, fd, 0), 0);

	assert_int_equal(dma_space_pin(space, iovas, 600, RW, addrs), 0);
	assert_int_equal(pinned(), 500);
	assert_int_equal(addrs[0], addrs[500]);
	for (uint64_t i = 0; i < 600; i++) {
		uint64_t v = iovas[i] * 3;

		assert_int_equal(dma_space_write(space, iovas[i], &v, 8), 0);
		assert_int_equal(vgpu_iommu_cpu_read(cpu, addrs[i], &v, 8), 0);
		assert_int_equal(v, iovas[i] * 3);
	}
	dma_space_unpin(space, iovas, 100, RW);
	assert_int_equal(pinned(), 500); /* each of these is in there twice */
	dma_space_unpin(space, iovas, 500, RW);
	assert_int_equal(pinned(), 0);
}

static void limits(void **state)
{
	struct dma_budget *user;
	struct dma_pin_stats s;
	uint64_t iovas[64], addrs[64];
	struct dma_space *second;
	struct arena *a;

	(void)state;
	for (uint64_t i = 0; i < 64; i++)
		iovas[i] = i * PAGE;
	dma_space_set_pin_limit(space, 40 * PAGE);
	assert_int_equal(dma_space_pin(space, iovas, 41, R, addrs), -ENOSPC);
	assert_int_equal(dma_space_pin(space, iovas, 40, R, addrs), 0);
	assert_int_equal(dma_space_pin(space, iovas, 40, R, addrs), 0);
	assert_int_equal(pin1(41 * PAGE, R, addrs), -ENOSPC);
	assert_int_equal(pinned(), 40);

	/* A user's instances share his budget; what is pinned comes along. */
	assert_int_equal(dma_budget_new(39 * PAGE, &user), 0);
	assert_int_equal(dma_space_set_budget(space, user), -EDQUOT);
	user->limit = 50 * PAGE;
	assert_int_equal(dma_space_set_budget(space, user), 0);
	assert_int_equal(arena_new("second", &a), 0);
	assert_int_equal(dma_space_new(a, NULL, &second), 0);
	assert_int_equal(dma_space_set_iommu(second, cpu), 0);
	assert_int_equal(dma_space_set_budget(second, user), 0);
	assert_int_equal(dma_space_map(second, 0, MIB, RW, fd, 0), 0);
	assert_int_equal(dma_space_pin(second, iovas, 11, R, addrs), -EDQUOT);
	assert_int_equal(dma_space_pin(second, iovas, 10, R, addrs), 0);
	dma_space_pin_stats(second, &s);
	assert_int_equal(s.bytes, 10 * PAGE);
	assert_int_equal(s.limit, DMA_MAX_PINNED_BYTES);
	assert_int_equal(s.user_bytes, 50 * PAGE);
	assert_int_equal(s.user_limit, 50 * PAGE);
	dma_space_free(second);
	arena_free(a);
	dma_space_pin_stats(space, &s);
	assert_int_equal(s.user_bytes, 40 * PAGE);
	assert_int_equal(s.limit, 40 * PAGE);
	assert_int_equal(dma_space_set_budget(space, NULL), 0);
	assert_int_equal(user->used, 0);
	dma_budget_unref(user);
	dma_space_unpin(space, iovas, 40, R);
	assert_int_equal(pinned(), 40);
	dma_space_unpin(space, iovas, 40, R);
	assert_int_equal(pinned(), 0);
}

static void users_have_budgets(void **state)
{
	struct dma_budget *a, *b, *again;
	struct dma_budgets *all;

	(void)state;
	assert_int_equal(dma_budgets_new(10, &all), 0);
	assert_int_equal(dma_budgets_get(all, 1000, &a), 0);
	assert_int_equal(dma_budgets_get(all, 0, &b), 0);
	assert_int_equal(dma_budgets_get(all, 1000, &again), 0);
	assert_ptr_equal(a, again);
	assert_ptr_not_equal(a, b);
	assert_int_equal(dma_budget_charge(a, 11), -EDQUOT);
	assert_int_equal(dma_budget_charge(a, 6), 0);
	assert_int_equal(dma_budget_charge(again, 5), -EDQUOT);
	assert_int_equal(dma_budget_charge(b, 10), 0);
	dma_budgets_set_limit(all, 5); /* below what is used */
	assert_int_equal(dma_budget_charge(a, 1), -EDQUOT);
	dma_budget_uncharge(a, 6);
	assert_int_equal(dma_budget_charge(a, 5), 0);
	dma_budgets_free(all);
	dma_budgets_free(NULL);
	assert_int_equal(a->used, 5); /* until it is let go of */
	dma_budget_unref(a);
	dma_budget_unref(again);
	dma_budget_unref(b);
}

static void the_backend_may_be_full(void **state)
{
	uint64_t *iovas = calloc(1024, 8), *addrs = calloc(1024, 8);
	const struct vgpu_iommu_cpu_config config = {
		.base = 1 << 20,
		.max_pages = 600,
	};
	struct vgpu_iommu *small, *odd;
	struct vgpu_iommu_cpu_config wrong = config;

	(void)state;
	wrong.base = 5;
	assert_int_equal(vgpu_iommu_cpu_new(&wrong, &odd), -EINVAL);
	wrong.base = 0 - PAGE;
	assert_int_equal(vgpu_iommu_cpu_new(&wrong, &odd), -EINVAL);
	assert_int_equal(vgpu_iommu_cpu_new(&config, &small), 0);
	assert_int_equal(pin1(0, R, addrs), 0);
	assert_int_equal(dma_space_set_iommu(space, small), -EBUSY);
	unpin1(0, R);
	assert_int_equal(dma_space_set_iommu(space, NULL), 0);
	assert_int_equal(pin1(0, R, addrs), -ENODEV);
	assert_int_equal(dma_space_set_iommu(space, small), 0);
	for (uint64_t i = 0; i < 1024; i++)
		iovas[i] = i * PAGE;
	assert_int_equal(dma_space_pin(space, iovas, 601, R, addrs), -ENOSPC);
	assert_int_equal(pinned(), 0);
	for (int round = 0; round < 50; round++) { /* through all addresses */
		assert_int_equal(dma_space_pin(space, iovas, 600, R, addrs), 0);
		assert_int_equal(pin1(600 * PAGE, R, addrs + 600), -ENOSPC);
		for (int i = 0; i < 600; i++)
			assert_in_range(addrs[i], 1 << 20,
					(1 << 20) + 599 * PAGE);
		dma_space_unpin(space, iovas, 600, R);
	}
	dma_space_set_iommu(space, cpu);
	vgpu_iommu_destroy(small);
	free(iovas);
	free(addrs);
}

static int unmapped;
static void on_unmapped(int err, void *user)
{
	(void)user;
	assert_int_equal(err, 0);
	unmapped++;
}

static void run(void)
{
	while (loop_run_once(loop, 0) > 0)
		;
}

static int drop_at_once(uint64_t iova, uint64_t size)
{
	assert_int_equal(iova, 0);
	assert_int_equal(size, 4 * MIB);
	unpin1(PAGE, RW);
	return 0;
}

static int drop_later(uint64_t iova, uint64_t size)
{
	(void)iova;
	(void)size;
	return -EINPROGRESS;
}

static void unmaps_wait_for_pins(void **state)
{
	uint64_t addr, other;

	(void)state;
	unmapped = 0;
	/* dropped in the op */
	driver_unmap = drop_at_once;
	assert_int_equal(pin1(PAGE, RW, &addr), 0);
	assert_int_equal(dma_space_unmap(space, 0, 4 * MIB, on_unmapped, NULL),
			 0);
	assert_int_equal(n_unmaps, 1);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr, &other, 8), -EFAULT);
	assert_int_equal(pin1(PAGE, RW, &addr), -EFAULT);

	/* later, with and without saying so */
	driver_unmap = drop_later;
	assert_int_equal(dma_space_map(space, 0, 4 * MIB, RW, fd, 0), 0);
	assert_int_equal(pin1(PAGE, RW, &addr), 0);
	assert_int_equal(dma_space_unmap(space, 0, 4 * MIB, on_unmapped, NULL),
			 -EINPROGRESS);
	assert_int_equal(pin1(2 * PAGE, RW, &other), -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr, &other, 8), 0);
	unpin1(PAGE, RW);
	run();
	assert_int_equal(unmapped, 0);
	dma_space_unmap_done(space, 0, 4 * MIB);
	run();
	assert_int_equal(unmapped, 1);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr, &other, 8), -EFAULT);
}

static void a_late_driver_loses_its_pins(void **state)
{
	uint64_t addr, other, keep;

	(void)state;
	unmapped = 0;
	driver_unmap = drop_later;
	assert_int_equal(pin1(PAGE, RW, &addr), 0);
	assert_int_equal(pin1(4 * MIB, R, &keep), 0);
	assert_int_equal(dma_space_unmap(space, 0, 4 * MIB, on_unmapped, NULL),
			 -EINPROGRESS);
	clock_run(loop, DMA_UNMAP_PATIENCE_NS - 1);
	assert_int_equal(n_overdue, 0);
	assert_int_equal(unmapped, 0);
	clock_run(loop, DMA_UNMAP_CHECK_NS);
	assert_int_equal(unmapped, 1);
	assert_int_equal(n_overdue, 1);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, addr, &other, 8), -EFAULT);
	assert_int_equal(vgpu_iommu_cpu_read(cpu, keep, &other, 8), 0);
	assert_int_equal(pinned(), 1);
	unpin1(PAGE, RW); /* too late, and harmless */
	dma_space_unmap_done(space, 0, 4 * MIB);
	assert_int_equal(pinned(), 1);
}

static void a_space_may_go_with_pins(void **state)
{
	uint64_t iovas[8], addrs[8];
	struct vgpu_dma_segment seg;

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		iovas[i] = i * PAGE;
	assert_int_equal(dma_space_pin(space, iovas, 8, RW, addrs), 0);
	assert_int_equal(dma_space_get(space, 0, 8, RW, &seg, 1), 1);
	dma_space_put(space, &seg, 1);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), -EINPROGRESS);
	/* the tear-down finds nothing reachable */
}

static sem_t inside;
static _Atomic int left;
static uint64_t engine_addr;

static void *engine(void *arg)
{
	volatile uint64_t *p;
	unsigned slept = clock_sleeps();

	(void)arg;
	vgpu_iommu_cpu_enter(cpu);
	p = vgpu_iommu_cpu_ptr(cpu, engine_addr, RW);
	assert_non_null(p);
	sem_post(&inside);
	/* Whoever does not wait for this thread never sleeps. */
	while (clock_sleeps() == slept)
		sched_yield();
	*p = 1;
	left = 1;
	vgpu_iommu_cpu_leave(cpu);
	return NULL;
}

static void an_unpin_waits_for_the_engine(void **state)
{
	pthread_t thread;

	(void)state;
	left = 0;
	assert_int_equal(sem_init(&inside, 0, 0), 0);
	assert_int_equal(pin1(0, RW, &engine_addr), 0);
	assert_int_equal(pthread_create(&thread, NULL, engine, NULL), 0);
	assert_int_equal(sem_wait(&inside), 0);
	unpin1(0, RW);
	assert_int_equal(left, 1);
	pthread_join(thread, NULL);
}

/* A vendor's backend: identity plus a secret, refuses every third batch */
struct vendor {
	struct vgpu_iommu iommu;
	int maps, unmapped, forgotten;
};

static int64_t vendor_map(struct vgpu_iommu *iommu,
			  const struct vgpu_iommu_page *pages, unsigned n,
			  unsigned prot, uint64_t *ret_addrs)
{
	struct vendor *v = vgpu_container_of(iommu, struct vendor, iommu);

	assert_int_equal(prot, RW);
	if (++v->maps % 3 == 0)
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		struct vgpu_iommu_memory *m = pages[i].memory;

		assert_true(m->fd >= 0 && m->id && m->base);
		assert_int_equal(m->prot, RW);
		assert_true(pages[i].offset < m->size);
		m->priv = v;
		ret_addrs[i] = (m->offset + pages[i].offset) ^ (1ull << 40);
	}
	return n * 2 * PAGE; /* it holds twice as much */
}

static uint64_t vendor_unmap(struct vgpu_iommu *iommu, const uint64_t *addrs,
			     unsigned n)
{
	(void)addrs;
	vgpu_container_of(iommu, struct vendor, iommu)->unmapped += (int)n;
	return n * 2 * PAGE;
}

static void vendor_forget(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_memory *memory)
{
	struct vendor *v = vgpu_container_of(iommu, struct vendor, iommu);

	assert_ptr_equal(memory->priv, v);
	v->forgotten++;
}

static void vendor_stats(struct vgpu_iommu *iommu, struct vgpu_iommu_stats *s)
{
	(void)iommu;
	memset(s, 0, sizeof(*s));
}

static void vendor_destroy(struct vgpu_iommu *iommu)
{
	(void)iommu;
}

static void a_vendor_brings_his_own(void **state)
{
	struct vgpu_iommu_ops ops = {
		.name = "vendor",
		.map = vendor_map,
		.unmap = vendor_unmap,
		.forget = vendor_forget,
		.get_stats = vendor_stats,
		.destroy = vendor_destroy,
	};
	struct vendor v = { .iommu = { &ops, sizeof(ops) } };
	uint64_t iovas[3] = { 0, PAGE, MIB }, addrs[3];

	(void)state;
	ops.map = NULL;
	assert_int_equal(dma_space_set_iommu(space, &v.iommu), -EINVAL);
	ops.map = vendor_map;
	v.iommu.ops_size = 8;
	assert_int_equal(dma_space_set_iommu(space, &v.iommu), -EINVAL);
	v.iommu.ops_size = sizeof(ops);
	assert_int_equal(dma_space_set_iommu(space, &v.iommu), 0);
	for (int i = 0; i < 6; i++) {
		int refused = i % 3 == 2;

		assert_int_equal(dma_space_pin(space, iovas, 3, RW, addrs),
				 refused ? -EIO : 0);
		assert_int_equal(pinned(), refused ? 0 : 6);
		if (refused)
			continue;
		assert_int_equal(addrs[2], 5 * MIB ^ 1ull << 40);
		dma_space_unpin(space, iovas, 3, RW);
	}
	assert_int_equal(v.unmapped, 12);
	/* It is what the backend holds that counts. */
	dma_space_set_pin_limit(space, 5 * PAGE);
	assert_int_equal(dma_space_pin(space, iovas, 3, RW, addrs), -ENOSPC);
	assert_int_equal(pinned(), 0);
	assert_int_equal(v.unmapped, 15);
	assert_int_equal(v.forgotten, 0);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	assert_int_equal(v.forgotten, 1);
	dma_space_set_iommu(space, cpu);
}

/* The table behind it, against a plain array, with many collisions */
static void the_pin_table(void **state)
{
	struct dma_pin_table t = { 0 };
	static uint8_t in[4096];
	uint64_t seed = 42;
	size_t n = 0;

	(void)state;
	memset(in, 0, sizeof(in));
	assert_null(dma_pin_table_find(&t, PAGE | 1));
	for (int step = 0; step < 200000; step++) {
		uint64_t i, key;
		struct dma_pin *p;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		i = seed >> 52;
		key = (i << 30 | PAGE) | 1; /* a stride that guests like */
		p = dma_pin_table_find(&t, key);
		assert_int_equal(!!p, in[i]);
		if (p) {
			assert_int_equal(p->addr, i);
			dma_pin_table_remove(&t, p);
			n--;
		} else {
			assert_int_equal(dma_pin_table_reserve(&t, 1), 0);
			p = dma_pin_table_slot(&t, key);
			assert_int_equal(p->key, 0);
			*p = (struct dma_pin){ .key = key, .addr = i };
			t.n++;
			n++;
		}
		in[i] ^= 1;
		assert_int_equal(t.n, n);
	}
	assert_true(n > 1000);
	dma_pin_table_fini(&t);
}

/* Every pin of a range goes, and none of another's, wherever they lie in the
 * table: also where its end is its beginning. */
static void a_range_is_revoked_whole(void **state)
{
	uint64_t seed = 88172645463325252ull, addr;
	unsigned n_read = 0;

	(void)state;
	/* 256 pages of range 1 (for reading), 1,024 of range 0 */
	for (unsigned round = 0; round < 400; round++) {
		size_t others;

		for (unsigned i = 0; i < 60; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			pin1((seed >> 20) % (5 * MIB / PAGE) * PAGE, R, &addr);
		}
		n_read = 0;
		for (size_t i = 0; i < space->pins->table.size; i++)
			n_read += space->pins->table.slots[i].key &&
				  space->pins->table.slots[i].range == 1;
		assert_true(n_read);
		others = space->pins->table.n - n_read;
		dma_pins_revoke(space, 1);
		assert_int_equal(space->pins->table.n, others);
		for (size_t i = 0; i < space->pins->table.size; i++) {
			const struct dma_pin *p = &space->pins->table.slots[i];

			assert_true(!p->key || p->range == 0);
			if (p->key)
				assert_ptr_equal(p, dma_pin_table_find(
							    &space->pins->table,
							    p->key));
		}
		if (round % 40 == 39) {
			dma_pins_revoke(space, DMA_EVERY_RANGE);
			assert_int_equal(space->pins->table.n, 0);
			assert_int_equal(reachable(), 0);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_engine_reaches_what_is_pinned),
		T(pins_are_counted),
		T(batches_are_all_or_nothing),
		T(limits),
		T(users_have_budgets),
		T(the_backend_may_be_full),
		T(unmaps_wait_for_pins),
		T(a_late_driver_loses_its_pins),
		T(a_space_may_go_with_pins),
		T(an_unpin_waits_for_the_engine),
		T(a_vendor_brings_his_own),
		T(a_range_is_revoked_whole),
		cmocka_unit_test(the_pin_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
