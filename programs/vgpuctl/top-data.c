/* SPDX-License-Identifier: MIT */
#include "top-data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/json.h"
#include "instance.h"

/* With one vGPU's process. */
#define PATIENCE_MS 300

/* Names of requests that are accesses to the vGPU's registers. */
static const char *const access_names[] = { "region_read", "region_write",
					    "region_write_multi" };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* Its own process knows; one that has just gone has no counters, and one that
 * hangs must not make the others' grow old. */
static void read_stats(struct ctl *ctl, const char *control, struct top_vgpu *v)
{
	struct ctl quick = *ctl;
	struct control_result res;
	struct json_object *irqs, *dma;

	if (quick.timeout_ms > PATIENCE_MS)
		quick.timeout_ms = PATIENCE_MS;
	if (!*control ||
	    ctl_try(&quick, control, IO_VGPUD_DEVICE "Stats", &res))
		return;
	v->time_ns = now_ns();
	for (size_t i = 0; i < sizeof(access_names) / sizeof(*access_names);
	     i++)
		v->accesses +=
			json_get_int(json_member(res.parameters, "requests"),
				     access_names[i], 0);
	irqs = json_member(res.parameters, "interrupts");
	if (json_object_is_type(irqs, json_type_object)) {
		json_object_object_foreach(irqs, key, value)
		{
			(void)key;
			v->irqs += json_object_get_int64(value);
		}
	}
	dma = json_member(res.parameters, "dma");
	v->mapped = json_get_int(dma, "mapped", 0);
	v->pinned = json_get_int(dma, "pinned", 0);
	v->n_engines = json_array_len(res.parameters, "engines");
	if (v->n_engines > TOP_MAX_ENGINES)
		v->n_engines = TOP_MAX_ENGINES;
	for (size_t i = 0; i < v->n_engines; i++)
		v->engine_ns[i] = json_object_get_int64(
			json_array_at(res.parameters, "engines", i));
	control_result_release(&res);
}

static struct top_vgpu *find(const struct top_sample *sample, const char *uuid)
{
	for (size_t i = 0; i < sample->n; i++)
		if (!strcmp(sample->vgpus[i].uuid, uuid))
			return &sample->vgpus[i];
	return NULL;
}

static void read_vgpu(struct ctl *ctl, struct json_object *instance,
		      struct top_vgpu *v)
{
	*v = (struct top_vgpu){ .access_rate = -1, .irq_rate = -1 };
	copy(v->uuid, sizeof(v->uuid), json_get_string(instance, "uuid", "?"));
	copy(v->label, sizeof(v->label),
	     json_get_string(instance, "label", ""));
	copy(v->type, sizeof(v->type), json_get_string(instance, "type", "?"));
	copy(v->state, sizeof(v->state),
	     json_get_string(instance, "state", "?"));
	v->worker = json_get_int(instance, "worker", -1);
	v->client = json_get_int(json_member(instance, "client"), "pid", -1);
	if (v->worker >= 0)
		read_stats(ctl, json_get_string(instance, "control", ""), v);
}

/* Counters of another process say nothing of this one's speed. */
static void set_rates(struct top_vgpu *v, const struct top_vgpu *old)
{
	double seconds;

	if (!old || !v->time_ns || !old->time_ns || old->worker != v->worker ||
	    v->time_ns <= old->time_ns)
		return;
	seconds = (double)(v->time_ns - old->time_ns) / 1e9;
	v->access_rate = (double)(v->accesses - old->accesses) / seconds;
	v->irq_rate = (double)(v->irqs - old->irqs) / seconds;
	for (size_t i = 0; i < v->n_engines; i++)
		v->engines[i] = (double)(v->engine_ns[i] - old->engine_ns[i]) /
				(double)(v->time_ns - old->time_ns);
}

int top_sample_take(struct ctl *ctl, const struct top_sample *before,
		    struct top_sample *ret_sample)
{
	struct top_sample sample = { 0 };
	struct control_result res;
	int code = ctl_call(ctl, IO_VGPUD_MANAGER "List", NULL, &res);

	if (code)
		return code;
	sample.n = json_array_len(res.parameters, "instances");
	sample.vgpus = calloc(sample.n + 1, sizeof(*sample.vgpus));
	if (!sample.vgpus) {
		control_result_release(&res);
		return ctl_fail(EXIT_FAILED, "%s", strerror(ENOMEM));
	}
	for (size_t i = 0; i < sample.n; i++) {
		struct top_vgpu *v = &sample.vgpus[i];

		read_vgpu(ctl, json_array_at(res.parameters, "instances", i),
			  v);
	}
	control_result_release(&res);
	for (size_t i = 0; i < sample.n; i++)
		set_rates(&sample.vgpus[i], find(before, sample.vgpus[i].uuid));
	*ret_sample = sample;
	return 0;
}

void top_sample_free(struct top_sample *sample)
{
	free(sample->vgpus);
	*sample = (struct top_sample){ 0 };
}

static double all_engines(const struct top_vgpu *v)
{
	double sum = 0;

	for (size_t i = 0; i < v->n_engines; i++)
		sum += v->engines[i];
	return sum;
}

