/* SPDX-License-Identifier: MIT */
/*
 * What the way from vgpu-device to vgpu-parent costs: a message there and
 * back, and pins, beside floors: the same bytes there and back with nothing
 * around them, and two eventfds, which is what a ring in shared memory would
 * cost a sender whose peer sleeps.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "device/module.h"
#include "parent/link.h"
#include "parent/parent.h"
#include "parent/worker-private.h"
#include "transport/listener.h"
#include "util/log.h"
#include "util/loop.h"

#define ROUNDS	  20000u
#define MESSAGE	  64u
#define MAX_PAGES 512u
#define PAGE	  VGPU_DMA_PAGE_SIZE

/* ---- a parent half that sends back what it gets --------------------- */

struct echo {
	struct vgpu_parent parent;
	struct vgpu_iommu *iommu;
};

static int echo_open(const struct vgpu_parent_args *args,
		     struct vgpu_parent **ret_parent)
{
	static struct echo echo;
	int err = vgpu_iommu_cpu_new(NULL, &echo.iommu);

	if (!err)
		err = vgpu_parent_init(&echo.parent, args, echo.iommu);
	*ret_parent = &echo.parent;
	return err;
}

static void echo_nothing(struct vgpu_parent *parent)
{
	(void)parent;
}

static int echo_new(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
	return 0;
}

static void echo_gone(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
}

static int echo_message(struct vgpu_parent *parent,
			struct vgpu_parent_instance *inst, const void *msg,
			size_t len)
{
	(void)parent;
	return vgpu_instance_send(inst, msg, len);
}

static const struct vgpu_parent_ops echo_ops = {
	.struct_size = sizeof(echo_ops),
	.open = echo_open,
	.stop = echo_nothing,
	.close = echo_nothing,
	.instance_new = echo_new,
	.instance_gone = echo_gone,
	.message = echo_message,
};

static int no_create(const struct vgpu_create_args *args,
		     struct vgpu_device **ret_dev)
{
	(void)args;
	(void)ret_dev;
	return -1;
}

static const struct vgpu_type type = { .struct_size = sizeof(type),
				       .name = "echo",
				       .description = "for the bench" };
