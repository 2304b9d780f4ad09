/* SPDX-License-Identifier: MIT */
/* refgpu's parent half: what its workers may do, and what becomes of it. */
#include "refgpu-hw.h"
#include "refgpu-worker-tests.h"

/* ---- what is allowed ------------------------------------------------ */

static void test_jobs_run(void **state)
{
	struct worker *w = started(*state);

	for (uint32_t i = 1; i <= 300; i++)
		fill(w, 0, VA + i * PAGE, PAGE, i);
	worker_until_done(w, 0, 300);
	for (uint32_t i = 1; i <= 300; i++)
		assert_filled(w->vram + i * PAGE, PAGE, i);
	assert_true(w->shared->slots[0].time > 0);
	assert_int_equal(w->shared->slots[0].events, 0);
	while (!w->kicks)
		rig_run(w->rig);
	worker_free(w);
}

static void test_system_memory(void **state)
{
	struct worker *w = started(*state);
	uint64_t addrs[64], ptes[64];
	uint32_t d[16], n;

	assert_int_equal(worker_pin(w, 3, 64, 3, addrs), 0);
	/* Upside down, so that no two are neighbours. */
	for (unsigned i = 0; i < 64; i++)
		ptes[i] = addrs[63 - i] | SYS;
	worker_ptes(w, 0, PAGE, ptes, 64);
	for (unsigned i = 0; i < 64; i++)
		w->memory[(3 + i) * PAGE + 17] = (uint8_t)i;
	n = cmd_copy(d, VA, PAGE, 64 * PAGE);
	n += cmd_fill(d + n, PAGE, PAGE, 0x55555555);
	worker_job(w, 0, d, n);
	worker_kick(w);
	worker_until_done(w, 0, 1);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(w->vram[i * PAGE + 17], 63 - i);
	assert_filled(w->memory + 66 * PAGE, PAGE, 0x55555555);
	worker_free(w);
}

static void test_interrupts(void **state)
{
	struct worker *w = started(*state);
	uint32_t d[16], n = cmd_irq(d, 7);

	n += cmd_irq(d + n, 8);
	worker_job(w, 0, d, n);
	worker_kick(w);
	worker_until_done(w, 0, 1);
	assert_int_equal(__atomic_exchange_n(&w->shared->slots[0].events, 0,
					     __ATOMIC_SEQ_CST),
			 REFGPU_EVENT_USER);
	assert_int_equal(w->shared->slots[0].cookie, 8);
	/* One while it goes on */
	n = cmd_irq(d, 9);
	n += cmd_spin(d + n, 3000000, 60);
	worker_job(w, 0, d, n);
	worker_kick(w);
	while (!__atomic_load_n(&w->shared->slots[0].events, __ATOMIC_ACQUIRE))
		rig_run(w->rig);
	assert_int_equal(w->shared->slots[0].cookie, 9);
	assert_int_equal(w->shared->slots[0].done, 1);
	worker_until_done(w, 0, 2);
	worker_free(w);
}

/* More jobs than any queue has room for */
static void test_the_ring_fills_up(void **state)
{
	struct worker *w = started(*state);
	static uint32_t d[12000];
	uint32_t n = 0;

	while (n + 6 <= ARRAY_SIZE(d))
		n += cmd_fill(d + n, VA + n * 4ull, 4, n);
	for (unsigned i = 0; i < 40; i++)
		worker_job(w, 0, d, n);
	worker_kick(w);
	worker_until_done(w, 0, 40);
	worker_until_taken(w);
	worker_free(w);
}

static void test_both_engines_and_semaphores(void **state)
{
	struct worker *w = started(*state);
	uint32_t d[32], n;

	worker_open(w, 1, REFGPU_ENGINE_COPY);
	worker_run(w, 1, VA, WORKER_VRAM / PAGE, RW);
	n = cmd_sem_wait(d, VA, 1);
	n += cmd_copy(d + n, VA + 2 * PAGE, VA + PAGE, PAGE);
	worker_job(w, 1, d, n);
	worker_kick(w);
	worker_until_taken(w);
	n = cmd_fill(d, VA + PAGE, PAGE, 77);
	n += cmd_sem_add(d + n, VA, 1);
	worker_job(w, 0, d, n);
	worker_kick(w);
	worker_until_done(w, 1, 1);
	assert_filled(w->vram + 2 * PAGE, PAGE, 77);
	worker_free(w);
}

