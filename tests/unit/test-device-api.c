/* SPDX-License-Identifier: MIT */
/*
 * What a driver can call, and what it may not: the public functions on the real
 * core, with drivers that describe themselves wrongly or keep no order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/driver.h>
#include <vgpu/iommu.h>

#include "device/device.h"
#include "device/module.h"
#include "device/region.h"
#include "dma/space.h"
#include "pci/config.h"
#include "rig/clock.h"
#include "rig/inproc-client.h"
#include "state/arena.h"
#include "util/log.h"
#include "util/loop.h"

#define PAGE	 4096u
#define RAM_SIZE (16u * PAGE)
#define RW	 (VGPU_DMA_READ | VGPU_DMA_WRITE)
#define BAR_SIZE (4u * PAGE)

static char log_text[4096];

static void keep_line(enum log_level level, const char *subject,
		      const char *line)
{
	size_t n = strlen(log_text);

	(void)level;
	snprintf(log_text + n, sizeof(log_text) - n, "%s: %s\n",
		 subject ? subject : "", line);
}

/* ------------------------------------------------------------------ */
/* A driver that does as the test says                                 */
/* ------------------------------------------------------------------ */

static struct {
	struct vgpu_device_ops ops;
	struct vgpu_pci_desc pci;
	int second_init; /* what the second vgpu_device_init() said */
	bool init_twice, no_init, fini;
	int create_err;
	unsigned destroyed, resets, unmaps, cap_reads, cap_writes;
} wish;

static struct vgpu_device *dev;

static void on_destroy(struct vgpu_device *d)
{
	assert_ptr_equal(d, dev);
	wish.destroyed++;
	if (wish.fini)
		vgpu_device_fini(d);
}

static void on_reset(struct vgpu_device *d, enum vgpu_reset_reason reason)
{
	(void)d;
	(void)reason;
	wish.resets++;
}

static int on_dma_unmap(struct vgpu_device *d, uint64_t iova, uint64_t size)
{
	(void)d;
	(void)iova;
	(void)size;
	wish.unmaps++;
	return 0;
}

static int on_create(struct vgpu_device *d)
{
	int err = 0;

	dev = d;
	assert_string_equal(d->type->name, "api");
	if (!wish.no_init)
		err = vgpu_device_init(d, &wish.pci);
	if (!err && wish.init_twice)
		wish.second_init = vgpu_device_init(d, &wish.pci);
	if (!err && wish.create_err) {
		vgpu_device_fini(d);
		vgpu_device_fini(d); /* nothing the second time */
		err = wish.create_err;
	}
	return err;
}

static uint64_t answer_offset(struct vgpu_device *d, void *data,
			      uint64_t offset, unsigned size)
{
	assert_ptr_equal(d, dev);
	assert_null(data);
	(void)size;
	return offset;
}

static const struct vgpu_mmio_ops regs_ops = {
	.min_access = 1,
	.max_access = 8,
	.read = answer_offset,
};

static const struct vgpu_area areas[] = {
	{ VGPU_AREA_TRAPPED, 0, 64, &regs_ops, NULL },
	{ VGPU_AREA_MAPPED, PAGE, PAGE, NULL, NULL },
	{ VGPU_AREA_MEMORY, 2 * PAGE, PAGE, NULL, NULL },
};

static void on_cap_read(struct vgpu_device *d, unsigned n, unsigned offset,
			unsigned len)
{
	(void)offset;
	(void)len;
	assert_ptr_equal(d, dev);
	assert_int_equal(n, 0);
	wish.cap_reads++;
}

static void on_cap_written(struct vgpu_device *d, unsigned n, unsigned offset,
			   unsigned len)
{
	(void)d;
	assert_int_equal(n, 0);
	assert_int_equal(offset, 4);
	assert_int_equal(len, 1);
	wish.cap_writes++;
}

static const struct vgpu_pci_cap_ops cap_ops = {
	.before_read = on_cap_read,
	.written = on_cap_written,
};
static const uint8_t cap_data[] = { 8, 1, 2, 3, 4, 5 };
/* One that is more than bytes at rest, and one that is not */
static const struct vgpu_pci_cap caps[] = {
	{ .id = 9, .len = 8, .data = cap_data, .ops = &cap_ops },
	{ .id = 9, .len = 8, .data = cap_data },
};

