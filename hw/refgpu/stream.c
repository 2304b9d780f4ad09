/* SPDX-License-Identifier: MIT */
/* Where commands come from: the ring, batches, and the way back to head. */
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "mmu.h"
#include "vram.h"

#define CTL_TAIL offsetof(struct refgpu_ctl, tail)
#define CTL_HEAD offsetof(struct refgpu_ctl, head)

/* Memory of the ring or control block: by the context's table, or in VRAM where
 * no command of it reaches. */
static void *control_ptr(struct engine *e, struct context *c, uint64_t at,
			 unsigned prot, size_t *len)
{
	if (!(c->control & REFGPU_CTX_HOST_RING))
		return mmu_ptr(e, at, prot, len);
	return vram_find(e, at, len);
}

/* Why it is not there. */
static enum step no_control(struct engine *e, const struct context *c)
{
	if (!(c->control & REFGPU_CTX_HOST_RING))
		return STEP_FAULT;
	return exec_error(e, REFGPU_ERROR_RING);
}

static enum step read_tail(struct engine *e, struct context *c)
{
	size_t len = 4;
	_Atomic uint32_t *p;

	/* First this: a doorbell from now on means another look. */
	atomic_exchange(&c->rung, false);
	p = control_ptr(e, c, c->ctl + CTL_TAIL, PROT_READ_, &len);
	if (!p)
		return no_control(e, c);
	c->s.tail = atomic_load_explicit(p, memory_order_acquire);
	if (c->s.tail % 4 || c->s.tail >= c->ring_size) {
		c->s.tail = atomic_load(&c->head);
		return exec_error(e, REFGPU_ERROR_RING);
	}
	return STEP_DONE;
}

/* Dwords [@at, @at + @n) of the ring, which wrap. */
static enum step read_ring(struct engine *e, struct context *c, uint32_t at,
			   uint32_t *to, size_t n)
{
	uint8_t *d = (uint8_t *)to;

	n *= 4;
	for (size_t done = 0, len; done < n; done += len) {
		uint32_t pos = (uint32_t)((at + done) & (c->ring_size - 1));
		const void *p;

		len = n - done;
		if (len > c->ring_size - pos)
			len = c->ring_size - pos;
		p = control_ptr(e, c, c->ring + pos, PROT_READ_, &len);
		if (!p)
			return no_control(e, c);
		memcpy(d + done, p, len);
	}
	return STEP_DONE;
}

static enum step read_dwords(struct engine *e, struct context *c, uint32_t skip,
			     uint32_t *to, uint32_t n)
{
	const struct level *l;

	if (!c->s.depth)
		return read_ring(e, c, atomic_load(&c->head) + skip * 4, to, n);
	l = &c->s.level[c->s.depth - 1];
	return mmu_read(e, l->va + (l->pos + skip) * 4ull, to, n * 4ull);
}

/* How many dwords there are from the next command on; 0: none. */
static enum step available(struct engine *e, struct context *c, uint32_t *ret_n)
{
	uint32_t head = atomic_load(&c->head);
	enum step r;

	if (c->s.depth) {
		const struct level *l = &c->s.level[c->s.depth - 1];

		*ret_n = l->n - l->pos;
		return STEP_DONE;
	}
	if (c->s.tail == head) {
		r = read_tail(e, c);
		if (r)
			return r;
	}
	*ret_n = ((c->s.tail - head) & (c->ring_size - 1)) / 4;
	return STEP_DONE;
}

void stream_pop(struct context *c)
{
	c->s.depth--;
	c->s.len = COMMAND_BATCH_LEN;
	c->s.phase = PHASE_RETIRE;
}

/* The driver's word, on where the first command is to go on: what no engine
 * could have come to is refused. */
static bool bad_progress(const struct stream *s)
{
	return REFGPU_CMD_OP(s->cmd[0]) == REFGPU_OP_FILL && s->done % 4;
}

static void begin_command(struct stream *s)
{
	s->done = 0;
	s->part = 0;
	memset(s->group, 0, sizeof(s->group));
}

enum step stream_fetch(struct engine *e, struct context *c)
{
	struct stream *s = &c->s;
	uint32_t n, head, len;
	enum refgpu_error error;
	enum step r = available(e, c, &n);

	if (r)
		return r;
	if (!n) {
		if (!s->depth)
			return STEP_IDLE;
		stream_pop(c);
		return STEP_DONE;
	}
	r = read_dwords(e, c, 0, &head, 1);
	if (r)
		return r;
	error = command_check_head(head, n, c->control, context_engine(c));
	if (error)
		return exec_error(e, error);
	/* Of a NOP only the length counts. */
	len = REFGPU_CMD_OP(head) == REFGPU_OP_NOP ? 1 : REFGPU_CMD_LEN(head);
	if (len > 1)
		r = read_dwords(e, c, 1, s->cmd + 1, len - 1);
	if (r)
		return r;
	s->cmd[0] = head;
	error = command_check(s->cmd);
	if (error)
		return exec_error(e, error);
	s->len = REFGPU_CMD_LEN(head);
	if (!s->loaded)
		begin_command(s);
	s->loaded = false;
	if (bad_progress(s))
		return exec_error(e, REFGPU_ERROR_ARGUMENT);
	s->phase = PHASE_EXEC;
	return STEP_DONE;
}

enum step stream_retire(struct engine *e, struct context *c)
{
	struct stream *s = &c->s;
	uint32_t head = atomic_load(&c->head);
	size_t len = 4;
	_Atomic uint32_t *p;

	if (s->depth) {
		s->level[s->depth - 1].pos += s->len;
		s->phase = PHASE_FETCH;
		return STEP_DONE;
	}
	head = (head + s->len * 4) & (c->ring_size - 1);
	p = control_ptr(e, c, c->ctl + CTL_HEAD, PROT_WRITE_, &len);
	if (!p)
		return no_control(e, c);
	/* The register first: who sees the one in memory sees no older one. */
	atomic_store(&c->head, head);
	atomic_store_explicit(p, head, memory_order_release);
	s->phase = PHASE_FETCH;
	return STEP_DONE;
}
