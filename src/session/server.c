/* SPDX-License-Identifier: MIT */
/* Clients as they come by sockets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

int session_server_new(struct vgpu_core *core,
		       struct session_server **ret_server)
{
	struct session_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->core = core;
	*ret_server = server;
	return 0;
}

void session_server_free(struct session_server *server)
{
	if (!server)
		return;
	session_free(server->session);
	free(server);
}

void session_server_record(struct session_server *server,
			   struct recorder *recorder)
{
	server->recorder = recorder;
}

int session_server_accept(struct session_server *server, int fd)
{
	struct vgpu_core *core = server->core;
	int err;

	/* A VMM that is started anew may be here before the end of the last
	 * one was read. */
	if (server->session && conn_hung_up(server->session->conn)) {
		log_info(core->name, "client left");
		session_free(server->session);
	}
	err = session_new(server, fd);
	if (err == -EBUSY) {
		server->stats.refused++;
		if (log_allowed(&core->client_log, core->name))
			log_warning(core->name,
				    "a second client was refused: a vGPU "
				    "serves one at a time");
		return 0;
	}
	if (err)
		log_error(core->name, "cannot serve a client: %s",
			  strerror(-err));
	return err;
}

void session_server_get_stats(const struct session_server *server,
			      struct session_stats *ret_stats)
{
	*ret_stats = server->stats;
	if (server->session)
		conn_get_stats(server->session->conn, &ret_stats->conn);
}