struct state {
	uint32_t a;
	uint32_t b;
};
static const struct vgpu_field fields[] = {
	VGPU_FIELD(struct state, a, 1),
	VGPU_FIELD(struct state, b, 1),
};

static const struct vgpu_type types[] = { {
	.name = "api",
	.description = "a test",
} };
static void wish_well(void)
{
	memset(&wish, 0, sizeof(wish));
	wish.ops = (struct vgpu_device_ops){
		VGPU_STATE(struct state, 1, fields),
		.create = on_create,
		.destroy = on_destroy,
		.reset = on_reset,
	};
	wish.pci = (struct vgpu_pci_desc){
		.vendor_id = 0x1234,
		.device_id = 1,
		.class_code = 0xff0000,
		.n_caps = 2,
		.caps = caps,
		.bars = { [2] = { BAR_SIZE, 0, 3, areas, 0 } },
	};
	log_text[0] = 0;
}

/* ------------------------------------------------------------------ */

static struct fixture {
	struct loop *loop;
	struct module *module;
	struct vgpu_iommu *iommu;
} f;

static int create(struct vgpu_core **ret_core)
{
	const struct vgpu_driver driver = {
		.name = "api",
		.version = "1",
		.description = "test",
		VGPU_LIST(types, types),
		.instance = &wish.ops,
	};
	struct device_config config = {
		.loop = f.loop,
		.iommu = f.iommu,
	};

	module_close(f.module);
	f.module = NULL;
	if (module_from_driver(&driver, &f.module))
		return -EINVAL;
	config.module = f.module;
	config.type = module_find_type(f.module, "api");
	return device_create(&config, ret_core);
}

static int setup(void **state)
{
	(void)state;
	wish_well();
	log_setup(keep_line, LOG_LEVEL_DEBUG);
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &f.iommu), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	module_close(f.module);
	f.module = NULL;
	vgpu_iommu_destroy(f.iommu);
	loop_free(f.loop);
	return 0;
}

static struct vgpu_core *made(void)
{
	struct vgpu_core *core = NULL;

	if (create(&core))
		fail_msg("%s", log_text);
	return core;
}

static void refused(int err, const char *says)
{
	struct vgpu_core *core = NULL;

	assert_int_equal(create(&core), err);
	assert_null(core);
	if (!strstr(log_text, says))
		fail_msg("\"%s\" is not in: %s", says, log_text);
	wish_well();
}

static void wrong_descriptions_are_refused_with_a_reason(void **state)
{
	static const struct vgpu_field outside = { "x", 8, 4, 1, 1 };
	static const struct vgpu_area io_mapped = {
		VGPU_AREA_MAPPED, 0, 64, NULL, NULL,
	};

	(void)state;
	wish.ops.create = NULL;
	refused(-EINVAL, "it has neither a create op nor pci");
	wish.pci.vendor_id = 0xffff;
	refused(-EINVAL, "vendor");
	wish.pci.bars[2].flags = VGPU_BAR_IO;
	wish.pci.bars[2].size = 64;
	wish.pci.bars[2].n_areas = 1;
	wish.pci.bars[2].areas = &io_mapped;
	refused(-EINVAL, "I/O");
	wish.ops.state.size = 0;
	refused(-EINVAL, "its state");
	wish.ops.state.fields = &outside;
	wish.ops.state.n_fields = 1;
	refused(-ERANGE, "its state");
}

static void what_a_driver_forgets_is_noticed(void **state)
{
	struct vgpu_core *core;

	(void)state;
	wish.no_init = true;
	refused(-EINVAL, "without vgpu_device_init()");
	wish.create_err = -ENODEV;
	refused(-ENODEV, "can't create");
	wish.init_twice = true;
	core = made();
	assert_int_equal(wish.second_init, -EALREADY);
	assert_non_null(strstr(log_text, "called twice"));
	device_destroy(core);
	/* Who says by pci what it looks like does not say it again. */
	wish.ops.pci = &wish.pci;
	refused(-EALREADY, "called twice");
}

