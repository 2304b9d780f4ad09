/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../dma/space.h"
#include "../state/arena.h"
#include "../transport/conn-run.h"
#include "../transport/conn.h"
#include "../transport/recording.h"
#include "../util/bytes.h"
#include "../vfio-user/decode.h"
#include "../vfio-user/encode.h"
#include "../vfio-user/posted.h"
#include "../vfio-user/version.h"
#include "device.h"
#include "doorbell.h"
#include "irq.h"
#include "session-dma.h"
#include "session-feature.h"
#include "session-remote.h"

/* What we offer; VERSION makes less of it where the client wants less. */
static const struct vfio_user_caps our_caps = {
	.major = VFIO_USER_MAJOR,
	.minor = VFIO_USER_MINOR,
	.max_msg_fds = VFIO_USER_MAX_MSG_FDS,
	.max_dma_maps = VFIO_USER_DEFAULT_MAX_DMA_MAPS,
	.max_data_xfer_size = VFIO_USER_MAX_DATA_XFER,
	.pgsizes = VFIO_USER_DEFAULT_PGSIZES,
	.write_multiple = true,
	.twin_socket = true,
};

/* ------------------------------------------------------------------ */
/* Requests                                                            */
/* ------------------------------------------------------------------ */

static int do_version(struct session *s, struct exchange *x)
{
	const struct vfio_user_caps *client = &x->req.u.version;
	int err;

	if (s->state->negotiated)
		return -EINVAL; /* once per connection */
	err = vfio_user_negotiate(&our_caps, client, &s->state->caps);
	if (err)
		return err;
	if (s->state->caps.twin_socket) {
		err = session_open_twin(s, x);
		if (err)
			return err;
	}
	s->state->client_max_fds = client->max_msg_fds;
	dma_space_remote_limit(s->core->dma, client->max_data_xfer_size);
	s->state->never_errs = vfio_user_ignores_errors(client);
	s->state->negotiated = 1;
	log_debug(s->core->name,
		  "client speaks %u.%u: %llu bytes a message, %u DMA maps",
		  client->major, client->minor,
		  (unsigned long long)client->max_data_xfer_size,
		  client->max_dma_maps);
	return vfio_user_encode_version(x->buf, x->room, &x->req.header,
					&our_caps, client,
					s->state->caps.twin_socket ? 0 : -1);
}

static int do_device_info(struct session *s, struct exchange *x)
{
	(void)s;
	return vfio_user_encode_device_info(
		x->buf, x->room, &x->req.header,
		VFIO_USER_DEVICE_FLAGS_RESET | VFIO_USER_DEVICE_FLAGS_PCI,
		VGPU_NUM_REGIONS, VGPU_NUM_IRQS);
}

/* The mapped areas as the sparse mmap capability lists them. */
static size_t sparse_areas(const struct region *region,
			   struct vfio_user_sparse_area *areas)
{
	size_t n = 0;

	for (uint32_t i = 0; i < region->n_areas; i++) {
		const struct region_area *a = &region->areas[i];

		if (a->kind != VGPU_AREA_MAPPED)
			continue;
		areas[n++] = (struct vfio_user_sparse_area){
			.offset = a->offset, .size = a->size,
		};
	}
	/* All of it: the MMAP flag alone says so. */
	if (n == 1 && areas[0].size == region->size)
		n = 0;
	return n;
}

static int do_region_info(struct session *s, struct exchange *x)
{
	const struct vfio_user_region_info *asked = &x->req.u.region_info;
	struct vfio_user_sparse_area areas[REGION_MAX_AREAS];
	const struct region *region;
	struct vfio_user_region_info info;
	bool whole;
	int size;

	if (asked->index >= VGPU_NUM_REGIONS)
		return -EINVAL;
	region = &s->core->regions[asked->index];
	info = (struct vfio_user_region_info){
		.flags = region->flags,
		.index = asked->index,
		.size = region->size,
	};
	size = vfio_user_encode_region_info(x->buf, x->room, &x->req.header,
					    asked->argsz, &info, areas,
					    sparse_areas(region, areas),
					    &whole);
	/* The fd goes with the reply that has all: a client that asks again
	 * for the capability would be given two. */
	if (size > 0 && whole && (region->flags & VFIO_USER_REGION_FLAG_MMAP))
		x->reply_fds[x->n_reply_fds++] = region->mapped.fd;
	return size;
}

