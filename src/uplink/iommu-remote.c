/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU backend of a worker: the hub maps the pages, in its own process,
 * and says where the device finds them.
 *
 * A map or an unmap is an *op*, made of *calls* of WIRE_MAX_PAGES. Calls are
 * sent in the order of the ops, so many at a time, and replies may come in any
 * order: an unmap of what the engine uses is answered late. Nobody waits for
 * one. The instance's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../link/link.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/log.h"
#include "../util/loop.h"
#include "private.h"

#define PAGE	((uint64_t)VGPU_DMA_PAGE_SIZE)
#define NO_ADDR UINT64_MAX /* in the place of a piece's first: not mapped */

enum op_kind {
	OP_MAP,
	OP_BACK, /* a map that has failed: what was mapped goes back */
	OP_UNMAP,
};

/* What is under way, in a request's priv */
struct op {
	struct list link;
	uint8_t kind;
	uint16_t n_calls;
	int32_t err;
	uint32_t at, end; /* pages: the next to be sent, and where to stop */
	uint32_t pages;	  /* mapped by a map; not unmapped yet */
	uint32_t reserved;
	int64_t bytes; /* likewise; what an unmap has unmapped */
};

struct give {
	struct list link;
	struct wire_give wire;
	int fd;
	bool sent;
	struct vgpu_device *dev;
	vgpu_dma_done_fn done;
	void *user;
};

struct map_reply {
	struct wire_reply reply;
	uint64_t addrs[WIRE_MAX_PAGES];
};

_Static_assert(sizeof(struct op) <=
		       sizeof(((struct vgpu_iommu_request *)0)->priv),
	       "an op has room in its request");

static struct iommu_remote *remote_of(struct vgpu_iommu *iommu)
{
	return vgpu_container_of(iommu, struct iommu_remote, iommu);
}

static struct op *op_of(struct vgpu_iommu_request *req)
{
	return (struct op *)(void *)req->priv;
}

static struct vgpu_iommu_request *request_of(struct op *op)
{
	return (struct vgpu_iommu_request
			*)(void *)((char *)op -
				   offsetof(struct vgpu_iommu_request, priv));
}

/* ------------------------------------------------------------------ */
/* The ends of ops                                                     */
/* ------------------------------------------------------------------ */

static void end_op(struct iommu_remote *r, struct op *op)
{
	list_remove(&op->link);
	list_insert(&r->over, &op->link);
}

/* Not from within a submit: its caller expects no done. */
static void tell(struct iommu_remote *r)
{
	while (!list_empty(&r->over)) {
		struct op *op = list_entry(r->over.next, struct op, link);
		struct vgpu_iommu_request *req = request_of(op);

		list_remove(&op->link);
		req->done(req, op->err ? op->err : op->bytes);
	}
}

static void on_later(struct loop_source *src, void *user)
{
	tell(user);
}

/* A piece of an op that failed takes nothing more with it, and what has
 * succeeded goes back, behind all that waits already. */
static void check_op(struct iommu_remote *r, struct op *op)
{
	if (op->n_calls || op->at < op->end)
		return;
	if (op->kind == OP_MAP && op->err && op->pages) {
		op->kind = OP_BACK;
		op->at = 0;
		list_remove(&op->link);
		list_insert(&r->ops, &op->link);
		return;
	}
	end_op(r, op);
}

static void fail_op(struct op *op, int err)
{
	if (!op->err)
		op->err = err;
	op->end = op->at;
}

/* What the hub counts for @pages of what is mapped here */
static int64_t share(struct iommu_remote *r, uint32_t pages)
{
	uint64_t bytes;

	r->pages -= MIN(pages, r->pages);
	bytes = r->pages ? MIN(pages * PAGE, r->bytes) : r->bytes;
	r->bytes -= bytes;
	return (int64_t)bytes;
}

static void drop_give(struct give *g, int err)
{
	list_remove(&g->link);
	if (g->done)
		g->done(g->dev, err, g->user);
	close_fd(g->fd);
	free(g);
}

