/* SPDX-License-Identifier: MIT */
/*
 * What travels between vgpu-device (the worker) and vgpu-parent, both of one
 * host and one version of this project: host order, and a HELLO that checks
 * the version.
 *
 * Two stream sockets for each worker. The first, which the worker connects,
 * carries HELLO, WELCOME and then the drivers' MESSAGEs, both ways and
 * unasked. The second comes with WELCOME and carries *calls*: the worker asks,
 * goes on with what it does, and gets a REPLY. Up to WIRE_MAX_CALLS may be under
 * way. They are taken up in their order, and answered at once, but for an UNMAP
 * of what the engine uses: it is answered when it is done, and does not keep
 * others from being served. So a driver's messages and calls are in nobody's
 * way. Beside them, doorbells (bell.h), and memory that the drivers' halves
 * share.
 */
#ifndef LINK_WIRE_H
#define LINK_WIRE_H

#include <stdint.h>

#include <vgpu/parent.h>

#include "fds.h"

#define WIRE_VERSION 3u

#define WIRE_TYPE_MAX	  64	 /* bytes of a type's name, NUL included */
#define WIRE_MAX_PAGES	  512u	 /* of one MAP or UNMAP */
#define WIRE_WINDOW	  4u	 /* MAPs of one worker under way */
#define WIRE_MAX_CALLS	  16u	 /* calls, MAPs among them */
#define WIRE_MAX_PAYLOAD  8192u	 /* of any message */
#define WIRE_MAX_MEMORIES 65536u /* of one worker: ranges with pinned pages */
#define WIRE_MAX_FILES	  256u	 /* of one worker: files behind them */
#define WIRE_MAX_MAPPED	  (1u << 20) /* of one worker: pages, 4 GiB */

enum wire_kind {
	WIRE_HELLO = 1, /* struct wire_hello */
	WIRE_WELCOME,	/* struct wire_welcome, with enum wire_welcome_fd */
	WIRE_MESSAGE,	/* a driver's */
	WIRE_MEMORY,	/* struct wire_memory, with the file */
	WIRE_FORGET,	/* struct wire_forget */
	WIRE_MAP,	/* struct wire_map, then wire_page's */
	WIRE_UNMAP,	/* struct wire_unmap, then addresses */
	WIRE_REPLY,	/* struct wire_reply, after a MAP with addresses */
	WIRE_GIVE,	/* a call: struct wire_give, with the file */
};

/**
 * struct wire_header - before every message
 * @size: of header and payload, bytes
 * @kind: enum wire_kind
 * @flags: 0
 * @seq: of a call, from 1 on; its reply has the same. Others: 0.
 * @reserved: 0
 */
struct wire_header {
	uint32_t size;
	uint16_t kind;
	uint16_t flags;
	uint32_t seq;
	uint32_t reserved;
};

#define WIRE_MAX_SIZE (sizeof(struct wire_header) + WIRE_MAX_PAYLOAD)

/**
 * struct wire_hello - who the worker is
 * @weight: 0: as the type has it
 * @cap: percent; 0: none
 *
 * On a connection that was introduced (introduce.h), @uuid and @type have to be
 * those of the introduction, and the rest is not looked at.
 */
struct wire_hello {
	uint32_t version;
	uint16_t weight;
	uint16_t cap;
	uint8_t uuid[16];
	char type[WIRE_TYPE_MAX];
};

/**
 * struct wire_welcome - the first answer
 * @err: 0, or why not (positive errno); the connection ends then
 * @shared: bytes that the parent half shares with this instance, or 0
 */
struct wire_welcome {
	uint32_t version;
	uint32_t err;
	uint64_t shared;
};

/* What comes with it, if there is no error. */
enum wire_welcome_fd {
	WIRE_FD_CALLS,
	WIRE_FD_BELL,			   /* a worker's BELL_N_FDS */
	WIRE_FD_SHARED = WIRE_FD_BELL + 3, /* if there is something */
	WIRE_FDS_LEAST = WIRE_FD_SHARED,
};

/* A range of client memory: [@offset, @offset + @size) of the file */
struct wire_memory {
	uint64_t offset;
	uint64_t size;
	uint32_t id; /* the worker's choice, below WIRE_MAX_MEMORIES; free */
	uint32_t prot;
};

struct wire_forget {
	uint32_t id;
	uint32_t reserved;
};

struct wire_map {
	uint32_t prot;
	uint32_t n;
};

/* @page: number of the page in the memory */
struct wire_page {
	uint32_t id;
	uint32_t page;
};

struct wire_unmap {
	uint32_t reserved;
	uint32_t n;
};

/* Memory of the vGPU itself: [@offset, @offset + @size) of the file. @size 0, and
 * no file: it is taken back. */
struct wire_give {
	uint32_t id; /* below VGPU_PARENT_MAX_MEMORIES */
	uint32_t reserved;
	uint64_t offset;
	uint64_t size;
};

/* @bytes: as the backend's map and unmap ops return them */
struct wire_reply {
	uint32_t err; /* positive errno */
	uint32_t n;   /* addresses that follow */
	uint64_t bytes;
};

_Static_assert(sizeof(struct wire_map) +
			       WIRE_MAX_PAGES * sizeof(struct wire_page) <=
		       WIRE_MAX_PAYLOAD,
	       "a MAP of WIRE_MAX_PAGES fits");
_Static_assert(sizeof(struct wire_reply) + WIRE_MAX_PAGES * sizeof(uint64_t) <=
		       WIRE_MAX_PAYLOAD,
	       "and so does its reply");
_Static_assert(VGPU_PARENT_MAX_MESSAGE <= WIRE_MAX_PAYLOAD, "messages fit");

/* One whole message over a blocking socket; @fds: go with it, or NULL. */
int wire_send(int fd, uint16_t kind, uint32_t seq, const void *payload,
	      size_t len, const struct wire_fds *fds);
/**
 * wire_receive() - wait for one whole message
 * @timeout_ms: -1: for ever
 * @ret_fds: what came with it; NULL: nothing may
 *
 * Return: bytes of payload; -ETIMEDOUT; -ENOTCONN; -EPROTO.
 */
int wire_receive(int fd, int timeout_ms, struct wire_header *ret_header,
		 void *payload, size_t max, struct wire_fds *ret_fds);

#endif
