/* SPDX-License-Identifier: MIT */
/*
 * vgpud: the registry of parents, types and instances, and the supervisor of
 * their processes. It parses nothing that a guest sends, and loads no driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../common/notify.h"
#include "config.h"
#include "control/server.h"
#include "discover.h"
#include "manager.h"
#include "methods.h"
#include "options.h"
#include "registry.h"
#include "replies.h"
#include "transport/listener.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/std-fds.h"

/* How often the file of --metrics-file is written. */
#define METRICS_NS (15ull * 1000000000ull)

/* How long another daemon may take to go. */
#define LOCK_TRIES    100
#define LOCK_PAUSE_MS 10

struct daemon {
	struct options options;
	struct loop *loop;
	struct manager *manager;
	struct control_server *server;
	struct listener *listener;
	struct loop_source *notify_io, *metrics_timer;
	struct loop_source *sighup, *sigterm, *sigint;
	struct discovery *discovery;
	struct config *config; /* whose types are asked for */
	char *control_path;
	int lock, notify_fd;
	bool ready;
	int code;
};

static void stop(struct daemon *d, int code)
{
	d->code = code;
	loop_stop(d->loop);
}

/* ---- readiness of workers ------------------------------------------- */

static void on_notify(struct loop_source *src, uint32_t events, void *user)
{
	struct daemon *d = user;

	for (;;) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(struct ucred))];
		} control;
		char text[512], *status;
		struct iovec iov = { text, sizeof(text) - 1 };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control.buf,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(d->notify_fd, &msg,
				    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		struct cmsghdr *c;
		struct ucred cred;

		if (n < 0)
			return;
		text[n] = '\0';
		c = CMSG_FIRSTHDR(&msg);
		if (!c || c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_CREDENTIALS ||
		    !strstr(text, "READY=1"))
			continue;
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		status = strstr(text, "\nSTATUS=");
		manager_notified(d->manager, cred.pid,
				 status ? status + strlen("\nSTATUS=") : NULL);
	}
}

static int listen_notify(struct daemon *d)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = d->manager->notify_path;
	int on = 1;

	memcpy(addr.sun_path, path, strlen(path)); /* options.c has measured */
	unlink(path); /* ours: we hold the lock */
	d->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (d->notify_fd < 0 ||
	    bind(d->notify_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    setsockopt(d->notify_fd, SOL_SOCKET, SO_PASSCRED, &on,
		       sizeof(on)) < 0)
		return -errno;
	return loop_add_fd(d->loop, d->notify_fd, EPOLLIN, on_notify, d,
			   &d->notify_io);
}

/* ---- the control socket --------------------------------------------- */

static void on_control(struct listener *listener, int fd, void *user)
{
	struct daemon *d = user;
	int err = control_server_accept(d->server, fd);

	if (err && err != -EUSERS)
		log_warning(NULL, "cannot serve a control connection: %s",
			    strerror(-err));
}

/* A socket that systemd listens on for us (sd_listen_fds(3)); -1: none. */
static int inherited_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

	if (!pid || !n || strtol(pid, NULL, 10) != getpid() ||
	    strtol(n, NULL, 10) < 1)
		return -1;
	fcntl(3, F_SETFD, FD_CLOEXEC);
	return 3;
}

static int listen_control(struct daemon *d)
{
	static const struct control_server_config about = {
		.vendor = "vgpud",
		.product = "vgpud",
		.version = VGPU_VERSION,
		.url = "",
	};
	const struct config *c = d->manager->config;
	struct listener_config config = { .fd = inherited_socket(),
					  .mode = c->control_mode,
					  .gid = c->control_gid };
	int err = control_server_new(d->loop, &about, &d->server);

	if (!err)
		err = methods_add(d->server, d->manager);
	if (err)
		return err;
	if (config.fd < 0)
		config.path = d->control_path;
	err = listener_new(d->loop, &config, on_control, d, &d->listener);
	if (err)
		log_error(d->control_path, "cannot listen there: %s",
			  strerror(-err));
	return err;
}

/* ---- metrics -------------------------------------------------------- */

/* Whole or not at all: collectors read whenever they like. */
static void write_metrics(struct daemon *d, const char *path)
{
	cleanup_free char *text = metrics_text(d->manager), *temporary = NULL;
	cleanup_file FILE *f = NULL;
	bool bad;

	if (asprintf(&temporary, "%s.new", path) < 0) {
		temporary = NULL;
		return;
	}
	f = text ? fopen(temporary, "we") : NULL;
	bad = !f || fputs(text, f) < 0 || fflush(f) || rename(temporary, path);
	if (bad)
		log_warning(path, "metrics can't be written: %s",
			    strerror(errno));
}

static void on_metrics(struct loop_source *src, void *user)
{
	struct daemon *d = user;

	if (d->manager->config->metrics_file)
		write_metrics(d, d->manager->config->metrics_file);
}

/* ---- configuration -------------------------------------------------- */

/* All is known: begin to serve. */
static int begin(struct daemon *d)
{
	int err = manager_reconcile(d->manager);

	if (!err)
		err = listen_control(d);
	if (err)
		return err;
	log_info(NULL, "ready: %zu instances, control socket %s",
		 d->manager->n_instances, d->control_path);
	notify_manager("READY=1");
	d->ready = true;
	return 0;
}

