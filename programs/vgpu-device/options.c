/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include <vgpu/parent.h>

#include "util/bytes.h"

static const char usage[] =
	"Usage: vgpu-device --type NAME (--socket-path PATH | --fd N) "
	"[OPTION...]\n"
	"       vgpu-device --type NAME --play FILE\n"
	"       vgpu-device --list-types [--json]\n"
	"\n"
	"Serves one virtual GPU over vfio-user, until SIGTERM or SIGINT.\n"
	"\n"
	"The vGPU:\n"
	"  --type NAME           what to serve; --list-types shows what there "
	"is\n"
	"  --uuid UUID           its name in logs and tools (default: random)\n"
	"  --driver FILE         load this driver; may be given several times\n"
	"  --driver-dir DIR      look for drivers here (default: "
	"$VGPU_DRIVER_DIR,\n"
	"                        else " VGPU_DRIVER_DIR ")\n"
	"  --allow-any-memory    take guest memory that is in files on a disk, "
	"too;\n"
	"                        a file system that hangs then hangs the "
	"vGPU\n"
	"  --parent-socket PATH  the socket of vgpu-parent, for types that share "
	"hardware\n"
	"  --weight N            with --parent-socket: its share of the hardware, "
	"1 to\n"
	"                        10000 (default: what its type has)\n"
	"  --cap PERCENT         likewise: of the hardware's time it gets no more\n"
	"  --parent-fd N         instead of --parent-socket: a connection to "
	"vgpu-parent\n"
	"                        that vgpud has made, and said whose it is\n"
	"  --sandbox MODE        give up the rights that serving needs not: none,\n"
	"                        auto (what the kernel has), strict (all, or "
	"fail);\n"
	"                        default: none\n"
	"\n"
	"Where the VMM finds it (one of the two):\n"
	"  --socket-path PATH    make a socket there; a stale one is replaced\n"
	"  --fd N                use the socket that the starter has opened as "
	"file\n"
	"                        descriptor N: a listening one, or one that "
	"is\n"
	"                        connected to the VMM already\n"
	"  --socket-mode MODE    permissions of the socket, octal (default: "
	"umask)\n"
	"  --socket-group GROUP  group of the socket, a name or a number\n"
	"\n"
	"For people and tools:\n"
	"  --control-path PATH   a socket for vgpuctl (only its owner may use "
	"it)\n"
	"  --record FILE         write all messages to FILE, for a bug report; it\n"
	"                        may hold what the guest wrote to the vGPU\n"
	"  --play FILE           be the client that FILE recorded ('-': standard\n"
	"                        input), say how the replies differ, and exit\n"
	"  --log-level LEVEL     error, warning, notice, info (default), "
	"debug\n"
	"  --log-format FORMAT   text, json, journal-prefix (default: what "
	"fits)\n"
	"  --list-types          print the types that the drivers offer, and "
	"exit\n"
	"  --json                with --list-types: as JSON\n"
	"  --print-capabilities  for management tools: what this program can, "
	"as JSON\n"
	"  --version             print the version, and exit\n"
	"  --help                print this, and exit\n"
	"\n"
	"Example: a vGPU with 64 MiB of video memory, and a VM that has it.\n"
	"  $ vgpu-device --type bochs-64m --socket-path "
	"/run/user/1000/vgpu.sock \\\n"
	"        --control-path /run/user/1000/vgpu-control.sock &\n"
	"  $ qemu-system-x86_64 -m 2G \\\n"
	"        -object memory-backend-memfd,id=ram,size=2G,share=on \\\n"
	"        -machine q35,memory-backend=ram -vga none \\\n"
	"        -device "
	"'{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\n"
	"                  \"path\":\"/run/user/1000/vgpu.sock\"}}' ...\n"
	"  $ vgpuctl --control-path /run/user/1000/vgpu-control.sock \\\n"
	"        screenshot -o screen.png\n"
	"The VM's memory must be shared (share=on), and QEMU 10.1 or newer.\n"
	"\n"
	"Exit status: 0 ended by a signal, or printed what was asked; 1 failed "
	"while\n"
	"starting or running; 2 wrong command line; 3 no such type, or its "
	"driver\n"
	"can't be used; 4 a socket can't be made.\n";

