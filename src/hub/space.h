/* SPDX-License-Identifier: MIT */
/*
 * The address space of one vGPU, as its parent keeps it: the memory that the
 * worker has sent, and the device addresses that it got for pages of it. An
 * address that is not in here is not that vGPU's, whatever its worker says.
 *
 * Every number from the worker is checked here. The parent's loop.
 */
#ifndef HUB_SPACE_H
#define HUB_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "../link/wire.h"

struct hub_share;
struct hub_space;

/* @iommu: the parent's backend; outlives the space. */
int hub_space_new(struct vgpu_iommu *iommu, struct hub_space **ret_space);

/**
 * hub_space_free() - take everything back
 *
 * Nothing is held any more. NULL is fine.
 */
void hub_space_free(struct hub_space *space);

/**
 * hub_space_memory() - memory of the worker's client
 * @fd: stays the caller's
 *
 * Return: 0; -EINVAL: id, protection, alignment, not a file that is allowed,
 * or one that is too short; -EEXIST: the id is in use; -EACCES: the file is not
 * open for that; -ENOSPC: WIRE_MAX_FILES; -EDQUOT: more than its share; -ENOMEM,
 * -EMFILE.
 */
int hub_space_memory(struct hub_space *space,
			const struct wire_memory *memory, int fd);

/* Return: 0; -ENOENT; -EBUSY: pages of it are mapped. */
int hub_space_forget(struct hub_space *space, uint32_t id);

/**
 * hub_space_map() - give pages device addresses; all or none
 * @n: at most WIRE_MAX_PAGES
 *
 * Return: bytes, as the backend says; -EINVAL: protection; -ENOENT: no such
 * memory; -EFAULT: not a page of it; -EACCES: more than the memory allows;
 * -ENOSPC: WIRE_MAX_MAPPED; -EDQUOT: over the limit; or what the backend says.
 */
int64_t hub_space_map(struct hub_space *space,
			 const struct wire_page *pages, unsigned n,
			 unsigned prot, uint64_t *ret_addrs);

/**
 * hub_space_unmap() - take device addresses back
 *
 * Return: bytes, as the backend says; -EFAULT: one of them is not this
 * space's, and none was taken; -EAGAIN: one of them is held: try again once
 * hub_space_put() said so. None was taken then, either.
 */
int64_t hub_space_unmap(struct hub_space *space, const uint64_t *addrs,
			   unsigned n);

/* Bytes, as the backend counts them, that may be mapped from now on; what is
 * mapped stays. At first there is no limit. */
void hub_space_set_limit(struct hub_space *space, uint64_t bytes);

/* Files are mapped on this share's account, which outlives the space. Before the
 * first one; without it there is no limit. */
void hub_space_set_share(struct hub_space *space,
			    struct hub_share *share);

/* Is [@addr, @addr + @len) mapped for @prot? */
bool hub_space_owns(const struct hub_space *space, uint64_t addr,
		       uint64_t len, unsigned prot);

/* Hold pages that hub_space_owns(), and let go of them. */
void hub_space_get(struct hub_space *space, uint64_t addr, uint64_t len);
void hub_space_put(struct hub_space *space, uint64_t addr, uint64_t len);
/* Does anybody hold the page at @addr? */
bool hub_space_is_held(const struct hub_space *space, uint64_t addr);
/* Pages held; each hold counts. */
uint64_t hub_space_held(const struct hub_space *space);
uint64_t hub_space_mapped(const struct hub_space *space);
/* Mapped, as the backend counts. */
uint64_t hub_space_bytes(const struct hub_space *space);

#endif
