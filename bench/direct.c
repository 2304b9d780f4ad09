/* SPDX-License-Identifier: MIT */
#include "direct.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../client/refgpu/ranges.h"
#include "../hw/refgpu/refgpu-hw.h"
#include "util/cleanup.h"

#define CONTEXTS 64u
/* System memory: a window of bus addresses; what nobody has taken is a hole. */
#define BUS_START (1ull << 30)
#define BUS_SIZE  (8ull << 30)

struct direct {
	struct vgpu_rg_bus bus;
	struct refgpu_hw *hw;
	struct ranges free;
	uint8_t *system;
	uint8_t *taken; /* by page */
	int irq;
};

static struct direct *of(struct vgpu_rg_bus *bus)
{
	return (struct direct *)bus;
}

static void *map_file(uint64_t size)
{
	cleanup_fd int fd = memfd_create("direct", MFD_CLOEXEC);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		 fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* ---- the device's side ---------------------------------------------- */

static void enter(void *user)
{
	(void)user;
}

static void *bus_ptr(void *user, uint64_t addr, unsigned prot)
{
	struct direct *d = user;
	uint64_t at = addr - BUS_START;

	(void)prot;
	if (at >= BUS_SIZE ||
	    !__atomic_load_n(&d->taken[at >> 12], __ATOMIC_RELAXED))
		return NULL;
	return d->system + at;
}

static void on_irq(void *user, unsigned vector)
{
	struct direct *d = user;
	uint64_t one = 1;

	if (vector == REFGPU_VECTOR_EVENT &&
	    write(d->irq, &one, sizeof(one)) < 0)
		abort(); /* a test's own eventfd */
}

static const struct refgpu_hw_bus hw_bus = { enter, enter, bus_ptr };

/* ---- the user's side ------------------------------------------------ */

static int direct_read(struct vgpu_rg_bus *bus, uint32_t reg,
		       uint32_t *ret_value)
{
	*ret_value = refgpu_hw_read(of(bus)->hw, reg);
	return 0;
}

static int direct_write(struct vgpu_rg_bus *bus, uint32_t reg, uint32_t value)
{
	refgpu_hw_write(of(bus)->hw, reg, value);
	return 0;
}

static int direct_doorbell(struct vgpu_rg_bus *bus, unsigned ctx)
{
	refgpu_hw_doorbell(of(bus)->hw, ctx);
	return 0;
}

static void take(struct direct *d, uint64_t addr, uint64_t size, uint8_t taken)
{
	for (uint64_t at = addr - BUS_START; at < addr - BUS_START + size;
	     at += 4096)
		__atomic_store_n(&d->taken[at >> 12], taken, __ATOMIC_RELAXED);
}

static int direct_alloc(struct vgpu_rg_bus *bus, uint64_t size, uint64_t align,
			uint64_t *ret_addr, void **ret_ptr)
{
	struct direct *d = of(bus);
	uint64_t addr;
	int err = ranges_take(&d->free, size, align, &addr);

	if (err)
		return err;
	take(d, addr, size, 1);
	*ret_addr = addr;
	*ret_ptr = d->system + (addr - BUS_START);
	return 0;
}

static void direct_free(struct vgpu_rg_bus *bus, uint64_t addr, uint64_t size,
			void *ptr)
{
	struct direct *d = of(bus);

	take(d, addr, size, 0);
	madvise(ptr, size, MADV_REMOVE);
	ranges_give(&d->free, addr, size);
}

static int direct_wait(struct vgpu_rg_bus *bus, uint64_t timeout_ns)
{
	struct pollfd p = { .fd = of(bus)->irq, .events = POLLIN };
	struct timespec t = { .tv_sec = 1 };
	uint64_t n;

	if (timeout_ns < 1000000000u)
		t = (struct timespec){ .tv_nsec = (long)timeout_ns };
	return ppoll(&p, 1, &t, NULL) == 1 &&
	       read(p.fd, &n, sizeof(n)) == sizeof(n);
}

static void direct_close(struct vgpu_rg_bus *bus)
{
	struct direct *d = of(bus);

	refgpu_hw_free(d->hw);
	ranges_fini(&d->free);
	if (d->bus.vram)
		munmap(d->bus.vram, d->bus.vram_size);
	if (d->system)
		munmap(d->system, BUS_SIZE);
	free(d->taken);
	close_fd(d->irq);
	free(d);
}

static const struct vgpu_rg_bus_ops direct_ops = {
	.read = direct_read,
	.write = direct_write,
	.post = direct_write,
	.doorbell = direct_doorbell,
	.alloc = direct_alloc,
	.free = direct_free,
	.wait = direct_wait,
	.close = direct_close,
};

int direct_bus_new(uint64_t vram, struct vgpu_rg_bus **ret_bus)
{
	struct direct *d = calloc(1, sizeof(*d));
	const struct refgpu_hw_config config = { .vram_size = vram,
						 .contexts = CONTEXTS,
						 .xres = 1024,
						 .yres = 768,
						 .bus = &hw_bus,
						 .irq = on_irq,
						 .user = d };
	int err = -ENOMEM;

	if (!d)
		return -ENOMEM;
	d->bus.ops = &direct_ops;
	d->bus.vram_size = vram;
	d->irq = eventfd(0, EFD_CLOEXEC);
	d->bus.vram = map_file(vram);
	d->system = map_file(BUS_SIZE);
	d->taken = calloc(1, BUS_SIZE >> 12);
	if (d->irq >= 0 && d->bus.vram && d->system && d->taken)
		err = ranges_init(&d->free, BUS_START, BUS_SIZE);
	if (!err)
		err = refgpu_hw_new(&config, &d->hw);
	if (!err)
		err = refgpu_hw_vram_plug(d->hw, 0, d->bus.vram, vram);
	if (err)
		direct_close(&d->bus);
	else
		*ret_bus = &d->bus;
	return err;
}
