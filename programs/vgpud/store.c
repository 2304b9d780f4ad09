/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "util/cleanup.h"
#include "util/list.h"
#include "util/log.h"

struct job {
	struct list link;
	char *path, *text; /* no text: remove */
	int err;
	struct await *wait; /* NULL: nobody waits for it any more */
};

struct store {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list todo, done; /* under @lock */
	bool stop;		/* under @lock */
	int eventfd;
	struct loop_source *io;
};

/* ---- the work, blocking --------------------------------------------- */

static int try_sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = strndup(path, (size_t)(slash - path));
	cleanup_fd int fd = -1;

	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* The change is made, and seen by everybody; all that is open is whether it
 * survives a power cut. */
static void sync_folder(const char *path)
{
	int err = try_sync_folder(path);

	if (err)
		log_warning(path, "its folder can't be synced: %s",
			    strerror(-err));
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_file(const char *path, const char *text)
{
	cleanup_free char *temporary = NULL;
	cleanup_fd int fd = -1;
	int err;

	if (asprintf(&temporary, "%s" STORE_TEMPORARY, path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	fault_point("store-open");
	err = write_all(fd, text);
	fault_point("store-written");
	if (!err && fsync(fd) < 0)
		err = -errno;
	fault_point("store-synced");
	if (!err && rename(temporary, path) < 0)
		err = -errno;
	fault_point("store-renamed");
	if (err) {
		unlink(temporary);
		return err;
	}
	sync_folder(path);
	fault_point("store-done");
	return 0;
}

static int remove_file(const char *path)
{
	fault_point("remove-begun");
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : -errno;
	fault_point("remove-unlinked");
	sync_folder(path);
	return 0;
}

static void *work(void *arg)
{
	struct store *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct job *job;

		while (list_empty(&s->todo) && !s->stop)
			pthread_cond_wait(&s->wake, &s->lock);
		if (list_empty(&s->todo))
			break;
		job = list_entry(s->todo.next, struct job, link);
		list_remove(&job->link);
		pthread_mutex_unlock(&s->lock);
		job->err = job->text ? write_file(job->path, job->text)
				     : remove_file(job->path);
		pthread_mutex_lock(&s->lock);
		list_insert(&s->done, &job->link);
		eventfd_write(s->eventfd, 1);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- on the loop ---------------------------------------------------- */

static void job_free(struct job *job)
{
	free(job->path);
	free(job->text);
	free(job);
}

static void on_done(struct loop_source *src, uint32_t events, void *user)
{
	struct store *s = user;
	struct await *wait;
	eventfd_t n;

	eventfd_read(s->eventfd, &n);
	for (;;) {
		struct job *job = NULL;

		pthread_mutex_lock(&s->lock);
		if (!list_empty(&s->done)) {
			job = list_entry(s->done.next, struct job, link);
			list_remove(&job->link);
		}
		pthread_mutex_unlock(&s->lock);
		if (!job)
			return;
		wait = job->wait;
		if (wait) {
			wait->op = NULL;
			await_done(wait, job->err, NULL);
		}
		job_free(job);
	}
}

static int add_job(struct store *s, const char *path, char *text,
		   struct await *wait)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job)
		job->path = strdup(path);
	if (!job || !job->path) {
		free(job);
		free(text);
		return -ENOMEM;
	}
	job->text = text;
	job->wait = wait;
	wait->op = job;
	pthread_mutex_lock(&s->lock);
	list_insert(&s->todo, &job->link);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int store_write(struct store *s, const char *path,
		const struct definition *definition, struct await *wait)
{
	char *text = definition_format(definition);

	return text ? add_job(s, path, text, wait) : -ENOMEM;
}

int store_remove(struct store *s, const char *path, struct await *wait)
{
	return add_job(s, path, NULL, wait);
}

void store_forget(struct await *wait)
{
	struct job *job = steal_ptr(wait->op);

	if (job)
		job->wait = NULL;
}

int store_new(struct loop *loop, struct store **ret_store)
{
	struct store *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	list_init(&s->todo);
	list_init(&s->done);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->eventfd < 0 ? -errno : 0;
	if (!err)
		err = loop_add_fd(loop, s->eventfd, EPOLLIN, on_done, s,
				  &s->io);
	if (!err)
		err = -pthread_create(&s->thread, NULL, work, s);
	if (err) {
		loop_remove(s->io);
		close_fd(s->eventfd);
		free(s);
		return err;
	}
	*ret_store = s;
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	list_for_each_safe(n, &s->done) {
		list_remove(n);
		job_free(list_entry(n, struct job, link));
	}
	loop_remove(s->io);
	close_fd(s->eventfd);
	free(s);
}

/* ---- reading -------------------------------------------------------- */

int store_read(const char *path, const char *uuid,
	       struct definition *ret_definition, char **ret_problem)
{
	cleanup_free char *text = malloc(DEFINITION_FILE_MAX + 1);
	cleanup_fd int fd = -1;
	ssize_t len;

	if (!text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	len = fd < 0 ? -1 : read(fd, text, DEFINITION_FILE_MAX + 1);
	if (len < 0 || len > (ssize_t)DEFINITION_FILE_MAX) {
		if (asprintf(ret_problem, "%s:1: %s", path,
			     len < 0 ? strerror(errno)
				     : "longer than a definition is") < 0)
			return -ENOMEM;
		return -EBADMSG;
	}
	return definition_parse(path, uuid, text, (size_t)len, ret_definition,
				ret_problem);
}

static void load_one(const char *dir, const char *name, store_load_fn fn,
		     void *user)
{
	size_t len = strlen(name), tail = strlen(STORE_SUFFIX);
	cleanup_free char *path = NULL, *problem = NULL;
	struct definition d;
	char uuid[37], base[37];
	int err;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return;
	}
	if (len > strlen(STORE_TEMPORARY) &&
	    !strcmp(name + len - strlen(STORE_TEMPORARY), STORE_TEMPORARY)) {
		log_notice(NULL, "%s was half written: removed", path);
		unlink(path);
		return;
	}
	if (len != 36 + tail || strcmp(name + 36, STORE_SUFFIX))
		return;
	memcpy(base, name, 36);
	base[36] = '\0';
	if (uuid_canonical(base, uuid) || strcmp(uuid, base)) {
		log_error(NULL, "%s: its name is not a UUID in lower case; "
				"left alone",
			  path);
		return;
	}
	err = store_read(path, uuid, &d, &problem);
	fn(uuid, err ? NULL : &d, problem ? problem : "out of memory", user);
}

int store_load(const char *dir, store_load_fn fn, void *user)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			load_one(dir, e->d_name, fn, user);
	closedir(d);
	return 0;
}
