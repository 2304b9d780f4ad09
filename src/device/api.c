/* SPDX-License-Identifier: MIT */
/* The public functions of <vgpu/driver.h>. */
#include <errno.h>

#include "../pci/config.h"
#include "build.h"
#include "irq.h"
#include "region.h"

int vgpu_device_init(struct vgpu_device *dev, const struct vgpu_pci_desc *pci)
{
	if (dev->core->initialised) {
		log_error(dev->core->name,
			  "vgpu_device_init() was called twice, or by a driver "
			  "that has said by .pci what it looks like");
		return -EALREADY;
	}
	return build(dev->core, pci);
}

void vgpu_device_fini(struct vgpu_device *dev)
{
	if (dev->core->initialised)
		build_undo(dev->core);
}

void *vgpu_device_memory(struct vgpu_device *dev, unsigned region,
			 uint64_t offset, uint64_t len)
{
	if (region >= VGPU_NUM_BARS)
		return NULL;
	return region_memory(&dev->core->regions[region], offset, len);
}

int vgpu_pci_cap_load(struct vgpu_device *dev, unsigned cap, unsigned offset,
		      void *buf, size_t len)
{
	return pci_config_cap_load(dev->core->config, cap, offset, buf, len);
}

int vgpu_pci_cap_store(struct vgpu_device *dev, unsigned cap, unsigned offset,
		       const void *buf, size_t len)
{
	return pci_config_cap_store(dev->core->config, cap, offset, buf, len);
}

int vgpu_irq_signal(struct vgpu_device *dev, enum vgpu_irq_index index,
		    unsigned vector)
{
	return irqs_signal(dev->core->irqs, index, vector);
}

void vgpu_intx_set(struct vgpu_device *dev, bool asserted)
{
	irqs_set_level(dev->core->irqs, asserted);
}

enum vgpu_irq_index vgpu_irq_enabled(struct vgpu_device *dev)
{
	return irqs_enabled(dev->core->irqs);
}

void vgpu_log(struct vgpu_device *dev, enum vgpu_log_level level,
	      const char *fmt, ...)
{
	struct vgpu_core *core = dev ? dev->core : NULL;
	bool allowed = true;
	va_list ap;

	if (!log_wants((enum log_level)level))
		return;
	if (core) {
		pthread_mutex_lock(&core->log_lock);
		allowed = log_allowed(&core->driver_log, core->name);
		pthread_mutex_unlock(&core->log_lock);
	}
	if (!allowed)
		return;
	va_start(ap, fmt);
	log_vline((enum log_level)level, core ? core->name : NULL, fmt, ap);
	va_end(ap);
}