enum {
	OPT_TYPE = 256,
	OPT_UUID,
	OPT_DRIVER,
	OPT_DRIVER_DIR,
	OPT_ANY_MEMORY,
	OPT_SOCKET_PATH,
	OPT_FD,
	OPT_SOCKET_MODE,
	OPT_SOCKET_GROUP,
	OPT_CONTROL_PATH,
	OPT_PARENT_SOCKET,
	OPT_PARENT_FD,
	OPT_WEIGHT,
	OPT_CAP,
	OPT_SANDBOX,
	OPT_RECORD,
	OPT_PLAY,
	OPT_LOG_LEVEL,
	OPT_LOG_FORMAT,
	OPT_LIST_TYPES,
	OPT_JSON,
	OPT_CAPABILITIES,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "uuid", required_argument, NULL, OPT_UUID },
	{ "driver", required_argument, NULL, OPT_DRIVER },
	{ "driver-dir", required_argument, NULL, OPT_DRIVER_DIR },
	{ "allow-any-memory", no_argument, NULL, OPT_ANY_MEMORY },
	{ "socket-path", required_argument, NULL, OPT_SOCKET_PATH },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "socket-mode", required_argument, NULL, OPT_SOCKET_MODE },
	{ "socket-group", required_argument, NULL, OPT_SOCKET_GROUP },
	{ "control-path", required_argument, NULL, OPT_CONTROL_PATH },
	{ "parent-socket", required_argument, NULL, OPT_PARENT_SOCKET },
	{ "parent-fd", required_argument, NULL, OPT_PARENT_FD },
	{ "weight", required_argument, NULL, OPT_WEIGHT },
	{ "cap", required_argument, NULL, OPT_CAP },
	{ "sandbox", required_argument, NULL, OPT_SANDBOX },
	{ "record", required_argument, NULL, OPT_RECORD },
	{ "play", required_argument, NULL, OPT_PLAY },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-format", required_argument, NULL, OPT_LOG_FORMAT },
	{ "list-types", no_argument, NULL, OPT_LIST_TYPES },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "print-capabilities", no_argument, NULL, OPT_CAPABILITIES },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

#define wrong(...) usage_wrong("vgpu-device", __VA_ARGS__)

/* A number from @base digits only, at most @max. */
static int parse_number(const char *s, int base, unsigned long max,
			unsigned long *ret_value)
{
	unsigned long v;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, base);
	if (errno || *end || v > max)
		return -EINVAL;
	*ret_value = v;
	return 0;
}

static int parse_group(const char *s, gid_t *ret_gid)
{
	const struct group *group;
	unsigned long gid;

	if (!parse_number(s, 10, (gid_t)-2, &gid)) {
		*ret_gid = (gid_t)gid;
		return 0;
	}
	group = getgrnam(s);
	if (!group)
		return -ENOENT;
	*ret_gid = group->gr_gid;
	return 0;
}

