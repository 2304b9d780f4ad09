/* SPDX-License-Identifier: MIT */
/*
 * Regions: a BAR is a row of areas, each trapped, mapped or plain memory.
 *
 * Memory that the client may map is in one file per region, at the offsets it
 * has in the region; memory that it may not map is in another file. Trapped
 * bytes are in neither: nothing but what a client may see is in a file that
 * it holds.
 */
#ifndef DEVICE_REGION_H
#define DEVICE_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/driver.h>

struct vgpu_core;

#define REGION_MAX_AREAS 64 /* per BAR: PCI_MAX_AREAS and the core's own two */
#define REGION_MAX_SIZE  (256ull << 30) /* bytes of one BAR */

/* What a client may do with a region. MMAP: parts of it, by region_file() */
#define REGION_CAN_READ  (1u << 0)
#define REGION_CAN_WRITE (1u << 1)
#define REGION_CAN_MMAP  (1u << 2)

/* Serves a trapped area of the core itself (MSI-X table and PBA). */
struct region_handler {
	void (*read)(struct vgpu_core *core, uint64_t offset, void *buf,
		     size_t len);
	void (*write)(struct vgpu_core *core, uint64_t offset, const void *buf,
		      size_t len);
};

struct region_area {
	enum vgpu_area_kind kind;
	uint64_t offset, size;
	const struct vgpu_mmio_ops *ops;      /* the driver's, or */
	const struct region_handler *handler; /* the core's */
	void *data;			      /* for @ops */
	struct vgpu_mmio_ops ops_copy;        /* our version of *ops */
};

/**
 * struct region_file - memory of a region
 * @fd: a sealed memfd of the region's size, -1: none
 * @base: mapped here; the address outlives renewals
 */
struct region_file {
	int fd;
	uint8_t *base;
};

struct region {
	uint64_t size;
	uint32_t flags; /* REGION_CAN_* */
	uint32_t n_areas;
	struct region_area *areas; /* by offset */
	uint32_t recent;           /* the one that was accessed last */
	struct region_file mapped; /* VGPU_AREA_MAPPED: clients get this fd */
	struct region_file hidden; /* VGPU_AREA_MEMORY */
};

/**
 * region_init_bar() - build a BAR's region
 * @bar: checked by pci_config_check()
 * @extra: areas of the core, served by handlers; added to the driver's
 */
int region_init_bar(struct region *region, const char *name,
		    const struct vgpu_bar *bar, const struct region_area *extra,
		    size_t n_extra);
void region_fini(struct region *region);

/* Replace all memory by new, zeroed files at the same addresses. */
int region_renew(struct region *region, const char *name);

/* The area that has @offset, or NULL. */
const struct region_area *region_area_at(const struct region *region,
					 uint64_t offset);

/* Memory at [offset, offset + len) if that is in one memory area, or NULL. */
void *region_memory(const struct region *region, uint64_t offset, uint64_t len);

/* Memory that a read of @count bytes is just a copy of, or NULL: then ask
 * region_read(). */
const void *region_peek(struct vgpu_core *core, uint32_t index,
			uint64_t offset, uint32_t count);

/**
 * region_read() - what a client's read gets
 * @index: any number
 *
 * Return: 0; -EINVAL: no such region, or not inside it.
 */
int region_read(struct vgpu_core *core, uint32_t index, uint64_t offset,
		void *buf, uint32_t count);
/* As region_read(); -EPERM: a region without the WRITE flag. */
int region_write(struct vgpu_core *core, uint32_t index, uint64_t offset,
		 const void *buf, uint32_t count);

/**
 * region_file() - the file behind the mapped areas of a region
 * @ret_fd: stays the region's
 * @ret_size: bytes
 *
 * Return: 0; -ENOENT: no such region; -ENODATA: it has no mapped area.
 */
int region_file(struct vgpu_core *core, unsigned index, int *ret_fd,
		uint64_t *ret_size);

#endif
