/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "util/bytes.h"
#include "vfio-user/feature.h"
#include "vfio-user-build.h"

#define XFER  VFIO_USER_DEFAULT_MAX_DATA_XFER
#define GET   VFIO_USER_FEATURE_GET
#define SET   VFIO_USER_FEATURE_SET
#define PROBE VFIO_USER_FEATURE_PROBE
#define TOP   UINT64_MAX

static struct build b;
static void *copy; /* what req points into */
static struct vfio_user_request req;
static struct vfio_user_feature_request f;
static uint8_t out[2048];

/* An envelope with room for a reply of @argsz; data is put behind it. */
static void envelope(uint32_t flags, uint32_t argsz)
{
	start(&b, VFIO_USER_DEVICE_FEATURE);
	put(&b, argsz, 4);
	put(&b, flags, 4);
}

static int decode(void)
{
	const void *msg;

	finish(&b);
	free(copy);
	msg = exact(&b, &copy);
	assert_int_equal(vfio_user_decode_request(msg, b.len, 0, XFER, &req),
			 0);
	return vfio_user_decode_feature(&req, XFER, &f);
}

static void which_methods_there_are(void **state)
{
	static const uint32_t known[10] = {
		[1] = GET, [2] = GET | SET, [6] = SET, [7] = SET, [8] = GET,
	};

	for (unsigned n = 0; n < 0x10000; n += n < 16 ? 1 : 257) {
		uint32_t methods = n < 10 ? known[n] : 0;
		static const uint32_t asked[] = { 0, GET, SET, GET | SET };

		for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
			bool ok = methods && !(asked[i] & ~methods);

			envelope(PROBE | asked[i] | n, 8);
			assert_int_equal(decode(), ok ? 0 : -EOPNOTSUPP);
			if (!ok)
				continue;
			assert_int_equal(f.feature, n);
			assert_int_equal(f.methods, PROBE | asked[i]);
		}
		for (size_t i = 1; i < 3; i++) {
			if (asked[i] & methods)
				continue;
			envelope(asked[i] | n, 8);
			assert_int_equal(decode(), -EOPNOTSUPP);
		}
	}
}

static void migration(void **state)
{
	int size;

	envelope(GET | VFIO_USER_FEATURE_MIGRATION, 16);
	assert_int_equal(decode(), 0);
	size = vfio_user_encode_migration(out, sizeof(out), &req,
					  VFIO_USER_MIGRATION_STOP_COPY |
						  VFIO_USER_MIGRATION_PRE_COPY);
	assert_int_equal(size, 32);
	assert_int_equal(peek(out, 0, 2), 0x1234);
	assert_int_equal(peek(out, 4, 4), 32);
	assert_int_equal(peek(out, 8, 4), VFIO_USER_TYPE_REPLY);
	assert_int_equal(peek(out, 16, 4), 16);
	assert_int_equal(peek(out, 20, 4), GET | VFIO_USER_FEATURE_MIGRATION);
	assert_int_equal(peek(out, 24, 8), 5);
	assert_int_equal(vfio_user_encode_migration(out, 31, &req, 5),
			 -ENOBUFS);
	/* Without room for it, its size is the answer. */
	for (uint32_t argsz = 8; argsz < 16; argsz++) {
		envelope(GET | VFIO_USER_FEATURE_MIGRATION, argsz);
		assert_int_equal(decode(), 0);
		assert_int_equal(vfio_user_encode_migration(out, 24, &req, 5),
				 24);
		assert_int_equal(peek(out, 16, 4), 16);
	}
}

