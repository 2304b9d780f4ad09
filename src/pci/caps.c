/* SPDX-License-Identifier: MIT */
/*
 * The capabilities: what each looks like, in the order of the list, and the
 * fields in them that take some values only.
 */
#include "internal.h"

#include <linux/pci_regs.h>

/* Bytes that each occupies, id and next pointer included */
#define PM_SIZE	     PCI_PM_SIZEOF
#define MSI_SIZE     14u /* 64-bit address, no per-vector masks */
#define MSIX_SIZE    12u
#define EXPRESS_SIZE 60u /* version 2: all registers, slot and root as well */

#define PM_VERSION 3u /* PCI PM 1.2 */

/* The link that guests see: there is none, but tools look. 5 GT/s is the
 * fastest one that brings no extended capabilities along. */
#define LINK_SPEED  PCI_EXP_LNKCAP_SLS_5_0GB
#define LINK_SPEEDS (PCI_EXP_LNKCAP2_SLS_2_5GB | PCI_EXP_LNKCAP2_SLS_5_0GB)
#define LINK_WIDTH  (16u << PCI_EXP_LNKSTA_NLW_SHIFT)

#define LNKCAP_ASPM_OPTIONALITY (1u << 22) /* mandatory since PCIe 3.0 */

static size_t room(size_t len)
{
	return align_up(len, PCI_CAP_ALIGN);
}

size_t pci_caps_bytes(const struct vgpu_pci_desc *desc)
{
	size_t n = 0;

	if (desc->pm)
		n += room(PM_SIZE);
	if (desc->msi_vectors)
		n += room(MSI_SIZE);
	if (desc->msix_vectors)
		n += room(MSIX_SIZE);
	if (desc->express)
		n += room(EXPRESS_SIZE);
	for (uint32_t i = 0; i < desc->n_caps; i++)
		n += room(desc->caps[i].len);
	return n;
}

/* ------------------------------------------------------------------ */
/* Layout                                                              */
/* ------------------------------------------------------------------ */

/* Where the list is being extended. */
struct cursor {
	unsigned at;   /* the next capability goes here */
	unsigned link; /* the pointer that will lead to it */
};

static uint8_t append(struct pci_config *config, struct cursor *cur, uint8_t id,
		      size_t len)
{
	unsigned at = cur->at;

	pci_put(config->initial, cur->link, 1, at);
	pci_put(config->initial, at, 1, id);
	cur->link = at + 1;
	cur->at += (unsigned)room(len);
	return (uint8_t)at;
}

/* D0 and D3hot, no PME, no data register. No_Soft_Reset is 0: waking up from
 * D3hot resets, which is what the power-on path of drivers expects. */
static void layout_pm(struct pci_config *config, unsigned at)
{
	pci_define(config, at + PCI_PM_PMC, 2, PM_VERSION, 0);
	pci_define(config, at + PCI_PM_CTRL, 2, 0, PCI_PM_CTRL_STATE_MASK);
}

/* No per-vector masks: VFIO has no way to tell of one. */
static void layout_msi(struct pci_config *config, unsigned at, unsigned vectors)
{
	unsigned mmc = (unsigned)__builtin_ctz(vectors);

	pci_define(config, at + PCI_MSI_FLAGS, 2,
		   PCI_MSI_FLAGS_64BIT | mmc << 1,
		   PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	pci_define(config, at + PCI_MSI_ADDRESS_LO, 4, 0, ~3u);
	pci_define(config, at + PCI_MSI_ADDRESS_HI, 4, 0, ~0u);
	pci_define(config, at + PCI_MSI_DATA_64, 2, 0, 0xffff);
}

static void layout_msix(struct pci_config *config, unsigned at,
			const struct vgpu_pci_desc *desc)
{
	pci_define(config, at + PCI_MSIX_FLAGS, 2, desc->msix_vectors - 1u,
		   PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE);
	pci_define(config, at + PCI_MSIX_TABLE, 4,
		   desc->msix_table_offset | desc->msix_bar, 0);
	pci_define(config, at + PCI_MSIX_PBA, 4,
		   desc->msix_pba_offset | desc->msix_bar, 0);
}

/* PCIe 7.5.3: only legacy endpoints may ask for I/O space. */
static unsigned express_type(const struct vgpu_pci_desc *desc)
{
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++)
		if (desc->bars[i].size && (desc->bars[i].flags & VGPU_BAR_IO))
			return PCI_EXP_TYPE_LEG_END;
	return PCI_EXP_TYPE_ENDPOINT;
}

static void layout_link(struct pci_config *config, unsigned at)
{
	const unsigned control = PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB |
				 PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES;

	pci_define(config, at + PCI_EXP_LNKCAP, 4,
		   LINK_SPEED | LINK_WIDTH | LNKCAP_ASPM_OPTIONALITY, 0);
	pci_define(config, at + PCI_EXP_LNKCTL, 2, 0, control);
	pci_define(config, at + PCI_EXP_LNKSTA, 2,
		   LINK_SPEED | LINK_WIDTH | PCI_EXP_LNKSTA_SLC, 0);
	pci_define(config, at + PCI_EXP_LNKCAP2, 4, LINK_SPEEDS, 0);
	pci_define(config, at + PCI_EXP_LNKCTL2, 2, LINK_SPEED,
		   PCI_EXP_LNKCTL2_TLS);
	/* PCIe 6.6.2: the link belongs to both its ends, so a reset of the
	 * function leaves its set-up alone. */
	pci_put(config->sticky, at + PCI_EXP_LNKCTL, 2, control);
	pci_put(config->sticky, at + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS);
}

