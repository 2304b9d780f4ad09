/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

static const char usage[] =
	"Usage: vgpud [OPTION...]\n"
	"\n"
	"Manages the virtual GPUs of this host: knows the parents that are "
	"shared and the\n"
	"types that they offer, remembers the instances that were defined, "
	"starts a\n"
	"vgpu-device process for each that is to run, and watches over it. "
	"'vgpuctl' talks\n"
	"to it. VMs go on when it ends or is replaced: it finds its workers "
	"again.\n"
	"\n"
	"As root it serves the host; as an ordinary user it serves this user "
	"alone, with\n"
	"nothing to configure.\n"
	"\n"
	"Where things are (as root / as a user):\n"
	"  --config-dir DIR      *.conf files: parents and limits\n"
	"                        (/etc/vgpud / $XDG_CONFIG_HOME/vgpud)\n"
	"  --state-dir DIR       definitions, one JSON file per instance\n"
	"                        (/var/lib/vgpud / $XDG_STATE_HOME/vgpud)\n"
	"  --runtime-dir DIR     control.sock, and a folder per running "
	"instance with\n"
	"                        vfio-user.sock, control.sock and log\n"
	"                        ($RUNTIME_DIRECTORY, /run/vgpud /\n"
	"                        $XDG_RUNTIME_DIR/vgpud)\n"
	"  --driver-dir DIR      drivers (default: what vgpu-device uses)\n"
	"  --device-program FILE vgpu-device (default: beside this program)\n"
	"  --parent-program FILE vgpu-parent (likewise)\n"
	"\n"
	"  --log-level LEVEL     error, warning, notice, info (default), "
	"debug\n"
	"  --log-format FORMAT   text, json, journal-prefix (default: what "
	"fits)\n"
	"  --version             print the version, and exit\n"
	"  --help                print this, and exit\n"
	"\n"
	"Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT end "
	"the daemon\n"
	"and leave all vGPUs running.\n"
	"\n"
	"Example:\n"
	"  $ vgpud &\n"
	"  $ vgpuctl types\n"
	"  $ vgpuctl create bochs-64m --label desk\n"
	"\n"
	"Exit status: 0 ended by a signal; 1 failed while starting or running; "
	"2 wrong\n"
	"command line; 3 another vgpud runs on the same folders.\n";

enum {
	OPT_CONFIG_DIR = 256,
	OPT_STATE_DIR,
	OPT_RUNTIME_DIR,
	OPT_DRIVER_DIR,
	OPT_PROGRAM,
	OPT_PARENT_PROGRAM,
	OPT_LOG_LEVEL,
	OPT_LOG_FORMAT,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "config-dir", required_argument, NULL, OPT_CONFIG_DIR },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "runtime-dir", required_argument, NULL, OPT_RUNTIME_DIR },
	{ "driver-dir", required_argument, NULL, OPT_DRIVER_DIR },
	{ "device-program", required_argument, NULL, OPT_PROGRAM },
	{ "parent-program", required_argument, NULL, OPT_PARENT_PROGRAM },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-format", required_argument, NULL, OPT_LOG_FORMAT },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

#define wrong(...) usage_wrong("vgpud", __VA_ARGS__)

/* Workers outlive a change of directory: only absolute paths are kept. */
static void set_path(char **path, const char *value)
{
	char cwd[PATH_MAX];

	free(*path);
	if (value[0] == '/' || !getcwd(cwd, sizeof(cwd)))
		*path = strdup(value);
	else if (asprintf(path, "%s/%s", cwd, value) < 0)
		*path = NULL;
}

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
		p->state_dir = root ? strdup("/var/lib/vgpud")
				    : user_dir("XDG_STATE_HOME",
					       ".local/state");
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
	return 0;
}

int options_parse(int argc, char **argv, struct options *o)
{
	int opt;

	*o = (struct options){ .log_level = LOG_LEVEL_INFO,
			       .log_format = log_format_default() };
	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		switch (opt) {
		case OPT_CONFIG_DIR:
			set_path(&o->paths.config_dir, optarg);
			break;
		case OPT_STATE_DIR:
			set_path(&o->paths.state_dir, optarg);
			break;
		case OPT_RUNTIME_DIR:
			set_path(&o->paths.runtime_dir, optarg);
			break;
		case OPT_DRIVER_DIR:
			set_path(&o->paths.driver_dir, optarg);
			break;
		case OPT_PROGRAM:
			set_path(&o->paths.program, optarg);
			break;
		case OPT_PARENT_PROGRAM:
			set_path(&o->paths.parent_program, optarg);
			break;
		case OPT_LOG_LEVEL:
			if (log_level_parse(optarg, &o->log_level))
				return wrong("--log-level %s: one of error, "
					     "warning, notice, info, debug is "
					     "expected",
					     optarg);
			break;
		case OPT_LOG_FORMAT:
			if (log_format_parse(optarg, &o->log_format))
				return wrong("--log-format %s: one of text, "
					     "json, journal-prefix is expected",
					     optarg);
			break;
		case OPT_VERSION:
			printf("vgpud %s\n", VGPU_VERSION);
			o->done = true;
			return 0;
		case 'h':
			fputs(usage, stdout);
			o->done = true;
			return 0;
		default:
			fputs("Try 'vgpud --help'.\n", stderr);
			return EXIT_USAGE;
		}
	if (optind < argc)
		return wrong("'%s' is no option", argv[optind]);
	return fill_in(&o->paths);
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
