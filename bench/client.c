/* SPDX-License-Identifier: MIT */
/* The client: sends prepared bytes, and takes the replies' bytes. Before the
 * clock runs it says hello to a device and looks once whether that answers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vgpu/driver.h>

#include "bench.h"
#include "util/bytes.h"
#include "vfio-user/proto.h"

#define HEAD (sizeof(struct vfio_user_header))
#define MAP_SIZE (2u << 20)

struct client {
	const struct work *work;
	enum way way;
	int sock;
	int event;
	int memory; /* what is mapped */
	size_t request, reply;
	uint8_t *out;  /* a batch of requests */
	uint8_t *sync; /* the last one of KIND_POSTED */
	uint8_t *in;
};

size_t work_request(const struct work *work)
{
	return HEAD + sizeof(struct vfio_user_region_access) +
	       (work->command == VFIO_USER_REGION_WRITE ? work->count : 0);
}

size_t work_reply(const struct work *work)
{
	return HEAD + sizeof(struct vfio_user_region_access) +
	       (work->command == VFIO_USER_REGION_READ ? work->count : 0);
}

static void put_header(uint8_t *p, unsigned command, size_t size,
		       uint32_t flags)
{
	memset(p, 0, HEAD);
	put_le16(p, 7);
	put_le16(p + 2, (uint16_t)command);
	put_le32(p + 4, (uint32_t)size);
	put_le32(p + 8, flags);
}

static void put_access(uint8_t *p, const struct work *w, uint32_t flags)
{
	put_header(p, w->command, work_request(w), flags);
	put_le64(p + HEAD, w->offset);
	put_le32(p + HEAD + 8, w->region);
	put_le32(p + HEAD + 12, w->count);
	if (w->command == VFIO_USER_REGION_WRITE)
		memset(p + HEAD + 16, 0x5a, w->count);
}

static void send_fd(int sock, const void *buf, size_t len, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)len)
		fail("sendmsg");
}

/* A reply that has to be one without the error bit */
static void expect(struct client *c, size_t size)
{
	way_recv_all(WAY_BLOCK, c->sock, c->in, size);
	if (get_le32(c->in + 4) != size ||
	    get_le32(c->in + 8) != VFIO_USER_TYPE_REPLY) {
		errno = (int)get_le32(c->in + 12);
		fail("the device's reply");
	}
}

static void say_hello(struct client *c)
{
	uint8_t p[256];

	put_header(p, VFIO_USER_VERSION, HEAD + 4 + 3, 0);
	put_le16(p + HEAD, VFIO_USER_MAJOR);
	put_le16(p + HEAD + 2, VFIO_USER_MINOR);
	memcpy(p + HEAD + 4, "{}", 3);
	way_send_all(WAY_BLOCK, c->sock, p, HEAD + 4 + 3);
	way_recv_all(WAY_BLOCK, c->sock, c->in, HEAD);
	way_recv_all(WAY_BLOCK, c->sock, c->in + HEAD,
		     get_le32(c->in + 4) - HEAD);
	if (c->work->kind != KIND_DOORBELL)
		return;
	put_header(p, VFIO_USER_DEVICE_SET_IRQS, HEAD + 20, 0);
	put_le32(p + HEAD, 20);
	put_le32(p + HEAD + 4, VFIO_USER_IRQ_SET_DATA_EVENTFD |
				       VFIO_USER_IRQ_SET_ACTION_TRIGGER);
	put_le32(p + HEAD + 8, VGPU_IRQ_MSI);
	put_le32(p + HEAD + 12, 0);
	put_le32(p + HEAD + 16, 1);
	send_fd(c->sock, p, HEAD + 20, c->event);
	expect(c, HEAD);
}

/* Look once whether the device does it. */
static void try_once(struct client *c)
{
	if (c->work->kind == KIND_MAP) {
		/* A VM maps many ranges of one file: keep another one. */
		put_le64(c->out + HEAD + 16, 1ull << 40);
		send_fd(c->sock, c->out, MAP_REQUEST, c->memory);
		expect(c, MAP_REPLY);
		put_le64(c->out + HEAD + 16, 1u << 30);
	}
	if (c->work->kind != KIND_ROUND_TRIP)
		return;
	way_send_all(WAY_BLOCK, c->sock, c->out, c->request);
	expect(c, c->reply);
}

