/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "util/bytes.h"
#include "vfio-user/describe.h"
#include "vfio-user-build.h"

static struct build b;
static char line[512];

static const char *describe(size_t n_fds)
{
	void *mem;
	const void *msg;

	finish(&b);
	msg = exact(&b, &mem);
	memset(line, 'x', sizeof(line));
	vfio_user_describe(line, sizeof(line), msg, b.len, n_fds);
	free(mem);
	return line;
}

static void has(const char *said, const char *part)
{
	if (!strstr(said, part))
		fail_msg("\"%s\" has no \"%s\"", said, part);
}

static void accesses(void **state)
{
	start(&b, VFIO_USER_REGION_WRITE);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 4, 4);
	put_bytes(&b, "\x01\x23\xab\xff", 4);
	assert_string_equal(describe(0),
			    "request REGION_WRITE id 4660 size 36 BAR2+0x504 "
			    "count 4 data 01 23 ab ff");
	poke(&b, 8, VFIO_USER_NO_REPLY, 4);
	has(describe(0), " no-reply");
	poke(&b, 24, 7, 4);
	has(describe(0), "config+0x504");
	poke(&b, 24, 99, 4);
	has(describe(0), "region?+0x504");
	/* More data than a line wants */
	for (int i = 0; i < 100; i++)
		put(&b, i, 1);
	has(describe(0), " data 01 23 ab ff 00 01 02 03 04 05 06 07 08 09 0a "
			 "0b ...");
}

static void write_multi(void **state)
{
	start(&b, VFIO_USER_REGION_WRITE_MULTI);
	put(&b, 1, 8);
	put(&b, 0x10, 8);
	put(&b, 0, 4);
	put(&b, 2, 4);
	put(&b, 0, 8);
	has(describe(0), " 1 writes, first BAR0+0x10 count 2");
	b.len = 24;
	has(describe(0), " 1 writes");
	assert_null(strstr(line, "first"));
}

static void dma(void **state)
{
	start(&b, VFIO_USER_DMA_MAP);
	put(&b, 32, 4);
	put(&b, 1, 4);
	put(&b, 0x1000, 8);
	put(&b, 0x2000, 8);
	put(&b, 0x3000, 8);
	assert_string_equal(describe(1),
			    "request DMA_MAP id 4660 size 48 fds 1 iova 0x2000 "
			    "size 0x3000 offset 0x1000 r-");
	start(&b, VFIO_USER_DMA_UNMAP);
	put(&b, 24, 4);
	put(&b, 0, 4);
	put(&b, 0x2000, 8);
	put(&b, 0x3000, 8);
	has(describe(0), " iova 0x2000 size 0x3000");
	poke(&b, 20, VFIO_USER_DMA_UNMAP_ALL, 4);
	has(describe(0), " all");
	start(&b, VFIO_USER_DMA_READ);
	put(&b, 0x4000, 8);
	put(&b, 3, 8);
	has(describe(0), " iova 0x4000 count 3");
	put_bytes(&b, "abc", 3);
	poke(&b, 8, VFIO_USER_TYPE_REPLY, 4);
	has(describe(0), "reply DMA_READ id 4660 size 35 iova 0x4000 count 3 "
			 "data 61 62 63");
}

static void infos(void **state)
{
	start(&b, VFIO_USER_DEVICE_GET_INFO);
	put(&b, 16, 4);
	put(&b, 3, 4);
	put(&b, 9, 4);
	put(&b, 5, 4);
	has(describe(0), " flags 0x3 regions 9 irqs 5");
	start(&b, VFIO_USER_DEVICE_GET_REGION_INFO);
	put(&b, 32, 4);
	put(&b, 7, 4);
	put(&b, 6, 4);
	put(&b, 0, 4);
	put(&b, 0x10000, 8);
	put(&b, 0, 8);
	has(describe(0), " ROM argsz 32 flags 0x7 size 0x10000");
	start(&b, VFIO_USER_DEVICE_GET_IRQ_INFO);
	put(&b, 16, 4);
	put(&b, 9, 4);
	put(&b, 2, 4);
	put(&b, 64, 4);
	has(describe(0), " MSI-X flags 0x9 count 64");
}