/* ---- faults --------------------------------------------------------- */

static void test_a_fault_is_told_and_mended(void **state)
{
	struct worker *w = started(*state);
	struct rg_notice n;

	fill(w, 0, 64 * PAGE, PAGE, 1);
	n = worker_notice(w);
	assert_int_equal(n.kind, RG_NOTICE_FAULT);
	assert_int_equal(n.slot, 0);
	assert_int_equal(n.va, 64 * PAGE);
	assert_int_equal(n.code, REFGPU_FAULT_INVALID | 0x100);
	assert_int_equal(n.seq, 0);
	/* Not for writing */
	worker_run(w, 0, 64 * PAGE, 1, RW & ~REFGPU_PTE_WRITE);
	worker_small(w, RG_RESUME, 0);
	worker_kick(w);
	n = worker_notice(w);
	assert_int_equal(n.code, REFGPU_FAULT_WRITE | 0x100);
	worker_run(w, 0, 64 * PAGE, 1, RW);
	worker_small(w, RG_RESUME, 0);
	worker_kick(w);
	worker_until_done(w, 0, 1);
	assert_filled(w->vram, PAGE, 1);
	worker_free(w);
}

static void test_a_fault_that_stays(void **state)
{
	struct worker *w = started(*state);

	fill(w, 0, 0, PAGE, 1);
	assert_int_equal(worker_notice(w).kind, RG_NOTICE_FAULT);
	worker_small(w, RG_STOP_FAULT, 0);
	fill(w, 0, VA, PAGE, 1);
	worker_until_taken(w);
	assert_int_equal(w->shared->slots[0].state, REFGPU_STATE_FAULT);
	worker_small(w, RG_CLOSE, 0);
	worker_open(w, 0, 0);
	worker_run(w, 0, VA, WORKER_VRAM / PAGE, RW);
	fill(w, 0, VA, PAGE, 2);
	worker_until_done(w, 0, 1);
	assert_filled(w->vram, PAGE, 2);
	worker_free(w);
}

/* ---- tables --------------------------------------------------------- */

static void test_huge_pages_are_split_and_joined(void **state)
{
	struct worker *w = started(*state);
	uint64_t ptes[512];

	/* One page of a huge one goes elsewhere, and comes back. */
	worker_run(w, 0, VA + HUGE_ + 5 * PAGE, 1, RW | 40 * HUGE_ / 2);
	fill(w, 0, VA + HUGE_, HUGE_, 3);
	worker_until_done(w, 0, 1);
	assert_filled(w->vram + HUGE_, 5 * PAGE, 3);
	assert_filled(w->vram + HUGE_ + 5 * PAGE, PAGE, 0);
	assert_filled(w->vram + HUGE_ + 6 * PAGE, HUGE_ - 6 * PAGE, 3);
	assert_filled(w->vram + 20 * HUGE_, PAGE, 3);
	for (unsigned i = 0; i < 512; i++)
		ptes[i] = RW | (HUGE_ + i * PAGE);
	worker_ptes(w, 0, VA + HUGE_, ptes, 512);
	fill(w, 0, VA + HUGE_, HUGE_, 4);
	worker_until_done(w, 0, 2);
	assert_filled(w->vram + HUGE_, HUGE_, 4);
	assert_filled(w->vram + 20 * HUGE_, PAGE, 3);
	/* A page from the middle goes */
	worker_run(w, 0, VA + HUGE_ + 7 * PAGE, 1, 0);
	fill(w, 0, VA + HUGE_, HUGE_, 5);
	assert_int_equal(worker_notice(w).va, VA + HUGE_ + 7 * PAGE);
	assert_filled(w->vram + HUGE_, 7 * PAGE, 5);
	assert_filled(w->vram + HUGE_ + 7 * PAGE, PAGE, 4);
	worker_free(w);
}

