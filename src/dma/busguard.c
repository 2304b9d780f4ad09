/* SPDX-License-Identifier: MIT */
#include "busguard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../util/bytes.h"

struct busguard_region {
	_Atomic uintptr_t base; /* 0: free; written last, cleared first */
	size_t len;
	size_t page;
	int prot;
	int notify_fd;
	_Atomic uint32_t *hits;
};

/* Signal handlers are the process's, so is this. */
static struct busguard_region regions[BUSGUARD_MAX];
static _Atomic uint32_t n_regions; /* slots ever used */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static __thread bool chaining;

/* In the handler: only what signal-safety(7) allows, and mmap(2), which is a
 * bare system call. */
static bool replace(struct busguard_region *r, uintptr_t addr)
{
	uintptr_t base = atomic_load_explicit(&r->base, memory_order_acquire);
	uintptr_t page;
	size_t len = r->page;
	const uint64_t one = 1;

	if (!base || addr < base || addr - base >= r->len)
		return false;
	page = addr & ~(uintptr_t)(r->page - 1);
	if (atomic_fetch_add(r->hits, 1) >= BUSGUARD_SINGLE_PAGES)
		len = base + r->len - page;
	if (mmap((void *)page, len, r->prot,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		return false;
	if (r->notify_fd >= 0) {
		/* A full counter is a notice too. */
		ssize_t n = write(r->notify_fd, &one, sizeof(one));

		(void)n;
	}
	return true;
}

static void chain(int signo, siginfo_t *info, void *context)
{
	/* Who took the signal after us may hand it back to us, and we to him.
	 */
	if (chaining) {
		signal(signo, SIG_DFL);
		return;
	}
	chaining = true;
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signo, info, context);
	} else if (previous.sa_handler == SIG_DFL ||
		   (previous.sa_handler == SIG_IGN && info->si_code > 0)) {
		/* Die as if we were not here: a fault comes again on return,
		 * a signal that was sent is sent again. */
		signal(signo, SIG_DFL);
		if (info->si_code <= 0)
			raise(signo);
	} else if (previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signo);
	}
	chaining = false;
}

static void handler(int signo, siginfo_t *info, void *context)
{
	uint32_t n = atomic_load_explicit(&n_regions, memory_order_acquire);
	int saved = errno;

	if (info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR)
		for (uint32_t i = 0; i < n; i++)
			if (replace(&regions[i], (uintptr_t)info->si_addr)) {
				errno = saved;
				return;
			}
	errno = saved;
	chain(signo, info, context);
}

/* Each time: a library that was loaded since may have taken the signal. */
static int install(void)
{
	struct sigaction sa = { .sa_sigaction = handler,
				.sa_flags = SA_SIGINFO | SA_ONSTACK |
					    SA_RESTART };
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == handler)
		return 0;
	previous = now;
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

int busguard_add(void *base, size_t len, size_t page, int prot,
		 _Atomic uint32_t *hits, int notify_fd,
		 struct busguard_region **ret_region)
{
	struct busguard_region *r = NULL;
	int err;

	pthread_mutex_lock(&lock);
	err = install();
	for (uint32_t i = 0; !err && i < BUSGUARD_MAX && !r; i++)
		if (!atomic_load(&regions[i].base))
			r = &regions[i];
	if (!err && !r)
		err = -ENOSPC;
	if (!err) {
		r->len = len;
		r->page = page;
		r->prot = prot;
		r->hits = hits;
		r->notify_fd = notify_fd;
		atomic_store_explicit(&r->base, (uintptr_t)base,
				      memory_order_release);
		if ((uint32_t)(r - regions) >= n_regions)
			atomic_store_explicit(&n_regions,
					      (uint32_t)(r - regions) + 1,
					      memory_order_release);
		*ret_region = r;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void busguard_remove(struct busguard_region *region)
{
	if (!region)
		return;
	pthread_mutex_lock(&lock);
	atomic_store(&region->base, 0);
	pthread_mutex_unlock(&lock);
}
