/* SPDX-License-Identifier: MIT */
#include "msix.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/pci_regs.h>

#include "../state/arena.h"
#include "internal.h"

#define BLOCK_NAME    "pci.msix"
#define BLOCK_VERSION 1u

#define ENTRY_DWORDS 4u
#define PBA_BITS     64u

/**
 * struct msix_state - the block in the arena
 * @written: the client has written the table since the last reset
 * @table: ENTRY_DWORDS for each vector: address, upper address, data, control
 * @pba: a bit for each vector
 *
 * Of one size for any number of vectors, so that a field table describes it.
 * Values are in the host's order; other threads look at @written, at control
 * dwords and at the PBA.
 */
struct msix_state {
	uint32_t written;
	uint32_t reserved;
	uint32_t table[PCI_MAX_MSIX * ENTRY_DWORDS];
	uint64_t pba[PCI_MAX_MSIX / PBA_BITS];
};

static const struct vgpu_field state_fields[] = {
	VGPU_FIELD(struct msix_state, written, 1),
	VGPU_FIELD_ARRAY(struct msix_state, table, 1),
	VGPU_FIELD_ARRAY(struct msix_state, pba, 1),
};

struct msix {
	struct msix_state *state;
	unsigned vectors;
	bool function_masked; /* config space has it */
	msix_unmasked_fn unmasked;
	void *user;
};

uint64_t pci_msix_table_size(unsigned vectors)
{
	return (uint64_t)vectors * PCI_MSIX_ENTRY_SIZE;
}

uint64_t pci_msix_pba_size(unsigned vectors)
{
	return align_up(vectors, PBA_BITS) / 8;
}

uint64_t msix_table_size(const struct msix *msix)
{
	return pci_msix_table_size(msix->vectors);
}

uint64_t msix_pba_size(const struct msix *msix)
{
	return pci_msix_pba_size(msix->vectors);
}

/* ------------------------------------------------------------------ */
/* State                                                               */
/* ------------------------------------------------------------------ */

static uint32_t *control_of(const struct msix *msix, unsigned vector)
{
	return &msix->state->table[vector * ENTRY_DWORDS +
				   PCI_MSIX_ENTRY_VECTOR_CTRL / 4];
}

void msix_reset(struct msix *msix)
{
	struct msix_state *state = msix->state;

	__atomic_store_n(&state->written, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&msix->function_masked, false, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < msix->vectors * ENTRY_DWORDS; i++)
		__atomic_store_n(&state->table[i],
				 i % ENTRY_DWORDS ==
						 PCI_MSIX_ENTRY_VECTOR_CTRL / 4
					 ? PCI_MSIX_ENTRY_CTRL_MASKBIT
					 : 0,
				 __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < ARRAY_SIZE(state->pba); i++)
		__atomic_store_n(&state->pba[i], 0, __ATOMIC_SEQ_CST);
}

int msix_new(struct arena *arena, unsigned vectors, msix_unmasked_fn unmasked,
	     void *user, struct msix **ret_msix)
{
	struct msix *msix;
	void *block;
	int ret, err;

	if (!vectors || vectors > PCI_MAX_MSIX)
		return -EINVAL;
	ret = arena_block(arena, BLOCK_NAME, BLOCK_VERSION,
			  sizeof(struct msix_state), &block);
	if (ret < 0)
		return ret;
	err = arena_describe(arena, BLOCK_NAME, state_fields,
			     ARRAY_SIZE(state_fields));
	if (err)
		return err;
	msix = calloc(1, sizeof(*msix));
	if (!msix)
		return -ENOMEM;
	msix->state = block;
	msix->vectors = vectors;
	msix->unmasked = unmasked;
	msix->user = user;
	if (ret == 1)
		msix_reset(msix);
	*ret_msix = msix;
	return 0;
}

void msix_free(struct msix *msix)
{
	free(msix);
}

/* ------------------------------------------------------------------ */
/* Access                                                              */
/* ------------------------------------------------------------------ */

void msix_table_read(const struct msix *msix, uint64_t offset, void *buf,
		     size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t at = offset + i;

		p[i] = range_inside(offset, i + 1, msix_table_size(msix))
			       ? (uint8_t)(msix->state->table[at / 4] >>
					   at % 4 * 8)
			       : 0xff;
	}
}

