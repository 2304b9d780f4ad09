/* SPDX-License-Identifier: MIT */
/*
 * The engine: one job after the other, each in the context of its vGPU.
 *
 * What is secret is the 4 KiB buffer. Before anything of a vGPU runs, the
 * buffer that is in the hardware is saved for its owner, and that of the vGPU
 * is loaded, whole: nothing of the last one is left, also not where a transfer
 * then fails half-way. A vGPU that is new has one of zeroes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parent.h"

static void step(struct edu_parent *p, enum edu_step to)
{
	p->step = to;
	vgpu_parent_arm_timer(p->watchdog,
			      to == STEP_IDLE ? 0 : EDU_WATCHDOG_NS);
}

static void release(struct edu_client *c, const struct edu_request *r)
{
	for (unsigned i = 0; i < r->n; i++)
		vgpu_instance_release(c->inst, r->addr[i], r->len[i]);
}

void edu_client_wipe(struct edu_parent *p, struct edu_client *c)
{
	c->wipe = false;
	memset(c->buffer, 0, sizeof(c->buffer));
	if (p->owner == c)
		p->owner = NULL;
}

void edu_job_end(struct edu_parent *p, struct edu_client *c, enum edu_unit unit,
		 int err, uint32_t value)
{
	struct edu_job *job = &c->jobs[unit];
	struct edu_request r = job->r;
	struct edu_reply reply = {
		.unit = unit,
		.id = r.id,
		.err = (uint32_t)-err,
		.value = value,
		.engine_ns = c->engine_ns,
	};

	job->state = JOB_NONE;
	job->cancelled = false;
	if (c->wipe)
		edu_client_wipe(p, c);
	if (!c->gone) /* if it can't be sent, the instance goes anyway */
		vgpu_instance_send(c->inst, &reply, sizeof(reply));
	if (unit == EDU_UNIT_DMA)
		release(c, &r);
}

/* ------------------------------------------------------------------ */
/* Steps                                                               */
/* ------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of those between the vGPUs there is an end. */
static void end_job(struct edu_parent *p, int err, uint32_t value)
{
	struct edu_client *c = p->client;

	step(p, STEP_IDLE);
	p->client = NULL;
	c->engine_ns += now_ns() - p->began_ns;
	edu_job_end(p, c, p->unit, err, value);
	if (!c->gone)
		return;
	if (p->owner == c)
		p->owner = NULL;
	for (unsigned i = 0; i < EDU_MAX_CLIENTS; i++)
		if (p->clients[i] == c)
			p->clients[i] = NULL;
	free(c);
}

static void move(struct edu_parent *p)
{
	const struct edu_request *r = &p->client->jobs[EDU_UNIT_DMA].r;
	uint64_t at = EDU_BUFFER + r->offset + p->moved;
	uint64_t addr = r->addr[p->piece];
	uint32_t cmd = EDU_CMD_RUN | EDU_CMD_IRQ;

	step(p, STEP_MOVE);
	if (r->value) {
		p->hw->ops->dma(p->hw, at, addr, r->len[p->piece],
				cmd | EDU_CMD_TO_RAM);
		return;
	}
	p->dirty = true;
	p->hw->ops->dma(p->hw, addr, at, r->len[p->piece], cmd);
}

static void load(struct edu_parent *p)
{
	memcpy(p->scratch, p->client->buffer, EDU_BUFFER_SIZE);
	/* From here on it is nobody's whole. */
	p->owner = NULL;
	p->dirty = false;
	step(p, STEP_LOAD);
	p->hw->ops->dma(p->hw, p->scratch_addr, EDU_BUFFER, EDU_BUFFER_SIZE,
			EDU_CMD_RUN | EDU_CMD_IRQ);
}

static void save(struct edu_parent *p)
{
	step(p, STEP_SAVE);
	p->hw->ops->dma(p->hw, EDU_BUFFER, p->scratch_addr, EDU_BUFFER_SIZE,
			EDU_CMD_RUN | EDU_CMD_IRQ | EDU_CMD_TO_RAM);
}

static void begin(struct edu_parent *p, struct edu_client *c,
		  enum edu_unit unit)
{
	struct edu_job *job = &c->jobs[unit];

