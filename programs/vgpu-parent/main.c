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
#include <sys/resource.h>
#include <time.h>

#include "../common/crash.h"
#include "../common/notify.h"
#include "control.h"
#include "device/module.h"
#include "options.h"
#include "hub/hub.h"
#include "transport/listener.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/std-fds.h"

/* Who opens it says what every vGPU may have. */
#define CONTROL_MODE 0600

struct server {
	const struct options *options;
	struct loop *loop;
	struct module *module;
	struct vgpu_hub *parent;
	struct listener *listener, *control_listener; /* NULL: not wanted */
	struct parent_control *control;
	int notify_fd; /* -1: nobody wants to know */
	char missing[SANDBOX_MISSING_MAX]; /* of the sandbox */
	struct loop_source *sigterm, *sigint;
};

static void on_worker(struct listener *listener, int fd, void *user)
{
	struct server *s = user;

	hub_accept(s->parent, fd); /* it logs what goes wrong */
}

static void on_control(struct listener *listener, int fd, void *user)
{
	struct server *s = user;

	parent_control_accept(s->control, fd);
}

static void on_signal(struct loop_source *src, int signo, void *user)
{
	struct server *s = user;

	log_info(NULL, "%s: ending", strsignal(signo));
	notify_send(s->notify_fd, "STOPPING=1");
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
	return hub_open(s->loop, s->module, s->options->config, &s->parent)
		       ? EXIT_RUNTIME
		       : 0;
}

static int listen_at(struct server *s, const char *option, const char *path,
		     mode_t mode, listener_fn fn,
		     struct listener **ret_listener)
{
	const struct listener_config config = {
		.path = path,
		.fd = -1,
		.mode = mode,
		.gid = (gid_t)-1,
	};
	int err = path ? listener_new(s->loop, &config, fn, s, ret_listener)
		       : 0;

	if (err)
		log_error(NULL, "cannot make the socket of %s %s: %s", option,
			  path,
			  err == -EADDRINUSE ? "somebody listens there already"
			  : err == -EEXIST
				  ? "what is there is not a socket; it is left "
				    "alone"
				  : strerror(-err));
	return err ? EXIT_SOCKET : 0;
}

static int start_listening(struct server *s)
{
	const struct options *o = s->options;
	int code = listen_at(s, "--socket-path", o->socket_path,
			     o->socket_mode, on_worker, &s->listener);

	if (code || !o->control_path)
		return code;
	if (parent_control_new(s->loop, o, s->parent, &s->control)) {
		log_error(NULL, "out of memory");
		return EXIT_RUNTIME;
	}
	return listen_at(s, "--control-path", o->control_path, CONTROL_MODE,
			 on_control, &s->control_listener);
}

/* The hardware is open, and nobody has been listened to. */
static int enter_sandbox(struct server *s)
{
	const char *const sockets[] = {
		s->options->socket_path,
		s->options->control_path,
	};
	const struct sandbox_config config = {
		.mode = s->options->sandbox,
		.unlink_in = sockets,
		.n_unlink_in = sizeof(sockets) / sizeof(sockets[0]),
		.devices = true,
	};

	tzset(); /* reads a file, which log lines would do later */
	return sandbox_enter(&config, s->missing) ? EXIT_RUNTIME : 0;
}

/* The kernel counts what hardware reaches against the limit of locked memory,
 * unless the process has a capability that the sandbox takes away. */
static void raise_locked_memory(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit limit;

	if (!setrlimit(RLIMIT_MEMLOCK, &all) ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
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
	listener_free(s->control_listener);
	parent_control_free(s->control);
	hub_close(s->parent);
	module_close(s->module);
	loop_remove(s->sigterm);
	loop_remove(s->sigint);
	loop_free(s->loop);
	close_fd(s->notify_fd);
}

static void announce(const struct server *s)
{
	const struct options *o = s->options;

	log_info(NULL, "sharing %s%s%s%s%s", o->config,
		 o->socket_path ? " on " : "",
		 o->socket_path ? o->socket_path : "",
		 o->control_path ? ", control socket " : "",
		 o->control_path ? o->control_path : "");
	notify_ready(s->notify_fd, s->missing);
}

int main(int argc, char **argv)
{
	struct options options;
	struct server s = { .options = &options, .notify_fd = -1 };
	int code, err;

	if (std_fds_reserve())
		return EXIT_RUNTIME;
	signal(SIGPIPE, SIG_IGN);
	crash_setup("vgpu-parent");
	fds_raise_limit();
	code = options_parse(argc, argv, &options);
	if (code >= 0)
		return code;
	log_sink_setup(&(struct log_sink_config){ .format = options.log_format,
						  .program = "vgpu-parent" },
		       options.log_level);
	raise_locked_memory();
	code = start(&s);
	s.notify_fd = notify_open();
	if (!code)
		code = enter_sandbox(&s);
	if (!code) {
		announce(&s);
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
