/* SPDX-License-Identifier: MIT */
/* Pins through a backend that takes its time: what it is asked and in which
 * order, unmaps and cancels that come in between, and a backend that is silent
 * for too long. The backend is the test itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/iommu.h>

#include "dma/budget.h"
#include "dma/pin-private.h"
#include "dma/space-private.h"
#include "rig/clock.h"
#include "state/arena.h"
#include "util/log.h"
#include "util/loop.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define BUS  (1ull << 40)
#define R    DMA_PROT_READ
#define W    DMA_PROT_WRITE
#define RW   (R | W)

/* ---- the backend ----------------------------------------------------- */

#define MAX_REQUESTS 64u

static struct slow {
	struct vgpu_iommu iommu;
	struct vgpu_iommu_request *maps[MAX_REQUESTS], *unmaps[MAX_REQUESTS];
	unsigned n_maps, n_unmaps, n_withdrawn, n_forgotten;
	uint64_t next, mapped;
} slow;

static int64_t submit_map(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_request *request)
{
	assert_true(slow.n_maps < MAX_REQUESTS && request->n);
	slow.maps[slow.n_maps++] = request;
	return -EINPROGRESS;
}

static int64_t submit_unmap(struct vgpu_iommu *iommu,
			    struct vgpu_iommu_request *request)
{
	assert_true(slow.n_unmaps < MAX_REQUESTS && request->n);
	slow.unmaps[slow.n_unmaps++] = request;
	return -EINPROGRESS;
}

static void drop(struct vgpu_iommu_request **list, unsigned *n, unsigned i)
{
	--*n;
	memmove(list + i, list + i + 1, (*n - i) * sizeof(*list));
}

static void withdraw(struct vgpu_iommu *iommu,
		     struct vgpu_iommu_request *request)
{
	slow.n_withdrawn++;
	for (unsigned i = 0; i < slow.n_maps; i++)
		if (slow.maps[i] == request) {
			drop(slow.maps, &slow.n_maps, i);
			return;
		}
	for (unsigned i = 0; i < slow.n_unmaps; i++)
		if (slow.unmaps[i] == request) {
			drop(slow.unmaps, &slow.n_unmaps, i);
			return;
		}
	fail_msg("%s", "withdrawn, but not under way");
}

static void forget(struct vgpu_iommu *iommu, struct vgpu_iommu_memory *memory)
{
	slow.n_forgotten++;
}

static void get_stats(struct vgpu_iommu *iommu,
		      struct vgpu_iommu_stats *ret_stats)
{
	*ret_stats = (struct vgpu_iommu_stats){ .mapped_pages = slow.mapped };
}

static void destroy(struct vgpu_iommu *iommu)
{
}

static const struct vgpu_iommu_ops slow_ops = {
	.name = "slow",
	.forget = forget,
	.get_stats = get_stats,
	.destroy = destroy,
	.submit_map = submit_map,
	.submit_unmap = submit_unmap,
	.withdraw = withdraw,
};

/* The oldest map is over. */
static void end_map(int err)
{
	struct vgpu_iommu_request *q = slow.maps[0];

	assert_true(slow.n_maps);
	drop(slow.maps, &slow.n_maps, 0);
	for (unsigned i = 0; !err && i < q->n; i++)
		q->addrs[i] = BUS + slow.next++ * PAGE;
	slow.mapped += err ? 0 : q->n;
	q->done(q, err ? err : (int64_t)(q->n * PAGE));
}

static void end_unmap(unsigned i)
{
	struct vgpu_iommu_request *q = slow.unmaps[i];

	assert_true(i < slow.n_unmaps);
	drop(slow.unmaps, &slow.n_unmaps, i);
	slow.mapped -= q->n;
	q->done(q, (int64_t)(q->n * PAGE));
}

/* ---- the rig --------------------------------------------------------- */

static struct arena *arena;
static struct dma_space *space;
static struct loop *loop;
static int fd, n_unmaps, n_overdue;

static int on_unmap(uint64_t iova, uint64_t size, void *user)
{
	n_unmaps++;
	return 0;
}

