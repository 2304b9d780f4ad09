/* SPDX-License-Identifier: MIT */
/*
 * What the way from vgpu-device to vgpu-parent costs: a message there and
 * back, an entry of a ring with a kick, and pins; beside floors: the same bytes
 * there and back with nothing around them, and two eventfds.
 */
#include <errno.h>
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

#include <vgpu/ring.h>

#include "device/device.h"
#include "device/module.h"
#include "dma/access.h"
#include "dma/pin.h"
#include "dma/space.h"
#include "link/link.h"
#include "hub/hub.h"
#include "uplink/private.h"
#include "state/arena.h"
#include "transport/listener.h"
#include "util/bytes.h"
#include "util/log.h"
#include "util/loop.h"

#define ROUNDS	  20000u
#define MESSAGE	  64u
#define MAX_PAGES 512u
#define RING	  64u
#define MANY	  262144ull
#define PAGE	  VGPU_DMA_PAGE_SIZE

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench-parent: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* ---- a parent half that sends back what it gets --------------------- */

struct message {
	char bytes[MESSAGE];
};

/* Rings in what an instance and its parent share: there, and back */
struct rings {
	struct vgpu_ring there, back;
};

struct echo {
	struct vgpu_parent parent;
	struct vgpu_iommu *iommu;
	struct rings rings; /* there is one instance */
};

static struct echo echo;

static void rings_init(struct rings *r, void *area)
{
	size_t bytes = vgpu_ring_bytes(RING, MESSAGE);

	must(vgpu_ring_init(&r->there, area, RING, MESSAGE), "ring");
	must(vgpu_ring_init(&r->back, (char *)area + bytes, RING, MESSAGE),
	     "ring");
}

static int echo_open(struct vgpu_parent *parent, const char *config)
{
	int err = vgpu_iommu_cpu_new(NULL, &echo.iommu);

	(void)config;
	return err ? err : vgpu_parent_init(parent, echo.iommu);
}

