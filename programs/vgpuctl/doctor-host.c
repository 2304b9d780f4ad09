/* SPDX-License-Identifier: MIT */
/* vgpuctl doctor: the kernel, and the limits of vgpud's process. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"
#include "util/cleanup.h"

#define KERNEL_MAJOR 5 /* close_range(), pidfd_open(), openat2() */
#define KERNEL_MINOR 9

/* Descriptors of vgpud: a few for itself, and for each vGPU. */
#define WANTED_FILES 4096
/* Mappings of a process: a VM's memory may come in many pieces. */
#define WANTED_MAPS 65530

static void check_version(struct doctor *d)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		doctor_say(d, FINDING_WARNING, "kernel", NULL,
			   "its version can't be told");
	else if (major < KERNEL_MAJOR ||
		 (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		doctor_say(d, FINDING_PROBLEM, "kernel",
			   "Linux 5.9 or newer is needed; 6.1 is tested",
			   "Linux %s is too old", u.release);
	else
		doctor_say(d, FINDING_OK, "kernel", NULL, "Linux %s",
			   u.release);
}

static void check_landlock(struct doctor *d)
{
	/* No constant of <linux/landlock.h>, which old headers lack:
	 * landlock_create_ruleset(NULL, 0, VERSION) answers the ABI. */
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);

	if (abi >= 1)
		doctor_say(d, FINDING_OK, "kernel", NULL,
			   "Landlock (ABI %ld) confines workers' files", abi);
	else
		doctor_say(d, FINDING_WARNING, "kernel",
			   "boot with lsm=landlock,... and a kernel that has "
			   "CONFIG_SECURITY_LANDLOCK",
			   "no Landlock: workers are confined by seccomp and "
			   "permissions alone");
}

static void check_kvm(struct doctor *d)
{
	cleanup_fd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		doctor_say(d, FINDING_OK, "kvm", NULL, "/dev/kvm can be used");
	else if (errno == EACCES)
		doctor_say(d, FINDING_WARNING, "kvm",
			   "join the group kvm, unless VMs run as another user",
			   "/dev/kvm is there, but not for you");
	else
		doctor_say(d, FINDING_WARNING, "kvm",
			   "enable virtualisation in the firmware, load "
			   "kvm_intel or kvm_amd",
			   "no KVM (%s): VMs will be very slow",
			   strerror(errno));
}

void doctor_kernel(struct doctor *d)
{
	check_version(d);
	check_landlock(d);
	check_kvm(d);
}

/* A line "Max open files   1024   4096   files"; RLIM_INFINITY: unlimited. */
static int read_limit(int64_t pid, const char *name, uint64_t *ret_soft)
{
	cleanup_file FILE *file = NULL;
	char path[64], line[256];
	size_t len = strlen(name);

	if (pid)
		snprintf(path, sizeof(path), "/proc/%" PRId64 "/limits", pid);
	else
		snprintf(path, sizeof(path), "/proc/self/limits");
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		char word[32];

		if (strncmp(line, name, len) ||
		    sscanf(line + len, "%31s", word) != 1)
			continue;
		*ret_soft = strcmp(word, "unlimited") ? strtoull(word, NULL, 10)
						      : UINT64_MAX;
		return 0;
	}
	return -ENOENT;
}

static void check_files(struct doctor *d, int64_t pid)
{
	const char *whose = pid ? "vgpud"
				: "this shell (of vgpud it isn't known)";
	uint64_t limit;

	if (read_limit(pid, "Max open files", &limit))
		doctor_say(d, FINDING_WARNING, "limits",
			   "run 'vgpuctl doctor' as root",
			   "the limits of vgpud can't be read");
	else if (limit < WANTED_FILES)
		doctor_say(d, pid ? FINDING_PROBLEM : FINDING_WARNING, "limits",
			   "raise LimitNOFILE= in vgpud.service, or 'ulimit -n "
			   "4096' before vgpud",
			   "%s may open %" PRIu64 " files: too few for many "
			   "vGPUs",
			   whose, limit);
	else
		doctor_say(d, FINDING_OK, "limits", NULL,
			   "%s may open %" PRIu64 " files", whose, limit);
}

static void check_maps(struct doctor *d)
{
	cleanup_file FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	uint64_t limit;

	if (!file || fscanf(file, "%" SCNu64, &limit) != 1)
		return; /* the kernel doesn't say: there is nothing to advise */
	if (limit < WANTED_MAPS)
		doctor_say(d, FINDING_PROBLEM, "limits",
			   "sysctl vm.max_map_count=65530",
			   "a process may have %" PRIu64 " mappings: too few "
			   "for VMs with memory in many pieces",
			   limit);
}

void doctor_limits(struct doctor *d, int64_t pid)
{
	check_files(d, pid);
	check_maps(d);
}