static void interrupts(void **state)
{
	static const struct {
		uint32_t flags, index;
		const char *words;
	} t[] = {
		{ 0x24, 0, " INTx trigger eventfd start 1 count 2" },
		{ 0x12, 1, " MSI unmask bool start 1 count 2" },
		{ 0x09, 3, " ERR mask none start 1 count 2" },
		{ 0x21, 4, " REQ trigger none start 1 count 2" },
		{ 0x21, 5, " irq? trigger none start 1 count 2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		start(&b, VFIO_USER_DEVICE_SET_IRQS);
		put(&b, 20, 4);
		put(&b, t[i].flags, 4);
		put(&b, t[i].index, 4);
		put(&b, 1, 4);
		put(&b, 2, 4);
		has(describe(2), t[i].words);
	}
}

/* A stranger's JSON does not reach a terminal as it is. */
static void version(void **state)
{
	static const char json[] = "{\"a\":\"\x1b[31m\x7f\xc3\xbc\n\"}";

	start(&b, VFIO_USER_VERSION);
	put(&b, 0, 2);
	put(&b, 1, 2);
	put_bytes(&b, json, sizeof(json));
	has(describe(0), " 0.1 {\"a\":\"?[31m????\"}");
}

static void others_and_errors(void **state)
{
	start(&b, 99);
	put_bytes(&b, "\x07", 1);
	assert_string_equal(describe(0), "request ? id 4660 size 17 data 07");
	start(&b, VFIO_USER_DMA_MAP);
	poke(&b, 8, VFIO_USER_TYPE_REPLY | VFIO_USER_ERROR, 4);
	poke(&b, 12, 17, 4);
	assert_string_equal(describe(0),
			    "reply DMA_MAP id 4660 size 16 error 17 "
			    "(File exists)");
}

static void damaged(void **state)
{
	start(&b, VFIO_USER_REGION_READ);
	finish(&b);
	vfio_user_describe(line, sizeof(line), b.bytes, 3, 0);
	assert_string_equal(line, "the start of a message (3 bytes)");
	poke(&b, 4, 15, 4);
	vfio_user_describe(line, sizeof(line), b.bytes, 16, 0);
	assert_string_equal(line, "not a message: impossible size");
	/* Any payload that is cut: what there is, and nothing beyond. */
	for (unsigned c = 0; c < VFIO_USER_NUM_COMMANDS; c++) {
		for (size_t len = 0; len < 48; len++) {
			start(&b, c);
			for (size_t i = 0; i < len; i++)
				put(&b, 0x41, 1);
			has(describe(0), "request");
		}
	}
}

/* Cut to any size, terminated, the start of the whole line. */
static void small_buffers(void **state)
{
	char whole[sizeof(line)];
	char cut[sizeof(line)];

	start(&b, VFIO_USER_REGION_WRITE);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 4, 4);
	put_bytes(&b, "data", 4);
	strcpy(whole, describe(0));
	for (size_t cap = 1; cap <= strlen(whole) + 1; cap++) {
		memset(cut, 'x', sizeof(cut));
		vfio_user_describe(cut, cap, b.bytes, b.len, 0);
		assert_int_equal(strlen(cut), cap - 1);
		assert_memory_equal(cut, whole, cap - 1);
		assert_int_equal(cut[cap], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accesses),
		cmocka_unit_test(write_multi),
		cmocka_unit_test(dma),
		cmocka_unit_test(infos),
		cmocka_unit_test(interrupts),
		cmocka_unit_test(version),
		cmocka_unit_test(others_and_errors),
		cmocka_unit_test(damaged),
		cmocka_unit_test(small_buffers),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);

	free(b.bytes);
	return err;
}
