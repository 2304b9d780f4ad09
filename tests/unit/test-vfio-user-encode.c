/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "util/bytes.h"
#include "vfio-user/encode.h"
#include "vfio-user-build.h"

/* Bytes of the buffer that no encoder may have touched */
#define CANARY 0xee

static uint8_t mem[4096 + 1];
static uint8_t *const buf = mem + 1; /* any alignment will do */

/* A posted request's flags must not come back. */
static struct vfio_user_header request(unsigned command)
{
	memset(mem, CANARY, sizeof(mem));
	return (struct vfio_user_header){
		.id = 0xabcd,
		.command = command,
		.size = 16,
		.flags = VFIO_USER_NO_REPLY,
		.error = 99,
	};
}

static void check_header(unsigned command, int ret, size_t size)
{
	assert_int_equal(ret, size);
	assert_int_equal(peek(buf, 0, 2), 0xabcd);
	assert_int_equal(peek(buf, 2, 2), command);
	assert_int_equal(peek(buf, 4, 4), size);
	assert_int_equal(peek(buf, 8, 4), VFIO_USER_TYPE_REPLY);
	assert_int_equal(peek(buf, 12, 4), 0);
	assert_int_equal(buf[size], CANARY);
}

static void header_only(void **state)
{
	struct vfio_user_header r = request(VFIO_USER_DEVICE_RESET);

	check_header(VFIO_USER_DEVICE_RESET,
		     vfio_user_encode_header(buf, 4096, &r, 0), 16);
	assert_int_equal(vfio_user_encode_header(buf, 15, &r, 0), -ENOBUFS);
	assert_int_equal(vfio_user_encode_header(buf, 16, &r, 1), -ENOBUFS);
	assert_int_equal(vfio_user_encode_header(buf, SIZE_MAX, &r, UINT32_MAX),
			 -ENOBUFS);
}

static void errors(void **state)
{
	struct vfio_user_header r = request(99);

	for (int sign = -1; sign <= 1; sign += 2) {
		assert_int_equal(
			vfio_user_encode_error(buf, 16, &r, sign * ENOENT), 16);
		assert_int_equal(peek(buf, 2, 2), 99);
		assert_int_equal(peek(buf, 4, 4), 16);
		assert_int_equal(peek(buf, 8, 4), 0x21);
		assert_int_equal(peek(buf, 12, 4), ENOENT);
		assert_int_equal(buf[16], CANARY);
	}
	assert_int_equal(vfio_user_encode_error(buf, 16, &r, 0), 16);
	assert_int_equal(peek(buf, 12, 4), EIO);
	assert_int_equal(vfio_user_encode_error(buf, 16, &r, INT32_MIN), 16);
	assert_int_equal(vfio_user_encode_error(buf, 15, &r, EIO), -ENOBUFS);
}

static void device_info(void **state)
{
	struct vfio_user_header r = request(VFIO_USER_DEVICE_GET_INFO);

	check_header(VFIO_USER_DEVICE_GET_INFO,
		     vfio_user_encode_device_info(buf, 32, &r, 3, 9, 5), 32);
	assert_int_equal(peek(buf, 16, 4), 16);
	assert_int_equal(peek(buf, 20, 4), 3);
	assert_int_equal(peek(buf, 24, 4), 9);
	assert_int_equal(peek(buf, 28, 4), 5);
	assert_int_equal(vfio_user_encode_device_info(buf, 31, &r, 3, 9, 5),
			 -ENOBUFS);
}

static const struct vfio_user_region_info bar = {
	.argsz = 77, /* not for the caller to say */
	.flags = 0xf,
	.index = 2,
	.cap_offset = 77,
	.size = 0x123456789000,
	.offset = 0xabcdef000,
};

static void region_info_without_areas(void **state)
{
	struct vfio_user_header r = request(VFIO_USER_DEVICE_GET_REGION_INFO);
	bool whole = false;

	check_header(VFIO_USER_DEVICE_GET_REGION_INFO,
		     vfio_user_encode_region_info(buf, 48, &r, 32, &bar, NULL,
						  0, &whole),
		     48);
	assert_true(whole);
	assert_int_equal(peek(buf, 16, 4), 32);
	assert_int_equal(peek(buf, 20, 4), 0x7); /* no CAPS */
	assert_int_equal(peek(buf, 24, 4), 2);
	assert_int_equal(peek(buf, 28, 4), 0);
	assert_int_equal(peek(buf, 32, 8), 0x123456789000);
	assert_int_equal(peek(buf, 40, 8), 0xabcdef000);
	whole = false;
	assert_int_equal(vfio_user_encode_region_info(buf, 47, &r, 32, &bar,
						      NULL, 0, &whole),
			 -ENOBUFS);
	assert_false(whole);
}

