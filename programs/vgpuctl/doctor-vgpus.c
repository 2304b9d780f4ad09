/* SPDX-License-Identifier: MIT */
/* vgpuctl doctor: may VMs use the vGPUs' sockets, and which have failed? */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/json.h"
#include "doctor.h"
#include "instance.h"
#include "util/cleanup.h"

#define MAX_GROUPS 1024

/* Who VMs run as under libvirt: Debian's name, and the others'. */
static const char *const vm_users[] = { "libvirt-qemu", "qemu", NULL };

struct user {
	const char *name;
	uid_t uid;
	gid_t groups[MAX_GROUPS];
	int n_groups;
};

static int find_user(const char *name, struct user *ret)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		return -ENOENT;
	ret->name = name;
	ret->uid = pw->pw_uid;
	ret->n_groups = MAX_GROUPS;
	if (getgrouplist(name, pw->pw_gid, ret->groups, &ret->n_groups) < 0)
		ret->n_groups = MAX_GROUPS;
	return 0;
}

/* By the mode's bits: access lists are not looked at. @need: of 4, 2 and 1. */
static bool may(const struct user *user, const struct stat *st, unsigned need)
{
	if (!user->uid)
		return true;
	if (st->st_uid == user->uid)
		return (st->st_mode >> 6 & need) == need;
	for (int i = 0; i < user->n_groups; i++)
		if (user->groups[i] == st->st_gid)
			return (st->st_mode >> 3 & need) == need;
	return (st->st_mode & need) == need;
}

/* Folders must be searchable, and the socket writable. Return: 0, or what is
 * in the way is in @buf; -errno: can't be looked at. */
static int find_obstacle(const struct user *user, const char *path, char *buf,
			 size_t size)
{
	struct stat st;

	for (const char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		snprintf(buf, size, "%.*s", (int)(p - path), path);
		if (stat(buf, &st))
			return -errno;
		if (!may(user, &st, 1))
			return -EACCES;
	}
	snprintf(buf, size, "%s", path);
	if (stat(buf, &st))
		return -errno;
	return may(user, &st, 2) ? 0 : -EACCES;
}

static void check_socket(struct doctor *d, struct json_object *instance,
			 const struct user *user)
{
	const char *path = json_get_string(instance, "socket", "");
	const char *name = instance_name(instance);
	char obstacle[CTL_PATH_MAX];
	int err;

	if (*path != '/')
		return;
	err = find_obstacle(user, path, obstacle, sizeof(obstacle));
	if (!err)
		doctor_say(d, FINDING_OK, "access", NULL,
			   "%s may use the socket of %s", user->name, name);
	else if (err == -EACCES)
		doctor_say(d, FINDING_PROBLEM, "access",
			   "set socket-mode = 0660 and socket-group in "
			   "vgpud's configuration, and add the user to that "
			   "group",
			   "%s may not use the socket of %s: it can't pass %s",
			   user->name, name, obstacle);
	else
		doctor_say(d, FINDING_PROBLEM, "access", NULL,
			   "the socket of %s: %s: %s", name, obstacle,
			   strerror(-err));
}

static void check_sockets(struct doctor *d, struct json_object *instances,
			  const char *name)
{
	cleanup_free struct user *user = malloc(sizeof(*user));
	size_t n = json_object_array_length(instances);

	if (!user || find_user(name, user)) {
		doctor_say(d, FINDING_PROBLEM, "access", NULL,
			   "there is no user '%s'", name);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *instance =
			json_object_array_get_idx(instances, i);
		const char *state = json_get_string(instance, "state", "");

		if (!strcmp(state, "active") || !strcmp(state, "attached"))
			check_socket(d, instance, user);
	}
}

void doctor_vgpus(struct doctor *d, struct json_object *instances,
		  const char *user)
{
	const struct passwd *self = getpwuid(geteuid());
	bool found = false;
	size_t n;

	if (!json_object_is_type(instances, json_type_array))
		return;
	for (size_t i = 0; !user && vm_users[i]; i++) {
		if (!getpwnam(vm_users[i]))
			continue;
		found = true;
		check_sockets(d, instances, vm_users[i]);
	}
	if (user || (!found && self))
		check_sockets(d, instances, user ? user : self->pw_name);
	n = json_object_array_length(instances);
	for (size_t i = 0; i < n; i++) {
		struct json_object *instance =
			json_object_array_get_idx(instances, i);
		const char *reason = json_get_string(instance, "reason", "?");

		if (json_member(instance, "client"))
			doctor_memory(d, instance);
		else if (!strcmp(json_get_string(instance, "state", ""),
				 "failed"))
			doctor_say(d, FINDING_PROBLEM, "vgpus",
				   "see 'vgpuctl log'", "%s has failed: %s",
				   instance_name(instance), reason);
	}
}