/* A page is held as long as a table leads to it, and no longer. */
static void test_pages_are_held_while_they_are_in_a_table(void **state)
{
	struct worker *w = started(*state);
	uint64_t addrs[8], ptes[8];

	assert_int_equal(worker_pin(w, 0, 8, 3, addrs), 0);
	for (unsigned i = 0; i < 8; i++)
		ptes[i] = addrs[i] | SYS;
	worker_ptes(w, 0, 0, ptes, 8);
	/* Twice, and once more over itself */
	worker_ptes(w, 0, 1ull << 39, ptes, 8);
	worker_ptes(w, 0, 0, ptes, 8);
	worker_kick(w);
	worker_until_taken(w);
	worker_unpin_begin(w, addrs, 8);
	for (unsigned i = 0; i < 5; i++)
		assert_false(worker_unpin_done(w));
	worker_run(w, 0, 0, 1ull << 28, 0);
	worker_kick(w);
	worker_until_taken(w);
	while (!worker_unpin_done(w))
		;
	worker_free(w);
}

static void test_closing_releases_all(void **state)
{
	struct worker *w = started(*state);
	uint64_t addrs[1024];
	uint64_t ptes[1024];

	assert_int_equal(worker_pin(w, 0, 1024, 1, addrs), 0);
	for (unsigned i = 0; i < 1024; i++)
		ptes[i] = addrs[i] | (SYS & ~REFGPU_PTE_WRITE);
	worker_ptes(w, 0, 3 * PAGE, ptes, 1024);
	worker_small(w, RG_CLOSE, 0);
	worker_kick(w);
	worker_until_taken(w);
	worker_unpin_begin(w, addrs, 512);
	while (!worker_unpin_done(w))
		;
	worker_free(w);
}

/* Middle tables, too: one for each GiB. */
static void test_tables_are_given_back(void **state)
{
	struct worker *w = started(*state);
	const uint64_t pte = RW;

	for (unsigned i = 0; i < RG_MAX_TABLES / 1000 + 2; i++) {
		worker_open(w, 1, 0);
		for (uint64_t k = 0; k < 1000; k++)
			worker_ptes(w, 1, k << 30, &pte, 1);
		/* By the end of the context, or one by one */
		for (uint64_t k = 0; k < 1000 && i % 2; k++)
			worker_run(w, 1, k << 30, 1, 0);
		worker_kick(w);
		worker_until_taken(w);
		assert_int_equal(w->shared->slots[1].state, REFGPU_STATE_IDLE);
		worker_small(w, RG_CLOSE, 1);
	}
	worker_free(w);
}

/* As many tables as an instance half may have, each with a page of its own. */
static void test_as_many_tables_as_promised(void **state)
{
	struct worker *w = started(*state);
	const uint64_t pte = RW;
	uint64_t at = 0, tables = 0;

	worker_open(w, 1, 0);
	for (; tables + 2 <= RG_MAX_TABLES - 64; at++) {
		tables += at % 512 ? 1 : 2;
		worker_ptes(w, 1, at * HUGE_, &pte, 1);
	}
	fill(w, 1, (at - 1) * HUGE_, PAGE, 7);
	worker_until_done(w, 1, 1);
	worker_free(w);
}

/* ---- contexts ------------------------------------------------------- */

static void test_contexts_by_the_dozen(void **state)
{
	struct rig *rig = *state; /* 256 contexts: 2 are each vGPU's */
	struct worker *w[5];
	unsigned refused = 0;

	for (unsigned i = 0; i < 5; i++) {
		w[i] = worker_new(rig, 1);
		for (unsigned k = 0; k < RG_MAX_SLOTS; k++)
			worker_open(w[i], k, k % 2);
		worker_kick(w[i]);
		worker_until_taken(w[i]);
	}
	for (unsigned i = 0; i < 5; i++)
		for (unsigned k = 0; k < RG_MAX_SLOTS; k++) {
			bool up = w[i]->shared->slots[k].state ==
				  REFGPU_STATE_IDLE;

			refused += !up;
			/* What each has for sure */
			assert_true(up || k >= 2);
		}
	/* 59 may come yet. */
	assert_int_equal(refused, 5 * RG_MAX_SLOTS - (256 - 59 * 2));
	/* Those of one who goes are there again. */
	worker_kill(w[0]);
	for (unsigned i = 0; i < 50; i++)
		rig_run(rig);
	for (unsigned k = 0; k < RG_MAX_SLOTS; k++) {
		worker_small(w[4], RG_CLOSE, k);
		worker_open(w[4], k, 0);
	}
	worker_kick(w[4]);
	worker_until_taken(w[4]);
	for (unsigned k = 0; k < RG_MAX_SLOTS; k++)
		assert_int_equal(w[4]->shared->slots[k].state,
				 REFGPU_STATE_IDLE);
	for (unsigned i = 0; i < 5; i++)
		worker_free(w[i]);
}