static void region_info_with_areas(void **state)
{
	static const struct vfio_user_sparse_area areas[] = {
		{ 0x1000, 0x2000 }, { 0x8000, 0x100000000 }
	};
	const size_t full = 32 + 16 + 2 * 16;
	struct vfio_user_header r;
	bool whole;

	/* Too little room: the fixed part says how much is needed. */
	for (uint32_t argsz = 32; argsz < full; argsz++) {
		r = request(VFIO_USER_DEVICE_GET_REGION_INFO);
		whole = true;
		check_header(r.command,
			     vfio_user_encode_region_info(buf, 4096, &r, argsz,
							  &bar, areas, 2,
							  &whole),
			     48);
		assert_false(whole);
		assert_int_equal(peek(buf, 16, 4), full);
		assert_int_equal(peek(buf, 20, 4), 0x7);
		assert_int_equal(peek(buf, 28, 4), 0);
	}
	for (int more = 0; more < 2; more++) {
		r = request(VFIO_USER_DEVICE_GET_REGION_INFO);
		whole = false;
		check_header(r.command,
			     vfio_user_encode_region_info(
				     buf, 4096, &r,
				     more ? UINT32_MAX : (uint32_t)full, &bar,
				     areas, 2, &whole),
			     16 + full);
		assert_true(whole);
		assert_int_equal(peek(buf, 16, 4), full);
		assert_int_equal(peek(buf, 20, 4), 0xf);
		assert_int_equal(peek(buf, 28, 4), 32); /* cap_offset */
		assert_int_equal(peek(buf, 48, 2), 1);	/* id */
		assert_int_equal(peek(buf, 50, 2), 1);	/* version */
		assert_int_equal(peek(buf, 52, 4), 0);	/* next */
		assert_int_equal(peek(buf, 56, 4), 2);
		assert_int_equal(peek(buf, 60, 4), 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(peek(buf, 64 + 16 * i, 8),
					 areas[i].offset);
			assert_int_equal(peek(buf, 72 + 16 * i, 8),
					 areas[i].size);
		}
	}
	assert_int_equal(vfio_user_encode_region_info(buf, 16 + full - 1, &r,
						      4096, &bar, areas, 2,
						      &whole),
			 -ENOBUFS);
	/* More than a message holds: refused before it is looked at. */
	assert_int_equal(vfio_user_encode_region_info(buf, 4096, &r, UINT32_MAX,
						      &bar, areas, SIZE_MAX / 8,
						      &whole),
			 -ENOBUFS);
}

static void region_io_fds(void **state)
{
	static const struct vfio_user_ioeventfd e[] = {
		{ 0x100, 4, 0, 0, 0, 0xdead, 0 },
		{ 0x108, 2, 1, 0, VFIO_USER_IOEVENTFD_DATAMATCH, 0, 0x77 },
	};
	struct vfio_user_header r = request(VFIO_USER_DEVICE_GET_REGION_IO_FDS);
	bool whole = false;

	check_header(r.command,
		     vfio_user_encode_region_io_fds(buf, 4096, &r, 16, 3, NULL,
						    0, &whole),
		     32);
	assert_true(whole);
	assert_int_equal(peek(buf, 16, 4), 16);
	assert_int_equal(peek(buf, 20, 4), 0);
	assert_int_equal(peek(buf, 24, 4), 3);
	assert_int_equal(peek(buf, 28, 4), 0);

	for (uint32_t argsz = 16; argsz < 96; argsz++) {
		r = request(VFIO_USER_DEVICE_GET_REGION_IO_FDS);
		check_header(r.command,
			     vfio_user_encode_region_io_fds(
				     buf, 4096, &r, argsz, 3, e, 2, &whole),
			     32);
		assert_false(whole);
		assert_int_equal(peek(buf, 16, 4), 96);
	}
	r = request(VFIO_USER_DEVICE_GET_REGION_IO_FDS);
	check_header(r.command,
		     vfio_user_encode_region_io_fds(buf, 4096, &r, 96, 3, e, 2,
						    &whole),
		     112);
	assert_true(whole);
	assert_int_equal(peek(buf, 28, 4), 2);
	for (int i = 0; i < 2; i++) {
		const uint8_t *p = buf + 32 + 40 * i;

		assert_int_equal(peek(p, 0, 8), e[i].offset);
		assert_int_equal(peek(p, 8, 8), e[i].size);
		assert_int_equal(peek(p, 16, 4), e[i].fd_index);
		assert_int_equal(peek(p, 20, 4), 0);
		assert_int_equal(peek(p, 24, 4), e[i].flags);
		assert_int_equal(peek(p, 28, 4), 0);
		assert_int_equal(peek(p, 32, 8), e[i].datamatch);
	}
	assert_int_equal(vfio_user_encode_region_io_fds(buf, 111, &r, 96, 3, e,
							2, &whole),
			 -ENOBUFS);
	assert_int_equal(vfio_user_encode_region_io_fds(buf, 4096, &r, 96, 3, e,
							SIZE_MAX / 8, &whole),
			 -ENOBUFS);
}