static int parse_one(int opt, char *arg, struct options *o)
{
	unsigned long n;

	switch (opt) {
	case OPT_TYPE:
		o->type = arg;
		return 0;
	case OPT_UUID:
		if (uuid_parse(arg, o->uuid) < 0)
			return wrong("--uuid %s: not a UUID, which looks like "
				     "6f1c20d2-8a3b-4c5d-9e7f-001122334455",
				     arg);
		return 0;
	case OPT_DRIVER:
		if (o->n_drivers == OPTIONS_MAX_DRIVERS)
			return wrong("--driver can be given %d times at most",
				     OPTIONS_MAX_DRIVERS);
		o->drivers[o->n_drivers++] = arg;
		return 0;
	case OPT_DRIVER_DIR:
		o->driver_dir = arg;
		return 0;
	case OPT_ANY_MEMORY:
		o->any_memory = true;
		return 0;
	case OPT_SOCKET_PATH:
		o->socket_path = arg;
		return 0;
	case OPT_FD:
		if (parse_number(arg, 10, INT32_MAX, &n))
			return wrong("--fd %s: not the number of a file "
				     "descriptor",
				     arg);
		o->fd = (int)n;
		return 0;
	case OPT_SOCKET_MODE:
		if (parse_number(arg, 8, 0777, &n))
			return wrong("--socket-mode %s: an octal number up to "
				     "0777 is expected, such as 0660",
				     arg);
		o->socket_mode = (mode_t)n;
		return 0;
	case OPT_SOCKET_GROUP:
		if (parse_group(arg, &o->socket_gid))
			return wrong("--socket-group %s: there is no such "
				     "group",
				     arg);
		return 0;
	case OPT_CONTROL_PATH:
		o->control_path = arg;
		return 0;
	case OPT_PARENT_SOCKET:
		o->parent_socket = arg;
		return 0;
	case OPT_PARENT_FD:
		if (parse_number(arg, 10, INT32_MAX, &n))
			return wrong("--parent-fd %s: not the number of a file "
				     "descriptor",
				     arg);
		o->parent_fd = (int)n;
		return 0;
	case OPT_WEIGHT:
		if (parse_number(arg, 10, VGPU_WEIGHT_MAX, &n) || !n)
			return wrong("--weight %s: a number from 1 to %u is "
				     "expected",
				     arg, VGPU_WEIGHT_MAX);
		o->weight = (unsigned)n;
		return 0;
	case OPT_CAP:
		if (parse_number(arg, 10, 100, &n) || !n)
			return wrong("--cap %s: percent, from 1 to 100, are "
				     "expected",
				     arg);
		o->cap = (unsigned)n;
		return 0;
	case OPT_SANDBOX:
		if (sandbox_mode_parse(arg, &o->sandbox))
			return wrong("--sandbox %s: one of none, auto, strict "
				     "is expected",
				     arg);
		return 0;
	case OPT_RECORD:
		o->record = arg;
		return 0;
	case OPT_PLAY:
		o->play = arg;
		return 0;
	case OPT_LOG_LEVEL:
		if (log_level_parse(arg, &o->log_level))
			return wrong("--log-level %s: one of error, warning, "
				     "notice, info, debug is expected",
				     arg);
		return 0;
	case OPT_LOG_FORMAT:
		if (log_format_parse(arg, &o->log_format))
			return wrong("--log-format %s: one of text, json, "
				     "journal-prefix is expected",
				     arg);
		return 0;
	case OPT_LIST_TYPES:
		o->action = ACTION_LIST_TYPES;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_CAPABILITIES:
		o->action = ACTION_CAPABILITIES;
		return 0;
	case OPT_VERSION:
		printf("vgpu-device %s\n", VGPU_VERSION);
		o->action = ACTION_EXIT;
		return 0;
	case 'h':
		fputs(usage, stdout);
		o->action = ACTION_EXIT;
		return 0;
	default: /* getopt_long() has said what is wrong */
		fputs("Try 'vgpu-device --help'.\n", stderr);
		return EXIT_USAGE;
	}
}

/* Does what was given go together? */
static int check(const struct options *o)
{
	if (o->json && o->action != ACTION_LIST_TYPES)
		return wrong("--json goes with --list-types");
	if (o->action != ACTION_SERVE)
		return 0;
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
	return 0;
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
	int opt, err;

	uuid_generate(o.uuid);
	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		err = parse_one(opt, optarg, &o);
		if (err)
			return err;
		if (o.action == ACTION_EXIT)
			goto out;
	}
	if (optind < argc)
		return wrong("'%s' is no option", argv[optind]);
	err = check(&o);
	if (err)
		return err;
out:
	*ret_options = o;
	return 0;
}