/* Who asks for more than there is, in vain, has told no lie. */
static void test_a_shortage_is_no_nonsense(void **state)
{
	struct rig *rig = *state;
	struct worker *w[3];

	for (unsigned i = 0; i < 3; i++) {
		w[i] = worker_new(rig, 1);
		for (unsigned k = 0; k < RG_MAX_SLOTS; k++)
			worker_open(w[i], k, 0);
		worker_kick(w[i]);
		worker_until_taken(w[i]);
	}
	for (unsigned i = 0; i < 2 * 64; i++) {
		worker_small(w[2], RG_CLOSE, RG_MAX_SLOTS - 1);
		worker_open(w[2], RG_MAX_SLOTS - 1, 0);
		worker_kick(w[2]);
		assert_int_equal(worker_notice(w[2]).code, ENOSPC);
	}
	worker_kill(w[0]);
	for (unsigned i = 0; i < 50; i++)
		rig_run(rig);
	worker_small(w[2], RG_CLOSE, RG_MAX_SLOTS - 1);
	worker_open(w[2], RG_MAX_SLOTS - 1, 0);
	worker_kick(w[2]);
	worker_until_taken(w[2]);
	assert_int_equal(w[2]->shared->slots[RG_MAX_SLOTS - 1].state,
			 REFGPU_STATE_IDLE);
	for (unsigned i = 0; i < 3; i++)
		worker_free(w[i]);
}

static void test_sixty_four_vgpus(void **state)
{
	struct rig *rig = rig_new("software,vram=4g");
	struct worker *w[64];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		w[i] = started(rig);
		fill(w[i], 0, VA, PAGE, i + 1);
	}
	/* The board's memory is theirs. */
	assert_null(worker_new(rig, 1));
	for (unsigned i = 0; i < 64; i++) {
		worker_until_done(w[i], 0, 1);
		assert_filled(w[i]->vram, PAGE, i + 1);
		assert_filled(w[i]->vram + PAGE, PAGE, 0);
	}
	for (unsigned i = 0; i < 64; i++)
		worker_free(w[i]);
	rig_free(rig);
}

static void test_a_hang_is_its_own(void **state)
{
	struct worker *w, *other;
	uint32_t d[8];
	struct rg_notice n;

	w = started(*state);
	other = started(*state);

	worker_job(w, 0, d, cmd_spin(d, 3600ull * 1000000000u, 1));
	worker_kick(w);
	fill(other, 0, VA, PAGE, 1);
	n = worker_notice(w);
	assert_int_equal(n.kind, RG_NOTICE_ERROR);
	assert_int_equal(n.code, REFGPU_ERROR_RESET);
	assert_int_equal(w->shared->slots[0].state, REFGPU_STATE_ERROR);
	worker_until_done(other, 0, 1);
	/* And it may begin anew. */
	worker_small(w, RG_CLOSE, 0);
	worker_open(w, 0, 0);
	worker_run(w, 0, VA, WORKER_VRAM / PAGE, RW);
	fill(w, 0, VA, PAGE, 5);
	worker_until_done(w, 0, 1);
	worker_free(w);
	worker_free(other);
}

/* Who waits for what never comes can be ended, though its ring is full. */
static void test_the_end_of_a_full_ring(void **state)
{
	struct worker *w = started(*state);
	static uint32_t d[16000];
	uint32_t n = 0;

	while (n + 6 <= ARRAY_SIZE(d))
		n += cmd_fill(d + n, VA, 4, n);
	n = cmd_sem_wait(d, VA + 8, 1);
	worker_job(w, 0, d, n);
	for (unsigned i = 0; i < 12; i++)
		worker_job(w, 0, d + 6, ARRAY_SIZE(d) / 6 * 6 - 6);
	worker_small(w, RG_CLOSE, 0);
	worker_open(w, 0, 0);
	worker_run(w, 0, VA, WORKER_VRAM / PAGE, RW);
	fill(w, 0, VA, PAGE, 5);
	worker_until_taken(w);
	worker_until_done(w, 0, 1);
	worker_free(w);
}

