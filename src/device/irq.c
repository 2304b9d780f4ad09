/* SPDX-License-Identifier: MIT */
#include "irq.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../pci/msix.h"
#include "../state/arena.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "eventfd.h"

/* In the arena: one per vector of every index, in the order of the indexes. */
struct vector_state {
	int32_t fd; /* trigger eventfd, -1: none */
	uint32_t pending;
};

struct irq_state {
	uint32_t enabled[VGPU_NUM_IRQS]; /* the client has set eventfds */
	int32_t mask_fd;    /* INTx: masks when signalled, -1: none */
	int32_t unmask_fd;  /* INTx: unmasks when signalled (resample) */
	uint32_t level;     /* INTx: the driver's */
	uint32_t masked;    /* INTx: by itself, by message or by mask_fd */
	uint32_t disabled;  /* INTx: Interrupt Disable in the command register */
	uint32_t reserved;
};

static const struct vgpu_field irq_fields[] = {
	VGPU_FIELD_ARRAY(struct irq_state, enabled, 1),
	VGPU_FIELD(struct irq_state, mask_fd, 1),
	VGPU_FIELD(struct irq_state, unmask_fd, 1),
	VGPU_FIELD(struct irq_state, level, 1),
	VGPU_FIELD(struct irq_state, masked, 1),
	VGPU_FIELD(struct irq_state, disabled, 1),
};

struct irqs {
	struct irqs_config config;
	struct loop *loop;
	pthread_mutex_t lock; /* routes and levels: any thread signals */
	struct irq_state *state;
	struct vector_state *vectors;
	uint32_t first[VGPU_NUM_IRQS]; /* index into @vectors */
	uint32_t total;
	struct loop_source *mask_src, *unmask_src;
};

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int irqs_new(struct loop *loop, struct arena *arena,
	     const struct irqs_config *config, struct irqs **ret_irqs)
{
	struct irqs *irqs = calloc(1, sizeof(*irqs));
	void *block;
	int ret;

	if (!irqs)
		return -ENOMEM;
	irqs->config = *config;
	irqs->loop = loop;
	pthread_mutex_init(&irqs->lock, NULL);
	for (unsigned i = 0; i < VGPU_NUM_IRQS; i++) {
		irqs->first[i] = irqs->total;
		irqs->total += config->counts[i];
	}
	ret = arena_block(arena, "irq.state", 1, sizeof(struct irq_state),
			  &block);
	if (ret < 0)
		goto fail;
	irqs->state = block;
	if (ret == 1)
		irqs->state->mask_fd = irqs->state->unmask_fd = -1;
	ret = arena_describe(arena, "irq.state", irq_fields,
			     ARRAY_SIZE(irq_fields));
	if (ret < 0)
		goto fail;
	ret = arena_block(arena, "irq.vectors", 1,
			  irqs->total * sizeof(struct vector_state), &block);
	if (ret < 0)
		goto fail;
	irqs->vectors = block;
	for (uint32_t i = 0; ret == 1 && i < irqs->total; i++)
		irqs->vectors[i].fd = -1;
	*ret_irqs = irqs;
	return 0;
fail:
	pthread_mutex_destroy(&irqs->lock);
	free(irqs);
	return ret;
}

void irqs_free(struct irqs *irqs)
{
	if (!irqs)
		return;
	irqs_disconnect(irqs);
	pthread_mutex_destroy(&irqs->lock);
	free(irqs);
}

uint32_t irqs_count(const struct irqs *irqs, unsigned index)
{
	return index < VGPU_NUM_IRQS ? irqs->config.counts[index] : 0;
}

/* ------------------------------------------------------------------ */
/* Firing; lock held                                                   */
/* ------------------------------------------------------------------ */

static void send_event(struct irqs *irqs, enum vgpu_irq_index index, int fd)
{
	eventfd_signal(fd);
	if (irqs->config.sent)
		irqs->config.sent(irqs->config.user, index);
}

/* Fire INTx if it is due. */
static void intx_update(struct irqs *irqs)
{
	struct irq_state *s = irqs->state;
	int fd = irqs->config.counts[VGPU_IRQ_INTX] ? irqs->vectors[0].fd : -1;

	if (s->level && !s->masked && !s->disabled && fd >= 0) {
		s->masked = 1; /* VFIO: AUTOMASKED */
		send_event(irqs, VGPU_IRQ_INTX, fd);
	}
}

static struct vector_state *vector_at(struct irqs *irqs, unsigned index,
				      unsigned vector)
{
	return &irqs->vectors[irqs->first[index] + vector];
}

