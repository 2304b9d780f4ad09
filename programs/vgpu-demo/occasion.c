/* SPDX-License-Identifier: MIT */
/* A vGPU for the occasion: vgpu-parent and vgpu-device, as anybody would start
 * them, with their sockets and logs in a folder that goes with them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "job.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "where.h"

/** START_NS - in which a program has to make its socket */
#define START_NS 10000000000ull
/** END_NS - in which it has to end */
#define END_NS 5000000000ull

static const char *const files[] = { "parent.sock", "vgpu.sock", "parent.log",
				     "vgpu.log" };

static void sleep_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

/* ---- where things are ----------------------------------------------- */

/* This program's folder; with @up, without the last part of it. */
static int own_folder(char path[PATH_MAX], bool up)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	for (unsigned i = 0; i < 1u + up; i++)
		if (strrchr(path, '/'))
			*strrchr(path, '/') = '\0';
	return 0;
}

/* Beside this one, as they are installed and in PROGRAMS/NAME/NAME of a build
 * tree. */
static int find_program(const char *name, char path[PATH_MAX])
{
	char dir[PATH_MAX];

	for (unsigned up = 0; up < 2; up++) {
		int n = -1;

		if (own_folder(dir, up))
			break;
		n = up ? snprintf(path, PATH_MAX, "%s/%s/%s", dir, name, name)
		       : snprintf(path, PATH_MAX, "%s/%s", dir, name);
		if (n > 0 && n < PATH_MAX && !access(path, X_OK))
			return 0;
	}
	demo_say("%s is not there, beside this program", name);
	return -ENOENT;
}

static int find_driver(char path[PATH_MAX])
{
	const char *env = getenv("VGPU_DRIVER_DIR");
	char tree[PATH_MAX] = "", dir[PATH_MAX];
	const char *dirs[] = { env && *env ? env : NULL, tree,
			       VGPU_DRIVER_DIR };

	if (!own_folder(dir, true) &&
	    (size_t)snprintf(tree, sizeof(tree), "%s/../drivers", dir) >=
		    sizeof(tree))
		tree[0] = '\0';
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		int n = dirs[i] ? snprintf(path, PATH_MAX, "%s/refgpu.so",
					   dirs[i])
				: -1;

		if (n > 0 && n < PATH_MAX && !access(path, R_OK))
			return 0;
	}
	demo_say("the driver refgpu.so is not in %s; VGPU_DRIVER_DIR names "
		 "another folder",
		 VGPU_DRIVER_DIR);
	return -ENOENT;
}

/* ---- processes ------------------------------------------------------ */

static int in_folder(const struct occasion *o, const char *name, char *path,
		     size_t size)
{
	int n = snprintf(path, size, "%s/%s", o->dir, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Start a program with its log in the folder. It ends with us. */
static int spawn(const struct occasion *o, const char *log,
		 const char *const *argv, pid_t *ret_pid)
{
	char path[WHERE_PATH_MAX];
	pid_t pid, self = getpid();
	sigset_t none;
	int err = in_folder(o, log, path, sizeof(path)), fd;

	if (err)
		return err;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid) {
		*ret_pid = pid;
		return 0;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (getppid() != self || fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(127);
	/* Ctrl-C is for us, who end them in order. */
	setpgid(0, 0);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

/* Pass on what a program had to say. */
static void show_log(const struct occasion *o, const char *log)
{
	char path[WHERE_PATH_MAX], line[512];
	cleanup_file FILE *f = NULL;

	if (!in_folder(o, log, path, sizeof(path)))
		f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "    %s", line);
}

/* Until @socket is there: a program makes it when it listens. */
static int await(const struct occasion *o, int signals, const char *socket,
		 const char *log, pid_t *pid)
{
	uint64_t end = loop_now_ns() + START_NS;
	char path[WHERE_PATH_MAX];
	int err = in_folder(o, socket, path, sizeof(path));

	while (!err && access(path, F_OK)) {
		if (waitpid(*pid, NULL, WNOHANG) == *pid) {
			*pid = 0;
			err = -ECHILD;
		} else if (loop_now_ns() > end) {
			err = -ETIMEDOUT;
		} else if (demo_interrupted(signals)) {
			return -EINTR;
		}
		sleep_a_little();
	}
	if (err) {
		demo_say("the vGPU for the occasion does not start%s",
			 err == -ECHILD ? ":" : " in time:");
		show_log(o, log);
	}
	return err;
}

static void end_process(pid_t *pid)
{
	uint64_t end = loop_now_ns() + END_NS;

	if (!*pid)
		return;
	kill(*pid, SIGTERM);
	while (!waitpid(*pid, NULL, WNOHANG)) {
		if (loop_now_ns() > end)
			kill(*pid, SIGKILL);
		sleep_a_little();
	}
	*pid = 0;
}

void occasion_end(struct occasion *o)
{
	char path[WHERE_PATH_MAX];

	end_process(&o->device);
	end_process(&o->parent);
	if (!o->dir[0])
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (!in_folder(o, files[i], path, sizeof(path)))
			unlink(path);
	rmdir(o->dir);
	o->dir[0] = '\0';
}

static int make_folder(struct occasion *o)
{
	const char *tmp = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!tmp || stat(tmp, &st) < 0 || strlen(tmp) > sizeof(o->dir) - 24)
		tmp = "/tmp";
	snprintf(o->dir, sizeof(o->dir), "%s/vgpu-demo-XXXXXX", tmp);
	if (mkdtemp(o->dir))
		return in_folder(o, "vgpu.sock", o->socket, sizeof(o->socket));
	demo_say("cannot make a folder in %s: %s", tmp, strerror(errno));
	o->dir[0] = '\0';
	return -errno;
}

int occasion_begin(const struct options *options, int signals,
		   struct occasion *ret_o)
{
	char parent[PATH_MAX], device[PATH_MAX], driver[PATH_MAX];
	char parent_sock[WHERE_PATH_MAX];
	struct occasion o = { 0 };
	int err = find_program("vgpu-parent", parent);

	if (!err)
		err = find_program("vgpu-device", device);
	if (!err)
		err = find_driver(driver);
	if (!err)
		err = make_folder(&o);
	if (!err)
		err = in_folder(&o, "parent.sock", parent_sock,
				sizeof(parent_sock));
	if (!err)
		err = spawn(&o, "parent.log",
			    (const char *[]){ parent, "--driver", driver,
					      "--parent-config", "software",
					      "--socket-path", parent_sock,
					      NULL },
			    &o.parent);
	if (!err)
		err = await(&o, signals, "parent.sock", "parent.log",
			    &o.parent);
	if (!err)
		err = spawn(&o, "vgpu.log",
			    (const char *[]){ device, "--driver", driver,
					      "--type", options->type,
					      "--parent-socket", parent_sock,
					      "--socket-path", o.socket, NULL },
			    &o.device);
	if (!err)
		err = await(&o, signals, "vgpu.sock", "vgpu.log", &o.device);
	if (err)
		occasion_end(&o);
	else
		*ret_o = o;
	return err;
}
