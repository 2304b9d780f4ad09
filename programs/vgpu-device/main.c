/* SPDX-License-Identifier: MIT */
/*
 * vgpu-device: serves one vGPU over vfio-user.
 *
 * Everything happens on one event loop. What a guest sends is read here and
 * nowhere else, so that a guest that breaks out has reached its own device.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "control.h"
#include "device/device.h"
#include "device/module.h"
#include "dma/budget.h"
#include "drivers.h"
#include "../common/crash.h"
#include "../common/notify.h"
#include "options.h"
#include "uplink/uplink.h"
#include "play.h"
#include "session/session.h"
#include "sockets.h"
#include "transport/listener.h"
#include "transport/recording.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/std-fds.h"

/* How long a client may take to be said goodbye to. */
#define GOODBYE_NS (1ull * 1000000000ull)

struct server {
	const struct options *options;
	char uuid[37];
	struct loop *loop;
	struct module *module;
	struct uplink *parent; /* NULL: the type needs none */
	struct dma_budgets *budgets;
	struct vgpu_core *core;
	struct session_server *sessions;
	struct listener *listener; /* NULL: the socket came connected */
	struct listener *control_listener;
	struct device_control *control;
	struct recorder *recorder;
	int notify_fd; /* -1: nobody wants to know */
	struct play *play;
	struct loop_source *sigterm, *sigint;
	struct loop_source *goodbye; /* a timer: time is up */
	bool connected_fd;
	bool stopping;
	bool parent_gone;
	char missing[SANDBOX_MISSING_MAX]; /* of the sandbox */
};

/* ---- clients -------------------------------------------------------- */

static void on_client(struct listener *listener, int fd, void *user)
{
	struct server *s = user;

	session_server_accept(s->sessions, fd); /* it logs what goes wrong */
}

static void on_control_client(struct listener *listener, int fd, void *user)
{
	struct server *s = user;

	device_control_accept(s->control, fd);
}

static void on_client_changed(struct vgpu_core *core, bool attached, void *user)
{
	struct server *s = user;

	device_control_client_changed(s->control);
	if (attached)
		return;
	/* The one client of an inherited connection can't come again. */
	if (s->stopping || s->connected_fd)
		loop_stop(s->loop);
}

/* ---- ending --------------------------------------------------------- */

static void on_goodbye_over(struct loop_source *src, void *user)
{
	struct server *s = user;

	log_warning(s->core->name,
		    "the client did not take its last replies in "
		    "time; closing");
	loop_stop(s->loop);
}

static void on_signal(struct loop_source *src, int signo, void *user)
{
	struct server *s = user;
	unsigned uid;
	int pid;

	if (s->stopping) { /* asked twice: at once */
		loop_stop(s->loop);
		return;
	}
	log_info(s->core->name, "%s: ending", strsignal(signo));
	notify_send(s->notify_fd, "STOPPING=1");
	s->stopping = true;
	listener_free(s->listener);
	listener_free(s->control_listener);
	s->listener = s->control_listener = NULL;
	if (device_client(s->core, &pid, &uid)) {
		loop_stop(s->loop);
		return;
	}
	/* A VMM whose connection closes with unread input in it may abort:
	 * on_client_changed() tells when all is drained. */
	device_disconnect(s->core);
	if (loop_arm_timer(s->goodbye, GOODBYE_NS, 0))
		loop_stop(s->loop);
}

/* Without its hardware the vGPU is none: whoever started us starts us again,
 * once there is a parent. */
static void on_parent_gone(void *user)
{
	struct server *s = user;

	s->parent_gone = true;
	loop_stop(s->loop);
}

/* ---- starting ------------------------------------------------------- */

static const char *parent_advice(int err)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "nobody listens there: start vgpu-parent first";
	case -ENODEV:
		return "that parent does not offer this type: is it another "
		       "driver's?";
	case -EBUSY:
		return "that parent has an instance of this UUID already";
	case -EACCES:
		return "not the UUID and type that were introduced there, or "
		       "no permission";
	case -EPROTONOSUPPORT:
	case -EPROTO:
		return "that is no vgpu-parent of this version";
	default:
		return strerror(-err);
	}
}

