/* SPDX-License-Identifier: MIT */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../pci/config.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "device.h"
#include "irq.h"
#include "mmio.h"

/* ------------------------------------------------------------------ */
/* Building                                                            */
/* ------------------------------------------------------------------ */

static int by_offset(const void *a, const void *b)
{
	const struct region_area *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The file is sealed: a client that holds it can neither shrink it under us
 * nor grow it at our cost. */
static int new_file(const char *name, uint64_t size)
{
	cleanup_fd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Map a new file at file->base, or anywhere the first time. */
static int file_renew(struct region_file *file, const char *name, uint64_t size)
{
	int fd = new_file(name, size);
	void *base;
	int err;

	if (fd < 0)
		return fd;
	base = mmap(file->base, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE | (file->base ? MAP_FIXED : 0),
		    fd, 0);
	if (base == MAP_FAILED) {
		err = -errno;
		close_fd(fd);
		return err;
	}
	close_fd(file->fd);
	file->fd = fd;
	file->base = base;
	return 0;
}

static bool is_memory(enum vgpu_area_kind kind)
{
	return kind == VGPU_AREA_MAPPED || kind == VGPU_AREA_MEMORY;
}

static bool has_kind(const struct region *region, enum vgpu_area_kind kind)
{
	for (uint32_t i = 0; i < region->n_areas; i++)
		if (region->areas[i].kind == kind)
			return true;
	return false;
}

int region_renew(struct region *region, const char *name)
{
	int err = 0;

	if (has_kind(region, VGPU_AREA_MAPPED))
		err = file_renew(&region->mapped, name, region->size);
	if (!err && has_kind(region, VGPU_AREA_MEMORY))
		err = file_renew(&region->hidden, name, region->size);
	return err;
}

static void copy_ops(struct region_area *area)
{
	area->ops_copy = *area->ops;
	area->ops = &area->ops_copy;
	if (!area->ops_copy.max_access)
		area->ops_copy.min_access = area->ops_copy.max_access = 4;
}

int region_init_bar(struct region *region, const char *name,
		    const struct vgpu_bar *bar, const struct region_area *extra,
		    size_t n_extra)
{
	size_t n = bar->n_areas + n_extra;
	int err;

	region->mapped.fd = -1;
	region->hidden.fd = -1;
	if (!bar->size)
		return 0;
	if (n > REGION_MAX_AREAS || bar->size > REGION_MAX_SIZE)
		return -E2BIG;
	region->areas = calloc(n ? n : 1, sizeof(*region->areas));
	if (!region->areas)
		return -ENOMEM;
	region->size = bar->size;
	region->flags = REGION_CAN_READ | REGION_CAN_WRITE;
	for (uint32_t i = 0; i < bar->n_areas; i++) {
		const struct vgpu_area *a = &bar->areas[i];

		region->areas[i] = (struct region_area){
			.kind = a->kind,
			.offset = a->offset,
			.size = a->size,
			.ops = is_memory(a->kind) ? NULL : a->ops,
			.data = a->data,
		};
	}
	for (size_t i = 0; i < n_extra; i++)
		region->areas[bar->n_areas + i] = extra[i];
	region->n_areas = (uint32_t)n;
	qsort(region->areas, n, sizeof(*region->areas), by_offset);
	for (size_t i = 0; i < n; i++)
		if (region->areas[i].ops)
			copy_ops(&region->areas[i]); /* they don't move any more */
	if (has_kind(region, VGPU_AREA_MAPPED))
		region->flags |= REGION_CAN_MMAP;
	err = region_renew(region, name);
	if (err)
		region_fini(region);
	return err;
}

void region_fini(struct region *region)
{
	struct region_file *files[] = { &region->mapped, &region->hidden };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (files[i]->base)
			munmap(files[i]->base, region->size);
		files[i]->base = NULL;
		/* A region that was never built has fd 0, and no areas. */
		if (region->areas)
			close_fd(files[i]->fd);
		files[i]->fd = -1;
	}
	free(region->areas);
	region->areas = NULL;
	region->n_areas = 0;
	region->size = 0;
}

/* ------------------------------------------------------------------ */
/* Looking up                                                          */
/* ------------------------------------------------------------------ */

/* Index of the first area that ends behind @offset. */
static uint32_t area_from(const struct region *region, uint64_t offset)
{
	uint32_t lo = 0, hi = region->n_areas;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		const struct region_area *a = &region->areas[mid];

		if (a->offset + a->size <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct region_area *region_area_at(const struct region *region,
					 uint64_t offset)
{
	uint32_t i = area_from(region, offset);

	if (i < region->n_areas && region->areas[i].offset <= offset)
		return &region->areas[i];
	return NULL;
}

/* The area that has all of [@offset, @offset + @len), or NULL. An access mostly
 * goes to where the last one went. */
static const struct region_area *area_around(struct region *region,
					     uint64_t offset, uint64_t len)
{
	const struct region_area *a = &region->areas[region->recent];
	uint32_t i;

	if (!region->n_areas)
		return NULL;
	if (range_inside(offset - a->offset, len, a->size))
		return a;
	i = area_from(region, offset);
	if (i == region->n_areas)
		return NULL;
	a = &region->areas[i];
	if (!range_inside(offset - a->offset, len, a->size))
		return NULL;
	region->recent = i;
	return a;
}

static uint8_t *area_base(const struct region *region,
			  const struct region_area *area)
{
	return area->kind == VGPU_AREA_MAPPED ? region->mapped.base :
						region->hidden.base;
}

void *region_memory(const struct region *region, uint64_t offset, uint64_t len)
{
	const struct region_area *area = region_area_at(region, offset);

	if (!area || !is_memory(area->kind) ||
	    !range_inside(offset - area->offset, len, area->size))
		return NULL;
	return area_base(region, area) + offset;
}

int region_file(struct vgpu_core *core, unsigned index, int *ret_fd,
		uint64_t *ret_size)
{
	if (index >= VGPU_NUM_BARS || !core->regions[index].size)
		return -ENOENT;
	if (core->regions[index].mapped.fd < 0)
		return -ENODATA;
	*ret_fd = core->regions[index].mapped.fd;
	*ret_size = core->regions[index].size;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Access                                                              */
/* ------------------------------------------------------------------ */

/* PCI PM 1.2, 5.3.1: in D3hot a function answers config accesses only. */
static bool asleep(const struct vgpu_core *core)
{
	return (__atomic_load_n(core->power, __ATOMIC_RELAXED) & 3) == 3;
}

static void read_area(struct vgpu_core *core, const struct region *region,
		      const struct region_area *area, uint64_t offset,
		      void *buf, size_t len)
{
	if (is_memory(area->kind))
		memcpy(buf, area_base(region, area) + offset, len);
	else if (area->handler)
		area->handler->read(core, offset - area->offset, buf, len);
	else
		mmio_read(core->dev, area->ops, area->data,
			  offset - area->offset, buf, len);
}

static void write_area(struct vgpu_core *core, const struct region *region,
		       const struct region_area *area, uint64_t offset,
		       const void *buf, size_t len)
{
	if (is_memory(area->kind))
		memcpy(area_base(region, area) + offset, buf, len);
	else if (area->handler)
		area->handler->write(core, offset - area->offset, buf, len);
	else
		mmio_write(core->dev, area->ops, area->data,
			   offset - area->offset, buf, len);
}

/* An access across the bounds of areas. Not inlined: its registers would be
 * saved for every other access, too. */
static __attribute__((noinline)) void
read_areas(struct vgpu_core *core, const struct region *region, uint64_t offset,
	   uint8_t *buf, size_t len)
{
	uint32_t i = area_from(region, offset);

	while (len) {
		const struct region_area *a =
			i < region->n_areas ? &region->areas[i] : NULL;
		size_t n = len;

		if (a && a->offset <= offset) {
			n = MIN(n, a->offset + a->size - offset);
			read_area(core, region, a, offset, buf, n);
			i++;
		} else { /* between areas: nobody answers */
			if (a)
				n = MIN(n, a->offset - offset);
			memset(buf, 0xff, n);
		}
		offset += n;
		buf += n;
		len -= n;
	}
}

static __attribute__((noinline)) void
write_areas(struct vgpu_core *core, const struct region *region,
	    uint64_t offset, const uint8_t *buf, size_t len)
{
	uint32_t i = area_from(region, offset);

	while (len) {
		const struct region_area *a =
			i < region->n_areas ? &region->areas[i] : NULL;
		size_t n = len;

		if (a && a->offset <= offset) {
			n = MIN(n, a->offset + a->size - offset);
			write_area(core, region, a, offset, buf, n);
			i++;
		} else if (a) {
			n = MIN(n, a->offset - offset);
		}
		offset += n;
		buf += n;
		len -= n;
	}
}

static void bar_read(struct vgpu_core *core, struct region *region,
		     uint64_t offset, uint8_t *buf, size_t len)
{
	const struct region_area *a = area_around(region, offset, len);

	if (a)
		read_area(core, region, a, offset, buf, len);
	else
		read_areas(core, region, offset, buf, len);
}

static void bar_write(struct vgpu_core *core, struct region *region,
		      uint64_t offset, const uint8_t *buf, size_t len)
{
	const struct region_area *a = area_around(region, offset, len);

	if (a)
		write_area(core, region, a, offset, buf, len);
	else
		write_areas(core, region, offset, buf, len);
}

const void *region_peek(struct vgpu_core *core, uint32_t index, uint64_t offset,
			uint32_t count)
{
	if (index >= VGPU_NUM_BARS || asleep(core))
		return NULL;
	return region_memory(&core->regions[index], offset, count);
}

int region_read(struct vgpu_core *core, uint32_t index, uint64_t offset,
		void *buf, uint32_t count)
{
	struct region *region;

	if (index >= VGPU_NUM_REGIONS)
		return -EINVAL;
	region = &core->regions[index];
	if (!range_inside(offset, count, region->size))
		return -EINVAL;
	switch (index) {
	case VGPU_REGION_CONFIG:
		/* Any thread drives the pin: the bit is made when it is read. */
		pci_config_set_intx_status(core->config, irqs_level(core->irqs));
		pci_config_read(core->config, (uint32_t)offset, buf, count);
		return 0;
	case VGPU_REGION_ROM:
		/* The BAR is a power of two, the image need not be. */
		memset(buf, 0xff, count);
		if (offset < core->desc.rom_size)
			memcpy(buf, (const uint8_t *)core->desc.rom + offset,
			       MIN(count, core->desc.rom_size - offset));
		return 0;
	default:
		if (asleep(core))
			memset(buf, 0xff, count);
		else
			bar_read(core, region, offset, buf, count);
		return 0;
	}
}

/* The area where a BAR was accessed last, if that is a driver's registers and
 * has all of this access, too; NULL: look for it. */
static inline const struct region_area *
same_registers(const struct vgpu_core *core, uint32_t index, uint64_t offset,
	       uint32_t count)
{
	const struct region *region = &core->regions[index];
	const struct region_area *a = &region->areas[region->recent];

	if (!region->n_areas || !range_inside(offset - a->offset, count, a->size) ||
	    !a->ops || asleep(core))
		return NULL;
	return a;
}

/* Anything but the access after one like it */
static __attribute__((noinline)) int
write_anywhere(struct vgpu_core *core, uint32_t index, uint64_t offset,
	       const void *buf, uint32_t count)
{
	struct region *region;

	if (index >= VGPU_NUM_REGIONS)
		return -EINVAL;
	region = &core->regions[index];
	if (!range_inside(offset, count, region->size))
		return -EINVAL;
	if (!(region->flags & REGION_CAN_WRITE))
		return -EPERM;
	if (index == VGPU_REGION_CONFIG)
		pci_config_write(core->config, (uint32_t)offset, buf, count);
	else if (!asleep(core))
		bar_write(core, region, offset, buf, count);
	return 0;
}

int region_write(struct vgpu_core *core, uint32_t index, uint64_t offset,
		 const void *buf, uint32_t count)
{
	const struct region_area *a =
		index < VGPU_NUM_BARS ?
			same_registers(core, index, offset, count) :
			NULL;

	if (!a)
		return write_anywhere(core, index, offset, buf, count);
	mmio_write(core->dev, a->ops, a->data, offset - a->offset, buf, count);
	return 0;
}
