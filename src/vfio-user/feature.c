/* SPDX-License-Identifier: MIT */
#include "feature.h"

#include <errno.h>

#include "../util/bytes.h"
#include "encode.h"

#define GET VFIO_USER_FEATURE_GET
#define SET VFIO_USER_FEATURE_SET

/* Methods that the specification gives a feature; 0: there is none such. */
static uint32_t methods_of(unsigned feature)
{
	switch (feature) {
	case VFIO_USER_FEATURE_MIGRATION:
	case VFIO_USER_FEATURE_DMA_LOGGING_REPORT:
		return GET;
	case VFIO_USER_FEATURE_MIG_DEVICE_STATE:
		return GET | SET;
	case VFIO_USER_FEATURE_DMA_LOGGING_START:
	case VFIO_USER_FEATURE_DMA_LOGGING_STOP:
		return SET;
	default:
		return 0;
	}
}

static int decode_mig_state(const uint8_t *p, size_t len,
			    struct vfio_user_mig_state *s)
{
	if (len != sizeof(*s))
		return -EINVAL;
	s->device_state = get_le32(p);
	s->data_fd = get_le32(p + 4);
	switch (s->device_state) {
	case VFIO_USER_STATE_STOP:
	case VFIO_USER_STATE_RUNNING:
	case VFIO_USER_STATE_STOP_COPY:
	case VFIO_USER_STATE_RESUMING:
	case VFIO_USER_STATE_PRE_COPY:
		return 0;
	default: /* ERROR can't be asked for, P2P is not in use here */
		return -EINVAL;
	}
}

void vfio_user_logging_range(const uint8_t *ranges, uint32_t i,
			     struct vfio_user_logging_range *ret_range)
{
	const uint8_t *p = ranges + i * sizeof(*ret_range);

	ret_range->iova = get_le64(p);
	ret_range->length = get_le64(p + 8);
}

static bool is_range(uint64_t start, uint64_t length)
{
	return length && length - 1 <= UINT64_MAX - start;
}

static int decode_logging_start(const uint8_t *p, size_t len,
				struct vfio_user_logging_start *s,
				const uint8_t **ret_ranges)
{
	size_t room;

	if (len < sizeof(*s))
		return -EINVAL;
	s->page_size = get_le64(p);
	s->num_ranges = get_le32(p + 8);
	s->reserved = get_le32(p + 12);
	room = len - sizeof(*s);
	if (room % sizeof(struct vfio_user_logging_range) ||
	    room / sizeof(struct vfio_user_logging_range) != s->num_ranges ||
	    !is_pow2(s->page_size))
		return -EINVAL;
	if (s->num_ranges > VFIO_USER_MAX_LOGGING_RANGES)
		return -E2BIG;
	for (uint32_t i = 0; i < s->num_ranges; i++) {
		struct vfio_user_logging_range r;

		vfio_user_logging_range(p + sizeof(*s), i, &r);
		if (!is_range(r.iova, r.length) ||
		    ((r.iova | r.length) & (s->page_size - 1)))
			return -EINVAL;
	}
	*ret_ranges = p + sizeof(*s);
	return 0;
}

static int decode_logging_report(const uint8_t *p, size_t len,
				 uint64_t max_data_xfer,
				 struct vfio_user_logging_report *r,
				 size_t *ret_bitmap_size)
{
	uint64_t pages, words;

	/* Behind it a client may have left room for the bitmap. */
	if (len < sizeof(*r))
		return -EINVAL;
	r->iova = get_le64(p);
	r->length = get_le64(p + 8);
	r->page_size = get_le64(p + 16);
	if (!is_pow2(r->page_size) || !is_range(r->iova, r->length))
		return -EINVAL;
	pages = (r->length - 1) / r->page_size + 1;
	words = (pages - 1) / 64 + 1;
	if (words > max_data_xfer / sizeof(uint64_t))
		return -E2BIG;
	*ret_bitmap_size = words * sizeof(uint64_t);
	return 0;
}

int vfio_user_decode_feature(const struct vfio_user_request *req,
			     uint64_t max_data_xfer,
			     struct vfio_user_feature_request *ret_feature)
{
	const uint8_t *p = req->u.feature.data;
	size_t len = req->u.feature.len;
	struct vfio_user_feature_request f = {
		.feature = req->u.feature.flags & VFIO_USER_FEATURE_MASK,
		.methods = req->u.feature.flags & ~VFIO_USER_FEATURE_MASK,
	};
	uint32_t methods = methods_of(f.feature);
	int err = 0;