static void what_nobody_needs_is_not_there(void **state)
{
	struct vgpu_core *core;
	struct state *s;

	(void)state;
	for (int fini = 0; fini < 2; fini++) {
		wish.fini = fini;
		core = made();
		device_destroy(core);
		assert_int_equal(wish.destroyed, 1);
		wish_well();
	}
	wish.ops = (struct vgpu_device_ops){
		VGPU_STATE(struct state, 1, fields),
		.pci = &wish.pci,
	};
	core = made();
	s = core->dev->state;
	s->a = s->b = 7;
	device_reset(core, VGPU_RESET_CLIENT);
	assert_true(!s->a && !s->b);
	device_destroy(core);
	wish_well();
}

static void a_driver_without_state_has_none(void **state)
{
	struct vgpu_core *core;

	(void)state;
	wish.ops.state = (struct vgpu_state_desc){ 0 };
	core = made();
	assert_null(dev->state);
	device_destroy(core);
}

static void state_and_memory(void **state)
{
	struct vgpu_core *core = made();
	struct state *s = dev->state;
	uint8_t bytes[6] = { 0 };
	uint64_t size;
	char *p;
	int fd;

	(void)state;
	assert_int_equal(wish.resets, 1);
	assert_true(s && !s->a && !s->b);
	/* Memory is where it was described, and nowhere else. */
	p = vgpu_device_memory(dev, 2, PAGE, PAGE);
	assert_non_null(p);
	p[5] = 7;
	p = vgpu_device_memory(dev, 2, 2 * PAGE, PAGE);
	assert_non_null(p);
	p[5] = 8;
	assert_null(vgpu_device_memory(dev, 2, 0, 64));
	assert_null(vgpu_device_memory(dev, 2, PAGE, PAGE + 1));
	assert_null(vgpu_device_memory(dev, 2, 3 * PAGE, 1));
	assert_null(vgpu_device_memory(dev, 0, 0, 1));
	assert_null(vgpu_device_memory(dev, VGPU_NUM_BARS, 0, 1));
	/* The client gets the file of the first kind only. */
	assert_int_equal(region_file(core, 2, &fd, &size), 0);
	assert_int_equal(size, BAR_SIZE);
	assert_int_equal(pread(fd, bytes, 1, PAGE + 5), 1);
	assert_int_equal(bytes[0], 7);
	assert_int_equal(pread(fd, bytes, 1, 2 * PAGE + 5), 1);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(region_file(core, 0, &fd, &size), -ENOENT);
	assert_int_equal(region_file(core, VGPU_NUM_BARS, &fd, &size), -ENOENT);
	device_destroy(core);
}

static void capabilities(void **state)
{
	struct vgpu_core *core = made();
	uint8_t bytes[8] = { 0 }, at = 0;

	(void)state;
	assert_int_equal(vgpu_pci_cap_load(dev, 0, 2, bytes, 6), 0);
	assert_memory_equal(bytes, cap_data, 6);
	bytes[0] = 0x99;
	assert_int_equal(vgpu_pci_cap_store(dev, 0, 3, bytes, 1), 0);
	assert_int_equal(vgpu_pci_cap_load(dev, 0, 3, bytes, 1), 0);
	assert_int_equal(bytes[0], 0x99);
	assert_int_equal(vgpu_pci_cap_load(dev, 0, 2, bytes, 7), -EINVAL);
	assert_int_equal(vgpu_pci_cap_load(dev, 2, 2, bytes, 1), -EINVAL);
	assert_int_equal(vgpu_pci_cap_store(dev, 2, 2, bytes, 1), -EINVAL);
	assert_int_equal(vgpu_pci_cap_store(dev, 1, 3, bytes, 1), -EPERM);
	/* The guest looks at the first one, and writes to it. */
	assert_int_equal(region_read(core, VGPU_REGION_CONFIG, 0x34, &at, 1),
			 0);
	assert_int_equal(region_read(core, VGPU_REGION_CONFIG, at, bytes, 8),
			 0);
	assert_int_equal(bytes[0], 9);
	assert_int_equal(bytes[3], 0x99);
	assert_true(wish.cap_reads > 0);
	assert_int_equal(
		region_write(core, VGPU_REGION_CONFIG, at + 4u, bytes, 1), 0);
	assert_int_equal(wish.cap_writes, 1);
	device_destroy(core);
}

