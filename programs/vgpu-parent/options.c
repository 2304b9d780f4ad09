/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stddef.h>
#include <string.h>

#define AT(member) .at = offsetof(struct options, member)

static const struct cmd_option options[] = {
	{ 0, "driver", "FILE", "the driver, as for vgpu-device", AT(driver) },
	{ 0, "parent-config", "CONFIG",
	  "what it shares, in the driver's words: as a rule pci=ADDRESS, a "
	  "function bound to vfio-pci, or software, a model of it",
	  AT(config) },
	{ 0, "socket-path", "PATH",
	  "where vgpu-device finds it; a stale one is replaced",
	  AT(socket_path) },
	{ 0, "socket-mode", "MODE",
	  "permissions of the socket, octal (default: 0600)", cmd_octal,
	  AT(socket_mode), .max = 0777, .expects = CMD_EXPECTS_MODE },
	{ 0, "control-path", "PATH",
	  "a socket for vgpud, which introduces vGPUs there, and for varlink "
	  "tools (only its owner may use it)",
	  AT(control_path) },
	{ 0, "sandbox", "MODE",
	  "once the hardware is open, give up the rights that sharing it needs "
	  "not: none, auto (what the kernel has), strict (all, or fail); "
	  "default: none",
	  cmd_choice, AT(sandbox), .choices = SANDBOX_MODES },
	CMD_LOG_OPTIONS(struct options),
	CMD_HELP_AND_VERSION,
};

const struct cmd_program this_program = {
	.name = "vgpu-parent",
	.usage = "vgpu-parent --driver FILE --parent-config CONFIG\n"
		 "                   [--socket-path PATH] "
		 "[--control-path PATH] [OPTION...]",
	.about = "Owns hardware that several vGPUs share, until SIGTERM or "
		 "SIGINT: the parent half\n"
		 "of a driver runs here, and one vgpu-device for each vGPU "
		 "connects to it.",
	.options = options,
	.options_title = "Options:",
	.tail = "Example: two vGPUs on a model of QEMU's edu device.\n"
		"  $ cd /run/user/1000\n"
		"  $ vgpu-parent --driver " VGPU_DRIVER_DIR "/edu.so \\\n"
		"        --parent-config software --socket-path edu.sock &\n"
		"  $ vgpu-device --type edu --parent-socket edu.sock "
		"--socket-path "
		"a.sock &\n"
		"  $ vgpu-device --type edu --parent-socket edu.sock "
		"--socket-path "
		"b.sock &\n"
		"For a real one, first give it to vfio-pci (as root), and use "
		"pci=0000:00:04.0:\n"
		"  # echo vfio-pci > "
		"/sys/bus/pci/devices/0000:00:04.0/driver_override\n"
		"  # echo 0000:00:04.0 > /sys/bus/pci/drivers_probe\n"
		"The user needs /dev/vfio/GROUP, and memory that may be locked "
		"(ulimit -l).\n"
		"\n"
		"Exit status: 0 ended by a signal; 1 the hardware can't be "
		"used, or "
		"failed while\n"
		"running; 2 wrong command line; 3 the driver can't be used; 4 "
		"the "
		"socket can't be\n"
		"made.",
};

#define wrong(...) cmd_wrong(&this_program, NULL, __VA_ARGS__)

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = { .socket_mode = 0600,
			     .log_level = LOG_LEVEL_INFO,
			     .log_format = log_format_default() };
	struct cmd_line line;
	int code = cmd_parse(&this_program, argc, argv, &o, &line);

	if (code >= 0)
		return code;
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
	*ret_options = o;
	return -1;
}