static int do_region_io_fds(struct session *s, struct exchange *x)
{
	const struct vfio_user_region_io_fds *asked = &x->req.u.region_io_fds;
	struct vfio_user_ioeventfd entries[REGION_MAX_AREAS];
	bool whole;
	int n, size;

	if (asked->index >= VGPU_NUM_REGIONS)
		return -EINVAL;
	n = doorbells_offer(s->core, asked->index, entries, x->reply_fds,
			    MIN(s->state->client_max_fds,
				(uint32_t)REGION_MAX_AREAS));
	if (n < 0)
		return n;
	size = vfio_user_encode_region_io_fds(x->buf, x->room, &x->req.header,
					      asked->argsz, asked->index,
					      entries, (size_t)n, &whole);
	if (size > 0 && whole)
		x->n_reply_fds = (size_t)n;
	return size;
}

static int do_irq_info(struct session *s, struct exchange *x)
{
	struct vfio_user_irq_info info = { .index = x->req.u.irq_info.index };

	if (info.index >= VGPU_NUM_IRQS)
		return -EINVAL;
	info.flags = irqs_flags(s->core->irqs, info.index);
	info.count = irqs_count(s->core->irqs, info.index);
	return vfio_user_encode_irq_info(x->buf, x->room, &x->req.header,
					 &info);
}

static int do_set_irqs(struct session *s, struct exchange *x)
{
	int err = irqs_set(s->core->irqs, &x->req.u.irq_set.set,
			   x->req.u.irq_set.bools, x->msg->fds, x->msg->n_fds);

	return err ? err : reply_empty(x);
}

static int do_region_read(struct session *s, struct exchange *x)
{
	const __typeof__(x->req.u.access) *a = &x->req.u.access;
	uint8_t *data = x->buf + VFIO_USER_ACCESS_HEAD;
	int err = 0, head;

	/* Memory of the device need not be copied to be sent. */
	x->data = region_peek(s->core, a->region, a->offset, a->count);
	x->data_len = a->count;
	if (!x->data)
		err = region_read(s->core, a->region, a->offset, data,
				  a->count);
	if (err && s->state->never_errs) {
		memset(data, 0xff, a->count);
		err = 0;
	}
	if (err)
		return err;
	s->core->stats.read_bytes += a->count;
	head = vfio_user_encode_access(x->buf, x->room, &x->req.header,
				       a->offset, a->region, a->count);
	return head < 0 || x->data ? head : head + (int)a->count;
}

static int do_region_write(struct session *s, struct exchange *x)
{
	const __typeof__(x->req.u.access) *a = &x->req.u.access;
	int err = region_write(s->core, a->region, a->offset, a->data,
			       a->count);

	if (err && !s->state->never_errs)
		return err;
	s->core->stats.write_bytes += a->count;
	return vfio_user_encode_access(x->buf, x->room, &x->req.header,
				       a->offset, a->region, a->count);
}

static int do_write_multi(struct session *s, struct exchange *x)
{
	uint64_t count = x->req.u.write_multi.count;

	for (uint64_t i = 0; i < count; i++) {
		struct vfio_user_write_single w;
		int err;

		vfio_user_write_single(x->req.u.write_multi.writes, i, &w);
		err = region_write(s->core, w.region, w.offset, &w.data,
				   w.count);
		if (err)
			return err; /* those before it are done */
		s->core->stats.write_bytes += w.count;
	}
	return vfio_user_encode_write_multi(x->buf, x->room, &x->req.header,
					    count);
}

static int do_device_reset(struct session *s, struct exchange *x)
{
	session_explain_memory(s);
	device_reset(s->core, VGPU_RESET_CLIENT);
	return reply_empty(x);
}

/* Migration is announced as unsupported until it is built. */
static int do_unsupported(struct session *s, struct exchange *x)
{
	(void)s;
	(void)x;
	return -EOPNOTSUPP;
}

/* Return of a handler: bytes of the reply that it wrote; 0: no reply now;
 * negative errno: the error reply. */
typedef int (*handler)(struct session *s, struct exchange *x);

