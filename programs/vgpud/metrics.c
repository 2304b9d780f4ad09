/* SPDX-License-Identifier: MIT */
/* Prometheus' exposition format, and budgets. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "control/json.h"
#include "events.h"
#include "instance.h"
#include "parent/registry.h"
#include "replies.h"
#include "util/cleanup.h"
#include "worker.h"

static void head(FILE *f, const char *name, const char *kind, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void parents(FILE *f, struct manager *m)
{
	static const struct {
		const char *name, *help;
	} gauges[] = {
		{ "vgpud_parent_vram_bytes", "Video memory in all." },
		{ "vgpud_parent_vram_used_bytes", "Video memory taken." },
		{ "vgpud_parent_instances", "Instances defined." },
		{ "vgpud_parent_instances_max", "Instances it can have." },
		{ "vgpud_parent_shares", "Shares of the engine in all." },
		{ "vgpud_parent_shares_used", "Shares of the engine taken." },
	};

	for (size_t g = 0; g < sizeof(gauges) / sizeof(gauges[0]); g++) {
		head(f, gauges[g].name, "gauge", gauges[g].help);
		for (size_t i = 0; i < registry_n_parents(m->registry); i++) {
			const struct parent *p =
				registry_parent(m->registry, i);
			const uint64_t values[] = {
				p->vram,      p->vram_used,
				p->instances, p->max_instances,
				p->shares,    p->shares_used,
			};

			/* A parent's name needs no escaping. */
			fprintf(f, "%s{parent=\"%s\"} %" PRIu64 "\n",
				gauges[g].name, p->name, values[g]);
		}
	}
}

static void types(FILE *f, struct manager *m)
{
	head(f, "vgpud_type_available", "gauge",
	     "Instances of the type that there is room for.");
	for (size_t i = 0; i < registry_n_parents(m->registry); i++) {
		const struct parent *p = registry_parent(m->registry, i);

		for (size_t j = 0; j < p->n_types; j++)
			fprintf(f,
				"vgpud_type_available{parent=\"%s\","
				"type=\"%s\"} %u\n",
				p->name, p->types[j].name,
				parent_available(p, &p->types[j]));
	}
}

static void instances(FILE *f, const struct manager *m)
{
	unsigned counts[STATE_FAILED + 1] = { 0 };

	head(f, "vgpud_instance_restarts_total", "counter",
	     "Workers that died and were replaced.");
	for (size_t i = 0; i < m->n_instances; i++) {
		const struct instance *instance = m->instances[i];

		counts[instance->state]++;
		fprintf(f, "vgpud_instance_restarts_total{uuid=\"%s\"} %u\n",
			instance->def.uuid, instance->restarts);
	}
	head(f, "vgpud_instances", "gauge", "Instances by state.");
	for (unsigned s = 0; s <= STATE_FAILED; s++)
		fprintf(f, "vgpud_instances{state=\"%s\"} %u\n",
			state_name((enum state)s), counts[s]);
}

char *metrics_text(struct manager *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	parents(f, m);
	types(f, m);
	instances(f, m);
	head(f, "vgpud_events_total", "counter", "Events since the start.");
	fprintf(f, "vgpud_events_total %" PRIu64 "\n", events_last(m->events));
	head(f, "vgpud_uptime_seconds", "gauge", "Since the daemon started.");
	fprintf(f, "vgpud_uptime_seconds %" PRIu64 "\n",
		(loop_now_ns() - m->started_ns) / 1000000000u);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- budgets -------------------------------------------------------- */

void manager_lease(struct manager *m, uid_t uid)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->n_instances; i++)
		n += m->instances[i]->client_pid &&
		     m->instances[i]->client_uid == uid;
	for (size_t i = 0; i < m->n_instances; i++) {
		struct instance *instance = m->instances[i];

		if (!instance->client_pid || instance->client_uid != uid)
			continue;
		instance->pin_lease = m->config->pinned_limit / n;
	}
}

struct json_object *reply_budgets(struct manager *m)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < m->n_instances; i++) {
		const struct instance *a = m->instances[i];
		struct json_object *obj;
		uint64_t leased = 0;
		bool seen = false;

		for (size_t j = 0; j < m->n_instances; j++) {
			const struct instance *b = m->instances[j];

			if (!a->client_pid || !b->client_pid ||
			    a->client_uid != b->client_uid)
				continue;
			seen |= j < i;
			leased += b->pin_lease;
		}
		if (!a->client_pid || seen)
			continue;
		obj = json_object_new_object();
		json_set_uint(&obj, "uid", a->client_uid);
		json_set_uint(&obj, "pinned_limit", m->config->pinned_limit);
		json_set_uint(&obj, "pinned_leased", leased);
		json_append(&array, obj);
	}
	return array;
}