void iommu_remote_lost(struct iommu_remote *r)
{
	if (r->torn)
		return;
	r->down = r->torn = true;
	r->n_calls = r->n_maps = 0;
	list_for_each(n, &r->ops) { /* maps first: nobody else counts theirs */
		struct op *op = list_entry(n, struct op, link);

		if (op->kind == OP_UNMAP)
			continue;
		r->pages -= MIN(op->pages, r->pages);
		r->bytes -= MIN((uint64_t)op->bytes, r->bytes);
		fail_op(op, -ENOTCONN);
	}
	while (!list_empty(&r->ops)) {
		struct op *op = list_entry(r->ops.next, struct op, link);

		if (op->kind == OP_UNMAP)
			op->bytes += share(r, op->pages);
		end_op(r, op);
	}
	tell(r);
	while (!list_empty(&r->gives))
		drop_give(list_entry(r->gives.next, struct give, link),
			  -ENOTCONN);
}

/* ------------------------------------------------------------------ */
/* Sending                                                             */
/* ------------------------------------------------------------------ */

/* There is room for a call. Return: false: it can't be sent now, since its
 * descriptor has to go by itself; on_drained() follows. */
static bool ask(struct iommu_remote *r, struct call call, const void *payload,
		size_t len, int fd)
{
	struct wire_fds fds = { fd >= 0, { fd } };
	int err;

	if (!++r->last_seq)
		r->last_seq = 1;
	call.seq = r->last_seq;
	err = link_send(r->link, call.kind, call.seq, payload, len, &fds);
	if (err == -EAGAIN)
		return false;
	/* What breaks the link is told from the loop. */
	r->calls[r->n_calls++] = call;
	if (call.op)
		call.op->n_calls++;
	link_expect(r->link);
	return true;
}

static uint32_t id_of(const struct vgpu_iommu_memory *memory)
{
	return (uint32_t)(uintptr_t)memory->priv - 1;
}

static bool send_memory(struct iommu_remote *r, struct op *op,
			struct vgpu_iommu_memory *memory)
{
	struct wire_memory wire = { .offset = memory->offset,
				    .size = memory->size,
				    .prot = memory->prot };

	if (!r->n_free && r->next_id == WIRE_MAX_MEMORIES) {
		fail_op(op, -ENOSPC);
		check_op(r, op);
		return true;
	}
	wire.id = r->n_free ? r->free_ids[r->n_free - 1] : r->next_id;
	if (!ask(r,
		 (struct call){ .kind = WIRE_MEMORY,
				.op = op,
				.id = wire.id,
				.memory = memory },
		 &wire, sizeof(wire), memory->fd))
		return false;
	if (r->n_free)
		r->n_free--;
	else
		r->next_id++;
	memory->priv = (void *)(uintptr_t)(wire.id + 1);
	return true;
}

static bool send_map(struct iommu_remote *r, struct op *op)
{
	struct {
		struct wire_map map;
		struct wire_page pages[WIRE_MAX_PAGES];
	} q;
	const struct vgpu_iommu_request *req = request_of(op);
	const struct vgpu_iommu_page *page = req->pages + op->at;
	struct call call = { .kind = WIRE_MAP,
			     .op = op,
			     .at = op->at,
			     .n = MIN(op->end - op->at, WIRE_MAX_PAGES) };

	if (r->n_maps == WIRE_WINDOW)
		return false;
	for (unsigned i = 0; i < call.n; i++) {
		if (!page[i].memory->priv)
			return send_memory(r, op, page[i].memory);
		q.pages[i] = (struct wire_page){
			.id = id_of(page[i].memory),
			.page = (uint32_t)(page[i].offset / PAGE),
		};
	}
	q.map = (struct wire_map){ .prot = req->prot, .n = call.n };
	req->addrs[op->at] = NO_ADDR;
	op->at += call.n;
	r->n_maps++;
	return ask(r, call, &q, sizeof(q.map) + call.n * sizeof(q.pages[0]),
		   -1);
}

