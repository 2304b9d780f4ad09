/* SPDX-License-Identifier: MIT */
/* io.vgpud.Manager, as vgpud answers it. */
#ifndef VGPUD_METHODS_H
#define VGPUD_METHODS_H

struct control_server;
struct manager;

/* @manager must outlive @server. */
int methods_add(struct control_server *server, struct manager *manager);

#endif