static void mig_state(void **state)
{
	for (uint64_t s = 0; s < 10; s++) {
		bool ok = (s >= 1 && s <= 4) || s == 6;

		envelope(SET | VFIO_USER_FEATURE_MIG_DEVICE_STATE, 16);
		put(&b, s, 4);
		put(&b, UINT32_MAX, 4);
		assert_int_equal(decode(), ok ? 0 : -EINVAL);
		if (ok)
			assert_int_equal(f.u.mig_state.device_state, s);
	}
	for (size_t len = 0; len < 24; len++) {
		envelope(SET | VFIO_USER_FEATURE_MIG_DEVICE_STATE, 16);
		put(&b, 2, len);
		assert_int_equal(decode(), len == 8 ? 0 : -EINVAL);
	}
	/* The answer to SET is its request. */
	envelope(SET | VFIO_USER_FEATURE_MIG_DEVICE_STATE, 16);
	put(&b, 3, 4);
	put(&b, 77, 4);
	assert_int_equal(decode(), 0);
	assert_int_equal(vfio_user_encode_feature_echo(out, sizeof(out), &req),
			 32);
	assert_memory_equal(out + 16, b.bytes + 16, 16);
	assert_int_equal(vfio_user_encode_feature_echo(out, 31, &req),
			 -ENOBUFS);

	/* GET, also by a client that sends the room */
	for (size_t room = 0; room <= 8; room += 8) {
		envelope(GET | VFIO_USER_FEATURE_MIG_DEVICE_STATE, 16);
		put(&b, 0, room);
		assert_int_equal(decode(), 0);
		assert_int_equal(vfio_user_encode_mig_state(out, 32, &req, 3),
				 32);
		assert_int_equal(peek(out, 24, 4), 3);
	}
}

static void logging_start_with(uint64_t page_size, uint32_t said, int ranges,
			       uint64_t iova, uint64_t length)
{
	envelope(SET | VFIO_USER_FEATURE_DMA_LOGGING_START, 1u << 20);
	put(&b, page_size, 8);
	put(&b, said, 4);
	put(&b, 0, 4);
	for (int i = 0; i < ranges; i++) {
		put(&b, iova + i * length, 8);
		put(&b, length, 8);
	}
}

