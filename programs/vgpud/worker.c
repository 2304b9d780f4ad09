/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "devwatch.h"
#include "record.h"
#include "spawn.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define LAST_WORDS (8u << 10)
/* What a line of programs/common/crash.c has. */
#define CRASH_REPORT ": crashed: SIG"

struct worker {
	struct loop *loop;
	const char *kind;
	const struct devwatch_kind *watch_kind;
	char *dir, *control, *key, *name;
	pid_t pid;
	int pidfd;
	off_t log_from; /* where its own lines begin */
	struct loop_source *ended, *timer;
	struct devwatch *watch;
	uint64_t deadline, pause; /* of becoming ready; between looks */
	bool ready, stopping, notified;
	bool late;  /* killed, since it did not become ready */
	int status; /* what it exited with, or WORKER_... */
	const struct worker_ops *ops;
	void *user;
};

pid_t worker_pid(const struct worker *w)
{
	return w->pid;
}

int worker_exit_status(const struct worker *w)
{
	return w->status;
}

bool worker_is_ready(const struct worker *w)
{
	return w->ready;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	devwatch_free(w->watch);
	loop_remove(w->ended);
	loop_remove(w->timer);
	close_fd(w->pidfd);
	free(w->control);
	free(w->dir);
	free(w->key);
	free(w->name);
	free(w);
}

/* ---- its control socket --------------------------------------------- */

static void on_watch_state(struct devwatch *watch, const char *key,
			   pid_t client, uid_t uid, void *user)
{
	struct worker *w = user;

	if (strcmp(key, w->key) || devwatch_peer(watch) != w->pid) {
		log_error(w->name,
			  "on its control socket answers another "
			  "process than its %s",
			  w->kind);
		devwatch_free(w->watch);
		w->watch = NULL;
		return;
	}
	if (!w->ready) {
		w->ready = true;
		w->pause = WORKER_LOOK_NS;
		if (!w->stopping)
			loop_arm_timer(w->timer, 0, 0);
		w->ops->ready(w, w->user);
	}
	w->ops->client(w, client, uid, w->user);
}

static void on_watch_closed(struct devwatch *watch, void *user)
{
	struct worker *w = user;

	/* It dies, which the pidfd tells; or else we come back. */
	devwatch_free(w->watch);
	w->watch = NULL;
	if (!w->stopping && w->ended)
		loop_arm_timer(w->timer, w->pause, 0);
}

static void look(struct worker *w)
{
	static const struct devwatch_ops ops = { on_watch_state,
						 on_watch_closed };
	int err;

	if (w->watch)
		return;
	err = devwatch_new(w->loop, w->control, w->watch_kind, &ops, w,
			   &w->watch);
	if (!err)
		return;
	loop_arm_timer(w->timer, w->pause, 0);
	if (w->pause < WORKER_LOOK_MAX_NS)
		w->pause *= 2;
}

void worker_notified(struct worker *w)
{
	w->notified = true;
	w->pause = WORKER_LOOK_NS;
	look(w);
}

static void on_timer(struct loop_source *src, void *user)
{
	struct worker *w = user;

	if (w->stopping) {
		log_warning(w->name, "%s %d does not end: killed", w->kind,
			    (int)w->pid);
		pidfd_kill(w->pidfd, SIGKILL);
		return;
	}
	if (w->deadline && !w->ready && loop_now_ns() >= w->deadline) {
		log_error(w->name, "%s %d does not become ready: killed",
			  w->kind, (int)w->pid);
		w->late = true;
		pidfd_kill(w->pidfd, SIGKILL);
		return;
	}
	look(w);
}