static void on_types(struct json_object *types, const char *problem, void *user)
{
	struct daemon *d = user;
	struct config *config = steal_ptr(d->config);
	struct registry *registry;
	bool files;

	d->discovery = NULL;
	if (problem)
		config_problem(config, "%s", problem);
	if (discover_build(config, types, &registry)) {
		log_error(NULL, "out of memory: the configuration stays as it "
				"was");
		config_free(config);
		if (!d->ready)
			stop(d, EXIT_RUNTIME);
		return;
	}
	manager_set_config(d->manager, config, registry);
	files = d->manager->config->metrics_file;
	loop_arm_timer(d->metrics_timer, files ? 1 : 0,
		       files ? METRICS_NS : 0);
	if (d->ready) {
		log_notice(NULL, "the configuration was read again");
		notify_manager("READY=1");
	} else if (begin(d)) {
		stop(d, EXIT_RUNTIME);
	}
}

static int configure(struct daemon *d)
{
	const struct manager_paths *p = &d->options.paths;
	int err;

	if (d->discovery) /* asked again meanwhile */
		return 0;
	err = config_load(p->config_dir, &d->config);
	if (!err)
		err = discover_start(d->loop, p->program, p->driver_dir,
				     d->config, on_types, d, &d->discovery);
	if (err) {
		log_error(NULL, "cannot find out which types there are, by "
				"means of %s: %s",
			  p->program, strerror(-err));
		config_free(steal_ptr(d->config));
	}
	return err;
}

static void on_signal(struct loop_source *src, int signo, void *user)
{
	struct daemon *d = user;

	if (signo == SIGHUP) {
		notify_manager("RELOADING=1");
		configure(d);
		return;
	}
	log_info(NULL, "%s: ending; vGPUs run on", strsignal(signo));
	notify_manager("STOPPING=1");
	stop(d, EXIT_OK);
}

/* ---- starting ------------------------------------------------------- */

static int make_folder(const char *path, mode_t mode)
{
	char *copy = strdup(path);
	int err = 0;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; !err; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, c ? 0755 : mode) < 0 && errno != EEXIST)
			err = -errno;
		*p = c;
		if (!c)
			break;
	}
	free(copy);
	if (err)
		log_error(path, "this folder can't be made: %s",
			  strerror(-err));
	return err;
}

/* Who owns the folder could put other sockets into it. */
static int check_owner(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		log_error(path, "cannot be looked at: %s", strerror(errno));
		return -errno;
	}
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & S_IWOTH))
		return 0;
	log_error(path,
		  "has to be a folder that belongs to uid %u, and in which not "
		  "everybody may write: remove it, or choose another one by "
		  "--runtime-dir",
		  (unsigned)geteuid());
	return -EPERM;
}

static int take_lock(struct daemon *d)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/lock", d->options.paths.runtime_dir) < 0) {
		path = NULL;
		return EXIT_RUNTIME;
	}
	d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0) {
		log_error(path, "cannot be opened: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	/*
	 * A child of a daemon that was killed shares its lock until it has
	 * become a worker. So once the lock is ours, whatever the last one
	 * started is on record and looks like a worker.
	 */
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(d->lock, LOCK_EX | LOCK_NB))
			return 0;
		nanosleep(&pause, NULL);
	}
	log_error(path, "another vgpud runs on this folder");
	return EXIT_RUNNING;
}

static int start(struct daemon *d)
{
	const struct manager_paths *p = &d->options.paths;
	mode_t mode = geteuid() ? 0700 : 0755;
	int err, code;

	if (make_folder(p->runtime_dir, mode) ||
	    make_folder(p->state_dir, mode) || check_owner(p->runtime_dir))
		return EXIT_RUNTIME;
	code = take_lock(d);
	if (code)
		return code;
	if (asprintf(&d->control_path, "%s/control.sock", p->runtime_dir) < 0) {
		d->control_path = NULL;
		return EXIT_RUNTIME;
	}
	err = loop_new(&d->loop);
	if (!err)
		err = loop_add_signal(d->loop, SIGHUP, on_signal, d,
				      &d->sighup);
	if (!err)
		err = loop_add_signal(d->loop, SIGTERM, on_signal, d,
				      &d->sigterm);
	if (!err)
		err = loop_add_signal(d->loop, SIGINT, on_signal, d,
				      &d->sigint);
	if (!err)
		err = loop_add_timer(d->loop, on_metrics, d, &d->metrics_timer);
	if (!err)
		err = manager_new(d->loop, p, &d->manager);
	if (!err)
		err = listen_notify(d);
	if (err)
		log_error(NULL, "cannot start: %s", strerror(-err));
	else
		err = configure(d);
	return err ? EXIT_RUNTIME : 0;
}

static void finish(struct daemon *d)
{
	discover_cancel(d->discovery);
	config_free(d->config);
	listener_free(d->listener);
	/* Subscriptions end, and calls are answered into the void. */
	if (d->manager)
		manager_free(d->manager);
	control_server_free(d->server);
	if (d->loop) {
		loop_remove(d->notify_io);
		loop_remove(d->metrics_timer);
		loop_remove(d->sighup);
		loop_remove(d->sigterm);
		loop_remove(d->sigint);
		loop_free(d->loop);
	}
	close_fd(d->notify_fd);
	close_fd(d->lock);
	free(d->control_path);
	options_release(&d->options);
}

int main(int argc, char **argv)
{
	struct daemon d = { .lock = -1, .notify_fd = -1 };
	int code;

	if (std_fds_reserve())
		return EXIT_RUNTIME;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that can't grow is an error */
	code = options_parse(argc, argv, &d.options);
	if (code >= 0) {
		options_release(&d.options);
		return code;
	}
	log_sink_setup(&(struct log_sink_config){ .format = d.options.log_format,
						  .program = "vgpud" },
		       d.options.log_level);
	fds_raise_limit();
	code = start(&d);
	if (!code) {
		code = loop_run(d.loop) ? EXIT_RUNTIME : 0;
		if (!code)
			code = d.code;
	}
	finish(&d);
	return code;
}
