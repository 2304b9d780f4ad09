/* SPDX-License-Identifier: MIT */
/* <vgpu/ring.h>: two threads, wrapping counters, and a peer that lies. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vgpu/ring.h>

#define N 8u

struct entry {
	uint32_t value, twice, minus;
};

struct rig {
	unsigned char *memory;
	size_t bytes;
	struct vgpu_ring in, out;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->bytes = vgpu_ring_bytes(N, sizeof(struct entry));
	assert_int_equal(r->bytes % VGPU_RING_LINE, 0);
	/* Exactly as long: the sanitizer sees what goes beyond. */
	r->memory = aligned_alloc(VGPU_RING_LINE, r->bytes);
	assert_non_null(r->memory);
	memset(r->memory, 0, r->bytes);
	assert_int_equal(
		vgpu_ring_init(&r->in, r->memory, N, sizeof(struct entry)), 0);
	assert_int_equal(
		vgpu_ring_init(&r->out, r->memory, N, sizeof(struct entry)), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->memory);
	free(r);
	return 0;
}

static int push(struct rig *r, uint32_t value)
{
	struct entry e = { value, value * 2, ~value };

	return vgpu_ring_push(&r->in, &e);
}

static void expect(struct rig *r, uint32_t value)
{
	struct entry e;

	assert_int_equal(vgpu_ring_pop(&r->out, &e), 0);
	assert_int_equal(e.value, value);
	assert_int_equal(e.twice, value * 2);
	assert_int_equal(e.minus, ~value);
}

static void test_full_and_empty(void **state)
{
	struct rig *r = *state;
	struct entry e;

	for (unsigned round = 0; round < 5; round++) {
		assert_int_equal(vgpu_ring_pop(&r->out, &e), -EAGAIN);
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(push(r, round + i), 0);
		assert_int_equal(push(r, 99), -EAGAIN);
		expect(r, round);
		assert_int_equal(push(r, 77), 0);
		assert_int_equal(push(r, 99), -EAGAIN);
		for (unsigned i = 1; i < N; i++)
			expect(r, round + i);
		expect(r, 77);
	}
}

/* The counters run over 2^32, and over 2^64. */
static void test_wrap(void **state)
{
	static const uint64_t starts[] = { UINT32_MAX - 2, UINT64_MAX - 2 };
	struct rig *r = *state;

	for (unsigned k = 0; k < 2; k++) {
		r->in.own = r->in.seen = r->out.own = r->out.seen = starts[k];
		*r->in.head = *r->in.tail = starts[k];
		for (unsigned i = 0; i < 4 * N; i++) {
			assert_int_equal(push(r, i), 0);
			assert_int_equal(push(r, i + 1000), 0);
			expect(r, i);
			expect(r, i + 1000);
		}
	}
}

/* Records of several entries, at each place in the ring */
static void test_records(void **state)
{
	struct rig *r = *state;
	uint8_t in[5 * sizeof(struct entry)], out[sizeof(in)];
	const uint32_t size = sizeof(in) - 3; /* the last one is not full */

	assert_int_equal(vgpu_ring_entries(&r->in, size), 5);
	for (unsigned i = 0; i < 2 * N; i++) {
		memset(in, (int)i + 1, sizeof(in));
		in[0] = 99;
		assert_int_equal(vgpu_ring_write(&r->in, in, size), 0);
		assert_int_equal(vgpu_ring_room(&r->in), N - 5);
		assert_int_equal(vgpu_ring_write(&r->in, in, size), -EAGAIN);
		assert_int_equal(vgpu_ring_peek(&r->out, r->out.own, out, 1),
				 -EAGAIN); /* nobody has looked */
		assert_int_equal(vgpu_ring_look(&r->out), 0);
		assert_int_equal(r->out.seen - r->out.own, 5);
		memset(out, 0, sizeof(out));
		assert_int_equal(vgpu_ring_peek(&r->out, r->out.own, out, size),
				 0);
		assert_memory_equal(in, out, size);
		assert_int_equal(
			vgpu_ring_peek(&r->out, r->out.own + 1, out, 4), 0);
		assert_int_equal(out[0], i + 1);
		assert_int_equal(vgpu_ring_peek(&r->out, r->out.own + 1, out,
						4 * sizeof(struct entry) + 1),
				 -EAGAIN);
		assert_int_equal(
			vgpu_ring_peek(&r->out, r->out.own - 1, out, 1),
			-EAGAIN);
		vgpu_ring_drop(&r->out, 5);
		assert_int_equal(vgpu_ring_passed(&r->in), r->in.own);
	}
	/* What was written can't become less, nor more than fits; nor can what
	 * was read. */
	assert_int_equal(push(r, 1), 0);
	assert_int_equal(vgpu_ring_look(&r->out), 0);
	--*r->out.head;
	assert_int_equal(vgpu_ring_look(&r->out), -EPROTO);
	*r->in.tail += 2;
	assert_int_equal(vgpu_ring_room(&r->in), N - 1);
	*r->in.tail -= 3;
	assert_int_equal(vgpu_ring_room(&r->in), N - 1);
}

static void test_lies(void **state)
{
	static const uint32_t lies[] = { N + 1, 1000, 1u << 31, UINT32_MAX,
					 UINT32_MAX - N };
	struct rig *r = *state;
	struct entry e;

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		/* The writer says that there is more than fits. */
		*r->out.head = r->out.own + lies[i];
		assert_int_equal(vgpu_ring_pop(&r->out, &e), -EPROTO);
		assert_int_equal(r->out.own, 0);
	}
	*r->out.head = 0;
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(push(r, i), 0);
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		/* The reader says that it has read what was not written. */
		*r->in.tail = r->in.own - lies[i];
		assert_int_equal(push(r, 1), -EPROTO);
	}
	/* A lie within what is possible gets stale entries, from inside. */
	*r->in.tail = N;
	assert_int_equal(push(r, 5), 0);
	*r->out.head = r->out.own + 3;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vgpu_ring_pop(&r->out, &e), 0);
	assert_int_equal(vgpu_ring_pop(&r->out, &e), -EAGAIN);
	/* Whoever overwrites all of it breaks no private number. */
	memset(r->memory, 0xff, r->bytes);
	assert_int_equal(vgpu_ring_pop(&r->out, &e), -EPROTO);
}

static void test_shapes(void **state)
{
	struct rig *r = *state;
	struct vgpu_ring ring;

	assert_int_equal(vgpu_ring_init(&ring, NULL, 8, 8), -EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory + 8, 8, 8), -EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory, 0, 8), -EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory, 6, 8), -EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory, 8, 0), -EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory, 8, 7), -EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory, 8, 4100), -EINVAL);
	assert_int_equal(
		vgpu_ring_init(&ring, r->memory, VGPU_RING_MAX_ENTRIES * 2, 4),
		-EINVAL);
	assert_int_equal(vgpu_ring_init(&ring, r->memory, 1, 4), 0);
}

#define MANY 100000u

static void *writer(void *user)
{
	struct rig *r = user;
	int err;

	for (uint32_t i = 0; i < MANY; i++) {
		while ((err = push(r, i)) == -EAGAIN)
			sched_yield();
		if (err)
			return r;
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	struct rig *r = *state;
	pthread_t thread;
	void *failed;

	assert_int_equal(pthread_create(&thread, NULL, writer, r), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		struct entry e;
		int err;

		while ((err = vgpu_ring_pop(&r->out, &e)) == -EAGAIN)
			sched_yield();
		assert_int_equal(err, 0);
		assert_int_equal(e.value, i);
		assert_int_equal(e.minus, ~i);
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full_and_empty, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_threads, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
