/* SPDX-License-Identifier: MIT */
/*
 * A bochs vGPU, used by a client in the same process. Nothing of a protocol is
 * linked (meson.build): what is done here, an instance does by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/display.h>
#include <vgpu/dma.h>

#include "rig/driver.h"
#include "display/plane.h"
#include "display/reader.h"
#include "device/irq.h"
#include "dma/budget.h"
#include "dma/pin.h"
#include "rig/inproc-client.h"

#define CONFIG VGPU_REGION_CONFIG
#define MMIO   VGPU_REGION_BAR2
#define VRAM   VGPU_REGION_BAR0

#define PAGE	 4096u
#define RAM_SIZE (16u * PAGE)
#define RW	 (VGPU_DMA_READ | VGPU_DMA_WRITE)

static struct inproc c;

static int setup(void **state)
{
	struct rig *rig = rig_new("bochs-16m");

	inproc_init(&c);
	assert_int_equal(inproc_attach(&c, rig->core), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	if (c.core)
		inproc_detach(&c);
	rig_free(*state);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Config space, registers, the screen                                 */
/* ------------------------------------------------------------------ */

static void set_mode(struct rig *rig, unsigned x, unsigned y, unsigned bpp)
{
	wr(rig, MMIO, 0x508, 0, 2);
	wr(rig, MMIO, 0x502, x, 2);
	wr(rig, MMIO, 0x504, y, 2);
	wr(rig, MMIO, 0x506, bpp, 2);
	wr(rig, MMIO, 0x508, 0x41, 2);
}

/* What is said of plane 0 */
static int plane(struct rig *rig, struct vgpu_plane_shm *ret_plane)
{
	struct display_reader *reader;
	int err = display_capture(rig->core, &reader);

	if (err)
		return err;
	err = display_reader_plane(reader, 0, ret_plane);
	display_reader_free(reader);
	return err;
}

static void it_is_found_and_its_bars_are_sized(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rd(rig, CONFIG, 0, 4), 0x11111234);
	wr(rig, CONFIG, 0x10, 0xffffffff, 4);
	assert_int_equal(rd(rig, CONFIG, 0x10, 4), 0xff000008); /* 16 MiB */
	wr(rig, CONFIG, 0x10, 0xe0000000, 4);
	wr(rig, CONFIG, 4, 2, 2);
	assert_int_equal(rd(rig, CONFIG, 0x10, 4), 0xe0000008);
	assert_int_equal(rd(rig, CONFIG, 4, 2), 2);
}

static void registers_make_a_screen(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane_shm p;
	uint64_t size;
	uint8_t *vram;
	int fd;

	assert_int_equal(rd(rig, MMIO, 0x500, 2), 0xb0c5);
	assert_int_equal(plane(rig, &p), 0);
	assert_int_equal(p.format, 0); /* off */
	set_mode(rig, 640, 480, 32);
	assert_int_equal(plane(rig, &p), 0);
	assert_int_equal(p.width, 640);
	assert_int_equal(p.height, 480);
	assert_int_equal(p.stride, 4 * 640);
	/* What the client may map is what it would write by accesses. */
	assert_int_equal(region_file(rig->core, VRAM, &fd, &size), 0);
	assert_int_equal(size, 16u << 20);
	vram = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(vram != MAP_FAILED);
	memcpy(vram, "\x12\x34\x56\x78", 4);
	assert_int_equal(rd(rig, VRAM, 0, 4), 0x78563412);
	munmap(vram, PAGE);
}

static void a_reset_that_the_client_asks_for(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane_shm p;

	set_mode(rig, 640, 480, 32);
	wr(rig, VRAM, 0, 0x00ffffff, 4);
	wr(rig, CONFIG, 4, 2, 2);
	device_reset(rig->core, VGPU_RESET_CLIENT);
	assert_int_equal(rd(rig, MMIO, 0x502, 2), 0);
	assert_int_equal(rd(rig, CONFIG, 4, 2), 0);
	assert_int_equal(plane(rig, &p), 0);
	assert_int_equal(p.format, 0);
	assert_int_equal(rd(rig, VRAM, 0, 4), 0x00ffffff);
}

