/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <vgpu/refgpu-user.h>

#include "util/loop.h"

struct trace {
	FILE *file;
	uint64_t next;
};

int trace_new(const char *path, struct trace **ret_trace)
{
	struct trace *t;
	int err;

	if (!path) {
		*ret_trace = NULL;
		return 0;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->file = fopen(path, "we");
	if (!t->file) {
		err = -errno;
		free(t);
		return err;
	}
	setvbuf(t->file, NULL, _IOLBF, 0);
	*ret_trace = t;
	return 0;
}

int trace_free(struct trace *t)
{
	int err = 0;

	if (!t)
		return 0;
	if (ferror(t->file))
		err = -EIO;
	if (fclose(t->file) && !err)
		err = -errno;
	free(t);
	return err;
}

int trace_step(struct trace *t, struct vgpu_rg_context *ctx, unsigned pieces)
{
	uint64_t now, engine;
	int err;

	if (!t)
		return 0;
	now = loop_now_ns();
	if (now < t->next)
		return 0;
	err = vgpu_rg_context_time(ctx, &engine);
	if (err)
		return err;
	fprintf(t->file, "%" PRIu64 " %" PRIu64 " %u\n", now, engine, pieces);
	t->next = now + TRACE_NS;
	return 0;
}
