/* SPDX-License-Identifier: MIT */
/* The floor: the same bytes and no protocol. */
#include <unistd.h>

#include "bench.h"

static char buf[2 * MAX_BYTES];

/* Requests of one size: as many replies as there were whole requests. */
static void serve_requests(const struct work *work, enum way way, int sock,
			   int event)
{
	size_t request = work_request(work), reply = work_reply(work), have = 0;
	uint64_t one = 1;
	ssize_t n;

	while ((n = way_recv(way, sock, buf, MAX_BYTES)) > 0) {
		size_t k;

		have += (size_t)n;
		k = have / request;
		have %= request;
		if (!k)
			continue;
		if (work->kind == KIND_DOORBELL &&
		    write(event, &one, sizeof(one)) < 0)
			fail("eventfd");
		way_send_all(way, sock, buf, k * reply);
	}
}

/* Nothing to send until all is there. */
static void serve_posted(const struct work *work, enum way way, int sock,
			 uint64_t ops)
{
	uint64_t left = (ops * work->batch + 1) * work_request(work);

	while (left) {
		ssize_t n = way_recv(way, sock, buf, MAX_BYTES);

		if (!n)
			return;
		left -= (uint64_t)n;
	}
	way_send_all(way, sock, buf, work_reply(work));
}

/* Each receive brings one fd, however much there is. */
static void serve_maps(const struct work *work, enum way way, int sock)
{
	for (;;) {
		size_t left = work->batch * UNMAP_REQUEST;
		unsigned n = 0;

		while (n < work->batch) {
			int fd;

			if (way_recv_fd(way, sock, buf, MAP_REQUEST, &fd) <= 0)
				return;
			n++;
			close(fd);
		}
		way_send_all(way, sock, buf, n * MAP_REPLY);
		while (left) {
			ssize_t got = way_recv(way, sock, buf, left);

			if (got <= 0)
				return;
			left -= (size_t)got;
		}
		way_send_all(way, sock, buf, work->batch * UNMAP_REPLY);
	}
}

void floor_serve(const struct work *work, enum way way, int sock, int event,
		 uint64_t ops)
{
	switch (work->kind) {
	case KIND_ROUND_TRIP:
	case KIND_DOORBELL:
		serve_requests(work, way, sock, event);
		break;
	case KIND_POSTED:
		/* Once to warm up, once for the clock */
		serve_posted(work, way, sock, ops);
		serve_posted(work, way, sock, ops);
		break;
	case KIND_MAP:
		serve_maps(work, way, sock);
		break;
	}
}
