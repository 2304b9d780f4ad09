/* SPDX-License-Identifier: MIT */
/* What vgpud knows, in the form of io.vgpud.Manager. */
#ifndef VGPUD_REPLIES_H
#define VGPUD_REPLIES_H

struct instance;
struct json_object;
struct manager;

/* New objects; NULL: out of memory. */
struct json_object *reply_instance(const struct instance *instance);
struct json_object *reply_parents(struct manager *manager);
/* @parent NULL: of all. */
struct json_object *reply_types(struct manager *manager, const char *parent);
struct json_object *reply_diagnosis(struct manager *manager);
struct json_object *reply_budgets(struct manager *manager);

/* Prometheus' text; to be freed. NULL: out of memory. */
char *metrics_text(struct manager *manager);

#endif
