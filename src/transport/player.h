/* SPDX-License-Identifier: MIT */
/*
 * The pipe transport: plays a recorded conversation to a server, as its
 * client. The recording is read from a file or a pipe; the server gets a
 * socket like any other, so that nothing it does differs from real life.
 *
 * Files are played as zeroed memfds of the recorded size, eventfds as
 * eventfds. Messages go as fast as the server takes them; replies are read,
 * counted, and compared with the recorded ones by size and error.
 */
#ifndef TRANSPORT_PLAYER_H
#define TRANSPORT_PLAYER_H

#include <stdio.h>

#include "../util/loop.h"

struct player;

/**
 * struct player_result - how it went
 * @sent: messages played
 * @replies: replies that came
 * @recorded: replies in the recording
 * @differ: replies whose command, size or error differ from the recorded ones
 */
struct player_result {
	uint64_t sent, replies, recorded, differ;
};

/**
 * struct player_ops - who is played to
 * @connect: a client connects: serve @fd, which is yours
 * @done: all was played, and answered as far as it was; @err: -EBADMSG: the
 *        recording is damaged; -EPIPE: the server closed the connection early
 */
struct player_ops {
	void (*connect)(int fd, void *user);
	void (*done)(int err, const struct player_result *result, void *user);
};

/* @file: stays the caller's; read as it comes. */
int player_new(struct loop *loop, FILE *file, const struct player_ops *ops,
	       void *user, struct player **ret_player);
void player_free(struct player *player);

#endif
