/* SPDX-License-Identifier: MIT */
/*
 * vgpuctl screenshot: a picture of a vGPU's screen.
 *
 * The pixels are read and compressed here, from the files behind the screen:
 * vgpu-device only hands over their descriptors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vgpu/display.h>

#include "call.h"
#include "control/json.h"
#include "display/png.h"
#include "display/reader.h"

/* When the screen is replaced while it is read (another VM starts). */
#define MAX_TRIES 5

enum { OPT_OUTPUT, OPT_PLANE, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
	[OPT_OUTPUT] = { 'o', "output", "FILE",
			 "where the PNG goes; '-': stdout" },
	[OPT_PLANE] = { 'p', "plane", "N",
			"which plane (default: 0, the primary one)" },
};

/* Tell the reader the files that came with GetDisplay's reply. */
static int set_files(struct display_reader *reader,
		     const struct control_result *res)
{
	for (size_t i = 0; i < json_array_len(res->parameters, "files"); i++) {
		struct json_object *file =
			json_array_at(res->parameters, "files", i);
		int64_t fd = json_get_int(file, "fd", -1);
		int64_t region = json_get_int(file, "region", -1);
		int err;

		if (fd < 0 || (uint64_t)fd >= res->n_fds || region < 0 ||
		    region >= VGPU_NUM_BARS)
			return -EBADMSG;
		err = display_reader_set_file(
			reader, (unsigned)region,
			json_get_bool(file, "hidden", false), res->fds[fd]);
		if (err)
			return err;
	}
	return 0;
}

static int read_picture(const struct control_result *res, unsigned plane,
			struct picture *ret_picture)
{
	int64_t fd = json_get_int(res->parameters, "description", -1);
	struct display_reader *reader;
	int err;

	if (fd < 0 || (uint64_t)fd >= res->n_fds)
		return -EBADMSG;
	err = display_reader_new(res->fds[fd], &reader);
	if (err)
		return err;
	/* Files and description must be of the same generation. */
	if (display_reader_generation(reader) !=
	    (uint64_t)json_get_int(res->parameters, "generation", -1))
		err = -ESTALE;
	if (!err)
		err = set_files(reader, res);
	if (!err)
		err = display_reader_picture(reader, plane, ret_picture);
	display_reader_free(reader);
	return err;
}

/* Return: 0, or an exit code; then it was said why. */
static int take(struct ctl *ctl, unsigned plane, struct picture *ret_picture)
{
	int err = 0;

	for (int i = 0; i < MAX_TRIES; i++) {
		struct control_result res;
		int code =
			ctl_call(ctl, IO_VGPUD_DEVICE "GetDisplay", NULL, &res);

		if (code)
			return code;
		err = read_picture(&res, plane, ret_picture);
		control_result_release(&res);
		if (err != -ESTALE)
			break;
	}
	switch (err) {
	case 0:
		return 0;
	case -ENODATA:
		return ctl_fail(EXIT_FAILED,
				"plane %u is off: the guest shows "
				"nothing there (yet); 'vgpuctl info' tells "
				"whether a VM is attached",
				plane);
	case -ESTALE:
	case -EBUSY:
		return ctl_fail(EXIT_FAILED, "the screen changes all the time: "
					     "try again");
	case -EPROTONOSUPPORT:
		return ctl_fail(EXIT_FAILED,
				"the vgpu-device describes its "
				"screen in another version than this vgpuctl "
				"(%s) understands",
				VGPU_VERSION);
	case -EBADMSG:
		return ctl_fail(EXIT_FAILED,
				"the vgpu-device's description of "
				"its screen makes no sense: is it of another "
				"version than this vgpuctl (%s)?",
				VGPU_VERSION);
	default:
		return ctl_fail(EXIT_FAILED, "cannot read the screen: %s",
				strerror(-err));
	}
}

static int save(const struct picture *picture, const char *file)
{
	int err;

	if (strcmp(file, "-"))
		err = picture_save_png(picture, file);
	else
		err = picture_write_png(picture, STDOUT_FILENO);
	if (!err)
		return EXIT_OK;
	return ctl_fail(EXIT_FAILED, "cannot write the picture to %s: %s",
			strcmp(file, "-") ? file : "stdout", strerror(-err));
}

static int report(struct ctl *ctl, const struct picture *picture,
		  const char *file)
{
	struct json_object *obj;
	int code;

	if (!strcmp(file, "-")) /* the picture is all that goes there */
		return EXIT_OK;
	if (!ctl->json) {
		char text[64];

		snprintf(text, sizeof(text), "%ux%u", picture->width,
			 picture->height);
		ctl_print_field(text, file);
		return ctl_flush();
	}
	obj = json_object_new_object();
	json_set_string(&obj, "file", file);
	json_set_uint(&obj, "width", picture->width);
	json_set_uint(&obj, "height", picture->height);
	json_set_uint(&obj, "serial", picture->serial);
	code = ctl_print_json(obj);
	json_object_put(obj);
	return code;
}

static int run(struct ctl *ctl)
{
	const char *file = ctl->values[OPT_OUTPUT];
	const char *number = ctl->values[OPT_PLANE];
	struct picture picture = { 0 };
	unsigned long plane = 0;
	char *end;
	int code;

	if (!file || !*file)
		return ctl_fail(EXIT_USAGE, "screenshot: -o FILE is missing: "
					    "where is the picture to go?");
	if (!strcmp(file, "-") && isatty(STDOUT_FILENO))
		return ctl_fail(EXIT_USAGE,
				"screenshot: a PNG is nothing for "
				"a terminal: redirect stdout, or name a file");
	if (number) {
		plane = strtoul(number, &end, 10);
		if (*number < '0' || *number > '9' || *end ||
		    plane >= VGPU_MAX_PLANES)
			return ctl_fail(EXIT_USAGE,
					"screenshot: --plane is a "
					"number from 0 to %d",
					VGPU_MAX_PLANES - 1);
	}
	code = take(ctl, (unsigned)plane, &picture);
	if (!code)
		code = save(&picture, file);
	if (!code)
		code = report(ctl, &picture, file);
	picture_fini(&picture);
	return code;
}

const struct cmd_verb verb_screenshot = {
	.name = "screenshot",
	.summary = "save a picture of the screen",
	.text = "Saves what the guest shows on the vGPU's screen as a PNG. The "
		"file is replaced\n"
		"when the picture is complete, so that nobody ever sees half "
		"of one. The guest\n"
		"goes on drawing meanwhile: a picture may hold parts of two "
		"frames.",
	.example = "  $ vgpuctl screenshot desk -o screen.png\n"
		   "  $ vgpuctl screenshot desk -o - | ssh desk display -\n",
	.options = options,
	.n_options = N_OPTIONS,
	.operand = "[NAME]",
	.target = ASKS_DEVICE,
	.run = run,
};