static void irq_info(void **state)
{
	static const struct vfio_user_irq_info info = { 99, 7, 2, 2048 };
	struct vfio_user_header r = request(VFIO_USER_DEVICE_GET_IRQ_INFO);

	check_header(r.command, vfio_user_encode_irq_info(buf, 32, &r, &info),
		     32);
	assert_int_equal(peek(buf, 16, 4), 16);
	assert_int_equal(peek(buf, 20, 4), 7);
	assert_int_equal(peek(buf, 24, 4), 2);
	assert_int_equal(peek(buf, 28, 4), 2048);
	assert_int_equal(vfio_user_encode_irq_info(buf, 31, &r, &info),
			 -ENOBUFS);
}

/* The reply is the request's payload: 40 bytes, which rust-vmm counts on. */
static void dma_unmap(void **state)
{
	struct vfio_user_request req;
	struct build b = { 0 };

	start(&b, VFIO_USER_DMA_UNMAP);
	put(&b, 24, 4);
	put(&b, 0, 4);
	put(&b, 0x123000, 8);
	put(&b, 0x456000, 8);
	finish(&b);
	memset(mem, CANARY, sizeof(mem));
	assert_int_equal(
		vfio_user_decode_request(b.bytes, b.len, 0, 4096, &req), 0);
	req.header.id = 0xabcd;
	check_header(VFIO_USER_DMA_UNMAP,
		     vfio_user_encode_dma_unmap(buf, 40, &req.header,
						&req.u.dma_unmap),
		     40);
	assert_memory_equal(buf + 16, b.bytes + 16, 24);
	assert_int_equal(vfio_user_encode_dma_unmap(buf, 39, &req.header,
						    &req.u.dma_unmap),
			 -ENOBUFS);
	free(b.bytes);
}

static void region_access(void **state)
{
	struct vfio_user_header r = request(VFIO_USER_REGION_WRITE);

	check_header(r.command,
		     vfio_user_encode_access(buf, 32, &r, 0x504, 2, 4096), 32);
	assert_int_equal(peek(buf, 16, 8), 0x504);
	assert_int_equal(peek(buf, 24, 4), 2);
	assert_int_equal(peek(buf, 28, 4), 4096);
	assert_int_equal(vfio_user_encode_access(buf, 31, &r, 0, 0, 4),
			 -ENOBUFS);

	/* Of a read, the data is the caller's; the size counts it. */
	r = request(VFIO_USER_REGION_READ);
	assert_int_equal(vfio_user_encode_access(buf, 32, &r, 0x504, 2, 4096),
			 VFIO_USER_ACCESS_HEAD);
	assert_int_equal(peek(buf, 4, 4), 32 + 4096);
	assert_int_equal(peek(buf, 28, 4), 4096);
	assert_int_equal(buf[32], CANARY);
	assert_int_equal(vfio_user_encode_access(buf, 32, &r, 0, 2,
						 VFIO_USER_MAX_DATA_XFER),
			 32);
	assert_int_equal(peek(buf, 4, 4), VFIO_USER_MAX_MSG_SIZE);
	assert_int_equal(vfio_user_encode_access(buf, 32, &r, 0, 2,
						 VFIO_USER_MAX_DATA_XFER + 1),
			 -ENOBUFS);
	assert_int_equal(vfio_user_encode_access(buf, 32, &r, 0, 2, UINT32_MAX),
			 -ENOBUFS);
}

static void write_multi(void **state)
{
	struct vfio_user_header r = request(VFIO_USER_REGION_WRITE_MULTI);

	check_header(r.command, vfio_user_encode_write_multi(buf, 24, &r, 200),
		     24);
	assert_int_equal(peek(buf, 16, 8), 200);
	assert_int_equal(vfio_user_encode_write_multi(buf, 23, &r, 200),
			 -ENOBUFS);
}

static void mig_data(void **state)
{
	struct vfio_user_header r = request(VFIO_USER_MIG_DATA_READ);

	assert_int_equal(vfio_user_encode_mig_data(buf, 24, &r, 1000),
			 VFIO_USER_MIG_DATA_HEAD);
	assert_int_equal(peek(buf, 4, 4), 24 + 1000);
	assert_int_equal(peek(buf, 16, 4), 8 + 1000);
	assert_int_equal(peek(buf, 20, 4), 1000);
	assert_int_equal(buf[24], CANARY);
	assert_int_equal(vfio_user_encode_mig_data(buf, 23, &r, 1), -ENOBUFS);
	assert_int_equal(vfio_user_encode_mig_data(buf, 24, &r, UINT32_MAX),
			 -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_only),
		cmocka_unit_test(errors),
		cmocka_unit_test(device_info),
		cmocka_unit_test(region_info_without_areas),
		cmocka_unit_test(region_info_with_areas),
		cmocka_unit_test(region_io_fds),
		cmocka_unit_test(irq_info),
		cmocka_unit_test(dma_unmap),
		cmocka_unit_test(region_access),
		cmocka_unit_test(write_multi),
		cmocka_unit_test(mig_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