static void on_overdue(void *user)
{
	n_overdue++;
}

static const struct dma_owner_ops owner_ops = {
	.unmap = on_unmap,
	.overdue = on_overdue,
};

/* A pin and what came of it */
struct pin {
	uint64_t iovas[8], addrs[8];
	size_t n;
	int err;
	unsigned done, order;
	void (*then)(struct pin *p);
};

static unsigned order;

static void on_done(int err, void *user)
{
	struct pin *p = user;

	p->err = err;
	p->done++;
	p->order = ++order;
	if (p->then)
		p->then(p);
}

static int begin(struct pin *p, uint64_t iova, size_t n, unsigned prot)
{
	p->n = n;
	p->err = 1;
	for (size_t i = 0; i < n; i++) {
		p->iovas[i] = iova + i * PAGE;
		p->addrs[i] = 1;
	}
	return dma_space_pin_async(space, p->iovas, n, prot, p->addrs, on_done,
				   p);
}

static void undo(struct pin *p, unsigned prot)
{
	dma_space_unpin(space, p->iovas, p->n, prot);
}

static int unmapped, unmap_err;

static void on_unmapped(int err, void *user)
{
	unmapped++;
	unmap_err = err;
}

static int unmap(uint64_t iova)
{
	return dma_space_unmap(space, iova, MIB, on_unmapped, NULL);
}

static uint64_t pinned(void)
{
	struct dma_pin_stats s;

	dma_space_pin_stats(space, &s);
	return s.bytes / PAGE;
}

static int setup(void **state)
{
	slow = (struct slow){ 0 };
	vgpu_iommu_init(&slow.iommu, &slow_ops);
	n_unmaps = n_overdue = unmapped = unmap_err = 0;
	order = 0;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(dma_space_attach(space, loop, &owner_ops, NULL), 0);
	assert_int_equal(dma_space_set_iommu(space, &slow.iommu), 0);
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4 * MIB), 0);
	assert_int_equal(dma_space_map(space, 0, MIB, RW, fd, 0), 0);
	assert_int_equal(dma_space_map(space, MIB, MIB, RW, fd, MIB), 0);
	return 0;
}

static int teardown(void **state)
{
	dma_space_free(space);
	assert_int_equal(slow.n_maps + slow.n_unmaps, 0);
	arena_free(arena);
	loop_free(loop);
	close(fd);
	return 0;
}

/* ---- tests ----------------------------------------------------------- */

static void pins_come_later(void **state)
{
	struct pin a = { 0 }, b = { 0 }, again = { 0 };
	uint64_t addr, iova = 0;

	assert_int_equal(dma_space_pin(space, &iova, 1, R, &addr),
			 -EWOULDBLOCK);
	assert_int_equal(begin(&a, 0, 4, RW), -EINPROGRESS);
	assert_int_equal(begin(&b, 2 * PAGE, 4, RW), -EINPROGRESS);
	assert_int_equal(slow.n_maps, 1); /* one after the other */
	assert_int_equal(a.done + b.done, 0);
	end_map(0);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.err, 0);
	assert_int_equal(slow.n_maps, 1);
	assert_int_equal(slow.maps[0]->n, 2); /* the others are there */
	end_map(0);
	assert_int_equal(b.err, 0);
	assert_true(a.order < b.order);
	assert_int_equal(a.addrs[2], b.addrs[0]);
	assert_int_equal(pinned(), 6);
	/* What is pinned already needs nobody. */
	assert_int_equal(begin(&again, PAGE, 3, RW), 0);
	assert_int_equal(again.addrs[0], a.addrs[1]);
	assert_int_equal(again.done, 0);
	undo(&again, RW);
	assert_int_equal(slow.n_unmaps, 0);
	undo(&a, RW);
	assert_int_equal(slow.n_unmaps, 1);
	assert_int_equal(slow.unmaps[0]->n, 2);
	assert_int_equal(pinned(), 6); /* until it is over */
	end_unmap(0);
	assert_int_equal(pinned(), 4);
	undo(&b, RW);
	end_unmap(0);
	assert_int_equal(pinned(), 0);
}

