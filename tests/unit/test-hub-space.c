/* SPDX-License-Identifier: MIT */
/* A vGPU's address space in its parent, against numbers of a liar. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/pages.h"
#include "hub/space.h"
#include "util/bytes.h"

#define PAGE  4096u
#define PAGES 64u
#define BASE  0x100000000ull

/* A backend that gives a page the same address each time, as one that maps
 * chunks does, and knows what is mapped. */
struct fake {
	struct vgpu_iommu iommu;
	unsigned refs[4 * PAGES];
	unsigned mapped, forgotten;
	int err;
};

static struct fake *fake_of(struct vgpu_iommu *iommu)
{
	return vgpu_container_of(iommu, struct fake, iommu);
}

static int64_t fake_map(struct vgpu_iommu *iommu,
			const struct vgpu_iommu_page *pages, unsigned n,
			unsigned prot, uint64_t *ret_addrs)
{
	struct fake *f = fake_of(iommu);
	int64_t bytes = 0;

	if (f->err)
		return f->err;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = pages[i].memory->offset + pages[i].offset;

		assert_true(pages[i].offset < pages[i].memory->size);
		assert_int_equal(prot & ~pages[i].memory->prot, 0);
		/* It can be read where the parent says it is. */
		assert_int_equal(
			((uint8_t *)pages[i].memory->base)[pages[i].offset],
			at / PAGE);
		if (!f->refs[at / PAGE]++)
			bytes += PAGE;
		ret_addrs[i] = BASE + at;
		f->mapped++;
	}
	return bytes;
}

static uint64_t fake_unmap(struct vgpu_iommu *iommu, const uint64_t *addrs,
			   unsigned n)
{
	struct fake *f = fake_of(iommu);
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (addrs[i] - BASE) / PAGE;

		assert_true(at < ARRAY_SIZE(f->refs) && f->refs[at]);
		if (!--f->refs[at])
			bytes += PAGE;
		f->mapped--;
	}
	return bytes;
}

static void fake_forget(struct vgpu_iommu *iommu,
			struct vgpu_iommu_memory *memory)
{
	(void)memory;
	fake_of(iommu)->forgotten++;
}

static const struct vgpu_iommu_ops fake_ops = {
	.name = "fake",
	.map = fake_map,
	.unmap = fake_unmap,
	.forget = fake_forget,
};

struct rig {
	struct fake fake;
	struct hub_space *space;
	int fd;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t page[PAGE];

