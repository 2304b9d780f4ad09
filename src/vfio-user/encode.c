/* SPDX-License-Identifier: MIT */
#include "encode.h"

#include <errno.h>

#include "../util/bytes.h"

#define HEADER sizeof(struct vfio_user_header)

static int put_header(uint8_t *p, size_t cap,
		      const struct vfio_user_header *req, uint32_t size,
		      uint32_t flags, uint32_t error)
{
	if (cap < HEADER)
		return -ENOBUFS;
	put_le16(p, req->id);
	put_le16(p + 2, req->command);
	put_le32(p + 4, size);
	put_le32(p + 8, VFIO_USER_TYPE_REPLY | flags);
	put_le32(p + 12, error);
	return 0;
}

/* Header for @head bytes that are written here, and @data that the caller puts
 * behind them. Return: bytes written here. */
static int begin(void *buf, size_t cap, const struct vfio_user_header *req,
		 size_t head, uint32_t data)
{
	size_t size = HEADER + head;

	if (cap < size || size > VFIO_USER_MAX_MSG_SIZE ||
	    data > VFIO_USER_MAX_MSG_SIZE - size)
		return -ENOBUFS;
	put_header(buf, cap, req, (uint32_t)(size + data), 0, 0);
	return (int)size;
}

int vfio_user_encode_header(void *buf, size_t cap,
			    const struct vfio_user_header *req,
			    uint32_t payload)
{
	return begin(buf, cap, req, payload, 0);
}

int vfio_user_encode_error(void *buf, size_t cap,
			   const struct vfio_user_header *req, int err)
{
	uint32_t error = err < 0 ? 0u - (uint32_t)err : (uint32_t)err;
	int ret = put_header(buf, cap, req, HEADER, VFIO_USER_ERROR,
			     error ? error : EIO);

	return ret ? ret : (int)HEADER;
}

int vfio_user_encode_device_info(void *buf, size_t cap,
				 const struct vfio_user_header *req,
				 uint32_t flags, uint32_t regions,
				 uint32_t irqs)
{
	const size_t fixed = sizeof(struct vfio_user_device_info);
	uint8_t *p = (uint8_t *)buf + HEADER;
	int size = begin(buf, cap, req, fixed, 0);

	if (size < 0)
		return size;
	put_le32(p, fixed);
	put_le32(p + 4, flags);
	put_le32(p + 8, regions);
	put_le32(p + 12, irqs);
	return size;
}

/* A list of one capability: no next. */
static void put_sparse_mmap(uint8_t *p,
			    const struct vfio_user_sparse_area *areas,
			    size_t n_areas)
{
	put_le16(p, VFIO_USER_CAP_SPARSE_MMAP);
	put_le16(p + 2, 1); /* version */
	put_le32(p + 4, 0); /* next */
	put_le32(p + 8, (uint32_t)n_areas);
	put_le32(p + 12, 0);
	p += sizeof(struct vfio_user_sparse_mmap);
	for (size_t i = 0; i < n_areas; i++, p += sizeof(*areas)) {
		put_le64(p, areas[i].offset);
		put_le64(p + 8, areas[i].size);
	}
}

int vfio_user_encode_region_info(void *buf, size_t cap,
				 const struct vfio_user_header *req,
				 uint32_t argsz,
				 const struct vfio_user_region_info *info,
				 const struct vfio_user_sparse_area *areas,
				 size_t n_areas, bool *ret_with_caps)
{
	const size_t fixed = sizeof(struct vfio_user_region_info);
	uint32_t flags = info->flags & ~VFIO_USER_REGION_FLAG_CAPS;
	uint8_t *p = (uint8_t *)buf + HEADER;
	size_t need = fixed;
	bool whole;
	int size;

	if (n_areas > VFIO_USER_MAX_MSG_SIZE / sizeof(*areas))
		return -ENOBUFS;
	if (n_areas)
		need += sizeof(struct vfio_user_sparse_mmap) +
			n_areas * sizeof(*areas);
	whole = need <= argsz;
	/* Only with the capabilities themselves: QEMU 11.1 refuses a reply that
	 * has the flag and no offset, though Linux sends such ones. */
	if (whole && n_areas)
		flags |= VFIO_USER_REGION_FLAG_CAPS;
	size = begin(buf, cap, req, whole ? need : fixed, 0);
	if (size < 0)
		return size;
	put_le32(p, (uint32_t)need);
	put_le32(p + 4, flags);
	put_le32(p + 8, info->index);
	put_le32(p + 12, whole && n_areas ? (uint32_t)fixed : 0);
	put_le64(p + 16, info->size);
	put_le64(p + 24, info->offset);
	if (whole && n_areas)
		put_sparse_mmap(p + fixed, areas, n_areas);
	*ret_with_caps = whole;
	return size;
}

