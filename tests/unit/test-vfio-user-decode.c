/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "util/bytes.h"
#include "vfio-user/decode.h"
#include "vfio-user-build.h"

#define XFER VFIO_USER_DEFAULT_MAX_DATA_XFER
#define TOP  UINT64_MAX

static struct build b;

/* The outcome only; the pointers in @req are stale. */
static int decode(size_t n_fds, struct vfio_user_request *req)
{
	void *mem;
	const void *msg = exact(&b, &mem);
	int err = vfio_user_decode_request(msg, b.len, n_fds, XFER, req);

	free(mem);
	return err;
}

/* One good message of each command that a client sends. */
static void version(void)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":16}}";

	start(&b, VFIO_USER_VERSION);
	put(&b, 0, 2);
	put(&b, 1, 2);
	put_bytes(&b, json, sizeof(json));
}

static void dma_map(void)
{
	start(&b, VFIO_USER_DMA_MAP);
	put(&b, 32, 4);
	put(&b, 3, 4);
	put(&b, 0x1000, 8);
	put(&b, 0x100000000, 8);
	put(&b, 0x200000, 8);
}

static void dma_unmap(void)
{
	start(&b, VFIO_USER_DMA_UNMAP);
	put(&b, 24, 4);
	put(&b, 0, 4);
	put(&b, 0x100000000, 8);
	put(&b, 0x200000, 8);
}

static void get_info(void)
{
	start(&b, VFIO_USER_DEVICE_GET_INFO);
	put(&b, 16, 4);
	put(&b, 0, 8);
	put(&b, 0, 4);
}

static void region_info(void)
{
	start(&b, VFIO_USER_DEVICE_GET_REGION_INFO);
	put(&b, 32, 4);
	put(&b, 0, 4);
	put(&b, 7, 4);
	put(&b, 0, 4);
	put(&b, 0, 8);
	put(&b, 0, 8);
}

static void region_io_fds(void)
{
	start(&b, VFIO_USER_DEVICE_GET_REGION_IO_FDS);
	put(&b, 4096, 4);
	put(&b, 0, 4);
	put(&b, 2, 4);
	put(&b, 0, 4);
}

static void irq_info(void)
{
	start(&b, VFIO_USER_DEVICE_GET_IRQ_INFO);
	put(&b, 16, 4);
	put(&b, 0, 4);
	put(&b, 3, 4);
	put(&b, 0, 4);
}

static void irq_set(uint32_t flags, uint32_t first, uint32_t count)
{
	start(&b, VFIO_USER_DEVICE_SET_IRQS);
	put(&b, 20, 4);
	put(&b, flags, 4);
	put(&b, 2, 4);
	put(&b, first, 4);
	put(&b, count, 4);
}

static void irq_eventfd(void)
{
	irq_set(0x24, 1, 3);
}

static void irq_bool(void)
{
	irq_set(0x22, 1, 3);
	poke(&b, 16, 23, 4);
	put_bytes(&b, "\1\0\1", 3);
}

static void irq_none(void)
{
	irq_set(0x21, 0, 0);
}

static void region_read(void)
{
	start(&b, VFIO_USER_REGION_READ);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 4, 4);
}

static void region_write(void)
{
	start(&b, VFIO_USER_REGION_WRITE);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 4, 4);
	put_bytes(&b, "data", 4);
}

static void reset(void)
{
	start(&b, VFIO_USER_DEVICE_RESET);
}

static void write_multi(void)
{
	start(&b, VFIO_USER_REGION_WRITE_MULTI);
	put(&b, 2, 8);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 2, 4);
	put_bytes(&b, "abcdefgh", 8);
	put(&b, TOP - 7, 8);
	put(&b, 0, 4);
	put(&b, 8, 4);
	put_bytes(&b, "ijklmnop", 8);
}

static void feature(void)
{
	start(&b, VFIO_USER_DEVICE_FEATURE);
	put(&b, 16, 4);
	put(&b, VFIO_USER_FEATURE_SET | VFIO_USER_FEATURE_MIG_DEVICE_STATE, 4);
	put(&b, 2, 8);
}

static void mig_read(void)
{
	start(&b, VFIO_USER_MIG_DATA_READ);
	put(&b, 8 + 4096, 4);
	put(&b, 4096, 4);
}

static void mig_write(void)
{
	start(&b, VFIO_USER_MIG_DATA_WRITE);
	put(&b, 8, 4);
	put(&b, 5, 4);
	put_bytes(&b, "state", 5);
}

