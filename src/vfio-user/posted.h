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

/* Bytes before the data */
#define VFIO_USER_POSTED_HEAD                                                  \
	(sizeof(struct vfio_user_header) +                                     \
	 sizeof(struct vfio_user_region_access))

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
 * vfio_user_posted_write() - is this a correct posted write?
 * @msg: what may be the start of a message
 * @have: bytes of it, and of what follows; any number
 * @max_data_xfer: what was negotiated, at most VFIO_USER_MAX_DATA_XFER
 * @ret_write: filled in if so
 *
 * True exactly if a whole message is here that vfio_user_decode_request() takes
 * for a REGION_WRITE with NO_REPLY, provided that no file descriptor came with
 * it.
 */
static inline bool
vfio_user_posted_write(const uint8_t *msg, size_t have, uint64_t max_data_xfer,
		       struct vfio_user_posted_write *ret_write)
{
	uint64_t offset, count, size;

	if (have < VFIO_USER_POSTED_HEAD ||
	    get_le16(msg + 2) != VFIO_USER_REGION_WRITE ||
	    get_le32(msg + 8) != VFIO_USER_NO_REPLY)
		return false;
	size = get_le32(msg + 4);
	offset = get_le64(msg + 16);
	count = get_le32(msg + 28);
	/* A count of 0 is refused with those that are too large. */
	if (size != count + VFIO_USER_POSTED_HEAD || size > have ||
	    count - 1 >= max_data_xfer || offset > UINT64_MAX - (count - 1))
		return false;
	ret_write->offset = offset;
	ret_write->region = get_le32(msg + 24);
	ret_write->count = (uint32_t)count;
	ret_write->data = msg + VFIO_USER_POSTED_HEAD;
	return true;
}

#endif
