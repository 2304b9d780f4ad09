/* SPDX-License-Identifier: MIT */
#include "dma-message.h"

#include <errno.h>

#include "../util/bytes.h"

/* Linux' MAX_ERRNO: what is beyond it is no errno. */
#define MAX_ERRNO 4095u

int vfio_user_encode_dma_request(void *buf, size_t cap,
				 const struct vfio_user_dma_request *dma)
{
	uint64_t size = VFIO_USER_DMA_HEAD;
	uint8_t *p = buf;

	if (dma->command != VFIO_USER_DMA_READ &&
	    dma->command != VFIO_USER_DMA_WRITE)
		return -EINVAL;
	/* Either the request or the reply carries the data. */
	if (!dma->count || dma->count > VFIO_USER_MAX_MSG_SIZE - size ||
	    dma->count - 1 > UINT64_MAX - dma->iova)
		return -EINVAL;
	if (cap < size)
		return -ENOBUFS;
	if (dma->command == VFIO_USER_DMA_WRITE)
		size += dma->count;
	put_le16(p, dma->id);
	put_le16(p + 2, dma->command);
	put_le32(p + 4, (uint32_t)size);
	put_le32(p + 8, VFIO_USER_TYPE_COMMAND);
	put_le32(p + 12, 0);
	put_le64(p + 16, dma->iova);
	put_le64(p + 24, dma->count);
	return (int)VFIO_USER_DMA_HEAD;
}

/* The fields behind the header, of either command. */
static int decode_access(const uint8_t *p, size_t len,
			 const struct vfio_user_dma_request *dma,
			 struct vfio_user_dma_reply *reply)
{
	if (dma->command == VFIO_USER_DMA_READ) {
		if (len < 16)
			return -EBADMSG;
		reply->count = get_le64(p + 8);
		reply->data = p + 16;
		if (len - 16 != reply->count)
			return -EBADMSG;
	} else if (len == 16) {
		reply->count = get_le64(p + 8);
	} else if (len == 12) { /* as the specification has it: quirks.h */
		reply->count = get_le32(p + 8);
	} else {
		return -EBADMSG;
	}
	if (get_le64(p) != dma->iova || reply->count > dma->count)
		return -EBADMSG;
	return 0;
}

int vfio_user_decode_dma_reply(const void *msg, size_t len,
			       const struct vfio_user_dma_request *dma,
			       struct vfio_user_dma_reply *ret_reply)
{
	struct vfio_user_dma_reply reply = { .error = 0 };
	struct vfio_user_header header;
	int err;

	if (vfio_user_frame(msg, len, &header) != (int64_t)len || !len)
		return -EBADMSG;
	if ((header.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_TYPE_REPLY ||
	    header.id != dma->id || header.command != dma->command)
		return -EBADMSG;
	if (header.flags & VFIO_USER_ERROR) {
		reply.error = EIO;
		if (header.error && header.error <= MAX_ERRNO)
			reply.error = (int)header.error;
	} else {
		err = decode_access((const uint8_t *)msg + sizeof(header),
				    len - sizeof(header), dma, &reply);
		if (err)
			return err;
	}
	*ret_reply = reply;
	return 0;
}
