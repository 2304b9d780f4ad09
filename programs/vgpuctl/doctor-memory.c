/* SPDX-License-Identifier: MIT */
/*
 * vgpuctl doctor: is the memory of the VMs that are attached shared?
 *
 * A vGPU's process knows by which file its client's memory came, but not how
 * the client has mapped that file: its sandbox hides other processes. So that
 * is looked up here, where the one who asks has the rights or has not.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "control/json.h"
#include "dma/space.h"
#include "doctor.h"
#include "instance.h"

#define SHARE_REMEDY                                                           \
	"start the VM as 'vgpuctl attach-args' says: with a memory "           \
	"backend that has share=on; in libvirt: <access mode='shared'/>"

/* "none", "private", "shared", "unknown", or "hidden" from who asks. */
static const char *memory_of(struct json_object *info, int64_t pid)
{
	const char *memory = json_get_string(info, "memory", "");
	struct json_object *file = json_member(info, "memory_file");
	dev_t dev;

	if (strcmp(memory, "unknown") || !file || pid <= 0)
		return memory;
	dev = makedev((unsigned)json_get_int(file, "major", 0),
		      (unsigned)json_get_int(file, "minor", 0));
	switch (dma_file_sharing((pid_t)pid, dev,
				 (uint64_t)json_get_int(file, "inode", 0))) {
	case DMA_SHARING_PRIVATE:
		return "private";
	case DMA_SHARING_SHARED:
		return "shared";
	case DMA_SHARING_UNKNOWN:
		return "unknown";
	default:
		return "hidden";
	}
}

static void say(struct doctor *d, const char *memory, const char *name,
		int64_t pid)
{
	if (!strcmp(memory, "none"))
		doctor_say(d, FINDING_PROBLEM, "memory", SHARE_REMEDY,
			   "the client of %s (pid %" PRId64 ") does not share "
			   "its memory: the vGPU can't reach it",
			   name, pid);
	else if (!strcmp(memory, "private"))
		doctor_say(d, FINDING_PROBLEM, "memory", SHARE_REMEDY,
			   "the client of %s (pid %" PRId64 ") has mapped its "
			   "memory privately: it won't see what the vGPU "
			   "writes",
			   name, pid);
	else if (!strcmp(memory, "shared"))
		doctor_say(d, FINDING_OK, "memory", NULL,
			   "the client of %s (pid %" PRId64 ") shares its "
			   "memory",
			   name, pid);
	else if (!strcmp(memory, "hidden"))
		doctor_say(d, FINDING_WARNING, "memory",
			   "run 'vgpuctl doctor' as root, or as the VM's user",
			   "you may not see whether the client of %s (pid "
			   "%" PRId64 ") shares its memory",
			   name, pid);
}

void doctor_memory(struct doctor *d, struct json_object *instance)
{
	const char *name = instance_name(instance);
	int64_t pid = json_get_int(json_member(instance, "client"), "pid", -1);
	struct control_result res;

	if (ctl_try(d->ctl, json_get_string(instance, "control", ""),
		    IO_VGPUD_DEVICE "GetInfo", &res)) {
		doctor_say(d, FINDING_PROBLEM, "memory",
			   "see 'vgpuctl log'; may you use its control socket?",
			   "the process of %s does not answer", name);
		return;
	}
	say(d, memory_of(res.parameters, pid), name, pid);
	control_result_release(&res);
}
