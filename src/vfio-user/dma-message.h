/* SPDX-License-Identifier: MIT */
/*
 * DMA_READ and DMA_WRITE: the server's own requests, for guest memory that
 * came without a file descriptor, and the client's replies to them. Pure.
 */
#ifndef VFIO_USER_DMA_MESSAGE_H
#define VFIO_USER_DMA_MESSAGE_H

#include "decode.h"

/**
 * struct vfio_user_dma_request - a request of ours
 * @id: the server's own numbering
 * @command: VFIO_USER_DMA_READ or VFIO_USER_DMA_WRITE
 * @iova: guest's address
 * @count: bytes; at most what the client said in VERSION, and no more than
 *         QEMU reads in one piece (64 KiB) is wise
 */
struct vfio_user_dma_request {
	uint16_t id;
	uint16_t command;
	uint64_t iova;
	uint64_t count;
};

/* Bytes before the data, in DMA_WRITE and in the reply to DMA_READ */
#define VFIO_USER_DMA_HEAD                                                     \
	(sizeof(struct vfio_user_header) + sizeof(struct vfio_user_dma_access))

/**
 * vfio_user_encode_dma_request() - the head of the message
 * @buf: room for @cap bytes: all of DMA_READ; of DMA_WRITE the caller puts
 *       @dma->count bytes of data behind it
 *
 * Return: VFIO_USER_DMA_HEAD; -ENOBUFS; -EINVAL: another command, or a count
 * that is 0, wraps, or makes a message beyond VFIO_USER_MAX_MSG_SIZE.
 */
int vfio_user_encode_dma_request(void *buf, size_t cap,
				 const struct vfio_user_dma_request *dma);

/**
 * struct vfio_user_dma_reply - the client's answer
 * @error: 0, or the positive errno that it gave (EIO if it gave none)
 * @count: bytes transferred, <= the request's
 * @data: DMA_READ: @count bytes, inside the message
 */
struct vfio_user_dma_reply {
	int error;
	uint64_t count;
	const uint8_t *data;
};

/**
 * vfio_user_decode_dma_reply() - the reply to a request of ours
 * @msg: the message, header included
 * @len: its size
 * @dma: the request that has its id
 *
 * Return: 0; -EBADMSG: not a reply to @dma, or malformed.
 */
int vfio_user_decode_dma_reply(const void *msg, size_t len,
			       const struct vfio_user_dma_request *dma,
			       struct vfio_user_dma_reply *ret_reply);

#endif
