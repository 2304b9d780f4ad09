/* SPDX-License-Identifier: MIT */
/* What is good, and what is not, of each command: by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfio-user-requests.h"

static void good_messages_are_good(void **state)
{
	struct vfio_user_request req;

	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		goods[i].build();
		finish(&b);
		assert_int_equal(decode(goods[i].fds, &req), 0);
		assert_int_equal(req.header.id, 0x1234);
		assert_int_equal(req.header.size, b.len);
		assert_int_equal(req.header.command, peek(b.bytes, 2, 2));
		/* Posted is as good. */
		poke(&b, 8, VFIO_USER_NO_REPLY, 4);
		assert_int_equal(decode(goods[i].fds, &req), 0);
		assert_int_equal(req.header.flags, VFIO_USER_NO_REPLY);
	}
}

static void every_cut_is_noticed(void **state)
{
	struct vfio_user_request req;

	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		const struct good *g = &goods[i];
		size_t full;

		g->build();
		full = b.len;
		for (b.len = 0; b.len < full; b.len++) {
			bool ok = b.len == g->short_ok && b.len;

			ok |= g->any_from && b.len >= g->any_from;
			/* Honest about its size, and not */
			poke(&b, 4, b.len, 4);
			if (!!decode(g->fds, &req) == ok)
				fail_msg("%s cut to %zu", g->name, b.len);
			if (b.len < 16)
				assert_int_equal(req.header.id, 0);
			poke(&b, 4, full, 4);
			assert_int_equal(decode(g->fds, &req), -EINVAL);
			if (b.len >= 16)
				assert_int_equal(req.header.id, 0x1234);
		}
	}
}

static void every_surplus_is_noticed(void **state)
{
	struct vfio_user_request req;

	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		goods[i].build();
		for (int n = 0; n < 40; n++) {
			b.bytes[b.len++] = 0;
			finish(&b);
			if (goods[i].any_from)
				assert_int_equal(decode(0, &req), 0);
			else
				assert_int_equal(decode(goods[i].fds, &req),
						 -EINVAL);
		}
	}
}

static void fds_belong_to_some_messages_only(void **state)
{
	struct vfio_user_request req;

	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		goods[i].build();
		finish(&b);
		assert_int_equal(decode(goods[i].more_fds, &req), -EINVAL);
		assert_int_equal(decode(253, &req), -EINVAL);
	}
	dma_map();
	finish(&b);
	assert_int_equal(decode(0, &req), 0);
	irq_eventfd();
	finish(&b);
	assert_int_equal(decode(0, &req), 0); /* takes the eventfds back */
	assert_int_equal(decode(1, &req), -EINVAL);
	assert_int_equal(decode(2, &req), -EINVAL);
	irq_set(0x24, 0, 253);
	finish(&b);
	assert_int_equal(decode(253, &req), 0);
}

/* What is wrong with one field; the rest of the message is good. */
static const struct bad {
	void (*build)(void);
	size_t at; /* in the payload */
	size_t width;
	uint64_t value;
	size_t fds;
} bads[] = {
	{ version, 0, 2, 0, 1 },
	{ dma_map, 0, 4, 0, 0 }, /* argsz */
	{ dma_map, 0, 4, 31, 0 },
	{ dma_map, 4, 4, 0, 0 }, /* flags */
	{ dma_map, 4, 4, 4, 0 },
	{ dma_map, 4, 4, 7, 0 },
	{ dma_map, 4, 4, 0x80000003, 0 },
	{ dma_map, 8, 8, 1, 0 }, /* offset */
	{ dma_map, 8, 8, 0x1800, 0 },
	{ dma_map, 8, 8, INT64_MAX - 0xfff, 1 },
	{ dma_map, 8, 8, 1ull << 63, 1 },
	{ dma_map, 8, 8, TOP - 0xfff, 1 },
	{ dma_map, 16, 8, 0x100000800, 0 }, /* iova */
	{ dma_map, 16, 8, TOP - 0xfff, 0 }, /* wraps */
	{ dma_map, 24, 8, 0, 0 },	    /* size */
	{ dma_map, 24, 8, 0x1001, 0 },
	{ dma_map, 24, 8, 0xfff, 0 },
	{ dma_map, 24, 8, TOP - 0xfff, 0 },
	{ dma_map, 24, 8, 1ull << 63, 1 }, /* beyond any file */
	{ dma_unmap, 0, 4, 23, 0 },
	{ dma_unmap, 4, 4, 1, 0 }, /* bitmap of older drafts */
	{ dma_unmap, 4, 4, 2, 0 }, /* all, but with a range */
	{ dma_unmap, 4, 4, 4, 0 },
	{ dma_unmap, 8, 8, TOP - 0xfff, 0 },
	{ dma_unmap, 16, 8, 0, 0 },
	{ dma_unmap, 16, 8, TOP, 0 },
	{ get_info, 0, 4, 0, 0 },
	{ get_info, 0, 4, 15, 0 },
	{ region_info, 0, 4, 0, 0 },
	{ region_info, 0, 4, 31, 0 },
	{ region_io_fds, 0, 4, 15, 0 },
	{ region_io_fds, 4, 4, 1, 0 },
	{ region_io_fds, 12, 4, 1, 0 },
	{ irq_info, 0, 4, 15, 0 },
	{ irq_none, 0, 4, 19, 0 },
	{ irq_none, 12, 4, 1, 0 },	    /* start without count */
	{ irq_none, 4, 4, 0x01 | 0x08, 0 }, /* mask nothing */
	{ irq_none, 4, 4, 0x01 | 0x10, 0 },
	{ irq_none, 4, 4, 0x24, 0 },
	{ irq_none, 4, 4, 0x22, 0 },
	{ irq_eventfd, 12, 4, 0xfffffffd, 3 }, /* wraps */
	{ irq_eventfd, 16, 4, 0xffffffff, 0 },
	{ irq_bool, 0, 4, 22, 0 }, /* argsz without all of the data */
	{ irq_bool, 16, 4, 2, 0 },
	{ irq_bool, 16, 4, 4, 0 },
	{ irq_bool, 16, 4, 0xffffffff, 0 },
	{ irq_bool, 4, 4, 0x21, 0 }, /* data that is none */
	{ irq_bool, 4, 4, 0x24, 0 },
	{ region_read, 0, 8, TOP, 0 },
	{ region_read, 0, 8, TOP - 2, 0 },
	{ region_read, 12, 4, 0, 0 },
	{ region_read, 12, 4, XFER + 1, 0 },
	{ region_read, 12, 4, 0xffffffff, 0 },
	{ region_write, 0, 8, TOP - 2, 0 },
	{ region_write, 12, 4, 0, 0 },
	{ region_write, 12, 4, 3, 0 },
	{ region_write, 12, 4, 5, 0 },
	{ region_write, 12, 4, 0xffffffff, 0 },
	{ write_multi, 0, 8, 0, 0 },
	{ write_multi, 0, 8, 1, 0 },
	{ write_multi, 0, 8, 3, 0 },
	{ write_multi, 0, 8, 2 + (1ull << 61), 0 }, /* times 24 wraps to 48 */
	{ write_multi, 0, 8, 0xaaaaaaaaaaaaaaacull, 0 },
	{ write_multi, 8 + 12, 4, 0, 0 },
	{ write_multi, 8 + 12, 4, 9, 0 },
	{ write_multi, 32 + 12, 4, 0, 0 },
	{ write_multi, 32 + 12, 4, 0xffffffff, 0 },
	{ write_multi, 32, 8, TOP - 6, 0 },
	{ feature, 0, 4, 7, 0 },
	{ feature, 4, 4, 2, 0 },	    /* no method */
	{ feature, 4, 4, 3u << 16 | 2, 0 }, /* both */
	{ feature, 4, 4, 1u << 19 | 1u << 17 | 2, 0 },
	{ feature, 4, 4, 1u << 31 | 1u << 18 | 2, 0 },
	{ mig_read, 0, 4, 7, 0 },
	{ mig_read, 0, 4, 8 + 4095, 0 },
	{ mig_read, 4, 4, XFER + 1, 0 },
	{ mig_read, 4, 4, 0xffffffff, 0 },
	{ mig_write, 0, 4, 7, 0 },
	{ mig_write, 4, 4, 4, 0 },
	{ mig_write, 4, 4, 6, 0 },
	{ mig_write, 4, 4, 0xffffffff, 0 },
};