static void prepare_maps(struct client *c)
{
	/* As QEMU's memory-backend-memfd: its size is sealed. */
	c->memory = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (c->memory < 0 || ftruncate(c->memory, MAP_SIZE) < 0 ||
	    fcntl(c->memory, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		fail("memfd");
	memset(c->out, 0, c->work->batch * MAP_REQUEST);
	memset(c->sync, 0, c->work->batch * UNMAP_REQUEST);
	for (unsigned i = 0; i < c->work->batch; i++) {
		uint8_t *map = c->out + i * MAP_REQUEST;
		uint8_t *unmap = c->sync + i * UNMAP_REQUEST;
		uint64_t iova = (1u << 30) + (uint64_t)i * MAP_SIZE;

		put_header(map, VFIO_USER_DMA_MAP, MAP_REQUEST, 0);
		put_le32(map + HEAD, MAP_REQUEST - HEAD);
		put_le32(map + HEAD + 4,
			 VFIO_USER_DMA_MAP_READ | VFIO_USER_DMA_MAP_WRITE);
		put_le64(map + HEAD + 16, iova);
		put_le64(map + HEAD + 24, MAP_SIZE);
		put_header(unmap, VFIO_USER_DMA_UNMAP, UNMAP_REQUEST, 0);
		put_le32(unmap + HEAD, UNMAP_REQUEST - HEAD);
		put_le64(unmap + HEAD + 8, iova);
		put_le64(unmap + HEAD + 16, MAP_SIZE);
	}
}

struct client *client_new(const struct work *work, enum way way, int sock,
			  int event, bool device)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		fail("calloc");
	c->work = work;
	c->way = way;
	c->sock = sock;
	c->event = event;
	c->memory = -1;
	c->request = work_request(work);
	c->reply = work_reply(work);
	c->out = malloc((size_t)work->batch * MAX_BYTES);
	c->in = malloc((size_t)work->batch * MAX_BYTES);
	c->sync = malloc(MAX_BYTES);
	if (!c->out || !c->in || !c->sync)
		fail("malloc");
	if (work->kind == KIND_MAP) {
		prepare_maps(c);
	} else {
		for (unsigned i = 0; i < work->batch; i++)
			put_access(c->out + i * c->request, work,
				   work->kind == KIND_POSTED ?
					   VFIO_USER_NO_REPLY : 0);
		put_access(c->sync, work, 0);
	}
	if (device) {
		say_hello(c);
		try_once(c);
	}
	return c;
}

void client_free(struct client *c)
{
	if (c->memory >= 0)
		close(c->memory);
	free(c->out);
	free(c->in);
	free(c->sync);
	free(c);
}

void client_run(struct client *c, uint64_t ops)
{
	const struct work *w = c->work;

	for (uint64_t i = 0; i < ops; i++) {
		switch (w->kind) {
		case KIND_ROUND_TRIP:
			way_send_all(c->way, c->sock, c->out,
				     w->batch * c->request);
			way_recv_all(c->way, c->sock, c->in,
				     w->batch * c->reply);
			break;
		case KIND_POSTED:
			way_send_all(c->way, c->sock, c->out,
				     w->batch * c->request);
			break;
		case KIND_MAP:
			for (unsigned m = 0; m < w->batch; m++)
				send_fd(c->sock, c->out + m * MAP_REQUEST,
					MAP_REQUEST, c->memory);
			way_recv_all(c->way, c->sock, c->in,
				     w->batch * MAP_REPLY);
			way_send_all(c->way, c->sock, c->sync,
				     w->batch * UNMAP_REQUEST);
			way_recv_all(c->way, c->sock, c->in,
				     w->batch * UNMAP_REPLY);
			break;
		case KIND_DOORBELL:
			way_send_all(c->way, c->sock, c->out, c->request);
			way_wait_event(c->way, c->event);
			way_recv_all(c->way, c->sock, c->in, c->reply);
			break;
		}
	}
	if (w->kind == KIND_POSTED) {
		way_send_all(c->way, c->sock, c->sync, c->request);
		way_recv_all(c->way, c->sock, c->in, c->reply);
	}
}
