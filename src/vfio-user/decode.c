/* SPDX-License-Identifier: MIT */
#include "decode.h"

#include <errno.h>

#include "../util/bytes.h"

#define HEADER sizeof(struct vfio_user_header)

static void get_header(const uint8_t *p, struct vfio_user_header *ret_header)
{
	ret_header->id = get_le16(p);
	ret_header->command = get_le16(p + 2);
	ret_header->size = get_le32(p + 4);
	ret_header->flags = get_le32(p + 8);
	ret_header->error = get_le32(p + 12);
}

int64_t vfio_user_frame(const void *buf, size_t len,
			struct vfio_user_header *ret_header)
{
	struct vfio_user_header header;

	if (len < HEADER)
		return 0;
	get_header(buf, &header);
	if (header.size < HEADER || header.size > VFIO_USER_MAX_MSG_SIZE)
		return -EBADMSG;
	*ret_header = header;
	return header.size;
}

/**
 * struct body - what a command's decoder looks at
 * @p: the payload; at least the command's min bytes, at most its max
 */
struct body {
	const uint8_t *p;
	size_t len;
	size_t n_fds;
	uint64_t max_data_xfer;
};

static int decode_version(const struct body *b, struct vfio_user_request *req)
{
	return vfio_user_decode_version(b->p, b->len, &req->u.version);
}

static bool dma_aligned(uint64_t v)
{
	return !(v & (VFIO_USER_DMA_ALIGN - 1));
}

/* Does [start, start + size) hold anything, and end at 2^64 at the latest? */
static bool is_range(uint64_t start, uint64_t size)
{
	return size && size - 1 <= UINT64_MAX - start;
}

static int decode_dma_map(const struct body *b, struct vfio_user_request *req)
{
	struct vfio_user_dma_map *m = &req->u.dma_map;

	m->argsz = get_le32(b->p);
	m->flags = get_le32(b->p + 4);
	m->offset = get_le64(b->p + 8);
	m->iova = get_le64(b->p + 16);
	m->size = get_le64(b->p + 24);
	if (m->argsz < sizeof(*m))
		return -EINVAL;
	if (!m->flags ||
	    (m->flags & ~(VFIO_USER_DMA_MAP_READ | VFIO_USER_DMA_MAP_WRITE)))
		return -EINVAL;
	if (!is_range(m->iova, m->size))
		return -EINVAL;
	if (!dma_aligned(m->iova) || !dma_aligned(m->size) ||
	    !dma_aligned(m->offset))
		return -EINVAL;
	/* A file ends at what off_t holds. */
	if (b->n_fds && !range_inside(m->offset, m->size, INT64_MAX))
		return -EINVAL;
	return 0;
}

static int decode_dma_unmap(const struct body *b, struct vfio_user_request *req)
{
	struct vfio_user_dma_unmap *u = &req->u.dma_unmap;

	u->argsz = get_le32(b->p);
	u->flags = get_le32(b->p + 4);
	u->iova = get_le64(b->p + 8);
	u->size = get_le64(b->p + 16);
	if (u->argsz < sizeof(*u))
		return -EINVAL;
	if (u->flags == VFIO_USER_DMA_UNMAP_ALL)
		return u->iova || u->size ? -EINVAL : 0;
	if (u->flags || !is_range(u->iova, u->size))
		return -EINVAL;
	return 0;
}

static int decode_device_info(const struct body *b,
			      struct vfio_user_request *req)
{
	struct vfio_user_device_info *i = &req->u.device_info;

	i->argsz = get_le32(b->p);
	i->flags = get_le32(b->p + 4);
	i->num_regions = get_le32(b->p + 8);
	i->num_irqs = get_le32(b->p + 12);
	return i->argsz < sizeof(*i) ? -EINVAL : 0;
}

/* Only argsz and index say anything; the others, which should be 0, are not
 * worth refusing a client that repeats a request in the reply's buffer. */