static char *last_words(const struct worker *w)
{
	cleanup_free char *path = NULL;
	cleanup_fd int fd = -1;
	struct stat st;
	char *text;
	off_t from;
	ssize_t n;

	if (asprintf(&path, "%s/" WORKER_LOG, w->dir) < 0) {
		path = NULL;
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	from = st.st_size > LAST_WORDS ? st.st_size - LAST_WORDS : 0;
	if (from < w->log_from)
		from = w->log_from;
	text = malloc(LAST_WORDS + 1);
	if (!text)
		return NULL;
	n = pread(fd, text, LAST_WORDS, from);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Of one that init has reaped, only its own log may tell. */
static void describe_unknown(const struct worker *w, char *buf, size_t size)
{
	cleanup_free char *text = last_words(w);
	char *crash = NULL;

	for (char *at = text; at && (at = strstr(at, CRASH_REPORT)); at++)
		crash = at;
	if (!crash) {
		snprintf(buf, size,
			 "ended (how is not known: another vgpud had started "
			 "it)");
		return;
	}
	while (crash > text && crash[-1] != '\n')
		crash--;
	crash[strcspn(crash, "\n")] = '\0';
	text_make_printable(crash);
	snprintf(buf, size, "ended, and said: %s", crash);
}

static void on_ended(struct loop_source *src, uint32_t events, void *user)
{
	struct worker *w = user;
	char why[256];
	int err;

	err = pidfd_reap(w->pidfd, why, sizeof(why), &w->status);
	if (err == -EAGAIN)
		return;
	if (err) {
		w->status = WORKER_UNKNOWN;
		describe_unknown(w, why, sizeof(why));
	}
	if (w->late)
		snprintf(why, sizeof(why),
			 "did not become ready within %llu s, and was killed",
			 WORKER_START_NS / 1000000000ull);
	loop_remove(w->ended);
	w->ended = NULL;
	loop_arm_timer(w->timer, 0, 0);
	w->ops->ended(w, why, w->user);
}

void worker_check(struct worker *w)
{
	if (w->ended)
		on_ended(w->ended, 0, w);
}

void worker_stop(struct worker *w)
{
	int err;

	if (w->stopping || !w->ended)
		return;
	w->stopping = true;
	err = pidfd_kill(w->pidfd, SIGTERM);
	if (err && err != -ESRCH)
		log_error(w->name, "cannot end %s %d: %s", w->kind, (int)w->pid,
			  strerror(-err));
	loop_arm_timer(w->timer, WORKER_STOP_NS, 0);
}

void worker_last_line(const struct worker *w, char *buf, size_t size)
{
	cleanup_free char *text = last_words(w);
	size_t len = text ? strlen(text) : 0;
	char *from;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	from = len ? strrchr(text, '\n') : NULL;
	snprintf(buf, size, "%s", from ? from + 1 : len ? text : "");
	text_make_printable(buf);
}

void worker_log_last_words(const struct worker *w)
{
	cleanup_free char *text = last_words(w);
	char *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		text_make_printable(line);
		log_warning(w->name, "%s said: %s", w->kind, line);
	}
}

/* ---- starting ------------------------------------------------------- */

static int open_log(struct worker *w)
{
	cleanup_free char *path = NULL, *old = NULL;
	struct stat st;
	int fd;

	if (asprintf(&path, "%s/" WORKER_LOG, w->dir) < 0 ||
	    asprintf(&old, "%s/" WORKER_LOG ".old", w->dir) < 0)
		return -ENOMEM;
	if (!stat(path, &st) && st.st_size > WORKER_LOG_MAX)
		rename(path, old);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		  0640);
	if (fd < 0)
		return -errno;
	w->log_from = lseek(fd, 0, SEEK_END);
	return fd;
}

/* The environment, with NOTIFY_SOCKET ours and nothing of a manager's. */
static char **environment(const char *notify_entry)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "NOTIFY_SOCKET=", 14) &&
		    strncmp(environ[i], "LISTEN_", 7) &&
		    strncmp(environ[i], "WATCHDOG_", 9) &&
		    strncmp(environ[i], "VGPUD_", 6))
			env[kept++] = environ[i];
	env[kept] = (char *)notify_entry;
	return env;
}

static int run(struct worker *w, const struct worker_config *c)
{
	cleanup_free char *notify = NULL, **env = NULL;
	cleanup_fd int log = -1, record = -1;

	if (asprintf(&notify, "NOTIFY_SOCKET=%s", c->notify) < 0) {
		notify = NULL;
		return -ENOMEM;
	}
	env = environment(notify);
	if (!env)
		return -ENOMEM;
	log = open_log(w);
	if (log < 0)
		return log;
	record = record_create(w->dir);
	if (record < 0)
		return record;
	fault_point_of(c->kind, "record");
	return spawn_start(&(struct spawn){ c->argv, (const char *const *)env,
					    log, log, record, c->pass_fd },
			   &w->pid, &w->pidfd);
}

static int worker_new(const struct worker_config *c,
		      const struct worker_ops *ops, void *user,
		      struct worker **ret_worker)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = c->loop;
	w->pidfd = -1;
	w->ops = ops;
	w->user = user;
	w->pause = WORKER_LOOK_NS;
	w->kind = c->kind;
	w->watch_kind = c->watch;
	w->key = strdup(c->key);
	w->name = strdup(c->name);
	w->dir = strdup(c->dir);
	if (asprintf(&w->control, "%s/" WORKER_CONTROL, c->dir) < 0)
		w->control = NULL;
	if (!w->dir || !w->control || !w->key || !w->name) {
		worker_free(w);
		return -ENOMEM;
	}
	*ret_worker = w;
	return 0;
}

static int supervise(struct worker *w)
{
	int err =
		loop_add_fd(w->loop, w->pidfd, EPOLLIN, on_ended, w, &w->ended);

	if (!err)
		err = loop_add_timer(w->loop, on_timer, w, &w->timer);
	return err;
}

int worker_start(const struct worker_config *c, const struct worker_ops *ops,
		 void *user, struct worker **ret_worker)
{
	struct worker *w;
	int err = worker_new(c, ops, user, &w);

	if (err)
		return err;
	fault_point_of(c->kind, "begun");
	if (mkdir(c->dir, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		goto fail;
	}
	fault_point_of(c->kind, "folder");
	err = run(w, c);
	if (err)
		goto fail;
	fault_point_of(c->kind, "started");
	err = supervise(w);
	if (!err)
		err = loop_arm_timer(w->timer, WORKER_START_NS, 0);
	if (err) {
		pidfd_kill(w->pidfd, SIGKILL);
		goto fail;
	}
	w->deadline = loop_now_ns() + WORKER_START_NS;
	*ret_worker = w;
	return 0;
fail:
	worker_free(w);
	return err;
}

int worker_adopt(const struct worker_config *c, const struct worker_ops *ops,
		 void *user, struct worker **ret_worker)
{
	struct worker *w;
	int err = worker_new(c, ops, user, &w);

	if (err)
		return err;
	err = record_find(c->dir, c->key, &w->pid, &w->pidfd);
	if (!err)
		err = supervise(w);
	if (err) {
		worker_free(w);
		return err;
	}
	look(w);
	*ret_worker = w;
	return 0;
}
