/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include <vgpu/display.h>

#include "control/json.h"
#include "control/server.h"
#include "device/device.h"
#include "device/module.h"
#include "display/plane.h"
#include "display/reader.h"
#include "dma/budget.h"
#include "dma/pin.h"
#include "dma/space.h"
#include "screenshot.h"
#include "session/session.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log-sink.h"
#include "vfio-user/decode.h"
#include "watchers.h"

struct device_control {
	struct vgpu_core *core;
	const struct session_server *sessions;
	const char *socket_path;
	struct control_server *server;
	struct screenshots *screenshots;
	struct watchers watchers;
};

/* One of the errors of the interface, all of which carry a message. */
static void reply_error(struct control_call *call, const char *error,
			const char *message)
{
	struct json_object *params = json_object_new_object();

	json_set_string(&params, "message", message);
	control_reply_error(call, error, params);
}

static void reply_failure(struct control_call *call, int err)
{
	if (err == -ENODATA)
		reply_error(call, "io.vgpud.Device.NoDisplay",
			    SCREENSHOT_NO_DISPLAY);
	else
		reply_error(call, "io.vgpud.Device.Failed", strerror(-err));
}

/* ---- GetInfo -------------------------------------------------------- */

static struct json_object *driver_info(const struct vgpu_core *core)
{
	const struct vgpu_driver *driver = module_driver(core->module);
	struct json_object *obj = json_object_new_object();

	json_set_string(&obj, "name", driver->name);
	json_set_string(&obj, "version", driver->version);
	json_set_string(&obj, "path", module_path(core->module));
	return obj;
}

static const char *memory_name(const struct vgpu_core *core, int client)
{
	switch (dma_space_sharing(core->dma, client)) {
	case DMA_SHARING_NONE:
		return "none";
	case DMA_SHARING_PRIVATE:
		return "private";
	case DMA_SHARING_SHARED:
		return "shared";
	case DMA_SHARING_UNKNOWN:
		break;
	}
	return "unknown";
}

static struct json_object *memory_file(const struct vgpu_core *core)
{
	struct json_object *obj;
	uint64_t ino;
	dev_t dev;

	if (dma_space_main_file(core->dma, &dev, &ino))
		return NULL;
	obj = json_object_new_object();
	json_set_uint(&obj, "major", major(dev));
	json_set_uint(&obj, "minor", minor(dev));
	json_set_uint(&obj, "inode", ino);
	return obj;
}

static void get_info(struct control_call *call, struct json_object *params,
		     void *user)
{
	const struct device_control *control = user;
	const struct vgpu_core *core = control->core;
	struct json_object *out = json_object_new_object(), *file;
	bool attached;
	char uuid[37];
	unsigned uid;
	int pid;

	attached = !device_client(core, &pid, &uid);
	uuid_unparse_lower(core->uuid, uuid);
	json_set_string(&out, "uuid", uuid);
	json_set_string(&out, "type", core->type->name);
	json_set_string(&out, "description", core->type->description);
	json_set(&out, "driver", driver_info(core));
	json_set_string(&out, "version", VGPU_VERSION);
	json_set_uint(&out, "pid", (uint64_t)getpid());
	json_set_string(&out, "state", attached ? "attached" : "listening");
	json_set_string(&out, "socket", control->socket_path);
	if (attached) {
		struct json_object *client = json_object_new_object();

		json_set_uint(&client, "pid", (uint64_t)pid);
		json_set_uint(&client, "uid", uid);
		json_set(&out, "client", client);
		json_set_string(&out, "memory", memory_name(core, pid));
	} else {
		json_set_null(&out, "client");
		json_set_null(&out, "memory");
	}
	file = attached ? memory_file(core) : NULL;
	if (file)
		json_set(&out, "memory_file", file);
	else
		json_set_null(&out, "memory_file");
	json_set_bool(&out, "msix", core->desc.msix_vectors > 0);
	control_reply(call, out);
}

