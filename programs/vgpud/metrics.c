/* SPDX-License-Identifier: MIT */
/* Prometheus' exposition format. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "events.h"
#include "manager.h"
#include "registry.h"
#include "replies.h"
#include "hub.h"

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

static void failures(FILE *f, struct manager *m)
{
	head(f, "vgpud_parent_failures_total", "counter",
	     "Deaths of vgpu-parent processes that nobody asked for.");
	for (size_t i = 0; i < registry_n_parents(m->registry); i++) {
		const char *name = registry_parent(m->registry, i)->name;

		fprintf(f, "vgpud_parent_failures_total{parent=\"%s\"} %u\n",
			name, hub_failures(m, name));
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
				parent_available(p, &p->types[j], 0));
	}
}

/* A label's value: the format has these three escapes. */
static void value(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", f);
		else if (*text == '"' || *text == '\\')
			fprintf(f, "\\%c", *text);
		else
			fputc(*text, f);
	}
}

/* What joins the others' UUIDs with names that people know. */
static void info(FILE *f, const struct manager *m)
{
	head(f, "vgpud_instance_info", "gauge", "What an instance is; 1.");
	for (size_t i = 0; i < m->n_instances; i++) {
		const struct definition *def = &m->instances[i]->def;

		fprintf(f, "vgpud_instance_info{uuid=\"%s\",label=\"",
			def->uuid);
		value(f, def->label);
		fputs("\",parent=\"", f);
		value(f, def->parent);
		fputs("\",type=\"", f);
		value(f, def->type);
		fputs("\"} 1\n", f);
	}
	head(f, "vgpud_instance_attached", "gauge",
	     "Does a client use the instance?");
	for (size_t i = 0; i < m->n_instances; i++)
		fprintf(f, "vgpud_instance_attached{uuid=\"%s\"} %d\n",
			m->instances[i]->def.uuid,
			instance_state(m->instances[i]) == STATE_ATTACHED);
}

static void instances(FILE *f, const struct manager *m)
{
	unsigned counts[STATE_FAILED + 1] = { 0 };

	head(f, "vgpud_instance_restarts_total", "counter",
	     "Workers that died and were replaced.");
	for (size_t i = 0; i < m->n_instances; i++) {
		const struct instance *instance = m->instances[i];

		counts[instance_state(instance)]++;
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
	failures(f, m);
	types(f, m);
	info(f, m);
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
