/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "session/session.h"
#include "transport/player.h"
#include "util/cleanup.h"
#include "util/log.h"

struct play {
	struct loop *loop;
	struct session_server *sessions;
	const char *path;
	FILE *file;
	struct player *player;
	struct player_result result;
	int err;
	bool over;
};

static void on_connect(int fd, void *user)
{
	struct play *play = user;

	session_server_accept(play->sessions, fd); /* it logs what goes wrong */
}

static void on_done(int err, const struct player_result *result, void *user)
{
	struct play *play = user;

	play->err = err;
	play->result = *result;
	play->over = true;
	loop_stop(play->loop);
}

static const struct player_ops player_ops = { on_connect, on_done };

int play_start(struct loop *loop, struct session_server *sessions,
	       const char *path, struct play **ret_play)
{
	struct play *play = calloc(1, sizeof(*play));
	int err;

	if (!play)
		return EXIT_RUNTIME;
	play->loop = loop;
	play->sessions = sessions;
	play->path = path;
	play->file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (!play->file) {
		log_error(NULL, "--play %s: cannot read it: %s", path,
			  strerror(errno));
		free(play);
		return EXIT_RUNTIME;
	}
	err = player_new(loop, play->file, &player_ops, play, &play->player);
	if (err) {
		log_error(NULL, "--play %s: %s", path,
			  err == -EINVAL ? "not a recording (vgpu-device "
					   "--record makes one)" :
					   strerror(-err));
		if (play->file != stdin)
			fclose(play->file);
		free(play);
		return EXIT_RUNTIME;
	}
	*ret_play = play;
	return EXIT_OK;
}

int play_finish(struct play *play)
{
	int code = EXIT_OK;

	if (!play)
		return EXIT_OK;
	printf("played %" PRIu64 " messages: %" PRIu64 " replies, %" PRIu64
	       " in the recording, %" PRIu64 " differ in size or error\n",
	       play->result.sent, play->result.replies, play->result.recorded,
	       play->result.differ);
	if (!play->over || play->err) {
		log_error(NULL, "--play %s: not played to its end: %s",
			  play->path,
			  !play->over		 ? "interrupted" :
			  play->err == -EBADMSG ? "the recording is damaged" :
			  play->err == -EPIPE ? "the connection was closed" :
						strerror(-play->err));
		code = EXIT_RUNTIME;
	}
	player_free(play->player);
	if (play->file != stdin)
		fclose(play->file);
	free(play);
	return fflush(stdout) ? EXIT_RUNTIME : code;
}
