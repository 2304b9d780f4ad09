/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU backend of a worker: the parent maps the pages, in its own
 * process, and says where its device finds them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/log.h"
#include "private.h"

#define PAGE ((uint64_t)VGPU_DMA_PAGE_SIZE)

struct map_request {
	struct wire_map map;
	struct wire_page pages[WIRE_MAX_PAGES];
};

struct unmap_request {
	struct wire_unmap unmap;
	uint64_t addrs[WIRE_MAX_PAGES];
};

struct map_reply {
	struct wire_reply reply;
	uint64_t addrs[WIRE_MAX_PAGES];
};

static struct iommu_remote *remote_of(struct vgpu_iommu *iommu)
{
	return vgpu_container_of(iommu, struct iommu_remote, iommu);
}

/* The parent does not answer as it should. It finds the end of the socket when
 * it gets to it, takes everything back, and closes its end. */
static int give_up(struct iommu_remote *r, int err)
{
	log_error(NULL, "the parent does not answer: %s", strerror(-err));
	r->down = true;
	r->torn = err == -ENOTCONN;
	shutdown(r->fd, SHUT_WR);
	return err;
}

static int ask(struct iommu_remote *r, uint16_t kind, const void *payload,
	       size_t len, int fd)
{
	struct wire_fds fds = { fd >= 0, { fd } };
	int err;

	if (r->down)
		return -ENOTCONN;
	if (!++r->asked)
		r->asked = 1;
	err = wire_send(r->fd, kind, r->asked, payload, len, &fds);
	return err ? give_up(r, err) : 0;
}

/* The reply to the oldest call that has none. Return: bytes (at most
 * INT64_MAX), or an error, of the call or of the link (then the remote is
 * down). */
static int64_t answer(struct iommu_remote *r, int timeout_ms,
		      struct map_reply *reply)
{
	struct wire_header h = { 0 };
	int n;

	if (r->down)
		return -ENOTCONN;
	if (!++r->answered)
		r->answered = 1;
	n = wire_receive(r->fd, timeout_ms, &h, reply, sizeof(*reply), NULL);
	if (n < 0)
		return give_up(r, n);
	if (h.kind != WIRE_REPLY || h.seq != r->answered ||
	    (size_t)n < sizeof(reply->reply) ||
	    (size_t)n != sizeof(reply->reply) +
				 (uint64_t)reply->reply.n * sizeof(uint64_t) ||
	    reply->reply.bytes > INT64_MAX)
		return give_up(r, -EPROTO);
	if (reply->reply.err)
		return -(int64_t)MIN(reply->reply.err, 4095u);
	return (int64_t)reply->reply.bytes;
}

static int64_t call(struct iommu_remote *r, uint16_t kind, const void *payload,
		    size_t len, int fd, int timeout_ms, struct map_reply *reply)
{
	int err = ask(r, kind, payload, len, fd);

	return err ? err : answer(r, timeout_ms, reply);
}

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

static uint32_t id_of(const struct vgpu_iommu_memory *memory)
{
	return (uint32_t)(uintptr_t)memory->priv - 1;
}

static int introduce(struct iommu_remote *r, struct vgpu_iommu_memory *memory)
{
	struct wire_memory wire = { .offset = memory->offset,
				    .size = memory->size,
				    .prot = memory->prot };
	struct map_reply reply;
	int64_t err;

	if (memory->priv)
		return 0;
	if (!r->n_free && r->next_id == WIRE_MAX_MEMORIES)
		return -ENOSPC;
	wire.id = r->n_free ? r->free_ids[r->n_free - 1] : r->next_id;
	err = call(r, WIRE_MEMORY, &wire, sizeof(wire), memory->fd,
		   UPLINK_PATIENCE_MS, &reply);
	if (err < 0)
		return (int)err;
	if (r->n_free)
		r->n_free--;
	else
		r->next_id++;
	memory->priv = (void *)(uintptr_t)(wire.id + 1);
	return 0;
}

