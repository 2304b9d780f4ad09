/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "../dma/dirty.h"
#include "../util/bytes.h"
#include "../vfio-user/feature.h"
#include "private.h"

/* A client that names no ranges wants all writes: the whole address space in
 * two halves, at whatever granularity the log can afford. */
#define HALF_SPACE (1ull << 63)

static int log_start(struct session *s, struct exchange *x,
		     const struct vfio_user_feature_request *f)
{
	const struct vfio_user_logging_start *start =
		&f->u.logging_start.start;
	uint32_t n = start->num_ranges;
	struct dma_log_range *ranges;
	uint64_t page_size;
	int err;

	ranges = calloc(MAX(n, 2u), sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct vfio_user_logging_range r;

		vfio_user_logging_range(f->u.logging_start.ranges, i, &r);
		ranges[i] = (struct dma_log_range){ r.iova, r.length };
	}
	if (!n) {
		ranges[0] = (struct dma_log_range){ 0, HALF_SPACE };
		ranges[1] = (struct dma_log_range){ HALF_SPACE, HALF_SPACE };
		n = 2;
	}
	err = dma_space_log_start(s->core->dma, start->page_size, ranges, n,
				  &page_size);
	free(ranges);
	if (err)
		return err;
	return vfio_user_encode_logging_start(x->buf, x->room, &x->req,
					      page_size);
}

static int log_report(struct session *s, struct exchange *x,
		      const struct vfio_user_feature_request *f)
{
	const struct vfio_user_logging_report *r =
		&f->u.logging_report.report;
	uint8_t *bitmap;
	int size, err;

	size = vfio_user_encode_logging_report(x->buf, x->room, &x->req, f,
					       &bitmap);
	if (size < 0 || !bitmap)
		return size; /* no room in the client's buffer: nothing taken */
	err = dma_space_log_report(s->core->dma, r->iova, r->length,
				   r->page_size, bitmap);
	return err ? err : size;
}

/* Which methods of a feature there are; 0: it is not supported. */
static uint32_t methods(unsigned feature)
{
	switch (feature) {
	case VFIO_USER_FEATURE_DMA_LOGGING_START:
	case VFIO_USER_FEATURE_DMA_LOGGING_STOP:
		return VFIO_USER_FEATURE_SET;
	case VFIO_USER_FEATURE_DMA_LOGGING_REPORT:
		return VFIO_USER_FEATURE_GET;
	default:
		return 0;
	}
}

int do_device_feature(struct session *s, struct exchange *x)
{
	uint32_t asked = x->req.u.feature.flags &
			 (VFIO_USER_FEATURE_GET | VFIO_USER_FEATURE_SET);
	unsigned feature = x->req.u.feature.flags & VFIO_USER_FEATURE_MASK;
	struct vfio_user_feature_request f;
	int err;

	if (!methods(feature) || (asked & ~methods(feature)))
		return -EOPNOTSUPP;
	err = vfio_user_decode_feature(&x->req,
				       s->state->caps.max_data_xfer_size, &f);
	if (err)
		return err;
	if (f.methods & VFIO_USER_FEATURE_PROBE)
		return vfio_user_encode_feature_echo(x->buf, x->room, &x->req);
	switch (feature) {
	case VFIO_USER_FEATURE_DMA_LOGGING_START:
		return log_start(s, x, &f);
	case VFIO_USER_FEATURE_DMA_LOGGING_STOP:
		err = dma_space_log_stop(s->core->dma);
		return err ? err :
			     vfio_user_encode_feature_echo(x->buf, x->room,
							   &x->req);
	default:
		return log_report(s, x, &f);
	}
}

size_t session_feature_room(const struct session *s,
			    const struct vfio_user_request *req)
{
	uint64_t room = (uint64_t)req->u.feature.argsz +
			sizeof(struct vfio_user_header);
	uint64_t most = s->state->caps.max_data_xfer_size +
			VFIO_USER_FEATURE_HEAD;

	room = MAX(room, (uint64_t)req->header.size);
	room = MIN(room, most);
	room = MAX(room, (uint64_t)SMALL_REPLY_MAX);
	return (size_t)MIN(room, (uint64_t)VFIO_USER_MAX_MSG_SIZE);
}
