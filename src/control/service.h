/* SPDX-License-Identifier: MIT */
/* org.varlink.service: what every server answers about itself. */
#ifndef CONTROL_SERVICE_H
#define CONTROL_SERVICE_H

#include <stddef.h>

struct control_server;
struct control_server_config;
struct control_interface_def;

int control_service_add(struct control_server *server);

/* What the server knows; NULL past the last interface. */
const struct control_server_config *
control_server_get_config(const struct control_server *server);
const struct control_interface_def *
control_server_interface(const struct control_server *server, size_t index);

#endif
