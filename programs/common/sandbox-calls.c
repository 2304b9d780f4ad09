/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a process that serves a guest. An allow-list: all others
 * fail with EPERM. They don't kill, since a C library of tomorrow that tries
 * something new first would then take a running VM's device away.
 */
#include <errno.h>

#include "sandbox.h"

#ifdef HAVE_SECCOMP
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static const int allowed[] = {
	/* bytes in and out, on descriptors that are open; sockets of clients
	 * come from accept4(), none is made or connected */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(lseek),
	SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),
	SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(socketpair),
	/* waiting */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(signalfd4), SCMP_SYS(pipe2),
	/* files that are open; by name only to look and to remove: opening by
	 * name is for Landlock to judge, and read-only, see below */
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup3),
	SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(fstatfs),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(memfd_create),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(mincore), SCMP_SYS(msync), SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	/* threads, and what the C library does for them */
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(membarrier), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(set_tid_address),
	SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getrandom),
	SCMP_SYS(getcpu), SCMP_SYS(getrusage), SCMP_SYS(sysinfo),
	SCMP_SYS(uname), SCMP_SYS(restart_syscall),
	/* time */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	/* signals */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* The first descriptor or address, and so the flags' place, differ. */
#define NO_BITS(arg, bits) SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, (bits), 0)
#define ALL_BITS(arg, bits) SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, (bits), (bits))

/* O_TMPFILE holds O_DIRECTORY, which as such is harmless, but is in no use. */
#define NOT_OPENED (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)

static int add_conditional(scmp_filter_ctx ctx)
{
	static const unsigned long ioctls[] = { FIONREAD, FIONBIO, TCGETS };
	static const int names[] = { PR_SET_NAME, PR_GET_NAME };
	int err = 0;

	/* Nothing becomes code any more. */
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				NO_BITS(2, PROT_EXEC));
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				NO_BITS(2, PROT_EXEC));
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				NO_BITS(2, NOT_OPENED));
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				NO_BITS(1, NOT_OPENED));
	/* Threads, not processes. The flags of clone3() can't be seen: the C
	 * library falls back to clone(). */
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				ALL_BITS(0, CLONE_THREAD));
	err |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
				0);
	/* Limits may be read. */
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				SCMP_A2(SCMP_CMP_EQ, 0));
	for (unsigned i = 0; i < N(names); i++)
		err |= seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)names[i]));
	for (unsigned i = 0; i < N(ioctls); i++)
		err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
					1, SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	/* On a socket that has its peer: the service manager's. */
	err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				SCMP_A4(SCMP_CMP_EQ, 0));
	return err ? -EIO : 0;
}

/* abort() and assertions send themselves signals; nobody else gets any. */
static int add_own_signals(scmp_filter_ctx ctx)
{
	scmp_datum_t pid = (scmp_datum_t)getpid();

	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			     SCMP_A0(SCMP_CMP_EQ, pid)) ||
	    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
			     SCMP_A0(SCMP_CMP_EQ, pid)))
		return -EIO;
	return 0;
}

/* The numbers, since a filter sees nothing else: what comes later to the number
 * of a device that was closed may be asked as much, and is a file of a client. */
static int add_devices(scmp_filter_ctx ctx, const struct sandbox_plan *plan)
{
	for (int i = 0; i < plan->n_devices; i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A0(SCMP_CMP_EQ,
					     (scmp_datum_t)plan->devices[i])))
			return -EIO;
	return plan->n_devices < 0 ? plan->n_devices : 0;
}

int sandbox_filter_calls(const struct sandbox_plan *plan)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = 0;

	if (!ctx)
		return -ENOMEM;
	/* Threads that a driver has started are in it, too. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* A courtesy of newer kernels: without it all is as safe. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	for (unsigned i = 0; i < N(allowed) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = add_conditional(ctx);
	if (!err)
		err = add_own_signals(ctx);
	if (!err)
		err = add_devices(ctx, plan);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}
#else
int sandbox_filter_calls(const struct sandbox_plan *plan)
{
	return -ENOTSUP;
}
#endif
