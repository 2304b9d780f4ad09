/* SPDX-License-Identifier: MIT */
/* drivers/refgpu/audit.c: what may reach an engine, and that the model agrees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../drivers/refgpu/audit.h"
#include "../../hw/refgpu/commands.h"

#define C(op, len) REFGPU_CMD(REFGPU_OP_##op, len)
#define FULL	   (REFGPU_BYTES_MAX >> 32)

static void commands_are_checked(void **state)
{
	static const struct {
		uint32_t d[19];
		uint32_t n;
		unsigned error;
	} cases[] = {
		{ { C(NOP, 1) }, 1, 0 },
		{ { C(NOP, 7) }, 7, 0 },
		{ { C(NOP, 7) }, 6, REFGPU_ERROR_COMMAND },
		{ { C(NOP, 0) }, 1, REFGPU_ERROR_COMMAND },
		{ { C(NOP, 1) | 1 << 16 }, 1, REFGPU_ERROR_COMMAND },
		{ { C(BATCH, 4), 4, 0, 1 }, 4, 0 },
		{ { C(BATCH, 4), 2, 0, 1 }, 4, REFGPU_ERROR_ARGUMENT },
		{ { C(BATCH, 4), 4, 0, REFGPU_BATCH_MAX + 1 },
		  4,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(END, 1) }, 1, 0 },
		{ { C(FENCE, 5), 8, 0, 1, 2 }, 5, 0 },
		{ { C(SEM_WAIT, 5), 12 }, 5, REFGPU_ERROR_ARGUMENT },
		{ { C(SEM_ADD, 5), 16 }, 5, 0 },
		{ { C(IRQ, 2), 5 }, 2, 0 },
		{ { C(TIMESTAMP, 3), 9 }, 3, REFGPU_ERROR_ARGUMENT },
		{ { C(INVALIDATE, 4), 1, 2, 3 }, 4, 0 },
		{ { C(FILL, 6), 4, 0, 8, 0, 1 }, 6, 0 },
		{ { C(FILL, 6), 4, 0, 6, 0, 1 }, 6, REFGPU_ERROR_ARGUMENT },
		{ { C(FILL, 6), 0, 0, 0, FULL, 1 }, 6, 0 },
		{ { C(FILL, 6), 0, 0, 4, FULL, 1 }, 6, REFGPU_ERROR_ARGUMENT },
		{ { C(COPY, 7), 1, 0, 3, 0, 5, 0 }, 7, 0 },
		{ { C(COPY, 7), 0, 0, 0, 0, 1, FULL },
		  7,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(RECT_FILL, 7), 4, 0, 65536, 0, 5 | 5 << 16, 1 }, 7, 0 },
		{ { C(RECT_FILL, 7), 4, 0, 65540, 0, 0, 1 },
		  7,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(RECT_FILL, 7), 4, 0, 4, 16383, 2, 1 },
		  7,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(RECT_FILL, 7), 4, 0, 4, 0, 16384, 1 },
		  7,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(RECT_COPY, 10), 4, 0, 4, 8, 0, 4, 0, 0, 1 | 1 << 16 },
		  10,
		  0 },
		{ { C(RECT_BLEND, 10), 4, 0, 4, 6, 0, 4 },
		  10,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(DISPATCH, 7), REFGPU_KERNEL_SPIN, 1, 1, 1 }, 7, 0 },
		{ { C(DISPATCH, 4), REFGPU_KERNEL_SPIN, 1, 1 },
		  4,
		  REFGPU_ERROR_COMMAND },
		{ { C(DISPATCH, 8), REFGPU_KERNEL_SPIN, 1, 1, 1 },
		  8,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(DISPATCH, 7), REFGPU_KERNEL_SPIN, 0, 1, 1 },
		  7,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(DISPATCH, 7), REFGPU_KERNEL_SPIN, 1, 65537, 1 },
		  7,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(DISPATCH, 7), 99, 1, 1, 1 }, 7, REFGPU_ERROR_ARGUMENT },
		{ { C(DISPATCH, 19), REFGPU_KERNEL_SGEMM, 1, 1, 1, 1, 1, 4096 },
		  19,
		  0 },
		{ { C(DISPATCH, 19), REFGPU_KERNEL_SGEMM, 1, 1, 1, 1, 1, 4097 },
		  19,
		  REFGPU_ERROR_ARGUMENT },
		{ { C(REG_WRITE, 3) }, 3, REFGPU_ERROR_PRIVILEGED },
		{ { C(PHYS_COPY, 7) }, 7, REFGPU_ERROR_PRIVILEGED },
		{ { 0xff000001 }, 1, REFGPU_ERROR_COMMAND },
		{ { 0 }, 1, REFGPU_ERROR_COMMAND },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t len = 0;
		unsigned e = rg_audit_head(cases[i].d[0], cases[i].n, 0, &len);

		if (!e) {
			assert_int_equal(len, cases[i].n);
			e = rg_audit_body(cases[i].d);
		}
		if (e != cases[i].error)
			print_error("case %zu\n", i);
		assert_int_equal(e, cases[i].error);
	}
}

static void jobs_neither_call_nor_jump(void **state)
{
	uint32_t at = 77;
	const uint32_t good[] = { C(IRQ, 2), 1, C(FENCE, 5), 8, 0, 0, 0 };
	const uint32_t bad[][9] = {
		{ C(IRQ, 2), 1, C(END, 1) },
		{ C(IRQ, 2), 1, C(BATCH, 4), 4, 0, 1 },
		{ C(IRQ, 2), 1, C(INVALIDATE, 4) },
		{ C(IRQ, 2), 1, C(FENCE, 5), 8 },
	};
	const uint32_t n[] = { 3, 6, 6, 4 };

	assert_int_equal(rg_audit(good, 7, 1, &at), 0);
	assert_int_equal(rg_audit(good, 0, 1, &at), 0);
	assert_int_equal(at, 77);
	for (unsigned i = 0; i < 4; i++) {
		at = 77;
		assert_int_equal(rg_audit(bad[i], n[i], 0, &at),
				 REFGPU_ERROR_COMMAND);
		assert_int_equal(at, 2);
	}
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Numbers that are near what matters */
static uint32_t number(uint64_t *seed)
{
	static const uint32_t some[] = { 0,	1,     2,     4,	8,
					 4095,	4096,  4097,  16383,	16384,
					 65535, 65536, 65537, 1u << 31, ~0u,
					 6,	14 };
	uint64_t r = next(seed);

	return r % 4 ? some[r / 4 % (sizeof(some) / sizeof(some[0]))]
		     : (uint32_t)(r >> 32);
}

