/* SPDX-License-Identifier: MIT */
/* Asynchronous copies: see vgpu_dma_read_async(). The loop's thread. */
#ifndef DMA_REMOTE_H
#define DMA_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dma_space;

typedef void (*dma_copied_fn)(int err, void *user);

/* @buf: where to, or where from with @write. Errors: vgpu_dma_read_async()'s */
int dma_space_copy(struct dma_space *space, bool write, uint64_t iova,
		   void *buf, size_t len, dma_copied_fn done, void *user);

/* End those whose user matches; all with a NULL @match. */
typedef bool (*dma_copied_match_fn)(void *copy_user, void *user);
void dma_space_cancel(struct dma_space *space, dma_copied_match_fn match,
		      void *user);

#endif