	assert_non_null(r);
	vgpu_iommu_init(&r->fake.iommu, &fake_ops);
	r->fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(r->fd >= 0);
	for (unsigned i = 0; i < PAGES; i++) {
		memset(page, (int)i, PAGE);
		assert_int_equal(write(r->fd, page, PAGE), PAGE);
	}
	assert_int_equal(hub_space_new(&r->fake.iommu, &r->space), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	hub_space_free(r->space);
	assert_int_equal(r->fake.mapped, 0);
	close(r->fd);
	free(r);
	return 0;
}

static int memory(struct rig *r, uint32_t id, uint64_t page, uint64_t pages,
		  unsigned prot)
{
	const struct wire_memory m = { .offset = page * PAGE,
				       .size = pages * PAGE,
				       .id = id,
				       .prot = prot };

	return hub_space_memory(r->space, &m, r->fd);
}

static int64_t map1(struct rig *r, uint32_t id, uint32_t page, unsigned prot,
		    uint64_t *ret_addr)
{
	const struct wire_page p = { id, page };

	return hub_space_map(r->space, &p, 1, prot, ret_addr);
}

static void test_addresses_are_counted(void **state)
{
	struct rig *r = *state;
	uint64_t a, b;

	assert_int_equal(memory(r, 3, 8, 4, 3), 0);
	assert_int_equal(map1(r, 3, 1, 1, &a), PAGE);
	assert_int_equal(map1(r, 3, 1, 2, &b), 0); /* the same page again */
	assert_int_equal(a, b);
	assert_true(hub_space_owns(r->space, a, 1, 3));
	assert_int_equal(hub_space_forget(r->space, 3), -EBUSY);
	assert_int_equal(hub_space_unmap(r->space, &a, 1), 0);
	assert_true(hub_space_owns(r->space, a, PAGE, 1));
	assert_int_equal(hub_space_unmap(r->space, &a, 1), PAGE);
	assert_false(hub_space_owns(r->space, a, 1, 1));
	assert_int_equal(hub_space_unmap(r->space, &a, 1), -EFAULT);
	assert_int_equal(hub_space_forget(r->space, 3), 0);
	assert_int_equal(r->fake.forgotten, 1);
	assert_int_equal(memory(r, 3, 0, 1, 1), 0); /* the id is free again */
}

static void test_unmap_is_all_or_nothing(void **state)
{
	struct rig *r = *state;
	uint64_t a, twice[3], b;

	assert_int_equal(memory(r, 0, 0, PAGES, 3), 0);
	map1(r, 0, 5, 3, &a);
	map1(r, 0, 6, 3, &b);
	twice[0] = b;
	twice[1] = twice[2] = a;
	assert_int_equal(hub_space_unmap(r->space, twice, 3), -EFAULT);
	assert_int_equal(r->fake.mapped, 2);
	map1(r, 0, 5, 3, &a); /* now it is there twice */
	assert_int_equal(hub_space_unmap(r->space, twice, 3), 2 * PAGE);
	assert_int_equal(hub_space_mapped(r->space), 0);
}

static void test_what_is_held_stays(void **state)
{
	struct rig *r = *state;
	uint64_t addrs[2];
	const struct wire_page pages[] = { { 0, 1 }, { 0, 2 } };

	assert_int_equal(memory(r, 0, 0, PAGES, 3), 0);
	assert_int_equal(hub_space_map(r->space, pages, 2, 3, addrs),
			 2 * PAGE);
	/* Over the border of both */
	assert_true(hub_space_owns(r->space, addrs[0] + 4000, 200, 3));
	hub_space_get(r->space, addrs[0] + 4000, 200);
	assert_int_equal(hub_space_held(r->space), 2);
	assert_int_equal(hub_space_unmap(r->space, addrs, 2), -EAGAIN);
	assert_int_equal(hub_space_unmap(r->space, addrs + 1, 1), -EAGAIN);
	assert_int_equal(r->fake.mapped, 2);
	hub_space_put(r->space, addrs[0] + 4000, 200);
	assert_int_equal(hub_space_held(r->space), 0);
	assert_int_equal(hub_space_unmap(r->space, addrs, 2), 2 * PAGE);
	/* Once too often is the driver's mistake: nothing happens. */
	hub_space_put(r->space, addrs[0], PAGE);
	assert_int_equal(hub_space_held(r->space), 0);
}

static void test_ranges_that_wrap(void **state)
{
	struct rig *r = *state;
	uint64_t a;

	assert_int_equal(memory(r, 0, 0, PAGES, 3), 0);
	map1(r, 0, 1, 1, &a);
	assert_false(hub_space_owns(r->space, a, 0, 1));
	assert_false(hub_space_owns(r->space, a, UINT64_MAX, 1));
	assert_false(hub_space_owns(r->space, a, 0 - a, 1));
	assert_false(hub_space_owns(r->space, a + 4095, 2, 1));
	assert_false(hub_space_owns(r->space, a - 1, 2, 1));
	assert_false(hub_space_owns(r->space, a, 1, 0));
	assert_false(hub_space_owns(r->space, a, 1, 2)); /* read only */
	assert_false(hub_space_owns(r->space, UINT64_MAX, 1, 1));
	assert_true(hub_space_owns(r->space, a + 4095, 1, 1));
}

static void test_a_failing_backend_changes_nothing(void **state)
{
	struct rig *r = *state;
	uint64_t a = 7;

	assert_int_equal(memory(r, 0, 0, PAGES, 3), 0);
	r->fake.err = -ENOSPC;
	assert_int_equal(map1(r, 0, 1, 1, &a), -ENOSPC);
	assert_int_equal(a, 7);
	assert_int_equal(hub_space_mapped(r->space), 0);
	assert_int_equal(hub_space_forget(r->space, 0), 0);
}

/* The table of addresses against a plain array, at random. */
static void test_like_an_array(void **state)
{
	struct rig *r = *state;
	unsigned refs[PAGES] = { 0 }, total = 0;

	srandom(1);
	assert_int_equal(memory(r, 0, 0, PAGES, 3), 0);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned page = (unsigned)random() % PAGES;
		uint64_t addr = BASE + page * PAGE, got;

		if (random() % 2) {
			assert_true(map1(r, 0, page, 3, &got) >= 0);
			assert_int_equal(got, addr);
			refs[page]++;
			total++;
		} else {
			int64_t n = hub_space_unmap(r->space, &addr, 1);

			int64_t want = !refs[page]	 ? -EFAULT
				       : refs[page] == 1 ? (int64_t)PAGE
							 : 0;

			assert_int_equal(n, want);
			if (refs[page]) {
				refs[page]--;
				total--;
			}
		}
		assert_int_equal(hub_space_owns(r->space, addr, PAGE, 3),
				 refs[page] > 0);
		assert_int_equal(hub_space_mapped(r->space), total);
	}
}

