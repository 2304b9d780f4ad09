/* SPDX-License-Identifier: MIT */
/* The device server: vgpu-device as it is installed, with a driver of ours. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* Where this program was built; its parts lie around it. */
static void build_path(char path[PATH_MAX], const char *part)
{
	char self[PATH_MAX] = "";
	char *slash;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		fail("/proc/self/exe");
	slash = strrchr(self, '/');
	if (!slash ||
	    (size_t)snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self),
			     self, part) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		fail(self);
	}
}

void device_serve(int sock, const char *hub)
{
	char program[PATH_MAX], driver[PATH_MAX], fd[16];

	build_path(program, "../programs/vgpu-device/vgpu-device");
	build_path(driver, hub ? "driver-hub.so" : "driver.so");
	snprintf(fd, sizeof(fd), "%d", sock);
	execl(program, program, "--driver", driver, "--type", "bench-device",
	      "--fd", fd, "--log-level", "warning",
	      hub ? "--parent-socket" : (char *)NULL, hub, (char *)NULL);
	fail(program);
}

void hub_serve(const char *socket)
{
	char program[PATH_MAX], driver[PATH_MAX];

	build_path(program, "../programs/vgpu-parent/vgpu-parent");
	build_path(driver, "driver-hub.so");
	execl(program, program, "--driver", driver, "--parent-config", "",
	      "--socket-path", socket, "--log-level", "warning", (char *)NULL);
	fail(program);
}
