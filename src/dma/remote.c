/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous copies, in order, one piece after the other. A piece that lies
 * in mapped memory is copied here; any other is a request to the client, at most
 * one at a time.
 */
#include "remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../util/bytes.h"
#include "../util/list.h"
#include "../util/loop.h"
#include "access.h"
#include "hold.h"

/* The loop does other things after so many bytes copied here. */
#define ROUND_BYTES (4u << 20)

struct copy {
	struct list link;
	uint64_t iova;
	char *buf; /* written by reads; writes only read it */
	size_t len, at;
	bool write;
	dma_copied_fn done;
	void *user;
};

struct dma_remote {
	struct list copies; /* struct copy */
	uint32_t n;
	uint64_t cookie;  /* of the last request */
	uint32_t max;	  /* bytes of data in one request */
	uint32_t waiting; /* bytes in the request that is under way; 0: none */
	struct copy *for_whom; /* NULL: it was cancelled */
	struct loop_source *timer;
};

static struct copy *first(struct dma_remote *remote)
{
	return list_empty(&remote->copies)
		       ? NULL
		       : list_entry(remote->copies.next, struct copy, link);
}

static void finish(struct dma_remote *remote, struct copy *c, int err)
{
	if (remote->for_whom == c)
		remote->for_whom = NULL;
	list_remove(&c->link);
	remote->n--;
	c->done(err, c->user);
	free(c);
}

/* How much of @c can be one request, and may it be? */
static int remote_part(struct dma_space *space, const struct copy *c,
		       uint32_t *ret_len)
{
	uint64_t iova = c->iova + c->at, e;
	unsigned prot = c->write ? DMA_PROT_WRITE : DMA_PROT_READ;
	const struct dma_range *r;
	int err;

	dma_enter();
	e = dma_table_find(&space->table, iova);
	err = dma_entry_error(e, prot);
	if (err == -EOPNOTSUPP) {
		r = dma_space_range(space, e);
		*ret_len = (uint32_t)MIN(c->len - c->at,
					 (size_t)space->remote->max);
		*ret_len = (uint32_t)MIN(r->size - (iova - r->iova),
					 (uint64_t)*ret_len);
	}
	dma_leave();
	return err;
}

static int send_part(struct dma_space *space, struct copy *c, uint32_t len)
{
	struct dma_remote *remote = space->remote;
	struct dma_remote_request req = {
		.cookie = remote->cookie + 1,
		.iova = c->iova + c->at,
		.len = len,
		.data = c->write ? c->buf + c->at : NULL,
	};
	int err;

	if (!space->owner || !space->owner->remote)
		return -ENOTCONN;
	/* Set first: the answer may come before the call returns. */
	remote->cookie++;
	remote->waiting = len;
	remote->for_whom = c;
	err = space->owner->remote(&req, space->owner_user);
	if (err) {
		remote->waiting = 0;
		remote->for_whom = NULL;
		return err;
	}
	if (remote->timer && remote->waiting)
		loop_arm_timer(remote->timer, DMA_REMOTE_PATIENCE_NS, 0);
	return 0;
}

/* The part of @c up to the next range that has no memory here. */
static int local_part(struct dma_space *space, struct copy *c, size_t max,
		      size_t *ret_len)
{
	uint64_t iova = c->iova + c->at, e;
	unsigned prot = c->write ? DMA_PROT_WRITE : DMA_PROT_READ;
	const struct dma_range *r;
	size_t len = 0;
	int err;

	dma_enter();
	e = dma_table_find(&space->table, iova);
	err = dma_entry_error(e, prot);
	if (!err) {
		r = dma_space_range(space, e);
		len = MIN(c->len - c->at, max);
		len = (size_t)MIN(r->size - (iova - r->iova), (uint64_t)len);
	}
	dma_leave();
	if (err)
		return err;
	err = c->write ? dma_space_write(space, iova, c->buf + c->at, len)
		       : dma_space_read(space, iova, c->buf + c->at, len);
	*ret_len = len;
	return err;
}

void dma_remote_poll(struct dma_space *space)
{
	struct dma_remote *remote = space->remote;
	size_t room = ROUND_BYTES, len;
	struct copy *c;

	while (!remote->waiting && (c = first(remote))) {
		uint32_t part;
		int err;

		if (c->at == c->len) {
			finish(remote, c, 0);
			continue;
		}
		if (!room) {
			dma_space_notify(space);
			return;
		}
		err = remote_part(space, c, &part);
		if (err == -EOPNOTSUPP) {
			err = send_part(space, c, part);
			if (err == -EAGAIN)
				return; /* dma_space_remote_ready() */
		} else if (!err) {
			err = local_part(space, c, room, &len);
			if (!err) {
				c->at += len;
				room -= len;
			}
		}
		if (err)
			finish(remote, c, err);
	}
}

