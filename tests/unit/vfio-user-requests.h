/* SPDX-License-Identifier: MIT */
/* One good message of each command that a client sends. Include after
 * cmocka.h. */
#ifndef TEST_VFIO_USER_REQUESTS_H
#define TEST_VFIO_USER_REQUESTS_H

#include <errno.h>
#include <stdio.h>

#include "util/bytes.h"
#include "vfio-user/decode.h"
#include "vfio-user-build.h"

#define XFER VFIO_USER_DEFAULT_MAX_DATA_XFER
#define TOP  UINT64_MAX

static struct build b;

/* The outcome only; the pointers in @req are stale. */
static inline int decode(size_t n_fds, struct vfio_user_request *req)
{
	void *mem;
	const void *msg = exact(&b, &mem);
	int err = vfio_user_decode_request(msg, b.len, n_fds, XFER, req);

	free(mem);
	return err;
}

/* One good message of each command that a client sends. */
static inline void version(void)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":16}}";

	start(&b, VFIO_USER_VERSION);
	put(&b, 0, 2);
	put(&b, 1, 2);
	put_bytes(&b, json, sizeof(json));
}

static inline void dma_map(void)
{
	start(&b, VFIO_USER_DMA_MAP);
	put(&b, 32, 4);
	put(&b, 3, 4);
	put(&b, 0x1000, 8);
	put(&b, 0x100000000, 8);
	put(&b, 0x200000, 8);
}

static inline void dma_unmap(void)
{
	start(&b, VFIO_USER_DMA_UNMAP);
	put(&b, 24, 4);
	put(&b, 0, 4);
	put(&b, 0x100000000, 8);
	put(&b, 0x200000, 8);
}

static inline void get_info(void)
{
	start(&b, VFIO_USER_DEVICE_GET_INFO);
	put(&b, 16, 4);
	put(&b, 0, 8);
	put(&b, 0, 4);
}

static inline void region_info(void)
{
	start(&b, VFIO_USER_DEVICE_GET_REGION_INFO);
	put(&b, 32, 4);
	put(&b, 0, 4);
	put(&b, 7, 4);
	put(&b, 0, 4);
	put(&b, 0, 8);
	put(&b, 0, 8);
}

static inline void region_io_fds(void)
{
	start(&b, VFIO_USER_DEVICE_GET_REGION_IO_FDS);
	put(&b, 4096, 4);
	put(&b, 0, 4);
	put(&b, 2, 4);
	put(&b, 0, 4);
}

static inline void irq_info(void)
{
	start(&b, VFIO_USER_DEVICE_GET_IRQ_INFO);
	put(&b, 16, 4);
	put(&b, 0, 4);
	put(&b, 3, 4);
	put(&b, 0, 4);
}

static inline void irq_set(uint32_t flags, uint32_t first, uint32_t count)
{
	start(&b, VFIO_USER_DEVICE_SET_IRQS);
	put(&b, 20, 4);
	put(&b, flags, 4);
	put(&b, 2, 4);
	put(&b, first, 4);
	put(&b, count, 4);
}

static inline void irq_eventfd(void)
{
	irq_set(0x24, 1, 3);
}

static inline void irq_bool(void)
{
	irq_set(0x22, 1, 3);
	poke(&b, 16, 23, 4);
	put_bytes(&b, "\1\0\1", 3);
}

static inline void irq_none(void)
{
	irq_set(0x21, 0, 0);
}

static inline void region_read(void)
{
	start(&b, VFIO_USER_REGION_READ);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 4, 4);
}

static inline void region_write(void)
{
	start(&b, VFIO_USER_REGION_WRITE);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 4, 4);
	put_bytes(&b, "data", 4);
}

static inline void reset(void)
{
	start(&b, VFIO_USER_DEVICE_RESET);
}

static inline void write_multi(void)
{
	start(&b, VFIO_USER_REGION_WRITE_MULTI);
	put(&b, 2, 8);
	put(&b, 0x504, 8);
	put(&b, 2, 4);
	put(&b, 2, 4);
	put_bytes(&b, "abcdefgh", 8);
	put(&b, TOP - 7, 8);
	put(&b, 0, 4);
	put(&b, 8, 4);
	put_bytes(&b, "ijklmnop", 8);
}

static inline void feature(void)
{
	start(&b, VFIO_USER_DEVICE_FEATURE);
	put(&b, 16, 4);
	put(&b, VFIO_USER_FEATURE_SET | VFIO_USER_FEATURE_MIG_DEVICE_STATE, 4);
	put(&b, 2, 8);
}

static inline void mig_read(void)
{
	start(&b, VFIO_USER_MIG_DATA_READ);
	put(&b, 8 + 4096, 4);
	put(&b, 4096, 4);
}

static inline void mig_write(void)
{
	start(&b, VFIO_USER_MIG_DATA_WRITE);
	put(&b, 8, 4);
	put(&b, 5, 4);
	put_bytes(&b, "state", 5);
}

/*
 * @fds: that belong to the message
 * @more_fds: the first number that is too many
 * @short_ok: a length at which a cut message is good again
 * @any_from: lengths from here on are all good
 */
static const struct good {
	const char *name;
	void (*build)(void);
	size_t fds, more_fds;
	size_t short_ok, any_from;
} goods[] = {
	{ "version", version, 0, 1, 20, 0 },
	{ "dma_map", dma_map, 1, 2, 0, 0 },
	{ "dma_unmap", dma_unmap, 0, 1, 0, 0 },
	{ "get_info", get_info, 0, 1, 0, 0 },
	{ "region_info", region_info, 0, 1, 0, 0 },
	{ "region_io_fds", region_io_fds, 0, 1, 0, 0 },
	{ "irq_info", irq_info, 0, 1, 0, 0 },
	{ "irq_eventfd", irq_eventfd, 3, 4, 0, 0 },
	{ "irq_bool", irq_bool, 0, 1, 0, 0 },
	{ "irq_none", irq_none, 0, 1, 0, 0 },
	{ "region_read", region_read, 0, 1, 0, 0 },
	{ "region_write", region_write, 0, 1, 0, 0 },
	{ "reset", reset, 0, 1, 0, 0 },
	{ "write_multi", write_multi, 0, 1, 0, 0 },
	{ "feature", feature, 0, 1, 0, 24 },
	{ "mig_read", mig_read, 0, 1, 0, 0 },
	{ "mig_write", mig_write, 0, 1, 0, 0 },
};

#endif