/* ---- Stats ---------------------------------------------------------- */

/* Counts by command, in lower case as all names here; those that never came
 * are left out. */
static struct json_object *by_command(const uint64_t *counts)
{
	struct json_object *obj = json_object_new_object();

	for (unsigned i = 0; i < VFIO_USER_NUM_COMMANDS; i++) {
		const char *name = i ? vfio_user_command_name(i) : "unknown";
		char key[32];
		size_t n;

		if (!counts[i])
			continue;
		for (n = 0; name[n] && n < sizeof(key) - 1; n++)
			key[n] = (char)tolower((unsigned char)name[n]);
		key[n] = '\0';
		json_set_uint(&obj, key, counts[i]);
	}
	return obj;
}

static struct json_object *interrupts(struct device_stats *stats)
{
	static const char *const names[VGPU_NUM_IRQS] = {
		[VGPU_IRQ_INTX] = "intx", [VGPU_IRQ_MSI] = "msi",
		[VGPU_IRQ_MSIX] = "msix", [VGPU_IRQ_ERR] = "err",
		[VGPU_IRQ_REQ] = "req",
	};
	struct json_object *obj = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_set_uint(&obj, names[i], atomic_load(&stats->irqs[i]));
	return obj;
}

static struct json_object *resets(const struct device_stats *stats)
{
	static const char *const names[] = {
		[VGPU_RESET_CLIENT] = "client",
		[VGPU_RESET_FLR] = "function_level",
		[VGPU_RESET_PM] = "power",
		[VGPU_RESET_NEW_CLIENT] = "new_client",
		[VGPU_RESET_DMA] = "dma",
	};
	struct json_object *obj = json_object_new_object();

	_Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(stats->resets),
		       "each reason has a name");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_set_uint(&obj, names[i], stats->resets[i]);
	return obj;
}

static struct json_object *dma_stats(struct dma_space *space)
{
	struct json_object *obj = json_object_new_object();
	struct dma_space_stats maps;
	struct dma_pin_stats pins;

	dma_space_get_stats(space, &maps);
	dma_space_pin_stats(space, &pins);
	json_set_uint(&obj, "maps", maps.maps);
	json_set_uint(&obj, "remote_maps", maps.remote_maps);
	json_set_uint(&obj, "mapped", maps.bytes);
	json_set_uint(&obj, "pinned", pins.bytes);
	json_set_uint(&obj, "pinned_limit",
		      MIN(pins.limit, (uint64_t)INT64_MAX));
	json_set_uint(&obj, "user_pinned", pins.user_bytes);
	json_set_uint(&obj, "user_pinned_limit",
		      MIN(pins.user_limit, (uint64_t)INT64_MAX));
	return obj;
}

/* Of a shared engine, in ns; none for a vGPU that shares nothing */
static struct json_object *engines(struct device_stats *stats)
{
	struct json_object *array = json_object_new_array();
	unsigned n = atomic_load(&stats->n_engines);

	for (unsigned i = 0; i < n; i++)
		json_append(&array,
			    json_object_new_int64((int64_t)atomic_load(
				    &stats->engine_ns[i])));
	return array;
}

static void get_stats(struct control_call *call, struct json_object *params,
		      void *user)
{
	struct device_control *control = user;
	struct device_stats *stats = &control->core->stats;
	struct json_object *out = json_object_new_object();
	struct session_stats session;

	session_server_get_stats(control->sessions, &session);
	json_set(&out, "requests", by_command(session.requests));
	json_set(&out, "errors", by_command(session.errors));
	json_set(&out, "interrupts", interrupts(stats));
	json_set(&out, "resets", resets(stats));
	json_set_uint(&out, "read_bytes", session.read_bytes);
	json_set_uint(&out, "write_bytes", session.write_bytes);
	json_set_uint(&out, "clients", stats->clients);
	json_set_uint(&out, "refused", session.refused);
	json_set_uint(&out, "rx_bytes", session.conn.rx_bytes);
	json_set_uint(&out, "tx_bytes", session.conn.tx_bytes);
	json_set_uint(&out, "stalls", session.conn.stalls);
	json_set(&out, "dma", dma_stats(control->core->dma));
	json_set(&out, "engines", engines(stats));
	control_reply(call, out);
}

