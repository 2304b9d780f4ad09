/* SPDX-License-Identifier: MIT */
#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <vgpu/dma.h>

#include "../util/cleanup.h"
#include "../util/loop.h"
#include "shared.h"

/* Who was rung is looked at for so many of the loop's next spins. */
#define BELL_WARM_SPINS 64u

/*
 * What one side hears; in cache lines of its own.
 *
 * A ring is: set @pending; if it was not set and @awake isn't, write to the
 * pipe. Going to sleep is: clear @awake; look at @pending once more. All of
 * them are sequentially consistent, so at least one of the two sees the other.
 */
struct ear {
	_Alignas(128) _Atomic uint32_t pending;
	_Atomic uint32_t awake; /* its loop spins, and looks at @pending */
};

struct bell {
	struct loop *loop;
	struct loop_source *src;
	struct wait_poller poller;
	struct ear *ears; /* by enum bell_side */
	struct ear *own, *other;
	int fds[BELL_N_FDS];
	bool awake; /* what we said */
	unsigned warm;
	void (*rung)(void *user);
	void *user;
};

_Static_assert(2 * sizeof(struct ear) <= VGPU_DMA_PAGE_SIZE, "a page is it");

static int make(int ret_parent[BELL_N_FDS], int ret_worker[BELL_N_FDS])
{
	int there[2], back[2], err;

	err = shared_file("vgpu-bell", VGPU_DMA_PAGE_SIZE,
			  &ret_parent[BELL_FD_PAGE]);
	if (err)
		return err;
	ret_worker[BELL_FD_PAGE] =
		fcntl(ret_parent[BELL_FD_PAGE], F_DUPFD_CLOEXEC, 0);
	if (ret_worker[BELL_FD_PAGE] < 0)
		return -errno;
	if (pipe2(there, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	ret_parent[BELL_FD_WAKE] = there[0];
	ret_worker[BELL_FD_OTHER] = there[1];
	if (pipe2(back, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	ret_worker[BELL_FD_WAKE] = back[0];
	ret_parent[BELL_FD_OTHER] = back[1];
	return 0;
}

int bell_make(int ret_parent[BELL_N_FDS], int ret_worker[BELL_N_FDS])
{
	int parent[BELL_N_FDS] = { -1, -1, -1 };
	int worker[BELL_N_FDS] = { -1, -1, -1 };
	int err = make(parent, worker);

	for (unsigned i = 0; i < BELL_N_FDS; i++) {
		if (err) {
			close_fd(parent[i]);
			close_fd(worker[i]);
			continue;
		}
		ret_parent[i] = parent[i];
		ret_worker[i] = worker[i];
	}
	return err;
}

/* ------------------------------------------------------------------ */
/* Being rung                                                          */
/* ------------------------------------------------------------------ */

/* The bell may be gone afterwards. */
static bool take(struct bell *bell)
{
	if (!atomic_load_explicit(&bell->own->pending, memory_order_relaxed))
		return false;
	/* Cleared before anything is read: what comes later rings anew. */
	if (!atomic_exchange(&bell->own->pending, 0) || !bell->rung)
		return false;
	bell->warm = BELL_WARM_SPINS;
	bell->poller.warm = true;
	bell->rung(bell->user);
	return true;
}

static void on_wake(struct loop_source *src, uint32_t events, void *user)
{
	struct bell *bell = user;
	char bytes[64];

	/* More of them than fit wake us again. */
	if (events & EPOLLIN &&
	    read(bell->fds[BELL_FD_WAKE], bytes, sizeof(bytes)) > 0)
		wait_mark_hot(&bell->poller);
	if (!(events & EPOLLIN) && events & (EPOLLHUP | EPOLLERR)) {
		/* Nobody will ring; that it has gone is the link's to say. */
		loop_remove(src);
		bell->src = NULL;
	}
	take(bell);
}

static bool on_poll(struct wait_poller *poller)
{
	struct bell *bell = vgpu_container_of(poller, struct bell, poller);

	if (!bell->awake && wait_has(loop_wait(bell->loop), WAIT_TRICK_AWAKE)) {
		bell->awake = true;
		atomic_store(&bell->own->awake, 1);
	}
	return take(bell);
}

static void on_rest(struct wait_poller *poller)
{
	struct bell *bell = vgpu_container_of(poller, struct bell, poller);

	if (!bell->awake)
		return;
	if (bell->warm && !--bell->warm)
		bell->poller.warm = false;
	bell->awake = false;
	atomic_store(&bell->own->awake, 0);
	/* Who rang before that did not wake us. */
	if (atomic_load(&bell->own->pending))
		take(bell);
}

/* ------------------------------------------------------------------ */
/* Ringing                                                             */
/* ------------------------------------------------------------------ */

void bell_ring(struct bell *bell)
{
	static const char byte;

	if (atomic_exchange(&bell->other->pending, 1) ||
	    atomic_load(&bell->other->awake))
		return;
	/* A full pipe has woken it already. */
	if (write(bell->fds[BELL_FD_OTHER], &byte, 1) < 0)
		return;
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

void bell_mute(struct bell *bell)
{
	if (!bell || !bell->rung)
		return;
	bell->rung = NULL;
	wait_remove(loop_wait(bell->loop), &bell->poller);
	loop_remove(bell->src);
	bell->src = NULL;
}

void bell_free(struct bell *bell)
{
	if (!bell)
		return;
	bell_mute(bell);
	if (bell->ears)
		munmap(bell->ears, VGPU_DMA_PAGE_SIZE);
	for (unsigned i = 0; i < BELL_N_FDS; i++)
		close_fd(bell->fds[i]);
	free(bell);
}

int bell_new(struct loop *loop, enum bell_side side, const int fds[BELL_N_FDS],
	     void (*rung)(void *user), void *user, struct bell **ret_bell)
{
	struct bell *bell = calloc(1, sizeof(*bell));
	void *page;
	int err;

	if (!bell) {
		for (unsigned i = 0; i < BELL_N_FDS; i++)
			close_fd(fds[i]);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < BELL_N_FDS; i++)
		bell->fds[i] = fds[i];
	bell->loop = loop;
	bell->rung = rung;
	bell->user = user;
	bell->poller.poll = on_poll;
	bell->poller.rest = on_rest;
	err = shared_map(bell->fds[BELL_FD_PAGE], VGPU_DMA_PAGE_SIZE, &page);
	if (!err) {
		bell->ears = page;
		bell->own = &bell->ears[side];
		bell->other = &bell->ears[!side];
		bell->fds[BELL_FD_PAGE] = close_fd(bell->fds[BELL_FD_PAGE]);
		err = loop_add_fd(loop, bell->fds[BELL_FD_WAKE], EPOLLIN,
				  on_wake, bell, &bell->src);
	}
	if (err) {
		bell_free(bell);
		return err;
	}
	wait_add(loop_wait(loop), &bell->poller);
	*ret_bell = bell;
	return 0;
}
