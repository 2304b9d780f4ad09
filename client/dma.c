/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private.h"
#include "util/bytes.h"
#include "util/cleanup.h"

static int send_map(struct vgpu_client *c, uint64_t iova, uint64_t size,
		    unsigned prot, int fd, uint64_t offset)
{
	struct vfio_user_dma_map map = { .argsz = sizeof(map),
					 .flags = prot,
					 .offset = offset,
					 .iova = iova,
					 .size = size };
	struct client_call call = {
		.command = VFIO_USER_DMA_MAP,
		.send = { &map },
		.send_size = { sizeof(map) },
		.fds = &fd,
		.n_fds = fd >= 0,
	};

	return client_call(c, &call);
}

/* Enter memory, and show it to the device. @m is taken on success. */
static int add(struct vgpu_client *c, struct client_memory *m, int fd,
	       uint64_t offset)
{
	int err;

	pthread_mutex_lock(&c->lock);
	/* First here: the device may ask before its reply is read. */
	m->next = c->memory;
	c->memory = m;
	err = send_map(c, m->iova, m->size, m->prot, fd, offset);
	if (err)
		c->memory = m->next;
	pthread_mutex_unlock(&c->lock);
	return err;
}

static struct client_memory *new_memory(uint64_t iova, uint64_t size,
					unsigned prot, void *ptr)
{
	struct client_memory *m = calloc(1, sizeof(*m));

	if (m) {
		m->iova = iova;
		m->size = size;
		m->prot = prot;
		m->ptr = ptr;
	}
	return m;
}

int vgpu_client_dma_map(struct vgpu_client *c, uint64_t iova, uint64_t size,
			unsigned prot, int fd, uint64_t offset)
{
	struct client_memory *m = new_memory(iova, size, prot, NULL);
	int err;

	if (!m)
		return -ENOMEM;
	err = fd < 0 ? -EBADF : add(c, m, fd, offset);
	if (err)
		free(m);
	return err;
}

int vgpu_client_dma_map_private(struct vgpu_client *c, uint64_t iova,
				uint64_t size, unsigned prot, void *ptr)
{
	struct client_memory *m = new_memory(iova, size, prot, ptr);
	int err;

	if (!m)
		return -ENOMEM;
	m->private = true;
	err = add(c, m, -1, 0);
	if (err)
		free(m);
	return err;
}

int vgpu_client_dma_alloc(struct vgpu_client *c, uint64_t iova, uint64_t size,
			  unsigned prot, void **ret_ptr)
{
	cleanup_fd int fd = memfd_create("vgpu-client", MFD_CLOEXEC);
	struct client_memory *m;
	void *p;
	int err;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	m = new_memory(iova, size, prot, p);
	if (!m) {
		munmap(p, size);
		return -ENOMEM;
	}
	m->owned = true;
	err = add(c, m, fd, 0);
	if (err) {
		munmap(p, size);
		free(m);
		return err;
	}
	*ret_ptr = p;
	return 0;
}

static void free_memory(struct client_memory *m)
{
	if (m->owned)
		munmap(m->ptr, m->size);
	free(m);
}

int vgpu_client_dma_unmap(struct vgpu_client *c, uint64_t iova, uint64_t size)
{
	struct vfio_user_dma_unmap unmap = { .argsz = sizeof(unmap),
					     .iova = iova,
					     .size = size };
	struct vfio_user_dma_unmap reply;
	struct client_call call = {
		.command = VFIO_USER_DMA_UNMAP,
		.send = { &unmap },
		.send_size = { sizeof(unmap) },
		.recv = { &reply },
		.recv_room = { sizeof(reply) },
	};
	struct client_memory **p, *m;
	int err = -ENOENT;

	pthread_mutex_lock(&c->lock);
	for (p = &c->memory; (m = *p); p = &m->next)
		if (m->iova == iova && m->size == size)
			break;
	if (m)
		err = client_call(c, &call);
	if (!err) {
		*p = m->next;
		free_memory(m);
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

void *client_private_memory(struct vgpu_client *c, uint64_t iova, uint64_t len,
			    unsigned prot)
{
	for (struct client_memory *m = c->memory; m; m = m->next)
		if (m->ptr && (m->prot & prot) && iova >= m->iova &&
		    range_inside(iova - m->iova, len, m->size))
			return (uint8_t *)m->ptr + (iova - m->iova);
	return NULL;
}

void client_free_memory(struct vgpu_client *c)
{
	while (c->memory) {
		struct client_memory *m = c->memory;

		c->memory = m->next;
		free_memory(m);
	}
}
