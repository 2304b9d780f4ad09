/* SPDX-License-Identifier: MIT */
/*
 * vgpu-tree: vgpud's vGPUs as a tree of mediated devices, as the kernel shows
 * them in sysfs, for tools that know that: a client of vgpud's control socket.
 */
#include "ops.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "control/manager-path.h"
#include "util/log-sink.h"
#include "util/std-fds.h"

#define NAME "vgpu-tree"

enum { EXIT_OK = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

struct options {
	const char *vgpud, *mountpoint;
	char vgpud_buf[CONTROL_MANAGER_PATH_MAX];
	bool foreground, others, debug;
};

static void help(void)
{
	puts("Usage: vgpu-tree [OPTION...] FOLDER\n"
	     "\n"
	     "Shows vgpud's vGPUs in FOLDER as the kernel shows mediated "
	     "devices in sysfs:\n"
	     "class/mdev_bus and bus/mdev, with the same files, formats and "
	     "errors. It is a\n"
	     "client of vgpud: anybody who may use vgpud may mount it, as "
	     "often as he likes.\n"
	     "\n"
	     "  -f, --foreground   don't go into the background\n"
	     "  -a, --allow-other  let other users look (files that change "
	     "something remain\n"
	     "                     for you and root)\n"
	     "      --vgpud FILE   vgpud's control socket (default: "
	     "$VGPUD_CONTROL, yours, or\n"
	     "                     the system's)\n"
	     "      --debug        print what is asked and answered\n"
	     "  -h, --help         print this, and exit\n"
	     "      --version      print the version, and exit\n"
	     "\n"
	     "Example:\n"
	     "  $ vgpu-tree /tmp/tree\n"
	     "  $ cat /tmp/tree/class/mdev_bus/*/mdev_supported_types/*/name\n"
	     "  $ MDEVCTL_ENV_ROOT=/tmp/tree mdevctl types\n"
	     "  $ fusermount3 -u /tmp/tree\n"
	     "\n"
	     "Exit status: 0 unmounted; 1 it could not be mounted; 2 wrong "
	     "command line.");
}

/* Return: -1: go on, or an exit code. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "allow-other", no_argument, NULL, 'a' },
		{ "vgpud", required_argument, NULL, 's' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	o->vgpud = control_manager_path(o->vgpud_buf);
	while ((c = getopt_long(argc, argv, "fah", names, NULL)) != -1) {
		switch (c) {
		case 'f':
			o->foreground = true;
			break;
		case 'a':
			o->others = true;
			break;
		case 's':
			o->vgpud = optarg;
			break;
		case 'd':
			o->debug = o->foreground = true;
			break;
		case 'h':
			help();
			return EXIT_OK;
		case 'v':
			puts(NAME " " VGPU_VERSION);
			return EXIT_OK;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc) {
		fputs(NAME ": where? Name one folder, and try '" NAME
			   " --help'\n",
		      stderr);
		return EXIT_USAGE;
	}
	o->mountpoint = argv[optind];
	return -1;
}

/* Who may do what is the kernel's to check, by the files' modes. */
static struct fuse *make_fuse(const struct options *o, struct tree *tree)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse *fuse = NULL;

	if (!fuse_opt_add_arg(&args, NAME) &&
	    !fuse_opt_add_arg(
		    &args,
		    "-odefault_permissions,fsname=vgpud,subtype=" NAME) &&
	    (!o->others || !fuse_opt_add_arg(&args, "-oallow_other")) &&
	    (!o->debug || !fuse_opt_add_arg(&args, "-d")))
		fuse = fuse_new(&args, &tree_ops, sizeof(tree_ops), tree);
	fuse_opt_free_args(&args);
	return fuse;
}

static int serve(struct fuse *fuse, bool foreground)
{
	struct fuse_session *session = fuse_get_session(fuse);
	int err;

	if (fuse_daemonize(foreground) || fuse_set_signal_handlers(session))
		return EXIT_RUNTIME;
	/* One thread: an answer from vgpud takes a millisecond. */
	err = fuse_loop(fuse);
	fuse_remove_signal_handlers(session);
	return err < 0 ? EXIT_RUNTIME : EXIT_OK;
}

int main(int argc, char **argv)
{
	const struct log_sink_config log = { .format = log_format_default(),
					     .program = NAME };
	struct options o = { 0 };
	struct tree tree = { 0 };
	struct fuse *fuse;
	int code, err;

	if (std_fds_reserve())
		return EXIT_RUNTIME;
	signal(SIGPIPE, SIG_IGN);
	list_init(&tree.creating);
	code = parse(argc, argv, &o);
	if (code >= 0)
		return code;
	log_sink_setup(&log, o.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	err = host_new(o.vgpud, CONTROL_CALL_TIMEOUT_MS, &tree.host);
	if (!err)
		err = host_refresh(tree.host);
	if (err) {
		log_error(NAME, "vgpud does not answer at %s: is it running?",
			  o.vgpud);
		host_free(tree.host);
		return EXIT_RUNTIME;
	}
	fuse = make_fuse(&o, &tree);
	code = EXIT_RUNTIME;
	if (fuse && !fuse_mount(fuse, o.mountpoint)) {
		code = serve(fuse, o.foreground);
		fuse_unmount(fuse);
	} else {
		log_error(NAME,
			  "cannot mount on %s: is it an empty folder of yours, "
			  "and /dev/fuse there?",
			  o.mountpoint);
	}
	if (fuse)
		fuse_destroy(fuse);
	host_free(tree.host);
	return code;
}
