/* SPDX-License-Identifier: MIT */
/* The command line of vgpu-device. */
#ifndef VGPU_DEVICE_OPTIONS_H
#define VGPU_DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/cmdline.h"
#include "../common/sandbox.h"
#include "util/log-sink.h"

#define OPTIONS_MAX_DRIVERS 32 /* times that --driver may be given */

/* Exit codes; in the manual page, too. */
enum {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1, /* something failed while starting or running */
	EXIT_USAGE = EXIT_CODE_USAGE, /* the command line makes no sense */
	EXIT_TYPE = 3,	 /* no such type, or its driver was refused */
	EXIT_SOCKET = 4, /* a socket can't be made or taken over */
	EXIT_PARENT = EXIT_CODE_PARENT, /* vgpu-parent has gone */
};

enum action {
	ACTION_SERVE,
	ACTION_LIST_TYPES,
	ACTION_CAPABILITIES,
};

/**
 * struct options - what the user wants
 * @type: NULL unless @action is ACTION_SERVE
 * @uuid: given, or random
 * @socket_path: or NULL with @fd
 * @fd: a socket that the starter has opened, or -1
 * @socket_mode: (mode_t)-1: not given
 * @socket_gid: (gid_t)-1: not given
 * @control_path: or NULL
 * @parent_socket: of vgpu-parent, or NULL
 * @parent_fd: a connection to it that the starter has made, or -1
 * @weight: of the engine, 0: as the type has it
 * @cap: percent of it, 0: none
 * @record: file to record into, or NULL
 * @play: recording to play instead of listening, "-" for stdin, or NULL
 * @drivers: files of --driver
 * @driver_dir: of --driver-dir, or NULL
 * @json: --list-types as JSON
 * @any_memory: guest memory may be in files on any file system
 * @sandbox: what of it has to be there
 */
struct options {
	enum action action;
	const char *type;
	uint8_t uuid[16];
	const char *socket_path;
	int fd;
	mode_t socket_mode;
	gid_t socket_gid;
	const char *control_path;
	const char *parent_socket;
	int parent_fd;
	unsigned weight, cap;
	const char *record;
	const char *play;
	struct {
		unsigned n;
		const char *word[OPTIONS_MAX_DRIVERS];
	} drivers;
	const char *driver_dir;
	bool json;
	bool any_memory;
	enum sandbox_mode sandbox;
	enum log_level log_level;
	enum log_format log_format;
};

/* Return: -1: go on; or an exit code: all was said, on stdout or stderr. */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
