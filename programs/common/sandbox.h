/* SPDX-License-Identifier: MIT */
/* What is left to a process that reads what a guest sends: nearly nothing. */
#ifndef PROGRAMS_SANDBOX_H
#define PROGRAMS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/**
 * enum sandbox_mode - how much of the sandbox has to be there
 * @SANDBOX_NONE: none is made
 * @SANDBOX_AUTO: as much as the kernel and the build have; what is missing is
 *	logged, once
 * @SANDBOX_STRICT: all of it, or starting fails
 */
enum sandbox_mode {
	SANDBOX_NONE,
	SANDBOX_AUTO,
	SANDBOX_STRICT,
};

/**
 * struct sandbox_config - what the process still needs
 * @mode: see there
 * @unlink_in: files, or NULL: what lies beside them, and below, may still be
 *	removed (sockets, at the end)
 * @n_unlink_in: how many
 * @devices: of devices that are open (/dev/vfio and the like), all ioctls may
 *	still be made
 */
struct sandbox_config {
	enum sandbox_mode mode;
	const char *const *unlink_in;
	size_t n_unlink_in;
	bool devices;
};

/* Bytes for a sentence about what is missing. */
#define SANDBOX_MISSING_MAX 320

#define SANDBOX_MODES "none|auto|strict" /* as they are called */

/**
 * sandbox_enter() - give up what is no longer needed, for good
 *
 * Call it when all files are open and all modules loaded, before there are
 * other threads: capabilities and Landlock go by thread, and a thread that is
 * there already (a driver's) counts as missing. What is refused from here on
 * fails with EPERM (a system call, logged by the kernel where it audits) or
 * EACCES (a file).
 *
 * @ret_missing: what is missing, as was logged, of SANDBOX_MISSING_MAX bytes;
 *	"" if nothing is that was asked for
 *
 * Return: 0: done as far as @config wants it; negative errno: it was logged,
 * and some of it may be in effect.
 */
int sandbox_enter(const struct sandbox_config *config, char *ret_missing);

/* ---- the parts, private to sandbox*.c ------------------------------- */

/* Devices that can be open when the filter is made; more is an error. */
#define SANDBOX_MAX_DEVICES 64

/* What of the process's state the parts need; found before the first of them.
 */
struct sandbox_plan {
	const struct sandbox_config *config;
	int devices[SANDBOX_MAX_DEVICES]; /* descriptors */
	int n_devices;			  /* or a negative errno */
};

/* The system call filter, on all threads. -ENOTSUP: not built in. */
int sandbox_filter_calls(const struct sandbox_plan *plan);

/* Descriptors of devices that are open, but for 0, 1 and 2. Return: how many;
 * -E2BIG; errno of /proc. */
int sandbox_find_devices(int ret_fds[SANDBOX_MAX_DEVICES]);

/* Landlock. -ENOSYS, -EOPNOTSUPP: the kernel has none, or it is off. */
int sandbox_restrict_files(const struct sandbox_plan *plan);

#endif
