/* SPDX-License-Identifier: MIT */
/*
 * A guest that means harm: each test does it for a while, and then wants the
 * device to work as if nothing had been.
 */
#include "check-hostile.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t check_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void calm_down(struct vgpu_rg_context *ctx, int err)
{
	if (err && err != -EFAULT && err != -EIO)
		FAIL("ended with %d", err);
	if (err)
		MUST(vgpu_rg_context_restart(ctx));
}

/* It is a good device again. */
static void works(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;
	struct mem m;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	m = mem_new(ctx, 65536, VGPU_RG_SYSTEM, RW);
	vgpu_rg_fill(&s, m.va, 65536, 0x600d600d);
	run(ctx, &s);
	for (unsigned i = 0; i < 65536 / 4; i++)
		CHECK(((uint32_t *)m.p)[i] == 0x600d600d);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(m.buf);
	vgpu_rg_stream_free(&s);
}

/* ---- commands that change while they are read --------------------------- */

/* Commands that may not be, or not now, and good ones. */
static uint32_t evil_dword(uint64_t *seed, uint64_t va)
{
	switch (below(seed, 12)) {
	case 0:
		return REFGPU_CMD(REFGPU_OP_REG_WRITE, 3);
	case 1:
		return REFGPU_CMD(REFGPU_OP_PHYS_COPY, 7);
	case 2:
		return REFGPU_CMD(REFGPU_OP_BATCH, 4);
	case 3:
		return REFGPU_CMD(REFGPU_OP_FILL, 6);
	case 4:
		return REFGPU_CMD(REFGPU_OP_COPY, 7);
	case 5:
		return REFGPU_CMD(REFGPU_OP_DISPATCH, 5 + below(seed, 40));
	case 6:
		return (uint32_t)va;
	case 7:
		return (uint32_t)(va >> 32);
	case 8:
		return below(seed, 8);
	case 9:
		return REFGPU_CMD(REFGPU_OP_NOP, 1);
	case 10:
		return REFGPU_CMD(REFGPU_OP_END, 1);
	default:
		return random32(seed) & random32(seed);
	}
}

struct writer {
	uint32_t *at;
	uint32_t n;
	uint64_t va;
	bool stop;
};

static void *write_evil(void *arg)
{
	struct writer *w = arg;
	uint64_t seed = 11;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
		__atomic_store_n(&w->at[below(&seed, w->n)],
				 evil_dword(&seed, w->va), __ATOMIC_RELAXED);
	return NULL;
}

static void writer_start(struct writer *w, pthread_t *thread)
{
	CHECK(!pthread_create(thread, NULL, write_evil, w));
}

static void writer_stop(struct writer *w, pthread_t thread)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void batch_changes(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;
	struct writer w = { .n = 512 };
	struct mem m;
	pthread_t thread;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	m = mem_new(ctx, 65536, VGPU_RG_SYSTEM, RW);
	w.at = m.p;
	w.va = m.va;
	writer_start(&w, &thread);
	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;) {
		for (unsigned i = 0; i < 8; i++)
			vgpu_rg_batch(&s, m.va + i * 64, 500);
		calm_down(ctx, try_run(ctx, &s));
	}
	writer_stop(&w, thread);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(m.buf);
	vgpu_rg_stream_free(&s);
	works(dev);
}

/* The ring and its tail, while the doorbell rings. */
static void ring_changes(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_bus *bus = vgpu_rg_bus(dev);
	struct vgpu_rg_context *ctx;
	struct refgpu_ctl *ctl;
	struct writer w = { .n = 65536 / 4 };
	uint64_t seed = 5;
	pthread_t thread;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	w.at = vgpu_rg_ring(ctx, &ctl);
	w.va = 1 << 21;
	writer_start(&w, &thread);
	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;) {
		struct vgpu_rg_status st;
		uint32_t tail = below(&seed, 65536 / 4) * 4;

		if (below(&seed, 50) == 0)
			tail = random32(&seed);
		__atomic_store_n(&ctl->tail, tail, __ATOMIC_RELEASE);
		MUST(bus->ops->doorbell(bus, vgpu_rg_context_id(ctx)));
		MUST(vgpu_rg_context_status(ctx, &st));
		if (st.state >= REFGPU_STATE_FAULT)
			MUST(vgpu_rg_context_restart(ctx));
	}
	writer_stop(&w, thread);
	vgpu_rg_context_free(ctx);
	works(dev);
}

