/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include <vgpu/parent.h>

static int take_uuid(const struct cmd_option *option, const char *arg, void *at)
{
	return uuid_parse(arg, at) < 0 ? -EINVAL : 0;
}

/* A name or a number. */
static int take_group(const struct cmd_option *option, const char *arg,
		      void *at)
{
	const struct group *group;

	if (!cmd_unsigned(option, arg, at))
		return 0;
	group = getgrnam(arg);
	if (!group)
		return -EINVAL;
	*(gid_t *)at = group->gr_gid;
	return 0;
}

#define AT(member) .at = offsetof(struct options, member)
#define NO_FD	   .expects = "not the number of a file descriptor"

static const struct cmd_option options[] = {
	{ 0, "type", "TYPE", "what to serve; --list-types shows what there is",
	  AT(type), .heading = "The vGPU:" },
	{ 0, "uuid", "UUID", "its name in logs and tools (default: random)",
	  take_uuid, AT(uuid),
	  .expects = "not a UUID, which looks like "
		     "6f1c20d2-8a3b-4c5d-9e7f-001122334455" },
	{ 0, "driver", "FILE", "load this driver; may be given several times",
	  cmd_list, AT(drivers), .max = OPTIONS_MAX_DRIVERS },
	{ 0, "driver-dir", "DIR",
	  "look for drivers here (default: $VGPU_DRIVER_DIR, "
	  "else " VGPU_DRIVER_DIR ")",
	  AT(driver_dir) },
	{ 0, "allow-any-memory", NULL,
	  "take guest memory that is in files on a disk, too; a file system "
	  "that hangs then hangs the vGPU",
	  AT(any_memory) },
	{ 0, "parent-socket", "PATH",
	  "the socket of vgpu-parent, for types that share hardware",
	  AT(parent_socket) },
	{ 0, "weight", "N",
	  "with --parent-socket: its share of the hardware, 1 to 10000 "
	  "(default: what its type has)",
	  cmd_unsigned, AT(weight), 1, VGPU_WEIGHT_MAX },
	{ 0, "cap", "PERCENT",
	  "likewise: of the hardware's time it gets no more", cmd_unsigned,
	  AT(cap), 1, 100 },
	{ 0, "parent-fd", "N",
	  "instead of --parent-socket: a connection to vgpu-parent that vgpud "
	  "has made, and said whose it is",
	  cmd_unsigned, AT(parent_fd), .max = INT32_MAX, NO_FD },
	{ 0, "sandbox", "MODE",
	  "give up the rights that serving needs not: none, auto (what the "
	  "kernel has), strict (all, or fail); default: none",
	  cmd_choice, AT(sandbox), .choices = SANDBOX_MODES },

	{ 0, "socket-path", "PATH",
	  "make a socket there; a stale one is replaced", AT(socket_path),
	  .heading = "Where the VMM finds it (one of the two):" },
	{ 0, "fd", "N",
	  "use the socket that the starter has opened as file descriptor N: a "
	  "listening one, or one that is connected to the VMM already",
	  cmd_unsigned, AT(fd), .max = INT32_MAX, NO_FD },
	{ 0, "socket-mode", "MODE",
	  "permissions of the socket, octal (default: umask)", cmd_octal,
	  AT(socket_mode), .max = 0777, .expects = CMD_EXPECTS_MODE },
	{ 0, "socket-group", "GROUP", "group of the socket, a name or a number",
	  take_group, AT(socket_gid), .max = (gid_t)-2,
	  .expects = "there is no such group" },

	{ 0, "control-path", "PATH",
	  "a socket for vgpuctl (only its owner may use it)", AT(control_path),
	  .heading = "For people and tools:" },
	{ 0, "record", "FILE",
	  "write all messages to FILE, for a bug report; it may hold what the "
	  "guest wrote to the vGPU",
	  AT(record) },
	{ 0, "play", "FILE",
	  "be the client that FILE recorded ('-': standard input), say how the "
	  "replies differ, and exit",
	  AT(play) },
	CMD_LOG_OPTIONS(struct options),
	{ 0, "list-types", NULL,
	  "print the types that the drivers offer, and exit", cmd_const,
	  AT(action), .min = ACTION_LIST_TYPES },
	{ 0, "json", NULL, "with --list-types: as JSON", AT(json) },
	{ 0, "print-capabilities", NULL,
	  "for management tools: what this program can, as JSON", cmd_const,
	  AT(action), .min = ACTION_CAPABILITIES },
	CMD_HELP_AND_VERSION,
};

