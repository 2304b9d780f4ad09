/* SPDX-License-Identifier: MIT */
/*
 * Landlock (Documentation/userspace-api/landlock.rst): from here on no file
 * can be opened, made or executed. What is anonymous (memfds, and opening them
 * again through /proc/self/fd) is not governed by it.
 *
 * Structures and numbers are written out: the C library's headers are often
 * older than the kernel that the program runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"
#include "util/cleanup.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

#define RULESET_VERSION	 1u
#define RULE_PATH	 1
#define FS_REMOVE_FILE	 (1ull << 5)
#define FS_ABI_1	 ((1ull << 13) - 1)
#define FS_REFER	 (1ull << 13) /* since 2 */
#define FS_TRUNCATE	 (1ull << 14) /* since 3 */
#define FS_IOCTL_DEV	 (1ull << 15) /* since 5 */
#define NET_BIND_CONNECT 3ull	      /* TCP; since 4 */
#define SCOPE_ALL	 3ull	      /* abstract sockets, signals; since 6 */

struct ruleset {
	uint64_t fs, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t dir;
} __attribute__((packed));

/* The directory that the file @path is in. */
static int open_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir =
		slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	int fd;

	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int allow_unlink(int rules, const char *path)
{
	struct path_rule rule = { .allowed = FS_REMOVE_FILE };
	cleanup_fd int dir = open_directory(path);

	if (dir < 0)
		return dir;
	rule.dir = dir;
	return syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

int sandbox_restrict_files(const struct sandbox_plan *plan)
{
	const struct sandbox_config *config = plan->config;
	struct ruleset set = { .fs = FS_ABI_1 };
	size_t size = sizeof(set.fs);
	cleanup_fd int rules = -1;
	long abi;
	int err;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
	if (abi < 0)
		return -errno;
	if (abi >= 2)
		set.fs |= FS_REFER;
	if (abi >= 3)
		set.fs |= FS_TRUNCATE;
	if (abi >= 4) {
		set.net = NET_BIND_CONNECT;
		size = 2 * sizeof(set.fs);
	}
	if (abi >= 5)
		set.fs |= FS_IOCTL_DEV;
	if (abi >= 6) {
		set.scoped = SCOPE_ALL;
		size = sizeof(set);
	}
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (rules < 0)
		return -errno;
	for (size_t i = 0; i < config->n_unlink_in; i++) {
		if (!config->unlink_in[i])
			continue;
		err = allow_unlink(rules, config->unlink_in[i]);
		if (err)
			return err;
	}
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -errno : 0;
}