/* ------------------------------------------------------------------ */
/* Interrupts                                                          */
/* ------------------------------------------------------------------ */

static uint64_t taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void an_interrupt_goes_where_the_client_says(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(irqs_count(rig->core->irqs, VGPU_IRQ_REQ), 1);
	assert_int_equal(irqs_count(rig->core->irqs, VGPU_IRQ_MSI), 0);
	assert_int_equal(inproc_route(&c, VGPU_IRQ_MSI, 0, event), -EINVAL);
	assert_int_equal(inproc_route(&c, VGPU_IRQ_REQ, 0, event), 0);
	assert_int_equal(vgpu_irq_signal(dev, VGPU_IRQ_REQ, 0), 0);
	assert_int_equal(taken(event), 1);
	assert_int_equal(rig->core->stats.irqs[VGPU_IRQ_REQ], 1);
	/* To nobody: it waits for one who comes. */
	assert_int_equal(inproc_route(&c, VGPU_IRQ_REQ, 0, -1), 0);
	assert_int_equal(vgpu_irq_signal(dev, VGPU_IRQ_REQ, 0), 0);
	assert_int_equal(taken(event), 0);
	assert_int_equal(inproc_route(&c, VGPU_IRQ_REQ, 0, event), 0);
	assert_int_equal(taken(event), 1);
	/* The client takes its eventfds with it. */
	inproc_detach(&c);
	assert_int_equal(vgpu_irq_signal(dev, VGPU_IRQ_REQ, 0), 0);
	assert_int_equal(taken(event), 0);
	close(event);
}

/* ------------------------------------------------------------------ */
/* Memory. The test calls what a driver would.                         */
/* ------------------------------------------------------------------ */

static void give_memory(struct rig *rig, uint64_t iova, int *ret_fd)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
	assert_int_equal(
		dma_space_map(rig->core->dma, iova, RAM_SIZE, RW, fd, 0), 0);
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
}

static void turn(struct rig *rig)
{
	while (loop_run_once(rig->loop, 0) > 0)
		;
}

static void memory_is_given_and_taken_back(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	char text[8] = "";
	int fd, token;

	give_memory(rig, 0, &fd);
	assert_int_equal(vgpu_dma_write(dev, PAGE - 2, "hello", 6), 0);
	assert_int_equal(pread(fd, text, 6, PAGE - 2), 6);
	assert_string_equal(text, "hello");
	assert_int_equal(client_unmap(rig->core, 0, PAGE, &token), -EINVAL);
	assert_int_equal(client_unmap(rig->core, 0, RAM_SIZE, &token), 0);
	assert_int_equal(client_unmap(rig->core, 0, RAM_SIZE, &token), -ENOENT);
	assert_int_equal(client_unmap_all(rig->core, &token), 0);
	assert_int_equal(vgpu_dma_read(dev, 0, text, 6), -EFAULT);
	turn(rig);
	assert_int_equal(c.n_unmapped, 0); /* all was said at once */
	close(fd);
}

static void an_unmap_waits_for_who_uses_the_memory(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	struct vgpu_dma_segment a, b;
	int one, all;

	give_memory(rig, 0, NULL);
	give_memory(rig, RAM_SIZE, NULL);
	assert_int_equal(vgpu_dma_get(dev, 8, 8, RW, &a, 1), 1);
	assert_int_equal(vgpu_dma_get(dev, RAM_SIZE, 8, RW, &b, 1), 1);
	assert_int_equal(client_unmap(rig->core, 0, RAM_SIZE, &one),
			 -EINPROGRESS);
	assert_int_equal(client_unmap_all(rig->core, &all), -EINPROGRESS);
	/* Everything else goes on. */
	turn(rig);
	assert_int_equal(rd(rig, MMIO, 0x500, 2), 0xb0c5);
	assert_int_equal(c.n_unmapped, 0);
	vgpu_dma_put(dev, &b, 1);
	turn(rig);
	assert_int_equal(c.n_unmapped, 1);
	assert_ptr_equal(c.unmapped, &all);
	assert_int_equal(c.unmap_err, 0);
	vgpu_dma_put(dev, &a, 1);
	turn(rig);
	assert_int_equal(c.n_unmapped, 2);
	assert_ptr_equal(c.unmapped, &one);
	assert_int_equal(c.unmap_err, 0);
}