static bool send_unmap(struct iommu_remote *r, struct op *op)
{
	struct {
		struct wire_unmap unmap;
		uint64_t addrs[WIRE_MAX_PAGES];
	} q;
	const uint64_t *addrs = request_of(op)->addrs + op->at;
	struct call call = { .kind = WIRE_UNMAP,
			     .op = op,
			     .at = op->at,
			     .n = MIN(op->end - op->at, WIRE_MAX_PAGES) };

	op->at += call.n;
	if (op->kind == OP_BACK && addrs[0] == NO_ADDR) {
		check_op(r, op);
		return true;
	}
	q.unmap = (struct wire_unmap){ .n = call.n };
	memcpy(q.addrs, addrs, call.n * sizeof(*addrs));
	return ask(r, call, &q, sizeof(q.unmap) + call.n * sizeof(*addrs), -1);
}

static bool send_forget(struct iommu_remote *r)
{
	struct wire_forget forget = { .id = r->forgets[r->n_forgets - 1] };

	r->n_forgets--;
	return ask(r, (struct call){ .kind = WIRE_FORGET, .id = forget.id },
		   &forget, sizeof(forget), -1);
}

static bool send_give(struct iommu_remote *r, struct give *g)
{
	g->sent = ask(r, (struct call){ .kind = WIRE_GIVE, .give = g },
		      &g->wire, sizeof(g->wire), g->fd);
	return g->sent;
}

/* Return: was there anything to be sent, and has it been? */
static bool send_next(struct iommu_remote *r)
{
	if (r->down || r->n_calls == WIRE_MAX_CALLS)
		return false;
	if (r->n_forgets)
		return send_forget(r);
	list_for_each(n, &r->gives) {
		struct give *g = list_entry(n, struct give, link);

		if (!g->sent)
			return send_give(r, g);
	}
	list_for_each(n, &r->ops) {
		struct op *op = list_entry(n, struct op, link);

		if (op->at < op->end)
			return op->kind == OP_MAP ? send_map(r, op)
						  : send_unmap(r, op);
	}
	return false;
}

static void pump(struct iommu_remote *r)
{
	while (send_next(r))
		;
}

/* The same where nobody can be told what is over by that. */
static void pump_and_tell_later(struct iommu_remote *r)
{
	pump(r);
	if (!list_empty(&r->over))
		loop_arm_timer(r->later, 1, 0);
}

/* ------------------------------------------------------------------ */
/* Replies                                                             */
/* ------------------------------------------------------------------ */

static void on_memory(struct iommu_remote *r, const struct call *c, int64_t res)
{
	if (res >= 0 || !c->memory)
		return;
	c->memory->priv = NULL;
	r->free_ids[r->n_free++] = c->id;
	fail_op(c->op, (int)res);
}

static int on_map(struct iommu_remote *r, const struct call *c, int64_t res,
		  const struct map_reply *reply)
{
	struct op *op = c->op;

	r->n_maps--;
	if (res >= 0 && reply->reply.n != c->n)
		return -EPROTO;
	if (res >= 0) {
		r->pages += c->n;
		r->bytes += (uint64_t)res;
	}
	if (!op)
		return 0;
	if (res < 0) {
		fail_op(op, (int)res);
		return 0;
	}
	memcpy(request_of(op)->addrs + c->at, reply->addrs,
	       c->n * sizeof(reply->addrs[0]));
	op->pages += c->n;
	op->bytes += res;
	return 0;
}

static int on_unmap(struct iommu_remote *r, const struct call *c, int64_t res)
{
	uint64_t bytes;

	if (res < 0) /* of addresses that it has given us itself */
		return -EPROTO;
	bytes = MIN((uint64_t)res, r->bytes);
	r->pages -= MIN(c->n, r->pages);
	r->bytes -= bytes;
	if (!c->op)
		return 0;
	c->op->pages -= c->n;
	if (c->op->kind == OP_UNMAP)
		c->op->bytes += (int64_t)bytes;
	else
		c->op->bytes -= MIN((int64_t)bytes, c->op->bytes);
	return 0;
}