/* The tail runs ahead of whoever follows it, for ever. */
static void ring_endless(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_bus *bus = vgpu_rg_bus(dev);
	struct vgpu_rg_context *ctx;
	struct refgpu_ctl *ctl;
	uint32_t *ring, tail = 0;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	ring = vgpu_rg_ring(ctx, &ctl);
	for (unsigned i = 0; i < 65536 / 4; i++)
		ring[i] = REFGPU_CMD(REFGPU_OP_NOP, 1);
	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;) {
		for (unsigned i = 0; i < 100; i++) {
			tail = (tail + 4096) % 65536;
			__atomic_store_n(&ctl->tail, tail, __ATOMIC_RELEASE);
		}
		MUST(bus->ops->doorbell(bus, vgpu_rg_context_id(ctx)));
	}
	vgpu_rg_context_free(ctx);
	works(dev);
}

static void batch_endless(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;
	struct mem m;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	m = mem_new(ctx, 65536, VGPU_RG_VRAM, RW);
	vgpu_rg_batch(&s, m.va, 16384);
	memcpy(m.p, s.dwords, s.n * 4);
	expect_error(ctx, &s, REFGPU_ERROR_NESTING);
	/* Many commands by few: as many as the ring has room for, each of
	 * 16,384 NOPs */
	for (unsigned i = 0; i < 16384; i++)
		((uint32_t *)m.p)[i] = REFGPU_CMD(REFGPU_OP_NOP, 1);
	for (unsigned i = 0; i < 2000; i++)
		vgpu_rg_batch(&s, m.va, 16384);
	run(ctx, &s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(m.buf);
	vgpu_rg_stream_free(&s);
	works(dev);
}

/* ---- storms ------------------------------------------------------------ */

static void doorbells(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_bus *bus = vgpu_rg_bus(dev);
	struct vgpu_rg_context *ctx;
	uint64_t seed = 1;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;)
		for (unsigned i = 0; i < 100; i++)
			MUST(bus->ops->doorbell(
				bus, i & 1 ? 0 : below(&seed, 1024)));
	vgpu_rg_context_free(ctx);
	works(dev);
}

static void contexts(struct vgpu_rg_device *dev)
{
	unsigned n = vgpu_rg_info(dev).contexts;
	struct vgpu_rg_context *ctx[REFGPU_MAX_CONTEXTS] = { NULL };
	struct vgpu_rg_stream s = { 0 };

	vgpu_rg_spin(&s, 3, 100000);
	/* As many as there are, each at work */
	for (unsigned i = 0; i < n; i++) {
		MUST(vgpu_rg_context_new(dev, NULL, &ctx[i]));
		MUST(vgpu_rg_submit(ctx[i], &s, NULL));
	}
	CHECK(vgpu_rg_context_new(dev, NULL, &ctx[n]) == -EBUSY);
	/* And a thousand more, in their places */
	for (unsigned i = 0; i < 1000; i++) {
		vgpu_rg_context_free(ctx[i % n]);
		MUST(vgpu_rg_context_new(
			dev,
			&(struct vgpu_rg_context_options){
				.struct_size =
					sizeof(struct vgpu_rg_context_options),
				.system = i & 1 },
			&ctx[i % n]));
		MUST(vgpu_rg_submit(ctx[i % n], &s, NULL));
	}
	for (unsigned i = 0; i < n; i++)
		vgpu_rg_context_free(ctx[i]);
	vgpu_rg_stream_free(&s);
	works(dev);
}

/* All contexts wait for what never comes. */
static void waiters(struct vgpu_rg_device *dev)
{
	unsigned n = vgpu_rg_info(dev).contexts;
	struct vgpu_rg_context *ctx[REFGPU_MAX_CONTEXTS] = { NULL };
	struct mem m[REFGPU_MAX_CONTEXTS];
	struct vgpu_rg_stream s = { 0 };

	for (unsigned i = 0; i < n; i++) {
		MUST(vgpu_rg_context_new(dev, NULL, &ctx[i]));
		m[i] = mem_new(ctx[i], 4096, VGPU_RG_VRAM, RW);
		vgpu_rg_sem_wait(&s, m[i].va, 1);
		MUST(vgpu_rg_submit(ctx[i], &s, NULL));
		vgpu_rg_stream_clear(&s);
	}
	usleep(HOSTILE_NS / 1000);
	for (unsigned i = 0; i < n; i++) {
		vgpu_rg_context_free(ctx[i]);
		vgpu_rg_buffer_free(m[i].buf);
	}
	vgpu_rg_stream_free(&s);
	works(dev);
}

