/* SPDX-License-Identifier: MIT */
/* Workers that a guest has taken over tell refgpu's parent half what is not so. */
#include "hub/budget.h"
#include "refgpu-worker-tests.h"

/* The slot is refused; another one, and other vGPUs, go on. */
static void assert_refused(struct worker *w, int err)
{
	struct rg_notice n;

	worker_kick(w);
	n = worker_notice(w);
	assert_int_equal(n.kind, RG_NOTICE_NONSENSE);
	assert_int_equal(n.code, (uint32_t)-err);
	assert_int_equal(w->shared->slots[n.slot].state, REFGPU_STATE_ERROR);
	/* What comes for it is not even looked at. */
	fill(w, n.slot, VA, 4, 1);
	worker_small(w, RG_CLOSE, n.slot);
	worker_open(w, n.slot, 0);
	worker_run(w, n.slot, VA, WORKER_VRAM / PAGE, RW);
	fill(w, n.slot, VA, PAGE, 99);
	worker_until_done(w, n.slot, 1);
	worker_until_taken(w);
}

static void test_addresses_of_nobody(void **state)
{
	struct worker *w = started(*state), *other = started(*state);
	uint64_t theirs, own, pte;

	assert_int_equal(worker_pin(other, 0, 1, 3, &theirs), 0);
	assert_int_equal(worker_pin(w, 0, 1, 1, &own), 0);
	pte = theirs | SYS;
	worker_ptes(w, 0, 0, &pte, 1);
	assert_refused(w, -EFAULT);
	worker_run(w, 0, 0, 1, (1ull << 50) | SYS);
	assert_refused(w, -EFAULT);
	/* Its own, but not for writing */
	pte = own | SYS;
	worker_ptes(w, 0, 0, &pte, 1);
	assert_refused(w, -EFAULT);
	/* And what is behind it */
	worker_run(w, 0, 0, 2, own | (SYS & ~REFGPU_PTE_WRITE));
	assert_refused(w, -EFAULT);
	/* VRAM of others, and of nobody */
	worker_run(w, 0, 0, 2, RW | (WORKER_VRAM - PAGE));
	assert_refused(w, -EFAULT);
	pte = RW | 1ull << 30;
	worker_ptes(w, 0, 0, &pte, 1);
	assert_refused(w, -EFAULT);
	worker_run(w, 0, 0, 512, RW | (WORKER_VRAM - HUGE_ / 2));
	assert_refused(w, -EFAULT);
	/* Nothing of theirs is held */
	worker_unpin_begin(other, &theirs, 1);
	while (!worker_unpin_done(other))
		;
	worker_free(other);
	worker_free(w);
}

static void test_entries_that_are_none(void **state)
{
	static const uint64_t bad[] = {
		RW | REFGPU_PTE_HUGE, RW | 1ull << 63, RW | 1ull << 5,
		RW | 1ull << 9, REFGPU_PTE_READ, 4096,
	};
	struct worker *w = started(*state);

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		worker_ptes(w, 0, 0, &bad[i], 1);
		assert_refused(w, -EINVAL);
		worker_run(w, 0, 0, 1, bad[i]);
		assert_refused(w, -EINVAL);
	}
	worker_run(w, 0, 17, 1, RW);
	assert_refused(w, -EINVAL);
	worker_run(w, 0, REFGPU_VA_SIZE, 1, RW);
	assert_refused(w, -EINVAL);
	worker_run(w, 0, REFGPU_VA_SIZE - PAGE, 2, 0);
	assert_refused(w, -EINVAL);
	worker_run(w, 0, 0, UINT64_MAX, 0);
	assert_refused(w, -EINVAL);
	worker_free(w);
}

static void test_jobs_that_are_none(void **state)
{
	static const uint32_t bad[][8] = {
		{ REFGPU_CMD(REFGPU_OP_BATCH, 4), 0, 5, 1 },
		{ REFGPU_CMD(REFGPU_OP_END, 1) },
		{ REFGPU_CMD(REFGPU_OP_INVALIDATE, 4) },
		{ REFGPU_CMD(REFGPU_OP_REG_WRITE, 3), REFGPU_RESET, 1 },
		{ REFGPU_CMD(REFGPU_OP_PHYS_COPY, 7) },
		{ REFGPU_CMD(REFGPU_OP_NOP, 9) },
		{ REFGPU_CMD(REFGPU_OP_NOP, 0) },
		{ 0x77000008 },
	};
	struct worker *w = started(*state);
	struct rg_job *r;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		worker_job(w, 0, bad[i], 8);
		assert_refused(w, -EINVAL);
	}
	/* Numbers that do not follow each other; sizes that are not there */
	w->seq[0]++;
	fill(w, 0, VA, 4, 1);
	assert_refused(w, -EINVAL);
	r = worker_record(w, RG_JOB, 0, sizeof(*r) + 4);
	r->seq = 2;
	r->n = 2;
	assert_refused(w, -EINVAL);
	r = worker_record(w, RG_JOB, 0, sizeof(struct rg_record) + 4);
	assert_refused(w, -EINVAL);
	worker_free(w);
}

