/* SPDX-License-Identifier: MIT */
/*
 *     refgpu-check WHERE commands [NAME]  each command against the CPU
 *     refgpu-check WHERE hostile NAME     something that must do no harm
 *     refgpu-check WHERE property SEED N  N random streams, against the model
 *     refgpu-check WHERE neighbour        see check.h
 *     refgpu-check WHERE hang|work        says "started", and waits
 *     refgpu-check WHERE zero             all of VRAM is
 *
 * WHERE is a socket, or "model".
 */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bench/direct.h"

#define MODEL_VRAM (64ull << 20)

void fail_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("FAILED: %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1); /* threads may be running */
}

struct vgpu_rg_device *check_open(const char *where)
{
	struct vgpu_rg_device *dev = NULL;
	struct vgpu_rg_bus *bus = NULL;
	int err = 0;

	if (!strcmp(where, "model")) {
		MUST(direct_bus_new(MODEL_VRAM, &bus));
		MUST(vgpu_rg_open(bus, &dev));
		return dev;
	}
	/* The last client may be leaving. */
	for (int i = 0; i < 1000; i++) {
		err = vgpu_rg_connect(where, &dev);
		if (err != -EBUSY)
			break;
		usleep(10000);
	}
	MUST(err);
	return dev;
}

struct mem mem_new(struct vgpu_rg_context *ctx, uint64_t size, unsigned where,
		   unsigned flags)
{
	struct mem m = { .size = size };

	MUST(vgpu_rg_buffer_new(vgpu_rg_context_device(ctx), size, where,
				&m.buf));
	MUST(vgpu_rg_map(ctx, m.buf, flags, &m.va));
	m.p = vgpu_rg_buffer_ptr(m.buf);
	return m;
}

void mem_free(struct vgpu_rg_context *ctx, struct mem *m)
{
	MUST(vgpu_rg_unmap(ctx, m->va, vgpu_rg_buffer_size(m->buf)));
	vgpu_rg_buffer_free(m->buf);
}

int try_run(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s)
{
	uint64_t fence;
	int err = vgpu_rg_submit(ctx, s, &fence);

	vgpu_rg_stream_clear(s);
	return err ? err : vgpu_rg_wait(ctx, fence, PATIENCE);
}

void run(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s)
{
	char why[200];
	int err = try_run(ctx, s);

	if (!err)
		return;
	vgpu_rg_context_explain(ctx, why, sizeof(why));
	FAIL("%s: %s", strerror(-err), why);
}

void expect_fault(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s,
		  uint32_t fault, uint64_t va)
{
	struct vgpu_rg_status st;
	int err = try_run(ctx, s);

	MUST(vgpu_rg_context_status(ctx, &st));
	if (err != -EFAULT || st.state != REFGPU_STATE_FAULT ||
	    st.fault != fault || st.fault_va != va)
		FAIL("ended with %d: state %u, fault %u at 0x%llx, not fault "
		     "%u at 0x%llx",
		     err, st.state, st.fault, (unsigned long long)st.fault_va,
		     fault, (unsigned long long)va);
	MUST(vgpu_rg_context_restart(ctx));
}

void expect_error(struct vgpu_rg_context *ctx, struct vgpu_rg_stream *s,
		  uint32_t error)
{
	struct vgpu_rg_status st;
	int err = try_run(ctx, s);

	MUST(vgpu_rg_context_status(ctx, &st));
	if (err != -EIO || st.state != REFGPU_STATE_ERROR || st.error != error)
		FAIL("ended with %d: state %u, error %u, not error %u", err,
		     st.state, st.error, error);
	MUST(vgpu_rg_context_restart(ctx));
}

uint32_t random32(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) ^ (uint32_t)(*state >> 11);
}

/* ---- modes ------------------------------------------------------------ */

static void run_tests(const struct test *tests, const char *name,
		      struct vgpu_rg_device *dev)
{
	unsigned n = 0;

	for (const struct test *t = tests; t->name; t++) {
		if (name && strcmp(t->name, name))
			continue;
		t->fn(dev);
		printf("passed: %s\n", t->name);
		n++;
	}
	if (!n)
		FAIL("there is no test of that name");
}

/* Something that does not end by itself; the process will be killed. */
static void occupy(struct vgpu_rg_device *dev, bool hang)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_context *ctx;
	struct mem a, b;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	a = mem_new(ctx, 16 << 20, VGPU_RG_VRAM, RW);
	b = mem_new(ctx, 16 << 20, VGPU_RG_SYSTEM, RW);
	memset(a.p, 0xa5, a.size);
	memset(b.p, 0xa5, b.size);
	if (hang)
		vgpu_rg_spin(&s, 1, 3600000000000ull);
	else
		for (unsigned i = 0; i < 64; i++) {
			vgpu_rg_copy(&s, a.va, b.va, a.size);
			vgpu_rg_copy(&s, b.va, a.va, a.size);
		}
	MUST(vgpu_rg_submit(ctx, &s, NULL));
	printf("started\n");
	fflush(stdout);
	for (;;)
		pause();
}

/* Nothing of who was here before is left. */
static void expect_zero(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_info info = vgpu_rg_info(dev);
	const uint64_t *p = vgpu_rg_vram(dev);

	for (uint64_t i = 0; i < info.vram_size / 8; i++)
		if (p[i])
			FAIL("VRAM at 0x%llx is 0x%llx",
			     (unsigned long long)i * 8,
			     (unsigned long long)p[i]);
	printf("passed: zero\n");
}

int main(int argc, char **argv)
{
	struct vgpu_rg_device *dev;
	const char *mode = argc > 2 ? argv[2] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3)
		return 2;
	dev = check_open(argv[1]);
	if (!strcmp(mode, "commands"))
		run_tests(command_tests, argc > 3 ? argv[3] : NULL, dev);
	else if (!strcmp(mode, "hostile") && argc > 3)
		run_tests(hostile_tests, argv[3], dev);
	else if (!strcmp(mode, "property") && argc > 4)
		property(dev, strtoull(argv[3], NULL, 10),
			 (unsigned)strtoul(argv[4], NULL, 10));
	else if (!strcmp(mode, "neighbour"))
		neighbour(dev);
	else if (!strcmp(mode, "hang") || !strcmp(mode, "work"))
		occupy(dev, !strcmp(mode, "hang"));
	else if (!strcmp(mode, "zero"))
		expect_zero(dev);
	else
		return 2;
	vgpu_rg_close(dev);
	return 0;
}