/* Can't be sent for now: no eventfd, or masked in a table that the client
 * leaves to us. */
static bool held_back(struct irqs *irqs, unsigned index, unsigned vector)
{
	return vector_at(irqs, index, vector)->fd < 0 ||
	       (index == VGPU_IRQ_MSIX &&
		msix_vector_masked(irqs->config.msix, vector));
}

/* MSI-X has its pending bits in the PBA, where the guest sees them. */
static void set_pending(struct irqs *irqs, unsigned index, unsigned vector)
{
	if (index == VGPU_IRQ_MSIX)
		msix_set_pending(irqs->config.msix, vector);
	else
		vector_at(irqs, index, vector)->pending = 1;
}

static bool take_pending(struct irqs *irqs, unsigned index, unsigned vector)
{
	struct vector_state *v = vector_at(irqs, index, vector);
	bool was = v->pending;

	if (index == VGPU_IRQ_MSIX)
		return msix_take_pending(irqs->config.msix, vector);
	v->pending = 0;
	return was;
}

static void send_pending(struct irqs *irqs, unsigned index, unsigned vector)
{
	if (!held_back(irqs, index, vector) &&
	    take_pending(irqs, index, vector))
		send_event(irqs, (enum vgpu_irq_index)index,
			   vector_at(irqs, index, vector)->fd);
}

static void message_signal(struct irqs *irqs, unsigned index, unsigned vector)
{
	/* Pending first: the guest may clear the mask bit at this moment, and
	 * one of the two has to see the other's doing. */
	if (irqs->state->enabled[index]) {
		set_pending(irqs, index, vector);
		send_pending(irqs, index, vector);
	}
}

int irqs_signal(struct irqs *irqs, enum vgpu_irq_index index, unsigned vector)
{
	if (index == VGPU_IRQ_INTX || vector >= irqs_count(irqs, index))
		return -EINVAL;
	pthread_mutex_lock(&irqs->lock);
	message_signal(irqs, index, vector);
	pthread_mutex_unlock(&irqs->lock);
	return 0;
}