static int on_result(struct iommu_remote *r, const struct call *c, int64_t res,
		     const struct map_reply *reply)
{
	switch (c->kind) {
	case WIRE_MEMORY:
		on_memory(r, c, res);
		return 0;
	case WIRE_MAP:
		return on_map(r, c, res, reply);
	case WIRE_UNMAP:
		return on_unmap(r, c, res);
	case WIRE_FORGET:
		if (!res)
			r->free_ids[r->n_free++] = c->id;
		return 0;
	default:
		drop_give(c->give, (int)res);
		return 0;
	}
}

static int take_call(struct iommu_remote *r, uint32_t seq, struct call *ret)
{
	for (unsigned i = 0; i < r->n_calls; i++) {
		if (r->calls[i].seq != seq)
			continue;
		*ret = r->calls[i];
		r->calls[i] = r->calls[--r->n_calls];
		return 0;
	}
	return -EPROTO;
}

static int on_reply(struct link *link, const struct wire_header *header,
		    const void *payload, size_t len, void *user)
{
	const struct map_reply *reply = payload;
	struct iommu_remote *r = user;
	struct call c;
	int64_t res;
	int err;

	if (header->kind != WIRE_REPLY || len < sizeof(reply->reply) ||
	    len != sizeof(reply->reply) +
			    (uint64_t)reply->reply.n * sizeof(uint64_t) ||
	    reply->reply.bytes > INT64_MAX)
		return -EPROTO;
	err = take_call(r, header->seq, &c);
	if (err)
		return err;
	res = reply->reply.err ? -(int64_t)MIN(reply->reply.err, 4095u)
			       : (int64_t)reply->reply.bytes;
	if (c.op)
		c.op->n_calls--;
	err = on_result(r, &c, res, reply);
	if (err) {
		if (c.op)
			fail_op(c.op, err);
		return err;
	}
	if (c.op)
		check_op(r, c.op);
	pump(r); /* the hub goes on while we tell */
	tell(r);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The end                                                             */
/* ------------------------------------------------------------------ */

/* Whatever it still says counts no more, but that it ends does. */
static void on_end(struct loop_source *src, uint32_t events, void *user)
{
	struct iommu_remote *r = user;
	char buf[4096];
	ssize_t n;

	do
		n = recv(link_fd(r->link), buf, sizeof(buf), MSG_DONTWAIT);
	while (n > 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_remove(r->end);
	r->end = NULL;
	iommu_remote_lost(r);
}

/* The hub has gone. Or it does not answer as it should: it finds the end of our
 * stream when it gets to it, takes everything back, and closes its end. */
static void on_broken(struct link *link, int err, void *user)
{
	struct iommu_remote *r = user;

	r->down = true;
	if (err == -ENOTCONN || err == -ECONNRESET || err == -EPIPE) {
		iommu_remote_lost(r);
		return;
	}
	log_error(NULL, "the parent does not answer: %s", strerror(-err));
	shutdown(link_fd(link), SHUT_WR);
	if (loop_add_fd(r->loop, link_fd(link), EPOLLIN, on_end, r, &r->end))
		log_error(NULL, "its end can't be waited for");
}

static void on_drained(struct link *link, void *user)
{
	pump_and_tell_later(user);
}

static const struct link_ops call_ops = { on_reply, on_broken, on_drained };

/* ------------------------------------------------------------------ */
/* The backend                                                         */
/* ------------------------------------------------------------------ */

static void submit(struct iommu_remote *r, struct vgpu_iommu_request *req,
		   enum op_kind kind)
{
	struct op *op = op_of(req);

	*op = (struct op){ .kind = (uint8_t)kind,
			   .end = req->n,
			   .pages = kind == OP_UNMAP ? req->n : 0 };
	list_insert(&r->ops, &op->link);
	pump_and_tell_later(r);
}

static int64_t remote_submit_map(struct vgpu_iommu *iommu,
				 struct vgpu_iommu_request *req)
{
	struct iommu_remote *r = remote_of(iommu);

	if (r->down)
		return -ENOTCONN;
	if (!req->n)
		return 0;
	submit(r, req, OP_MAP);
	return -EINPROGRESS;
}

static int64_t remote_submit_unmap(struct vgpu_iommu *iommu,
				   struct vgpu_iommu_request *req)
{
	struct iommu_remote *r = remote_of(iommu);

	if (r->torn)
		return share(r, req->n);
	submit(r, req, OP_UNMAP);
	return -EINPROGRESS;
}

/* What is mapped or will be goes with the link, soon. */
static void remote_withdraw(struct vgpu_iommu *iommu,
			    struct vgpu_iommu_request *req)
{
	struct iommu_remote *r = remote_of(iommu);

	for (unsigned i = 0; i < r->n_calls; i++)
		if (r->calls[i].op == op_of(req)) {
			r->calls[i].op = NULL;
			r->calls[i].memory = NULL;
		}
	list_remove(&op_of(req)->link);
}

static void remote_forget(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_memory *memory)
{
	struct iommu_remote *r = remote_of(iommu);

	if (!memory->priv)
		return;
	r->forgets[r->n_forgets++] = id_of(memory);
	memory->priv = NULL;
	pump_and_tell_later(r);
}

static void remote_get_stats(struct vgpu_iommu *iommu,
			     struct vgpu_iommu_stats *ret_stats)
{
	const struct iommu_remote *r = remote_of(iommu);

	*ret_stats = (struct vgpu_iommu_stats){
		.mapped_pages = r->pages,
		.mappings = r->pages,
		.max_mappings = WIRE_MAX_MAPPED,
	};
}

static void remote_destroy(struct vgpu_iommu *iommu)
{
	/* It goes with its uplink. */
}

static const struct vgpu_iommu_ops remote_ops = {
	.name = "parent",
	.forget = remote_forget,
	.get_stats = remote_get_stats,
	.destroy = remote_destroy,
	.submit_map = remote_submit_map,
	.submit_unmap = remote_submit_unmap,
	.withdraw = remote_withdraw,
};

/* Not the IOMMU's business, but a call like any other. */
int iommu_remote_give(struct iommu_remote *r, const struct wire_give *give,
		      int fd, struct vgpu_device *dev, vgpu_dma_done_fn done,
		      void *user)
{
	struct give *g;

	if (r->down)
		return -ENOTCONN;
	g = malloc(sizeof(*g));
	if (!g)
		return -ENOMEM;
	*g = (struct give){
		.wire = *give, .dev = dev, .done = done, .user = user
	};
	g->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && g->fd < 0) {
		free(g);
		return -errno;
	}
	/* Those that the hub has not heard of need not be heard of any more. */
	list_for_each_safe(n, &r->gives) {
		struct give *old = list_entry(n, struct give, link);

		if (!old->sent && old->wire.id == give->id)
			drop_give(old, -ECANCELED);
	}
	list_insert(&r->gives, &g->link);
	pump_and_tell_later(r);
	return 0;
}

int iommu_remote_init(struct iommu_remote *r, struct loop *loop, int fd)
{
	int err;

	*r = (struct iommu_remote){ .loop = loop };
	vgpu_iommu_init(&r->iommu, &remote_ops);
	list_init(&r->ops);
	list_init(&r->over);
	list_init(&r->gives);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		err = -errno;
		close_fd(fd);
		return err;
	}
	err = link_new(loop, fd, &call_ops, r, &r->link);
	if (err)
		return err;
	/* Each number is in one place: pages are touched where they are used.
	 */
	r->free_ids = calloc(WIRE_MAX_MEMORIES, sizeof(uint32_t));
	r->forgets = calloc(WIRE_MAX_MEMORIES, sizeof(uint32_t));
	if (!r->free_ids || !r->forgets)
		return -ENOMEM;
	return loop_add_timer(loop, on_later, r, &r->later);
}

void iommu_remote_fini(struct iommu_remote *r)
{
	loop_remove(r->later);
	loop_remove(r->end);
	link_free(r->link);
	list_for_each_safe(n, &r->gives) {
		struct give *g = list_entry(n, struct give, link);

		close_fd(g->fd);
		free(g);
	}
	free(r->free_ids);
	free(r->forgets);
}
