/* SPDX-License-Identifier: MIT */
/*
 * A vGPU over vfio-user. VRAM is mapped; registers are messages, so those
 * writes that can do so don't wait for replies. Doorbells are eventfds where
 * the server has them.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <vgpu/client.h>

#include "private.h"
#include "util/cleanup.h"

/* Where the device sees system memory; 0 is nobody's. */
#define IOVA_START (1ull << 30)
#define IOVA_SIZE  (1ull << 39)

/** DOORBELLS - contexts whose doorbells are looked up once */
#define DOORBELLS 64u
#define NOT_ASKED (-2) /* of a doorbell's fd; -1: by message */

struct client_bus {
	struct vgpu_rg_bus bus;
	struct vgpu_client *client;
	struct ranges iova;
	int irq;     /* eventfd */
	bool posted; /* writes that an eventfd could overtake */
	int doorbells[DOORBELLS];
};

static struct client_bus *of(struct vgpu_rg_bus *bus)
{
	return (struct client_bus *)bus;
}

static int client_bus_read(struct vgpu_rg_bus *bus, uint32_t reg,
			   uint32_t *ret_value)
{
	of(bus)->posted = false;
	return vgpu_client_read32(of(bus)->client, REFGPU_BAR_REGS, reg,
				  ret_value);
}

static int client_bus_write(struct vgpu_rg_bus *bus, uint32_t reg,
			    uint32_t value)
{
	of(bus)->posted = false;
	return vgpu_client_write32(of(bus)->client, REFGPU_BAR_REGS, reg,
				   value);
}

static int client_bus_post(struct vgpu_rg_bus *bus, uint32_t reg,
			   uint32_t value)
{
	of(bus)->posted = true;
	return vgpu_client_post32(of(bus)->client, REFGPU_BAR_REGS, reg, value);
}

static int client_bus_doorbell(struct vgpu_rg_bus *bus, unsigned ctx)
{
	struct client_bus *b = of(bus);
	int *fd = ctx < DOORBELLS ? &b->doorbells[ctx] : NULL;
	uint64_t one = 1;

	if (fd && *fd == NOT_ASKED &&
	    vgpu_client_doorbell(b->client, REFGPU_BAR_DOORBELL,
				 REFGPU_DOORBELL(ctx), 4, fd))
		*fd = -1;
	if (fd && *fd >= 0 && !b->posted &&
	    write(*fd, &one, sizeof(one)) == sizeof(one))
		return 0;
	return vgpu_client_post32(b->client, REFGPU_BAR_DOORBELL,
				  REFGPU_DOORBELL(ctx), 1);
}

static int client_bus_alloc(struct vgpu_rg_bus *bus, uint64_t size,
			    uint64_t align, uint64_t *ret_addr, void **ret_ptr)
{
	struct client_bus *b = of(bus);
	uint64_t iova;
	int err = ranges_take(&b->iova, size, align, &iova);

	if (err)
		return err;
	err = vgpu_client_dma_alloc(
		b->client, iova, size,
		VGPU_CLIENT_DMA_READ | VGPU_CLIENT_DMA_WRITE, ret_ptr);
	if (err)
		ranges_give(&b->iova, iova, size);
	else
		*ret_addr = iova;
	return err;
}

static void client_bus_free(struct vgpu_rg_bus *bus, uint64_t addr,
			    uint64_t size, void *ptr)
{
	struct client_bus *b = of(bus);

	/* If that fails the connection is over, or soon: its addresses stay
	 * taken, and all goes with the client. */
	if (!vgpu_client_dma_unmap(b->client, addr, size))
		ranges_give(&b->iova, addr, size);
}

static int client_bus_wait(struct vgpu_rg_bus *bus, uint64_t timeout_ns)
{
	struct client_bus *b = of(bus);
	struct pollfd p[2] = { { .fd = b->irq, .events = POLLIN },
			       { .fd = vgpu_client_fd(b->client) } };
	const uint64_t longest = 1000000000u;
	struct timespec t = { 0 };
	uint64_t n;

	/* Who waits for ever comes back once a second: a server that stops
	 * without closing is still noticed by the next message. */
	timeout_ns = MIN(timeout_ns, longest);
	t.tv_sec = (time_t)(timeout_ns / 1000000000u);
	t.tv_nsec = (long)(timeout_ns % 1000000000u);
	if (ppoll(p, 2, &t, NULL) <= 0)
		return 0;
	if (p[0].revents & POLLIN)
		return read(b->irq, &n, sizeof(n)) == sizeof(n);
	return p[1].revents & (POLLHUP | POLLERR) ? -ENOTCONN : 0;
}

static void client_bus_close(struct vgpu_rg_bus *bus)
{
	struct client_bus *b = of(bus);

	vgpu_client_close(b->client);
	ranges_fini(&b->iova);
	close_fd(b->irq);
	free(b);
}

static const struct vgpu_rg_bus_ops client_bus_ops = {
	.read = client_bus_read,
	.write = client_bus_write,
	.post = client_bus_post,
	.doorbell = client_bus_doorbell,
	.alloc = client_bus_alloc,
	.free = client_bus_free,
	.wait = client_bus_wait,
	.close = client_bus_close,
};

static int set_up(struct client_bus *b)
{
	struct vgpu_client_region vram;
	uint8_t id[4];
	int err = vgpu_client_read(b->client, VGPU_CLIENT_REGION_CONFIG, 0, id,
				   sizeof(id));

	if (!err && (get_le16(id) != REFGPU_VENDOR_ID ||
		     get_le16(id + 2) != REFGPU_DEVICE_ID))
		err = -ENODEV;
	if (!err)
		err = vgpu_client_enable(b->client);
	if (!err)
		err = vgpu_client_region(b->client, REFGPU_BAR_VRAM, &vram);
	/* Behind its end is nothing, and that can't be mapped. */
	if (!err && (!vram.n_areas || vram.areas[0].offset))
		err = -ENODEV;
	if (!err) {
		b->bus.vram_size = vram.areas[0].size;
		err = vgpu_client_map(b->client, REFGPU_BAR_VRAM, 0,
				      b->bus.vram_size, &b->bus.vram);
	}
	b->irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!err && b->irq < 0)
		err = -errno;
	if (!err)
		err = vgpu_client_irq_enable(b->client, VGPU_CLIENT_IRQ_MSIX,
					     REFGPU_VECTOR_EVENT, &b->irq, 1);
	return err ? err : ranges_init(&b->iova, IOVA_START, IOVA_SIZE);
}

int vgpu_rg_bus_client(struct vgpu_client *client, struct vgpu_rg_bus **ret_bus)
{
	struct client_bus *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->bus.ops = &client_bus_ops;
	b->client = client;
	b->irq = -1;
	for (unsigned i = 0; i < DOORBELLS; i++)
		b->doorbells[i] = NOT_ASKED;
	err = set_up(b);
	if (err) {
		close_fd(b->irq);
		free(b);
		return err;
	}
	*ret_bus = &b->bus;
	return 0;
}

int vgpu_rg_connect(const char *path, struct vgpu_rg_device **ret_dev)
{
	struct vgpu_client *client;
	struct vgpu_rg_bus *bus;
	int err = vgpu_client_connect(path, NULL, &client);

	if (err)
		return err;
	err = vgpu_rg_bus_client(client, &bus);
	if (err) {
		vgpu_client_close(client);
		return err;
	}
	return vgpu_rg_open(bus, ret_dev);
}
