/* SPDX-License-Identifier: MIT */
/* vgpuctl doctor: what stands in the way of a vGPU in a VM, and the remedy. */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "control/json.h"
#include "util/cleanup.h"

enum { OPT_QEMU, OPT_USER, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
	[OPT_QEMU] = { 0, "qemu", "FILE",
		       "the QEMU that is to be used (default: in PATH)" },
	[OPT_USER] = { 'u', "user", "USER",
		       "whose VMs are to use the vGPUs (default: you, or "
		       "libvirt's user)" },
};

static const char *const finding_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARNING] = "warning",
	[FINDING_PROBLEM] = "problem",
};

void doctor_say(struct doctor *d, enum finding finding, const char *check,
		const char *remedy, const char *fmt, ...)
{
	struct json_object *obj = json_object_new_object();
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	d->counts[finding]++;
	json_set_string(&obj, "check", check);
	json_set_string(&obj, "result", finding_names[finding]);
	json_set_string(&obj, "message", text);
	json_set_string(&obj, "remedy", remedy);
	json_append(&d->findings, obj);
	if (d->ctl->json)
		return;
	ctl_print_line("%-8s %-8s %s", finding_names[finding], check,
		       text ? text : "?");
	if (remedy)
		ctl_print_line("%18s-> %s", "", remedy);
}

static void say_diagnosis(struct doctor *d, struct json_object *diagnosis)
{
	size_t n = json_array_len(diagnosis, "problems");

	doctor_say(d, FINDING_OK, "vgpud", NULL,
		   "vgpud %s runs as pid %" PRId64,
		   json_get_string(diagnosis, "version", "?"),
		   json_get_int(diagnosis, "pid", -1));
	for (size_t i = 0; i < n; i++)
		doctor_say(d, FINDING_PROBLEM, "vgpud", NULL, "%s",
			   json_object_get_string(
				   json_array_at(diagnosis, "problems", i)));
}

static void check_parents(struct doctor *d)
{
	struct control_result res;
	size_t n;

	if (ctl_try(d->ctl, d->ctl->vgpud_path, IO_VGPUD_MANAGER "ListParents",
		    &res))
		return;
	n = json_array_len(res.parameters, "parents");
	if (!n)
		doctor_say(d, FINDING_PROBLEM, "parents",
			   "define one in vgpud's configuration",
			   "there is no parent, so no vGPU can be made");
	for (size_t i = 0; i < n; i++) {
		struct json_object *p =
			json_array_at(res.parameters, "parents", i);
		const char *error = json_get_string(p, "error", NULL);

		if (error)
			doctor_say(d, FINDING_PROBLEM, "parents", NULL,
				   "%s can't be used: %s",
				   json_get_string(p, "name", "?"), error);
	}
	control_result_release(&res);
}

/* Return: vgpud's process, 0: there is none. */
static int64_t check_vgpud(struct doctor *d)
{
	const char *path = d->ctl->vgpud_path, *user;
	struct control_result res;
	int64_t pid;
	int err;

	err = ctl_try(d->ctl, path, IO_VGPUD_MANAGER "Diagnose", &res);
	if (err == -EACCES || err == -EPERM) {
		doctor_say(d, FINDING_PROBLEM, "vgpud",
			   "run 'vgpuctl doctor' as root, or join the socket's "
			   "group: control-group in vgpud's configuration",
			   "you may not use %s", path);
		return 0;
	}
	if (err) {
		doctor_say(d, FINDING_PROBLEM, "vgpud",
			   "start it: 'systemctl start vgpud', or 'vgpud &' "
			   "as yourself; --vgpud names another socket",
			   "nobody answers at %s", path);
		return 0;
	}
	pid = json_get_int(res.parameters, "pid", 0);
	say_diagnosis(d, res.parameters);
	control_result_release(&res);
	check_parents(d);
	if (ctl_try(d->ctl, path, IO_VGPUD_MANAGER "List", &res))
		return pid;
	user = d->ctl->values[OPT_USER];
	doctor_vgpus(d, json_member(res.parameters, "instances"), user);
	control_result_release(&res);
	return pid;
}

static int run(struct ctl *ctl)
{
	struct doctor d = { .ctl = ctl, .findings = json_object_new_array() };
	struct json_object *out;
	int64_t pid;
	int code;

	doctor_kernel(&d);
	doctor_qemu(&d, ctl->values[OPT_QEMU]);
	pid = check_vgpud(&d);
	doctor_limits(&d, pid);
	if (ctl->json) {
		out = json_object_new_object();
		json_set(&out, "findings", d.findings);
		code = ctl_print_json(out);
		json_object_put(out);
	} else {
		ctl_print_line("%u problem%s, %u warning%s",
			       d.counts[FINDING_PROBLEM],
			       d.counts[FINDING_PROBLEM] == 1 ? "" : "s",
			       d.counts[FINDING_WARNING],
			       d.counts[FINDING_WARNING] == 1 ? "" : "s");
		code = ctl_flush();
		json_object_put(d.findings);
	}
	return !code && d.counts[FINDING_PROBLEM] ? EXIT_FAILED : code;
}

const struct cmd_verb verb_doctor = {
	.name = "doctor",
	.summary = "find what is wrong, and say the remedy",
	.text = "Looks at the kernel, QEMU, vgpud, the limits, the vGPUs' "
		"sockets (may the VMs'\n"
		"user use them?) and the memory of the VMs that are attached "
		"(is it shared?).\n"
		"The exit status is 1 if there is a problem; warnings may be "
		"as they are meant to\n"
		"be.",
	.example = "  $ vgpuctl doctor\n"
		   "  $ sudo vgpuctl doctor --user libvirt-qemu\n",
	.options = options,
	.n_options = N_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run,
};