static const handler handlers[VFIO_USER_NUM_COMMANDS] = {
	[VFIO_USER_VERSION] = do_version,
	[VFIO_USER_DMA_MAP] = do_dma_map,
	[VFIO_USER_DMA_UNMAP] = do_dma_unmap,
	[VFIO_USER_DEVICE_GET_INFO] = do_device_info,
	[VFIO_USER_DEVICE_GET_REGION_INFO] = do_region_info,
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = do_region_io_fds,
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = do_irq_info,
	[VFIO_USER_DEVICE_SET_IRQS] = do_set_irqs,
	[VFIO_USER_REGION_READ] = do_region_read,
	[VFIO_USER_REGION_WRITE] = do_region_write,
	[VFIO_USER_DEVICE_RESET] = do_device_reset,
	[VFIO_USER_REGION_WRITE_MULTI] = do_write_multi,
	[VFIO_USER_DEVICE_FEATURE] = do_device_feature,
	[VFIO_USER_MIG_DATA_READ] = do_unsupported,
	[VFIO_USER_MIG_DATA_WRITE] = do_unsupported,
};

/* ------------------------------------------------------------------ */
/* From message to reply                                               */
/* ------------------------------------------------------------------ */

/* Where to write the reply. One that nobody wants is made, too, and dropped:
 * that keeps the handlers free of the question. */
static int make_room(struct session *s, struct exchange *x, int decode_err)
{
	bool read = x->req.header.command == VFIO_USER_REGION_READ;

	if (decode_err)
		x->room = sizeof(struct vfio_user_header);
	else if (read)
		x->room = VFIO_USER_ACCESS_HEAD + x->req.u.access.count;
	else if (x->req.header.command == VFIO_USER_DEVICE_FEATURE)
		x->room = session_feature_room(s, &x->req);
	else
		x->room = SMALL_REPLY_MAX;
	x->wanted = !(x->req.header.flags & VFIO_USER_NO_REPLY);
	if (!x->wanted) {
		x->buf = s->scratch;
		x->room = MIN(x->room, sizeof(s->scratch));
		return read ? -EINVAL : decode_err; /* read for nobody? */
	}
	x->buf = conn_reply(s->conn, x->room);
	return x->buf ? decode_err : -EAGAIN;
}

static int serve(struct session *s, struct exchange *x)
{
	unsigned command = x->req.header.command;

	if (command >= VFIO_USER_NUM_COMMANDS || !handlers[command])
		return -EOPNOTSUPP;
	if (!s->state->negotiated && command != VFIO_USER_VERSION)
		return -EINVAL; /* VERSION comes first */
	return handlers[command](s, x);
}

static void count(struct session *s, unsigned command, bool failed)
{
	struct device_stats *stats = &s->core->stats;

	if (command >= VFIO_USER_NUM_COMMANDS)
		command = 0;
	stats->requests[command]++;
	stats->errors[command] += failed;
}

static void log_failure(const struct vgpu_core *core, unsigned command,
			int err)
{
	log_debug(core->name, "%s: %s", vfio_user_command_name(command),
		  strerror(-err));
}

/* The shortest way for what comes in thousands. A driver's write() may end the
 * connection, and with it @s. */
static void on_run(struct conn *conn, struct conn_run *run, void *user)
{
	struct session *s = user;
	struct vgpu_core *core = s->core;
	const uint64_t max = s->state->caps.max_data_xfer_size;
	const uint8_t *p = run->data;
	size_t left = s->state->negotiated ? run->len : 0;
	struct vfio_user_posted_write w;
	uint64_t bytes = 0, failed = 0;

	while (!run->over && vfio_user_posted_write(p, left, max, &w)) {
		size_t size = VFIO_USER_POSTED_HEAD + w.count;
		int err;

		conn_run_begin(run, size);
		err = region_write(core, w.region, w.offset, w.data, w.count);
		conn_run_done(run);
		p += size;
		left -= size;
		if (err) {
			log_failure(core, VFIO_USER_REGION_WRITE, err);
			failed++;
		} else {
			bytes += w.count;
		}
	}
	core->stats.requests[VFIO_USER_REGION_WRITE] += run->done;
	core->stats.errors[VFIO_USER_REGION_WRITE] += failed;
	core->stats.write_bytes += bytes;
}

