/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread struct dma_reader *dma_self;
_Atomic uint64_t dma_period = 1;
bool dma_fence_in_reader;

static _Atomic(struct dma_reader *) readers;
static pthread_key_t exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_exit(void *arg)
{
	struct dma_reader *r = arg;

	r->nesting = 0;
	atomic_store_explicit(&r->seq, 0, memory_order_release);
	dma_self = NULL;
	atomic_store_explicit(&r->taken, false, memory_order_release);
}

static void setup(void)
{
	/* Fails only without keys: then records are not handed back. */
	if (pthread_key_create(&exit_key, thread_exit))
		exit_key = (pthread_key_t)-1;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		    0, 0) < 0)
		dma_fence_in_reader = true;
}

void dma_reader_setup(void)
{
	pthread_once(&once, setup);
}

static struct dma_reader *claim(void)
{
	struct dma_reader *r;

	for (r = atomic_load(&readers); r; r = r->next) {
		bool free = false;

		if (atomic_compare_exchange_strong(&r->taken, &free, true))
			return r;
	}
	/* Nothing may fail on the way to guest memory, and a record is needed
	 * once per thread: wait for the 64 bytes. */
	while (!(r = aligned_alloc(64, 64)))
		sched_yield();
	*r = (struct dma_reader){ 0 };
	atomic_init(&r->taken, true);
	r->next = atomic_load(&readers);
	while (!atomic_compare_exchange_weak(&readers, &r->next, r))
		;
	return r;
}

struct dma_reader *dma_reader_register(void)
{
	dma_reader_setup();
	dma_self = claim();
	if (exit_key != (pthread_key_t)-1)
		pthread_setspecific(exit_key, dma_self);
	return dma_self;
}

static void wait_for(struct dma_reader *r, uint64_t period)
{
	for (unsigned i = 0;; i++) {
		uint64_t seq =
			atomic_load_explicit(&r->seq, memory_order_acquire);

		if (!seq || seq >= period)
			return;
		if (i < 100)
			__builtin_ia32_pause();
		else if (i < 1000)
			sched_yield();
		else
			nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
	}
}

static int membarrier_private(void)
{
	return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0,
			    0);
}

/* Every running thread of ours executes a full fence. A process that was
 * forked has to say anew that it wants that; where a sandbox forbids it,
 * waiting much longer than a store takes to be seen has to do. */
static void fence_everywhere(void)
{
	if (!membarrier_private())
		return;
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
		0);
	if (membarrier_private() &&
	    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void dma_synchronize(void)
{
	uint64_t period = atomic_fetch_add(&dma_period, 1) + 1;
	struct dma_reader *r;
	bool others = false;

	for (r = atomic_load(&readers); r; r = r->next)
		if (r != dma_self && atomic_load(&r->taken))
			others = true;
	if (!others)
		return;
	if (!dma_fence_in_reader)
		fence_everywhere();
	for (r = atomic_load(&readers); r; r = r->next)
		if (r != dma_self)
			wait_for(r, period);
}