static int decode_region_info(const struct body *b,
			      struct vfio_user_request *req)
{
	struct vfio_user_region_info *i = &req->u.region_info;

	i->argsz = get_le32(b->p);
	i->flags = get_le32(b->p + 4);
	i->index = get_le32(b->p + 8);
	i->cap_offset = get_le32(b->p + 12);
	i->size = get_le64(b->p + 16);
	i->offset = get_le64(b->p + 24);
	if (i->argsz < sizeof(*i) || b->len > i->argsz)
		return -EINVAL;
	return 0;
}

static int decode_region_io_fds(const struct body *b,
				struct vfio_user_request *req)
{
	struct vfio_user_region_io_fds *i = &req->u.region_io_fds;

	i->argsz = get_le32(b->p);
	i->flags = get_le32(b->p + 4);
	i->index = get_le32(b->p + 8);
	i->count = get_le32(b->p + 12);
	if (i->argsz < sizeof(*i) || i->flags || i->count)
		return -EINVAL;
	return 0;
}

static int decode_irq_info(const struct body *b, struct vfio_user_request *req)
{
	struct vfio_user_irq_info *i = &req->u.irq_info;

	i->argsz = get_le32(b->p);
	i->flags = get_le32(b->p + 4);
	i->index = get_le32(b->p + 8);
	i->count = get_le32(b->p + 12);
	return i->argsz < sizeof(*i) ? -EINVAL : 0;
}

/* What @set->flags say about the rest of the message. */
static int check_irq_data(const struct body *b,
			  const struct vfio_user_irq_set *set)
{
	size_t data = b->len - sizeof(*set);

	switch (set->flags & VFIO_USER_IRQ_SET_DATA_MASK) {
	case VFIO_USER_IRQ_SET_DATA_NONE:
		return data || b->n_fds ? -EINVAL : 0;
	case VFIO_USER_IRQ_SET_DATA_BOOL:
		if (b->n_fds || data != set->count ||
		    set->argsz - sizeof(*set) < set->count)
			return -EINVAL;
		return 0;
	case VFIO_USER_IRQ_SET_DATA_EVENTFD:
		if (data || (b->n_fds && b->n_fds != set->count))
			return -EINVAL;
		return 0;
	default: /* none, or more than one */
		return -EINVAL;
	}
}

static int decode_irq_set(const struct body *b, struct vfio_user_request *req)
{
	struct vfio_user_irq_set *set = &req->u.irq_set.set;
	uint32_t action;

	set->argsz = get_le32(b->p);
	set->flags = get_le32(b->p + 4);
	set->index = get_le32(b->p + 8);
	set->start = get_le32(b->p + 12);
	set->count = get_le32(b->p + 16);
	req->u.irq_set.bools = NULL;
	action = set->flags & VFIO_USER_IRQ_SET_ACTIONS;
	if (set->argsz < sizeof(*set) || !is_pow2(action) ||
	    (set->flags &
	     ~(VFIO_USER_IRQ_SET_DATA_MASK | VFIO_USER_IRQ_SET_ACTIONS)))
		return -EINVAL;
	if (set->count > UINT32_MAX - set->start)
		return -EINVAL;
	/* No count, no start, no data: all of the index is switched off. */
	if (!set->count &&
	    (set->start || set->flags != (VFIO_USER_IRQ_SET_DATA_NONE |
					  VFIO_USER_IRQ_SET_ACTION_TRIGGER)))
		return -EINVAL;
	if (set->flags & VFIO_USER_IRQ_SET_DATA_BOOL)
		req->u.irq_set.bools = b->p + sizeof(*set);
	return check_irq_data(b, set);
}

static int decode_access(const struct body *b, struct vfio_user_request *req)
{
	uint64_t offset = get_le64(b->p);
	uint32_t count = get_le32(b->p + 12);

	req->u.access.offset = offset;
	req->u.access.region = get_le32(b->p + 8);
	req->u.access.count = count;
	req->u.access.data = NULL;
	if (count > b->max_data_xfer || !is_range(offset, count))
		return -EINVAL;
	return 0;
}

