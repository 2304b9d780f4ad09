/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "util/bytes.h"
#include "vfio-user/decode.h"

#define HEADER sizeof(struct vfio_user_header)
#define IN_MAX (2u * VFIO_USER_MAX_MSG_SIZE)
/* Rounds of the loop before it is left alone: an eventfd that stays readable
 * may keep it busy for ever. */
#define MAX_ROUNDS 200
/* Waits of a millisecond for a reply that is due. */
#define MAX_WAITS 2000

void peer_init(struct peer *p, struct loop *loop)
{
	memset(p, 0, sizeof(*p));
	p->loop = loop;
	p->sock = -1;
	p->in = malloc(IN_MAX);
	REQUIRE(p->in);
}

void peer_connect(struct peer *p, int sock)
{
	p->sock = sock;
	p->over = p->broken = p->half = p->mute = false;
	p->have = p->in_len = p->n_due = 0;
	p->skip = 0;
	memset(&p->asked, 0, sizeof(p->asked));
}

void peer_close(struct peer *p)
{
	if (p->sock >= 0)
		close(p->sock);
	p->sock = -1;
}

/* ------------------------------------------------------------------ */
/* What was sent                                                       */
/* ------------------------------------------------------------------ */

static void sent_message(struct peer *p)
{
	uint32_t flags = get_le32(p->head + 8);

	/* What is neither a command nor a reply is answered as a bad command.
	 */
	if ((flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_REPLY ||
	    (flags & VFIO_USER_NO_REPLY))
		return;
	REQUIRE(p->n_due < PEER_MAX_DUE);
	p->due[p->n_due++] = (struct peer_due){
		.id = get_le16(p->head),
		.command = get_le16(p->head + 2),
	};
}

static void sent(struct peer *p, const uint8_t *bytes, size_t len)
{
	while (len && !p->broken) {
		size_t n;

		if (p->skip) {
			n = MIN(len, p->skip);
			p->skip -= n;
		} else {
			n = MIN(len, HEADER - p->have);
			memcpy(p->head + p->have, bytes, n);
			p->have += n;
			if (p->have == HEADER) {
				uint32_t size = get_le32(p->head + 4);

				p->broken = size < HEADER ||
					    size > VFIO_USER_MAX_MSG_SIZE;
				p->skip = p->broken ? 0 : size - HEADER;
			}
		}
		if (p->have == HEADER && !p->skip && !p->broken) {
			sent_message(p);
			p->have = 0;
		}
		bytes += n;
		len -= n;
	}
	p->half = p->have || p->skip;
}

/* ------------------------------------------------------------------ */
/* What came                                                           */
/* ------------------------------------------------------------------ */

/* Replies come in the order of the requests; only of DMA_UNMAP they may be
 * held back. */
static void check_due(struct peer *p, const struct vfio_user_header *h)
{
	size_t i = 0;

	while (i < p->n_due &&
	       (p->due[i].id != h->id || p->due[i].command != h->command)) {
		REQUIRE(p->due[i].command == VFIO_USER_DMA_UNMAP);
		i++;
	}
	REQUIRE(i < p->n_due);
	p->n_due--;
	memmove(&p->due[i], &p->due[i + 1], (p->n_due - i) * sizeof(p->due[0]));
}

static void came(struct peer *p, const struct vfio_user_header *h,
		 const uint8_t *msg)
{
	if ((h->flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_COMMAND) {
		REQUIRE(h->command == VFIO_USER_DMA_READ ||
			h->command == VFIO_USER_DMA_WRITE);
		REQUIRE(h->size >= HEADER + sizeof(p->asked_range));
		p->asked = *h;
		memcpy(p->asked_range, msg + HEADER, sizeof(p->asked_range));
		return;
	}
	REQUIRE(!(h->flags & ~(VFIO_USER_TYPE_REPLY | VFIO_USER_ERROR)));
	if (h->flags & VFIO_USER_ERROR) {
		REQUIRE(h->size == HEADER && h->error);
		p->errors++;
	} else {
		REQUIRE(!h->error);
	}
	p->replies++;
	check_due(p, h);
}

static void close_fds(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			close(fd);
		}
	}
	REQUIRE(!(msg->msg_flags & MSG_CTRUNC));
}

/* One receive. Return: whether anything came. */
static bool receive(struct peer *p)
{
	union {
		char buf[CMSG_SPACE(253 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { p->in + p->in_len, IN_MAX - p->in_len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	size_t at = 0;
	ssize_t got;

	if (p->sock < 0 || p->over || p->mute)
		return false;
	got = recvmsg(p->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		p->over = true;
		return true;
	}
	close_fds(&msg);
	p->in_len += (size_t)got;
	for (;;) {
		struct vfio_user_header h;
		int64_t size = vfio_user_frame(p->in + at, p->in_len - at, &h);

		REQUIRE(size >= 0);
		if (!size || (size_t)size > p->in_len - at)
			break;
		came(p, &h, p->in + at);
		at += (size_t)size;
	}
	p->in_len -= at;
	memmove(p->in, p->in + at, p->in_len);
	return true;
}

/* ------------------------------------------------------------------ */
/* Both                                                                */
/* ------------------------------------------------------------------ */

static bool round_of(struct peer *p, int timeout_ms)
{
	int n = loop_run_once(p->loop, timeout_ms);

	REQUIRE(n >= 0);
	return receive(p) || n > 0;
}

/* Is a reply due that has no reason to be late? */
static bool owed(const struct peer *p)
{
	if (p->sock < 0 || p->over || p->mute)
		return false;
	for (size_t i = 0; i < p->n_due; i++)
		if (p->due[i].command != VFIO_USER_DMA_UNMAP)
			return true;
	return p->broken;
}

void peer_settle(struct peer *p)
{
	for (int i = 0; i < MAX_ROUNDS && round_of(p, 0); i++)
		;
	for (int i = 0; owed(p); i++) {
		REQUIRE(i < MAX_WAITS);
		round_of(p, 1);
	}
}

static ssize_t send_some(struct peer *p, const uint8_t *bytes, size_t len,
			 const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE(PEER_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { (void *)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(p->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void peer_send(struct peer *p, const void *bytes, size_t len, const int *fds,
	       size_t n_fds)
{
	const uint8_t *b = bytes;

	/* There is a record of so many only. */
	if (p->n_due > PEER_MAX_DUE / 2)
		peer_settle(p);
	if (p->n_due > PEER_MAX_DUE / 2)
		return;
	while (len && p->sock >= 0 && !p->over) {
		ssize_t n = send_some(p, b, len, fds, n_fds);

		if (n < 0 && errno != EAGAIN)
			return; /* gone: receive() will see it */
		if (n < 0) {
			if (!round_of(p, 0) && p->mute)
				return; /* full both ways */
			continue;
		}
		sent(p, b, (size_t)n);
		b += n;
		len -= (size_t)n;
		n_fds = 0;
	}
}
