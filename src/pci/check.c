/* SPDX-License-Identifier: MIT */
/*
 * Can such a function exist? Each check answers NULL, or the sentence that
 * tells the driver's author what is wrong with which part.
 */
#include "internal.h"

#include <errno.h>
#include <unistd.h>

#include <linux/pci_regs.h>

/* The sentence about BAR @n: they are static, so there are six of each. */
#define BAR_WHY(n, text)                                                       \
	((const char *const[VGPU_NUM_BARS]){ "BAR0 " text, "BAR1 " text,       \
					     "BAR2 " text, "BAR3 " text,       \
					     "BAR4 " text, "BAR5 " text }[n])

#define MIN_MEMORY_BAR	16u
#define MIN_EXPRESS_BAR 128u /* PCIe 7.5.1.2.1 */
#define MIN_IO_BAR	4u
#define MAX_IO_BAR	256u /* PCI 3.0, 6.2.5.1 */
#define MAX_ACCESS	8u   /* bytes of a register access */

struct extent {
	uint64_t offset, size;
};

static bool overlap(struct extent a, struct extent b)
{
	return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/* ------------------------------------------------------------------ */
/* BARs                                                                */
/* ------------------------------------------------------------------ */

static const char *check_io_bar(const struct vgpu_bar *bar, unsigned n)
{
	if (bar->flags & (VGPU_BAR_64 | VGPU_BAR_PREFETCH))
		return BAR_WHY(n, "is I/O space, which is neither 64-bit nor "
				  "prefetchable");
	if (bar->size < MIN_IO_BAR || bar->size > MAX_IO_BAR)
		return BAR_WHY(n, "is I/O space: its size is 4 to 256 bytes");
	return NULL;
}

static const char *check_memory_bar(const struct vgpu_bar *bar, unsigned n,
				    bool express)
{
	if (bar->size < MIN_MEMORY_BAR)
		return BAR_WHY(n, "is memory: its size is at least 16 bytes");
	if (express && bar->size < MIN_EXPRESS_BAR)
		return BAR_WHY(n, "is memory of a PCI Express function: its "
				  "size is at least 128 bytes");
	if (!(bar->flags & VGPU_BAR_64) && bar->size > PCI_MAX_BAR32)
		return BAR_WHY(n, "is larger than 2 GiB and so needs "
				  "VGPU_BAR_64");
	if (bar->size > PCI_MAX_BAR)
		return BAR_WHY(n, "is larger than 256 GiB");
	return NULL;
}

static const char *check_mmio_ops(const struct vgpu_mmio_ops *ops, unsigned n)
{
	if (!ops)
		return BAR_WHY(n, "has a trapped area without ops");
	if (ops->flags & ~VGPU_MMIO_NO_PARTIAL_WRITE)
		return BAR_WHY(n, "has an area whose ops have unknown flags");
	if (!ops->min_access && !ops->max_access)
		return NULL; /* 4 and 4 */
	if (!is_pow2(ops->min_access) || !is_pow2(ops->max_access) ||
	    ops->min_access > ops->max_access || ops->max_access > MAX_ACCESS)
		return BAR_WHY(n,
			       "has an area whose ops take impossible sizes: "
			       "min_access and max_access are 1, 2, 4 or 8, "
			       "and in that order");
	return NULL;
}

static const char *check_area(const struct vgpu_bar *bar,
			      const struct vgpu_area *area, unsigned n)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (area->kind > VGPU_AREA_DOORBELL)
		return BAR_WHY(n, "has an area of unknown kind");
	if (!area->size)
		return BAR_WHY(n, "has an area of size 0");
	if (!range_inside(area->offset, area->size, bar->size))
		return BAR_WHY(n, "has an area that reaches beyond its end");
	if (area->kind == VGPU_AREA_DOORBELL &&
	    (!is_pow2(area->size) || area->size > 8 ||
	     area->offset % area->size))
		return BAR_WHY(n, "has a doorbell that is not 1, 2, 4 or 8 "
				  "bytes, naturally aligned");
	if (area->kind == VGPU_AREA_TRAPPED || area->kind == VGPU_AREA_DOORBELL)
		return check_mmio_ops(area->ops, n);
	if (area->ops)
		return BAR_WHY(n, "has an area with ops that is not trapped: "
				  "they would never be called");
	if (area->kind != VGPU_AREA_MAPPED)
		return NULL;
	if (bar->flags & VGPU_BAR_IO)
		return BAR_WHY(n, "is I/O space: it can't be mapped");
	if (area->offset % page || area->size % page)
		return BAR_WHY(n, "has a mapped area whose offset or size is "
				  "no multiple of the page size");
	return NULL;
}