static const struct vgpu_type *const types[] = { &type };
static const struct vgpu_driver driver = {
	.struct_size = sizeof(driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "echo",
	.version = "1",
	.description = "for the bench",
	.types = types,
	.n_types = 1,
	.create = no_create,
	.parent = &echo_ops,
};

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench-parent: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void on_worker(struct listener *listener, int fd, void *user)
{
	(void)listener;
	parent_accept(user, fd);
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void serve(const char *path)
{
	const struct listener_config config = {
		.path = path, .fd = -1, .mode = 0600, .gid = (gid_t)-1
	};
	struct vgpu_parent_core *core;
	struct listener *listener;
	struct module *module;
	struct loop *loop;

	must(loop_new(&loop), "loop");
	must(module_from_driver(&driver, &module), "driver");
	must(parent_open(loop, module, "", &core), "parent");
	must(listener_new(loop, &config, on_worker, core, &listener), path);
	loop_run(loop);
	_exit(0);
}

/* ---- measuring ------------------------------------------------------ */

static void report(const char *what, uint64_t begin, unsigned rounds)
{
	printf("%-48s %9.2f us\n", what,
	       (double)(loop_now_ns() - begin) / rounds / 1000);
}

static void floor_socket(void)
{
	char buf[MESSAGE] = { 0 };
	int fds[2];
	uint64_t begin;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
	pid = child();
	if (!pid) {
		close(fds[0]);
		while (read(fds[1], buf, sizeof(buf)) == sizeof(buf))
			if (write(fds[1], buf, sizeof(buf)) < 0)
				break;
		_exit(0);
	}
	begin = loop_now_ns();
	for (unsigned i = 0; i < ROUNDS; i++)
		if (write(fds[0], buf, sizeof(buf)) < 0 ||
		    read(fds[0], buf, sizeof(buf)) < 0)
			exit(1);
	report("floor: 64 bytes by socket, there and back", begin, ROUNDS);
	close(fds[0]);
	close(fds[1]);
	waitpid(pid, NULL, 0);
}

static void floor_eventfd(void)
{
	int there = eventfd(0, 0), back = eventfd(0, 0);
	uint64_t begin, n;
	pid_t pid = child();

	if (!pid)
		for (;;)
			if (read(there, &n, 8) != 8 || write(back, &n, 8) != 8)
				_exit(1);
	begin = loop_now_ns();
	for (unsigned i = 0; i < ROUNDS; i++) {
		n = 1;
		if (write(there, &n, 8) != 8 || read(back, &n, 8) != 8)
			exit(1);
	}
	report("floor: eventfds, there and back", begin, ROUNDS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(there);
	close(back);
}

static unsigned came;

static int on_echo(struct link *link, const struct wire_header *header,
		   const void *payload, size_t len, void *user)
{
	(void)link;
	(void)header;
	(void)payload;
	(void)len;
	(void)user;
	came++;
	return 0;
}

static void on_broken(struct link *link, int err, void *user)
{
	(void)link;
	(void)user;
	must(err, "link");
}

static void messages(struct loop *loop, struct link *link, unsigned batch)
{
	static const char buf[MESSAGE];
	char what[64];
	unsigned sent = 0;
	uint64_t begin = loop_now_ns();

	came = 0;
	while (sent < ROUNDS) {
		for (unsigned i = 0; i < batch; i++, sent++)
			must(link_send(link, WIRE_MESSAGE, 0, buf, sizeof(buf),
				       NULL),
			     "send");
		while (came < sent)
			loop_run_once(loop, -1);
	}
	snprintf(what, sizeof(what), "message there and back, %u under way",
		 batch);
	report(what, begin, sent);
}

static void pins(struct vgpu_iommu *iommu, unsigned n)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);
	struct vgpu_iommu_memory memory = { .struct_size = sizeof(memory),
					    .prot = 3,
					    .size = 2 * MAX_PAGES * PAGE,
					    .fd = fd };
	static struct vgpu_iommu_page pages[MAX_PAGES];
	static uint64_t addrs[MAX_PAGES];
	unsigned rounds = n == 1 ? ROUNDS : ROUNDS / 20;
	uint64_t begin, mapping = 0;
	char what[64];

	must(ftruncate(fd, (off_t)memory.size), "ftruncate");
	for (unsigned i = 0; i < n; i++)
		pages[i] = (struct vgpu_iommu_page){ &memory, 2ull * i * PAGE };
	for (unsigned i = 0; i < rounds; i++) {
		begin = loop_now_ns();
		if (iommu->ops->map(iommu, pages, n, 3, addrs) < 0)
			exit(1);
		mapping += loop_now_ns() - begin;
		iommu->ops->unmap(iommu, addrs, n);
	}
	snprintf(what, sizeof(what), "pin %u scattered pages", n);
	printf("%-48s %9.2f us\n", what, (double)mapping / rounds / 1000);
	iommu->ops->forget(iommu, &memory);
	close(fd);
}

int main(void)
{
	static const struct link_ops ops = { on_echo, on_broken };
	static const uint8_t uuid[16];
	char dir[] = "/tmp/bench-parent-XXXXXX", path[64];
	struct parent_worker *worker;
	struct link *link;
	struct loop *loop;
	int fd, err = -1;
	pid_t pid;

	log_set_level(LOG_LEVEL_WARNING);
	floor_socket();
	floor_eventfd();
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	pid = child();
	if (!pid)
		serve(path);
	must(loop_new(&loop), "loop");
	for (unsigned i = 0; err && i < 100; i++) {
		usleep(20000);
		err = parent_worker_connect(
			&(struct parent_worker_config){ .loop = loop,
							.path = path,
							.fd = -1,
							.uuid = uuid,
							.type = "echo" },
			&worker);
	}
	must(err, path);
	/* Its messages come to us. */
	fd = dup(link_fd(worker->link));
	link_free(worker->link);
	worker->link = NULL;
	must(link_new(loop, fd, &ops, NULL, &link), "link");
	messages(loop, link, 1);
	messages(loop, link, 32);
	pins(&worker->remote.iommu, 1);
	pins(&worker->remote.iommu, MAX_PAGES);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
	rmdir(dir);
	return 0;
}
