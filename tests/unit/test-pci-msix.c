/* SPDX-License-Identifier: MIT */
/* The MSI-X table and the Pending Bit Array. */
#include "pci-guest.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "pci/msix.h"

struct table {
	struct arena *arena;
	struct msix *msix;
	unsigned calls, last;
};

static void on_unmasked(unsigned vector, void *user)
{
	struct table *t = user;

	t->calls++;
	t->last = vector;
}

static void start(struct table *t, unsigned vectors)
{
	memset(t, 0, sizeof(*t));
	assert_int_equal(arena_new("test", &t->arena), 0);
	assert_int_equal(msix_new(t->arena, vectors, on_unmasked, t, &t->msix),
			 0);
}

static void stop(struct table *t)
{
	msix_free(t->msix);
	arena_free(t->arena);
}

static uint64_t get(struct table *t, uint64_t offset, unsigned size)
{
	uint8_t raw[8] = { 0 };

	msix_table_read(t->msix, offset, raw, size);
	return get_le64(raw);
}

static void put(struct table *t, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t raw[8];

	put_le64(raw, value);
	msix_table_write(t->msix, offset, raw, size);
}

static uint64_t pba(struct table *t, uint64_t offset, unsigned size)
{
	uint8_t raw[8] = { 0 };

	msix_pba_read(t->msix, offset, raw, size);
	return get_le64(raw);
}

static void entries(void **state)
{
	struct table t;

	(void)state;
	start(&t, 70);
	assert_int_equal(msix_table_size(t.msix), 1120);
	assert_int_equal(msix_pba_size(t.msix), 16);
	for (unsigned i = 0; i < 70; i++) {
		assert_int_equal(get(&t, i * 16, 8), 0);
		assert_int_equal(get(&t, i * 16 + 8, 8), 1ull << 32);
	}
	/* by qwords, as the specification allows, and by anything else */
	put(&t, 16 * 69, 8, 0x00000001fee0100full);
	put(&t, 16 * 69 + 8, 8, 0xfffffffe00004123ull);
	assert_int_equal(get(&t, 16 * 69, 8), 0x00000001fee0100cull);
	assert_int_equal(get(&t, 16 * 69 + 8, 8), 0x0000000000004123ull);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.last, 69);
	put(&t, 16 * 69 + 7, 3, 0xaabbcc);
	assert_int_equal(get(&t, 16 * 69 + 4, 8), 0x0000aabbcc000001ull);
	assert_int_equal(get(&t, 16 * 69 + 7, 3), 0xaabbcc);
	/* beyond the end */
	assert_int_equal(get(&t, 1120, 4), 0xffffffff);
	assert_int_equal(get(&t, 1118, 4), 0xffff0000);
	assert_int_equal(get(&t, ~0ull, 4), 0xffffffff);
	put(&t, 1118, 4, 0);
	put(&t, ~0ull - 1, 8, 0);
	put(&t, 1120, 4, 0);
	assert_int_equal(get(&t, 1116, 4), 0);
	msix_reset(t.msix);
	assert_int_equal(get(&t, 16 * 69, 8), 0);
	assert_int_equal(get(&t, 16 * 69 + 8, 8), 1ull << 32);
	stop(&t);
}

static void masks(void **state)
{
	struct table t;

	(void)state;
	start(&t, 4);
	/* Nobody writes the table: the client has it on its side. */
	for (unsigned i = 0; i < 4; i++)
		assert_false(msix_vector_masked(t.msix, i));
	assert_true(msix_vector_masked(t.msix, 4));
	/* Somebody does: now it counts. */
	put(&t, 0, 4, 0xfee00000);
	for (unsigned i = 0; i < 4; i++)
		assert_true(msix_vector_masked(t.msix, i));
	assert_int_equal(t.calls, 0);
	put(&t, 2 * 16 + 12, 4, 0);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.last, 2);
	assert_false(msix_vector_masked(t.msix, 2));
	assert_true(msix_vector_masked(t.msix, 1));
	put(&t, 2 * 16 + 12, 4, 0);	 /* again: nothing new */
	put(&t, 2 * 16 + 13, 2, 0xffff); /* not the byte that has the bit */
	assert_int_equal(t.calls, 1);
	assert_int_equal(get(&t, 2 * 16 + 12, 4), 0);
	put(&t, 2 * 16 + 12, 1, 0xff);
	assert_int_equal(get(&t, 2 * 16 + 12, 4), 1);
	assert_true(msix_vector_masked(t.msix, 2));
	assert_int_equal(t.calls, 1);
	msix_reset(t.msix);
	assert_false(msix_vector_masked(t.msix, 2));
	/* A write that falls outside is no sign of such a client. */
	put(&t, 62, 4, 0);
	put(&t, 0, 0, 0);
	assert_false(msix_vector_masked(t.msix, 2));
	stop(&t);
}

