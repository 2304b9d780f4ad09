/* SPDX-License-Identifier: MIT */
/* The hardware itself: a PCI function that is bound to vfio-pci. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vgpu/vfio.h>

#include "edu.h"

struct pci {
	struct edu_hw hw;
	struct vgpu_vfio *vfio;
	volatile uint8_t *bar;
	struct vgpu_parent_source *source;
	int eventfd;
};

static struct pci *pci_of(struct edu_hw *hw)
{
	return vgpu_container_of(hw, struct pci, hw);
}

static uint32_t pci_read(struct edu_hw *hw, unsigned reg)
{
	return *(volatile uint32_t *)(pci_of(hw)->bar + reg);
}

static void pci_write(struct edu_hw *hw, unsigned reg, uint32_t value)
{
	*(volatile uint32_t *)(pci_of(hw)->bar + reg) = value;
}

static void write64(struct pci *p, unsigned reg, uint64_t value)
{
	*(volatile uint64_t *)(p->bar + reg) = value;
}

static void pci_dma(struct edu_hw *hw, uint64_t src, uint64_t dst,
		    uint32_t count, uint32_t cmd)
{
	struct pci *p = pci_of(hw);

	write64(p, EDU_DMA_SRC, src);
	write64(p, EDU_DMA_DST, dst);
	write64(p, EDU_DMA_COUNT, count);
	write64(p, EDU_DMA_CMD, cmd);
}

static bool pci_busy(struct edu_hw *hw)
{
	return pci_read(hw, EDU_DMA_CMD) & EDU_CMD_RUN;
}

/* Without bus mastering no transfer reaches memory, whatever it still does. */
static int pci_stop(struct edu_hw *hw)
{
	struct pci *p = pci_of(hw);
	int err = vgpu_vfio_set_bus_master(p->vfio, false), reset;

	reset = vgpu_vfio_reset(p->vfio);
	if (reset && pci_busy(hw))
		err = err ? err : -EIO;
	if (!err)
		pci_write(hw, EDU_IRQ_ACK, pci_read(hw, EDU_IRQ_STATUS));
	return err ? err : vgpu_vfio_set_bus_master(p->vfio, true);
}

static void on_irq(void *user)
{
	struct pci *p = user;
	uint64_t n;

	if (read(p->eventfd, &n, sizeof(n)) == sizeof(n))
		p->hw.irq(p->hw.user);
}

static int pci_start(struct edu_hw *hw, struct vgpu_parent *parent)
{
	struct pci *p = pci_of(hw);
	int err = vgpu_parent_add_fd(parent, p->eventfd, on_irq, p, &p->source);

	if (!err)
		err = vgpu_vfio_set_irqs(p->vfio, VGPU_IRQ_MSI, &p->eventfd, 1);
	if (!err)
		err = vgpu_vfio_set_bus_master(p->vfio, true);
	return err;
}

static void pci_free(struct edu_hw *hw)
{
	struct pci *p = pci_of(hw);

	vgpu_parent_remove(p->source);
	vgpu_vfio_close(p->vfio);
	if (p->eventfd >= 0)
		close(p->eventfd);
	free(p);
}

static const struct edu_hw_ops pci_ops = {
	.read = pci_read,
	.write = pci_write,
	.dma = pci_dma,
	.busy = pci_busy,
	.stop = pci_stop,
	.free = pci_free,
};

static int map(struct pci *p)
{
	uint64_t size;
	void *bar;
	int err = vgpu_vfio_bar(p->vfio, 0, &bar, &size);

	if (err)
		return err;
	p->bar = bar;
	if (size != EDU_BAR_SIZE ||
	    (pci_read(&p->hw, EDU_ID) & 0xffff) != (EDU_ID_VALUE & 0xffff)) {
		vgpu_parent_log(NULL, NULL, VGPU_LOG_ERROR,
				"edu: that function is no edu device");
		return -ENODEV;
	}
	p->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->eventfd < 0 ? -errno : 0;
}

int edu_hw_pci(const char *address, struct edu_hw **ret_hw)
{
	char error[256] = "";
	const struct vgpu_vfio_config config = {
		.name = address,
		.dma_mask = EDU_DMA_MASK,
		.error = error,
		.error_size = sizeof(error),
	};
	struct pci *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->eventfd = -1;
	p->hw.ops = &pci_ops;
	p->hw.start = pci_start;
	err = vgpu_vfio_open(&config, &p->vfio);
	if (err) {
		vgpu_parent_log(NULL, NULL, VGPU_LOG_ERROR, "edu: %s", error);
		free(p);
		return err;
	}
	p->hw.iommu = vgpu_vfio_iommu(p->vfio);
	err = map(p);
	if (err) {
		pci_free(&p->hw);
		return err;
	}
	*ret_hw = &p->hw;
	return 0;
}
