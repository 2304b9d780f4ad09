/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "util/bytes.h"
#include "vfio-user/dma-message.h"
#include "vfio-user-build.h"

static const struct vfio_user_dma_request rd = { 0x1234, VFIO_USER_DMA_READ,
						 0x10000, 8 };
static const struct vfio_user_dma_request wr = { 0x1234, VFIO_USER_DMA_WRITE,
						 0x10000, 8 };

static struct build b;
static struct vfio_user_dma_reply reply;

static int decode(const struct vfio_user_dma_request *dma)
{
	void *mem;
	const void *msg = exact(&b, &mem);
	int err = vfio_user_decode_dma_reply(msg, b.len, dma, &reply);

	if (!err && reply.data)
		reply.data = b.bytes + (reply.data - (const uint8_t *)msg);
	free(mem);
	return err;
}

static void reply_to(const struct vfio_user_dma_request *dma, uint32_t flags,
		     size_t count_width, uint64_t count, size_t data)
{
	start(&b, dma->command);
	poke(&b, 8, flags, 4);
	put(&b, dma->iova, 8);
	put(&b, count, count_width);
	put(&b, 0x0807060504030201, data);
	finish(&b);
}

static void requests(void **state)
{
	uint8_t buf[64];

	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(vfio_user_encode_dma_request(buf, 32, &rd), 32);
	assert_int_equal(peek(buf, 0, 2), 0x1234);
	assert_int_equal(peek(buf, 2, 2), VFIO_USER_DMA_READ);
	assert_int_equal(peek(buf, 4, 4), 32);
	assert_int_equal(peek(buf, 8, 4), VFIO_USER_TYPE_COMMAND);
	assert_int_equal(peek(buf, 12, 4), 0);
	assert_int_equal(peek(buf, 16, 8), 0x10000);
	assert_int_equal(peek(buf, 24, 8), 8);
	assert_int_equal(vfio_user_encode_dma_request(buf, 32, &wr), 32);
	assert_int_equal(peek(buf, 2, 2), VFIO_USER_DMA_WRITE);
	assert_int_equal(peek(buf, 4, 4), 40); /* counts the data */
	assert_int_equal(buf[32], 0xee);
	assert_int_equal(vfio_user_encode_dma_request(buf, 31, &rd), -ENOBUFS);
}

static void nonsense_is_not_sent(void **state)
{
	struct vfio_user_dma_request bad[] = { rd, rd, wr, wr, rd, rd };
	uint8_t buf[64];

	bad[0].command = VFIO_USER_REGION_READ;
	bad[1].count = 0;
	bad[2].count = VFIO_USER_MAX_MSG_SIZE - 31;
	bad[3].count = UINT64_MAX;
	bad[4].count = VFIO_USER_MAX_MSG_SIZE - 31; /* the reply's size */
	bad[5].iova = UINT64_MAX - 6;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			vfio_user_encode_dma_request(buf, sizeof(buf), &bad[i]),
			-EINVAL);
	bad[2].count--;
	assert_int_equal(
		vfio_user_encode_dma_request(buf, sizeof(buf), &bad[2]), 32);
	assert_int_equal(peek(buf, 4, 4), VFIO_USER_MAX_MSG_SIZE);
	bad[5].iova--;
	assert_int_equal(
		vfio_user_encode_dma_request(buf, sizeof(buf), &bad[5]), 32);
}

static void good_replies(void **state)
{
	reply_to(&rd, VFIO_USER_TYPE_REPLY, 8, 8, 8);
	assert_int_equal(decode(&rd), 0);
	assert_int_equal(reply.error, 0);
	assert_int_equal(reply.count, 8);
	assert_int_equal(peek(reply.data, 0, 8), 0x0807060504030201);
	reply_to(&rd, VFIO_USER_TYPE_REPLY, 8, 3, 3); /* less than asked */
	assert_int_equal(decode(&rd), 0);
	assert_int_equal(reply.count, 3);
	/* Both readings of the specification */
	for (size_t width = 4; width <= 8; width += 4) {
		reply_to(&wr, VFIO_USER_TYPE_REPLY, width, 8, 0);
		assert_int_equal(decode(&wr), 0);
		assert_int_equal(reply.count, 8);
		assert_null(reply.data);
	}
}

static void the_client_s_errors(void **state)
{
	static const struct {
		uint32_t said;
		int error;
	} t[] = {
		{ ENODEV, ENODEV }, { 0, EIO },	       { 4095, 4095 },
		{ 4096, EIO },	    { 1u << 31, EIO }, { UINT32_MAX, EIO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		for (int body = 0; body < 2; body++) {
			reply_to(&rd, 0x21, 8, 8, 8);
			poke(&b, 12, t[i].said, 4);
			if (!body)
				b.len = 16;
			finish(&b);
			assert_int_equal(decode(&rd), 0);
			assert_int_equal(reply.error, t[i].error);
			assert_int_equal(reply.count, 0);
			assert_null(reply.data);
		}
	}
}

static void what_is_no_reply_to_it(void **state)
{
	static const struct {
		size_t at, width;
		uint64_t value;
	} t[] = {
		{ 0, 2, 0x1235 },	       /* another id */
		{ 2, 2, VFIO_USER_DMA_WRITE }, /* another command */
		{ 2, 2, VFIO_USER_REGION_READ },
		{ 4, 4, 39 }, /* size */
		{ 4, 4, 41 },
		{ 8, 4, 0 }, /* a command */
		{ 8, 4, 2 },
		{ 16, 8, 0x10008 }, /* another address */
		{ 24, 8, 7 },
		{ 24, 8, 9 },
		{ 24, 8, UINT64_MAX },
		{ 24, 8, 8 + (1ull << 32) },
	};

	reply.count = 777;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		reply_to(&rd, VFIO_USER_TYPE_REPLY, 8, 8, 8);
		poke(&b, t[i].at, t[i].value, t[i].width);
		if (decode(&rd) != -EBADMSG)
			fail_msg("entry %zu", i);
	}
	/* More than was asked */
	reply_to(&rd, VFIO_USER_TYPE_REPLY, 8, 9, 9);
	assert_int_equal(decode(&rd), -EBADMSG);
	reply_to(&wr, VFIO_USER_TYPE_REPLY, 8, 9, 0);
	assert_int_equal(decode(&wr), -EBADMSG);
	reply_to(&wr, VFIO_USER_TYPE_REPLY, 4, 9, 0);
	assert_int_equal(decode(&wr), -EBADMSG);
	assert_int_equal(reply.count, 777);
}

static void every_cut_is_noticed(void **state)
{
	for (size_t len = 0; len < 40; len++) {
		reply_to(&rd, VFIO_USER_TYPE_REPLY, 8, 8, 8);
		b.len = len;
		assert_int_equal(decode(&rd), -EBADMSG);
		poke(&b, 4, len, 4);
		assert_int_equal(decode(&rd), -EBADMSG);
	}
	for (size_t len = 0; len < 36; len++) {
		reply_to(&wr, VFIO_USER_TYPE_REPLY, 8, 8, 4);
		b.len = len;
		poke(&b, 4, len, 4);
		assert_int_equal(decode(&wr),
				 len == 28 || len == 32 ? 0 : -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(nonsense_is_not_sent),
		cmocka_unit_test(good_replies),
		cmocka_unit_test(the_client_s_errors),
		cmocka_unit_test(what_is_no_reply_to_it),
		cmocka_unit_test(every_cut_is_noticed),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);

	free(b.bytes);
	return err;
}