static int busier(const void *a, const void *b)
{
	const struct top_vgpu *x = a, *y = b;
	double bx = x->access_rate + x->irq_rate;
	double by = y->access_rate + y->irq_rate;
	double ex = all_engines(x), ey = all_engines(y);

	if (bx > by || bx < by)
		return bx > by ? -1 : 1;
	if (ex > ey || ex < ey)
		return ex > ey ? -1 : 1;
	if (!x->time_ns != !y->time_ns)
		return x->time_ns ? -1 : 1;
	return strcmp(x->uuid, y->uuid);
}

void top_sample_sort(struct top_sample *sample)
{
	qsort(sample->vgpus, sample->n, sizeof(*sample->vgpus), busier);
}

#define NUMBER_MAX   32
#define TOP_NAME_MAX 72
/* Each at most a 20-digit number and ".0/". */
#define ENGINES_MAX (TOP_MAX_ENGINES * 24 + 3)
#define MIN_NAME    8 /* left of a name on a narrow terminal */

static const char *rate_text(char *buf, double rate)
{
	if (rate < 0)
		return NULL;
	snprintf(buf, NUMBER_MAX, "%.0f", rate);
	return buf;
}

/* "12.3 %", "12.3/80.1 %": of each engine's time; NULL: it has none. */
static const char *engines_text(char *buf, const struct top_vgpu *v)
{
	size_t at = 0;

	if (!v->n_engines || v->access_rate < 0)
		return NULL;
	for (size_t i = 0; i < v->n_engines; i++)
		at += (size_t)snprintf(buf + at, ENGINES_MAX - at, "%s%.1f",
				       i ? "/" : "", v->engines[i] * 100);
	snprintf(buf + at, ENGINES_MAX - at, " %%");
	return buf;
}

/* "a-long-lab+"; what begins a letter of UTF-8 is never left alone. */
static const char *name_text(char *buf, const struct top_vgpu *v, size_t max)
{
	const char *name = *v->label ? v->label : v->uuid;
	size_t len = strlen(name);

	if (len > max) {
		len = *v->label ? max - 1 : max;
		while (len && ((unsigned char)name[len] & 0xc0) == 0x80)
			len--;
	}
	snprintf(buf, TOP_NAME_MAX, "%.*s%s", (int)len, name,
		 *v->label && name[len] ? "+" : "");
	return buf;
}

static void add_rows(const struct top_sample *sample, struct table *table,
		     size_t name_max)
{
	table_row(table, "VGPU", "TYPE", "STATE", ">MMIO/S", ">IRQ/S",
		  ">ENGINE", ">MAPPED", ">PINNED", ">CLIENT");
	for (size_t i = 0; i < sample->n; i++) {
		const struct top_vgpu *v = &sample->vgpus[i];
		char mapped[INSTANCE_BYTES_MAX], pinned[INSTANCE_BYTES_MAX];
		char mmio[NUMBER_MAX], irqs[NUMBER_MAX], pid[NUMBER_MAX];
		char engine[ENGINES_MAX], name[TOP_NAME_MAX];

		snprintf(pid, sizeof(pid), "%" PRId64, v->client);
		table_row(table, name_text(name, v, name_max), v->type,
			  v->state, rate_text(mmio, v->access_rate),
			  rate_text(irqs, v->irq_rate), engines_text(engine, v),
			  v->time_ns ? bytes_text(mapped, v->mapped) : NULL,
			  v->time_ns ? bytes_text(pinned, v->pinned) : NULL,
			  v->client < 0 ? NULL : pid);
	}
}

void top_sample_table(const struct top_sample *sample, struct table *table,
		      size_t columns)
{
	size_t width, name;

	add_rows(sample, table, TOP_NAME_MAX - 1);
	width = table_width(table);
	name = table->widths[0];
	if (!columns || width <= columns || name <= MIN_NAME)
		return;
	table_free(table);
	add_rows(sample, table,
		 name > MIN_NAME + width - columns ? name - (width - columns)
						   : MIN_NAME);
}

static void set_rate(struct json_object **obj, const char *key, double rate)
{
	if (rate < 0)
		json_set_null(obj, key);
	else
		json_set(obj, key, json_object_new_double(rate));
}

static struct json_object *engines_json(const struct top_vgpu *v)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < v->n_engines && v->access_rate >= 0; i++)
		json_append(&array, json_object_new_double(v->engines[i]));
	return array;
}

struct json_object *top_sample_json(const struct top_sample *sample)
{
	struct json_object *out = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < sample->n; i++) {
		const struct top_vgpu *v = &sample->vgpus[i];
		struct json_object *obj = json_object_new_object();

		json_set_string(&obj, "uuid", v->uuid);
		json_set_string(&obj, "label", *v->label ? v->label : NULL);
		json_set_string(&obj, "type", v->type);
		json_set_string(&obj, "state", v->state);
		set_rate(&obj, "accesses_per_second", v->access_rate);
		set_rate(&obj, "interrupts_per_second", v->irq_rate);
		json_set(&obj, "engines", engines_json(v));
		json_set_uint(&obj, "mapped", (uint64_t)v->mapped);
		json_set_uint(&obj, "pinned", (uint64_t)v->pinned);
		if (v->client < 0)
			json_set_null(&obj, "client");
		else
			json_set_uint(&obj, "client", (uint64_t)v->client);
		json_append(&array, obj);
	}
	json_set(&out, "vgpus", array);
	return out;
}