static int start_parent(struct server *s, const struct vgpu_type *type)
{
	const struct options *o = s->options;
	const struct uplink_config config = {
		.loop = s->loop,
		.path = o->parent_socket,
		.fd = o->parent_fd,
		.uuid = o->uuid,
		.type = type->name,
		.weight = o->weight,
		.cap = o->cap,
	};
	bool given = o->parent_socket || o->parent_fd >= 0;
	int err;

	if (!module_driver(s->module)->parent) {
		if (given)
			log_error(NULL,
				  "--parent-socket: type '%s' shares nothing, "
				  "it needs no parent",
				  type->name);
		return given ? EXIT_USAGE : 0;
	}
	if (!given) {
		log_error(NULL,
			  "type '%s' shares hardware: start vgpu-parent, and "
			  "give its socket by --parent-socket",
			  type->name);
		return EXIT_USAGE;
	}
	err = uplink_connect(&config, &s->parent);
	if (err)
		log_error(NULL, "%s %s: %s",
			  o->parent_socket ? "--parent-socket" : "--parent-fd",
			  o->parent_socket ? o->parent_socket : "",
			  parent_advice(err));
	return err ? EXIT_RUNTIME : 0;
}

static int start_device(struct server *s)
{
	struct device_config config = {
		.loop = s->loop,
		.any_memory = s->options->any_memory,
		.client_changed = on_client_changed,
		.user = s,
	};
	int code;

	if (dma_budgets_new(DMA_BUDGET_DEFAULT, &s->budgets)) {
		log_error(NULL, "out of memory");
		return EXIT_RUNTIME;
	}
	config.budgets = s->budgets;
	code = drivers_find(s->options, &s->module, &config.type);
	if (code)
		return code;
	code = start_parent(s, config.type);
	if (code)
		return code;
	if (s->parent) {
		config.uplink = s->parent;
		config.iommu = uplink_iommu(s->parent);
	}
	config.module = s->module;
	memcpy(config.uuid, s->options->uuid, sizeof(config.uuid));
	if (device_create(&config, &s->core) ||
	    session_server_new(s->core, &s->sessions))
		return EXIT_RUNTIME;
	if (s->parent)
		uplink_attach(s->parent, s->core, on_parent_gone, s);
	return 0;
}

static int start_signals(struct server *s)
{
	int err = loop_add_signal(s->loop, SIGTERM, on_signal, s, &s->sigterm);

	if (!err)
		err = loop_add_signal(s->loop, SIGINT, on_signal, s,
				      &s->sigint);
	if (!err)
		err = loop_add_timer(s->loop, on_goodbye_over, s, &s->goodbye);
	if (err)
		log_error(NULL, "cannot watch for signals: %s", strerror(-err));
	return err ? EXIT_RUNTIME : 0;
}

static int start_control(struct server *s)
{
	int err;

	if (!s->options->control_path)
		return 0;
	err = device_control_new(s->loop, s->core, s->sessions,
				 s->options->socket_path, &s->control);
	if (err) {
		log_error(NULL, "cannot start the control server: %s",
			  strerror(-err));
		return EXIT_RUNTIME;
	}
	return sockets_listen_control(s->loop, s->options, on_control_client, s,
				      &s->control_listener);
}

/* A connected socket that the starter gave us: its peer is the client. */
static int serve_connected(struct server *s)
{
	int fd = s->options->fd;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		log_error(NULL, "--fd %d: %s", fd, strerror(errno));
		return EXIT_SOCKET;
	}
	return session_server_accept(s->sessions, fd) ? EXIT_RUNTIME : 0;
}

static int start_recording(struct server *s)
{
	int err;

	if (!s->options->record)
		return 0;
	err = recorder_open(s->options->record, &s->recorder);
	if (err) {
		log_error(NULL, "--record %s: cannot write there: %s",
			  s->options->record, strerror(-err));
		return EXIT_RUNTIME;
	}
	session_server_record(s->sessions, s->recorder);
	return 0;
}

static int start(struct server *s)
{
	int code = 0, err = loop_new(&s->loop);

	if (err) {
		log_error(NULL, "cannot make an event loop: %s",
			  strerror(-err));
		return EXIT_RUNTIME;
	}
	code = start_signals(s);
	if (!code)
		code = start_device(s);
	if (!code)
		code = start_control(s);
	if (!code)
		code = start_recording(s);
	if (code)
		return code;
	if (s->options->play)
		return play_start(s->loop, s->sessions, s->options->play,
				  &s->play);
	s->connected_fd = s->options->fd >= 0 &&
			  socket_is_connected(s->options->fd);
	if (s->connected_fd)
		return serve_connected(s);
	return sockets_listen(s->loop, s->options, on_client, s, &s->listener);
}

