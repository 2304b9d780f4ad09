/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define INFO_ROOM                                                              \
	(sizeof(struct vfio_user_region_info) +                                \
	 sizeof(struct vfio_user_sparse_mmap) +                                \
	 VGPU_CLIENT_MAX_AREAS * sizeof(struct vfio_user_sparse_area))

/* ------------------------------------------------------------------ */
/* What a region is                                                    */
/* ------------------------------------------------------------------ */

static int add_area(struct client_region *r, uint64_t offset, uint64_t size)
{
	void *areas, *maps;

	if (!size || !range_inside(offset, size, r->size))
		return -EPROTO;
	if (r->n_areas == VGPU_CLIENT_MAX_AREAS)
		return 0; /* the rest goes by message */
	areas = realloc(r->areas, (r->n_areas + 1) * sizeof(*r->areas));
	if (!areas)
		return -ENOMEM;
	r->areas = areas;
	maps = realloc(r->maps, (r->n_areas + 1) * sizeof(*r->maps));
	if (!maps)
		return -ENOMEM;
	r->maps = maps;
	r->areas[r->n_areas] = (struct vgpu_client_area){ offset, size };
	r->maps[r->n_areas++] = NULL;
	return 0;
}

/* Walk the capabilities behind the info; a server may have sent anything. */
static int read_caps(struct client_region *r, const uint8_t *info, size_t len,
		     uint32_t offset)
{
	/* Each step goes forward, so this ends. */
	while (offset) {
		struct vfio_user_cap_header h;
		struct vfio_user_sparse_mmap s;
		struct vfio_user_sparse_area a;

		if (!range_inside(offset, sizeof(h), len))
			return -EPROTO;
		memcpy(&h, info + offset, sizeof(h));
		if (h.id == VFIO_USER_CAP_SPARSE_MMAP) {
			if (!range_inside(offset, sizeof(s), len))
				return -EPROTO;
			memcpy(&s, info + offset, sizeof(s));
			for (uint32_t i = 0; i < s.nr_areas; i++) {
				uint64_t at = offset + sizeof(s) +
					      (uint64_t)i * sizeof(a);
				int err;

				if (!range_inside(at, sizeof(a), len))
					return -EPROTO;
				memcpy(&a, info + at, sizeof(a));
				err = add_area(r, a.offset, a.size);
				if (err)
					return err;
			}
			return 0;
		}
		if (h.next <= offset)
			return h.next ? -EPROTO : 0;
		offset = h.next;
	}
	return 0;
}

static int ask(struct vgpu_client *c, unsigned index, uint32_t argsz,
	       uint8_t *reply, struct client_call *call)
{
	struct vfio_user_region_info info = { .argsz = argsz, .index = index };
	int err;

	*call = (struct client_call){
		.command = VFIO_USER_DEVICE_GET_REGION_INFO,
		.send = { &info },
		.send_size = { sizeof(info) },
		.recv = { reply },
		.recv_room = { INFO_ROOM },
	};
	err = client_call(c, call);
	if (!err && call->recv_size < sizeof(info))
		err = client_fail(c, -EPROTO);
	return err;
}

/* Keep the first fd that came, close the others. */
static void keep_fd(struct client_region *r, struct client_call *call)
{
	while (call->n_recv_fds > 1)
		close_fd(call->recv_fds[--call->n_recv_fds]);
	if (call->n_recv_fds) {
		close_fd(r->fd);
		r->fd = call->recv_fds[0];
	}
}

int client_region_known(struct vgpu_client *c, unsigned index)
{
	uint8_t reply[INFO_ROOM];
	struct vfio_user_region_info info;
	struct client_region *r;
	struct client_call call;
	int err;

	if (index >= CLIENT_MAX_REGIONS)
		return -EINVAL;
	r = &c->regions[index];
	if (r->known)
		return 0;
	err = ask(c, index, sizeof(info), reply, &call);
	if (err)
		return err;
	keep_fd(r, &call);
	memcpy(&info, reply, sizeof(info));
	if (info.argsz > sizeof(info)) { /* there is more: a capability */
		err = ask(c, index, (uint32_t)MIN(info.argsz, INFO_ROOM),
			  reply, &call);
		if (err)
			return err;
		keep_fd(r, &call);
		memcpy(&info, reply, sizeof(info));
	}
	r->size = info.size;
	r->flags = info.flags;
	r->file_offset = info.offset;
	r->n_areas = 0;
	if (r->fd < 0)
		r->flags &= ~VFIO_USER_REGION_FLAG_MMAP;
	if (r->flags & VFIO_USER_REGION_FLAG_MMAP) {
		if (info.flags & VFIO_USER_REGION_FLAG_CAPS)
			err = read_caps(r, reply, call.recv_size,
					info.cap_offset);
		if (!err && !r->n_areas)
			err = add_area(r, 0, r->size);
	}
	if (err == -EPROTO)
		return client_fail(c, err);
	r->known = !err;
	return err;
}

int vgpu_client_region(struct vgpu_client *c, unsigned index,
		       struct vgpu_client_region *ret_region)
{
	const struct client_region *r;
	int err;