static void put_ioeventfd(uint8_t *p, const struct vfio_user_ioeventfd *e)
{
	put_le64(p, e->offset);
	put_le64(p + 8, e->size);
	put_le32(p + 16, e->fd_index);
	put_le32(p + 20, e->type);
	put_le32(p + 24, e->flags);
	put_le32(p + 28, 0);
	put_le64(p + 32, e->datamatch);
}

int vfio_user_encode_region_io_fds(void *buf, size_t cap,
				   const struct vfio_user_header *req,
				   uint32_t argsz, uint32_t index,
				   const struct vfio_user_ioeventfd *entries,
				   size_t n_entries, bool *ret_with_fds)
{
	const size_t fixed = sizeof(struct vfio_user_region_io_fds);
	uint8_t *p = (uint8_t *)buf + HEADER;
	size_t need;
	bool whole;
	int size;

	if (n_entries > VFIO_USER_MAX_MSG_SIZE / sizeof(*entries))
		return -ENOBUFS;
	need = fixed + n_entries * sizeof(*entries);
	whole = need <= argsz;
	size = begin(buf, cap, req, whole ? need : fixed, 0);
	if (size < 0)
		return size;
	put_le32(p, (uint32_t)need);
	put_le32(p + 4, 0);
	put_le32(p + 8, index);
	put_le32(p + 12, (uint32_t)n_entries);
	p += fixed;
	for (size_t i = 0; whole && i < n_entries; i++, p += sizeof(*entries))
		put_ioeventfd(p, &entries[i]);
	*ret_with_fds = whole;
	return size;
}

int vfio_user_encode_irq_info(void *buf, size_t cap,
			      const struct vfio_user_header *req,
			      const struct vfio_user_irq_info *info)
{
	uint8_t *p = (uint8_t *)buf + HEADER;
	int size = begin(buf, cap, req, sizeof(*info), 0);

	if (size < 0)
		return size;
	put_le32(p, sizeof(*info));
	put_le32(p + 4, info->flags);
	put_le32(p + 8, info->index);
	put_le32(p + 12, info->count);
	return size;
}

int vfio_user_encode_dma_unmap(void *buf, size_t cap,
			       const struct vfio_user_header *req,
			       const struct vfio_user_dma_unmap *unmap)
{
	uint8_t *p = (uint8_t *)buf + HEADER;
	int size = begin(buf, cap, req, sizeof(*unmap), 0);

	if (size < 0)
		return size;
	put_le32(p, unmap->argsz);
	put_le32(p + 4, unmap->flags);
	put_le64(p + 8, unmap->iova);
	put_le64(p + 16, unmap->size);
	return size;
}

int vfio_user_encode_access(void *buf, size_t cap,
			    const struct vfio_user_header *req, uint64_t offset,
			    uint32_t region, uint32_t count)
{
	uint32_t data = req->command == VFIO_USER_REGION_READ ? count : 0;
	uint8_t *p = (uint8_t *)buf + HEADER;
	int size = begin(buf, cap, req, sizeof(struct vfio_user_region_access),
			 data);

	if (size < 0)
		return size;
	put_le64(p, offset);
	put_le32(p + 8, region);
	put_le32(p + 12, count);
	return size;
}

int vfio_user_encode_write_multi(void *buf, size_t cap,
				 const struct vfio_user_header *req,
				 uint64_t done)
{
	int size =
		begin(buf, cap, req, sizeof(struct vfio_user_write_multi), 0);

	if (size < 0)
		return size;
	put_le64((uint8_t *)buf + HEADER, done);
	return size;
}

int vfio_user_encode_mig_data(void *buf, size_t cap,
			      const struct vfio_user_header *req, uint32_t size)
{
	const size_t fixed = sizeof(struct vfio_user_mig_data);
	uint8_t *p = (uint8_t *)buf + HEADER;
	int head = begin(buf, cap, req, fixed, size);

	if (head < 0)
		return head;
	put_le32(p, (uint32_t)fixed + size);
	put_le32(p + 4, size);
	return head;
}