static void interrupts(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;
	uint64_t fence = 0;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	MUST(vgpu_rg_write(dev, REFGPU_IRQ_ENABLE, ~0u));
	MUST(vgpu_rg_write(dev, REFGPU_DISP_CONTROL, 1));
	for (unsigned i = 0; i < 2000; i++)
		vgpu_rg_irq(&s, i);
	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;) {
		MUST(vgpu_rg_submit(ctx, &s, &fence));
		/* None of them finds an event that is set already. */
		while (!vgpu_rg_done(ctx, fence))
			MUST(vgpu_rg_write(dev,
					   REFGPU_CTX(vgpu_rg_context_id(ctx),
						      REFGPU_CTX_EVENT),
					   ~0u));
	}
	MUST(vgpu_rg_write(dev, REFGPU_DISP_CONTROL, 0));
	MUST(vgpu_rg_write(dev, REFGPU_IRQ_ENABLE, REFGPU_IRQ_EVENT));
	vgpu_rg_context_free(ctx);
	vgpu_rg_stream_free(&s);
	works(dev);
}

static void registers(struct vgpu_rg_device *dev)
{
	uint64_t seed = 9;

	for (uint64_t end = check_now() + HOSTILE_NS; check_now() < end;)
		for (unsigned i = 0; i < 50; i++) {
			uint32_t reg = below(&seed, REFGPU_REGS_SIZE / 4) * 4;
			uint32_t v;

			if (below(&seed, 2)) /* where there is something */
				reg = REFGPU_CTX(below(&seed, 34),
						 below(&seed, 32) * 4);
			else if (below(&seed, 2))
				reg = below(&seed, 0x280) * 4;
			MUST(vgpu_rg_write(dev, reg,
					   random32(&seed) & random32(&seed)));
			MUST(vgpu_rg_read(dev, reg, &v));
		}
	MUST(vgpu_rg_write(dev, REFGPU_RESET, 1));
	MUST(vgpu_rg_write(dev, REFGPU_IRQ_ENABLE, REFGPU_IRQ_EVENT));
	works(dev);
}

/* ---- memory that goes, jobs that don't ---------------------------------- */

static void unmap_all(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	uint64_t seed = 3;

	for (unsigned turn = 0; turn < 20; turn++) {
		struct vgpu_rg_context *ctx;
		struct mem m[4];
		uint64_t fence;
		int err;

		MUST(vgpu_rg_context_new(dev, NULL, &ctx));
		for (unsigned i = 0; i < 4; i++)
			m[i] = mem_new(ctx, 1 << 20, VGPU_RG_SYSTEM, RW);
		for (unsigned i = 0; i < 64; i++)
			vgpu_rg_copy(&s, m[i % 4].va, m[(i + 1) % 4].va,
				     1 << 20);
		MUST(vgpu_rg_submit(ctx, &s, &fence));
		vgpu_rg_stream_clear(&s);
		usleep(below(&seed, 3000));
		/* The device loses it; the page tables still name it. */
		for (unsigned i = 0; i < 4; i++)
			vgpu_rg_buffer_free(m[i].buf);
		err = vgpu_rg_wait(ctx, fence, PATIENCE);
		if (err) {
			struct vgpu_rg_status st;

			MUST(vgpu_rg_context_status(ctx, &st));
			if (err != -EFAULT || st.fault != REFGPU_FAULT_BUS)
				FAIL("ended with %d, fault %u", err, st.fault);
		}
		vgpu_rg_context_free(ctx);
	}
	vgpu_rg_stream_free(&s);
	works(dev);
}

static void hang(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	for (unsigned i = 0; i < 2; i++) {
		vgpu_rg_spin(&s, 1, 3600000000000ull);
		expect_error(ctx, &s, REFGPU_ERROR_RESET);
	}
	vgpu_rg_context_free(ctx);
	vgpu_rg_stream_free(&s);
	works(dev);
}

const struct test hostile_tests[] = {
	{ "tables-outside", hostile_outside },
	{ "tables-loop", hostile_loops },
	{ "tables-fan", hostile_fan },
	{ "tables-by-command", hostile_by_command },
	{ "tables-change", hostile_changing },
	{ "tables-vast", hostile_vast },
	{ "batch-changes", batch_changes },
	{ "ring-changes", ring_changes },
	{ "ring-endless", ring_endless },
	{ "batch-endless", batch_endless },
	{ "doorbells", doorbells },
	{ "contexts", contexts },
	{ "waiters", waiters },
	{ "interrupts", interrupts },
	{ "registers", registers },
	{ "unmap-all", unmap_all },
	{ "hang", hang },
	{ NULL, NULL },
};