static void test_records_that_are_none(void **state)
{
	struct worker *w = started(*state);
	struct rg_ptes *p;

	p = worker_record(w, RG_PTES, 0, sizeof(*p) + 8);
	p->n = 2;
	assert_refused(w, -EINVAL);
	worker_small(w, 77, 0);
	assert_refused(w, -EINVAL);
	worker_small(w, RG_OPEN, 0);
	assert_refused(w, -EEXIST);
	worker_open(w, 3, 2);
	assert_refused(w, -EINVAL);
	/* A slot that was never opened, and one that can't be */
	worker_small(w, RG_CLOSE, 9);
	worker_small(w, RG_RESUME, 9);
	worker_small(w, RG_CLOSE, RG_MAX_SLOTS);
	worker_small(w, RG_CLOSE, 0xffff);
	fill(w, 0, VA, 4, 1);
	worker_until_taken(w);
	worker_until_done(w, 0, 2);
	worker_free(w);
}

static void test_a_flood_of_nonsense(void **state)
{
	struct worker *w = started(*state), *other = started(*state);

	for (unsigned i = 0; i < 100; i++)
		worker_small(w, RG_CLOSE, 99);
	worker_kick(w);
	worker_until_dropped(w);
	fill(other, 0, VA, PAGE, 1);
	worker_until_done(other, 0, 1);
	worker_free(w);
	worker_free(other);
}

static void try_tail(struct rig *rig, uint64_t tail)
{
	struct worker *w = started(rig);

	worker_kick(w);
	worker_until_taken(w);
	worker_lie(w, tail);
	worker_kick(w);
	worker_until_dropped(w);
	worker_free(w);
}

static void test_tails_that_can_not_be(void **state)
{
	struct rig *rig = *state;
	struct worker *w;

	try_tail(rig, 0);
	try_tail(rig, RG_RING_SIZE / RG_ENTRY + (1u << 14) + 1);
	try_tail(rig, 1000);
	try_tail(rig, UINT64_MAX - 63);
	/* And sizes */
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t sizes[] = { 0, 7, RG_RECORD_MAX + 1,
						  UINT32_MAX };
		struct rg_record *r;

		w = started(rig);
		r = worker_record(w, RG_OPEN, 1, 64);
		r->size = sizes[i];
		worker_kick(w);
		worker_until_dropped(w);
		worker_free(w);
	}
}

/* Sparse files are large and many at no cost: not in the parent. */
static void test_files_without_end(void **state)
{
	struct rig *rig = *state;
	struct worker *w = started(rig), *other;
	uint32_t id = 1;
	int err;

	assert_int_equal(worker_offer(w, id, 100ull << 40), -EDQUOT);
	assert_int_equal(worker_offer(w, id, 1ull << 62), -EDQUOT);
	do
		err = worker_offer(w, id++, PAGE);
	while (!err && id < 10000);
	assert_true(err == -EDQUOT || err == -ENOSPC);
	/* It has its own at least, and so has everybody else. */
	assert_true(id > HUB_OWN_FILES - 2);
	other = started(rig);
	for (id = 1; id < HUB_OWN_FILES - 1; id++)
		assert_int_equal(worker_offer(other, id, 1ull << 30), 0);
	fill(other, 0, VA, PAGE, 3);
	worker_until_done(other, 0, 1);
	fill(w, 0, VA, PAGE, 3);
	worker_until_done(w, 0, 1);
	worker_free(w);
	worker_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses_of_nobody),
		TEST(test_entries_that_are_none),
		TEST(test_jobs_that_are_none),
		TEST(test_records_that_are_none),
		TEST(test_a_flood_of_nonsense),
		TEST(test_tails_that_can_not_be),
		TEST(test_files_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