static void layout_express(struct pci_config *config, unsigned at,
			   const struct vgpu_pci_desc *desc)
{
	const unsigned errors = PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
				PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE;
	const unsigned ordering = PCI_EXP_DEVCTL_RELAX_EN |
				  PCI_EXP_DEVCTL_NOSNOOP_EN;

	pci_define(config, at + PCI_EXP_FLAGS, 2, 2 | express_type(desc) << 4,
		   0);
	/* Payloads of 128 bytes only, so Max_Payload_Size is 0 and fixed. */
	pci_define(config, at + PCI_EXP_DEVCAP, 4,
		   PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR, 0);
	/* Initiate FLR reads as 0: it is no storage, see pci_config_write(). */
	pci_define(config, at + PCI_EXP_DEVCTL, 2,
		   ordering | PCI_EXP_DEVCTL_READRQ_512B,
		   errors | ordering | PCI_EXP_DEVCTL_READRQ);
	pci_put(config->w1c, at + PCI_EXP_DEVSTA, 2,
		PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED |
			PCI_EXP_DEVSTA_URD);
	layout_link(config, at);
	pci_define(config, at + PCI_EXP_DEVCAP2, 4,
		   PCI_EXP_DEVCAP2_COMP_TMOUT_DIS, 0);
	pci_define(config, at + PCI_EXP_DEVCTL2, 2, 0,
		   PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
}

void pci_caps_layout(struct pci_config *config,
		     const struct vgpu_pci_desc *desc)
{
	struct cursor cur = { .at = PCI_CAPS_START,
			      .link = PCI_CAPABILITY_LIST };

	if (desc->pm) {
		config->pm = append(config, &cur, PCI_CAP_ID_PM, PM_SIZE);
		layout_pm(config, config->pm);
	}
	if (desc->msi_vectors) {
		config->msi = append(config, &cur, PCI_CAP_ID_MSI, MSI_SIZE);
		layout_msi(config, config->msi, desc->msi_vectors);
	}
	if (desc->msix_vectors) {
		config->msix = append(config, &cur, PCI_CAP_ID_MSIX, MSIX_SIZE);
		layout_msix(config, config->msix, desc);
	}
	if (desc->express) {
		config->express =
			append(config, &cur, PCI_CAP_ID_EXP, EXPRESS_SIZE);
		layout_express(config, config->express, desc);
	}
	for (uint32_t i = 0; i < desc->n_caps; i++) {
		const struct vgpu_pci_cap *cap = &desc->caps[i];

		pci_vendor_layout(config,
				  append(config, &cur, cap->id, cap->len), cap);
	}
	if (cur.at != PCI_CAPS_START)
		config->initial[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

/* ------------------------------------------------------------------ */
/* Values                                                              */
/* ------------------------------------------------------------------ */

/* PCI PM 1.2, 3.2.4: a write of an unsupported state is dropped. */
static uint32_t settle_power(uint32_t old, uint32_t value)
{
	uint32_t state = value & PCI_PM_CTRL_STATE_MASK;

	if (state == 0 || state == 3)
		return value;
	return (value & ~(uint32_t)PCI_PM_CTRL_STATE_MASK) |
	       (old & PCI_PM_CTRL_STATE_MASK);
}

/* Enabling more vectors than there are (or a reserved number) enables all. */
static uint32_t settle_msi(uint32_t value)
{
	uint32_t capable = value >> 17 & 7, enabled = value >> 20 & 7;

	if (enabled <= capable)
		return value;
	return (value & ~(7u << 20)) | capable << 20;
}

uint32_t pci_caps_settle(const struct pci_config *config, unsigned reg,
			 uint32_t old, uint32_t value)
{
	if (config->pm && reg == config->pm + (unsigned)PCI_PM_CTRL)
		return settle_power(old, value);
	if (config->msi && reg == config->msi)
		return settle_msi(value);
	return value;
}

const uint8_t *pci_config_power_byte(const struct pci_config *config)
{
	static const uint8_t always_d0;

	return config->pm ? config->bytes + config->pm + PCI_PM_CTRL :
			    &always_d0;
}

unsigned pci_config_power_state(const struct pci_config *config)
{
	return __atomic_load_n(pci_config_power_byte(config),
			       __ATOMIC_RELAXED) &
	       PCI_PM_CTRL_STATE_MASK;
}

static bool flag(const struct pci_config *config, unsigned cap, unsigned bit)
{
	/* Message Control is at the same place in MSI and MSI-X. */
	return cap && (pci_load(config, cap + PCI_MSI_FLAGS, 2) & bit);
}

bool pci_config_msi_enabled(const struct pci_config *config)
{
	return flag(config, config->msi, PCI_MSI_FLAGS_ENABLE);
}

bool pci_config_msix_enabled(const struct pci_config *config)
{
	return flag(config, config->msix, PCI_MSIX_FLAGS_ENABLE);
}

bool pci_config_msix_masked(const struct pci_config *config)
{
	return flag(config, config->msix, PCI_MSIX_FLAGS_MASKALL);
}

unsigned pci_config_msi_count(const struct pci_config *config)
{
	unsigned control;

	if (!config->msi)
		return 1;
	control = pci_load(config, config->msi + PCI_MSI_FLAGS, 2);
	return 1u << ((control & PCI_MSI_FLAGS_QSIZE) >> 4);
}

unsigned pci_config_find_cap(const struct pci_config *config, uint8_t id)
{
	unsigned at = config->initial[PCI_CAPABILITY_LIST];

	/* Our own list, of RO bytes: it ends. */
	while (at && config->initial[at] != id)
		at = config->initial[at + PCI_CAP_LIST_NEXT];
	return at;
}
