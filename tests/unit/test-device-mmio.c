/* SPDX-License-Identifier: MIT */
/* Any access in, the driver's sizes out: compared with a plain byte array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device/mmio.h"

#define AREA 64u

/* Registers that are memory; every access is checked against the limits. */
static uint8_t bytes[AREA];
static unsigned min_access, max_access, accesses;

static uint64_t reg_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	uint64_t v = 0;

	assert_null(dev);
	assert_in_range(size, min_access, max_access);
	assert_int_equal(offset % size, 0);
	assert_true(offset + size <= AREA);
	memcpy(&v, (const uint8_t *)data + offset, size);
	accesses++;
	return v;
}

static void reg_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	assert_null(dev);
	assert_in_range(size, min_access, max_access);
	assert_int_equal(offset % size, 0);
	assert_true(offset + size <= AREA);
	assert_true(size == 8 || value >> (8 * size) == 0);
	memcpy((uint8_t *)data + offset, &value, size);
	accesses++;
}

static void every_access_every_width(void **state)
{
	struct vgpu_mmio_ops ops = { .read = reg_read, .write = reg_write };
	uint8_t model[AREA], got[AREA], data[AREA];

	(void)state;
	srand(1);
	for (min_access = 1; min_access <= 8; min_access *= 2)
		for (max_access = min_access; max_access <= 8; max_access *= 2)
			for (unsigned off = 0; off < AREA; off++)
				for (unsigned len = 1; len <= AREA - off; len++) {
					ops.min_access = min_access;
					ops.max_access = max_access;
					for (unsigned i = 0; i < AREA; i++) {
						bytes[i] = (uint8_t)rand();
						data[i] = (uint8_t)rand();
					}
					memcpy(model, bytes, AREA);
					mmio_read(NULL, &ops, bytes, off, got,
						  len);
					assert_memory_equal(got, model + off, len);
					mmio_write(NULL, &ops, bytes, off, data,
						   len);
					memcpy(model + off, data, len);
					assert_memory_equal(bytes, model, AREA);
				}
}

static void aligned_accesses_stay_whole(void **state)
{
	struct vgpu_mmio_ops ops = { .min_access = 1,
				     .max_access = 4,
				     .read = reg_read,
				     .write = reg_write };
	uint32_t v = 0;

	(void)state;
	min_access = 1;
	max_access = 4;
	accesses = 0;
	mmio_read(NULL, &ops, bytes, 4, &v, 4);
	mmio_write(NULL, &ops, bytes, 4, &v, 4);
	assert_int_equal(accesses, 2);
	mmio_read(NULL, &ops, bytes, 5, &v, 4); /* 1 + 2 + 1 */
	assert_int_equal(accesses, 5);
}

static void partial_writes_can_be_refused(void **state)
{
	struct vgpu_mmio_ops ops = { .flags = VGPU_MMIO_NO_PARTIAL_WRITE,
				     .min_access = 4,
				     .max_access = 4,
				     .read = reg_read,
				     .write = reg_write };
	const uint8_t ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	(void)state;
	min_access = max_access = 4;
	memset(bytes, 0, AREA);
	mmio_write(NULL, &ops, bytes, 1, ones, 2);
	assert_int_equal(bytes[1], 0);
	mmio_write(NULL, &ops, bytes, 2, ones,
		   6); /* the whole one inside still goes */
	assert_int_equal(bytes[2], 0);
	assert_int_equal(bytes[4], 1);
	assert_int_equal(bytes[7], 1);
}

static void missing_ops_read_as_ones(void **state)
{
	struct vgpu_mmio_ops ops = { .min_access = 2, .max_access = 4 };
	uint8_t got[5] = { 0 };

	(void)state;
	mmio_read(NULL, &ops, bytes, 1, got, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(got[i], 0xff);
	mmio_write(NULL, &ops, bytes, 1, got, 5); /* ignored */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_access_every_width),
		cmocka_unit_test(aligned_accesses_stay_whole),
		cmocka_unit_test(partial_writes_can_be_refused),
		cmocka_unit_test(missing_ops_read_as_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