static int decode_region_write(const struct body *b,
			       struct vfio_user_request *req)
{
	int err = decode_access(b, req);

	if (err)
		return err;
	if (b->len - sizeof(struct vfio_user_region_access) !=
	    req->u.access.count)
		return -EINVAL;
	req->u.access.data = b->p + sizeof(struct vfio_user_region_access);
	return 0;
}

void vfio_user_write_single(const uint8_t *writes, uint64_t i,
			    struct vfio_user_write_single *ret_write)
{
	const uint8_t *p = writes + i * sizeof(*ret_write);

	ret_write->offset = get_le64(p);
	ret_write->region = get_le32(p + 8);
	ret_write->count = get_le32(p + 12);
	memcpy(&ret_write->data, p + 16, sizeof(ret_write->data));
}

/* All of the message is looked at before any of it is applied. */
static int decode_write_multi(const struct body *b,
			      struct vfio_user_request *req)
{
	size_t room = b->len - sizeof(struct vfio_user_write_multi);
	uint64_t count = get_le64(b->p);
	const uint8_t *writes = b->p + sizeof(struct vfio_user_write_multi);

	/* Divide: a product would wrap. */
	if (room % sizeof(struct vfio_user_write_single) ||
	    room / sizeof(struct vfio_user_write_single) != count)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		struct vfio_user_write_single w;

		vfio_user_write_single(writes, i, &w);
		if (w.count > VFIO_USER_MAX_SINGLE_WRITE ||
		    !is_range(w.offset, w.count))
			return -EINVAL;
	}
	req->u.write_multi.count = count;
	req->u.write_multi.writes = writes;
	return 0;
}

static int decode_reset(const struct body *b, struct vfio_user_request *req)
{
	return 0;
}

static int decode_feature(const struct body *b, struct vfio_user_request *req)
{
	const uint32_t both = VFIO_USER_FEATURE_GET | VFIO_USER_FEATURE_SET;
	uint32_t flags = get_le32(b->p + 4);

	req->u.feature.argsz = get_le32(b->p);
	req->u.feature.flags = flags;
	req->u.feature.data = b->p + sizeof(struct vfio_user_device_feature);
	req->u.feature.len = b->len - sizeof(struct vfio_user_device_feature);
	if (req->u.feature.argsz < sizeof(struct vfio_user_device_feature))
		return -EINVAL;
	if (flags & ~(VFIO_USER_FEATURE_MASK | both | VFIO_USER_FEATURE_PROBE))
		return -EINVAL;
	if (!(flags & VFIO_USER_FEATURE_PROBE) && !is_pow2(flags & both))
		return -EINVAL;
	return 0;
}

static int decode_mig_data(const struct body *b, struct vfio_user_request *req)
{
	req->u.mig_data.argsz = get_le32(b->p);
	req->u.mig_data.size = get_le32(b->p + 4);
	req->u.mig_data.data = NULL;
	if (req->u.mig_data.argsz < sizeof(struct vfio_user_mig_data) ||
	    req->u.mig_data.size > b->max_data_xfer)
		return -EINVAL;
	return 0;
}

static int decode_mig_read(const struct body *b, struct vfio_user_request *req)
{
	int err = decode_mig_data(b, req);

	if (err)
		return err;
	/* A shorter answer would mean the end of the data. */
	if (req->u.mig_data.argsz - sizeof(struct vfio_user_mig_data) <
	    req->u.mig_data.size)
		return -EINVAL;
	return 0;
}

static int decode_mig_write(const struct body *b, struct vfio_user_request *req)
{
	int err = decode_mig_data(b, req);

	if (err)
		return err;
	if (b->len - sizeof(struct vfio_user_mig_data) != req->u.mig_data.size)
		return -EINVAL;
	req->u.mig_data.data = b->p + sizeof(struct vfio_user_mig_data);
	return 0;
}