static int reply_error(int err, size_t len, uint32_t want)
{
	if (err == -ENODEV)
		return -EFAULT; /* QEMU: nothing is mapped there */
	if (err)
		return err;
	return len == want ? 0 : -EIO; /* cut short */
}

static void mark(struct dma_space *space, uint64_t iova, uint32_t len)
{
	dma_enter();
	dma_mark_dirty(space, iova, len);
	dma_leave();
}

void dma_space_remote_done(struct dma_space *space, uint64_t cookie, int err,
			   const void *data, size_t len)
{
	struct dma_remote *remote = space->remote;
	struct copy *c = remote->for_whom;
	uint32_t want = remote->waiting;

	if (!want || cookie != remote->cookie)
		return;
	remote->waiting = 0;
	remote->for_whom = NULL;
	if (remote->timer)
		loop_arm_timer(remote->timer, 0, 0);
	if (c) {
		err = reply_error(err, len, want);
		if (!err && !c->write)
			memcpy(c->buf + c->at, data, want);
		if (!err && c->write)
			mark(space, c->iova + c->at, want);
		if (err)
			finish(remote, c, err);
		else
			c->at += want;
	}
	/* Not here: the caller is in the middle of a message. */
	dma_space_notify(space);
}

void dma_space_remote_limit(struct dma_space *space, uint64_t max)
{
	space->remote->max = (uint32_t)MIN(max, (uint64_t)DMA_REMOTE_MAX);
}

void dma_space_remote_ready(struct dma_space *space)
{
	dma_remote_poll(space);
}

void dma_space_remote_gone(struct dma_space *space)
{
	struct dma_remote *remote = space->remote;

	if (remote->waiting)
		dma_space_remote_done(space, remote->cookie, -ENOTCONN, NULL,
				      0);
}

static void on_timer(struct loop_source *src, void *user)
{
	struct dma_space *space = user;

	dma_space_remote_done(space, space->remote->cookie, -ETIMEDOUT, NULL,
			      0);
}

int dma_space_copy(struct dma_space *space, bool write, uint64_t iova,
		   void *buf, size_t len, dma_copied_fn done, void *user)
{
	struct dma_remote *remote = space->remote;
	struct copy *c;

	if (!len || iova + (len - 1) < iova || !done)
		return -EINVAL;
	if (remote->n == VGPU_DMA_MAX_ASYNC)
		return -EBUSY;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct copy){ .iova = iova,
			    .buf = buf,
			    .len = len,
			    .write = write,
			    .done = done,
			    .user = user };
	list_insert(&remote->copies, &c->link);
	remote->n++;
	dma_space_notify(space);
	return 0;
}

void dma_space_cancel(struct dma_space *space, dma_copied_match_fn match,
		      void *user)
{
	struct dma_remote *remote = space->remote;
	struct list gone;

	/* Out first: their done functions may ask for new ones. */
	list_init(&gone);
	list_for_each_safe(n, &remote->copies) {
		struct copy *c = list_entry(n, struct copy, link);

		if (!match || match(c->user, user)) {
			list_remove(n);
			list_insert(&gone, n);
		}
	}
	while (!list_empty(&gone))
		finish(remote, list_entry(gone.next, struct copy, link),
		       -ECANCELED);
}

int dma_remote_new(struct dma_space *space)
{
	space->remote = calloc(1, sizeof(*space->remote));
	if (!space->remote)
		return -ENOMEM;
	list_init(&space->remote->copies);
	space->remote->max = DMA_REMOTE_MAX;
	return 0;
}

int dma_remote_attach(struct dma_space *space, struct loop *loop)
{
	return loop_add_timer(loop, on_timer, space, &space->remote->timer);
}

void dma_remote_detach(struct dma_space *space)
{
	if (!space->remote)
		return;
	loop_remove(space->remote->timer);
	space->remote->timer = NULL;
}

void dma_remote_free(struct dma_space *space)
{
	if (!space->remote)
		return;
	dma_space_cancel(space, NULL, NULL);
	free(space->remote);
	space->remote = NULL;
}