/* One that hangs with a full ring doesn't hold up what its vGPU does besides,
 * though records are in order: it is dead, and so are its jobs. */
static void test_the_death_of_a_full_ring(void **state)
{
	struct worker *w = started(*state);
	static uint32_t d[16000];
	uint32_t spin[8], n = 0;

	worker_open(w, 1, REFGPU_ENGINE_COPY);
	worker_run(w, 1, VA, WORKER_VRAM / PAGE, RW);
	while (n + 6 <= ARRAY_SIZE(d))
		n += cmd_fill(d + n, VA, 4, n);
	worker_job(w, 0, spin, cmd_spin(spin, 3600ull * 1000000000u, 1));
	for (unsigned i = 0; i < 12; i++)
		worker_job(w, 0, d, n);
	fill(w, 1, VA, PAGE, 5);
	worker_until_done(w, 1, 1);
	assert_int_equal(worker_notice(w).code, REFGPU_ERROR_RESET);
	worker_until_taken(w);
	worker_free(w);
}

/* ---- modes ------------------------------------------------------------ */

/* Two who have work without end, of weights 1 and 4, for a while. Engine time
 * of each, and all the time that there was. */
static void share(const char *config, uint64_t ret_ns[2], uint64_t *ret_wall)
{
	struct rig *rig = rig_new(config);
	struct worker *w[2];
	uint64_t start = loop_now_ns();
	uint32_t d[8];

	for (unsigned i = 0; i < 2; i++) {
		w[i] = worker_new(rig, i ? 4 : 1);
		worker_open(w[i], 0, 0);
		worker_job(w[i], 0, d, cmd_spin(d, 50000, 65536));
		worker_kick(w[i]);
	}
	do {
		rig_run(rig);
		for (unsigned i = 0; i < 2; i++)
			ret_ns[i] = w[i]->shared->slots[0].time;
	} while (ret_ns[0] + ret_ns[1] < 250000000);
	*ret_wall = loop_now_ns() - start;
	for (unsigned i = 0; i < 2; i++)
		worker_free(w[i]);
	rig_free(rig);
}

static void test_modes_of_sharing(void **state)
{
	uint64_t ns[2], wall;

	(void)state;
	share("software,mode=best-effort", ns, &wall);
	assert_in_range(ns[1], 3 * ns[0], 5 * ns[0]);
	share("software,mode=equal", ns, &wall);
	assert_in_range(ns[1], ns[0] / 4 * 3, ns[0] / 3 * 4);
	/* A tenth and four; nobody has the rest. */
	share("software,mode=fixed,shares=10", ns, &wall);
	assert_in_range(ns[1], 3 * ns[0], 5 * ns[0]);
	assert_true(ns[0] < wall / 5 && ns[1] < wall / 5 * 3);
}

/* ---- hardware that is late -------------------------------------------- */

static bool idle_is_preempted;

/* A context may be preempted as it has just done all that it had. */
uint32_t __real_refgpu_hw_read(struct refgpu_hw *hw, uint32_t offset);
uint32_t __wrap_refgpu_hw_read(struct refgpu_hw *hw, uint32_t offset);

uint32_t __wrap_refgpu_hw_read(struct refgpu_hw *hw, uint32_t offset)
{
	uint32_t v = __real_refgpu_hw_read(hw, offset);

	for (unsigned i = 0; i < REFGPU_NUM_ENGINES && idle_is_preempted; i++)
		if (offset == REFGPU_ENG(i, REFGPU_ENG_EVENT) &&
		    v != REFGPU_NO_EVENT &&
		    (v >> 16 & 0xffu) == REFGPU_STOP_IDLE)
			v ^= (REFGPU_STOP_IDLE ^ REFGPU_STOP_PREEMPTED) << 16;
	return v;
}

static void test_preempted_at_the_very_end(void **state)
{
	struct worker *w = started(*state);
	unsigned kicks;

	idle_is_preempted = true;
	for (unsigned i = 1; i <= 3; i++) {
		kicks = w->kicks;
		fill(w, 0, VA, PAGE, i);
		worker_until_done(w, 0, i);
		/* Who waits for it hears of it. */
		worker_until_kicked(w, kicks);
		assert_int_equal(w->shared->slots[0].state, REFGPU_STATE_IDLE);
	}
	idle_is_preempted = false;
	worker_free(w);
}

