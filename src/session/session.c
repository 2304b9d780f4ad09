/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../device/region.h"
#include "../dma/space.h"
#include "../state/arena.h"
#include "../transport/conn-run.h"
#include "../transport/recording.h"
#include "../transport/refuse.h"
#include "../util/bytes.h"
#include "../vfio-user/encode.h"
#include "../vfio-user/posted.h"
#include "../vfio-user/version.h"
#include "private.h"

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
	s->server->stats.read_bytes += a->count;
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
	s->server->stats.write_bytes += a->count;
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
		s->server->stats.write_bytes += w.count;
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
	struct session_stats *stats = &s->server->stats;

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
	struct session_stats *stats = &s->server->stats;
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
	stats->requests[VFIO_USER_REGION_WRITE] += run->done;
	stats->errors[VFIO_USER_REGION_WRITE] += failed;
	stats->write_bytes += bytes;
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

/* The client has gone, and with it all that it gave. */
static void release(struct session *s)
{
	session_remote_end(s);
	client_detach(s->core);
	session_dma_end(s);
	memset(s->state, 0, sizeof(*s->state));
	s->server->session = NULL;
}

static void on_closed(struct conn *conn, int err, void *user)
{
	struct session *s = user;

	if (err && err != -ECONNRESET && err != -EPIPE)
		log_warning(s->core->name, "client dropped: %s",
			    strerror(-err));
	else
		log_info(s->core->name, "client left");
	release(s);
	conn_free(conn);
	free(s);
}

static void on_room(struct conn *conn, void *user)
{
	struct session *s = user;

	session_send_held(s);
	dma_space_remote_ready(s->core->dma);
}

static const struct conn_ops conn_ops = {
	.run = on_run,
	.message = on_message,
	.room = on_room,
	.closed = on_closed,
};

static int on_peer(const struct client *client, pid_t *ret_pid, uid_t *ret_uid)
{
	const struct session *s = to_session(client);

	*ret_pid = s->pid;
	*ret_uid = s->uid;
	return s->peer_err;
}

/* What it is owed is sent, then the connection ends: on_closed(). */
static void on_close(struct client *client)
{
	conn_shutdown(to_session(client)->conn, 0);
}

static const struct client_ops client_ops = {
	.peer = on_peer,
	.remote = session_remote,
	.unmapped = session_unmapped,
	.close = on_close,
};

int session_new(struct session_server *server, int fd)
{
	struct vgpu_core *core = server->core;
	struct session *s = calloc(1, sizeof(*s));
	void *block;
	int err = s ? 0 : -ENOMEM;

	if (!err)
		err = arena_block(core->arena, "session", 1, sizeof(*s->state),
				  &block);
	if (err < 0)
		goto fail;
	s->client.ops = &client_ops;
	s->server = server;
	s->core = core;
	s->peer_err = conn_peer(fd, &s->pid, &s->uid);
	s->state = block; /* still another's, if there is one */
	list_init(&s->held);
	err = client_attach(core, &s->client);
	if (err)
		goto fail;
	memset(s->state, 0, sizeof(*s->state));
	err = conn_new(core->loop, fd, core->arena, "conn", &conn_ops, s,
		       &s->conn);
	if (err) {
		client_detach(core);
		free(s);
		return err;
	}
	server->session = s;
	if (server->recorder) {
		recorder_next(server->recorder);
		conn_record(s->conn, server->recorder);
	}
	if (!s->peer_err)
		log_info(core->name, "client connected, pid %d, uid %u",
			 (int)s->pid, (unsigned)s->uid);
	return 0;
fail:
	free(s);
	refuse_client(core->loop, fd, -err);
	return err;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	release(s);
	conn_free(s->conn);
	free(s);
}
