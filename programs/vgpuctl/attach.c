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

/* Words of these need no quotes in a shell. */
#define PLAIN                                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"       \
	"-_=,.:/"

enum { OPT_QEMU, OPT_QMP, OPT_LIBVIRT, OPT_MEMORY, OPT_BUS, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
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
static void print_quoted(FILE *to, const char *text,
			 const char *(*special)(char c, char *buf))
{
	cleanup_free char *copy = strdup(text);
	char buf[8];

	if (!copy)
		return; /* what is left out makes no sense to who reads it */
	text_make_printable(copy);
	for (const char *p = copy; *p; p++)
		fputs(special(*p, buf), to);
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
	return for_shell(c, buf);
}

static const char *json_text(struct json_object *obj)
{
	return json_object_to_json_string_ext(
		obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- what QEMU takes ------------------------------------------------ */

/* NULL: no memory. */
static struct json_object *device_object(struct ctl *ctl,
					 struct json_object *instance)
{
	struct json_object *device = json_object_new_object();
	struct json_object *socket = json_object_new_object();
	char id[48];

	/* Names in QEMU begin with a letter. */
	snprintf(id, sizeof(id), "vgpu-%.36s",
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

/* On one line, for a shell: quoted where there is more than plain words. */
static void print_words(struct json_object *words)
{
	for (size_t i = 0; i < json_object_array_length(words); i++) {
		const char *word = json_object_get_string(
			json_object_array_get_idx(words, i));

		if (i)
			putchar(' ');
		if (!word[strspn(word, PLAIN)]) {
			fputs(word, stdout);
			continue;
		}
		putchar('\'');
		print_quoted(stdout, word, for_shell);
		putchar('\'');
	}
	putchar('\n');
}

/* The memory once, and the devices. */
static int print_qemu(struct ctl *ctl, struct json_object *devices)
{
	const char *size = ctl->values[OPT_MEMORY];
	struct json_object *array = json_object_new_array();
	struct json_object *out = json_object_new_object();
	char backend[128];
	int code;

	if (!size)
		size = DEFAULT_MEMORY;
	snprintf(backend, sizeof(backend),
		 "memory-backend-memfd,id=" MEMORY_ID ",size=%s,share=on",
		 size);
	json_append(&array, json_new_string("-m"));
	json_append(&array, json_new_string(size));
	json_append(&array, json_new_string("-object"));
	json_append(&array, json_new_string(backend));
	json_append(&array, json_new_string("-machine"));
	json_append(&array, json_new_string("memory-backend=" MEMORY_ID));
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		json_append(&array, json_new_string("-device"));
		json_append(&array,
			    json_new_string(json_text(
				    json_object_array_get_idx(devices, i))));
	}
	json_set(&out, "arguments", array);
	if (ctl->json) {
		code = ctl_print_json(out);
	} else {
		print_words(json_member(out, "arguments"));
		code = ctl_flush();
	}
	json_object_put(out);
	return code;
}

/* A command for each. */
static int print_qmp(struct ctl *ctl, struct json_object *devices)
{
	int code = EXIT_OK;

	for (size_t i = 0; !code && i < json_object_array_length(devices);
	     i++) {
		struct json_object *command = json_object_new_object();

		json_set_string(&command, "execute", "device_add");
		json_set(
			&command, "arguments",
			json_object_get(json_object_array_get_idx(devices, i)));
		if (ctl->json) {
			code = ctl_print_json(command);
		} else {
			code = ctl_print_json_line(command);
			if (!code)
				code = ctl_flush();
		}
		json_object_put(command);
	}
	return code;
}

/* Whole elements; between them, an argument for each device. */
#define LIBVIRT_HEAD                                                           \
	"<memoryBacking>\n"                                                    \
	"  <source type='memfd'/>\n"                                           \
	"  <access mode='shared'/>\n"                                          \
	"</memoryBacking>\n"                                                   \
	"<qemu:commandline "                                                   \
	"xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
#define LIBVIRT_DEVICE                                                         \
	"  <qemu:arg value='-device'/>\n"                                      \
	"  <qemu:arg value='"
#define LIBVIRT_TAIL "</qemu:commandline>\n"

/* NULL: no memory. */
static char *libvirt_text(struct json_object *devices)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs(LIBVIRT_HEAD, f);
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		fputs(LIBVIRT_DEVICE, f);
		print_quoted(f,
			     json_text(json_object_array_get_idx(devices, i)),
			     for_xml);
		fputs("'/>\n", f);
	}
	fputs(LIBVIRT_TAIL, f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int print_libvirt(struct ctl *ctl, struct json_object *devices)
{
	cleanup_free char *text = libvirt_text(devices);
	struct json_object *out;
	int code;

	if (!text)
		return ctl_fail(EXIT_FAILED, "%s", strerror(ENOMEM));
	if (!ctl->json) {
		fputs(text, stdout);
		return ctl_flush();
	}
	out = json_object_new_object();
	json_set_string(&out, "xml", text);
	code = ctl_print_json(out);
	json_object_put(out);
	return code;
}

/* ---- what to know --------------------------------------------------- */

static void note_msix(struct ctl *ctl, struct json_object *instance)
{
	const char *control = json_get_string(instance, "control", "");
	struct control_result res;
	bool msix;

	if (!*control || ctl_try(ctl, control, IO_VGPUD_DEVICE "GetInfo", &res))
		return; /* it does not run: that has been said */
	msix = json_get_bool(res.parameters, "msix", false);
	control_result_release(&res);
	if (msix)
		ctl_note("%s has MSI-X: QEMU 11.1 aborts when such a device is "
			 "unplugged (device_del). Shut the VM down instead.",
			 instance_name(instance));
}

static void note_instance(struct ctl *ctl, struct json_object *instance)
{
	const char *state = json_get_string(instance, "state", "?");
	const char *name = instance_name(instance);

	if (!strcmp(state, "attached"))
		ctl_note("Another process is on %s: a vGPU takes one at a "
			 "time.",
			 name);
	else if (strcmp(state, "active"))
		ctl_note("%s does not run (it is %s): 'vgpuctl start %s' "
			 "first.",
			 name, state, name);
	note_msix(ctl, instance);
}

static void note_hotplug(const struct ctl *ctl)
{
	ctl_note("The VM must have shared memory: it was started with a memory "
		 "backend that has share=on.");
	if (!ctl->values[OPT_BUS])
		ctl_note("A q35 machine hot-plugs into a free pcie-root-port "
			 "only: name it with --bus.");
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

/* Ask for all that are named, say what is to be known of each, and add its
 * device to @devices. */
static int collect(struct ctl *ctl, struct json_object **devices)
{
	for (size_t i = 0; i < ctl->n_operands; i++) {
		struct control_result res;
		struct json_object *instance;
		int code = ctl_show(ctl, ctl->operands[i], &res);

		if (code)
			return code;
		instance = json_member(res.parameters, "instance");
		json_append(devices, device_object(ctl, instance));
		note_instance(ctl, instance);
		control_result_release(&res);
	}
	return *devices ? 0 : ctl_fail(EXIT_FAILED, "%s", strerror(ENOMEM));
}

static int run(struct ctl *ctl)
{
	struct json_object *devices;
	int code = check_options(ctl);

	if (code)
		return code;
	devices = json_object_new_array();
	code = collect(ctl, &devices);
	if (!code && ctl->values[OPT_QEMU])
		code = print_qemu(ctl, devices);
	else if (!code && ctl->values[OPT_QMP])
		code = print_qmp(ctl, devices);
	else if (!code)
		code = print_libvirt(ctl, devices);
	if (!code && ctl->values[OPT_QMP])
		note_hotplug(ctl);
	json_object_put(devices);
	return code;
}

const struct cmd_verb verb_attach_args = {
	.name = "attach-args",
	.summary = "what to tell QEMU or libvirt, so that a VM gets vGPUs",
	.text = "Prints exactly what to paste: for a QEMU (10.1 or newer) that "
		"is started, for one\n"
		"that runs, or for a libvirt domain. Memory that is shared "
		"with the vGPUs is part of\n"
		"it, so name all vGPUs of a VM in one go. What is to be known "
		"besides goes to\n"
		"stderr.",
	.example = "  $ eval qemu-system-x86_64 -M q35 -accel kvm "
		   "$(vgpuctl attach-args desk wall --qemu)\n"
		   "  $ vgpuctl attach-args desk --qmp --bus rp1 | "
		   "qmp-shell -N /tmp/qmp.sock\n",
	.options = options,
	.n_options = N_OPTIONS,
	.operand = "NAME...",
	.target = ASKS_VGPUD,
	.run = run,
};