static void a_bar_that_can_not_be_mapped_has_no_file(void **state)
{
	struct vgpu_core *core;
	uint64_t size;
	int fd;

	(void)state;
	wish.pci.bars[2].n_areas = 1;
	core = made();
	assert_int_equal(region_file(core, 2, &fd, &size), -ENODATA);
	device_destroy(core);
}

static void accesses_across_areas(void **state)
{
	struct vgpu_core *core = made();
	uint8_t bytes[PAGE] = { 0 };

	(void)state;
	/* Behind the last one: nobody answers, nobody minds. */
	assert_int_equal(region_write(core, 2, 3 * PAGE - 4, "12345678", 8), 0);
	assert_int_equal(region_read(core, 2, 3 * PAGE - 4, bytes, 8), 0);
	assert_memory_equal(bytes, "1234\xff\xff\xff\xff", 8);
	/* From registers through a gap into memory */
	assert_int_equal(region_write(core, 2, PAGE, "ab", 2), 0);
	assert_int_equal(region_read(core, 2, 60, bytes, PAGE), 0);
	assert_int_equal(bytes[0], 60);
	assert_int_equal(bytes[4], 0xff);
	assert_int_equal(bytes[PAGE - 61], 0xff);
	assert_memory_equal(bytes + PAGE - 60, "ab", 2);
	assert_int_equal(region_write(core, 2, PAGE - 2, "xyz", 3), 0);
	assert_int_equal(region_read(core, 2, PAGE, bytes, 2), 0);
	assert_memory_equal(bytes, "zb", 2);
	assert_int_equal(region_read(core, VGPU_NUM_REGIONS, 0, bytes, 1),
			 -EINVAL);
	assert_int_equal(region_write(core, VGPU_NUM_REGIONS, 0, bytes, 1),
			 -EINVAL);
	assert_int_equal(region_write(core, VGPU_REGION_ROM, 0, bytes, 1),
			 -EINVAL);
	assert_int_equal(region_read(core, 2, UINT64_MAX, bytes, 2), -EINVAL);
	device_destroy(core);
}

static void no_interrupts_of_a_device_without(void **state)
{
	struct vgpu_core *core = made();

	(void)state;
	vgpu_intx_set(dev, true);
	assert_true(vgpu_irq_signal(dev, VGPU_IRQ_INTX, 0) < 0);
	assert_true(vgpu_irq_signal(dev, VGPU_IRQ_MSI, 0) < 0);
	assert_true(vgpu_irq_signal(dev, VGPU_NUM_IRQS, 0) < 0);
	assert_int_equal(vgpu_irq_enabled(dev), VGPU_IRQ_INTX);
	device_destroy(core);
}

/* ------------------------------------------------------------------ */
/* Memory of the client's                                              */
/* ------------------------------------------------------------------ */

static int done_err;
static unsigned n_done;

static void on_copied(struct vgpu_device *d, int err, void *user)
{
	assert_ptr_equal(d, dev);
	assert_ptr_equal(user, &wish);
	done_err = err;
	n_done++;
}

