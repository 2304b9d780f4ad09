/* SPDX-License-Identifier: MIT */
/*
 * vgpu-tree: vgpud's vGPUs as a tree of mediated devices, as the kernel shows
 * them in sysfs, for tools that know that: a client of vgpud's control socket.
 */
#include "ops.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "control/manager-path.h"
#include "options.h"
#include "util/log-sink.h"
#include "util/std-fds.h"

#define NAME "vgpu-tree"

enum { EXIT_OK = 0, EXIT_RUNTIME = 1 };

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
	char path[CONTROL_MANAGER_PATH_MAX];
	struct options o = { 0 };
	struct cmd_line line;
	struct tree tree = { 0 };
	struct fuse *fuse;
	int code, err;

	if (std_fds_reserve())
		return EXIT_RUNTIME;
	signal(SIGPIPE, SIG_IGN);
	list_init(&tree.creating);
	code = cmd_parse(&this_program, argc, argv, &o, &line);
	if (code >= 0)
		return code;
	if (!o.vgpud)
		o.vgpud = control_manager_path(path);
	o.foreground |= o.debug;
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
	if (fuse && !fuse_mount(fuse, line.operands[0])) {
		code = serve(fuse, o.foreground);
		fuse_unmount(fuse);
	} else {
		log_error(NAME,
			  "cannot mount on %s: is it an empty folder of yours, "
			  "and /dev/fuse there?",
			  line.operands[0]);
	}
	if (fuse)
		fuse_destroy(fuse);
	host_free(tree.host);
	return code;
}
