/* SPDX-License-Identifier: MIT */
#include "where.h"

#include <errno.h>
#include <string.h>

#include "control/client.h"
#include "control/json.h"
#include "control/manager-path.h"
#include "job.h"
#include "util/text.h"

#define SHOW "io.vgpud.Manager.Show"

static void say_no_vgpud(const char *path, int err)
{
	demo_say("%s: vgpud does not answer: %s. Without --vgpu and --socket a "
		 "vGPU is started for the occasion",
		 path, err == -ENOENT ? "it does not run" : strerror(-err));
}

/* The vfio-user socket of the vGPU of that name, from vgpud's answer. */
static int socket_of(const char *name, struct control_result *res,
		     char path[WHERE_PATH_MAX])
{
	struct json_object *instance = json_member(res->parameters, "instance");
	const char *socket = json_get_string(instance, "socket", "");
	const char *why = res->error ? strrchr(res->error, '.') : NULL;

	if (why && !strcmp(why, ".NoSuchInstance"))
		demo_say("vgpud has no vGPU '%s'; 'vgpuctl list' shows what "
			 "there is, 'vgpuctl create TYPE' makes one",
			 name);
	else if (why)
		demo_say("vgpud: %s: %s", name,
			 json_get_string(res->parameters, "message", why + 1));
	else if (!*socket || !json_member(instance, "worker"))
		demo_say("%s does not run: 'vgpuctl start' starts it", name);
	else if (strlen(socket) >= WHERE_PATH_MAX)
		demo_say("vgpud names a socket that can't be");
	else
		return strcpy(path, socket) ? 0 : -EINVAL;
	return -ENOENT;
}

static int ask_vgpud(const struct options *o, char path[WHERE_PATH_MAX])
{
	char buf[CONTROL_MANAGER_PATH_MAX];
	const char *vgpud = o->vgpud ? o->vgpud : control_manager_path(buf);
	struct json_object *params = json_object_new_object();
	struct control_result res = { 0 };
	int err;

	json_set_string(&params, "name", o->vgpu);
	err = control_call(vgpud, SHOW, params, CONTROL_CALL_TIMEOUT_MS, &res);
	json_object_put(params);
	if (err) {
		say_no_vgpud(vgpud, err);
		return err;
	}
	err = socket_of(o->vgpu, &res, path);
	control_result_release(&res);
	return err;
}

static void say_no_vgpu(const char *path, int err)
{
	switch (err) {
	case -EBUSY:
		demo_say("%s: the vGPU is in use; it has one client at a time",
			 path);
		break;
	case -ENODEV:
		demo_say("%s: that is no reference GPU: a vGPU of a type that "
			 "begins with 'refgpu' is needed",
			 path);
		break;
	case -EPROTO:
		demo_say("%s: what answers there is no vGPU", path);
		break;
	default:
		demo_say("cannot connect to %s: %s", path, strerror(-err));
	}
}

int where_connect(const struct options *o, int signals,
		  struct occasion *occasion, struct vgpu_rg_device **ret_dev)
{
	char asked[WHERE_PATH_MAX];
	const char *path = o->socket;
	int err;

	if (o->vgpu) {
		err = ask_vgpud(o, asked);
		if (err)
			return err;
		path = asked;
	} else if (!path) {
		err = occasion_begin(o, signals, occasion);
		if (err)
			return err;
		path = occasion->socket;
	}
	err = vgpu_rg_connect(path, ret_dev);
	if (err)
		say_no_vgpu(path, err);
	return err;
}