static void copies_and_values(const uint8_t *ram)
{
	uint64_t value = 0, expected = 5;
	char text[8] = "";

	assert_int_equal(vgpu_dma_write(dev, PAGE - 2, "hello", 6), 0);
	assert_string_equal((const char *)ram + PAGE - 2, "hello");
	assert_int_equal(vgpu_dma_read(dev, PAGE - 2, text, 6), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(vgpu_dma_read(dev, RAM_SIZE - 2, text, 6), -EFAULT);
	assert_int_equal(vgpu_dma_store(dev, 64, 4, 0x11223344), 0);
	assert_int_equal(vgpu_dma_load(dev, 64, 2, &value), 0);
	assert_int_equal(value, 0x3344);
	assert_int_equal(vgpu_dma_cmpxchg(dev, 64, 4, &expected, 6), 0);
	assert_int_equal(expected, 0x11223344);
	assert_int_equal(vgpu_dma_cmpxchg(dev, 64, 4, &expected, 6), 1);
	assert_int_equal(ram[64], 6);
}

static void pointers_and_pins(const uint8_t *ram)
{
	uint64_t iovas[] = { 0, 3 * PAGE }, bad[] = { 0, RAM_SIZE }, addrs[2];
	struct vgpu_dma_segment segments[2];
	int n;

	vgpu_dma_enter(dev);
	assert_memory_equal(vgpu_dma_ptr(dev, 64, 4, VGPU_DMA_READ), ram + 64,
			    4);
	assert_null(vgpu_dma_ptr(dev, RAM_SIZE, 4, VGPU_DMA_READ));
	vgpu_dma_leave(dev);
	n = vgpu_dma_get(dev, PAGE, 2 * PAGE, RW, segments, 2);
	assert_int_equal(n, 1);
	assert_int_equal(segments[0].len, 2 * PAGE);
	vgpu_dma_put(dev, segments, (unsigned)n);
	assert_int_equal(vgpu_dma_pin(dev, iovas, 2, RW, addrs), 0);
	assert_true(addrs[0] != addrs[1]);
	vgpu_dma_unpin(dev, iovas, 2, RW);
	assert_int_equal(vgpu_dma_pin(dev, bad, 2, RW, addrs), -EFAULT);
}

static void asynchronous_copies(const uint8_t *ram)
{
	char text[8] = "";

	assert_int_equal(vgpu_dma_read_async(dev, 0, text, 4, NULL, NULL),
			 -EINVAL);
	assert_int_equal(
		vgpu_dma_write_async(dev, 128, "async", 6, on_copied, &wish),
		0);
	clock_run(f.loop, 1 * MS);
	assert_true(n_done);
	assert_int_equal(done_err, 0);
	assert_string_equal((const char *)ram + 128, "async");
	assert_int_equal(
		vgpu_dma_read_async(dev, 128, text, 6, on_copied, &wish), 0);
	vgpu_dma_cancel(dev, dev); /* another's */
	vgpu_dma_cancel(dev, &wish);
	loop_run_once(f.loop, 0);
	assert_int_equal(n_done, 2);
	assert_true(!done_err ? !strcmp(text, "async")
			      : done_err == -ECANCELED);
	/* There is no client that could be asked. */
	n_done = 0;
	assert_int_equal(vgpu_dma_read_async(dev, 2 * RAM_SIZE, text, 6,
					     on_copied, &wish),
			 0);
	clock_run(f.loop, 1 * MS);
	assert_true(n_done);
	assert_int_equal(done_err, -ENOTCONN);
}

static void memory_of_the_client(void **state)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct vgpu_core *core;
	uint8_t *ram;

	(void)state;
	assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(ram != MAP_FAILED);
	core = made();
	assert_int_equal(dma_space_map(core->dma, 0, RAM_SIZE, RW, fd, 0), 0);
	assert_int_equal(
		dma_space_map(core->dma, 2 * RAM_SIZE, PAGE, RW, -1, 0), 0);
	n_done = 0;
	copies_and_values(ram);
	pointers_and_pins(ram);
	asynchronous_copies(ram);
	/* The core gave it one already, that of its configuration. */
	assert_true(vgpu_dma_set_iommu(dev, NULL) <= 0);
	device_destroy(core);
	munmap(ram, RAM_SIZE);
	close(fd);
}

