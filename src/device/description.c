/* SPDX-License-Identifier: MIT */
#include "description.h"

#include <errno.h>
#include <stdlib.h>

#include "../pci/config.h"
#include "../util/sized.h"

/* Our @dst from their @src; 0, or -E2BIG and why in *@ret_what */
#define COPY(dst, src, size, what)                                             \
	(!sized_copy((dst), sizeof(*(dst)), (src), (size))                     \
		 ? 0                                                           \
		 : (*ret_what = "it uses what this version of vgpud does not " \
				"know, in struct " what "; update vgpud",      \
		    -E2BIG))

static int copy_areas(struct vgpu_bar *bar, const struct vgpu_module *module,
		      struct vgpu_area *areas, struct vgpu_mmio_ops *ops,
		      const char **ret_what)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < bar->n_areas; i++) {
		err = COPY(&areas[i],
			   sized_at(bar->areas, i, module->area_size),
			   module->area_size, "vgpu_area");
		if (err || !areas[i].ops)
			continue;
		err = COPY(&ops[i], areas[i].ops, module->mmio_ops_size,
			   "vgpu_mmio_ops");
		areas[i].ops = &ops[i];
	}
	bar->areas = areas;
	return err;
}

static int copy_caps(struct description *d, const struct vgpu_module *module,
		     const char **ret_what)
{
	const struct vgpu_pci_cap *theirs = d->pci.caps;
	int err = 0;

	for (uint32_t i = 0; !err && i < d->pci.n_caps; i++) {
		struct vgpu_pci_cap *cap = &d->caps[i];

		err = COPY(cap, sized_at(theirs, i, module->pci_cap_size),
			   module->pci_cap_size, "vgpu_pci_cap");
		if (err || !cap->ops)
			continue;
		err = COPY(&d->cap_ops[i], cap->ops, module->pci_cap_ops_size,
			   "vgpu_pci_cap_ops");
		cap->ops = &d->cap_ops[i];
	}
	d->pci.caps = d->caps;
	return err;
}

static bool has_list(const void *list, uint32_t n, uint32_t max)
{
	return list && n && n <= max;
}

int description_copy(struct description *d, const struct vgpu_module *module,
		     const struct vgpu_pci_desc *pci, const char **ret_what)
{
	size_t n_areas = 0;
	int err;

	*d = (struct description){ 0 };
	err = COPY(&d->pci, pci, module->pci_desc_size, "vgpu_pci_desc");
	if (err)
		return err;
	d->areas = calloc(VGPU_NUM_BARS * PCI_MAX_AREAS, sizeof(*d->areas));
	d->mmio_ops =
		calloc(VGPU_NUM_BARS * PCI_MAX_AREAS, sizeof(*d->mmio_ops));
	d->caps = calloc(PCI_MAX_VENDOR_CAPS, sizeof(*d->caps));
	d->cap_ops = calloc(PCI_MAX_VENDOR_CAPS, sizeof(*d->cap_ops));
	if (!d->areas || !d->mmio_ops || !d->caps || !d->cap_ops)
		err = -ENOMEM;
	for (unsigned i = 0; !err && i < VGPU_NUM_BARS; i++) {
		struct vgpu_bar *bar = &d->pci.bars[i];

		if (!has_list(bar->areas, bar->n_areas, PCI_MAX_AREAS))
			continue;
		err = copy_areas(bar, module, d->areas + n_areas,
				 d->mmio_ops + n_areas, ret_what);
		n_areas += bar->n_areas;
	}
	if (!err && has_list(d->pci.caps, d->pci.n_caps, PCI_MAX_VENDOR_CAPS))
		err = copy_caps(d, module, ret_what);
	if (err)
		description_free(d);
	return err;
}

void description_free(struct description *d)
{
	free(d->areas);
	free(d->mmio_ops);
	free(d->caps);
	free(d->cap_ops);
	*d = (struct description){ 0 };
}
