/* SPDX-License-Identifier: MIT */
/*
 * Requests: bytes to a checked structure. Pure: no I/O, no allocation (but
 * for VERSION's JSON), nothing remembered, so that it can be fuzzed whole.
 */
#ifndef VFIO_USER_DECODE_H
#define VFIO_USER_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"
#include "version.h"

/**
 * vfio_user_frame() - look at what may be the start of a message
 * @buf: received bytes
 * @len: how many, any number
 * @ret_header: the header, in host order
 *
 * Return: the message's size if its header is there and sane (whether or not
 * its body is); 0: more bytes are needed; -EBADMSG: the size field is below a
 * header's or beyond VFIO_USER_MAX_MSG_SIZE: the stream can't be followed any
 * further and has to be closed.
 */
int64_t vfio_user_frame(const void *buf, size_t len,
			struct vfio_user_header *ret_header);

/**
 * struct vfio_user_request - a request whose every field was checked as far
 * as that can be done without knowing the device
 * @header: in host order
 * @u: by header.command, in host order; pointers point into the message, at
 *     any alignment. What is left to the device: that regions, interrupts and
 *     their ranges exist, that maps don't overlap, what an fd is.
 *     DEVICE_FEATURE's data: see vfio_user_decode_feature().
 */
struct vfio_user_request {
	struct vfio_user_header header;
	union {
		struct vfio_user_caps version;
		struct vfio_user_dma_map dma_map;
		struct vfio_user_dma_unmap dma_unmap;
		struct vfio_user_device_info device_info;
		struct vfio_user_region_info region_info;
		struct vfio_user_region_io_fds region_io_fds;
		struct vfio_user_irq_info irq_info;
		struct {
			struct vfio_user_irq_set set;
			const uint8_t *bools; /* DATA_BOOL: set.count bytes */
		} irq_set;
		struct {
			uint64_t offset;
			uint32_t region;
			uint32_t count;
			const uint8_t *data; /* REGION_WRITE: count bytes */
		} access;
		struct {
			uint64_t count;
			const uint8_t *writes; /* decode one by one with
						  vfio_user_write_single() */
		} write_multi;
		struct {
			uint32_t argsz;
			uint32_t flags;
			const uint8_t *data;
			size_t len;
		} feature;
		struct {
			uint32_t argsz;
			uint32_t size;
			const uint8_t *data; /* MIG_DATA_WRITE: size bytes */
		} mig_data;
	} u;
};

/**
 * vfio_user_decode_request() - check a whole request
 * @msg: the message, header included
 * @len: its size, as vfio_user_frame() gave it
 * @n_fds: file descriptors that came with it
 * @max_data_xfer: what was negotiated (the default before VERSION), bytes
 * @ret_req: filled in; header is valid on every failure too
 *
 * Return: 0; otherwise the errno for the error reply: -EOPNOTSUPP unknown
 * command, or one that only a server sends; -EINVAL wrong header flags, size,
 * argsz, flags, counts, ranges that wrap, number of fds, a count beyond
 * @max_data_xfer; of VERSION see vfio_user_decode_version().
 */
int vfio_user_decode_request(const void *msg, size_t len, size_t n_fds,
			     uint64_t max_data_xfer,
			     struct vfio_user_request *ret_req);

/* The i-th write of a WRITE_MULTI that was decoded; host order, but for data,
 * whose bytes are as they came: the first count of them are written. */
void vfio_user_write_single(const uint8_t *writes, uint64_t i,
			    struct vfio_user_write_single *ret_write);

/* Name of a command for logs and statistics: "REGION_READ"; "?" if unknown. */
const char *vfio_user_command_name(unsigned command);

#endif
