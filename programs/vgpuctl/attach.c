/* SPDX-License-Identifier: MIT */
/*
 * vgpuctl attach-args: what to paste, so that a VM gets the vGPU.
 *
 * vfio-user-pci is in QEMU from 10.1 on and takes -device as JSON only. The
 * guest's memory must be of a shared kind, since the vGPU reads and writes it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "instance.h"
#include "util/cleanup.h"
#include "util/text.h"

#define MEMORY_ID      "vgpu-ram"
#define DEFAULT_MEMORY "4G"

enum { OPT_QEMU, OPT_QMP, OPT_LIBVIRT, OPT_MEMORY, OPT_BUS, N_OPTIONS };

static const struct verb_option options[N_OPTIONS] = {
	[OPT_QEMU] = { 0, "qemu", NULL, "arguments for QEMU's command line" },
	[OPT_QMP] = { 0, "qmp", NULL, "a command for the monitor (hot-plug)" },
	[OPT_LIBVIRT] = { 0, "libvirt", NULL, "elements for a domain's XML" },
	[OPT_MEMORY] = { 'm', "memory", "SIZE",
			 "the guest's memory, as QEMU's -m (default: 4G)" },
	[OPT_BUS] = { 'b', "bus", "BUS",
		      "the bus to plug into; q35 hot-plugs into a "
		      "pcie-root-port only" },
};

/* ---- quoting -------------------------------------------------------- */

/* Print @text with what @special has of its characters replaced. Control
 * characters can't be in a path of ours, and are replaced all the same. */
static void print_quoted(const char *text,
			 const char *(*special)(char c, char *buf))
{
	cleanup_free char *copy = strdup(text);
	char buf[8];

	if (!copy)
		return; /* ctl_flush() won't know; the line is cut short */
	text_make_printable(copy);
	for (const char *p = copy; *p; p++)
		fputs(special(*p, buf), stdout);
}

static const char *for_shell(char c, char *buf)
{
	if (c == '\'')
		return "'\\''";
	buf[0] = c;
	buf[1] = '\0';
	return buf;
}

static const char *for_xml(char c, char *buf)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\'':
		return "&apos;";
	}
	return for_shell(c == '\'' ? ' ' : c, buf);
}

