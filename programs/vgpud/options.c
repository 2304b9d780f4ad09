/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define PATH(member) cmd_path, .at = offsetof(struct options, paths.member)

static const struct cmd_option options[] = {
	{ 0, "config-dir", "DIR",
	  "*.conf files: parents and limits (/etc/vgpud / "
	  "$XDG_CONFIG_HOME/vgpud)",
	  PATH(config_dir),
	  .heading = "Where things are (as root / as a user):" },
	{ 0, "state-dir", "DIR",
	  "definitions, one JSON file per instance (/var/lib/vgpud / "
	  "$XDG_STATE_HOME/vgpud)",
	  PATH(state_dir) },
	{ 0, "runtime-dir", "DIR",
	  "control.sock, and a folder per running instance with "
	  "vfio-user.sock, control.sock and log ($RUNTIME_DIRECTORY, "
	  "/run/vgpud / $XDG_RUNTIME_DIR/vgpud)",
	  PATH(runtime_dir) },
	{ 0, "driver-dir", "DIR", "drivers (default: what vgpu-device uses)",
	  PATH(driver_dir) },
	{ 0, "device-program", "FILE",
	  "vgpu-device (default: beside this program)", PATH(program) },
	{ 0, "parent-program", "FILE", "vgpu-parent (likewise)",
	  PATH(parent_program) },
	CMD_LOG_OPTIONS(struct options),
	CMD_HELP_AND_VERSION,
};

const struct cmd_program this_program = {
	.name = "vgpud",
	.usage = "vgpud [OPTION...]",
	.about = "Manages the virtual GPUs of this host: knows the parents "
		 "that are shared and the\n"
		 "types that they offer, remembers the instances that were "
		 "defined, starts a\n"
		 "vgpu-device process for each that is to run, and watches "
		 "over it. 'vgpuctl' talks\n"
		 "to it. VMs go on when it ends or is replaced: it finds its "
		 "workers again.\n"
		 "\n"
		 "As root it serves the host; as an ordinary user it serves "
		 "this user alone, with\n"
		 "nothing to configure.",
	.options = options,
	.tail = "Signals: SIGHUP reads the configuration again; SIGTERM and "
		"SIGINT end the daemon\n"
		"and leave all vGPUs running.\n"
		"\n"
		"Example:\n"
		"  $ vgpud &\n"
		"  $ vgpuctl types\n"
		"  $ vgpuctl create bochs-64m --label desk\n"
		"\n"
		"Exit status: 0 ended by a signal; 1 failed while starting or "
		"running; 2 wrong\n"
		"command line; 3 another vgpud runs on the same folders.",
};

#define wrong(...) cmd_wrong(&this_program, NULL, __VA_ARGS__)

static char *join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* $@variable/vgpud, or $HOME/@fallback/vgpud, as the XDG base directory
 * specification has it. NULL: neither is known. */
static char *user_dir(const char *variable, const char *fallback)
{
	const char *dir = getenv(variable), *home = getenv("HOME");
	char *path;

	if (dir && *dir == '/')
		return join(dir, "vgpud");
	if (!fallback || !home || *home != '/')
		return NULL;
	return asprintf(&path, "%s/%s/vgpud", home, fallback) < 0 ? NULL : path;
}

static char *default_runtime_dir(bool root)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");
	char *path;

	if (dir && *dir == '/') /* systemd's; the first, if there are more */
		return strndup(dir, strcspn(dir, ":"));
	if (root)
		return strdup("/run/vgpud");
	path = user_dir("XDG_RUNTIME_DIR", NULL);
	if (!path && asprintf(&path, "/tmp/vgpud-%u", (unsigned)geteuid()) < 0)
		path = NULL;
	return path;
}

/* Beside this program, as installed; or as it lies in the build tree. */
static char *default_program(const char *name)
{
	cleanup_free char *in_build = NULL;
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash, *path;

	if (n < 0)
		return NULL;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	*slash = '\0';
	if (asprintf(&in_build, "../%s/%s", name, name) < 0) {
		in_build = NULL;
		return NULL;
	}
	path = join(exe, in_build);
	if (path && !access(path, X_OK))
		return path;
	free(path);
	return join(exe, name);
}

static int fill_in(struct manager_paths *p)
{
	bool root = geteuid() == 0;

	if (!p->config_dir)
		p->config_dir = root ? strdup("/etc/vgpud")
				     : user_dir("XDG_CONFIG_HOME", ".config");
	if (!p->state_dir)
		p->state_dir =
			root ? strdup("/var/lib/vgpud")
			     : user_dir("XDG_STATE_HOME", ".local/state");
	if (!p->runtime_dir)
		p->runtime_dir = default_runtime_dir(root);
	if (!p->program)
		p->program = default_program("vgpu-device");
	if (!p->parent_program)
		p->parent_program = default_program("vgpu-parent");
	if (!p->state_dir)
		return wrong("neither XDG_STATE_HOME nor HOME is set: say "
			     "where definitions are kept by --state-dir");
	if (!p->runtime_dir || !p->program || !p->parent_program)
		return wrong("out of memory");
	/* A folder's name, a socket's and a slash each have to fit. */
	if (strlen(p->runtime_dir) + 37 + 15 + 1 > 107)
		return wrong("--runtime-dir %s: a socket's path has 107 bytes "
			     "at most, and here it would be longer",
			     p->runtime_dir);
	return -1;
}

int options_parse(int argc, char **argv, struct options *o)
{
	struct cmd_line line;
	int code;

	*o = (struct options){ .log_level = LOG_LEVEL_INFO,
			       .log_format = log_format_default() };
	code = cmd_parse(&this_program, argc, argv, o, &line);
	return code < 0 ? fill_in(&o->paths) : code;
}

void options_release(struct options *o)
{
	free(o->paths.config_dir);
	free(o->paths.state_dir);
	free(o->paths.runtime_dir);
	free(o->paths.program);
	free(o->paths.parent_program);
	free(o->paths.driver_dir);
}
