/* SPDX-License-Identifier: MIT */
#include "screenshot.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/json.h"
#include "control/server.h"
#include "display/png.h"
#include "display/reader.h"
#include "util/base64.h"
#include "util/cleanup.h"
#include "util/list.h"

struct job {
	struct list link;
	struct control_call *call; /* the loop thread's */
	struct display_reader *reader;
	unsigned plane;
	/* the thread's answer */
	int err;
	char *text;
	size_t len;
};

struct screenshots {
	struct loop *loop;
	struct loop_source *source; /* of done_fd */
	int done_fd;
	unsigned n_jobs;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct list todo;
	struct list done;
	bool stop;
};

/* ---- the thread ----------------------------------------------------- */

/* The reply's text, without a detour through a JSON object: it may be long. */
static int make_reply(struct job *job, const struct picture *picture,
		      const void *png, size_t size)
{
	char head[128];
	int len = snprintf(head, sizeof(head),
			   "{\"parameters\":{\"width\":%" PRIu32
			   ",\"height\":%" PRIu32 ",\"serial\":%" PRIu64
			   ",\"png\":\"",
			   picture->width, picture->height, picture->serial);
	static const char tail[] = "\"}}";
	char *text;

	if (size > SCREENSHOT_MAX_PNG)
		return -EFBIG;
	text = malloc((size_t)len + BASE64_LEN(size) + sizeof(tail));
	if (!text)
		return -ENOMEM;
	memcpy(text, head, (size_t)len);
	base64_encode(png, size, text + len);
	memcpy(text + (size_t)len + BASE64_LEN(size), tail, sizeof(tail));
	job->text = text;
	job->len = (size_t)len + BASE64_LEN(size) + sizeof(tail);
	return 0;
}

static int take(struct job *job)
{
	struct picture picture = { 0 };
	void *png = NULL;
	size_t size;
	int err;

	err = display_reader_picture(job->reader, job->plane, &picture);
	if (err)
		return err;
	err = picture_encode_png(&picture, &png, &size);
	if (!err)
		err = make_reply(job, &picture, png, size);
	free(png);
	picture_fini(&picture);
	return err;
}

static void *work(void *user)
{
	struct screenshots *s = user;
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct job *job;

		while (!s->stop && list_empty(&s->todo))
			pthread_cond_wait(&s->wake, &s->lock);
		if (s->stop)
			break;
		job = list_entry(s->todo.next, struct job, link);
		list_remove(&job->link);
		pthread_mutex_unlock(&s->lock);
		job->err = take(job);
		pthread_mutex_lock(&s->lock);
		list_insert(&s->done, &job->link);
		/* Fails only when the counter is full: then it is seen. */
		if (write(s->done_fd, &one, sizeof(one)) < 0)
			continue;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the loop ------------------------------------------------------- */

static void fail(struct control_call *call, const char *error,
		 const char *message)
{
	struct json_object *params = json_object_new_object();

	json_set_string(&params, "message", message);
	control_reply_error(call, error, params);
}

static const char *why(int err)
{
	switch (err) {
	case -EFBIG:
		return "the picture is larger than a reply may be: use "
		       "GetDisplay, as vgpuctl does";
	case -ESTALE:
	case -EBUSY:
		return "the screen changed while it was read: try again";
	case -ECANCELED:
		return "vgpu-device is ending";
	default:
		return strerror(-err);
	}
}

/* Answer the call and forget the job. */
static void finish(struct screenshots *s, struct job *job)
{
	if (!job->err)
		control_reply_text(job->call, job->text, job->len);
	else if (job->err == -ENODATA)
		fail(job->call, "io.vgpud.Device.NoDisplay",
		     SCREENSHOT_NO_DISPLAY);
	else
		fail(job->call, "io.vgpud.Device.Failed", why(job->err));
	display_reader_free(job->reader);
	free(job);
	s->n_jobs--;
}

static void on_done(struct loop_source *src, uint32_t events, void *user)
{
	struct screenshots *s = user;
	struct list ready;
	uint64_t n;

	list_init(&ready);
	if (read(s->done_fd, &n, sizeof(n)) < 0)
		return; /* somebody's wake-up was taken already */
	pthread_mutex_lock(&s->lock);
	while (!list_empty(&s->done)) {
		struct list *node = s->done.next;

		list_remove(node);
		list_insert(&ready, node);
	}
	pthread_mutex_unlock(&s->lock);
	list_for_each_safe(node, &ready)
		finish(s, list_entry(node, struct job, link));
}

void screenshots_add(struct screenshots *s, struct control_call *call,
		     struct display_reader *reader, unsigned plane)
{
	struct job *job;
	int err = 0;

	if (s->n_jobs == SCREENSHOTS_MAX) {
		display_reader_free(reader);
		fail(call, "io.vgpud.Device.Busy",
		     "too many screenshots wait already: try again later");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		display_reader_free(reader);
		fail(call, "io.vgpud.Device.Failed", strerror(ENOMEM));
		return;
	}
	job->call = call;
	job->reader = reader;
	job->plane = plane;
	s->n_jobs++;
	if (!s->started)
		err = -pthread_create(&s->thread, NULL, work, s);
	if (err) {
		job->err = err;
		list_init(&job->link);
		finish(s, job);
		return;
	}
	s->started = true;
	pthread_mutex_lock(&s->lock);
	list_insert(&s->todo, &job->link);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int screenshots_new(struct loop *loop, struct screenshots **ret_screenshots)
{
	struct screenshots *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	list_init(&s->todo);
	list_init(&s->done);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->done_fd < 0 ? -errno
			     : loop_add_fd(loop, s->done_fd, EPOLLIN, on_done,
					   s, &s->source);
	if (err) {
		screenshots_free(s);
		return err;
	}
	*ret_screenshots = s;
	return 0;
}

static void cancel_all(struct screenshots *s, struct list *jobs)
{
	list_for_each_safe(node, jobs) {
		struct job *job = list_entry(node, struct job, link);

		list_remove(node);
		free(job->text);
		job->err = -ECANCELED;
		finish(s, job);
	}
}

void screenshots_free(struct screenshots *s)
{
	if (!s)
		return;
	if (s->started) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_signal(&s->wake);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}
	cancel_all(s, &s->todo);
	cancel_all(s, &s->done);
	loop_remove(s->source);
	close_fd(s->done_fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
