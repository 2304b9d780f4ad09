/* SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef HAVE_CAP_NG
#include <cap-ng.h>
#endif

#include "util/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Threads that are there from the start */
#ifdef __SANITIZE_THREAD__
#define OF_SANITIZER 1u
#else
#define OF_SANITIZER 0u
#endif

static int no_new_privileges(const struct sandbox_plan *plan)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* A core would hold the guest's memory and screen. */
static int no_core(const struct sandbox_plan *plan)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

static int drop_capabilities(const struct sandbox_plan *plan)
{
#ifdef HAVE_CAP_NG
	capng_select_t what = CAPNG_SELECT_CAPS;

	/* Who has none may not change the bounding set, and without new
	 * privileges it bounds nothing. */
	if (capng_get_caps_process() < 0)
		return -EIO;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		what = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(what) < 0)
		return -EPERM;
	/* Don't believe it: look. */
	if (capng_get_caps_process() < 0)
		return -EIO;
	return capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE
		       ? 0
		       : -EPERM;
#else
	return -ENOTSUP;
#endif
}

static int filter_calls(const struct sandbox_plan *plan)
{
	return sandbox_filter_calls(plan);
}

/* What a driver's own threads may is what they could before. */
static int one_thread(const struct sandbox_plan *plan)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n <= 1 + OF_SANITIZER ? 0 : -EBUSY;
}

static const char *why(int err)
{
	switch (err) {
	case -EBUSY:
		return "the driver has started threads of its own";
	case -ENOTSUP: /* EOPNOTSUPP, too */
		return "not built in, or off in this kernel";
	case -ENOSYS:
		return "this kernel has none";
	default:
		return strerror(-err);
	}
}

/* In this order: the filter refuses the calls that the others make, and
 * without privileges both it and Landlock need the first. */
static const struct {
	const char *name;
	int (*enter)(const struct sandbox_plan *plan);
} parts[] = {
	{ "the same for every thread", one_thread },
	{ "no new privileges", no_new_privileges },
	{ "no core dumps", no_core },
	{ "no capabilities", drop_capabilities },
	{ "Landlock", sandbox_restrict_files },
	{ "system call filter", filter_calls },
};

int sandbox_enter(const struct sandbox_config *config, char *ret_missing)
{
	bool strict = config->mode == SANDBOX_STRICT;
	struct sandbox_plan plan = { .config = config };
	char missing[256] = "";
	size_t at = 0;

	*ret_missing = '\0';
	if (config->mode == SANDBOX_NONE)
		return 0;
	/* The leak checker ptrace()s its own process at the end. */
	if (SANITIZED && !strict) {
		log_warning(NULL, "sandbox: none, since this program was "
				  "built with a sanitizer");
		return 0;
	}
	if (config->devices)
		plan.n_devices = sandbox_find_devices(plan.devices);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int err = parts[i].enter(&plan);

		if (!err)
			continue;
		if (strict) {
			log_error(NULL, "--sandbox strict: %s: %s",
				  parts[i].name, why(err));
			return err;
		}
		if (at < sizeof(missing))
			at += (size_t)snprintf(
				missing + at, sizeof(missing) - at, "%s%s (%s)",
				at ? ", " : "", parts[i].name, why(err));
	}
	if (at) {
		snprintf(ret_missing, SANDBOX_MISSING_MAX,
			 "the sandbox is degraded; missing: %s", missing);
		log_warning(NULL, "%s", ret_missing);
	} else {
		log_debug(NULL, "sandbox: complete");
	}
	return 0;
}