void irqs_set_level(struct irqs *irqs, bool asserted)
{
	if (!irqs_count(irqs, VGPU_IRQ_INTX))
		return;
	pthread_mutex_lock(&irqs->lock);
	irqs->state->level = asserted;
	intx_update(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

enum vgpu_irq_index irqs_enabled(struct irqs *irqs)
{
	enum vgpu_irq_index index = VGPU_IRQ_INTX;

	pthread_mutex_lock(&irqs->lock);
	if (irqs->state->enabled[VGPU_IRQ_MSIX])
		index = VGPU_IRQ_MSIX;
	else if (irqs->state->enabled[VGPU_IRQ_MSI])
		index = VGPU_IRQ_MSI;
	pthread_mutex_unlock(&irqs->lock);
	return index;
}

bool irqs_level(struct irqs *irqs)
{
	bool level;

	pthread_mutex_lock(&irqs->lock);
	level = irqs->state->level;
	pthread_mutex_unlock(&irqs->lock);
	return level;
}

void irqs_unmasked(struct irqs *irqs, unsigned vector)
{
	pthread_mutex_lock(&irqs->lock);
	send_pending(irqs, VGPU_IRQ_MSIX, vector);
	pthread_mutex_unlock(&irqs->lock);
}

void irqs_set_intx_disabled(struct irqs *irqs, bool disabled)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->state->disabled = disabled;
	intx_update(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

/* ------------------------------------------------------------------ */
/* What the client sets                                                */
/* ------------------------------------------------------------------ */

/* The client's eventfd that masks or unmasks INTx was signalled. */
static void on_intx_event(struct loop_source *src, uint32_t events, void *user)
{
	struct irqs *irqs = user;
	bool unmask = src == irqs->unmask_src;
	int fd = unmask ? irqs->state->unmask_fd : irqs->state->mask_fd;

	if (!eventfd_drain(fd))
		return;
	pthread_mutex_lock(&irqs->lock);
	irqs->state->masked = !unmask;
	intx_update(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

/* Replace the eventfd that masks or unmasks; @fd is owned from here on. */
static int bind_intx_event(struct irqs *irqs, bool unmask, int fd)
{
	struct loop_source **src = unmask ? &irqs->unmask_src : &irqs->mask_src;
	int32_t *slot = unmask ? &irqs->state->unmask_fd : &irqs->state->mask_fd;
	struct loop_source *new_src = NULL;
	int err;

	if (fd >= 0) {
		err = loop_add_fd(irqs->loop, fd, EPOLLIN, on_intx_event, irqs,
				  &new_src);
		if (err) {
			close_fd(fd);
			return err;
		}
	}
	loop_remove(*src);
	close_fd(*slot);
	*src = new_src;
	*slot = fd;
	return 0;
}

/* Give vectors their trigger eventfds, or take them away (no fds). */
static void assign(struct irqs *irqs, const struct irq_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		struct vector_state *v =
			vector_at(irqs, set->index, set->start + i);

		close_fd(v->fd);
		v->fd = set->n_fds ? steal_fd(&set->fds[i]) : -1;
		if (v->fd < 0)
			continue;
		irqs->state->enabled[set->index] = 1;
		if (set->index != VGPU_IRQ_INTX)
			send_pending(irqs, set->index, set->start + i);
	}
	if (set->index == VGPU_IRQ_INTX) {
		/* A new route starts unmasked, as a new request_irq() does. */
		if (set->n_fds)
			irqs->state->masked = 0;
		intx_update(irqs);
	}
}

/* The client wants no more of an index. */
static void disable(struct irqs *irqs, unsigned index)
{
	for (uint32_t i = 0; i < irqs->config.counts[index]; i++) {
		struct vector_state *v = vector_at(irqs, index, i);

		v->fd = close_fd(v->fd);
		take_pending(irqs, index, i);
	}
	irqs->state->enabled[index] = 0;
	if (index == VGPU_IRQ_INTX) {
		bind_intx_event(irqs, true, -1);
		bind_intx_event(irqs, false, -1);
		irqs->state->masked = 0;
	}
}

/* At once, not by eventfd */
static void act(struct irqs *irqs, const struct irq_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->when == IRQ_IF && !set->bools[i])
			continue;
		if (set->index != VGPU_IRQ_INTX) {
			message_signal(irqs, set->index, set->start + i);
		} else if (set->action == IRQ_TRIGGER) {
			/* A loop-back: as if the pin had pulsed. */
			if (irqs->vectors[0].fd >= 0)
				send_event(irqs, VGPU_IRQ_INTX,
					   irqs->vectors[0].fd);
		} else {
			irqs->state->masked = set->action == IRQ_MASK;
			intx_update(irqs);
		}
	}
}

/* Everything that can be wrong, before anything is changed. */
static int check(struct irqs *irqs, const struct irq_set *set)
{
	bool trigger = set->action == IRQ_TRIGGER;
	uint32_t have = irqs_count(irqs, set->index);

	if (set->index >= VGPU_NUM_IRQS)
		return -EINVAL;
	if (!range_inside(set->start, set->count, have))
		return -EINVAL;
	if (!set->count && (set->start || set->when != IRQ_NOW || !trigger))
		return -EINVAL;
	/* Only INTx can be masked (VFIO: MASKABLE). */
	if (!trigger && set->index != VGPU_IRQ_INTX)
		return -EINVAL;
	if (set->when != IRQ_BY_EVENTFD)
		return set->n_fds ? -EINVAL : 0;
	if (set->n_fds && set->n_fds != set->count)
		return -EINVAL;
	for (size_t i = 0; i < set->n_fds; i++)
		if (!eventfd_check(set->fds[i]))
			return -EINVAL;
	return 0;
}

int irqs_set(struct irqs *irqs, const struct irq_set *set)
{
	int err = check(irqs, set);

	if (err)
		return err;
	pthread_mutex_lock(&irqs->lock);
	if (!set->count)
		disable(irqs, set->index);
	else if (set->when != IRQ_BY_EVENTFD)
		act(irqs, set);
	else if (set->action == IRQ_TRIGGER)
		assign(irqs, set);
	else /* INTx has one vector, so there is one fd at most */
		err = bind_intx_event(irqs, set->action == IRQ_UNMASK,
				      set->n_fds ? steal_fd(&set->fds[0]) : -1);
	pthread_mutex_unlock(&irqs->lock);
	return err;
}

void irqs_disconnect(struct irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	for (unsigned i = 0; i < VGPU_NUM_IRQS; i++)
		disable(irqs, i);
	pthread_mutex_unlock(&irqs->lock);
}

void irqs_reset(struct irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	for (unsigned i = 0; i < VGPU_NUM_IRQS; i++)
		for (uint32_t v = 0; v < irqs->config.counts[i]; v++)
			take_pending(irqs, i, v);
	irqs->state->level = 0;
	irqs->state->disabled = 0;
	pthread_mutex_unlock(&irqs->lock);
}