static void logging_start(void **state)
{
	struct vfio_user_logging_range r;
	static const struct {
		uint64_t page_size;
		uint32_t said;
		int ranges;
		uint64_t iova, length;
		int err;
	} t[] = {
		{ 4096, 2, 2, 0x1000, 0x2000, 0 },
		{ 4096, 0, 0, 0, 0, 0 }, /* everything */
		{ 4096, 1, 1, 0 - 0x1000ull, 0x1000, 0 },
		{ 1, 1, 1, 5, 7, 0 },
		{ 1ull << 63, 1, 1, 1ull << 63, 1ull << 63, 0 },
		{ 4096, 1024, 1024, 0, 0x1000, 0 },
		{ 4096, 1025, 1025, 0, 0x1000, -E2BIG },
		{ 0, 1, 1, 0, 0x1000, -EINVAL },
		{ 4097, 1, 1, 0, 0x1000, -EINVAL },
		{ 3 * 4096, 1, 1, 0, 0x3000, -EINVAL },
		{ 4096, 1, 2, 0, 0x1000, -EINVAL },
		{ 4096, 3, 2, 0, 0x1000, -EINVAL },
		{ 4096, 0, 1, 0, 0x1000, -EINVAL },
		{ 4096, UINT32_MAX, 1, 0, 0x1000, -EINVAL },
		{ 4096, 2 + (1u << 28), 2, 0, 0x1000, -EINVAL },
		{ 4096, 1, 1, 0, 0, -EINVAL },
		{ 4096, 1, 1, 0 - 0x1000ull, 0x2000, -EINVAL },
		{ 4096, 1, 1, 0x800, 0x1000, -EINVAL },
		{ 4096, 1, 1, 0x1000, 0x800, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		logging_start_with(t[i].page_size, t[i].said, t[i].ranges,
				   t[i].iova, t[i].length);
		if (decode() != t[i].err)
			fail_msg("entry %zu", i);
	}
	logging_start_with(0x2000, 2, 2, 0x10000, 0x4000);
	assert_int_equal(decode(), 0);
	assert_int_equal(f.u.logging_start.start.page_size, 0x2000);
	vfio_user_logging_range(f.u.logging_start.ranges, 1, &r);
	assert_int_equal(r.iova, 0x14000);
	assert_int_equal(r.length, 0x4000);
	/* The page size in use comes back, all else as it was. */
	assert_int_equal(
		vfio_user_encode_logging_start(out, sizeof(out), &req, 4096),
		b.len);
	assert_int_equal(peek(out, 24, 8), 4096);
	assert_int_equal(peek(out, 16, 4), b.len - 16);
	assert_memory_equal(out + 32, b.bytes + 32, b.len - 32);

	/* Every cut */
	for (size_t len = b.len - 1; len >= 24; len--) {
		b.len = len;
		assert_int_equal(decode(), -EINVAL);
	}
}

static void logging_stop(void **state)
{
	envelope(SET | VFIO_USER_FEATURE_DMA_LOGGING_STOP, 8);
	assert_int_equal(decode(), 0);
	assert_int_equal(vfio_user_encode_feature_echo(out, 24, &req), 24);
	assert_int_equal(peek(out, 16, 4), 8);
	put(&b, 0, 1);
	assert_int_equal(decode(), -EINVAL);
}

static void report(uint64_t iova, uint64_t length, uint64_t page,
		   uint32_t argsz)
{
	envelope(GET | VFIO_USER_FEATURE_DMA_LOGGING_REPORT, argsz);
	put(&b, iova, 8);
	put(&b, length, 8);
	put(&b, page, 8);
}

static void logging_report(void **state)
{
	static const struct {
		uint64_t iova, length, page;
		size_t bitmap;
		int err;
	} t[] = {
		{ 0, 4096, 4096, 8, 0 },
		{ 0, 1, 4096, 8, 0 },
		{ 0x1000, 64 * 4096, 4096, 8, 0 },
		{ 0x1000, 64 * 4096 + 1, 4096, 16, 0 },
		{ 0x1000, 65 * 4096, 4096, 16, 0 },
		{ 0, 1ull << 35, 4096, 1 << 20, 0 },
		{ 0, (1ull << 35) + 1, 4096, 0, -E2BIG },
		{ 0, TOP, 1, 0, -E2BIG },
		{ 0, TOP, 4096, 0, -E2BIG },
		{ 0, TOP, 1ull << 63, 8, 0 },
		{ TOP - 4095, 4096, 4096, 8, 0 },
		{ TOP - 4095, 4097, 4096, 0, -EINVAL },
		{ 0, 0, 4096, 0, -EINVAL },
		{ 0, 4096, 0, 0, -EINVAL },
		{ 0, 4096, 4095, 0, -EINVAL },
	};
	uint8_t *bitmap;
	int size;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		report(t[i].iova, t[i].length, t[i].page, 64);
		if (decode() != t[i].err)
			fail_msg("entry %zu", i);
		if (!t[i].err)
			assert_int_equal(f.u.logging_report.bitmap_size,
					 t[i].bitmap);
	}
	/* What was negotiated bounds it. */
	report(0, 65 * 4096, 4096, 64);
	assert_int_equal(decode(), 0);
	assert_int_equal(vfio_user_decode_feature(&req, 16, &f), 0);
	assert_int_equal(vfio_user_decode_feature(&req, 15, &f), -E2BIG);

	for (uint32_t room = 0; room < 3; room++) {
		report(0x1000, 65 * 4096, 4096, 8 + 24 + 15 + room);
		assert_int_equal(decode(), 0);
		memset(out, 0xee, sizeof(out));
		size = vfio_user_encode_logging_report(out, sizeof(out), &req,
						       &f, &bitmap);
		assert_int_equal(peek(out, 4, 4), size);
		assert_int_equal(peek(out, 16, 4), 48);
		if (!room) {
			assert_int_equal(size, 24);
			assert_null(bitmap);
			continue;
		}
		assert_int_equal(size, 64);
		assert_ptr_equal(bitmap, out + 48);
		assert_memory_equal(out + 24, b.bytes + 24, 24);
		assert_int_equal(peek(bitmap, 0, 8) | peek(bitmap, 8, 8), 0);
		assert_int_equal(out[64], 0xee);
	}
	bitmap = out;
	assert_int_equal(
		vfio_user_encode_logging_report(out, 63, &req, &f, &bitmap),
		-ENOBUFS);
	assert_ptr_equal(bitmap, out);

	for (size_t len = 24; len < 48; len++) {
		report(0, 4096, 4096, 4096);
		b.len = len;
		assert_int_equal(decode(), -EINVAL);
	}
}

static void failure_leaves_the_output_alone(void **state)
{
	f.feature = 12345;
	envelope(SET | VFIO_USER_FEATURE_DMA_LOGGING_STOP, 8);
	put(&b, 0, 4);
	assert_int_equal(decode(), -EINVAL);
	assert_int_equal(f.feature, 12345);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_methods_there_are),
		cmocka_unit_test(migration),
		cmocka_unit_test(mig_state),
		cmocka_unit_test(logging_start),
		cmocka_unit_test(logging_stop),
		cmocka_unit_test(logging_report),
		cmocka_unit_test(failure_leaves_the_output_alone),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);

	free(copy);
	free(b.bytes);
	return err;
}