static void bad_fields_are_refused(void **state)
{
	struct vfio_user_request req;

	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		bads[i].build();
		poke(&b, 16 + bads[i].at, bads[i].value, bads[i].width);
		finish(&b);
		if (decode(bads[i].fds, &req) != -EINVAL)
			fail_msg("entry %zu was not refused", i);
	}
}

/* The far end of what is allowed. */
static const struct bad edges[] = {
	{ dma_map, 0, 4, 0xffffffff, 0 },
	{ dma_map, 4, 4, 1, 1 },
	{ dma_map, 4, 4, 2, 1 },
	{ dma_map, 8, 8, TOP - 0xfff, 0 },	/* no fd: means nothing */
	{ dma_map, 16, 8, 0 - 0x200000ull, 1 }, /* ends at 2^64 */
	{ dma_map, 24, 8, 1ull << 62, 1 },
	{ dma_map, 24, 8, 0 - 0x100000000ull, 0 },
	{ dma_unmap, 16, 8, 0 - 0x100000000ull, 0 },
	{ dma_unmap, 0, 4, 0xffffffff, 0 },
	{ get_info, 0, 4, 32, 0 }, /* rust-vmm counts the header */
	{ get_info, 0, 4, 0xffffffff, 0 },
	{ region_info, 0, 4, 0xffffffff, 0 },
	{ region_info, 8, 4, 0xffffffff, 0 }, /* the device knows */
	{ irq_info, 8, 4, 0xffffffff, 0 },
	{ irq_none, 0, 4, 0xffffffff, 0 },
	{ irq_eventfd, 12, 4, 0xfffffffc, 3 },
	{ irq_bool, 4, 4, 0x0a, 0 },
	{ irq_bool, 4, 4, 0x12, 0 },
	{ region_read, 0, 8, TOP - 3, 0 },
	{ region_read, 12, 4, XFER, 0 },
	{ region_read, 12, 4, 1, 0 },
	{ feature, 4, 4, 7u << 16 | 2, 0 }, /* probe for both */
	{ feature, 4, 4, 4u << 16 | 0xffff, 0 },
	{ feature, 0, 4, 0xffffffff, 0 },
	{ mig_read, 0, 4, 0xffffffff, 0 },
	{ mig_read, 4, 4, 0, 0 },
};

static void edges_are_good(void **state)
{
	struct vfio_user_request req;

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		edges[i].build();
		poke(&b, 16 + edges[i].at, edges[i].value, edges[i].width);
		finish(&b);
		if (decode(edges[i].fds, &req))
			fail_msg("entry %zu was refused", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_messages_are_good),
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(every_surplus_is_noticed),
		cmocka_unit_test(fds_belong_to_some_messages_only),
		cmocka_unit_test(bad_fields_are_refused),
		cmocka_unit_test(edges_are_good),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);

	free(b.bytes);
	return err;
}
