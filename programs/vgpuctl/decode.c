/* SPDX-License-Identifier: MIT */
/* vgpuctl decode: a recording, readable. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "transport/recording.h"
#include "util/cleanup.h"
#include "vfio-user/describe.h"

#define LINE_BYTES 512

static void print_text(const struct recording_message *m, const char *line)
{
	const struct recording_frame *f = &m->frame;

	printf("%4" PRIu32 " %12.6f %s %s\n", f->connection,
	       (double)f->time_ns / 1e9,
	       f->direction == RECORDING_IN ? "->" : "<-", line);
}

/* One object a line, so that long recordings need no memory. */
static void print_json(const struct recording_message *m, const char *line)
{
	const struct recording_frame *f = &m->frame;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "connection",
			       json_object_new_int64(f->connection));
	json_object_object_add(o, "time_ns",
			       json_object_new_int64((int64_t)f->time_ns));
	json_object_object_add(
		o, "direction",
		json_object_new_string(f->direction == RECORDING_IN ? "in"
								    : "out"));
	json_object_object_add(o, "size", json_object_new_int64(f->size));
	json_object_object_add(o, "fds", json_object_new_int(f->n_fds));
	json_object_object_add(o, "message", json_object_new_string(line));
	ctl_print_json_line(o);
	json_object_put(o);
}

static int decode(struct ctl *ctl, struct recording *rec)
{
	struct recording_message m;
	char line[LINE_BYTES];
	int ret;

	while ((ret = recording_next(rec, &m)) == 1) {
		vfio_user_describe(line, sizeof(line), m.data, m.frame.size,
				   m.frame.n_fds);
		if (ctl->json)
			print_json(&m, line);
		else
			print_text(&m, line);
	}
	if (ret < 0)
		return ctl_fail(EXIT_FAILED,
				"decode: %s: damaged or cut off behind what is "
				"shown",
				ctl->operand);
	return ctl_flush();
}

static int run(struct ctl *ctl)
{
	cleanup_file FILE *file = NULL;
	struct recording *rec;
	int err, code;

	if (!strcmp(ctl->operand, "-"))
		file = fdopen(dup(STDIN_FILENO), "r");
	else
		file = fopen(ctl->operand, "re");
	if (!file)
		return ctl_fail(EXIT_FAILED, "decode: cannot read %s: %s",
				ctl->operand, strerror(errno));
	err = recording_open(file, &rec);
	if (err)
		return ctl_fail(EXIT_FAILED, "decode: %s: %s", ctl->operand,
				err == -EINVAL ? "not a recording (vgpu-device "
						 "--record makes one)"
					       : strerror(-err));
	code = decode(ctl, rec);
	recording_close(rec);
	return code;
}

const struct cmd_verb verb_decode = {
	.name = "decode",
	.summary = "print a recorded conversation",
	.text = "Prints what 'vgpu-device --record' wrote, a line a message: "
		"the number of the\n"
		"client, seconds since the start, -> for the client's messages "
		"and <- for the\n"
		"vGPU's, and what the message says. FILE may be - for standard "
		"input.\n"
		"With --json: one object a line.",
	.example = "  $ vgpu-device --type bochs-16m --socket-path "
		   "/tmp/vgpu.sock --record /tmp/vgpu.rec\n"
		   "  $ vgpuctl decode /tmp/vgpu.rec | less\n",
	.operand = "FILE",
	.target = ASKS_NOBODY,
	.run = run,
};
