/* SPDX-License-Identifier: MIT */
#include "build.h"

#include <errno.h>
#include <string.h>

#include "../dma/space.h"
#include "../pci/config.h"
#include "../pci/msix.h"
#include "../state/arena.h"
#include "../util/bytes.h"
#include "description.h"
#include "dma-owner.h"
#include "irq.h"
#include "module.h"

/* ------------------------------------------------------------------ */
/* What config space, interrupts and MSI-X tell each other             */
/* ------------------------------------------------------------------ */

static void on_command(uint16_t command, void *user)
{
	struct vgpu_core *core = user;

	irqs_set_intx_disabled(core->irqs, command & 0x400);
}

static void on_msix(bool enabled, bool masked, void *user)
{
	struct vgpu_core *core = user;

	/* @enabled: the client tells: irqs_set() */
	msix_set_function_mask(core->msix, masked);
}

static void on_cap_read(const struct vgpu_pci_cap_ops *ops, unsigned cap,
			unsigned offset, unsigned len, void *user)
{
	struct vgpu_core *core = user;

	ops->before_read(core->dev, cap, offset, len);
}

static void on_cap_written(const struct vgpu_pci_cap_ops *ops, unsigned cap,
			   unsigned offset, unsigned len, void *user)
{
	struct vgpu_core *core = user;

	ops->written(core->dev, cap, offset, len);
}

static void on_config_reset(enum vgpu_reset_reason reason, void *user)
{
	device_reset(user, reason);
}

static const struct pci_config_ops config_ops = {
	.command = on_command,
	.msix = on_msix,
	.cap_read = on_cap_read,
	.cap_written = on_cap_written,
	.reset = on_config_reset,
};

static void on_unmasked(unsigned vector, void *user)
{
	struct vgpu_core *core = user;

	irqs_unmasked(core->irqs, vector);
}

static void on_sent(void *user, enum vgpu_irq_index index)
{
	struct vgpu_core *core = user;

	atomic_fetch_add_explicit(&core->stats.irqs[index], 1,
				  memory_order_relaxed);
}

static void table_read(struct vgpu_core *core, uint64_t offset, void *buf,
		       size_t len)
{
	msix_table_read(core->msix, offset, buf, len);
}

static void table_write(struct vgpu_core *core, uint64_t offset,
			const void *buf, size_t len)
{
	msix_table_write(core->msix, offset, buf, len);
}

static void pba_read(struct vgpu_core *core, uint64_t offset, void *buf,
		     size_t len)
{
	msix_pba_read(core->msix, offset, buf, len);
}

static void pba_write(struct vgpu_core *core, uint64_t offset, const void *buf,
		      size_t len)
{
	/* Read-only (PCI 3.0, 6.8.2.10) */
}

static const struct region_handler table_handler = { table_read, table_write };
static const struct region_handler pba_handler = { pba_read, pba_write };

/* ------------------------------------------------------------------ */
/* Building                                                            */
/* ------------------------------------------------------------------ */

static int build_bars(struct vgpu_core *core)
{
	const struct vgpu_pci_desc *desc = &core->desc;
	const struct region_area msix_areas[] = {
		{ .kind = VGPU_AREA_TRAPPED,
		  .offset = desc->msix_table_offset,
		  .size = 16ull * desc->msix_vectors,
		  .handler = &table_handler },
		{ .kind = VGPU_AREA_TRAPPED,
		  .offset = desc->msix_pba_offset,
		  .size = 8ull * ((desc->msix_vectors + 63) / 64),
		  .handler = &pba_handler },
	};

	for (unsigned i = 0; i < VGPU_NUM_BARS; i++) {
		bool msix = desc->msix_vectors && desc->msix_bar == i;
		int err = region_init_bar(&core->regions[i], core->type->name,
					  &desc->bars[i],
					  msix ? msix_areas : NULL,
					  msix ? ARRAY_SIZE(msix_areas) : 0);

		if (err)
			return err;
	}
	return 0;
}

/* Regions that are not BARs: the core serves them itself. */
static void build_other_regions(struct vgpu_core *core)
{
	struct region *rom = &core->regions[VGPU_REGION_ROM];
	struct region *config = &core->regions[VGPU_REGION_CONFIG];

	config->size = pci_config_size(core->config);
	config->flags = REGION_CAN_READ | REGION_CAN_WRITE;
	rom->size = pci_rom_bar_size(core->desc.rom_size);
	if (rom->size)
		rom->flags = REGION_CAN_READ;
}

static int build_irqs(struct vgpu_core *core)
{
	const struct vgpu_pci_desc *desc = &core->desc;
	struct irqs_config config = {
		.counts = {
			[VGPU_IRQ_INTX] = desc->intx_pin ? 1 : 0,
			[VGPU_IRQ_MSI] = desc->msi_vectors,
			[VGPU_IRQ_MSIX] = desc->msix_vectors,
			/* QEMU warns about a device without ERR */
			[VGPU_IRQ_ERR] = 1,
			[VGPU_IRQ_REQ] = 1,
		},
		.sent = on_sent,
		.user = core,
	};

	if (desc->msix_vectors) {
		int err = msix_new(core->arena, desc->msix_vectors, on_unmasked,
				   core, &core->msix);

		if (err)
			return err;
		msix_set_function_mask(core->msix,
				       pci_config_msix_masked(core->config));
		config.msix = core->msix;
	}
	return irqs_new(core->loop, core->arena, &config, &core->irqs);
}

static int build_state(struct vgpu_core *core)
{
	const struct vgpu_state_desc *state = &core->ops.state;
	int err;

	if (!state->size && !state->n_fields)
		return 0;
	if (!state->size)
		return -EINVAL;
	err = arena_block(core->arena, "driver.state", state->version,
			  state->size, &core->state);
	if (err < 0)
		return err;
	core->dev->state = core->state;
	core->state_size = state->size;
	return arena_describe(core->arena, "driver.state", state->fields,
			      state->n_fields);
}

int build(struct vgpu_core *core, const struct vgpu_pci_desc *pci)
{
	const char *what = "memory";
	struct description d;
	int err;

	err = description_copy(&d, module_sizes(core->module), pci, &what);
	if (err)
		goto fail;
	core->desc = d.pci;
	err = pci_config_check(&core->desc, &what);
	if (err)
		goto fail;
	what = "config space";
	err = pci_config_new(core->arena, &core->desc, &config_ops, core,
			     &core->config);
	if (err)
		goto fail;
	core->power = pci_config_power_byte(core->config);
	what = "the memory of its BARs";
	err = build_bars(core);
	if (err)
		goto fail;
	build_other_regions(core);
	what = "interrupts";
	err = build_irqs(core);
	if (err)
		goto fail;
	what = "its state: size, version or fields make no sense";
	err = build_state(core);
	if (err)
		goto fail;
	what = "the DMA map";
	err = dma_owner_build(core, core->any_memory);
	if (err)
		goto fail;
	description_free(&d);
	core->initialised = true;
	return 0;
fail:
	log_error(core->name, "the driver's description was refused: %s (%s)",
		  what, strerror(-err));
	description_free(&d);
	build_undo(core);
	return err;
}

void build_undo(struct vgpu_core *core)
{
	core->initialised = false;
	dma_space_free(core->dma);
	core->dma = NULL;
	irqs_free(core->irqs);
	core->irqs = NULL;
	msix_free(core->msix);
	core->msix = NULL;
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++)
		region_fini(&core->regions[i]);
	pci_config_free(core->config);
	core->config = NULL;
	core->state = NULL;
	core->dev->state = NULL;
}