	if (!methods || ((f.methods & (GET | SET)) & ~methods))
		return -EOPNOTSUPP;
	if (f.methods & VFIO_USER_FEATURE_PROBE)
		goto done;
	switch (f.feature) {
	case VFIO_USER_FEATURE_MIG_DEVICE_STATE:
		if (f.methods & SET)
			err = decode_mig_state(p, len, &f.u.mig_state);
		break;
	case VFIO_USER_FEATURE_DMA_LOGGING_START:
		err = decode_logging_start(p, len, &f.u.logging_start.start,
					   &f.u.logging_start.ranges);
		break;
	case VFIO_USER_FEATURE_DMA_LOGGING_STOP:
		err = len ? -EINVAL : 0;
		break;
	case VFIO_USER_FEATURE_DMA_LOGGING_REPORT:
		err = decode_logging_report(p, len, max_data_xfer,
					    &f.u.logging_report.report,
					    &f.u.logging_report.bitmap_size);
		break;
	default: /* MIGRATION: nothing to read */
		break;
	}
	if (err)
		return err;
done:
	*ret_feature = f;
	return 0;
}

/* The envelope for @data bytes. Return: the message's size; @ret_data: where
 * the data goes, NULL if the client's argsz has no room for it. */
static int begin(void *buf, size_t cap, const struct vfio_user_request *req,
		 size_t data, uint8_t **ret_data)
{
	uint32_t need =
		(uint32_t)(sizeof(struct vfio_user_device_feature) + data);
	bool fits = need <= req->u.feature.argsz;
	uint32_t payload =
		fits ? need : (uint32_t)sizeof(struct vfio_user_device_feature);
	uint8_t *p = (uint8_t *)buf + sizeof(struct vfio_user_header);
	int size;

	size = vfio_user_encode_header(buf, cap, &req->header, payload);
	if (size < 0)
		return size;
	put_le32(p, need);
	put_le32(p + 4, req->u.feature.flags);
	*ret_data = fits ? p + sizeof(struct vfio_user_device_feature) : NULL;
	return size;
}

int vfio_user_encode_feature_echo(void *buf, size_t cap,
				  const struct vfio_user_request *req)
{
	uint8_t *p;
	int size = begin(buf, cap, req, req->u.feature.len, &p);

	if (size >= 0 && p)
		memcpy(p, req->u.feature.data, req->u.feature.len);
	return size;
}

int vfio_user_encode_logging_start(void *buf, size_t cap,
				   const struct vfio_user_request *req,
				   uint64_t page_size)
{
	uint8_t *p;
	int size = begin(buf, cap, req, req->u.feature.len, &p);

	if (size >= 0 && p) {
		memcpy(p, req->u.feature.data, req->u.feature.len);
		put_le64(p, page_size);
	}
	return size;
}

int vfio_user_encode_migration(void *buf, size_t cap,
			       const struct vfio_user_request *req,
			       uint64_t flags)
{
	uint8_t *p;
	int size = begin(buf, cap, req, sizeof(struct vfio_user_migration), &p);

	if (size >= 0 && p)
		put_le64(p, flags);
	return size;
}

int vfio_user_encode_mig_state(void *buf, size_t cap,
			       const struct vfio_user_request *req,
			       uint32_t state)
{
	uint8_t *p;
	int size = begin(buf, cap, req, sizeof(struct vfio_user_mig_state), &p);

	if (size >= 0 && p) {
		put_le32(p, state);
		put_le32(p + 4, UINT32_MAX); /* data_fd: none */
	}
	return size;
}

int vfio_user_encode_logging_report(
	void *buf, size_t cap, const struct vfio_user_request *req,
	const struct vfio_user_feature_request *feature, uint8_t **ret_bitmap)
{
	const struct vfio_user_logging_report *r =
		&feature->u.logging_report.report;
	size_t bitmap = feature->u.logging_report.bitmap_size;
	uint8_t *p;
	int size = begin(buf, cap, req, sizeof(*r) + bitmap, &p);

	if (size < 0)
		return size;
	if (p) {
		put_le64(p, r->iova);
		put_le64(p + 8, r->length);
		put_le64(p + 16, r->page_size);
		memset(p + sizeof(*r), 0, bitmap);
	}
	*ret_bitmap = p ? p + sizeof(*r) : NULL;
	return size;
}
