/* SPDX-License-Identifier: MIT */
/* The short way for posted writes takes what the general way takes, and gives
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "util/bytes.h"
#include "vfio-user/decode.h"
#include "vfio-user/posted.h"

#define MAX_XFER 64u

static unsigned taken, refused;

/* @more: bytes that follow the message, or, below 0, are not here yet */
static void compare(const uint8_t *msg, size_t len, int more)
{
	struct vfio_user_header header;
	struct vfio_user_request req;
	struct vfio_user_posted_write w;
	bool fast, general;

	assert_int_equal(vfio_user_frame(msg, len, &header), len);
	fast = vfio_user_posted_write(msg, len + (size_t)more, MAX_XFER, &w);
	general = more >= 0 &&
		  !vfio_user_decode_request(msg, len, 0, MAX_XFER, &req) &&
		  req.header.command == VFIO_USER_REGION_WRITE &&
		  req.header.flags == VFIO_USER_NO_REPLY;
	assert_int_equal(fast, general);
	if (!fast) {
		refused++;
		return;
	}
	taken++;
	assert_int_equal(w.offset, req.u.access.offset);
	assert_int_equal(w.region, req.u.access.region);
	assert_int_equal(w.count, req.u.access.count);
	assert_ptr_equal(w.data, req.u.access.data);
}

static void both_ways_agree(void **state)
{
	static const uint16_t commands[] = { VFIO_USER_REGION_WRITE,
					     VFIO_USER_REGION_WRITE,
					     VFIO_USER_REGION_WRITE,
					     VFIO_USER_REGION_READ,
					     VFIO_USER_REGION_WRITE_MULTI,
					     0, 99 };
	static const uint32_t flags[] = { VFIO_USER_NO_REPLY,
					  VFIO_USER_NO_REPLY,
					  VFIO_USER_NO_REPLY,
					  0, VFIO_USER_TYPE_REPLY,
					  VFIO_USER_NO_REPLY | VFIO_USER_ERROR,
					  VFIO_USER_NO_REPLY | 1, 0x8000 };
	static const uint64_t offsets[] = { 0, 4, UINT32_MAX, UINT64_MAX - 8,
					    UINT64_MAX - 4, UINT64_MAX - 3,
					    UINT64_MAX - 2, UINT64_MAX };
	static const uint32_t counts[] = { 0, 1, 3, 4, 4, 8, 63, 64, 65, 100,
					   UINT32_MAX };
	uint8_t msg[256];

	(void)state;
	srandom(4711);
	for (int i = 0; i < 200000; i++) {
		uint32_t count = counts[(size_t)random() % ARRAY_SIZE(counts)];
		size_t len = 32 + (count <= 100 ? count : 0);

		for (size_t b = 0; b < sizeof(msg); b++)
			msg[b] = (uint8_t)random();
		if (random() % 8 == 0)
			len += (size_t)random() % 8;
		if (random() % 8 == 0)
			len -= (size_t)random() % 16;
		put_le16(msg + 2,
			 commands[(size_t)random() % ARRAY_SIZE(commands)]);
		put_le32(msg + 4, (uint32_t)len);
		put_le32(msg + 8, flags[(size_t)random() % ARRAY_SIZE(flags)]);
		put_le64(msg + 16,
			 offsets[(size_t)random() % ARRAY_SIZE(offsets)]);
		put_le32(msg + 28, count);
		compare(msg, len, (int)(random() % 8) - 1);
	}
	assert_true(taken > 5000);
	assert_true(refused > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
