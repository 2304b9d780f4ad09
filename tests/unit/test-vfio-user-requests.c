/* SPDX-License-Identifier: MIT */
/* What arrives of a request, and the rules that tables do not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfio-user-requests.h"

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
