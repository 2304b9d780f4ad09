/* SPDX-License-Identifier: MIT */
/* What the files of /etc/vgpud say. */
#ifndef VGPUD_CONFIG_H
#define VGPUD_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFIG_MAX_FILES    64
#define CONFIG_MAX_PARENTS  256 /* sections [parent ...], all files together */
#define CONFIG_MAX_TYPES    1024 /* sections [type ...], likewise */
#define CONFIG_MAX_PROBLEMS 100	 /* that are remembered; all are logged */

/**
 * struct config_type - [type PARENT/NAME]: what the driver does not say
 * @shares: 0: not given
 * @max_instances: 0: as many as there is room for
 */
struct config_type {
	char *parent, *name;
	uint32_t shares, max_instances;
};

/**
 * struct config_parent - [parent NAME]
 * @driver: name of a module, or its path
 * @types: patterns (glob), separated by spaces
 * @config: what the driver's parent half is to share: a vgpu-parent is started
 *          with it; NULL: the driver shares nothing, or see @parent_socket
 * @parent_socket: of a vgpu-parent that somebody else starts; NULL: none
 * @error: what is wrong with the section; NULL: nothing
 * @at: "FILE:LINE" of the section
 */
struct config_parent {
	char *name, *driver, *types, *description, *config, *parent_socket,
		*error, *at;
	uint64_t vram;
	uint32_t max_instances, shares;
};

/**
 * struct config - all of it, with defaults filled in
 * @control_mode: of the daemon's own socket
 * @control_gid: its group, whose members may change things; (gid_t)-1: none
 * @socket_mode: of the vGPUs' sockets
 * @socket_gid: their group; (gid_t)-1: the daemon's
 * @pinned_limit: bytes that one user's vGPUs may have pinned together
 * @metrics_file: rewritten now and then; NULL: not wanted
 * @restart_limit: workers of one instance that are replaced ...
 * @parent_restart_limit: vgpu-parents of one parent, likewise
 * @restart_window_s: ... in so many seconds; then it has failed
 * @problems: sentences, each with file and line
 */
struct config {
	mode_t control_mode, socket_mode;
	gid_t control_gid, socket_gid;
	uint64_t pinned_limit;
	char *metrics_file;
	uint32_t restart_limit, parent_restart_limit, restart_window_s;
	struct config_parent *parents;
	size_t n_parents;
	struct config_type *types;
	size_t n_types;
	char **files;
	size_t n_files;
	char **problems;
	size_t n_problems;
};

/**
 * config_load() - read all *.conf of a folder, in the order of their names
 * @dir: NULL or not there: the defaults, with one software parent
 *
 * What is wrong in a file is logged and remembered; the rest counts.
 *
 * Return: 0; -ENOMEM.
 */
int config_load(const char *dir, struct config **ret_config);
/* NULL: there is no section for it. */
const struct config_parent *config_find_parent(const struct config *config,
					       const char *name);
/* NULL is fine. */
void config_free(struct config *config);

/* Log a sentence and remember it in config->problems. */
void config_problem(struct config *config, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
