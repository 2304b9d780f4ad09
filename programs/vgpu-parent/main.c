/* SPDX-License-Identifier: MIT */
/*
 * vgpu-parent: hardware that vGPUs share, and the half of its driver that
 * drives it.
 *
 * Everything happens on one event loop. Nothing that comes over the socket is
 * believed: a guest may have taken over the vgpu-device that sends it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/module.h"
#include "options.h"
#include "parent/parent.h"
#include "transport/listener.h"
#include "util/loop.h"
#include "util/std-fds.h"

struct server {
	const struct options *options;
	struct loop *loop;
	struct module *module;
	struct vgpu_parent_core *parent;
	struct listener *listener;
	struct loop_source *sigterm, *sigint;
};

static void on_worker(struct listener *listener, int fd, void *user)
{
	struct server *s = user;

	(void)listener;
	parent_accept(s->parent, fd); /* it logs what goes wrong */
}

static void on_signal(struct loop_source *src, int signo, void *user)
{
	struct server *s = user;

	(void)src;
	log_info(NULL, "%s: ending", strsignal(signo));
	loop_stop(s->loop);
}

static int start_driver(struct server *s)
{
	if (module_open(s->options->driver, &s->module))
		return EXIT_TYPE;
	if (!module_driver(s->module)->parent) {
		log_error(s->options->driver,
			  "this driver has no parent half: its vGPUs share "
			  "nothing, and vgpu-device alone serves them");
		return EXIT_TYPE;
	}
	return parent_open(s->loop, s->module, s->options->config, &s->parent)
		       ? EXIT_RUNTIME
		       : 0;
}

static int start_listening(struct server *s)
{
	const struct listener_config config = {
		.path = s->options->socket_path,
		.fd = -1,
		.mode = s->options->socket_mode,
		.gid = (gid_t)-1,
	};
	int err = listener_new(s->loop, &config, on_worker, s, &s->listener);

	if (err)
		log_error(NULL,
			  "cannot make the socket of --socket-path %s: %s",
			  config.path,
			  err == -EADDRINUSE ? "somebody listens there already"
			  : err == -EEXIST
				  ? "what is there is not a socket; it is left "
				    "alone"
				  : strerror(-err));
	return err ? EXIT_SOCKET : 0;
}

static int start(struct server *s)
{
	int err = loop_new(&s->loop), code;

	if (!err)
		err = loop_add_signal(s->loop, SIGTERM, on_signal, s,
				      &s->sigterm);
	if (!err)
		err = loop_add_signal(s->loop, SIGINT, on_signal, s,
				      &s->sigint);
	if (err) {
		log_error(NULL, "cannot make an event loop: %s",
			  strerror(-err));
		return EXIT_RUNTIME;
	}
	code = start_driver(s);
	return code ? code : start_listening(s);
}

static void finish(struct server *s)
{
	listener_free(s->listener);
	parent_close(s->parent);
	module_close(s->module);
	loop_remove(s->sigterm);
	loop_remove(s->sigint);
	loop_free(s->loop);
}

int main(int argc, char **argv)
{
	struct options options;
	struct server s = { .options = &options };
	int code, err;

	if (std_fds_reserve())
		return EXIT_RUNTIME;
	signal(SIGPIPE, SIG_IGN);
	code = options_parse(argc, argv, &options);
	if (code)
		return code;
	if (options.done)
		return fflush(stdout) ? EXIT_RUNTIME : EXIT_OK;
	log_sink_setup(&(struct log_sink_config){ .format = options.log_format,
						  .program = "vgpu-parent" },
		       options.log_level);
	code = start(&s);
	if (!code) {
		log_info(NULL, "sharing %s on %s", options.config,
			 options.socket_path);
		err = loop_run(s.loop);
		if (err) {
			log_error(NULL, "the event loop failed: %s",
				  strerror(-err));
			code = EXIT_RUNTIME;
		}
	}
	finish(&s);
	return code;
}