	job->state = JOB_RUNNING;
	p->client = c;
	p->unit = unit;
	p->began_ns = now_ns();
	p->piece = 0;
	p->moved = 0;
	if (unit == EDU_UNIT_FACTORIAL) {
		step(p, STEP_FACTORIAL);
		p->hw->ops->write(p->hw, EDU_STATUS, EDU_STATUS_IRQ);
		p->hw->ops->write(p->hw, EDU_FACTORIAL, job->r.value);
	} else if (p->owner == c) {
		move(p);
	} else if (p->owner && p->dirty) {
		save(p);
	} else {
		load(p);
	}
}

/* A step is over: the next one. */
static void advance(struct edu_parent *p)
{
	struct edu_job *job = &p->client->jobs[p->unit];

	switch (p->step) {
	case STEP_SAVE:
		if (p->owner) /* not wiped or gone in the meantime */
			memcpy(p->owner->buffer, p->scratch, EDU_BUFFER_SIZE);
		p->dirty = false;
		break;
	case STEP_LOAD:
		p->owner = p->client;
		break;
	case STEP_MOVE:
		p->moved += job->r.len[p->piece++];
		if (p->piece == job->r.n) {
			end_job(p, 0, 0);
			return;
		}
		break;
	default:
		end_job(p, 0, p->hw->ops->read(p->hw, EDU_FACTORIAL));
		return;
	}
	if (job->cancelled)
		end_job(p, -ECANCELED, 0);
	else if (p->step == STEP_SAVE)
		load(p);
	else
		move(p);
}

/* ------------------------------------------------------------------ */
/* The queue                                                           */
/* ------------------------------------------------------------------ */

/* Each vGPU's units take turns, and so do the vGPUs. */
static bool pick(struct edu_parent *p, struct edu_client **ret_client,
		 enum edu_unit *ret_unit)
{
	for (unsigned i = 0; i < EDU_MAX_CLIENTS; i++) {
		unsigned at = (p->next + i) % EDU_MAX_CLIENTS;
		struct edu_client *c = p->clients[at];

		if (!c || c->gone)
			continue;
		for (unsigned k = 0; k < EDU_N_UNITS; k++) {
			enum edu_unit unit = (c->turn + k) % EDU_N_UNITS;

			if (c->jobs[unit].state != JOB_QUEUED)
				continue;
			c->turn = (unit + 1) % EDU_N_UNITS;
			p->next = at + 1;
			*ret_client = c;
			*ret_unit = unit;
			return true;
		}
	}
	return false;
}

void edu_engine_kick(struct edu_parent *p)
{
	struct edu_client *c;
	enum edu_unit unit;

	while (p->step == STEP_IDLE && pick(p, &c, &unit)) {
		if (p->dead)
			edu_job_end(p, c, unit, -EIO, 0);
		else
			begin(p, c, unit);
	}
}

void edu_engine_irq(void *user)
{
	struct edu_parent *p = user;
	uint32_t status = p->hw->ops->read(p->hw, EDU_IRQ_STATUS);

	p->hw->ops->write(p->hw, EDU_IRQ_ACK, status);
	if (p->step == STEP_FACTORIAL ? status & EDU_IRQ_FACTORIAL
	    : p->step == STEP_IDLE    ? false
				      : !p->hw->ops->busy(p->hw))
		advance(p);
	edu_engine_kick(p);
}

void edu_engine_stop(struct edu_parent *p, int err)
{
	int stopped = p->hw->ops->stop(p->hw);

	if (stopped && !p->dead) {
		vgpu_parent_log(&p->parent, NULL, VGPU_LOG_ERROR,
				"edu: the hardware can't be reset: %s; all "
				"jobs fail from now on",
				strerror(-stopped));
		p->dead = true;
	}
	/* What was in the buffer is lost, or anybody's. */
	p->owner = NULL;
	if (p->step != STEP_IDLE)
		end_job(p, err, 0);
}

void edu_engine_watchdog(void *user)
{
	struct edu_parent *p = user;

	if (p->step == STEP_IDLE)
		return;
	if (p->step != STEP_FACTORIAL && !p->hw->ops->busy(p->hw)) {
		advance(p); /* an interrupt was lost */
	} else {
		vgpu_parent_log(
			&p->parent, p->client->gone ? NULL : p->client->inst,
			VGPU_LOG_ERROR, "edu: the engine hangs; it is reset");
		edu_engine_stop(p, -EIO);
	}
	edu_engine_kick(p);
}