/* Return: an exit code: what only shows at the end. */
static int finish(struct server *s)
{
	int err, code = play_finish(s->play);

	listener_free(s->listener);
	listener_free(s->control_listener);
	device_control_free(s->control);
	s->control = NULL;
	session_server_free(s->sessions);
	device_destroy(s->core);
	dma_budgets_free(s->budgets);
	uplink_free(s->parent);
	if (s->parent_gone)
		code = EXIT_PARENT;
	err = recorder_close(s->recorder);
	if (err) {
		log_error(NULL, "--record %s: not all of it was written: %s",
			  s->options->record, strerror(-err));
		code = EXIT_RUNTIME;
	}
	module_close(s->module);
	if (s->loop) {
		loop_remove(s->sigterm);
		loop_remove(s->sigint);
		loop_remove(s->goodbye);
		loop_free(s->loop);
	}
	return code;
}

/* Everything is open now, and nobody has been listened to. */
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
	};

	tzset(); /* reads a file, which log lines would do later */
	return sandbox_enter(&config, s->missing) ? EXIT_RUNTIME : 0;
}

static void announce(const struct server *s)
{
	const struct options *o = s->options;
	char where[32];

	if (o->play)
		return;
	snprintf(where, sizeof(where), "file descriptor %d", o->fd);
	log_info(s->core->name, "serving vGPU %s on %s%s%s", s->uuid,
		 o->socket_path ? o->socket_path : where,
		 o->control_path ? ", control socket " : "",
		 o->control_path ? o->control_path : "");
}

static int serve(const struct options *options)
{
	struct server s = { .options = options, .notify_fd = -1 };
	int code, err;

	uuid_unparse_lower(options->uuid, s.uuid);
	log_sink_setup(&(struct log_sink_config){ .format = options->log_format,
						  .program = "vgpu-device",
						  .instance = s.uuid,
						  .type = options->type },
		       options->log_level);
	code = start(&s);
	s.notify_fd = notify_open();
	if (!code)
		code = enter_sandbox(&s);
	if (!code) {
		announce(&s);
		notify_ready(s.notify_fd, s.missing);
		err = loop_run(s.loop);
		if (err) {
			log_error(s.core->name, "the event loop failed: %s",
				  strerror(-err));
			code = EXIT_RUNTIME;
		}
	}
	err = finish(&s);
	close_fd(s.notify_fd);
	return code ? code : err;
}

/* docs/interop/vhost-user.rst of qemu/qemu, "Backend program conventions",
 * which vfio-user back-ends follow; a feature is an option that is there. */
static int print_capabilities(void)
{
	puts("{\n"
	     "  \"type\": \"gpu\",\n"
	     "  \"features\": [\n"
	     "    \"allow-any-memory\",\n"
	     "    \"control-path\",\n"
	     "    \"driver\",\n"
	     "    \"list-types\",\n"
	     "    \"socket-group\",\n"
	     "    \"socket-mode\",\n"
	     "    \"uuid\"\n"
	     "  ]\n"
	     "}");
	return fflush(stdout) ? EXIT_RUNTIME : EXIT_OK;
}

/* Also true of one that was not given. */
static bool is_open(const char *option, int fd)
{
	if (fd < 0 || !fcntl(fd, F_SETFD, FD_CLOEXEC))
		return true;
	fprintf(stderr,
		"vgpu-device: %s %d: the starter of this program has left no "
		"such file descriptor open\n",
		option, fd);
	return false;
}

int main(int argc, char **argv)
{
	struct options options;
	int code;

	if (std_fds_reserve())
		return EXIT_RUNTIME;
	signal(SIGPIPE, SIG_IGN);
	crash_setup("vgpu-device");
	fds_raise_limit();
	code = options_parse(argc, argv, &options);
	if (code >= 0)
		return code;
	/* Before anything else is opened: or it could take the number. */
	if (!is_open("--fd", options.fd) ||
	    !is_open("--parent-fd", options.parent_fd))
		return EXIT_SOCKET;
	log_sink_setup(&(struct log_sink_config){ .format = options.log_format,
						  .program = "vgpu-device" },
		       options.log_level);
	switch (options.action) {
	case ACTION_SERVE:
		return serve(&options);
	case ACTION_LIST_TYPES:
		return drivers_list(&options);
	case ACTION_CAPABILITIES:
		return print_capabilities();
	}
	return EXIT_RUNTIME;
}