#define ANY SIZE_MAX

/*
 * Every command: its name, the bytes of payload that a request has, and how
 * many fds may come with it. No decoder: only servers send it.
 */
static const struct command {
	const char *name;
	size_t min, max;
	size_t max_fds;
	int (*decode)(const struct body *b, struct vfio_user_request *req);
} commands[VFIO_USER_NUM_COMMANDS] = {
	[VFIO_USER_VERSION] = { "VERSION", 4, ANY, 0, decode_version },
	[VFIO_USER_DMA_MAP] = { "DMA_MAP", 32, 32, 1, decode_dma_map },
	[VFIO_USER_DMA_UNMAP] = { "DMA_UNMAP", 24, 24, 0, decode_dma_unmap },
	[VFIO_USER_DEVICE_GET_INFO] = { "GET_INFO", 16, 16, 0,
					decode_device_info },
	[VFIO_USER_DEVICE_GET_REGION_INFO] = { "GET_REGION_INFO", 32, ANY, 0,
					       decode_region_info },
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = { "GET_REGION_IO_FDS", 16, 16, 0,
						 decode_region_io_fds },
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = { "GET_IRQ_INFO", 16, 16, 0,
					    decode_irq_info },
	[VFIO_USER_DEVICE_SET_IRQS] = { "SET_IRQS", 20, ANY, ANY,
					decode_irq_set },
	[VFIO_USER_REGION_READ] = { "REGION_READ", 16, 16, 0, decode_access },
	[VFIO_USER_REGION_WRITE] = { "REGION_WRITE", 16, ANY, 0,
				     decode_region_write },
	[VFIO_USER_DMA_READ] = { "DMA_READ", 0, 0, 0, NULL },
	[VFIO_USER_DMA_WRITE] = { "DMA_WRITE", 0, 0, 0, NULL },
	[VFIO_USER_DEVICE_RESET] = { "RESET", 0, 0, 0, decode_reset },
	[VFIO_USER_REGION_WRITE_MULTI] = { "REGION_WRITE_MULTI", 8, ANY, 0,
					   decode_write_multi },
	[VFIO_USER_DEVICE_FEATURE] = { "DEVICE_FEATURE", 8, ANY, 0,
				       decode_feature },
	[VFIO_USER_MIG_DATA_READ] = { "MIG_DATA_READ", 8, 8, 0,
				      decode_mig_read },
	[VFIO_USER_MIG_DATA_WRITE] = { "MIG_DATA_WRITE", 8, ANY, 0,
				       decode_mig_write },
};

int vfio_user_decode_request(const void *msg, size_t len, size_t n_fds,
			     uint64_t max_data_xfer,
			     struct vfio_user_request *ret_req)
{
	const struct command *c;
	struct body b;

	if (len < HEADER) {
		memset(&ret_req->header, 0, sizeof(ret_req->header));
		return -EINVAL;
	}
	get_header(msg, &ret_req->header);
	if (ret_req->header.size != len)
		return -EINVAL;
	/* Type 0, a command; and no bit that has no meaning there. */
	if (ret_req->header.flags & ~VFIO_USER_NO_REPLY)
		return -EINVAL;
	if (ret_req->header.command >= VFIO_USER_NUM_COMMANDS)
		return -EOPNOTSUPP;
	c = &commands[ret_req->header.command];
	if (!c->decode)
		return -EOPNOTSUPP;
	b = (struct body){
		.p = (const uint8_t *)msg + HEADER,
		.len = len - HEADER,
		.n_fds = n_fds,
		.max_data_xfer = max_data_xfer,
	};
	if (b.len < c->min || b.len > c->max || n_fds > c->max_fds)
		return -EINVAL;
	return c->decode(&b, ret_req);
}

const char *vfio_user_command_name(unsigned command)
{
	if (command >= VFIO_USER_NUM_COMMANDS || !commands[command].name)
		return "?";
	return commands[command].name;
}