static const char *check_areas(const struct vgpu_bar *bar, unsigned n)
{
	if (bar->n_areas && !bar->areas)
		return BAR_WHY(n, "has n_areas but no areas");
	if (bar->n_areas > PCI_MAX_AREAS)
		return BAR_WHY(n, "has more than 62 areas");
	for (uint32_t i = 0; i < bar->n_areas; i++) {
		const struct vgpu_area *a = &bar->areas[i];
		const char *why = check_area(bar, a, n);

		if (why)
			return why;
		for (uint32_t j = 0; j < i; j++) {
			const struct vgpu_area *b = &bar->areas[j];

			if (overlap((struct extent){ a->offset, a->size },
				    (struct extent){ b->offset, b->size }))
				return BAR_WHY(n, "has areas that overlap");
		}
	}
	return NULL;
}

static const char *check_bar(const struct vgpu_pci_desc *desc, unsigned n)
{
	const struct vgpu_bar *bar = &desc->bars[n];
	const char *why;

	if (bar->reserved)
		return BAR_WHY(n, "has something in reserved");
	if (!bar->size) {
		if (bar->flags || bar->n_areas)
			return BAR_WHY(n, "has flags or areas but no size");
		return NULL;
	}
	if (n && desc->bars[n - 1].size &&
	    (desc->bars[n - 1].flags & VGPU_BAR_64))
		return BAR_WHY(n, "is the upper half of the 64-bit BAR before "
				  "it: its size is 0");
	if (bar->flags & ~(VGPU_BAR_IO | VGPU_BAR_64 | VGPU_BAR_PREFETCH))
		return BAR_WHY(n, "has unknown flags");
	if (n == VGPU_NUM_BARS - 1 && (bar->flags & VGPU_BAR_64))
		return "BAR5 is the last: it can't be 64-bit";
	if (!is_pow2(bar->size))
		return BAR_WHY(n, "has a size that is no power of two");
	if (bar->flags & VGPU_BAR_IO)
		why = check_io_bar(bar, n);
	else
		why = check_memory_bar(bar, n, desc->express);
	return why ? why : check_areas(bar, n);
}

/* ------------------------------------------------------------------ */
/* Everything else                                                     */
/* ------------------------------------------------------------------ */

static const char *check_ids(const struct vgpu_pci_desc *desc)
{
	if (desc->vendor_id == 0 || desc->vendor_id == 0xffff)
		return "vendor_id is 0x0000 or 0xffff: guests take that for an "
		       "empty slot";
	if (desc->class_code > 0xffffff)
		return "class_code has more than 24 bits";
	if (desc->intx_pin > 4)
		return "intx_pin is 0 (none) or 1 to 4 (INTA to INTD)";
	if (desc->express && !desc->pm)
		return "a PCI Express function has power management: set pm";
	return NULL;
}

static const char *check_vectors(const struct vgpu_pci_desc *desc)
{
	if (desc->msi_vectors &&
	    (!is_pow2(desc->msi_vectors) || desc->msi_vectors > 32))
		return "msi_vectors is 0 (no MSI), 1, 2, 4, 8, 16 or 32";
	if (desc->msix_vectors > PCI_MAX_MSIX)
		return "msix_vectors is at most 2048";
	return NULL;
}