static void errors(void **state)
{
	struct pin a = { 0 }, b = { 0 };

	assert_int_equal(begin(&a, 0, 0, R), 0);
	assert_int_equal(begin(&a, 0, 1, 8), -EINVAL);
	assert_int_equal(begin(&a, 3 * MIB, 1, R), -EFAULT);
	assert_int_equal(begin(&a, 0, 2, R), -EINPROGRESS);
	assert_int_equal(begin(&b, 3 * MIB, 1, R), -EINPROGRESS);
	end_map(-ENOSPC);
	assert_int_equal(a.err, -ENOSPC);
	assert_int_equal(a.addrs[0], 1); /* untouched */
	assert_int_equal(b.err, -EFAULT);
	assert_int_equal(pinned(), 0);
	/* More than it may have: what is mapped goes back, and counts till
	 * then. */
	dma_space_set_pin_limit(space, PAGE);
	assert_int_equal(begin(&a, 0, 2, R), -EINPROGRESS);
	end_map(0);
	assert_int_equal(a.err, -ENOSPC);
	assert_int_equal(pinned(), 2);
	end_unmap(0);
	assert_int_equal(pinned(), 0);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
}

static unsigned n_all;

static void count(int err, void *user)
{
	n_all++;
}

static void no_more_than_so_many(void **state)
{
	static uint64_t addrs[DMA_MAX_PIN_REQUESTS];
	uint64_t iova = 0;

	n_all = 0;
	for (unsigned i = 0; i < DMA_MAX_PIN_REQUESTS; i++) {
		iova = i % 256 * PAGE;
		assert_int_equal(dma_space_pin_async(space, &iova, 1, R,
						     addrs + i, count, NULL),
				 -EINPROGRESS);
	}
	assert_int_equal(
		dma_space_pin_async(space, &iova, 1, R, addrs, count, NULL),
		-EBUSY);
	while (slow.n_maps)
		end_map(0);
	assert_int_equal(n_all, DMA_MAX_PIN_REQUESTS);
	assert_int_equal(pinned(), 256);
}

static void an_unmap_in_between(void **state)
{
	struct pin a = { 0 }, held = { 0 };

	assert_int_equal(begin(&held, 0, 1, RW), -EINPROGRESS);
	end_map(0);
	/* A page of the range that goes, and one of another. */
	assert_int_equal(begin(&a, MIB - PAGE, 2, RW), -EINPROGRESS);
	undo(&held, RW);
	end_unmap(0);
	assert_int_equal(unmap(0), -EINPROGRESS);
	assert_int_equal(n_unmaps, 1); /* the driver has nothing to do */
	end_map(0);
	assert_int_equal(a.err, -EFAULT);
	assert_int_equal(a.addrs[0], 1);
	assert_int_equal(unmapped, 0);
	assert_int_equal(slow.unmaps[0]->n, 2);
	end_unmap(0);
	clock_run(loop, 0);
	assert_int_equal(unmapped, 1);
	assert_int_equal(unmap_err, 0);
	assert_int_equal(slow.n_forgotten, 1);
	/* And what fails need not be taken back. */
	assert_int_equal(begin(&a, MIB, 2, RW), -EINPROGRESS);
	assert_int_equal(unmap(MIB), -EINPROGRESS);
	end_map(-ENOMEM);
	clock_run(loop, 0);
	assert_int_equal(unmapped, 2);
	assert_int_equal(a.err, -ENOMEM);
}

static bool is_user(void *pin_user, void *user)
{
	return pin_user == user;
}

static void again(struct pin *p)
{
	p->then = NULL;
	assert_int_equal(begin(p, 2 * PAGE, 1, R), -EINPROGRESS);
}

