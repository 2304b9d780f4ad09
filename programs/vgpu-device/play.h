/* SPDX-License-Identifier: MIT */
/* --play: a recording is the client. */
#ifndef VGPU_DEVICE_PLAY_H
#define VGPU_DEVICE_PLAY_H

struct loop;
struct play;
struct session_server;

/* Play @path ("-": standard input) to the vGPU; the loop stops when it is
 * over. Return: an exit code. */
int play_start(struct loop *loop, struct session_server *sessions,
	       const char *path, struct play **ret_play);

/* Say how it went on standard output. NULL is fine. Return: an exit code. */
int play_finish(struct play *play);

#endif