/* The driver may learn of an unmap, or not: it gets done once it lets go. */
static void held_memory_goes_when_it_is_put(void **state)
{
	struct vgpu_dma_segment segment;
	struct vgpu_core *core;

	(void)state;
	for (int told = 0; told < 2; told++) {
		int fd = memfd_create("ram", MFD_CLOEXEC);

		wish_well();
		wish.ops.dma_unmap = told ? on_dma_unmap : NULL;
		assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
		core = made();
		assert_int_equal(
			dma_space_map(core->dma, 0, RAM_SIZE, RW, fd, 0), 0);
		close(fd);
		assert_int_equal(vgpu_dma_get(dev, 0, 8, RW, &segment, 1), 1);
		assert_int_equal(
			dma_space_unmap(core->dma, 0, RAM_SIZE, NULL, NULL),
			-EINPROGRESS);
		assert_int_equal(wish.unmaps, told);
		vgpu_dma_put(dev, &segment, 1);
		vgpu_dma_unmap_done(dev, 0, RAM_SIZE);
		loop_run_once(f.loop, 0);
		assert_int_equal(dma_space_count(core->dma), 0);
		device_destroy(core);
	}
}

/* ------------------------------------------------------------------ */

static void on_time(void *user)
{
	++*(int *)user;
}

static void timers_and_accounts(void **state)
{
	struct vgpu_core *core = made();
	struct vgpu_timer *timer;
	int fired = 0;

	(void)state;
	assert_int_equal(vgpu_timer_new(dev, on_time, &fired, &timer), 0);
	assert_int_equal(vgpu_timer_arm(timer, 3 * S), 0);
	clock_run(f.loop, 3 * S - 1);
	assert_int_equal(fired, 0);
	clock_run(f.loop, 1);
	assert_int_equal(fired, 1);
	vgpu_timer_free(timer);
	vgpu_timer_free(NULL);
	vgpu_device_account(dev, 2, 77);
	vgpu_device_account(dev, 0, 5);
	vgpu_device_account(dev, VGPU_MAX_ENGINES, 99); /* there is none */
	assert_int_equal(core->stats.n_engines, 3);
	assert_int_equal(core->stats.engine_ns[2], 77);
	device_destroy(core);
}

static void a_driver_s_lines_are_counted(void **state)
{
	struct vgpu_core *core = made();
	unsigned lines = 0;

	(void)state;
	log_text[0] = 0;
	for (int i = 0; i < 100; i++)
		vgpu_log(dev, VGPU_LOG_WARNING, "line %d", i);
	for (const char *p = log_text; (p = strstr(p, "line ")); p++)
		lines++;
	assert_true(lines > 0 && lines < 50);
	assert_non_null(strstr(log_text, core->name));
	/* Before there is an instance, and below what is wanted */
	vgpu_log(NULL, VGPU_LOG_ERROR, "nobody's");
	assert_non_null(strstr(log_text, "nobody's"));
	log_setup(keep_line, LOG_LEVEL_ERROR);
	vgpu_log(dev, VGPU_LOG_DEBUG, "unheard");
	assert_null(strstr(log_text, "unheard"));
	device_destroy(core);
}

static void who_the_client_is(void **state)
{
	struct vgpu_core *core = made();
	struct inproc client;
	unsigned uid;
	int pid;

	(void)state;
	assert_int_equal(device_client(core, &pid, &uid), -ENOTCONN);
	device_disconnect(core); /* nobody */
	inproc_init(&client);
	assert_int_equal(inproc_attach(&client, core), 0);
	assert_int_equal(device_client(core, &pid, &uid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
	device_disconnect(core);
	assert_int_equal(client.n_close, 1);
	assert_int_equal(device_client(core, &pid, &uid), -ENOTCONN);
	device_destroy(core);
	device_destroy(NULL);
}

#define API_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(wrong_descriptions_are_refused_with_a_reason),
		API_TEST(what_a_driver_forgets_is_noticed),
		API_TEST(what_nobody_needs_is_not_there),
		API_TEST(what_nobody_needs_is_not_there),
		API_TEST(a_driver_without_state_has_none),
		API_TEST(state_and_memory),
		API_TEST(capabilities),
		API_TEST(a_bar_that_can_not_be_mapped_has_no_file),
		API_TEST(accesses_across_areas),
		API_TEST(no_interrupts_of_a_device_without),
		API_TEST(memory_of_the_client),
		API_TEST(held_memory_goes_when_it_is_put),
		API_TEST(timers_and_accounts),
		API_TEST(a_driver_s_lines_are_counted),
		API_TEST(who_the_client_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