static void remote_forget(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_memory *memory)
{
	struct iommu_remote *r = remote_of(iommu);
	struct map_reply reply;

	if (!memory->priv)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->down) {
		struct wire_forget forget = { .id = id_of(memory) };

		if (!call(r, WIRE_FORGET, &forget, sizeof(forget), -1,
			  UPLINK_PATIENCE_MS, &reply))
			r->free_ids[r->n_free++] = forget.id;
	}
	memory->priv = NULL;
	pthread_mutex_unlock(&r->lock);
}

/* Not the IOMMU's business, but a call like any other. */
int iommu_remote_give(struct iommu_remote *r, const struct wire_give *give,
		      int fd)
{
	struct map_reply reply;
	int64_t err;

	pthread_mutex_lock(&r->lock);
	err = call(r, WIRE_GIVE, give, sizeof(*give), fd, UPLINK_PATIENCE_MS,
		   &reply);
	pthread_mutex_unlock(&r->lock);
	return err < 0 ? (int)err : 0;
}

/* ------------------------------------------------------------------ */
/* Pages                                                               */
/* ------------------------------------------------------------------ */

static uint64_t unmap_some(struct iommu_remote *r, const uint64_t *addrs,
			   unsigned n)
{
	struct unmap_request q = { .unmap = { .n = n } };
	struct map_reply reply;
	int64_t bytes;
	uint8_t byte;

	memcpy(q.addrs, addrs, n * sizeof(*addrs));
	/* Waits as long as it takes: it may be in use, and there is no other
	 * way to know that it is not any more. */
	bytes = call(r, WIRE_UNMAP, &q, sizeof(q.unmap) + n * sizeof(*addrs),
		     -1, -1, &reply);
	if (bytes < 0 && !r->down)
		give_up(r, (int)bytes);
	/* The end of the stream says that the parent took everything back. */
	while (r->down && !r->torn)
		if (recv(r->fd, &byte, 1, 0) <= 0 && errno != EINTR)
			r->torn = true;
	r->pages -= MIN(n, r->pages);
	if (bytes < 0)
		bytes = (int64_t)(r->pages ? MIN(n * PAGE, r->bytes)
					   : r->bytes);
	bytes = (int64_t)MIN((uint64_t)bytes, r->bytes);
	r->bytes -= (uint64_t)bytes;
	return (uint64_t)bytes;
}

static uint64_t unmap_all(struct iommu_remote *r, const uint64_t *addrs,
			  unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned at = 0; at < n; at += WIRE_MAX_PAGES)
		bytes += unmap_some(r, addrs + at, MIN(n - at, WIRE_MAX_PAGES));
	return bytes;
}

/* Pieces of a big map are under way at once: the parent works on one while we
 * write the next. */
struct pieces {
	const struct vgpu_iommu_page *pages;
	uint64_t *addrs;
	unsigned n;		    /* pages */
	unsigned sent, mapped;	    /* pages: before the first error */
	unsigned late[WIRE_WINDOW]; /* pieces that were mapped after it */
	unsigned n_late;
	int64_t bytes; /* or the first error */
};

static unsigned piece_len(const struct pieces *p, unsigned at)
{
	return MIN(p->n - at, WIRE_MAX_PAGES);
}

static int ask_piece(struct iommu_remote *r, struct pieces *p, unsigned prot)
{
	unsigned n = piece_len(p, p->sent);
	struct map_request q = { .map = { .prot = prot, .n = n } };
	const struct vgpu_iommu_page *page = p->pages + p->sent;

	for (unsigned i = 0; i < n; i++)
		q.pages[i] = (struct wire_page){
			.id = id_of(page[i].memory),
			.page = (uint32_t)(page[i].offset / PAGE),
		};
	p->sent += n;
	return ask(r, WIRE_MAP, &q, sizeof(q.map) + n * sizeof(q.pages[0]), -1);
}

