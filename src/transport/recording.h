/* SPDX-License-Identifier: MIT */
/*
 * Recordings: a conversation in a file, for bug reports, fuzzers and tests.
 *
 * The file (little endian): struct recording_header, then frames. A frame is a
 * struct recording_frame, n_fds times a struct recording_fd, and the message
 * as it was on the wire. Of file descriptors only the kind is kept, and the
 * size of files: what is in the client's memory is not in a recording (but
 * what went through messages is, so a recording may hold secrets of a guest).
 */
#ifndef TRANSPORT_RECORDING_H
#define TRANSPORT_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RECORDING_MAGIC     0x3143455255504756ull /* "VGPUREC1" */
#define RECORDING_MAX_BYTES (1ull << 30) /* a recorder stops there */

struct recording_header {
	uint64_t magic;
	uint64_t reserved;
};

enum recording_direction {
	RECORDING_IN = 0,  /* from the client */
	RECORDING_OUT = 1, /* to the client */
};

/**
 * struct recording_frame - before each message
 * @time_ns: since the recording began
 * @size: bytes of the message
 * @n_fds: file descriptors that came with it
 * @direction: enum recording_direction
 * @connection: counts the clients, from 1
 */
struct recording_frame {
	uint64_t time_ns;
	uint32_t size;
	uint16_t n_fds;
	uint8_t direction;
	uint8_t reserved;
	uint32_t connection;
	uint32_t reserved2;
};

enum recording_fd_kind {
	RECORDING_FD_OTHER = 0,
	RECORDING_FD_EVENTFD = 1,
	RECORDING_FD_FILE = 2, /* a regular file or memfd */
};

struct recording_fd {
	uint32_t kind;
	uint32_t reserved;
	uint64_t size; /* of a file, bytes */
};

/* ---- writing ------------------------------------------------------- */

struct recorder;

/* @path is created, or replaced; readable by its owner only. */
int recorder_open(const char *path, struct recorder **ret_recorder);
/* Return: 0, or why not all of it is in the file. NULL is fine. */
int recorder_close(struct recorder *recorder);
/* Another client begins. */
void recorder_next(struct recorder *recorder);
/* A message. When the disk is full, or RECORDING_MAX_BYTES are reached, that
 * is logged once, and the rest is not recorded. */
void recorder_add(struct recorder *recorder, enum recording_direction direction,
		  const void *data, size_t size, const int *fds, size_t n_fds);

/* ---- reading ------------------------------------------------------- */

/**
 * struct recording_message - one frame, read
 * @data: frame.size bytes; good until the next read
 * @fds: frame.n_fds of them
 */
struct recording_message {
	struct recording_frame frame;
	const uint8_t *data;
	const struct recording_fd *fds;
};

struct recording;

/* @file stays the caller's. -EINVAL: not a recording. */
int recording_open(FILE *file, struct recording **ret_recording);
void recording_close(struct recording *recording);
/* Return: 1: a message; 0: the end; -EBADMSG: it is damaged there; -EIO. */
int recording_next(struct recording *recording,
		   struct recording_message *ret_message);

#endif
