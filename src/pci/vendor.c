/* SPDX-License-Identifier: MIT */
/* The driver's own capabilities: bytes, and ops that notice accesses. */
#include "internal.h"

#include <errno.h>

#include <linux/pci_regs.h>

#define BODY PCI_CAP_FLAGS /* the driver's bytes start behind id and next */

void pci_vendor_layout(struct pci_config *config, unsigned at,
		       const struct vgpu_pci_cap *cap)
{
	struct pci_vendor_cap *v = &config->vendor[config->n_vendor++];

	*v = (struct pci_vendor_cap){ .at = (uint8_t)at, .len = cap->len };
	for (unsigned i = 0; i + BODY < cap->len; i++)
		pci_define(config, at + BODY + i, 1, cap->data[i],
			   cap->writable ? cap->writable[i] : 0);
	if (!cap->ops)
		return;
	v->has_ops = true;
	v->ops = *cap->ops;
	memset(config->live + at + BODY, 0xff, cap->len - BODY);
}

/* Cut [offset, offset + len) down to the capability's body. */
static bool touches(const struct pci_vendor_cap *v, unsigned offset, size_t len,
		    unsigned *ret_offset, unsigned *ret_len)
{
	size_t start = MAX(offset, v->at + (unsigned)BODY);
	size_t end = MIN(offset + len, (size_t)v->at + v->len);

	if (start >= end)
		return false;
	*ret_offset = (unsigned)(start - v->at);
	*ret_len = (unsigned)(end - start);
	return true;
}

void pci_vendor_before_read(struct pci_config *config, unsigned offset,
			    size_t len)
{
	unsigned at, n;

	for (uint32_t i = 0; i < config->n_vendor; i++)
		if (config->vendor[i].ops.before_read &&
		    touches(&config->vendor[i], offset, len, &at, &n))
			config->ops->cap_read(&config->vendor[i].ops, i, at, n,
					      config->user);
}

void pci_vendor_written(struct pci_config *config, unsigned offset, size_t len)
{
	unsigned at, n;

	for (uint32_t i = 0; i < config->n_vendor; i++)
		if (config->vendor[i].ops.written &&
		    touches(&config->vendor[i], offset, len, &at, &n))
			config->ops->cap_written(&config->vendor[i].ops, i, at,
						 n, config->user);
}

int pci_config_cap_load(const struct pci_config *config, unsigned cap,
			unsigned offset, void *buf, size_t len)
{
	uint8_t *p = buf;

	if (cap >= config->n_vendor ||
	    !range_inside(offset, len, config->vendor[cap].len))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)pci_load(
			config, config->vendor[cap].at + offset + (unsigned)i,
			1);
	return 0;
}

int pci_config_cap_store(struct pci_config *config, unsigned cap,
			 unsigned offset, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	if (cap >= config->n_vendor || offset < BODY ||
	    !range_inside(offset, len, config->vendor[cap].len))
		return -EINVAL;
	if (!config->vendor[cap].has_ops)
		return -EPERM;
	for (size_t i = 0; i < len; i++)
		pci_store8(config,
			   config->vendor[cap].at + offset + (unsigned)i, p[i]);
	return 0;
}
