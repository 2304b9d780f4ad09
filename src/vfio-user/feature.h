/* SPDX-License-Identifier: MIT */
/*
 * DEVICE_FEATURE's features: migration and DMA logging. Pure. ("Device
 * Features" in the specification, <linux/vfio.h> for what it borrows.)
 *
 * vfio_user_decode_request() has checked the envelope (argsz, flags); here the
 * data of one feature is read. A server that lacks a feature answers
 * -EOPNOTSUPP without looking at its data.
 */
#ifndef VFIO_USER_FEATURE_H
#define VFIO_USER_FEATURE_H

#include "decode.h"

/**
 * struct vfio_user_feature_request - what is asked of a feature
 * @feature: enum vfio_user_feature
 * @methods: VFIO_USER_FEATURE_GET, _SET and _PROBE. With PROBE, @u is not
 *           filled in: the question is only whether the others are offered.
 * @u: the data, in host order
 */
struct vfio_user_feature_request {
	unsigned feature;
	uint32_t methods;
	union {
		struct vfio_user_mig_state mig_state; /* SET */
		struct {
			struct vfio_user_logging_start start;
			const uint8_t *ranges; /* into the message: decode with
						  vfio_user_logging_range() */
		} logging_start;
		struct {
			struct vfio_user_logging_report report;
			size_t bitmap_size; /* bytes of the reply's bitmap */
		} logging_report;
	} u;
};

/**
 * vfio_user_decode_feature() - read a DEVICE_FEATURE request's data
 * @req: decoded by vfio_user_decode_request()
 * @max_data_xfer: as negotiated; bounds a report's bitmap
 *
 * A GET's data, where none is needed, is ignored: some clients send the room
 * for the reply.
 *
 * Return: 0; -EOPNOTSUPP: not a feature or method of the specification;
 * -EINVAL: wrong size or values; -E2BIG: more than
 * VFIO_USER_MAX_LOGGING_RANGES, or a bitmap of more than @max_data_xfer bytes.
 */
int vfio_user_decode_feature(const struct vfio_user_request *req,
			     uint64_t max_data_xfer,
			     struct vfio_user_feature_request *ret_feature);

/* The i-th range of a DMA_LOGGING_START that was decoded; host order. */
void vfio_user_logging_range(const uint8_t *ranges, uint32_t i,
			     struct vfio_user_logging_range *ret_range);

/* Bytes of header and envelope before a feature's data in a reply */
#define VFIO_USER_FEATURE_HEAD                                                 \
	(sizeof(struct vfio_user_header) +                                     \
	 sizeof(struct vfio_user_device_feature))

/*
 * Replies. Each is a whole message in @buf, with room for @cap bytes; returned
 * is its size or -ENOBUFS. Where the client's argsz has no room for all of the
 * reply, only the envelope goes out, with the argsz that is needed.
 */

/* SET and PROBE: the request's payload comes back. */
int vfio_user_encode_feature_echo(void *buf, size_t cap,
				  const struct vfio_user_request *req);

/* SET of DMA_LOGGING_START: as the echo, but with the page size in use. */
int vfio_user_encode_logging_start(void *buf, size_t cap,
				   const struct vfio_user_request *req,
				   uint64_t page_size);

/* GET of MIGRATION; @flags: VFIO_USER_MIGRATION_* */
int vfio_user_encode_migration(void *buf, size_t cap,
			       const struct vfio_user_request *req,
			       uint64_t flags);

/* GET of MIG_DEVICE_STATE; @state: enum vfio_user_device_state */
int vfio_user_encode_mig_state(void *buf, size_t cap,
			       const struct vfio_user_request *req,
			       uint32_t state);

/**
 * vfio_user_encode_logging_report() - GET of DMA_LOGGING_REPORT
 * @feature: as decoded
 * @ret_bitmap: where in @buf to put the bitmap (u64s, little endian), zeroed;
 *              NULL if it does not go out, for want of argsz
 *
 * The size includes the bitmap.
 */
int vfio_user_encode_logging_report(
	void *buf, size_t cap, const struct vfio_user_request *req,
	const struct vfio_user_feature_request *feature, uint8_t **ret_bitmap);

#endif