/*
 * @fds: that belong to the message
 * @more_fds: the first number that is too many
 * @short_ok: a length at which a cut message is good again
 * @any_from: lengths from here on are all good
 */
static const struct good {
	const char *name;
	void (*build)(void);
	size_t fds, more_fds;
	size_t short_ok, any_from;
} goods[] = {
	{ "version", version, 0, 1, 20, 0 },
	{ "dma_map", dma_map, 1, 2, 0, 0 },
	{ "dma_unmap", dma_unmap, 0, 1, 0, 0 },
	{ "get_info", get_info, 0, 1, 0, 0 },
	{ "region_info", region_info, 0, 1, 0, 0 },
	{ "region_io_fds", region_io_fds, 0, 1, 0, 0 },
	{ "irq_info", irq_info, 0, 1, 0, 0 },
	{ "irq_eventfd", irq_eventfd, 3, 4, 0, 0 },
	{ "irq_bool", irq_bool, 0, 1, 0, 0 },
	{ "irq_none", irq_none, 0, 1, 0, 0 },
	{ "region_read", region_read, 0, 1, 0, 0 },
	{ "region_write", region_write, 0, 1, 0, 0 },
	{ "reset", reset, 0, 1, 0, 0 },
	{ "write_multi", write_multi, 0, 1, 0, 0 },
	{ "feature", feature, 0, 1, 0, 24 },
	{ "mig_read", mig_read, 0, 1, 0, 0 },
	{ "mig_write", mig_write, 0, 1, 0, 0 },
};

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

static void fields_arrive(void **state)
{
	struct vfio_user_write_single w;
	struct vfio_user_request req;
	const uint8_t *msg;
	void *mem;

#define DECODE(n_fds)                                                          \
	do {                                                                   \
		finish(&b);                                                    \
		msg = exact(&b, &mem);                                         \
		assert_int_equal(vfio_user_decode_request(msg, b.len, n_fds,   \
							  XFER, &req),         \
				 0);                                           \
	} while (0)

	version();
	DECODE(0);
	assert_int_equal(req.u.version.minor, 1);
	assert_int_equal(req.u.version.max_msg_fds, 16);
	free(mem);

	dma_map();
	DECODE(1);
	assert_int_equal(req.u.dma_map.flags, 3);
	assert_int_equal(req.u.dma_map.offset, 0x1000);
	assert_int_equal(req.u.dma_map.iova, 0x100000000);
	assert_int_equal(req.u.dma_map.size, 0x200000);
	free(mem);

	dma_unmap();
	DECODE(0);
	assert_int_equal(req.u.dma_unmap.argsz, 24);
	assert_int_equal(req.u.dma_unmap.iova, 0x100000000);
	assert_int_equal(req.u.dma_unmap.size, 0x200000);
	free(mem);

	start(&b, VFIO_USER_DMA_UNMAP);
	put(&b, 24, 4);
	put(&b, VFIO_USER_DMA_UNMAP_ALL, 4);
	put(&b, 0, 8);
	put(&b, 0, 8);
	DECODE(0);
	assert_int_equal(req.u.dma_unmap.flags, VFIO_USER_DMA_UNMAP_ALL);
	free(mem);

	region_info();
	DECODE(0);
	assert_int_equal(req.u.region_info.argsz, 32);
	assert_int_equal(req.u.region_info.index, 7);
	free(mem);

	region_io_fds();
	DECODE(0);
	assert_int_equal(req.u.region_io_fds.argsz, 4096);
	assert_int_equal(req.u.region_io_fds.index, 2);
	free(mem);

	irq_bool();
	DECODE(0);
	assert_int_equal(req.u.irq_set.set.flags, 0x22);
	assert_int_equal(req.u.irq_set.set.index, 2);
	assert_int_equal(req.u.irq_set.set.start, 1);
	assert_int_equal(req.u.irq_set.set.count, 3);
	assert_ptr_equal(req.u.irq_set.bools, msg + 36);
	free(mem);

	irq_eventfd();
	DECODE(3);
	assert_null(req.u.irq_set.bools);
	free(mem);

	region_read();
	DECODE(0);
	assert_int_equal(req.u.access.offset, 0x504);
	assert_int_equal(req.u.access.region, 2);
	assert_int_equal(req.u.access.count, 4);
	assert_null(req.u.access.data);
	free(mem);

	region_write();
	DECODE(0);
	assert_memory_equal(req.u.access.data, "data", 4);
	free(mem);

	write_multi();
	DECODE(0);
	assert_int_equal(req.u.write_multi.count, 2);
	vfio_user_write_single(req.u.write_multi.writes, 0, &w);
	assert_int_equal(w.offset, 0x504);
	assert_int_equal(w.region, 2);
	assert_int_equal(w.count, 2);
	assert_memory_equal(&w.data, "abcdefgh", 8);
	vfio_user_write_single(req.u.write_multi.writes, 1, &w);
	assert_true(w.offset == TOP - 7);
	assert_int_equal(w.count, 8);
	assert_memory_equal(&w.data, "ijklmnop", 8);
	free(mem);

	feature();
	DECODE(0);
	assert_int_equal(req.u.feature.argsz, 16);
	assert_int_equal(req.u.feature.len, 8);
	assert_ptr_equal(req.u.feature.data, msg + 24);
	free(mem);

	mig_write();
	DECODE(0);
	assert_int_equal(req.u.mig_data.size, 5);
	assert_memory_equal(req.u.mig_data.data, "state", 5);
	free(mem);
}