static int echo_new(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	void *area;

	(void)parent;
	must(vgpu_instance_share(inst, 2 * vgpu_ring_bytes(RING, MESSAGE),
				 &area),
	     "share");
	rings_init(&echo.rings, area);
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

static int echo_kick(struct vgpu_parent *parent,
		     struct vgpu_parent_instance *inst)
{
	struct message m;
	unsigned n = 0;

	(void)parent;
	while (n < RING && !vgpu_ring_pop(&echo.rings.there, &m)) {
		must(vgpu_ring_push(&echo.rings.back, &m), "push");
		n++;
	}
	if (n)
		vgpu_instance_kick(inst);
	return 0;
}

static const struct vgpu_parent_ops echo_ops = {
	.open = echo_open,
	.instance_new = echo_new,
	.instance_gone = echo_gone,
	.message = echo_message,
	.kick = echo_kick,
};

static int no_create(struct vgpu_device *dev)
{
	(void)dev;
	return -1;
}

static const struct vgpu_device_ops no_instance = { .create = no_create };

static const struct vgpu_type types[] = { { .name = "echo",
					    .description = "for the bench" } };
static const struct vgpu_driver driver = {
	.name = "echo",
	.version = "1",
	.description = "for the bench",
	VGPU_LIST(types, types),
	.instance = &no_instance,
	.parent = &echo_ops,
};

static void on_worker(struct listener *listener, int fd, void *user)
{
	(void)listener;
	hub_accept(user, fd);
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
	struct vgpu_hub *core;
	struct listener *listener;
	struct module *module;
	struct loop *loop;

	must(loop_new(&loop), "loop");
	must(module_from_driver(&driver, &module), "driver");
	must(hub_open(loop, module, "", &core), "parent");
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

/* A worker whose messages and kicks come to us, and its device's memory */
struct bed {
	struct loop *loop;
	struct uplink *worker;
	struct link *link;
	struct vgpu_core core;
	struct vgpu_device dev;
	struct arena *arena;
	struct rings rings;
	unsigned came;

	/* of the phase in progress, for loop_run() */
	void (*send)(struct bed *bed, unsigned n);
	unsigned sent, batch;
	uint64_t begin;
	const char *what;
	unsigned phase;
};

static void send_messages(struct bed *bed, unsigned n)
{
	static const struct message m;

	while (n--)
		must(link_send(bed->link, WIRE_MESSAGE, 0, &m, sizeof(m), NULL),
		     "send");
}

static void send_by_ring(struct bed *bed, unsigned n)
{
	static const struct message m;

	while (n--)
		must(vgpu_ring_push(&bed->rings.there, &m), "push");
	vgpu_parent_kick(&bed->dev);
}

/* Our loop sleeps after each message, as one that has nothing else to do. */
static void asleep(struct bed *bed, void (*send)(struct bed *, unsigned),
		   const char *name, unsigned batch)
{
	char what[64];
	unsigned sent = 0;
	uint64_t begin = loop_now_ns();

	bed->came = 0;
	bed->send = NULL;
	while (sent < ROUNDS) {
		send(bed, batch);
		sent += batch;
		while (bed->came < sent)
			loop_run_once(bed->loop, -1);
	}
	snprintf(what, sizeof(what), "%s there and back, %u under way", name,
		 batch);
	report(what, begin, sent);
}

static const struct {
	void (*send)(struct bed *bed, unsigned n);
	const char *name;
	unsigned batch;
} awake[] = {
	{ send_messages, "message, both loops awake", 1 },
	{ send_messages, "message, both loops awake", 32 },
	{ send_by_ring, "ring and kick, both loops awake", 1 },
	{ send_by_ring, "ring and kick, both loops awake", 32 },
};

/* Inside of loop_run(), whose loop spins: the next one, or the next phase. */
static void next(struct bed *bed)
{
	char what[64];

	if (!bed->send || bed->came < bed->sent)
		return;
	if (bed->sent >= ROUNDS) {
		snprintf(what, sizeof(what), "%s, %u under way",
			 awake[bed->phase].name, awake[bed->phase].batch);
		report(what, bed->begin, bed->sent);
		if (++bed->phase == ARRAY_SIZE(awake)) {
			loop_stop(bed->loop);
			return;
		}
		bed->sent = bed->came = 0;
		bed->begin = loop_now_ns();
	}
	bed->sent += awake[bed->phase].batch;
	awake[bed->phase].send(bed, awake[bed->phase].batch);
}

static int on_echo(struct link *link, const struct wire_header *header,
		   const void *payload, size_t len, void *user)
{
	struct bed *bed = user;

	(void)link;
	(void)header;
	(void)payload;
	(void)len;
	bed->came++;
	next(bed);
	return 0;
}

static void on_kick(struct vgpu_device *dev)
{
	struct bed *bed = vgpu_container_of(dev, struct bed, dev);
	struct message m;

	while (!vgpu_ring_pop(&bed->rings.back, &m))
		bed->came++;
	next(bed);
}

static void on_broken(struct link *link, int err, void *user)
{
	(void)link;
	(void)user;
	must(err, "link");
}

/* A map or an unmap, to its end: the loop runs until then. */
struct request {
	struct vgpu_iommu_request req;
	int64_t result;
};

/* The answer is near: a loop that runs would look for it all the time. */
static void wait_while(struct loop *loop, const volatile int64_t *result)
{
	while (*result == -EINPROGRESS)
		must(loop_run_once(loop, 0) < 0 ? -1 : 0, "loop");
}

static void on_over(struct vgpu_iommu_request *req, int64_t result)
{
	vgpu_container_of(req, struct request, req)->result = result;
}

static void wait_over(struct bed *bed, struct request *r, int64_t result)
{
	r->result = result;
	wait_while(bed->loop, &r->result);
	must(r->result < 0 ? (int)r->result : 0, "request");
}

static void pins(struct bed *bed, unsigned n)
{
	struct vgpu_iommu *iommu = &bed->worker->remote.iommu;
	int fd = memfd_create("bench", MFD_CLOEXEC);
	struct vgpu_iommu_memory memory = { .prot = 3,
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
		struct request r;

		r.req = (struct vgpu_iommu_request){ .pages = pages,
						     .addrs = addrs,
						     .n = n,
						     .prot = 3,
						     .done = on_over };
		begin = loop_now_ns();
		wait_over(bed, &r, iommu->ops->submit_map(iommu, &r.req));
		mapping += loop_now_ns() - begin;
		r.req = (struct vgpu_iommu_request){ .addrs = addrs,
						     .n = n,
						     .done = on_over };
		wait_over(bed, &r, iommu->ops->submit_unmap(iommu, &r.req));
	}
	snprintf(what, sizeof(what), "pin %u scattered pages", n);
	printf("%-48s %9.2f us\n", what, (double)mapping / rounds / 1000);
	iommu->ops->forget(iommu, &memory);
	close(fd);
}

static void on_pinned(struct vgpu_device *dev, int err, void *user)
{
	(void)dev;
	*(int64_t *)user = err;
}

/* Until the hub has taken it back: the worker's part is over before. */
static void wait_unpinned(struct bed *bed)
{
	struct dma_pin_stats stats;

	for (;;) {
		dma_space_pin_stats(bed->core.dma, &stats);
		if (!stats.bytes)
			return;
		loop_run_once(bed->loop, 0);
	}
}

/* All of a guest's GiB through the whole way, as a shadow of a big page table
 * does: vgpu_dma_pin_async() in the worker, addresses from the parent. The
 * first round finds empty tables on both sides. */
static void pin_much(struct bed *bed, const char *what, size_t batch,
		     uint64_t step)
{
	uint64_t *iovas = malloc(MANY * 8), *addrs = malloc(MANY * 8), begin;
	double first = 0, best = 1e9, unpin = 1e9, ns;

	for (uint64_t i = 0; i < MANY; i++)
		iovas[i] = i * step % MANY * PAGE;
	for (unsigned round = 0; round < 5; round++) {
		begin = loop_now_ns();
		for (size_t at = 0; at < MANY; at += batch) {
			int64_t err = -EINPROGRESS;

			err = vgpu_dma_pin_async(&bed->dev, iovas + at,
						 (unsigned)batch, 3, addrs + at,
						 on_pinned, &err);
			wait_while(bed->loop, &err);
			must((int)err, "pin");
		}
		ns = (double)(loop_now_ns() - begin) / MANY;
		first = round ? first : ns;
		best = MIN(best, ns);
		begin = loop_now_ns();
		vgpu_dma_unpin(&bed->dev, iovas, MANY, 3);
		wait_unpinned(bed);
		unpin = MIN(unpin, (double)(loop_now_ns() - begin) / MANY);
	}
	printf("%-30s %6zu a call %8.1f %8.1f %8.1f\n", what, batch, first,
	       best, unpin);
	free(iovas);
	free(addrs);
}

static void bench_pins(struct bed *bed)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);
	void *p;

	pins(bed, 1);
	pins(bed, MAX_PAGES);
	must(ftruncate(fd, MANY * PAGE) < 0 ? -1 : 0, "ftruncate");
	must(arena_new("bench", &bed->arena), "arena");
	must(dma_space_new(bed->arena, NULL, &bed->core.dma), "space");
	bed->core.dma_low = dma_space_low(bed->core.dma);
	must(dma_space_set_iommu(bed->core.dma, &bed->worker->remote.iommu),
	     "iommu");
	p = mmap(NULL, MANY * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	must(p == MAP_FAILED ? -1 : 0, "mmap");
	must(dma_space_map(bed->core.dma, 0, MANY * PAGE, 3, fd, 0), "map");
	printf("\n262,144 pages (1 GiB), ns each      %12s %8s %8s %8s\n", "",
	       "first", "best", "unpin");
	pin_much(bed, "pages in order", 512, 1);
	pin_much(bed, "pages in order", MANY, 1);
	pin_much(bed, "scattered", 512, 40503);
	pin_much(bed, "scattered", MANY, 40503);
	dma_space_free(bed->core.dma);
	arena_free(bed->arena);
	munmap(p, MANY * PAGE);
	close(fd);
}

static void bench_messages(struct bed *bed)
{
	floor_socket();
	floor_eventfd();
	asleep(bed, send_messages, "message", 1);
	asleep(bed, send_messages, "message", 32);
	asleep(bed, send_by_ring, "ring and kick", 1);
	asleep(bed, send_by_ring, "ring and kick", 32);
	bed->send = awake[0].send;
	bed->sent = bed->came = 0;
	bed->begin = loop_now_ns();
	next(bed);
	loop_run(bed->loop);
}

static void connect_worker(struct bed *bed, const char *path)
{
	static const struct link_ops ops = { .message = on_echo,
					     .broken = on_broken };
	static const uint8_t uuid[16];
	const struct uplink_config config = { .loop = bed->loop,
					      .path = path,
					      .fd = -1,
					      .uuid = uuid,
					      .type = "echo" };
	int fd, err = -1;

	for (unsigned i = 0; err && i < 100; i++) {
		usleep(20000);
		err = uplink_connect(&config, &bed->worker);
	}
	must(err, path);
	/* Its messages come to us. */
	fd = dup(link_fd(bed->worker->link));
	link_free(bed->worker->link);
	bed->worker->link = NULL;
	must(link_new(bed->loop, fd, &ops, bed, &bed->link), "link");
	/* And so do kicks. */
	bed->core.uplink = bed->worker;
	bed->core.dev = &bed->dev;
	bed->core.ops.parent_kick = on_kick;
	bed->dev.core = &bed->core;
	uplink_attach(bed->worker, &bed->core, NULL, NULL);
	rings_init(&bed->rings, vgpu_parent_shared(&bed->dev, NULL));
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	char dir[] = "/tmp/bench-parent-XXXXXX", path[64];
	static struct bed bed;
	pid_t pid;

	log_set_level(LOG_LEVEL_WARNING);
	if (*only == '-') {
		printf("Usage: bench-parent [messages|pins]\n");
		return 0;
	}
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	pid = child();
	if (!pid)
		serve(path);
	must(loop_new(&bed.loop), "loop");
	connect_worker(&bed, path);
	if (strcmp(only, "pins"))
		bench_messages(&bed);
	if (strcmp(only, "messages"))
		bench_pins(&bed);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
	rmdir(dir);
	return 0;
}