static void who_has_left_hears_of_no_unmap(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	struct vgpu_dma_segment a;
	struct inproc next;
	int token;

	give_memory(rig, 0, NULL);
	assert_int_equal(vgpu_dma_get(dev, 8, 8, RW, &a, 1), 1);
	assert_int_equal(client_unmap(rig->core, 0, RAM_SIZE, &token),
			 -EINPROGRESS);
	inproc_detach(&c);
	inproc_init(&next);
	assert_int_equal(inproc_attach(&next, rig->core), 0);
	vgpu_dma_put(dev, &a, 1);
	turn(rig);
	assert_int_equal(c.n_unmapped, 0);
	assert_int_equal(next.n_unmapped, 0);
	assert_int_equal(dma_space_count(rig->core->dma), 0);
	inproc_detach(&next);
}

/* ------------------------------------------------------------------ */
/* Memory that came without a file                                     */
/* ------------------------------------------------------------------ */

static int done_err;
static unsigned n_done;

static void on_done(struct vgpu_device *dev, int err, void *user)
{
	(void)dev;
	(void)user;
	done_err = err;
	n_done++;
}

static void memory_without_a_file_is_asked_for(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	struct dma_space *dma = rig->core->dma;
	char text[8] = "";

	n_done = 0;
	assert_int_equal(dma_space_map(dma, 0, PAGE, RW, -1, 0), 0);
	assert_int_equal(vgpu_dma_read_async(dev, 16, text, 6, on_done, NULL),
			 0);
	turn(rig);
	assert_int_equal(c.n_asked, 1);
	assert_int_equal(c.asked.iova, 16);
	assert_int_equal(c.asked.len, 6);
	assert_null(c.asked.data);
	assert_int_equal(n_done, 0);
	dma_space_remote_done(dma, c.asked.cookie, 0, "hello", 6);
	turn(rig);
	assert_int_equal(n_done, 1);
	assert_int_equal(done_err, 0);
	assert_string_equal(text, "hello");

	/* A client without room says when there is some. */
	c.remote_err = -EAGAIN;
	assert_int_equal(vgpu_dma_write_async(dev, 32, "you", 4, on_done, NULL),
			 0);
	turn(rig);
	assert_int_equal(n_done, 1);
	c.remote_err = 0;
	dma_space_remote_ready(dma);
	assert_int_equal(c.n_asked, 2);
	assert_string_equal((const char *)c.asked.data, "you");
	dma_space_remote_done(dma, c.asked.cookie, -EFAULT, NULL, 0);
	turn(rig);
	assert_int_equal(n_done, 2);
	assert_int_equal(done_err, -EFAULT);
}

static void who_has_left_is_not_asked(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	char text[8] = "";

	n_done = 0;
	assert_int_equal(dma_space_map(rig->core->dma, 0, PAGE, RW, -1, 0), 0);
	assert_int_equal(vgpu_dma_read_async(dev, 0, text, 6, on_done, NULL),
			 0);
	turn(rig);
	assert_int_equal(c.n_asked, 1);
	inproc_detach(&c); /* and owes the answer */
	turn(rig);
	assert_int_equal(n_done, 1);
	assert_int_equal(done_err, -ENOTCONN);
	assert_int_equal(dma_space_map(rig->core->dma, 0, PAGE, RW, -1, 0), 0);
	assert_int_equal(vgpu_dma_read_async(dev, 0, text, 6, on_done, NULL),
			 0);
	turn(rig);
	assert_int_equal(c.n_asked, 1);
	assert_int_equal(n_done, 2);
	assert_int_equal(done_err, -ENOTCONN);
}

