/* SPDX-License-Identifier: MIT */
/*
 * The wire format: frame, decode, encode the reply to what was decoded, and
 * put it in words.
 *
 * Input: a byte for the transfer limit, then records of a byte (how many fds
 * came) and a message as long as its header says.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "util/bytes.h"
#include "vfio-user/describe.h"
#include "vfio-user/dma-message.h"
#include "vfio-user/encode.h"
#include "vfio-user/feature.h"
#include "vfio-user/posted.h"

#define HEADER sizeof(struct vfio_user_header)

static uint8_t out[VFIO_USER_MAX_MSG_SIZE];
static uint64_t limit;
static uint32_t sum; /* of all that is decoded, so that all of it is read */

static void eat(const void *p, size_t len)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + b[i];
}

/* A reply of @ret bytes for @req; @data more are the caller's to put. */
static void check_reply(const struct vfio_user_header *req, int ret,
			size_t data)
{
	struct vfio_user_header h;

	REQUIRE(ret >= (int)HEADER);
	REQUIRE(vfio_user_frame(out, (size_t)ret, &h) ==
		(int64_t)((size_t)ret + data));
	REQUIRE(h.id == req->id && h.command == req->command);
	REQUIRE((h.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_REPLY);
	REQUIRE(!(h.flags & VFIO_USER_NO_REPLY));
}

static void version(const struct vfio_user_request *r)
{
	static const struct vfio_user_caps ours = {
		.minor = VFIO_USER_MINOR,
		.max_msg_fds = VFIO_USER_MAX_MSG_FDS,
		.max_dma_maps = VFIO_USER_DEFAULT_MAX_DMA_MAPS,
		.max_data_xfer_size = VFIO_USER_MAX_DATA_XFER,
		.pgsizes = VFIO_USER_DEFAULT_PGSIZES,
		.write_multiple = true,
		.twin_socket = true,
	};
	const struct vfio_user_caps *c = &r->u.version;
	struct vfio_user_caps again;
	int size;

	REQUIRE(c->major == 0 && c->max_data_xfer_size && c->pgsizes);
	size = vfio_user_encode_version(out, sizeof(out), &r->header, &ours, c,
					0);
	if (size == -EINVAL) { /* no page size in common */
		REQUIRE(!(c->pgsizes & VFIO_USER_DEFAULT_PGSIZES));
		return;
	}
	check_reply(&r->header, size, 0);
	REQUIRE(size <= (int)HEADER + 4 + VFIO_USER_QEMU_VERSION_MAX);
	/* What we say can be read, and goes not beyond what both said. */
	REQUIRE(!vfio_user_decode_version(out + HEADER, (size_t)size - HEADER,
					  &again));
	REQUIRE(again.minor <= c->minor && again.minor <= VFIO_USER_MINOR);
	REQUIRE(!(again.named & ~c->named));
	REQUIRE(again.max_data_xfer_size <= VFIO_USER_MAX_DATA_XFER);
	if (again.named & VFIO_USER_KEY_MAX_DATA_XFER_SIZE)
		REQUIRE(again.max_data_xfer_size <= c->max_data_xfer_size);
	REQUIRE(!again.write_multiple || c->write_multiple);
	REQUIRE(!again.twin_socket || c->twin_socket);
}

static void dma(const struct vfio_user_request *r, size_t n_fds)
{
	const struct vfio_user_dma_map *m = &r->u.dma_map;

	REQUIRE(n_fds <= 1 && m->size && m->flags && !(m->flags & ~3u));
	REQUIRE(!((m->iova | m->size | m->offset) % 4096));
	REQUIRE(m->iova + m->size == 0 || m->iova + m->size > m->iova);
	check_reply(&r->header,
		    vfio_user_encode_header(out, sizeof(out), &r->header, 0),
		    0);
}

static void unmap(const struct vfio_user_request *r)
{
	const struct vfio_user_dma_unmap *u = &r->u.dma_unmap;

	REQUIRE((u->flags == 0 && u->size) ||
		(u->flags == VFIO_USER_DMA_UNMAP_ALL && !u->size));
	check_reply(&r->header,
		    vfio_user_encode_dma_unmap(out, sizeof(out), &r->header, u),
		    0);
	REQUIRE(get_le32(out + 4) == 40);
}

static void region_info(const struct vfio_user_request *r)
{
	static const struct vfio_user_sparse_area areas[3];
	const struct vfio_user_region_info *i = &r->u.region_info;

	for (size_t n = 0; n <= ARRAY_SIZE(areas); n++) {
		bool whole;
		int size = vfio_user_encode_region_info(out, sizeof(out),
							&r->header, i->argsz, i,
							areas, n, &whole);

		check_reply(&r->header, size, 0);
		REQUIRE((uint32_t)size - HEADER <= i->argsz);
		REQUIRE(whole == (get_le32(out + 16) <= i->argsz));
	}
}

static void region_io_fds(const struct vfio_user_request *r)
{
	static const struct vfio_user_ioeventfd entries[3];
	bool whole;
	int size;

	size = vfio_user_encode_region_io_fds(
		out, sizeof(out), &r->header, r->u.region_io_fds.argsz,
		r->u.region_io_fds.index, entries, ARRAY_SIZE(entries), &whole);
	check_reply(&r->header, size, 0);
	REQUIRE((uint32_t)size - HEADER <= r->u.region_io_fds.argsz);
}

static void irqs(const struct vfio_user_request *r, size_t n_fds)
{
	const struct vfio_user_irq_set *s = &r->u.irq_set.set;

	REQUIRE(is_pow2(s->flags & 7) && is_pow2(s->flags & 0x38));
	REQUIRE(s->start + s->count >= s->start);
	REQUIRE(!n_fds || n_fds == s->count);
	if (r->u.irq_set.bools)
		eat(r->u.irq_set.bools, s->count);
}

static void region_access(const struct vfio_user_request *r)
{
	uint32_t count = r->u.access.count;
	bool read = r->header.command == VFIO_USER_REGION_READ;

	REQUIRE(count && count <= limit);
	REQUIRE(r->u.access.offset + count - 1 >= r->u.access.offset);
	if (read)
		REQUIRE(!r->u.access.data);
	else
		eat(r->u.access.data, count);
	check_reply(&r->header,
		    vfio_user_encode_access(out, sizeof(out), &r->header,
					    r->u.access.offset,
					    r->u.access.region, count),
		    read ? count : 0);
}

static void write_multi(const struct vfio_user_request *r)
{
	for (uint64_t i = 0; i < r->u.write_multi.count; i++) {
		struct vfio_user_write_single w;

		vfio_user_write_single(r->u.write_multi.writes, i, &w);
		REQUIRE(w.count >= 1 && w.count <= 8);
		REQUIRE(w.offset + w.count - 1 >= w.offset);
		eat(&w, sizeof(w));
	}
	check_reply(&r->header,
		    vfio_user_encode_write_multi(out, sizeof(out), &r->header,
						 r->u.write_multi.count),
		    0);
}

static int feature_reply(const struct vfio_user_request *r,
			 const struct vfio_user_feature_request *f)
{
	uint8_t *bitmap = NULL;
	int size;

	if (f->methods & VFIO_USER_FEATURE_PROBE)
		return vfio_user_encode_feature_echo(out, sizeof(out), r);
	switch (f->feature) {
	case VFIO_USER_FEATURE_MIGRATION:
		return vfio_user_encode_migration(out, sizeof(out), r, 1);
	case VFIO_USER_FEATURE_MIG_DEVICE_STATE:
		if (f->methods & VFIO_USER_FEATURE_GET)
			return vfio_user_encode_mig_state(out, sizeof(out), r,
							  2);
		return vfio_user_encode_feature_echo(out, sizeof(out), r);
	case VFIO_USER_FEATURE_DMA_LOGGING_START:
		for (uint32_t i = 0; i < f->u.logging_start.start.num_ranges;
		     i++) {
			struct vfio_user_logging_range range;

			vfio_user_logging_range(f->u.logging_start.ranges, i,
						&range);
			REQUIRE(range.length);
			eat(&range, sizeof(range));
		}
		return vfio_user_encode_logging_start(out, sizeof(out), r,
						      4096);
	case VFIO_USER_FEATURE_DMA_LOGGING_REPORT:
		REQUIRE(f->u.logging_report.bitmap_size <= limit);
		size = vfio_user_encode_logging_report(out, sizeof(out), r, f,
						       &bitmap);
		if (size > 0 && bitmap)
			REQUIRE(bitmap + f->u.logging_report.bitmap_size ==
				out + size);
		return size;
	default:
		return vfio_user_encode_feature_echo(out, sizeof(out), r);
	}
}

static void feature(const struct vfio_user_request *r)
{
	struct vfio_user_feature_request f;
	int err;

	eat(r->u.feature.data, r->u.feature.len);
	err = vfio_user_decode_feature(r, limit, &f);
	if (err) {
		REQUIRE(err == -EINVAL || err == -E2BIG || err == -EOPNOTSUPP);
		return;
	}
	check_reply(&r->header, feature_reply(r, &f), 0);
	REQUIRE(get_le32(out + 4) - HEADER <= r->u.feature.argsz);
}

static void mig_data(const struct vfio_user_request *r)
{
	uint32_t size = r->u.mig_data.size;

	REQUIRE(size <= limit);
	if (r->u.mig_data.data) {
		eat(r->u.mig_data.data, size);
		return;
	}
	REQUIRE(r->u.mig_data.argsz >= size + 8);
	check_reply(
		&r->header,
		vfio_user_encode_mig_data(out, sizeof(out), &r->header, size),
		size);
}

static void served(const struct vfio_user_request *r, size_t n_fds)
{
	switch (r->header.command) {
	case VFIO_USER_VERSION:
		version(r);
		break;
	case VFIO_USER_DMA_MAP:
		dma(r, n_fds);
		break;
	case VFIO_USER_DMA_UNMAP:
		unmap(r);
		break;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		region_info(r);
		break;
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
		region_io_fds(r);
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		irqs(r, n_fds);
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		region_access(r);
		break;
	case VFIO_USER_REGION_WRITE_MULTI:
		write_multi(r);
		break;
	case VFIO_USER_DEVICE_FEATURE:
		feature(r);
		break;
	case VFIO_USER_MIG_DATA_READ:
	case VFIO_USER_MIG_DATA_WRITE:
		mig_data(r);
		break;
	case VFIO_USER_DEVICE_GET_INFO:
		check_reply(&r->header,
			    vfio_user_encode_device_info(out, sizeof(out),
							 &r->header, 3, 9, 5),
			    0);
		break;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		check_reply(&r->header,
			    vfio_user_encode_irq_info(out, sizeof(out),
						      &r->header,
						      &r->u.irq_info),
			    0);
		break;
	case VFIO_USER_DEVICE_RESET:
		break;
	default: /* only a server sends it, or nobody */
		REQUIRE(!"a decoder for it");
	}
}

/* As the reply to a request of ours that it might answer. */
static void as_reply(const uint8_t *msg, size_t len,
		     const struct vfio_user_header *h)
{
	struct vfio_user_dma_request dma_req = {
		.id = h->id,
		.command = h->command,
		.iova = len >= 24 ? get_le64(msg + 16) : 0,
		.count = len % 64 + 1,
	};
	struct vfio_user_dma_reply reply;

	if (vfio_user_decode_dma_reply(msg, len, &dma_req, &reply))
		return;
	if (reply.error) {
		REQUIRE(reply.error > 0 && reply.error <= 4095);
		return;
	}
	REQUIRE(reply.count <= dma_req.count);
	if (h->command == VFIO_USER_DMA_READ)
		eat(reply.data, reply.count);
}

/* In a buffer of any size: terminated, and fit for a terminal. */
static void describe(const uint8_t *msg, size_t len, size_t n_fds)
{
	size_t cap = len % 300 + 1;
	char *line = malloc(cap);

	REQUIRE(line);
	vfio_user_describe(line, cap, msg, len, n_fds);
	REQUIRE(memchr(line, 0, cap));
	for (const char *c = line; *c; c++)
		REQUIRE((unsigned char)*c >= 0x20 && *c != 0x7f);
	free(line);
}

/* The short way for posted writes takes just what the general way takes. */
static void posted(const uint8_t *msg, size_t len,
		   const struct vfio_user_request *r, bool good)
{
	struct vfio_user_posted_write w;
	bool is = vfio_user_posted_write(msg, len, limit, &w);

	REQUIRE(is == (good && r->header.command == VFIO_USER_REGION_WRITE &&
		       (r->header.flags & VFIO_USER_NO_REPLY)));
	if (is)
		REQUIRE(w.offset == r->u.access.offset &&
			w.region == r->u.access.region &&
			w.count == r->u.access.count &&
			w.data == r->u.access.data);
}

static void message(const uint8_t *msg, size_t len, size_t n_fds,
		    const struct vfio_user_header *h)
{
	struct vfio_user_request req;
	int err = vfio_user_decode_request(msg, len, n_fds, limit, &req);

	REQUIRE(!memcmp(&req.header, h, sizeof(*h)));
	eat(vfio_user_command_name(h->command), 1);
	describe(msg, len, n_fds);
	if (!n_fds)
		posted(msg, len, &req, !err);
	if (!err) {
		served(&req, n_fds);
		return;
	}
	REQUIRE(err == -EINVAL || err == -EOPNOTSUPP ||
		err == -EPROTONOSUPPORT);
	check_reply(h, vfio_user_encode_error(out, sizeof(out), h, err), 0);
	as_reply(msg, len, h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	limit = take(&in, 1) * 4096;
	if (!limit || limit > VFIO_USER_MAX_DATA_XFER)
		limit = VFIO_USER_MAX_DATA_XFER;
	while (in.len) {
		size_t n_fds = take(&in, 1);
		struct vfio_user_header h;
		int64_t len = vfio_user_frame(in.p, in.len, &h);
		uint8_t *copy;

		if (len <= 0) {
			REQUIRE(len == -EBADMSG ||
				(len == 0 && in.len < HEADER));
			break;
		}
		REQUIRE((size_t)len >= HEADER &&
			(size_t)len <= VFIO_USER_MAX_MSG_SIZE);
		if ((size_t)len > in.len) {
			describe(in.p, in.len, n_fds); /* of what there is */
			break;
		}
		/* Ends where its memory ends: reading on is seen. */
		copy = malloc((size_t)len);
		REQUIRE(copy);
		memcpy(copy, in.p, (size_t)len);
		message(copy, (size_t)len, n_fds, &h);
		free(copy);
		in.p += len;
		in.len -= (size_t)len;
	}
	return 0;
}