/* Nothing, from address 0 on: the one empty range that does not wrap. */
static void nothing_at_zero(void **state)
{
	struct vfio_user_request req;

	dma_map();
	poke(&b, 16 + 16, 0, 8);
	poke(&b, 16 + 24, 0, 8);
	finish(&b);
	assert_int_equal(decode(0, &req), -EINVAL);
	dma_unmap();
	poke(&b, 16 + 8, 0, 8);
	poke(&b, 16 + 16, 0, 8);
	finish(&b);
	assert_int_equal(decode(0, &req), -EINVAL);
	region_read();
	poke(&b, 16, 0, 8);
	poke(&b, 16 + 12, 0, 4);
	finish(&b);
	assert_int_equal(decode(0, &req), -EINVAL);
	write_multi();
	poke(&b, 16 + 8, 0, 8);
	poke(&b, 16 + 20, 0, 4);
	finish(&b);
	assert_int_equal(decode(0, &req), -EINVAL);
}

static void flags_of_set_irqs(void **state)
{
	struct vfio_user_request req;

	/* One bit of each kind, nothing else, out of all combinations. */
	for (uint32_t flags = 0; flags < 256; flags++) {
		bool ok = is_pow2(flags & 7) && is_pow2(flags & 0x38) &&
			  !(flags & ~0x3fu);

		irq_set(flags, 0, 1);
		if (flags & 2) {
			poke(&b, 16, 21, 4);
			put(&b, 1, 1);
		}
		finish(&b);
		assert_int_equal(decode(flags & 4 ? 1 : 0, &req),
				 ok ? 0 : -EINVAL);
	}
}

static void padded_region_info(void **state)
{
	struct vfio_user_request req;

	/* libvfio-user repeats it in a buffer of the reply's size. */
	region_info();
	poke(&b, 16, 64, 4);
	put(&b, 0, 8);
	put(&b, 0, 8);
	put(&b, 0, 8);
	put(&b, 0, 8);
	finish(&b);
	assert_int_equal(decode(0, &req), 0);
	put(&b, 0, 1);
	finish(&b);
	assert_int_equal(decode(0, &req), -EINVAL);
}

static void transfer_limit_is_what_was_negotiated(void **state)
{
	struct vfio_user_request req;

	region_read();
	poke(&b, 28, 4097, 4);
	finish(&b);
	assert_int_equal(
		vfio_user_decode_request(b.bytes, b.len, 0, 4096, &req),
		-EINVAL);
	poke(&b, 28, 4096, 4);
	assert_int_equal(
		vfio_user_decode_request(b.bytes, b.len, 0, 4096, &req), 0);

	/* The largest write that there is. */
	start(&b, VFIO_USER_REGION_WRITE);
	put(&b, 0, 8);
	put(&b, 0, 4);
	put(&b, XFER, 4);
	memset(b.bytes + b.len, 0x5a, XFER);
	b.len += XFER;
	finish(&b);
	assert_int_equal(b.len, VFIO_USER_MAX_MSG_SIZE);
	assert_int_equal(decode(0, &req), 0);
	assert_int_equal(
		vfio_user_decode_request(b.bytes, b.len, 0, XFER - 1, &req),
		-EINVAL);
}

