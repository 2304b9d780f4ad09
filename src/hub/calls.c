/* SPDX-License-Identifier: MIT */
/* Calls of a worker: its client's memory, and device addresses for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../util/foreign-fd.h"
#include "../link/link.h"
#include "hub.h"
#include "space.h"

struct map_reply {
	struct wire_reply reply;
	uint64_t addrs[WIRE_MAX_PAGES];
};

/* @result: bytes, or what went wrong. */
static int answer(struct vgpu_parent_instance *inst, uint32_t seq,
		  struct map_reply *r, int64_t result, uint32_t n)
{
	r->reply = (struct wire_reply){ 0 };
	if (result < 0) {
		r->reply.err = (uint32_t)-result;
		n = 0;
	} else {
		r->reply.bytes = (uint64_t)result;
		r->reply.n = n;
	}
	return link_send(inst->calls, WIRE_REPLY, seq, r,
			 sizeof(r->reply) + n * sizeof(r->addrs[0]), NULL);
}

static int do_memory(struct vgpu_parent_instance *inst, uint32_t seq,
		     const void *payload, size_t len)
{
	cleanup_foreign_fd int fd = link_take_fd(inst->calls);
	struct wire_memory memory;
	struct map_reply r;

	if (len != sizeof(memory) || fd < 0)
		return -EPROTO;
	memcpy(&memory, payload, sizeof(memory));
	return answer(inst, seq, &r,
		      hub_space_memory(inst->space, &memory, fd), 0);
}

static int do_forget(struct vgpu_parent_instance *inst, uint32_t seq,
		     const void *payload, size_t len)
{
	struct wire_forget forget;
	struct map_reply r;

	if (len != sizeof(forget))
		return -EPROTO;
	memcpy(&forget, payload, sizeof(forget));
	return answer(inst, seq, &r,
		      hub_space_forget(inst->space, forget.id), 0);
}

static int do_map(struct vgpu_parent_instance *inst, uint32_t seq,
		  const void *payload, size_t len)
{
	struct wire_page pages[WIRE_MAX_PAGES];
	struct wire_map map;
	struct map_reply r;
	int64_t bytes;

	if (len < sizeof(map))
		return -EPROTO;
	memcpy(&map, payload, sizeof(map));
	if (map.n > WIRE_MAX_PAGES ||
	    len != sizeof(map) + map.n * sizeof(pages[0]))
		return -EPROTO;
	memcpy(pages, (const char *)payload + sizeof(map),
	       map.n * sizeof(pages[0]));
	bytes = hub_space_map(inst->space, pages, map.n, map.prot, r.addrs);
	return answer(inst, seq, &r, bytes, map.n);
}

/* The engine is using some of it: the answer comes when it is done. */
static int keep(struct vgpu_parent_instance *inst, uint32_t seq,
		const uint64_t *addrs, uint32_t n)
{
	struct hub_unmap *u;

	if (inst->n_unmaps == WIRE_MAX_CALLS)
		return -EPROTO;
	u = malloc(sizeof(*u) + n * sizeof(*addrs));
	if (!u)
		return -ENOMEM;
	*u = (struct hub_unmap){ .seq = seq, .n = n };
	memcpy(u->addrs, addrs, n * sizeof(*addrs));
	list_insert(&inst->unmaps, &u->link);
	inst->n_unmaps++;
	return 0;
}

static void let_go(struct vgpu_parent_instance *inst, struct hub_unmap *u)
{
	list_remove(&u->link);
	inst->n_unmaps--;
	free(u);
}

static int do_unmap(struct vgpu_parent_instance *inst, uint32_t seq,
		    const void *payload, size_t len)
{
	uint64_t addrs[WIRE_MAX_PAGES];
	struct wire_unmap unmap;
	struct map_reply r;
	int64_t bytes;

	if (len < sizeof(unmap))
		return -EPROTO;
	memcpy(&unmap, payload, sizeof(unmap));
	if (unmap.n > WIRE_MAX_PAGES ||
	    len != sizeof(unmap) + unmap.n * sizeof(addrs[0]))
		return -EPROTO;
	memcpy(addrs, (const char *)payload + sizeof(unmap),
	       unmap.n * sizeof(addrs[0]));
	bytes = hub_space_unmap(inst->space, addrs, unmap.n);
	if (bytes == -EAGAIN)
		return keep(inst, seq, addrs, unmap.n);
	return answer(inst, seq, &r, bytes, 0);
}

static int do_give(struct vgpu_parent_instance *inst, uint32_t seq,
		   const void *payload, size_t len)
{
	cleanup_foreign_fd int fd = link_take_fd(inst->calls);
	struct wire_give give;
	struct map_reply r;

	if (len != sizeof(give))
		return -EPROTO;
	memcpy(&give, payload, sizeof(give));
	return answer(inst, seq, &r, hub_give(inst, &give, fd), 0);
}

/* Most releases are of something else: look at one page first. */
static bool is_held(const struct vgpu_parent_instance *inst,
		    struct hub_unmap *u)
{
	while (u->at < u->n && !hub_space_is_held(inst->space, u->addrs[u->at]))
		u->at++;
	return u->at < u->n;
}

void hub_calls_retry(struct vgpu_parent_instance *inst)
{
	struct map_reply r;
	int64_t bytes;

	if (inst->gone)
		return;
	list_for_each_safe(n, &inst->unmaps) {
		struct hub_unmap *u = list_entry(n, struct hub_unmap, link);

		if (is_held(inst, u))
			continue;
		bytes = hub_space_unmap(inst->space, u->addrs, u->n);
		if (bytes == -EAGAIN) {
			u->at = 0; /* held again, meanwhile */
			continue;
		}
		/* If it can't be sent, the link says so itself. */
		answer(inst, u->seq, &r, bytes, 0);
		let_go(inst, u);
	}
}

void hub_calls_fini(struct vgpu_parent_instance *inst)
{
	list_for_each_safe(n, &inst->unmaps)
		let_go(inst, list_entry(n, struct hub_unmap, link));
}

int hub_call(struct vgpu_parent_instance *inst,
		const struct wire_header *header, const void *payload,
		size_t len)
{
	if (!header->seq)
		return -EPROTO;
	switch (header->kind) {
	case WIRE_MEMORY:
		return do_memory(inst, header->seq, payload, len);
	case WIRE_FORGET:
		return do_forget(inst, header->seq, payload, len);
	case WIRE_MAP:
		return do_map(inst, header->seq, payload, len);
	case WIRE_UNMAP:
		return do_unmap(inst, header->seq, payload, len);
	case WIRE_GIVE:
		return do_give(inst, header->seq, payload, len);
	default:
		return -EPROTO;
	}
}
