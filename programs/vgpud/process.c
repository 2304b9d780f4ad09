/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/caller.h"
#include "control/json.h"
#include "fault.h"
#include "record.h"
#include "spawn.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define LAST_WORDS (8u << 10)
/* What a line of programs/common/crash.c has. */
#define CRASH_REPORT ": crashed: SIG"

struct process {
	struct loop *loop;
	const struct process_kind *kind;
	char *dir, *control, *key, *name;
	pid_t pid;
	int pidfd;
	off_t log_from; /* where its own lines begin */
	struct loop_source *ended, *timer;
	struct control_caller *watch; /* NULL: nobody is subscribed to */
	uint64_t deadline, pause; /* of becoming ready; between looks */
	bool ready, stopping;
	bool late;  /* killed, since it did not become ready */
	char *end;  /* how it has ended */
	int status; /* what it exited with, or PROCESS_... */
	const struct process_ops *ops;
	void *user;
};

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

int process_exit_status(const struct process *p)
{
	return p->status;
}

bool process_is_ready(const struct process *p)
{
	return p->ready;
}

bool process_has_ended(const struct process *p)
{
	return !p->ended;
}

const char *process_end(const struct process *p)
{
	return p->end;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	control_caller_free(p->watch);
	loop_remove(p->ended);
	loop_remove(p->timer);
	close_fd(p->pidfd);
	free(p->control);
	free(p->dir);
	free(p->key);
	free(p->name);
	free(p->end);
	free(p);
}

/* ---- its control socket --------------------------------------------- */

static void unwatch(struct process *p)
{
	control_caller_free(p->watch);
	p->watch = NULL;
}

/* Is it the one that we mean, who speaks there? */
static bool is_itself(const struct process *p, struct json_object *params)
{
	struct ucred peer;

	if (!strcmp(json_get_string(params, p->kind->identity, ""), p->key) &&
	    !control_caller_peer(p->watch, &peer) && peer.pid == p->pid)
		return true;
	log_error(p->name,
		  "on its control socket answers another process than its %s",
		  p->kind->name);
	return false;
}

static void on_state(int err, struct control_result *result, void *user)
{
	struct json_object *client;
	struct process *p = user;

	if (err || result->error || !result->continues) {
		/* It dies, which the pidfd tells; or else we come back. */
		unwatch(p);
		if (!p->stopping && p->ended)
			loop_arm_timer(p->timer, p->pause, 0);
		return;
	}
	if (!is_itself(p, result->parameters)) {
		unwatch(p);
		return;
	}
	if (!p->ready) {
		p->ready = true;
		p->pause = PROCESS_LOOK_NS;
		if (!p->stopping)
			loop_arm_timer(p->timer, 0, 0);
		p->ops->ready(p, p->user);
	}
	client = json_member(result->parameters, "client");
	p->ops->client(p, (pid_t)json_get_int(client, "pid", 0),
		       (uid_t)json_get_int(client, "uid", 0), p->user);
}

static void look(struct process *p)
{
	if (p->watch ||
	    !control_ask(p->loop, p->control, p->kind->subscribe, NULL, true, 0,
			 on_state, p, &p->watch))
		return;
	loop_arm_timer(p->timer, p->pause, 0);
	if (p->pause < PROCESS_LOOK_MAX_NS)
		p->pause *= 2;
}

void process_notified(struct process *p)
{
	p->pause = PROCESS_LOOK_NS;
	look(p);
}

static void on_timer(struct loop_source *src, void *user)
{
	struct process *p = user;

	if (p->stopping) {
		log_warning(p->name, "%s %d does not end: killed", p->kind->name,
			    (int)p->pid);
		pidfd_kill(p->pidfd, SIGKILL);
		return;
	}
	if (p->deadline && !p->ready && loop_now_ns() >= p->deadline) {
		log_error(p->name, "%s %d does not become ready: killed",
			  p->kind->name, (int)p->pid);
		p->late = true;
		pidfd_kill(p->pidfd, SIGKILL);
		return;
	}
	look(p);
}