/* ---- GetDisplay ----------------------------------------------------- */

struct fd_list {
	int fds[CONTROL_MAX_FDS];
	size_t n;
};

static void close_all(struct fd_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		close_fd(list->fds[i]);
	list->n = 0;
}

/* The files with the pixels; their descriptors join @list. */
static int add_files(struct vgpu_core *core, struct fd_list *list,
		     struct json_object **files)
{
	for (unsigned i = 0; i < 2 * VGPU_NUM_BARS; i++) {
		struct json_object *obj;
		int fd, err;

		err = display_region_fd(core, i / 2, i % 2, &fd);
		if (err == -ENOENT)
			continue;
		if (err)
			return err;
		obj = json_object_new_object();
		json_set_uint(&obj, "region", i / 2);
		json_set_bool(&obj, "hidden", i % 2);
		json_set_uint(&obj, "fd", list->n);
		json_append(files, obj);
		list->fds[list->n++] = fd;
	}
	return 0;
}

static int add_planes(const struct display_reader *reader,
		      struct json_object **planes)
{
	for (unsigned i = 0; i < VGPU_MAX_PLANES; i++) {
		struct json_object *obj;
		struct vgpu_plane_shm p;
		int err = display_reader_plane(reader, i, &p);

		if (err)
			return err;
		if (!p.format)
			continue;
		obj = json_object_new_object();
		json_set_uint(&obj, "index", i);
		json_set_string(&obj, "format",
				(char[]){ (char)p.format, (char)(p.format >> 8),
					  (char)(p.format >> 16),
					  (char)(p.format >> 24 & 0x7f), 0 });
		json_set_uint(&obj, "width", p.width);
		json_set_uint(&obj, "height", p.height);
		json_set_uint(&obj, "stride", p.stride);
		json_set_uint(&obj, "region", p.region);
		json_set_bool(&obj, "hidden", p.flags & VGPU_PLANE_HIDDEN);
		json_set_uint(&obj, "offset", p.offset);
		json_set_uint(&obj, "serial", p.serial);
		json_append(planes, obj);
	}
	return 0;
}

static void get_display(struct control_call *call, struct json_object *params,
			void *user)
{
	struct device_control *control = user;
	struct json_object *out = json_object_new_object();
	struct json_object *files = json_object_new_array();
	struct json_object *planes = json_object_new_array();
	struct display_reader *reader = NULL;
	struct fd_list list = { .n = 0 };
	int err, fd;

	err = display_fd(control->core, &fd);
	if (err)
		goto fail;
	err = display_reader_new(fd, &reader);
	if (err)
		goto fail;
	json_set_uint(&out, "generation", display_reader_generation(reader));
	json_set_uint(&out, "description", 0);
	list.fds[0] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (list.fds[0] < 0) {
		err = -errno;
		goto fail;
	}
	list.n = 1;
	err = add_files(control->core, &list, &files);
	if (!err)
		err = add_planes(reader, &planes);
	if (err)
		goto fail;
	display_reader_free(reader);
	json_set(&out, "files", files);
	json_set(&out, "planes", planes);
	control_reply_fds(call, out, list.fds, list.n);
	return;
fail:
	display_reader_free(reader);
	close_all(&list);
	json_object_put(planes);
	json_object_put(files);
	json_object_put(out);
	reply_failure(call, err);
}

/* ---- Screenshot ----------------------------------------------------- */

static void take_screenshot(struct control_call *call,
			    struct json_object *params, void *user)
{
	struct device_control *control = user;
	int64_t plane = json_get_int(params, "plane", 0);
	struct display_reader *reader;
	int err;