static const char *json_text(struct json_object *obj)
{
	return json_object_to_json_string_ext(
		obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- what QEMU takes ------------------------------------------------ */

static struct json_object *device_object(struct ctl *ctl,
					 struct json_object *instance)
{
	struct json_object *device = json_object_new_object();
	struct json_object *socket = json_object_new_object();
	char id[32];

	/* Names in QEMU begin with a letter. */
	snprintf(id, sizeof(id), "vgpu-%.8s",
		 json_get_string(instance, "uuid", "0"));
	json_set_string(&socket, "type", "unix");
	json_set_string(&socket, "path",
			json_get_string(instance, "socket", ""));
	json_set_string(&device, "driver", "vfio-user-pci");
	json_set_string(&device, "id", id);
	if (ctl->values[OPT_BUS])
		json_set_string(&device, "bus", ctl->values[OPT_BUS]);
	json_set(&device, "socket", socket);
	return device;
}

static int print_qemu(struct ctl *ctl, struct json_object *device)
{
	const char *size = ctl->values[OPT_MEMORY];
	char backend[128];
	const char *arguments[] = {
		"-m",	    size ? size : DEFAULT_MEMORY,
		"-object",  backend,
		"-machine", "memory-backend=" MEMORY_ID,
		"-device",  json_text(device),
	};
	size_t n = sizeof(arguments) / sizeof(*arguments);
	struct json_object *out = json_object_new_object();
	struct json_object *array = json_object_new_array();
	int code;

	snprintf(backend, sizeof(backend),
		 "memory-backend-memfd,id=" MEMORY_ID ",size=%s,share=on",
		 arguments[1]);
	if (ctl->json) {
		for (size_t i = 0; i < n; i++)
			json_append(&array, json_new_string(arguments[i]));
		json_set(&out, "arguments", array);
		code = ctl_print_json(out);
	} else {
		for (size_t i = 0; i < n - 1; i++)
			printf("%s ", arguments[i]);
		putchar('\'');
		print_quoted(arguments[n - 1], for_shell);
		puts("'");
		code = ctl_flush();
		json_object_put(array);
	}
	json_object_put(out);
	return code;
}

static int print_qmp(struct ctl *ctl, struct json_object *device)
{
	struct json_object *command = json_object_new_object();
	int code;

	json_set_string(&command, "execute", "device_add");
	json_set(&command, "arguments", json_object_get(device));
	if (ctl->json) {
		code = ctl_print_json(command);
	} else {
		puts(json_text(command));
		code = ctl_flush();
	}
	json_object_put(command);
	return code;
}

/* Whole elements; print_libvirt() leaves a place for the device. */
#define LIBVIRT_HEAD                                                           \
	"<memoryBacking>\n"                                                    \
	"  <source type='memfd'/>\n"                                           \
	"  <access mode='shared'/>\n"                                          \
	"</memoryBacking>\n"                                                   \
	"<qemu:commandline "                                                   \
	"xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"           \
	"  <qemu:arg value='-device'/>\n"                                      \
	"  <qemu:arg value='"
#define LIBVIRT_TAIL                                                           \
	"'/>\n"                                                                \
	"</qemu:commandline>"

static int print_libvirt(struct ctl *ctl, struct json_object *device)
{
	if (ctl->json)
		return ctl_fail(EXIT_USAGE,
				"attach-args: XML is no JSON: leave --libvirt "
				"or --output json");
	fputs(LIBVIRT_HEAD, stdout);
	print_quoted(json_text(device), for_xml);
	puts(LIBVIRT_TAIL);
	return ctl_flush();
}

/* ---- what to know --------------------------------------------------- */

static void note_msix(struct ctl *ctl, struct json_object *instance)
{
	const char *control = json_get_string(instance, "control", "");
	struct control_result res;
	bool msix;

	if (!*control || ctl_try(ctl, control, IO_VGPUD_DEVICE "GetInfo", &res))
		return; /* it does not run: notes() says so */
	msix = json_get_bool(res.parameters, "msix", false);
	control_result_release(&res);
	if (msix)
		ctl_note("It has MSI-X: QEMU 11.1 aborts when such a device is "
			 "unplugged (device_del). Shut the VM down instead.");
}

static void notes(struct ctl *ctl, struct json_object *instance)
{
	const char *state = json_get_string(instance, "state", "?");

	if (!strcmp(state, "attached"))
		ctl_note("Another process is on it: a vGPU takes one at a "
			 "time.");
	else if (strcmp(state, "active"))
		ctl_note(
			"It does not run (it is %s): 'vgpuctl start %s' first.",
			state, instance_name(instance));
	if (ctl->values[OPT_QMP]) {
		ctl_note("The VM must have shared memory: it was started with "
			 "a memory backend that has share=on.");
		if (!ctl->values[OPT_BUS])
			ctl_note("A q35 machine hot-plugs into a free "
				 "pcie-root-port only: name it with --bus.");
	}
	note_msix(ctl, instance);
}

static bool is_size(const char *text)
{
	if (!isdigit((unsigned char)*text))
		return false;
	while (isdigit((unsigned char)*text))
		text++;
	return !*text || (strchr("kKmMgGtT", *text) && !text[1]);
}

static int check_options(const struct ctl *ctl)
{
	const char *size = ctl->values[OPT_MEMORY];

	if (!!ctl->values[OPT_QEMU] + !!ctl->values[OPT_QMP] +
		    !!ctl->values[OPT_LIBVIRT] !=
	    1)
		return ctl_fail(EXIT_USAGE, "attach-args: for whom? Say one of "
					    "--qemu, --qmp and --libvirt");
	if (size && (!is_size(size) || strlen(size) > 20))
		return ctl_fail(EXIT_USAGE,
				"attach-args: --memory is a size as 512M or "
				"4G, not '%s'",
				size);
	return 0;
}

static int run(struct ctl *ctl)
{
	struct json_object *instance, *device;
	struct control_result res;
	int code = check_options(ctl);

	if (!code)
		code = ctl_show(ctl, ctl->operand, &res);
	if (code)
		return code;
	instance = json_member(res.parameters, "instance");
	device = device_object(ctl, instance);
	if (!device)
		code = ctl_fail(EXIT_FAILED, "%s", strerror(ENOMEM));
	else if (ctl->values[OPT_QEMU])
		code = print_qemu(ctl, device);
	else if (ctl->values[OPT_QMP])
		code = print_qmp(ctl, device);
	else
		code = print_libvirt(ctl, device);
	if (!code)
		notes(ctl, instance);
	json_object_put(device);
	control_result_release(&res);
	return code;
}

const struct verb verb_attach_args = {
	.name = "attach-args",
	.summary = "what to tell QEMU or libvirt, so that a VM gets the vGPU",
	.text = "Prints exactly what to paste: for a QEMU (10.1 or newer) that "
		"is started, for one\n"
		"that runs, or for a libvirt domain. Memory that is shared "
		"with the vGPU is part of\n"
		"it. What is to be known besides goes to stderr.",
	.example = "  $ eval qemu-system-x86_64 -M q35 -accel kvm "
		   "$(vgpuctl attach-args desk --qemu)\n"
		   "  $ vgpuctl attach-args desk --qmp --bus rp1 | "
		   "qmp-shell -N /tmp/qmp.sock\n",
	.options = options,
	.n_options = N_OPTIONS,
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run,
};