const struct cmd_program this_program = {
	.name = "vgpu-device",
	.usage = "vgpu-device --type TYPE (--socket-path PATH | --fd N) "
		 "[OPTION...]\n"
		 "       vgpu-device --type TYPE --play FILE\n"
		 "       vgpu-device --list-types [--json]",
	.about = "Serves one virtual GPU over vfio-user, until SIGTERM or "
		 "SIGINT.",
	.options = options,
	.tail = "Example: a vGPU with 64 MiB of video memory, and a VM that "
		"has it.\n"
		"  $ vgpu-device --type bochs-64m --socket-path "
		"/run/user/1000/vgpu.sock \\\n"
		"        --control-path /run/user/1000/vgpu-control.sock &\n"
		"  $ qemu-system-x86_64 -m 2G \\\n"
		"        -object memory-backend-memfd,id=ram,size=2G,share=on "
		"\\\n"
		"        -machine q35,memory-backend=ram -vga none \\\n"
		"        -device "
		"'{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\","
		"\n"
		"                  \"path\":\"/run/user/1000/vgpu.sock\"}}' "
		"...\n"
		"  $ vgpuctl --control-path /run/user/1000/vgpu-control.sock "
		"\\\n"
		"        screenshot -o screen.png\n"
		"The VM's memory must be shared (share=on), and QEMU 10.1 or "
		"newer.\n"
		"\n"
		"Exit status: 0 ended by a signal, or printed what was asked; "
		"1 failed "
		"while\n"
		"starting or running; 2 wrong command line; 3 no such type, or "
		"its "
		"driver\n"
		"can't be used; 4 a socket can't be made.",
};

#define wrong(...) cmd_wrong(&this_program, NULL, __VA_ARGS__)

/* Does what was given go together? */
static int check(const struct options *o)
{
	if (o->json && o->action != ACTION_LIST_TYPES)
		return wrong("--json goes with --list-types");
	if (o->action != ACTION_SERVE)
		return -1;
	if (!o->type)
		return wrong("--type is missing: 'vgpu-device --list-types' "
			     "shows what there is");
	if (o->play && (o->socket_path || o->fd >= 0))
		return wrong("--play is the client: it takes neither "
			     "--socket-path nor --fd");
	if (!o->play && !o->socket_path && o->fd < 0)
		return wrong("--socket-path (or --fd) is missing: where is the "
			     "VMM to find the vGPU?");
	if (o->parent_socket && o->parent_fd >= 0)
		return wrong("--parent-socket and --parent-fd exclude each "
			     "other");
	if ((o->weight || o->cap) && !o->parent_socket)
		return wrong("--weight and --cap go with --parent-socket");
	if (o->socket_path && o->fd >= 0)
		return wrong("--socket-path and --fd exclude each other");
	if (o->fd >= 0 &&
	    (o->socket_mode != (mode_t)-1 || o->socket_gid != (gid_t)-1))
		return wrong("--socket-mode and --socket-group go with "
			     "--socket-path: who has opened the socket of --fd "
			     "has given it its permissions");
	if (o->socket_path && o->control_path &&
	    !strcmp(o->socket_path, o->control_path))
		return wrong("--socket-path and --control-path are the same: "
			     "one is for the VMM, the other for vgpuctl");
	return -1;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = {
		.fd = -1,
		.parent_fd = -1,
		.socket_mode = (mode_t)-1,
		.socket_gid = (gid_t)-1,
		.log_level = LOG_LEVEL_INFO,
		.log_format = log_format_default(),
	};
	struct cmd_line line;
	int code;

	uuid_generate(o.uuid);
	code = cmd_parse(&this_program, argc, argv, &o, &line);
	if (code < 0)
		code = check(&o);
	*ret_options = o;
	return code;
}