/* The reply to the piece at page @at */
static void take_piece(struct iommu_remote *r, struct pieces *p, unsigned at)
{
	struct map_reply reply;
	unsigned n = piece_len(p, at);
	int64_t bytes = answer(r, UPLINK_PATIENCE_MS, &reply);

	if (bytes >= 0 && reply.reply.n != n)
		bytes = give_up(r, -EPROTO);
	if (bytes < 0) {
		if (p->bytes >= 0)
			p->bytes = bytes;
		return;
	}
	memcpy(p->addrs + at, reply.addrs, n * sizeof(*p->addrs));
	r->pages += n;
	r->bytes += (uint64_t)bytes;
	if (p->bytes < 0) {
		p->late[p->n_late++] = at;
		return;
	}
	p->mapped = at + n;
	p->bytes += bytes;
}

static int64_t map_pieces(struct iommu_remote *r, struct pieces *p,
			  unsigned prot)
{
	for (unsigned at = 0; at < p->sent || !at; at += WIRE_MAX_PAGES) {
		while (p->sent < p->n && p->bytes >= 0 &&
		       p->sent - at < WIRE_WINDOW * WIRE_MAX_PAGES) {
			int err = ask_piece(r, p, prot);

			if (err)
				p->bytes = err;
		}
		take_piece(r, p, at);
	}
	if (p->bytes >= 0)
		return p->bytes;
	unmap_all(r, p->addrs, p->mapped);
	for (unsigned i = 0; i < p->n_late; i++)
		unmap_all(r, p->addrs + p->late[i], piece_len(p, p->late[i]));
	return p->bytes;
}

static int64_t remote_map(struct vgpu_iommu *iommu,
			  const struct vgpu_iommu_page *pages, unsigned n,
			  unsigned prot, uint64_t *ret_addrs)
{
	struct pieces p = { .pages = pages, .addrs = ret_addrs, .n = n };
	struct iommu_remote *r = remote_of(iommu);
	int64_t bytes = 0;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < n && !bytes; i++)
		bytes = introduce(r, pages[i].memory);
	if (!bytes && n)
		bytes = map_pieces(r, &p, prot);
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

static uint64_t remote_unmap(struct vgpu_iommu *iommu, const uint64_t *addrs,
			     unsigned n)
{
	struct iommu_remote *r = remote_of(iommu);
	uint64_t bytes;

	pthread_mutex_lock(&r->lock);
	bytes = unmap_all(r, addrs, n);
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

static void remote_get_stats(struct vgpu_iommu *iommu,
			     struct vgpu_iommu_stats *ret_stats)
{
	struct iommu_remote *r = remote_of(iommu);

	pthread_mutex_lock(&r->lock);
	*ret_stats = (struct vgpu_iommu_stats){
		.mapped_pages = r->pages,
		.mappings = r->pages,
		.max_mappings = WIRE_MAX_MAPPED,
	};
	pthread_mutex_unlock(&r->lock);
}

static void remote_destroy(struct vgpu_iommu *iommu)
{
	(void)iommu; /* goes with its worker */
}

static const struct vgpu_iommu_ops remote_ops = {
	.name = "parent",
	.map = remote_map,
	.unmap = remote_unmap,
	.forget = remote_forget,
	.get_stats = remote_get_stats,
	.destroy = remote_destroy,
};

int iommu_remote_init(struct iommu_remote *remote, int fd)
{
	*remote = (struct iommu_remote){ .fd = fd };
	vgpu_iommu_init(&(*remote).iommu, &remote_ops);
	pthread_mutex_init(&remote->lock, NULL);
	remote->free_ids = calloc(WIRE_MAX_MEMORIES, sizeof(uint32_t));
	return remote->free_ids ? 0 : -ENOMEM;
}

void iommu_remote_fini(struct iommu_remote *remote)
{
	close_fd(remote->fd);
	free(remote->free_ids);
	pthread_mutex_destroy(&remote->lock);
}