/* Of Vector Control only the mask bit is there, of the address all but the
 * two lowest bits. */
static uint32_t writable_bits(uint64_t dword)
{
	switch (dword % ENTRY_DWORDS) {
	case PCI_MSIX_ENTRY_LOWER_ADDR / 4:
		return ~3u;
	case PCI_MSIX_ENTRY_VECTOR_CTRL / 4:
		return PCI_MSIX_ENTRY_CTRL_MASKBIT;
	default:
		return ~0u;
	}
}

static void write_dword(struct msix *msix, uint64_t dword, uint32_t value,
			uint32_t enabled)
{
	uint32_t *reg = &msix->state->table[dword];
	uint32_t rw = writable_bits(dword) & enabled;
	uint32_t old = *reg, new = (old & ~rw) | (value & rw);

	__atomic_store_n(reg, new, __ATOMIC_SEQ_CST);
	if (dword % ENTRY_DWORDS == PCI_MSIX_ENTRY_VECTOR_CTRL / 4 &&
	    (old & ~new &PCI_MSIX_ENTRY_CTRL_MASKBIT) && !msix->function_masked)
		msix->unmasked((unsigned)(dword / ENTRY_DWORDS), msix->user);
}

void msix_table_write(struct msix *msix, uint64_t offset, const void *buf,
		      size_t len)
{
	const uint8_t *p = buf;

	if (!range_inside(offset, len, msix_table_size(msix)))
		return;
	if (len)
		__atomic_store_n(&msix->state->written, 1, __ATOMIC_SEQ_CST);
	while (len) {
		unsigned lane = offset % 4;
		size_t n = MIN(len, 4 - lane);
		uint8_t value[4] = { 0 }, enabled[4] = { 0 };

		memcpy(value + lane, p, n);
		memset(enabled + lane, 0xff, n);
		write_dword(msix, offset / 4, get_le32(value),
			    get_le32(enabled));
		offset += n;
		p += n;
		len -= n;
	}
}

void msix_pba_read(const struct msix *msix, uint64_t offset, void *buf,
		   size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t at = offset + i;

		p[i] = 0xff;
		if (range_inside(offset, i + 1, msix_pba_size(msix)))
			p[i] = (uint8_t)(__atomic_load_n(
						 &msix->state->pba[at / 8],
						 __ATOMIC_SEQ_CST) >>
					 at % 8 * 8);
	}
}

/* ------------------------------------------------------------------ */
/* Vectors                                                             */
/* ------------------------------------------------------------------ */

bool msix_vector_masked(const struct msix *msix, unsigned vector)
{
	if (vector >= msix->vectors)
		return true;
	if (!__atomic_load_n(&msix->state->written, __ATOMIC_SEQ_CST))
		return false;
	if (__atomic_load_n(&msix->function_masked, __ATOMIC_SEQ_CST))
		return true;
	return __atomic_load_n(control_of(msix, vector), __ATOMIC_SEQ_CST) &
	       PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void msix_set_function_mask(struct msix *msix, bool masked)
{
	bool was = msix->function_masked;

	__atomic_store_n(&msix->function_masked, masked, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; was && !masked && i < msix->vectors; i++)
		if (!msix_vector_masked(msix, i))
			msix->unmasked(i, msix->user);
}

void msix_set_pending(struct msix *msix, unsigned vector)
{
	if (vector < msix->vectors)
		__atomic_fetch_or(&msix->state->pba[vector / PBA_BITS],
				  1ull << vector % PBA_BITS, __ATOMIC_SEQ_CST);
}

void msix_clear_pending(struct msix *msix, unsigned vector)
{
	msix_take_pending(msix, vector);
}

bool msix_take_pending(struct msix *msix, unsigned vector)
{
	uint64_t bit = 1ull << vector % PBA_BITS;

	if (vector >= msix->vectors)
		return false;
	return __atomic_fetch_and(&msix->state->pba[vector / PBA_BITS], ~bit,
				  __ATOMIC_SEQ_CST) &
	       bit;
}
