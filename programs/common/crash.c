/* SPDX-License-Identifier: MIT */
#include "crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define FRAMES	   64
#define STACK_SIZE (64u << 10) /* backtrace() unwinds on it */

/* A handler has no argument for it; set once, before there are threads. */
static const char *program_name = "";

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

/* Async-signal-safe. */
static size_t put_text(char *buf, size_t at, const char *text)
{
	size_t len = strlen(text);

	memcpy(buf + at, text, len);
	return at + len;
}

static size_t put_hex(char *buf, size_t at, uintptr_t v)
{
	for (int shift = (int)sizeof(v) * 8 - 4; shift >= 0; shift -= 4)
		buf[at++] = "0123456789abcdef"[v >> shift & 15];
	return at;
}

static void on_crash(int signo, siginfo_t *info, void *context)
{
	const char *name = sigabbrev_np(signo);
	void *frames[FRAMES];
	char line[160];
	size_t n;

	/* Whatever goes wrong in here ends the process. */
	signal(signo, SIG_DFL);
	n = put_text(line, 0, program_name);
	n = put_text(line, n, ": crashed: SIG");
	n = put_text(line, n, name ? name : "?");
	if (info->si_code > 0) {
		n = put_text(line, n, " at address 0x");
		n = put_hex(line, n, (uintptr_t)info->si_addr);
	} else {
		n = put_text(line, n, ", sent by a process");
	}
	n = put_text(line, n, "; back trace:\n");
	if (write(STDERR_FILENO, line, n) > 0)
		backtrace_symbols_fd(frames, backtrace(frames, FRAMES),
				     STDERR_FILENO);
	raise(signo); /* it dies of what it was, with a core if wanted */
}

void crash_setup(const char *program)
{
	static char stack[STACK_SIZE];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction sa = {
		.sa_sigaction = on_crash,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	void *frame;

	program_name = program;
	/* The first call loads a library: not in a handler. */
	backtrace(&frame, 1);
	if (sigaltstack(&alternate, NULL) < 0)
		return; /* without one a stack overflow says nothing */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler == SIG_DFL)
			sigaction(signals[i], &sa, NULL);
	}
}