/* ---- the end -------------------------------------------------------- */

static void test_killed_in_the_middle(void **state)
{
	struct rig *rig = *state;
	struct worker *w = started(rig), *other = started(rig);
	uint64_t addrs[512], ptes[512];
	uint32_t d[64], n = 0;
	uint8_t canary;

	assert_int_equal(worker_pin(w, 0, 512, 3, addrs), 0);
	for (unsigned i = 0; i < 512; i++)
		ptes[i] = addrs[i] | SYS;
	worker_ptes(w, 0, 0, ptes, 512);
	memset(other->vram, 0x5a, WORKER_VRAM);
	memset(other->memory, 0xa5, WORKER_MEMORY);
	for (unsigned i = 0; i < 8; i++)
		n += cmd_fill(d + n, i % 2 ? VA : 0, 512 * PAGE, ~0u);
	for (unsigned i = 0; i < 200; i++)
		worker_job(w, 0, d, n);
	worker_kick(w);
	for (unsigned i = 0; i < 3; i++)
		rig_run(rig);
	worker_kill(w);
	for (unsigned i = 0; i < 20; i++)
		rig_run(rig);
	/* Nothing is written any more: what was the worker's is nobody's. */
	memset(w->vram, 1, HUGE_);
	memset(w->memory, 2, HUGE_);
	fill(other, 0, VA + HUGE_, PAGE, 1);
	worker_until_done(other, 0, 1);
	for (uint64_t i = 0; i < HUGE_; i++) {
		if (w->vram[i] != 1 || w->memory[i] != 2)
			fail_msg("byte %llu was written after the end",
				 (unsigned long long)i);
	}
	canary = 0x5a;
	assert_memory_equal(other->vram, &canary, 1);
	assert_true(!memcmp(other->vram, other->vram + 1, HUGE_ - 1));
	assert_true(!memcmp(other->memory, other->memory + 1,
			    WORKER_MEMORY - 1));
	worker_free(w);
	worker_free(other);
}

/* A new client: fresh memory in the place of the old one */
static void test_vram_is_replaced(void **state)
{
	struct worker *w = started(*state);

	fill(w, 0, VA, PAGE, 1);
	worker_until_done(w, 0, 1);
	assert_int_equal(worker_give_vram(w), 0);
	assert_filled(w->vram, PAGE, 0);
	fill(w, 0, VA + PAGE, PAGE, 2);
	worker_until_done(w, 0, 2);
	assert_filled(w->vram, PAGE, 0);
	assert_filled(w->vram + PAGE, PAGE, 2);
	worker_free(w);
}

static void test_configurations(void **state)
{
	static const char *const bad[] = {
		"", "hardware", "software,", "software,vram", "software,vram=1",
		"software,vram=0", "software,vram=99999999999999999999g",
		"software,vram=5t", "software,vram=4x", "software,contexts=0",
		"software,contexts=1025", "software,mode=unfair",
		"software,shares=0", "software,slice=1", "software,colour=red", "software,hang=9",
	};
	struct rig *rig;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rig_try(bad[i]), -EINVAL);
	rig = rig_new("software,vram=512m,contexts=2,mode=fixed,shares=100,"
		      "slice=1000");
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_jobs_run),
		TEST(test_system_memory),
		TEST(test_interrupts),
		TEST(test_the_ring_fills_up),
		TEST(test_both_engines_and_semaphores),
		TEST(test_a_fault_is_told_and_mended),
		TEST(test_a_fault_that_stays),
		TEST(test_huge_pages_are_split_and_joined),
		TEST(test_pages_are_held_while_they_are_in_a_table),
		TEST(test_closing_releases_all),
		TEST(test_tables_are_given_back),
		TEST(test_as_many_tables_as_promised),
		TEST(test_contexts_by_the_dozen),
		TEST(test_a_shortage_is_no_nonsense),
		TEST(test_a_hang_is_its_own),
		TEST(test_the_end_of_a_full_ring),
		TEST(test_the_death_of_a_full_ring),
		TEST(test_preempted_at_the_very_end),
		TEST(test_killed_in_the_middle),
		TEST(test_vram_is_replaced),
		cmocka_unit_test(test_sixty_four_vgpus),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_modes_of_sharing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