static void function_mask(void **state)
{
	struct table t;

	(void)state;
	start(&t, 4);
	msix_set_function_mask(t.msix, true);
	assert_false(msix_vector_masked(t.msix, 1)); /* not our table */
	put(&t, 16 + 12, 4, 0);
	put(&t, 48 + 12, 4, 0);
	assert_int_equal(t.calls, 0);
	assert_true(msix_vector_masked(t.msix, 1));
	msix_set_function_mask(t.msix, true);
	msix_set_function_mask(t.msix, false);
	assert_int_equal(t.calls, 2);
	assert_int_equal(t.last, 3);
	assert_false(msix_vector_masked(t.msix, 1));
	assert_true(msix_vector_masked(t.msix, 2)); /* by its own bit */
	msix_set_function_mask(t.msix, false);
	assert_int_equal(t.calls, 2);
	msix_set_function_mask(t.msix, true);
	msix_reset(t.msix);
	put(&t, 16 + 12, 4, 0);
	assert_false(msix_vector_masked(t.msix, 1));
	stop(&t);
}

static void pending_bits(void **state)
{
	struct table t;

	(void)state;
	start(&t, 70);
	msix_set_pending(t.msix, 0);
	msix_set_pending(t.msix, 63);
	msix_set_pending(t.msix, 69);
	msix_set_pending(t.msix, 70); /* there is none */
	msix_set_pending(t.msix, 0xffffffff);
	assert_int_equal(pba(&t, 0, 8), 0x8000000000000001ull);
	assert_int_equal(pba(&t, 8, 8), 0x20);
	assert_int_equal(pba(&t, 7, 2), 0x2080);
	assert_int_equal(pba(&t, 14, 4), 0xffff0000);
	assert_int_equal(pba(&t, ~0ull, 2), 0xffff);
	assert_true(msix_take_pending(t.msix, 63));
	assert_false(msix_take_pending(t.msix, 63));
	assert_false(msix_take_pending(t.msix, 1));
	assert_false(msix_take_pending(t.msix, 70));
	msix_clear_pending(t.msix, 69);
	msix_clear_pending(t.msix, 70);
	assert_int_equal(pba(&t, 0, 8), 1);
	assert_int_equal(pba(&t, 8, 8), 0);
	msix_reset(t.msix);
	assert_int_equal(pba(&t, 0, 8), 0);
	stop(&t);
}

static void another_life_finds_the_table(void **state)
{
	struct arena *arena;
	struct table t, again = { 0 };

	(void)state;
	start(&t, 2048);
	put(&t, 2047 * 16, 8, 0xfee01000);
	put(&t, 2047 * 16 + 12, 4, 0);
	msix_set_pending(t.msix, 2000);
	assert_int_equal(arena_open(arena_fd(t.arena), &arena), 0);
	assert_int_equal(
		msix_new(arena, 2048, on_unmasked, &again, &again.msix), 0);
	assert_int_equal(get(&again, 2047 * 16, 8), 0xfee01000);
	assert_false(msix_vector_masked(again.msix, 2047));
	assert_true(msix_vector_masked(again.msix, 0));
	assert_true(msix_take_pending(again.msix, 2000));
	assert_int_equal(again.calls, 0);
	msix_free(again.msix);
	again.msix = NULL;
	assert_int_equal(msix_new(arena, 0, on_unmasked, &again, &again.msix),
			 -EINVAL);
	assert_int_equal(
		msix_new(arena, 2049, on_unmasked, &again, &again.msix),
		-EINVAL);
	assert_null(again.msix);
	arena_free(arena);
	stop(&t);
	msix_free(NULL);
}

/* ------------------------------------------------------------------ */
/* Threads                                                             */
/* ------------------------------------------------------------------ */

#define ROUNDS 20000

/* What msix.h tells a sender to do, against a guest that unmasks at the same
 * moment: in each round exactly one message, and none stays behind. */
struct race {
	struct table table;
	atomic_uint sent, round, done;
};

static void send_if_pending(unsigned vector, void *user)
{
	struct race *r = user;

	if (msix_take_pending(r->table.msix, vector))
		atomic_fetch_add(&r->sent, 1);
}

/* Spins, so that both threads are awake when it matters. */
static void wait_for(atomic_uint *counter, unsigned value)
{
	for (unsigned i = 1; atomic_load(counter) != value; i++)
		if (i % 1024 == 0)
			sched_yield();
}

/* A little later in each round than in the one before. */
static void linger(unsigned round)
{
	for (volatile unsigned i = 0; i < round % 256; i++)
		;
}

static void *sender(void *user)
{
	struct race *r = user;

	for (unsigned i = 1; i <= ROUNDS; i++) {
		wait_for(&r->round, i);
		msix_set_pending(r->table.msix, 1);
		if (!msix_vector_masked(r->table.msix, 1))
			send_if_pending(1, r);
		atomic_store(&r->done, i);
	}
	return NULL;
}

static void no_message_is_left_behind(void **state)
{
	struct race r = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(arena_new("test", &r.table.arena), 0);
	assert_int_equal(
		msix_new(r.table.arena, 2, send_if_pending, &r, &r.table.msix),
		0);
	assert_int_equal(pthread_create(&thread, NULL, sender, &r), 0);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		put(&r.table, 16 + 12, 4, 1);
		atomic_store(&r.round, i);
		linger(i);
		put(&r.table, 16 + 12, 4, 0);
		wait_for(&r.done, i);
		assert_int_equal(pba(&r.table, 0, 8), 0);
		assert_int_equal(atomic_load(&r.sent), i);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	stop(&r.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),
		cmocka_unit_test(masks),
		cmocka_unit_test(function_mask),
		cmocka_unit_test(pending_bits),
		cmocka_unit_test(another_life_finds_the_table),
		cmocka_unit_test(no_message_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
