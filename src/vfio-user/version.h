/* SPDX-License-Identifier: MIT */
/*
 * VERSION: what the two ends agree on. ("VFIO_USER_VERSION" in the
 * specification.) Pure, but for the memory that json-c takes while it parses.
 */
#ifndef VFIO_USER_VERSION_H
#define VFIO_USER_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"
#include "quirks.h"

/* The capabilities by name, for vfio_user_caps.named */
#define VFIO_USER_KEY_MAX_MSG_FDS	 (1u << 0)
#define VFIO_USER_KEY_MAX_DATA_XFER_SIZE (1u << 1)
#define VFIO_USER_KEY_MAX_DMA_MAPS	 (1u << 2)
#define VFIO_USER_KEY_PGSIZES		 (1u << 3)
#define VFIO_USER_KEY_TWIN_SOCKET	 (1u << 4)
#define VFIO_USER_KEY_WRITE_MULTIPLE	 (1u << 5)
#define VFIO_USER_KEY_ALL		 0x3fu
#define VFIO_USER_KEY_JSON		 (1u << 31) /* there was version data */

/**
 * struct vfio_user_caps - what VERSION negotiates
 * @major: VFIO_USER_MAJOR
 * @minor: the highest that the sender speaks
 * @named: VFIO_USER_KEY_*: what was in the JSON; the others have defaults
 * @max_msg_fds: file descriptors that the sender takes with one message
 * @max_dma_maps: DMA maps that may exist at a time
 * @max_data_xfer_size: bytes of data in one message, >= 1
 * @pgsizes: page sizes of DMA maps, or'ed together, never 0
 * @write_multiple: REGION_WRITE_MULTI may be sent
 * @twin_socket: the peer supports a separate socket for server requests
 */
struct vfio_user_caps {
	uint16_t major, minor;
	uint32_t named;
	uint32_t max_msg_fds;
	uint32_t max_dma_maps;
	uint64_t max_data_xfer_size;
	uint64_t pgsizes;
	bool write_multiple;
	bool twin_socket;
};

/* What holds where a peer says nothing. */
void vfio_user_default_caps(struct vfio_user_caps *ret_caps);

/**
 * vfio_user_decode_version() - the payload of a VERSION message
 * @payload: behind the header
 * @len: any
 * @ret_caps: numbers beyond a field's range are cut to its end
 *
 * The JSON is optional; if it is there, it is one object in UTF-8, as strict as
 * json-c is (which takes names in single quotes), ends with its only NUL, and
 * takes at most VFIO_USER_MAX_VERSION_JSON bytes and VFIO_USER_MAX_JSON_DEPTH
 * levels. Unknown names are ignored. Of a name that occurs twice the last one
 * counts, as in most parsers.
 *
 * Return: 0; -EINVAL malformed, of the wrong type or out of range;
 * -EPROTONOSUPPORT another major version; -ENOMEM.
 */
int vfio_user_decode_version(const void *payload, size_t len,
			     struct vfio_user_caps *ret_caps);

/**
 * vfio_user_negotiate() - what the session runs with
 * @ours: the most that we offer
 * @client: what the client proposed
 * @ret_agreed: minor, maps, transfer size: the smaller of both; page sizes:
 *              common ones; write_multiple, twin_socket: both want it;
 *              max_msg_fds: what we take, see quirks.h - what may be sent to
 *              the client stays @client->max_msg_fds; named: the client's
 *
 * Return: 0; -EINVAL: no page size in common.
 */
int vfio_user_negotiate(const struct vfio_user_caps *ours,
			const struct vfio_user_caps *client,
			struct vfio_user_caps *ret_agreed);

/* Does this client read good replies only, whatever the error bit says? It
 * must never be sent an error that a guest can provoke. (quirks.h) */
bool vfio_user_ignores_errors(const struct vfio_user_caps *client);

#endif