static void write_multi_of_any_length(void **state)
{
	struct vfio_user_request req;

	start(&b, VFIO_USER_REGION_WRITE_MULTI);
	put(&b, 0, 8);
	finish(&b);
	assert_int_equal(decode(0, &req), 0);
	assert_int_equal(req.u.write_multi.count, 0);
	for (int i = 0; i < 20000; i++) {
		put(&b, 8 * i, 8);
		put(&b, 0, 4);
		put(&b, 8, 4);
		put(&b, i, 8);
	}
	poke(&b, 16, 20000, 8);
	finish(&b);
	assert_int_equal(decode(0, &req), 0);
	assert_int_equal(req.u.write_multi.count, 20000);
	/* The last entry is looked at like the first. */
	poke(&b, b.len - 12, 9, 4);
	assert_int_equal(decode(0, &req), -EINVAL);
}

static void unknown_commands(void **state)
{
	struct vfio_user_request req;

	for (unsigned c = 0; c < 0x10000; c++) {
		bool known = c >= 1 && c <= 18 && c != 14;
		bool ours = c == VFIO_USER_DMA_READ || c == VFIO_USER_DMA_WRITE;

		if (known) {
			assert_string_not_equal(vfio_user_command_name(c), "?");
			if (!ours)
				continue;
		} else {
			assert_string_equal(vfio_user_command_name(c), "?");
		}
		start(&b, c);
		finish(&b);
		assert_int_equal(decode(0, &req), -EOPNOTSUPP);
		assert_int_equal(req.header.command, c);
	}
	assert_string_equal(vfio_user_command_name(UINT32_MAX), "?");
	assert_string_equal(vfio_user_command_name(VFIO_USER_REGION_READ),
			    "REGION_READ");
}

static void header_flags(void **state)
{
	struct vfio_user_request req;

	for (int bit = 0; bit < 32; bit++) {
		reset();
		finish(&b);
		poke(&b, 8, 1ull << bit, 4);
		assert_int_equal(decode(0, &req), bit == 4 ? 0 : -EINVAL);
		assert_int_equal(req.header.flags, 1u << bit);
	}
	/* The error field is reserved in a command: not looked at. */
	reset();
	finish(&b);
	poke(&b, 12, 0xffffffff, 4);
	assert_int_equal(decode(0, &req), 0);
}

static void framing(void **state)
{
	struct vfio_user_header h = { .id = 7 };

	region_write();
	finish(&b);
	for (size_t len = 0; len < 16; len++) {
		b.len = len;
		void *mem;
		const void *p = exact(&b, &mem);
		assert_int_equal(vfio_user_frame(p, len, &h), 0);
		free(mem);
	}
	assert_int_equal(h.id, 7);
	assert_int_equal(vfio_user_frame(b.bytes, 16, &h), 36);
	assert_int_equal(h.id, 0x1234);
	assert_int_equal(h.command, VFIO_USER_REGION_WRITE);
	assert_int_equal(vfio_user_frame(b.bytes, 4096, &h), 36);

	h.id = 7;
	for (uint32_t size = 0; size < 16; size++) {
		poke(&b, 4, size, 4);
		assert_int_equal(vfio_user_frame(b.bytes, 16, &h), -EBADMSG);
	}
	poke(&b, 4, VFIO_USER_MAX_MSG_SIZE + 1, 4);
	assert_int_equal(vfio_user_frame(b.bytes, 16, &h), -EBADMSG);
	poke(&b, 4, UINT32_MAX, 4);
	assert_int_equal(vfio_user_frame(b.bytes, 16, &h), -EBADMSG);
	assert_int_equal(h.id, 7);
	poke(&b, 4, 16, 4);
	assert_int_equal(vfio_user_frame(b.bytes, 16, &h), 16);
	poke(&b, 4, VFIO_USER_MAX_MSG_SIZE, 4);
	assert_int_equal(vfio_user_frame(b.bytes, 16, &h),
			 VFIO_USER_MAX_MSG_SIZE);
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
		cmocka_unit_test(fields_arrive),
		cmocka_unit_test(nothing_at_zero),
		cmocka_unit_test(flags_of_set_irqs),
		cmocka_unit_test(padded_region_info),
		cmocka_unit_test(transfer_limit_is_what_was_negotiated),
		cmocka_unit_test(write_multi_of_any_length),
		cmocka_unit_test(unknown_commands),
		cmocka_unit_test(header_flags),
		cmocka_unit_test(framing),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);

	free(b.bytes);
	return err;
}