/* ------------------------------------------------------------------ */
/* Coming and going                                                    */
/* ------------------------------------------------------------------ */

static void it_has_one_client_at_a_time(void **state)
{
	struct rig *rig = *state;
	struct inproc second;
	unsigned uid;
	int pid;

	inproc_init(&second);
	wr(rig, MMIO, 0x502, 800, 2);
	assert_int_equal(inproc_attach(&second, rig->core), -EBUSY);
	assert_int_equal(rd(rig, MMIO, 0x502, 2), 800);
	c.pid = 4711;
	c.uid = 42;
	assert_int_equal(device_client(rig->core, &pid, &uid), 0);
	assert_int_equal(pid, 4711);
	assert_int_equal(uid, 42);
	/* Asked to go, it may take its time. */
	c.stays = true;
	device_disconnect(rig->core);
	assert_int_equal(c.n_close, 1);
	assert_int_equal(inproc_attach(&second, rig->core), -EBUSY);
	inproc_detach(&c);
	device_disconnect(rig->core);
	assert_int_equal(c.n_close, 1);
	assert_int_equal(device_client(rig->core, &pid, &uid), -ENOTCONN);
	assert_int_equal(inproc_attach(&second, rig->core), 0);
	assert_int_equal(rig->core->stats.clients, 2);
	inproc_detach(&second);
}

static void the_next_client_finds_all_fresh(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane_shm p;
	struct inproc next;
	uint64_t size;
	char byte = 0;
	int fd, kept;

	set_mode(rig, 640, 480, 32);
	wr(rig, VRAM, 5, 0x77, 1);
	wr(rig, CONFIG, 4, 2, 2);
	give_memory(rig, 0, NULL);
	assert_int_equal(region_file(rig->core, VRAM, &fd, &size), 0);
	kept = dup(fd); /* as a client has it that goes */
	inproc_detach(&c);
	assert_int_equal(dma_space_count(rig->core->dma), 0);

	inproc_init(&next);
	assert_int_equal(inproc_attach(&next, rig->core), 0);
	assert_int_equal(rd(rig, VRAM, 5, 1), 0);
	assert_int_equal(rd(rig, MMIO, 0x502, 2), 0);
	assert_int_equal(rd(rig, CONFIG, 4, 2), 0);
	assert_int_equal(plane(rig, &p), 0);
	assert_int_equal(p.format, 0);
	/* Each has a file of its own. */
	wr(rig, VRAM, 6, 0x88, 1);
	assert_int_equal(pread(kept, &byte, 1, 5), 1);
	assert_int_equal(byte, 0x77);
	assert_int_equal(pread(kept, &byte, 1, 6), 1);
	assert_int_equal(byte, 0);
	close(kept);
	inproc_detach(&next);
}

static void what_it_pins_counts_for_its_user(void **state)
{
	struct rig *rig = *state;
	struct vgpu_core *core = rig->core;

	inproc_detach(&c);
	assert_int_equal(dma_budgets_new(1 << 20, &core->budgets), 0);
	/* One that nobody knows can't be served. */
	c.peer_err = -EPERM;
	assert_int_equal(inproc_attach(&c, core), -EPERM);
	assert_null(core->client);
	c.peer_err = 0;
	assert_int_equal(inproc_attach(&c, core), 0);
	inproc_detach(&c);
	assert_int_equal(dma_space_set_budget(core->dma, NULL), 0);
	dma_budgets_free(core->budgets);
	core->budgets = NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_found_and_its_bars_are_sized),
		TEST(registers_make_a_screen),
		TEST(a_reset_that_the_client_asks_for),
		TEST(an_interrupt_goes_where_the_client_says),
		TEST(memory_is_given_and_taken_back),
		TEST(an_unmap_waits_for_who_uses_the_memory),
		TEST(who_has_left_hears_of_no_unmap),
		TEST(memory_without_a_file_is_asked_for),
		TEST(who_has_left_is_not_asked),
		TEST(it_has_one_client_at_a_time),
		TEST(the_next_client_finds_all_fresh),
		TEST(what_it_pins_counts_for_its_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
