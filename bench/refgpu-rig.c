/* SPDX-License-Identifier: MIT */
/* vgpu-parent and vgpu-device as they are installed, and the bare model. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "direct.h"
#include "refgpu.h"

#define VRAM	    (1ull << 30)
#define PATIENCE_NS 20000000000ull

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench-refgpu: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* Where this program was built; its parts lie around it. */
static void build_path(char path[PATH_MAX], const char *part)
{
	char self[PATH_MAX] = "", *slash;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		exit(1);
	slash = strrchr(self, '/');
	if (!slash ||
	    (size_t)snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self),
			     self, part) >= PATH_MAX)
		exit(1);
}

static pid_t spawn(const char *const *argv)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static void await(const char *path)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (access(path, F_OK)) {
		if (now_ns() > end)
			must(-ETIMEDOUT, path);
		usleep(2000);
	}
}

void rig_start(struct rig *rig, unsigned n, const unsigned *weights)
{
	char parent[PATH_MAX], device[PATH_MAX], driver[PATH_MAX];
	char hub[64], path[64], weight[16];

	*rig = (struct rig){ .dir = "/tmp/bench-refgpu-XXXXXX", .n = n };
	if (!mkdtemp(rig->dir))
		must(-errno, rig->dir);
	build_path(parent, "../programs/vgpu-parent/vgpu-parent");
	build_path(device, "../programs/vgpu-device/vgpu-device");
	build_path(driver, "../drivers/refgpu.so");
	snprintf(hub, sizeof(hub), "%s/parent", rig->dir);
	rig->parent = spawn((const char *[]){
		parent, "--driver", driver, "--parent-config", "software",
		"--socket-path", hub, "--log-level", "error", NULL });
	await(hub);
	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%u", rig->dir, i);
		snprintf(weight, sizeof(weight), "%u",
			 weights ? weights[i] : 1);
		rig->devices[i] = spawn((const char *[]){
			device, "--driver", driver, "--type", "refgpu-256m",
			"--parent-socket", hub, "--socket-path", path,
			"--weight", weight, "--log-level", "error", NULL });
	}
	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%u", rig->dir, i);
		await(path);
	}
}

void rig_stop(struct rig *rig)
{
	char path[64];

	for (unsigned i = 0; i < rig->n; i++) {
		kill(rig->devices[i], SIGTERM);
		waitpid(rig->devices[i], NULL, 0);
		snprintf(path, sizeof(path), "%s/%u", rig->dir, i);
		unlink(path);
	}
	kill(rig->parent, SIGTERM);
	waitpid(rig->parent, NULL, 0);
	snprintf(path, sizeof(path), "%s/parent", rig->dir);
	unlink(path);
	rmdir(rig->dir);
}

struct vgpu_rg_device *rig_connect(const struct rig *rig, unsigned i)
{
	struct vgpu_rg_device *dev = NULL;
	char path[64];

	snprintf(path, sizeof(path), "%s/%u", rig->dir, i);
	must(vgpu_rg_connect(path, &dev), path);
	return dev;
}

struct vgpu_rg_device *native_new(void)
{
	struct vgpu_rg_device *dev = NULL;
	struct vgpu_rg_bus *bus = NULL;

	must(direct_bus_new(VRAM, &bus), "the model");
	must(vgpu_rg_open(bus, &dev), "the model");
	return dev;
}