	pthread_mutex_lock(&c->lock);
	err = client_region_known(c, index);
	if (!err) {
		r = &c->regions[index];
		*ret_region = (struct vgpu_client_region){
			.size = r->size,
			.flags = r->flags & (VGPU_CLIENT_REGION_READ |
					     VGPU_CLIENT_REGION_WRITE |
					     VGPU_CLIENT_REGION_MMAP),
			.n_areas = r->n_areas,
			.areas = r->areas,
		};
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

/* ------------------------------------------------------------------ */
/* Mapping                                                             */
/* ------------------------------------------------------------------ */

static int map_area(struct client_region *r, uint32_t i)
{
	void *p;

	if (r->maps[i])
		return 0;
	p = mmap(NULL, r->areas[i].size, PROT_READ | PROT_WRITE, MAP_SHARED,
		 r->fd, (off_t)(r->file_offset + r->areas[i].offset));
	if (p == MAP_FAILED)
		return -errno;
	r->maps[i] = p;
	return 0;
}

int vgpu_client_map(struct vgpu_client *c, unsigned index, uint64_t offset,
		    uint64_t len, void **ret_ptr)
{
	struct client_region *r;
	int err;

	pthread_mutex_lock(&c->lock);
	err = client_region_known(c, index);
	if (err)
		goto out;
	r = &c->regions[index];
	err = -EACCES;
	for (uint32_t i = 0; i < r->n_areas; i++) {
		const struct vgpu_client_area *a = &r->areas[i];

		if (offset < a->offset ||
		    !range_inside(offset - a->offset, len, a->size))
			continue;
		err = map_area(r, i);
		if (!err)
			*ret_ptr = (uint8_t *)r->maps[i] + offset - a->offset;
		break;
	}
out:
	pthread_mutex_unlock(&c->lock);
	return err;
}

void client_free_regions(struct vgpu_client *c)
{
	for (unsigned i = 0; i < CLIENT_MAX_REGIONS; i++) {
		struct client_region *r = &c->regions[i];

		for (uint32_t a = 0; a < r->n_areas; a++)
			if (r->maps[a])
				munmap(r->maps[a], r->areas[a].size);
		client_free_doorbells(r);
		free(r->areas);
		free(r->maps);
		close_fd(r->fd);
	}
}

/* ------------------------------------------------------------------ */
/* Access                                                              */
/* ------------------------------------------------------------------ */

/* One message; lock held. Exactly one of @in and @out. */
static int transfer(struct vgpu_client *c, unsigned index, uint64_t offset,
		    void *in, const void *out, uint32_t count)
{
	struct vfio_user_region_access a = { offset, index, count }, reply;
	struct client_call call = {
		.command = in ? VFIO_USER_REGION_READ : VFIO_USER_REGION_WRITE,
		.send = { &a, out },
		.send_size = { sizeof(a), out ? count : 0 },
		.recv = { &reply, in },
		.recv_room = { sizeof(reply), in ? count : 0 },
	};
	int err = client_call(c, &call);

	if (err)
		return err;
	while (call.n_recv_fds)
		close_fd(call.recv_fds[--call.n_recv_fds]);
	/* A short transfer leaves bytes that nobody wrote. */
	if (call.recv_size < sizeof(reply) || reply.count != count ||
	    (in && call.recv_size != sizeof(reply) + count))
		return client_fail(c, -EPROTO);
	return 0;
}

static int transfer_all(struct vgpu_client *c, unsigned index, uint64_t offset,
			uint8_t *in, const uint8_t *out, size_t len)
{
	int err = 0;

	pthread_mutex_lock(&c->lock);
	while (!err && len) {
		uint32_t n = (uint32_t)MIN(len, (size_t)c->max_xfer);

		err = transfer(c, index, offset, in, out, n);
		offset += n;
		len -= n;
		in = in ? in + n : NULL;
		out = out ? out + n : NULL;
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

int vgpu_client_read(struct vgpu_client *c, unsigned index, uint64_t offset,
		     void *buf, size_t len)
{
	return transfer_all(c, index, offset, buf, NULL, len);
}

int vgpu_client_write(struct vgpu_client *c, unsigned index, uint64_t offset,
		      const void *buf, size_t len)
{
	return transfer_all(c, index, offset, NULL, buf, len);
}

int vgpu_client_read32(struct vgpu_client *c, unsigned index, uint64_t offset,
		       uint32_t *ret_value)
{
	uint8_t b[4];
	int err = vgpu_client_read(c, index, offset, b, sizeof(b));

	if (!err)
		*ret_value = get_le32(b);
	return err;
}

int vgpu_client_write32(struct vgpu_client *c, unsigned index, uint64_t offset,
			uint32_t value)
{
	uint8_t b[4];

	put_le32(b, value);
	return vgpu_client_write(c, index, offset, b, sizeof(b));
}

int vgpu_client_post32(struct vgpu_client *c, unsigned index, uint64_t offset,
		       uint32_t value)
{
	struct vfio_user_region_access a = { offset, index, 4 };
	uint8_t b[4];
	struct client_call call = {
		.command = VFIO_USER_REGION_WRITE,
		.send = { &a, b },
		.send_size = { sizeof(a), sizeof(b) },
		.posted = true,
	};
	int err;

	put_le32(b, value);
	pthread_mutex_lock(&c->lock);
	err = client_call(c, &call);
	pthread_mutex_unlock(&c->lock);
	return err;
}

int vgpu_client_enable(struct vgpu_client *c)
{
	uint8_t b[2];
	int err = vgpu_client_read(c, VGPU_CLIENT_REGION_CONFIG, 4, b, 2);

	if (err)
		return err;
	put_le16(b, get_le16(b) | 0x7); /* I/O, memory, bus master */
	return vgpu_client_write(c, VGPU_CLIENT_REGION_CONFIG, 4, b, 2);
}
