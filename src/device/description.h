/* SPDX-License-Identifier: MIT */
/*
 * A driver's description of a PCI function, in our version of its structures:
 * the one place that knows how long they are in the driver.
 */
#ifndef DEVICE_DESCRIPTION_H
#define DEVICE_DESCRIPTION_H

#include <vgpu/driver.h>

/**
 * struct description - a description and all that it points to
 * @pci: points into the rest, but for what the driver's names as its own
 */
struct description {
	struct vgpu_pci_desc pci;
	struct vgpu_area *areas;
	struct vgpu_mmio_ops *mmio_ops; /* one for each of @areas */
	struct vgpu_pci_cap *caps;
	struct vgpu_pci_cap_ops *cap_ops; /* one for each of @caps */
};

/**
 * description_copy() - ours, from a driver's
 * @module: how long structures are in the driver
 * @ret_what: on -E2BIG: the sentence that tells what is wrong
 *
 * Lists that are too long, or not there, are not copied: checking the
 * description finds that out.
 *
 * Return: 0, and description_free() it; -E2BIG, -ENOMEM.
 */
int description_copy(struct description *d, const struct vgpu_module *module,
		     const struct vgpu_pci_desc *pci, const char **ret_what);
void description_free(struct description *d);

#endif