/* The mediator refuses what the hardware would refuse, and says the same. */
static void the_model_agrees(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15ull;
	unsigned good = 0;

	for (unsigned i = 0; i < 2000000; i++) {
		uint32_t cmd[RG_COMMAND_MAX];
		uint32_t n = 1 + (uint32_t)(next(&seed) % 40), len = 0;
		unsigned engine = next(&seed) % 2, ours, theirs;
		static const uint8_t ops[] = { 0x01, 0x02, 0x03, 0x04, 0x05,
					       0x06, 0x07, 0x08, 0x09, 0x10,
					       0x11, 0x20, 0x21, 0x22, 0x30,
					       0x30, 0xe0, 0xe1, 0x0a };
		static const uint8_t lens[] = { 1,  2, 3,  4,  5,  6,  7,
						10, 7, 11, 19, 37, 38, 0 };

		for (unsigned k = 1; k < RG_COMMAND_MAX; k++)
			cmd[k] = number(&seed);
		cmd[1] = next(&seed) % 2 ? cmd[1] : (uint32_t)(next(&seed) % 8);
		cmd[0] = REFGPU_CMD(ops[next(&seed) % sizeof(ops)],
				    lens[next(&seed) % sizeof(lens)]);
		if (!(next(&seed) % 16))
			cmd[0] |= 1u << 20;
		ours = rg_audit_head(cmd[0], n, engine, &len);
		theirs = command_check_head(cmd[0], n, REFGPU_CTX_ENABLE,
					    engine);
		assert_int_equal(ours, theirs);
		if (ours)
			continue;
		ours = rg_audit_body(cmd);
		theirs = command_check(cmd);
		if (ours != theirs)
			print_error("0x%08x %u %u %u\n", cmd[0], cmd[1], cmd[2],
				    cmd[3]);
		assert_int_equal(ours, theirs);
		good += !ours;
	}
	assert_true(good > 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_checked),
		cmocka_unit_test(jobs_neither_call_nor_jump),
		cmocka_unit_test(the_model_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