static char *last_words(const struct process *p)
{
	cleanup_free char *path = NULL;
	cleanup_fd int fd = -1;
	struct stat st;
	char *text;
	off_t from;
	ssize_t n;

	if (asprintf(&path, "%s/" PROCESS_LOG, p->dir) < 0) {
		path = NULL;
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	from = st.st_size > LAST_WORDS ? st.st_size - LAST_WORDS : 0;
	if (from < p->log_from)
		from = p->log_from;
	text = malloc(LAST_WORDS + 1);
	if (!text)
		return NULL;
	n = pread(fd, text, LAST_WORDS, from);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Of one that init has reaped, only its own log may tell. */
static void describe_unknown(const struct process *p, char *buf, size_t size)
{
	cleanup_free char *text = last_words(p);
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
	struct process *p = user;
	char why[256];
	int err;

	err = pidfd_reap(p->pidfd, why, sizeof(why), &p->status);
	if (err == -EAGAIN)
		return;
	if (err) {
		p->status = PROCESS_UNKNOWN;
		describe_unknown(p, why, sizeof(why));
	}
	if (p->late)
		snprintf(why, sizeof(why),
			 "did not become ready within %llu s, and was killed",
			 PROCESS_START_NS / 1000000000ull);
	loop_remove(p->ended);
	p->ended = NULL;
	loop_arm_timer(p->timer, 0, 0);
	p->end = strdup(why);
	p->ops->ended(p, why, p->user);
}

void process_check(struct process *p)
{
	if (p->ended)
		on_ended(p->ended, 0, p);
}

void process_stop(struct process *p)
{
	int err;

	if (p->stopping || !p->ended)
		return;
	p->stopping = true;
	err = pidfd_kill(p->pidfd, SIGTERM);
	if (err && err != -ESRCH)
		log_error(p->name, "cannot end %s %d: %s", p->kind->name, (int)p->pid,
			  strerror(-err));
	loop_arm_timer(p->timer, PROCESS_STOP_NS, 0);
}

void process_last_line(const struct process *p, char *buf, size_t size)
{
	cleanup_free char *text = last_words(p);
	size_t len = text ? strlen(text) : 0;
	char *from;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	from = len ? strrchr(text, '\n') : NULL;
	snprintf(buf, size, "%s", from ? from + 1 : len ? text : "");
	text_make_printable(buf);
}

void process_log_last_words(const struct process *p)
{
	cleanup_free char *text = last_words(p);
	char *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		text_make_printable(line);
		log_warning(p->name, "%s said: %s", p->kind->name, line);
	}
}

/* ---- starting ------------------------------------------------------- */

static int open_log(struct process *p)
{
	cleanup_free char *path = NULL, *old = NULL;
	struct stat st;
	int fd;

	if (asprintf(&path, "%s/" PROCESS_LOG, p->dir) < 0 ||
	    asprintf(&old, "%s/" PROCESS_LOG ".old", p->dir) < 0)
		return -ENOMEM;
	if (!stat(path, &st) && st.st_size > PROCESS_LOG_MAX)
		rename(path, old);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		  0640);
	if (fd < 0)
		return -errno;
	p->log_from = lseek(fd, 0, SEEK_END);
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

static int run(struct process *p, const struct process_config *c)
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
	log = open_log(p);
	if (log < 0)
		return log;
	record = record_create(p->dir);
	if (record < 0)
		return record;
	fault_point_of(c->kind->name, "record");
	return spawn_start(&(struct spawn){ c->argv, (const char *const *)env,
					    log, log, record, c->pass_fd },
			   &p->pid, &p->pidfd);
}

static int process_new(const struct process_config *c,
		       const struct process_ops *ops, void *user,
		       struct process **ret_process)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->loop = c->loop;
	p->pidfd = -1;
	p->ops = ops;
	p->user = user;
	p->pause = PROCESS_LOOK_NS;
	p->kind = c->kind;
	p->key = strdup(c->key);
	p->name = strdup(c->name);
	p->dir = strdup(c->dir);
	if (asprintf(&p->control, "%s/" PROCESS_CONTROL, c->dir) < 0)
		p->control = NULL;
	if (!p->dir || !p->control || !p->key || !p->name) {
		process_free(p);
		return -ENOMEM;
	}
	*ret_process = p;
	return 0;
}

static int supervise(struct process *p)
{
	int err =
		loop_add_fd(p->loop, p->pidfd, EPOLLIN, on_ended, p, &p->ended);

	if (!err)
		err = loop_add_timer(p->loop, on_timer, p, &p->timer);
	return err;
}

int process_start(const struct process_config *c, const struct process_ops *ops,
		  void *user, struct process **ret_process)
{
	struct process *p;
	int err = process_new(c, ops, user, &p);

	if (err)
		return err;
	fault_point_of(c->kind->name, "begun");
	if (mkdir(c->dir, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		goto fail;
	}
	fault_point_of(c->kind->name, "folder");
	err = run(p, c);
	if (err)
		goto fail;
	fault_point_of(c->kind->name, "started");
	err = supervise(p);
	if (!err)
		err = loop_arm_timer(p->timer, PROCESS_START_NS, 0);
	if (err) {
		pidfd_kill(p->pidfd, SIGKILL);
		goto fail;
	}
	p->deadline = loop_now_ns() + PROCESS_START_NS;
	*ret_process = p;
	return 0;
fail:
	process_free(p);
	return err;
}

int process_adopt(const struct process_config *c, const struct process_ops *ops,
		  void *user, struct process **ret_process)
{
	struct process *p;
	int err = process_new(c, ops, user, &p);

	if (err)
		return err;
	err = record_find(c->dir, c->key, &p->pid, &p->pidfd);
	if (!err)
		err = supervise(p);
	if (err) {
		process_free(p);
		return err;
	}
	look(p);
	*ret_process = p;
	return 0;
}
