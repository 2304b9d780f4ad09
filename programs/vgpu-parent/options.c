/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: vgpu-parent --driver FILE --parent-config CONFIG\n"
	"                   [--socket-path PATH] [--control-path PATH] "
	"[OPTION...]\n"
	"\n"
	"Owns hardware that several vGPUs share, until SIGTERM or SIGINT: the "
	"parent half\n"
	"of a driver runs here, and one vgpu-device for each vGPU connects to "
	"it.\n"
	"\n"
	"  --driver FILE         the driver, as for vgpu-device\n"
	"  --parent-config CONFIG\n"
	"                        what it shares, in the driver's words: as a "
	"rule\n"
	"                        pci=ADDRESS, a function bound to vfio-pci, "
	"or\n"
	"                        software, a model of it\n"
	"  --socket-path PATH    where vgpu-device finds it; a stale one is "
	"replaced\n"
	"  --socket-mode MODE    permissions of the socket, octal (default: "
	"0600)\n"
	"  --control-path PATH   a socket for vgpud, which introduces vGPUs "
	"there, and\n"
	"                        for varlink tools (only its owner may use it)\n"
	"  --sandbox MODE        once the hardware is open, give up the rights "
	"that sharing\n"
	"                        it needs not: none, auto (what the kernel "
	"has), strict\n"
	"                        (all, or fail); default: none\n"
	"  --log-level LEVEL     error, warning, notice, info (default), "
	"debug\n"
	"  --log-format FORMAT   text, json, journal-prefix (default: what "
	"fits)\n"
	"  --version             print the version, and exit\n"
	"  --help                print this, and exit\n"
	"\n"
	"Example: two vGPUs on a model of QEMU's edu device.\n"
	"  $ cd /run/user/1000\n"
	"  $ vgpu-parent --driver " VGPU_DRIVER_DIR "/edu.so \\\n"
	"        --parent-config software --socket-path edu.sock &\n"
	"  $ vgpu-device --type edu --parent-socket edu.sock --socket-path "
	"a.sock &\n"
	"  $ vgpu-device --type edu --parent-socket edu.sock --socket-path "
	"b.sock &\n"
	"For a real one, first give it to vfio-pci (as root), and use "
	"pci=0000:00:04.0:\n"
	"  # echo vfio-pci > "
	"/sys/bus/pci/devices/0000:00:04.0/driver_override\n"
	"  # echo 0000:00:04.0 > /sys/bus/pci/drivers_probe\n"
	"The user needs /dev/vfio/GROUP, and memory that may be locked "
	"(ulimit -l).\n"
	"\n"
	"Exit status: 0 ended by a signal; 1 the hardware can't be used, or "
	"failed while\n"
	"running; 2 wrong command line; 3 the driver can't be used; 4 the "
	"socket can't be\n"
	"made.\n";

enum {
	OPT_DRIVER = 256,
	OPT_CONFIG,
	OPT_SOCKET_PATH,
	OPT_SOCKET_MODE,
	OPT_CONTROL_PATH,
	OPT_SANDBOX,
	OPT_LOG_LEVEL,
	OPT_LOG_FORMAT,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "driver", required_argument, NULL, OPT_DRIVER },
	{ "parent-config", required_argument, NULL, OPT_CONFIG },
	{ "socket-path", required_argument, NULL, OPT_SOCKET_PATH },
	{ "socket-mode", required_argument, NULL, OPT_SOCKET_MODE },
	{ "control-path", required_argument, NULL, OPT_CONTROL_PATH },
	{ "sandbox", required_argument, NULL, OPT_SANDBOX },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-format", required_argument, NULL, OPT_LOG_FORMAT },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

#define wrong(...) usage_wrong("vgpu-parent", __VA_ARGS__)

static int parse_mode(const char *arg, struct options *o)
{
	char *end;
	unsigned long mode;

	errno = 0;
	mode = strtoul(arg, &end, 8);
	if (*arg < '0' || *arg > '7' || *end || errno || mode > 0777)
		return wrong("--socket-mode %s: an octal number up to 0777 is "
			     "expected, such as 0660",
			     arg);
	o->socket_mode = (mode_t)mode;
	return 0;
}

static int parse_one(int opt, char *arg, struct options *o)
{
	switch (opt) {
	case OPT_DRIVER:
		o->driver = arg;
		return 0;
	case OPT_CONFIG:
		o->config = arg;
		return 0;
	case OPT_SOCKET_PATH:
		o->socket_path = arg;
		return 0;
	case OPT_SOCKET_MODE:
		return parse_mode(arg, o);
	case OPT_CONTROL_PATH:
		o->control_path = arg;
		return 0;
	case OPT_SANDBOX:
		if (sandbox_mode_parse(arg, &o->sandbox))
			return wrong("--sandbox %s: one of none, auto, strict "
				     "is expected",
				     arg);
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
	case OPT_VERSION:
		printf("vgpu-parent %s\n", VGPU_VERSION);
		o->done = true;
		return 0;
	case 'h':
		fputs(usage, stdout);
		o->done = true;
		return 0;
	default: /* getopt_long() has said what is wrong */
		fputs("Try 'vgpu-parent --help'.\n", stderr);
		return EXIT_USAGE;
	}
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = { .socket_mode = 0600,
			     .log_level = LOG_LEVEL_INFO,
			     .log_format = log_format_default() };
	int opt, err;

	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		err = parse_one(opt, optarg, &o);
		if (err)
			return err;
		if (o.done)
			goto out;
	}
	if (optind < argc)
		return wrong("'%s' is no option", argv[optind]);
	if (!o.driver)
		return wrong("--driver is missing: whose hardware is it?");
	if (!o.config)
		return wrong("--parent-config is missing: which hardware, "
			     "pci=ADDRESS or software?");
	if (!o.socket_path && !o.control_path)
		return wrong("--socket-path is missing: where is vgpu-device "
			     "to find the parent?");
	if (o.socket_path && o.control_path &&
	    !strcmp(o.socket_path, o.control_path))
		return wrong("--socket-path and --control-path are the same: "
			     "one is for vgpu-device, the other for vgpud");
out:
	*ret_options = o;
	return 0;
}
