/* SPDX-License-Identifier: MIT */
/* What 'vgpuctl doctor' finds. */
#ifndef VGPUCTL_DOCTOR_H
#define VGPUCTL_DOCTOR_H

#include "call.h"

struct json_object;

/* How bad it is. A warning may be as it is meant to be. */
enum finding { FINDING_OK, FINDING_WARNING, FINDING_PROBLEM };

struct doctor {
	struct ctl *ctl;
	struct json_object *findings;
	unsigned counts[3];
};

/**
 * doctor_say() - report a finding, and print it
 * @check: what was looked at, one word
 * @remedy: what to do about it; NULL: nothing
 */
__attribute__((format(printf, 5, 6))) void
doctor_say(struct doctor *d, enum finding finding, const char *check,
	   const char *remedy, const char *fmt, ...);

/* The machine: kernel, KVM, limits. */
void doctor_kernel(struct doctor *d);
/* @pid: vgpud's; 0: not known, so the limits are this process's. */
void doctor_limits(struct doctor *d, int64_t pid);
/* @program: path or name of a QEMU; NULL: the one in PATH, if any. */
void doctor_qemu(struct doctor *d, const char *program);
/* May @user (NULL: those that run QEMU for libvirt, where there are any) use
 * the vGPUs' sockets; which have failed; is their clients' memory shared? */
void doctor_vgpus(struct doctor *d, struct json_object *instances,
		  const char *user);
/* Of one that has a client. */
void doctor_memory(struct doctor *d, struct json_object *instance);

#endif
