/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../dma/space.h"
#include "../util/bytes.h"
#include "../vfio-user/encode.h"
#include "private.h"

/* ------------------------------------------------------------------ */
/* Maps                                                                */
/* ------------------------------------------------------------------ */

/* A VMM goes on without the map and says little of it: the operator is to
 * know. Return: what the client is told. */
static int explain_refusal(struct session *s,
			   const struct vfio_user_dma_map *map, int err)
{
	if (log_allowed(&s->core->client_log, s->core->name))
		log_warning(
			s->core->name,
			"%llu MiB of client memory at %#llx were refused: "
			"%s",
			(unsigned long long)map->size >> 20,
			(unsigned long long)map->iova,
			err == -EMEDIUMTYPE
				? "the file behind it is on a disk; use "
				  "memory-backend-memfd, or --allow-any-memory "
				  "if that file system never hangs"
				: strerror(-err));
	return err == -EMEDIUMTYPE ? -EINVAL : err;
}

int do_dma_map(struct session *s, struct exchange *x)
{
	const struct vfio_user_dma_map *map = &x->req.u.dma_map;
	int err;

	if (dma_space_count(s->core->dma) >= s->state->caps.max_dma_maps)
		return -ENOSPC;
	err = dma_space_map(s->core->dma, map->iova, map->size, map->flags,
			    x->msg->n_fds ? x->msg->fds[0] : -1, map->offset);
	if (err)
		return explain_refusal(s, map, err);
	/* Known to be in memory: whoever closes it needs not ask. */
	if (x->msg->n_fds && !s->core->any_memory)
		x->msg->fds[0] = close_fd(x->msg->fds[0]);
	return reply_empty(x);
}

/* ------------------------------------------------------------------ */
/* Unmaps, whose replies may have to wait                              */
/* ------------------------------------------------------------------ */

/* A DMA_UNMAP whose memory is still in use. */
struct held_unmap {
	struct list link; /* in session->held */
	struct vfio_user_header header;
	struct vfio_user_dma_unmap unmap;
	int err;
	bool done;
};

void session_send_held(struct session *s)
{
	list_for_each_safe(n, &s->held) {
		struct held_unmap *h = list_entry(n, struct held_unmap, link);
		int size;
		void *buf;

		if (!h->done)
			continue;
		if (!(h->header.flags & VFIO_USER_NO_REPLY)) {
			buf = conn_reply(s->conn, SMALL_REPLY_MAX);
			if (!buf)
				return; /* called again when there is */
			size = h->err && !s->state->never_errs
				       ? vfio_user_encode_error(
						 buf, SMALL_REPLY_MAX,
						 &h->header, h->err)
				       : vfio_user_encode_dma_unmap(
						 buf, SMALL_REPLY_MAX,
						 &h->header, &h->unmap);
			conn_commit(s->conn, (size_t)size, NULL, 0);
		}
		list_remove(&h->link);
		free(h);
	}
}

void session_unmapped(struct client *client, void *unmap, int err)
{
	struct held_unmap *h = unmap;

	h->err = err;
	h->done = true;
	session_send_held(to_session(client));
}

int do_dma_unmap(struct session *s, struct exchange *x)
{
	const struct vfio_user_dma_unmap *unmap = &x->req.u.dma_unmap;
	struct held_unmap *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->header = x->req.header;
	h->unmap = *unmap;
	if (unmap->flags & VFIO_USER_DMA_UNMAP_ALL)
		err = client_unmap_all(s->core, h);
	else
		err = client_unmap(s->core, unmap->iova, unmap->size, h);
	if (err == -EINPROGRESS) {
		list_insert(&s->held, &h->link);
		return 0; /* no reply now */
	}
	free(h);
	/* quirks.h: such a client reads a whole reply, come what may. */
	if (err && !s->state->never_errs)
		return err;
	return vfio_user_encode_dma_unmap(x->buf, x->room, &x->req.header,
					  unmap);
}

void session_dma_end(struct session *s)
{
	list_for_each_safe(n, &s->held)
		free(list_entry(n, struct held_unmap, link));
	list_init(&s->held);
}

/* ------------------------------------------------------------------ */
/* Advice                                                              */
/* ------------------------------------------------------------------ */

#define ADVICE                                                                 \
	"start QEMU with -object memory-backend-memfd,id=ram,size=SIZE,"       \
	"share=on -machine memory-backend=ram"

/* Called when a VMM resets the device: its memory is set up by then. */
void session_explain_memory(struct session *s)
{
	struct vgpu_core *core = s->core;

	if (s->state->told_memory || s->peer_err)
		return;
	switch (dma_space_sharing(core->dma, s->pid)) {
	case DMA_SHARING_UNKNOWN:
		return; /* nothing mapped yet: look again at the next reset */
	case DMA_SHARING_SHARED:
		break;
	case DMA_SHARING_NONE:
		log_warning(core->name,
			    "guest memory is not shared with the vGPU (no file "
			    "descriptor came with it), DMA will be slow or "
			    "fail: " ADVICE);
		break;
	case DMA_SHARING_PRIVATE:
		log_warning(
			core->name,
			"guest memory is private to the VM (share=off), "
			"the guest won't see what the vGPU writes: " ADVICE);
		break;
	}
	s->state->told_memory = 1;
}