static void cancelled(void **state)
{
	struct pin a = { 0 }, b = { 0 }, c = { 0 };

	assert_int_equal(begin(&a, 0, 2, R), -EINPROGRESS);
	assert_int_equal(begin(&b, 0, 2, R), -EINPROGRESS);
	assert_int_equal(begin(&c, PAGE, 1, R), -EINPROGRESS);
	dma_space_pin_cancel(space, is_user, &b); /* has not begun */
	assert_int_equal(b.err, -ECANCELED);
	dma_space_pin_cancel(space, is_user, &a); /* has */
	assert_int_equal(a.err, -ECANCELED);
	a.iovas[0] = a.iovas[1] = 77; /* the caller's again */
	end_map(0);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.addrs[0], 1);
	assert_int_equal(slow.n_unmaps, 1);
	assert_int_equal(slow.unmaps[0]->n, 2);
	end_unmap(0);
	end_map(0);
	assert_int_equal(c.err, 0);
	assert_int_equal(pinned(), 1);
	/* From within: another one is asked for, by the same user. */
	c = (struct pin){ .then = again };
	assert_int_equal(begin(&c, 4 * PAGE, 1, R), -EINPROGRESS);
	dma_space_pin_cancel(space, is_user, &c);
	assert_int_equal(c.done, 2);
	end_map(0);
	assert_int_equal(c.done, 2);
	end_unmap(0);
	assert_int_equal(pinned(), 1);
}

/* What was revoked while it was also part of a pin under way */
static void revoked(void **state)
{
	struct pin a = { 0 }, b = { 0 };

	assert_int_equal(begin(&a, 0, 2, RW), -EINPROGRESS);
	end_map(0);
	assert_int_equal(begin(&b, 0, 4, RW), -EINPROGRESS);
	assert_int_equal(slow.maps[0]->n, 2);
	assert_int_equal(unmap(0), -EINPROGRESS);
	clock_run(loop, 2200 * MS); /* the driver was too late */
	assert_int_equal(n_overdue, 1);
	assert_int_equal(slow.n_unmaps, 1);
	assert_int_equal(slow.unmaps[0]->n, 2);
	undo(&a, RW); /* nothing is there to be unpinned */
	assert_int_equal(slow.n_unmaps, 1);
	end_map(0);
	assert_int_equal(b.err, -EFAULT);
	assert_int_equal(slow.n_unmaps, 2);
	end_unmap(1); /* in any order */
	assert_int_equal(pinned(), 2);
	end_unmap(0);
	clock_run(loop, 0);
	assert_int_equal(unmapped, 1);
	assert_int_equal(pinned(), 0);
}

/* A backend that says nothing: the unmap fails, and its memory stays. */
static void silence(void **state)
{
	struct pin a = { 0 }, b = { 0 };
	struct dma_space_stats s;

	assert_int_equal(begin(&a, 0, 2, RW), -EINPROGRESS);
	end_map(0);
	undo(&a, RW);
	assert_int_equal(unmap(0), -EINPROGRESS);
	assert_int_equal(dma_space_map(space, 0, MIB, RW, fd, 0), -EEXIST);
	clock_run(loop, 3900 * MS);
	assert_int_equal(unmapped, 0);
	assert_int_equal(n_overdue, 0); /* no driver could let go of more */
	clock_run(loop, 300 * MS);
	assert_int_equal(unmapped, 1);
	assert_int_equal(unmap_err, -EBUSY);
	assert_int_equal(pinned(), 2);
	assert_int_equal(slow.n_forgotten, 0);
	assert_int_equal(unmap(0), -EBUSY);
	/* It is in nobody's way. */
	assert_int_equal(dma_space_map(space, 0, MIB, RW, fd, 2 * MIB), 0);
	assert_int_equal(begin(&b, 0, 2, RW), -EINPROGRESS);
	end_map(0);
	assert_int_equal(b.err, 0);
	assert_int_not_equal(b.addrs[0], a.addrs[0]);
	assert_int_equal(pinned(), 4);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.maps, 3);
	end_unmap(0); /* at last */
	clock_run(loop, 200 * MS);
	assert_int_equal(pinned(), 2);
	assert_int_equal(unmapped, 1);
	assert_int_equal(slow.n_forgotten, 1);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.maps, 2);
	/* The range of now is not that one. */
	undo(&b, RW);
	end_unmap(0);
	assert_int_equal(unmap(0), 0);
	assert_int_equal(unmap(0), -ENOENT);
}