/* Any request, to its reply */
static int serve_request(struct session *s, struct conn_message *msg)
{
	struct exchange x;
	int size, err, refused = 0;

	x.msg = msg;
	x.n_reply_fds = 0;
	x.passed_fd = -1;
	x.data = NULL;
	size = vfio_user_decode_request(
		msg->data, msg->size, msg->n_fds,
		s->state->negotiated ? s->state->caps.max_data_xfer_size :
				       VFIO_USER_DEFAULT_MAX_DATA_XFER,
		&x.req);
	size = make_room(s, &x, size);
	if (!x.buf)
		return -EAGAIN;
	if (!size)
		size = serve(s, &x);
	count(s, x.req.header.command, size < 0);
	if (size < 0) {
		log_failure(s->core, x.req.header.command, size);
		if (x.req.header.command == VFIO_USER_VERSION)
			refused = size;
		x.data = NULL;
		size = vfio_user_encode_error(x.buf, x.room, &x.req.header,
					      size);
	}
	err = 0;
	if (x.wanted && x.data)
		err = conn_commit_data(s->conn, (size_t)size, x.data,
				       x.data_len);
	else if (x.wanted)
		err = conn_commit(s->conn, (size_t)size, x.reply_fds,
				  x.n_reply_fds);
	close_fd(x.passed_fd);
	/* Without an agreement there is nothing to talk about, and the place
	 * is another client's ("Connection Initiation"). */
	if (!err && refused && !s->state->negotiated)
		conn_shutdown(s->conn, refused);
	return err;
}

static int on_message(struct conn *conn, struct conn_message *msg, void *user)
{
	struct session *s = user;

	if ((msg->header.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_REPLY)
		return session_remote_reply(s, msg);
	return serve_request(s, msg);
}

int reply_empty(struct exchange *x)
{
	return vfio_user_encode_header(x->buf, x->room, &x->req.header, 0);
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

/* What the client gave us goes with it. */
static void release(struct session *s)
{
	struct vgpu_core *core = s->core;

	session_remote_end(s);
	session_dma_end(s);
	irqs_disconnect(core->irqs);
	doorbells_close(core);
	memset(s->state, 0, sizeof(*s->state));
	core->session = NULL;
	if (core->ops.client_gone)
		core->ops.client_gone(core->dev);
	if (core->client_changed)
		core->client_changed(core, false, core->client_user);
}

static void on_closed(struct conn *conn, int err, void *user)
{
	struct session *s = user;
	struct vgpu_core *core = s->core;

	if (err && err != -ECONNRESET && err != -EPIPE)
		log_warning(core->name, "client dropped: %s", strerror(-err));
	else
		log_info(core->name, "client left");
	release(s);
	conn_free(conn);
	free(s);
}

static void on_room(struct conn *conn, void *user)
{
	(void)conn;
	session_send_held(user);
	session_remote_room(user);
}

static const struct conn_ops conn_ops = {
	.run = on_run,
	.message = on_message,
	.room = on_room,
	.closed = on_closed,
};

int session_new(struct vgpu_core *core, int fd, struct session **ret_session)
{
	struct session *s = calloc(1, sizeof(*s));
	void *block;
	pid_t pid;
	uid_t uid;
	int err;

	if (!s) {
		close_fd(fd);
		return -ENOMEM;
	}
	s->core = core;
	list_init(&s->held);
	err = arena_block(core->arena, "session", 1, sizeof(*s->state), &block);
	if (err < 0) {
		close_fd(fd);
		free(s);
		return err;
	}
	s->state = block;
	memset(s->state, 0, sizeof(*s->state));
	err = conn_new(core->loop, fd, core->arena, "conn", &conn_ops, s,
		       &s->conn);
	if (err) {
		free(s);
		return err;
	}
	if (core->recorder) {
		recorder_next(core->recorder);
		conn_record(s->conn, core->recorder);
	}
	if (conn_peer(s->conn, &pid, &uid) == 0)
		log_info(core->name, "client connected, pid %d, uid %u",
			 (int)pid, (unsigned)uid);
	*ret_session = s;
	return 0;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	release(s);
	conn_free(s->conn);
	free(s);
}

void session_shutdown(struct session *s, int err)
{
	conn_shutdown(s->conn, err);
}

bool session_hung_up(const struct session *s)
{
	return conn_hung_up(s->conn);
}

int session_peer(const struct session *s, pid_t *ret_pid, uid_t *ret_uid)
{
	return conn_peer(s->conn, ret_pid, ret_uid);
}

void session_get_stats(const struct session *s, struct conn_stats *ret_stats)
{
	conn_get_stats(s->conn, ret_stats);
}
