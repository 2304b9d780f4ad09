/* SPDX-License-Identifier: MIT */
/* A connection with a socket pair's other end in the test's hands. Include
 * after cmocka.h. */
#ifndef TESTS_TRANSPORT_RIG_H
#define TESTS_TRANSPORT_RIG_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig/clock.h"
#include "state/arena.h"
#include "transport/conn-private.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct rig {
	struct loop *loop;
	struct arena *arena;
	struct conn *conn; /* NULL once closed() came */
	struct conn_state *st;
	int peer;
	int closed;
	int closed_err;
	unsigned messages;
	uint32_t sum; /* over all received bytes, in order */
	size_t fds_seen[4]; /* with the first messages */
	/* What message() does: */
	int (*answer)(struct rig *rig, struct conn_message *msg);
	void (*room)(struct rig *rig);
	void (*run)(struct rig *rig, struct conn_run *run); /* run() */
	int arg;
};

static inline unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline uint32_t sum_bytes(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

/* A message of @size bytes whose body depends on @id. */
static inline size_t make_message(uint8_t *buf, uint16_t id, size_t size)
{
	memset(buf, 0, sizeof(struct vfio_user_header));
	put_le16(buf, id);
	put_le16(buf + 2, VFIO_USER_REGION_READ);
	put_le32(buf + 4, (uint32_t)size);
	for (size_t i = sizeof(struct vfio_user_header); i < size; i++)
		buf[i] = (uint8_t)(id + i * 7);
	return size;
}

/* The same bytes back, marked as a reply. */
static inline int answer_echo(struct rig *rig, struct conn_message *msg)
{
	uint8_t *p = conn_reply(rig->conn, msg->size);

	if (!p)
		return -EAGAIN;
	memcpy(p, msg->data, msg->size);
	put_le32(p + 8, VFIO_USER_TYPE_REPLY);
	return conn_commit(rig->conn, msg->size, NULL, 0);
}

/* The same, with all but the header sent from where it is. */
static inline int answer_echo_data(struct rig *rig, struct conn_message *msg)
{
	uint8_t *p = conn_reply(rig->conn, msg->size);

	if (!p)
		return -EAGAIN;
	memcpy(p, msg->data, 16);
	put_le32(p + 8, VFIO_USER_TYPE_REPLY);
	return conn_commit_data(rig->conn, 16, msg->data + 16, msg->size - 16);
}

static inline int answer_nothing(struct rig *rig, struct conn_message *msg)
{
	(void)rig;
	(void)msg;
	return 0;
}

static inline int rig_message(struct conn *conn, struct conn_message *msg,
			      void *user)
{
	struct rig *rig = user;
	int err;

	assert_ptr_equal(conn, rig->conn);
	assert_int_equal(msg->size, get_le32(msg->data + 4));
	assert_int_equal(msg->header.size, msg->size);
	assert_int_equal(msg->header.id, get_le16(msg->data));
	err = rig->answer(rig, msg);
	if (err == -EAGAIN)
		return err;
	if (rig->messages < ARRAY_SIZE(rig->fds_seen))
		rig->fds_seen[rig->messages] = msg->n_fds;
	rig->sum = sum_bytes(rig->sum, msg->data, msg->size);
	rig->messages++;
	return err;
}

static inline void rig_run_op(struct conn *conn, struct conn_run *run,
			      void *user)
{
	struct rig *rig = user;

	assert_ptr_equal(conn, rig->conn);
	if (rig->run)
		rig->run(rig, run);
}

static inline void rig_room(struct conn *conn, void *user)
{
	struct rig *rig = user;

	(void)conn;
	if (rig->room)
		rig->room(rig);
}

static inline void rig_closed(struct conn *conn, int err, void *user)
{
	struct rig *rig = user;

	rig->closed++;
	rig->closed_err = err;
	rig->conn = NULL;
	conn_free(conn);
}

static const struct conn_ops rig_ops = {
	.run = rig_run_op,
	.message = rig_message,
	.room = rig_room,
	.closed = rig_closed,
};

static inline void rig_connect(struct rig *rig)
{
	void *st;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	assert_int_equal(conn_new(rig->loop, sv[0], rig->arena, "conn", &rig_ops, rig,
				  &rig->conn), 0);
	assert_int_equal(arena_block(rig->arena, "conn.state",
				     CONN_STATE_VERSION,
				     sizeof(struct conn_state), &st), 0);
	rig->st = st;
	rig->peer = sv[1];
	rig->closed = rig->closed_err = 0;
	rig->messages = 0;
	rig->sum = 0;
}

static unsigned fds_before;

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	fds_before = count_fds();
	assert_int_equal(loop_new(&rig->loop), 0);
	assert_int_equal(arena_new("rig", &rig->arena), 0);
	rig->answer = answer_echo;
	rig_connect(rig);
	*state = rig;
	return 0;
}

/* Every test ends here, and no test may lose a descriptor. */
static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	conn_free(rig->conn);
	close_fd(rig->peer);
	arena_free(rig->arena);
	loop_free(rig->loop);
	free(rig);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* Let the connection do all that it can without waiting. */
static inline void rig_run(struct rig *rig)
{
	int n;

	do
		n = loop_run_once(rig->loop, 0);
	while (n > 0);
	assert_int_equal(n, 0);
}

/* Until closed(), which the drain timer bounds. */
static inline void rig_run_closed(struct rig *rig)
{
	clock_run(rig->loop, CONN_DRAIN_MS * MS);
	assert_true(rig->closed);
}

static inline ssize_t peer_send(struct rig *rig, const void *p, size_t n)
{
	return send(rig->peer, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One send with descriptors */
static inline ssize_t send_fds(int sock, const void *p, size_t n,
			       const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE(CONN_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)p, .iov_len = n };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
	};
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One receive; descriptors are counted and closed. */
static inline ssize_t recv_fds(int sock, void *p, size_t n, size_t *ret_n_fds)
{
	union {
		char buf[CMSG_SPACE(CONN_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t got = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_n_fds = 0;
	if (got < 0)
		return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < k; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			close_fd(fd);
		}
		*ret_n_fds += k;
	}
	return got;
}

#endif