static void test_limits(void **state)
{
	struct rig *r = *state;
	struct wire_page pages[WIRE_MAX_PAGES] = { 0 };
	uint64_t addrs[WIRE_MAX_PAGES];

	assert_int_equal(memory(r, WIRE_MAX_MEMORIES, 0, 1, 1), -EINVAL);
	assert_int_equal(memory(r, WIRE_MAX_MEMORIES - 1, 0, 1, 1), 0);
	assert_int_equal(memory(r, 0, 0, 1, 1), 0);
	for (unsigned i = 0; i < WIRE_MAX_MAPPED / WIRE_MAX_PAGES; i++)
		assert_true(hub_space_map(r->space, pages, WIRE_MAX_PAGES, 1,
					     addrs) >= 0);
	assert_int_equal(hub_space_map(r->space, pages, 1, 1, addrs),
			 -ENOSPC);
}

static void test_a_limit_of_bytes(void **state)
{
	const struct wire_page two[2] = { { 0, 2 }, { 0, 3 } };
	struct rig *r = *state;
	uint64_t a, b, addrs[2];

	assert_int_equal(memory(r, 0, 0, 4, 3), 0);
	hub_space_set_limit(r->space, 2 * PAGE);
	assert_int_equal(map1(r, 0, 0, 3, &a), PAGE);
	assert_int_equal(hub_space_map(r->space, two, 2, 3, addrs), -EDQUOT);
	assert_int_equal(hub_space_mapped(r->space), 1);
	assert_int_equal(map1(r, 0, 1, 3, &b), PAGE);
	assert_int_equal(map1(r, 0, 2, 3, addrs), -EDQUOT);
	/* What is mapped stays when it becomes less, and counts. */
	hub_space_set_limit(r->space, PAGE);
	assert_true(hub_space_owns(r->space, a, PAGE, 3));
	assert_int_equal(hub_space_unmap(r->space, &a, 1), PAGE);
	assert_int_equal(map1(r, 0, 2, 3, addrs), -EDQUOT);
	assert_int_equal(hub_space_unmap(r->space, &b, 1), PAGE);
	assert_int_equal(map1(r, 0, 2, 3, addrs), PAGE);
}

/* The table of addresses, against an array: neighbours, strangers, and pages
 * that are removed in any order. */
static void test_the_table(void **state)
{
	enum { N = 1 << 16 };
	static bool in[N];
	struct hub_pages pages = { 0 };
	uint64_t seed = 88172645463325252ull;
	size_t n = 0, moving = 0;

	(void)state;
	memset(in, 0, sizeof(in));
	for (unsigned step = 0; step < 400000; step++) {
		struct hub_page *p;
		uint64_t addr;
		unsigned i;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		i = (unsigned)(seed >> 20) % N;
		/* One half lies page by page, the other far apart. */
		addr = (i < N / 2 ? i : (uint64_t)i << 24) * PAGE + BASE;
		assert_int_equal(hub_pages_reserve(&pages, 1), 0);
		/* While it grows, pages are in two tables. */
		moving += pages.old != NULL;
		p = hub_pages_find(&pages, addr);
		assert_int_equal(!!p, in[i]);
		if (!p || step & 1)
			p = hub_pages_slot(&pages, addr);
		assert_int_equal(!!p->key, in[i]);
		if (in[i]) {
			assert_int_equal(hub_page_addr(p), addr);
			assert_int_equal(p->memory, i);
			hub_pages_remove(&pages, p);
			n--;
		} else {
			*p = (struct hub_page){ .key = addr | 3,
						   .memory = i };
			pages.n++;
			n++;
		}
		in[i] ^= 1;
		assert_int_equal(pages.n, n);
	}
	assert_null(hub_pages_find(&pages, ~(PAGE - 1)));
	assert_true(n > 1000 && moving > 1000 && moving < 200000);
	hub_pages_fini(&pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(test_addresses_are_counted),
		TEST(test_unmap_is_all_or_nothing),
		TEST(test_what_is_held_stays),
		TEST(test_ranges_that_wrap),
		TEST(test_a_failing_backend_changes_nothing),
		TEST(test_like_an_array),
		TEST(test_limits),
		TEST(test_a_limit_of_bytes),
		cmocka_unit_test(test_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
