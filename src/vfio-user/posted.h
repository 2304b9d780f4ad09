/* SPDX-License-Identifier: MIT */
/*
 * Posted writes, recognised without detours.
 *
 * A guest that draws or queues work through registers sends little else, many
 * in one piece. So this one request has a way of its own next to
 * vfio_user_decode_request(): it takes only what is right in every respect,
 * and all else goes the general way, which knows what is wrong.
 */
#ifndef VFIO_USER_POSTED_H
#define VFIO_USER_POSTED_H

#include <stdbool.h>
#include <stddef.h>

#include "../util/bytes.h"
#include "proto.h"

/**
 * struct vfio_user_posted_write - a REGION_WRITE that wants no reply
 * @data: @count bytes, in the message
 */
struct vfio_user_posted_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	const uint8_t *data;
};

/**
 * vfio_user_posted_write() - is a whole message a correct posted write?
 * @header: the message's, as vfio_user_frame() gave it
 * @msg: header.size bytes
 * @n_fds: that came with it
 * @max_data_xfer: what was negotiated
 *
 * True exactly for messages that vfio_user_decode_request() takes for a
 * REGION_WRITE with NO_REPLY.
 */
static inline bool
vfio_user_posted_write(const struct vfio_user_header *header,
		       const uint8_t *msg, size_t n_fds, uint64_t max_data_xfer,
		       struct vfio_user_posted_write *ret_write)
{
	const size_t head = sizeof(struct vfio_user_header) +
			    sizeof(struct vfio_user_region_access);
	uint64_t offset;
	uint32_t count;

	if (header->command != VFIO_USER_REGION_WRITE ||
	    header->flags != VFIO_USER_NO_REPLY || n_fds || header->size < head)
		return false;
	offset = get_le64(msg + 16);
	count = get_le32(msg + 28);
	if (!count || count != header->size - head || count > max_data_xfer ||
	    offset > UINT64_MAX - (count - 1))
		return false;
	ret_write->offset = offset;
	ret_write->region = get_le32(msg + 24);
	ret_write->count = count;
	ret_write->data = msg + head;
	return true;
}

#endif