/* The next client is not refused since the last one's memory is on its way. */
static void the_next_client(void **state)
{
	struct pin a = { 0 }, held = { 0 };

	assert_int_equal(begin(&a, 0, 2, RW), -EINPROGRESS);
	end_map(0);
	assert_int_equal(begin(&held, MIB, 2, RW), -EINPROGRESS);
	end_map(0);
	/* One unmap that somebody waits for until he goes */
	undo(&a, RW);
	assert_int_equal(unmap(0), -EINPROGRESS);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), -EINPROGRESS);
	assert_int_equal(dma_space_map(space, 0, MIB, RW, fd, 0), 0);
	/* What its driver still has is in the way. */
	assert_int_equal(dma_space_map(space, MIB, MIB, RW, fd, MIB), -EEXIST);
	undo(&held, RW);
	assert_int_equal(dma_space_map(space, MIB, MIB, RW, fd, MIB), 0);
	while (slow.n_unmaps)
		end_unmap(0);
	clock_run(loop, 200 * MS);
	assert_int_equal(pinned(), 0);
	assert_int_equal(n_overdue, 0);
	assert_int_equal(slow.n_forgotten, 2);
}

/* Many small unpins gather while the backend has enough to do. */
static void unpins_gather(void **state)
{
	struct pin p[24];

	memset(p, 0, sizeof(p));
	for (unsigned i = 0; i < 24; i++) {
		assert_int_equal(begin(&p[i], i * PAGE, 1, R), -EINPROGRESS);
		end_map(0);
	}
	for (unsigned i = 0; i < 23; i++)
		undo(&p[i], R);
	assert_int_equal(slow.n_unmaps, DMA_MAX_REMOVALS);
	/* Their room may be needed: a pin waits until they are asked for. */
	assert_int_equal(begin(&p[0], 0, 1, R), -EINPROGRESS);
	assert_int_equal(slow.n_maps, 0);
	end_unmap(3);
	assert_int_equal(slow.n_unmaps, DMA_MAX_REMOVALS);
	assert_int_equal(slow.unmaps[DMA_MAX_REMOVALS - 1]->n,
			 23 - DMA_MAX_REMOVALS);
	assert_int_equal(slow.n_maps, 1);
	end_map(0);
	while (slow.n_unmaps)
		end_unmap(slow.n_unmaps - 1);
	assert_int_equal(pinned(), 2);
}

/* The space goes while all of this is under way. */
static void the_end(void **state)
{
	struct dma_budget *user;
	struct pin p[24];

	assert_int_equal(dma_budget_new(MIB, &user), 0);
	assert_int_equal(dma_space_set_budget(space, user), 0);
	memset(p, 0, sizeof(p));
	for (unsigned i = 0; i < 24; i++) {
		assert_int_equal(begin(&p[i], i * PAGE, 1, R), -EINPROGRESS);
		end_map(0);
	}
	for (unsigned i = 0; i < 20; i++)
		undo(&p[i], R);
	end_unmap(0);
	assert_int_equal(begin(&p[0], 0, 1, R), -EINPROGRESS);
	assert_int_equal(begin(&p[1], 0, 2, R), -EINPROGRESS);
	assert_int_equal(slow.n_maps, 1);
	assert_int_equal(unmap(0), -EINPROGRESS);
	dma_space_free(space);
	assert_int_equal(unmapped, 1);
	assert_int_equal(slow.n_maps + slow.n_unmaps, 0);
	assert_true(slow.n_withdrawn);
	assert_int_equal(p[0].done, 1); /* none is told any more */
	assert_int_equal(p[1].done, 1);
	assert_int_equal(user->used, 0);
	dma_budget_unref(user);
	/* For the teardown */
	arena_free(arena);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(pins_come_later),
		TEST(errors),
		TEST(no_more_than_so_many),
		TEST(an_unmap_in_between),
		TEST(cancelled),
		TEST(revoked),
		TEST(silence),
		TEST(the_next_client),
		TEST(unpins_gather),
		TEST(the_end),
	};

	log_set_level(LOG_LEVEL_ERROR - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
