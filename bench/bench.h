/* SPDX-License-Identifier: MIT */
/*
 * What bench-wire and bench-waiting share: a piece of work that a client has
 * done by a server in another process, in two versions that move the same bytes
 * over the same kind of socket. The *floor* server knows no protocol: it counts
 * bytes and sends bytes. The *device* server is vgpu-device with a driver.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How one waits for the other side. */
enum way {
	WAY_BLOCK, /* sleep in the kernel */
	WAY_YIELD, /* try for YIELD_NS with sched_yield() in between, then sleep
		    */
	WAY_SPIN,  /* try for ever */
	WAY_LOOP,  /* as our loop does (util/wait.h), then sleep */
	NUM_WAYS,
};
#define YIELD_NS 50000

enum kind {
	KIND_ROUND_TRIP, /* a request, a reply */
	KIND_POSTED,	 /* requests without reply; one with, at the end */
	KIND_MAP,	 /* DMA_MAPs with an fd each, then DMA_UNMAPs */
	KIND_DOORBELL,	 /* a write that makes the server signal an eventfd */
};

/**
 * struct work - one line of the table
 * @batch: requests in one send, and replies before the next send
 * @command: what the requests are
 * @region: which they access
 * @offset: where
 * @count: bytes of data of each access
 * @most: what its time may be at most, as a multiple of the floor's that waits
 *        the same way (0: anything)
 * @most_us: or, where the floor is faster than that, this many us a message
 * @most_best: and as a multiple of the best floor's
 */
struct work {
	const char *name;
	enum kind kind;
	unsigned batch;
	unsigned command;
	unsigned region;
	unsigned offset;
	unsigned count;
	double most, most_us, most_best;
};

/* Bytes of one request and of its reply on the wire. */
size_t work_request(const struct work *work);
size_t work_reply(const struct work *work);

#define MAP_REQUEST   48u
#define MAP_REPLY     16u
#define UNMAP_REQUEST 40u
#define UNMAP_REPLY   40u
#define MAX_BYTES     ((64u << 10) + 32u) /* of one message here */

/* What the device has: BAR 0 is memory, BAR 2 registers. */
#define DEVICE_MEMORY	(1u << 20)
#define DEVICE_SCRATCH	0x0 /* reads as written */
#define DEVICE_DOORBELL 0x4 /* a write signals MSI vector 0 */
/* With a hub: the same, after one kick that goes there and back; after many,
 * one after the other; after many messages */
#define DEVICE_KICK	0x8
#define DEVICE_KICKS	0xc
#define DEVICE_MESSAGES 0x10
#define HUB_ROUNDS	64

/* Receive some bytes. 0: the other side has closed. */
ssize_t way_recv(enum way way, int sock, void *buf, size_t len);
/* The same, with at most one fd: *@fd, -1 if there was none. */
ssize_t way_recv_fd(enum way way, int sock, void *buf, size_t len, int *fd);
/* All of them, or exit. */
void way_recv_all(enum way way, int sock, void *buf, size_t len);
void way_send_all(enum way way, int sock, const void *buf, size_t len);
/* Until an eventfd was signalled. @way as when it was made. */
int way_eventfd(enum way way);
void way_wait_event(enum way way, int event);
uint64_t now_ns(void);
/* Say what failed, and exit. */
void fail(const char *what) __attribute__((noreturn));

/* Serve @sock until it closes. @ops: how often the client does its work, for
 * KIND_POSTED, where no reply tells. @event: KIND_DOORBELL's. */
void floor_serve(const struct work *work, enum way way, int sock, int event,
		 uint64_t ops);
/* @hub: where hub_serve() listens, for a doorbell that goes there and back; or
 * NULL */
void device_serve(int sock, const char *hub) __attribute__((noreturn));
void hub_serve(const char *socket) __attribute__((noreturn));

/* Where processes run */
enum place {
	PLACE_TWO,  /* client and server on two cpus */
	PLACE_ONE,  /* both on one cpu */
	PLACE_FREE, /* not pinned */
	NUM_PLACES,
};
enum role { ROLE_CLIENT, ROLE_SERVER, ROLE_HUB };
void pin(enum place place, enum role role);

/* The client's side: before the clock runs (@device: which server it is), and
 * @ops times the work. */
struct client;
struct client *client_new(const struct work *work, enum way way, int sock,
			  int event, bool device);
void client_run(struct client *client, uint64_t ops);
void client_free(struct client *client);

#endif
