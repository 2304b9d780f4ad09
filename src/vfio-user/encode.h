/* SPDX-License-Identifier: MIT */
/*
 * Replies (and the server's own requests): structures to bytes. Pure. Every
 * function writes a whole message to @buf, which has room for @cap bytes, and
 * returns its size, or -ENOBUFS if that is too little.
 */
#ifndef VFIO_USER_ENCODE_H
#define VFIO_USER_ENCODE_H

#include "decode.h"

/* A reply's header for @req with @payload bytes behind it. */
int vfio_user_encode_header(void *buf, size_t cap,
			    const struct vfio_user_header *req,
			    uint32_t payload);

/* Header only, with the error bit. @err: positive or negative errno; 0, which
 * is no reason, becomes EIO. */
int vfio_user_encode_error(void *buf, size_t cap,
			   const struct vfio_user_header *req, int err);

/**
 * vfio_user_encode_version() - VERSION's reply
 * @caps: what we offer
 * @client: what the client proposed; the reply is what vfio_user_negotiate()
 *          makes of both
 * @twin_fd_index: index of the twin socket's fd, or -1: none was made
 *
 * Only capabilities that the client named are in the JSON, and a client that
 * sent none gets none. It is kept to VFIO_USER_QEMU_VERSION_MAX bytes, NUL
 * included; -ENOBUFS also where @caps has numbers that long.
 */
int vfio_user_encode_version(void *buf, size_t cap,
			     const struct vfio_user_header *req,
			     const struct vfio_user_caps *caps,
			     const struct vfio_user_caps *client,
			     int twin_fd_index);

int vfio_user_encode_device_info(void *buf, size_t cap,
				 const struct vfio_user_header *req,
				 uint32_t flags, uint32_t regions,
				 uint32_t irqs);

/**
 * vfio_user_encode_region_info() - GET_REGION_INFO's reply
 * @argsz: the request's: with less room than the capability needs, only the
 *         fixed part is sent, with the argsz that is needed
 * @info: flags without CAPS, index, size, offset
 * @areas: sparse mmap areas, host order
 * @n_areas: 0: no capability
 * @ret_with_caps: whether the whole reply (and so the fd) goes out
 */
int vfio_user_encode_region_info(void *buf, size_t cap,
				 const struct vfio_user_header *req,
				 uint32_t argsz,
				 const struct vfio_user_region_info *info,
				 const struct vfio_user_sparse_area *areas,
				 size_t n_areas, bool *ret_with_caps);

/**
 * vfio_user_encode_region_io_fds() - GET_REGION_IO_FDS' reply
 * @argsz: the request's: with less room than all entries need, only the fixed
 *         part is sent, with the argsz that is needed
 * @index: the region
 * @entries: host order; fd_index counts the fds sent with the reply
 * @n_entries: 0: there is no such area
 * @ret_with_fds: whether the whole reply (and so the fds) goes out
 */
int vfio_user_encode_region_io_fds(void *buf, size_t cap,
				   const struct vfio_user_header *req,
				   uint32_t argsz, uint32_t index,
				   const struct vfio_user_ioeventfd *entries,
				   size_t n_entries, bool *ret_with_fds);

int vfio_user_encode_irq_info(void *buf, size_t cap,
			      const struct vfio_user_header *req,
			      const struct vfio_user_irq_info *info);

/* The original entry comes back ("VFIO_USER_DMA_UNMAP", Reply). */
int vfio_user_encode_dma_unmap(void *buf, size_t cap,
			       const struct vfio_user_header *req,
			       const struct vfio_user_dma_unmap *unmap);

/* REGION_READ: head only, the caller puts @count bytes of data behind it (the
 * header's size includes them); REGION_WRITE: the whole reply. Return: bytes
 * written, VFIO_USER_ACCESS_HEAD. */
#define VFIO_USER_ACCESS_HEAD                                                  \
	(sizeof(struct vfio_user_header) +                                     \
	 sizeof(struct vfio_user_region_access))
int vfio_user_encode_access(void *buf, size_t cap,
			    const struct vfio_user_header *req, uint64_t offset,
			    uint32_t region, uint32_t count);

int vfio_user_encode_write_multi(void *buf, size_t cap,
				 const struct vfio_user_header *req,
				 uint64_t done);

/* MIG_DATA_READ: head only, the caller puts @size bytes of data behind it (the
 * header's size includes them). MIG_DATA_WRITE's reply is a header. */
#define VFIO_USER_MIG_DATA_HEAD                                                \
	(sizeof(struct vfio_user_header) + sizeof(struct vfio_user_mig_data))
int vfio_user_encode_mig_data(void *buf, size_t cap,
			      const struct vfio_user_header *req,
			      uint32_t size);

#endif
