/* SPDX-License-Identifier: MIT */
/*
 * An IOMMU backend for hardware whose mappings are few and indivisible, as
 * those of VFIO's type1v2 are (65,535 of them, and none can be cut).
 *
 * Memory is mapped in aligned chunks: the first pin in one maps it, the last
 * one unmaps it. A chunk never reaches beyond the range that its client has
 * mapped, and lies at the same offset in its block of device addresses as in
 * its block of memory, so that the IOMMU can use large pages.
 */
#ifndef DMA_IOMMU_CHUNKS_H
#define DMA_IOMMU_CHUNKS_H

#include <vgpu/iommu.h>

#include "iova.h"

#define IOMMU_CHUNK_MAX (2ull << 20) /* bytes of the largest chunk */

/**
 * struct iommu_chunk_ops - what maps and unmaps a chunk
 * @map: [@ptr, @ptr + @size) at @iova. 0 or negative errno.
 * @unmap: exactly what was mapped so. 0 or negative errno: then its addresses
 *         are not used any more.
 * @destroy: optional; the backend goes
 */
struct iommu_chunk_ops {
	int (*map)(void *ctx, uint64_t iova, void *ptr, uint64_t size,
		   unsigned prot);
	int (*unmap)(void *ctx, uint64_t iova, uint64_t size);
	void (*destroy)(void *ctx);
};

/**
 * struct iommu_chunks_config - what the hardware can do
 * @name: for logs
 * @ctx: for @ops
 * @ranges: addresses that can be mapped
 * @mask: highest address that the device can use
 * @max_mappings: chunks at once
 * @chunk: bytes, a power of two up to IOMMU_CHUNK_MAX; 0: as large as leaves
 *         room for many
 */
struct iommu_chunks_config {
	const char *name;
	const struct iommu_chunk_ops *ops;
	void *ctx;
	const struct iova_range *ranges;
	size_t n_ranges;
	uint64_t mask;
	uint32_t max_mappings;
	uint64_t chunk;
};

/* 0; -ENOSPC: no address the device reaches can be mapped; -ENOMEM */
int iommu_chunks_new(const struct iommu_chunks_config *config,
		     struct vgpu_iommu **ret_iommu);

#endif
