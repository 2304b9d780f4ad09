/* SPDX-License-Identifier: MIT */
/* Whole messages over a blocking socket. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/fds.h"
#include "../util/loop.h"
#include "link.h"
#include "wire.h"

int wire_send(int fd, uint16_t kind, uint32_t seq, const void *payload,
	      size_t len, const struct wire_fds *fds)
{
	struct wire_header h = { .size = (uint32_t)(sizeof(h) + len),
				 .kind = kind,
				 .seq = seq };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)payload, len } };
	ssize_t n = fds_send(fd, iov, 2, fds ? fds->fd : NULL,
			     fds ? fds->n : 0, 0);

	if (n < 0)
		return n == -EPIPE || n == -ECONNRESET ? -ENOTCONN : (int)n;
	/* A blocking socket takes all of it, unless a signal came between. */
	return (size_t)n == h.size ? 0 : -EPROTO;
}

/* It is time to look again: 0. */
static int wait_for(int fd, int timeout_ms, uint64_t begin)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int left = timeout_ms, n;

	if (timeout_ms >= 0)
		left -= (int)MIN((loop_now_ns() - begin) / 1000000,
				 (uint64_t)timeout_ms);
	n = poll(&p, 1, left);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

int wire_receive(int fd, int timeout_ms, struct wire_header *ret_header,
		 void *payload, size_t max, struct wire_fds *ret_fds)
{
	_Alignas(8) uint8_t buf[WIRE_MAX_SIZE];
	uint64_t begin = loop_now_ns();
	cleanup_wire_fds struct wire_fds passed = { 0 };
	size_t len = 0, need = sizeof(*ret_header);
	int size;

	for (;;) {
		ssize_t n = fds_receive(fd, buf + len, need - len, passed.fd,
					WIRE_MAX_FDS, &passed.n);
		int err;

		if (n == -EINTR || n == -EAGAIN) {
			err = wait_for(fd, timeout_ms, begin);
			if (err)
				return err;
			continue;
		}
		if (n <= 0)
			return n == -EMSGSIZE ? -EPROTO : -ENOTCONN;
		len += (size_t)n;
		size = wire_frame(buf, len);
		if (size < 0)
			return size;
		if (size)
			break;
		if (len >= sizeof(*ret_header)) {
			memcpy(ret_header, buf, sizeof(*ret_header));
			need = ret_header->size;
		}
	}
	memcpy(ret_header, buf, sizeof(*ret_header));
	len -= sizeof(*ret_header);
	if (len > max || (passed.n && !ret_fds))
		return -EPROTO;
	memcpy(payload, buf + sizeof(*ret_header), len);
	if (ret_fds) {
		*ret_fds = passed;
		passed.n = 0;
	}
	return (int)len;
}