static const char *check_msix(const struct vgpu_pci_desc *desc)
{
	struct extent table = { desc->msix_table_offset,
				pci_msix_table_size(desc->msix_vectors) };
	struct extent pba = { desc->msix_pba_offset,
			      pci_msix_pba_size(desc->msix_vectors) };
	const struct vgpu_bar *bar;

	if (!desc->msix_vectors)
		return NULL;
	if (desc->msix_bar >= VGPU_NUM_BARS || !desc->bars[desc->msix_bar].size)
		return "msix_bar is no BAR of this function";
	bar = &desc->bars[desc->msix_bar];
	if (bar->flags & VGPU_BAR_IO)
		return "msix_bar is I/O space: the MSI-X table is in memory";
	if (table.offset % 8 || pba.offset % 8)
		return "msix_table_offset and msix_pba_offset are multiples "
		       "of 8";
	if (!range_inside(table.offset, table.size, bar->size))
		return "the MSI-X table (16 bytes for each vector) reaches "
		       "beyond the end of msix_bar";
	if (!range_inside(pba.offset, pba.size, bar->size))
		return "the MSI-X PBA (8 bytes for each 64 vectors) reaches "
		       "beyond the end of msix_bar";
	if (overlap(table, pba))
		return "the MSI-X table and the PBA overlap";
	for (uint32_t i = 0; i < bar->n_areas; i++) {
		const struct vgpu_area *a = &bar->areas[i];
		struct extent area = { a->offset, a->size };

		if (overlap(area, table) || overlap(area, pba))
			return "an area of msix_bar overlaps the MSI-X table "
			       "or "
			       "the PBA: these are the core's";
	}
	return NULL;
}

static const char *check_cap(const struct vgpu_pci_cap *cap)
{
	switch (cap->id) {
	case 0x00:
	case 0xff:
		return "a capability has id 0x00 or 0xff, which end the list";
	case PCI_CAP_ID_PM:
	case PCI_CAP_ID_MSI:
	case PCI_CAP_ID_EXP:
	case PCI_CAP_ID_MSIX:
		return "power management, MSI, PCI Express and MSI-X are the "
		       "core's capabilities: describe them by pm, msi_vectors, "
		       "express and msix_vectors";
	}
	if (cap->reserved)
		return "a capability has something in reserved";
	if (cap->len < PCI_CAP_LIST_NEXT + 1 || cap->len > PCI_CAPS_SIZE)
		return "a capability's len is 2 to 192 bytes";
	if (cap->len > 2 && !cap->data)
		return "a capability longer than 2 bytes has no data";
	/* PCI 3.0, appendix H: the third byte is the length */
	if (cap->id == PCI_CAP_ID_VNDR &&
	    (cap->len < 3 || cap->data[0] != cap->len))
		return "a vendor-specific capability (id 9) starts with its "
		       "length: data[0] must be len";
	return NULL;
}

static const char *check_caps(const struct vgpu_pci_desc *desc)
{
	if (desc->n_caps && !desc->caps)
		return "n_caps is set but caps is NULL";
	if (desc->n_caps > PCI_MAX_VENDOR_CAPS)
		return "there are more capabilities than config space has room "
		       "for";
	for (uint32_t i = 0; i < desc->n_caps; i++) {
		const char *why = check_cap(&desc->caps[i]);

		if (why)
			return why;
	}
	if (pci_caps_bytes(desc) > PCI_CAPS_SIZE)
		return "the capabilities take more than 192 bytes (PM 8, MSI "
		       "16, MSI-X 12, PCI Express 60, and each of caps in "
		       "multiples of 4)";
	return NULL;
}

static const char *check_rom(const struct vgpu_pci_desc *desc)
{
	if (!desc->rom != !desc->rom_size)
		return "rom and rom_size are set both, or neither";
	if (desc->rom_size > PCI_MAX_ROM_SIZE)
		return "the ROM is larger than 16 MiB";
	return NULL;
}

int pci_config_check(const struct vgpu_pci_desc *desc, const char **ret_why)
{
	const char *why = check_ids(desc);

	if (!why)
		why = check_vectors(desc);
	for (unsigned n = 0; !why && n < VGPU_NUM_BARS; n++)
		why = check_bar(desc, n);
	if (!why)
		why = check_msix(desc);
	if (!why)
		why = check_caps(desc);
	if (!why)
		why = check_rom(desc);
	if (!why)
		return 0;
	*ret_why = why;
	return -EINVAL;
}
