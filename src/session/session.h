/* SPDX-License-Identifier: MIT */
/*
 * vfio-user: an instance's clients come here by sockets, one after the other.
 *
 * A session is one of them, from its VERSION to its end: it takes checked
 * requests from the connection, does what they say on the device, and writes
 * the replies. It is a client (device/client.h). One thread: the instance's
 * loop.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "../transport/conn.h"

struct recorder;
struct session_server;
struct vgpu_core;

/**
 * struct session_stats - counters since the server was made
 * @requests: messages served, by enum vfio_user_command; 0: unknown ones
 * @errors: of these, answered with an error
 * @read_bytes: bytes of REGION_READ
 * @write_bytes: bytes of REGION_WRITE and WRITE_MULTI
 * @refused: connections refused because there was a client already
 * @conn: of the connection that there is, since it began
 */
struct session_stats {
	uint64_t requests[VFIO_USER_NUM_COMMANDS];
	uint64_t errors[VFIO_USER_NUM_COMMANDS];
	uint64_t read_bytes, write_bytes;
	uint64_t refused;
	struct conn_stats conn;
};

/**
 * session_server_new() - serve an instance
 * @core: must outlive the server
 */
int session_server_new(struct vgpu_core *core,
		       struct session_server **ret_server);

/* Ends the session at once, if there is one. NULL is fine. */
void session_server_free(struct session_server *server);

/* Record all that is said from the next client on. @recorder must outlive the
 * server. */
void session_server_record(struct session_server *server,
			   struct recorder *recorder);

/**
 * session_server_accept() - serve a client
 * @fd: connected socket, non-blocking; owned from here on
 *
 * An instance has one client at a time: another one gets an error reply to its
 * VERSION, and the first is not disturbed.
 *
 * Return: 0, also for one that was refused so; or what failed (it is logged).
 */
int session_server_accept(struct session_server *server, int fd);

void session_server_get_stats(const struct session_server *server,
			      struct session_stats *ret_stats);

#endif