	if (plane < 0 || plane >= VGPU_MAX_PLANES) {
		control_reply_invalid(call, "plane");
		return;
	}
	err = display_capture(control->core, &reader);
	if (err)
		reply_failure(call, err);
	else
		screenshots_add(control->screenshots, call, reader,
				(unsigned)plane);
}

/* ---- SetLogLevel ---------------------------------------------------- */

static void set_log_level(struct control_call *call, struct json_object *params,
			  void *user)
{
	const struct device_control *control = user;
	const char *name = json_get_string(params, "level", "");
	enum log_level level;

	if (log_level_parse(name, &level)) {
		control_reply_invalid(call, "level");
		return;
	}
	log_set_level(level);
	log_notice(control->core->name, "log level set to %s by pid %d, uid %u",
		   name, (int)control_call_peer(call)->pid,
		   (unsigned)control_call_peer(call)->uid);
	control_reply(call, json_object_new_object());
}

/* ---- SetPinnedLimit ------------------------------------------------- */

static void set_pinned_limit(struct control_call *call,
			     struct json_object *params, void *user)
{
	const struct device_control *control = user;
	struct vgpu_core *core = control->core;
	int64_t instance = json_get_int(params, "instance", -1);
	int64_t of_user = json_get_int(params, "user", -1);

	if (instance < 0 && json_object_object_get(params, "instance")) {
		control_reply_invalid(call, "instance");
		return;
	}
	if (of_user < 0 && json_object_object_get(params, "user")) {
		control_reply_invalid(call, "user");
		return;
	}
	if (instance >= 0)
		dma_space_set_pin_limit(core->dma, (uint64_t)instance);
	if (of_user >= 0 && core->budgets)
		dma_budgets_set_limit(core->budgets, (uint64_t)of_user);
	control_reply(call, json_object_new_object());
}

static void subscribe(struct control_call *call, struct json_object *params,
		      void *user)
{
	struct device_control *control = user;

	watchers_add(&control->watchers, call);
}

/* ---- life ----------------------------------------------------------- */

static const struct control_handler handlers[] = {
	{ "GetInfo", get_info },
	{ "Stats", get_stats },
	{ "GetDisplay", get_display },
	{ "Screenshot", take_screenshot },
	{ "SetLogLevel", set_log_level },
	{ "SetPinnedLimit", set_pinned_limit },
	{ "Subscribe", subscribe },
};

int device_control_new(struct loop *loop, struct vgpu_core *core,
		       const struct session_server *sessions,
		       const char *socket_path,
		       struct device_control **ret_control)
{
	static const struct control_server_config config = {
		.vendor = "vgpud",
		.product = "vgpu-device",
		.version = VGPU_VERSION,
		.url = "",
	};
	struct device_control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return -ENOMEM;
	control->core = core;
	control->sessions = sessions;
	control->socket_path = socket_path;
	watchers_init(&control->watchers, core);
	err = screenshots_new(loop, &control->screenshots);
	if (!err)
		err = control_server_new(loop, &config, &control->server);
	if (!err)
		err = control_server_add(control->server,
					 &control_def_io_vgpud_Device, handlers,
					 ARRAY_SIZE(handlers), control);
	if (err) {
		device_control_free(control);
		return err;
	}
	*ret_control = control;
	return 0;
}

void device_control_free(struct device_control *control)
{
	if (!control)
		return;
	/* Pictures in work are answered into the void after the server. */
	watchers_release(&control->watchers);
	control_server_free(control->server);
	screenshots_free(control->screenshots);
	free(control);
}

void device_control_client_changed(struct device_control *control)
{
	if (control)
		watchers_tell(&control->watchers);
}

void device_control_accept(struct device_control *control, int fd)
{
	int err = control_server_accept(control->server, fd);

	/* Too many are logged by the server, with a limit. */
	if (err && err != -EUSERS)
		log_warning(control->core->name,
			    "cannot serve a control connection: %s",
			    strerror(-err));
}
