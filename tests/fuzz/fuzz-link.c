/* SPDX-License-Identifier: MIT */
/*
 * A vgpu-parent and a worker that somebody has taken over: the input says what
 * it sends, on both of its sockets, into the memory that it shares, and into
 * the doorbells. Whatever it was: no address is the worker's that it was not
 * given, what the engine holds stays mapped, all of it is given back once the
 * worker is gone and the engine is done, and another worker is served as ever.
 *
 *   0 kind length bytes...  a message, framed
 *   1 kind fd length bytes... a call, framed and numbered
 *   2 length bytes...       anything, on the messages' socket
 *   3 length bytes...       anything, on the calls'
 *   4                       the parent's turn
 *   5 offset value          into shared memory, and a kick
 *   6 offset value wakes    into the page of the doorbells; to the pipe
 *   7 prot n (id page)...   a map
 *   8 n index...            an unmap, of addresses that maps have returned
 *   9 index length prot     a job of such an address: the engine holds it
 *   10 index                the engine is done with a job
 *   11                      leave and come again
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vgpu/ring.h>

#include "device/module.h"
#include "fuzz.h"
#include "link/bell.h"
#include "link/link.h"
#include "hub/hub.h"
#include "link/shared.h"
#include "hub/space.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"

#define PAGE	  4096ull
#define SHARED	  PAGE
#define RING	  8u
#define ROUNDS	  4000 /* of the loop: more than any input needs */
#define MAX_ADDRS 4096u
#define MAX_HOLDS 16u
#define MAX_PIECE 8192u
#define N_KINDS	  5u /* of descriptors */

/* ---- the parent half: holds what it is asked to --------------------- */

struct job {
	uint64_t addr, len;
	uint32_t prot, done; /* @done: of which job, + 1 */
};

struct hold {
	struct vgpu_parent_instance *inst;
	uint64_t addr, len;
	unsigned prot;
};

static struct half {
	struct vgpu_parent parent;
	struct vgpu_iommu *iommu;
	struct vgpu_parent_instance *inst; /* of the liar */
	struct vgpu_ring ring;
	unsigned n_instances;
	struct hold holds[MAX_HOLDS];
	unsigned n_holds;
} half;

static int half_open(struct vgpu_parent *parent, const char *name)
{
	const struct vgpu_iommu_cpu_config config = { .max_pages = 1 << 16 };

	REQUIRE(!vgpu_iommu_cpu_new(&config, &half.iommu));
	return vgpu_parent_init(parent, half.iommu);
}

static void half_stop(struct vgpu_parent *parent)
{
}

static void half_close(struct vgpu_parent *parent)
{
	vgpu_iommu_destroy(half.iommu);
}

static int half_new(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst)
{
	void *area;

	REQUIRE(!vgpu_instance_share(inst, SHARED, &area));
	REQUIRE(!vgpu_ring_init(&half.ring, area, RING, sizeof(struct job)));
	half.inst = inst;
	half.n_instances++;
	return 0;
}

static void half_gone(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst)
{
	if (half.inst == inst)
		half.inst = NULL;
	half.n_instances--;
}

static void release(unsigned i)
{
	struct hold h = half.holds[i];

	/* Still mapped, whatever the worker did. */
	for (uint64_t at = h.addr; at < h.addr + h.len; at += PAGE) {
		vgpu_iommu_cpu_enter(half.iommu);
		REQUIRE(vgpu_iommu_cpu_ptr(half.iommu, at, h.prot));
		vgpu_iommu_cpu_leave(half.iommu);
	}
	half.holds[i] = half.holds[--half.n_holds];
	vgpu_instance_release(h.inst, h.addr, h.len);
}

static int do_job(struct vgpu_parent_instance *inst, const struct job *job)
{
	if (job->done) {
		if (job->done > half.n_holds)
			return -EINVAL;
		release(job->done - 1);
		return 0;
	}
	if (half.n_holds == MAX_HOLDS)
		return 0;
	if (vgpu_instance_hold(inst, job->addr, job->len, job->prot & 3))
		return -EFAULT;
	half.holds[half.n_holds++] = (struct hold){ inst, job->addr, job->len,
						    job->prot & 3 };
	return 0;
}

static int half_message(struct vgpu_parent *parent,
			struct vgpu_parent_instance *inst, const void *msg,
			size_t len)
{
	REQUIRE((uintptr_t)msg % 8 == 0);
	REQUIRE(len && len <= VGPU_PARENT_MAX_MESSAGE);
	if (len == sizeof(struct job))
		return do_job(inst, msg);
	return vgpu_instance_send(inst, msg, len);
}

static int half_kick(struct vgpu_parent *parent,
		     struct vgpu_parent_instance *inst)
{
	struct job job;
	int err = 0;

	for (unsigned i = 0; i < RING && !err; i++)
		err = vgpu_ring_pop(&half.ring, &job);
	vgpu_instance_kick(inst);
	return err == -EPROTO ? err : 0;
}

static const struct vgpu_parent_ops half_ops = {
	.open = half_open,
	.stop = half_stop,
	.close = half_close,
	.instance_new = half_new,
	.instance_gone = half_gone,
	.message = half_message,
	.kick = half_kick,
};

static int no_create(struct vgpu_device *dev)
{
	return -ENODEV;
}

static const struct vgpu_device_ops no_instance = { .create = no_create };

static const struct vgpu_type types[] = { { .name = "fuzz",
					    .description = "for the fuzzer" } };
static const struct vgpu_driver driver = {
	.name = "fuzz",
	.version = "1",
	.description = "for the fuzzer",
	VGPU_LIST(types, types),
	.instance = &no_instance,
	.parent = &half_ops,
};

/* ---- the worker ------------------------------------------------------ */

struct worker {
	struct loop *loop;
	struct vgpu_hub *core;
	int sock, calls, wake; /* -1 */
	void *page, *shared;
	uint32_t seq;
	/* what came of calls, and is no whole reply yet */
	uint8_t in[4 * WIRE_MAX_SIZE];
	size_t in_len;
	/* what maps have returned, and how often it is mapped */
	uint64_t addrs[MAX_ADDRS];
	unsigned refs[MAX_ADDRS], n_addrs;
	/* calls that have no reply yet: what an unmap takes away */
	struct {
		uint32_t seq;
		uint16_t n;
		uint16_t index[64];
	} unmaps[64];
	unsigned n_unmaps;
	bool wild; /* sent calls that we do not understand */
};

static void let_run(struct loop *loop)
{
	for (int i = 0; i < ROUNDS; i++) {
		int n = loop_run_once(loop, 0);

		REQUIRE(n >= 0);
		if (!n)
			return;
	}
	REQUIRE(!"an end of its work");
}

static void remember(struct worker *w, const uint64_t *addrs, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		unsigned i = 0;

		while (i < w->n_addrs && w->addrs[i] != addrs[k])
			i++;
		if (i == MAX_ADDRS) {
			w->wild = true;
			return;
		}
		w->n_addrs += i == w->n_addrs;
		w->addrs[i] = addrs[k];
		w->refs[i]++;
	}
}

static void take_reply(struct worker *w, const struct wire_header *h,
		       const uint8_t *payload)
{
	uint64_t addrs[WIRE_MAX_PAGES];
	struct wire_reply r;

	REQUIRE(h->kind == WIRE_REPLY && h->size >= sizeof(*h) + sizeof(r));
	memcpy(&r, payload, sizeof(r));
	REQUIRE(r.n <= WIRE_MAX_PAGES && r.err < 4096);
	REQUIRE(h->size == sizeof(*h) + sizeof(r) + r.n * 8);
	memcpy(addrs, payload + sizeof(r), r.n * 8);
	remember(w, addrs, r.n);
	for (unsigned i = 0; i < w->n_unmaps; i++) {
		if (w->unmaps[i].seq != h->seq)
			continue;
		for (unsigned k = 0; !r.err && k < w->unmaps[i].n; k++) {
			unsigned *refs = &w->refs[w->unmaps[i].index[k]];

			REQUIRE(w->wild || *refs);
			*refs -= !!*refs;
		}
		w->unmaps[i] = w->unmaps[--w->n_unmaps];
		break;
	}
}

static void read_replies(struct worker *w)
{
	struct wire_header h;
	size_t at = 0;
	ssize_t n;

	if (w->calls < 0)
		return;
	while ((n = recv(w->calls, w->in + w->in_len,
			 sizeof(w->in) - w->in_len, MSG_DONTWAIT)) > 0) {
		w->in_len += (size_t)n;
		for (at = 0;;) {
			int size = wire_frame(w->in + at, w->in_len - at);

			REQUIRE(size >= 0);
			if (!size)
				break;
			memcpy(&h, w->in + at, sizeof(h));
			take_reply(w, &h, w->in + at + sizeof(h));
			at += (size_t)size;
		}
		w->in_len -= at;
		memmove(w->in, w->in + at, w->in_len);
	}
}

/* The parent's list and ours agree. */
static void check(struct worker *w)
{
	if (!half.inst || half.inst->gone || w->wild || w->n_unmaps)
		return;
	for (unsigned i = 0; i < w->n_addrs; i++)
		REQUIRE((vgpu_instance_owns(half.inst, w->addrs[i], PAGE, 1) ||
			 vgpu_instance_owns(half.inst, w->addrs[i], PAGE, 2)) ==
			!!w->refs[i]);
}

static void turn(struct worker *w)
{
	static char buf[65536];

	let_run(w->loop);
	read_replies(w);
	while (w->sock >= 0 && recv(w->sock, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	check(w);
}

/* All of it, or as much as the parent takes. */
static void put(struct worker *w, int sock, const void *bytes, size_t len,
		int fd)
{
	struct iovec iov = { (void *)bytes, len };

	if (sock < 0 || !len)
		return;
	if (fds_send(sock, &iov, 1, &fd, fd >= 0, MSG_DONTWAIT) == (ssize_t)len)
		return;
	turn(w);
	w->wild = true; /* cut off: what follows means something else */
}

static void frame(struct worker *w, int sock, uint16_t kind, uint32_t seq,
		  const void *payload, size_t len, int fd)
{
	static uint8_t buf[sizeof(struct wire_header) + MAX_PIECE + 4096];
	struct wire_header h = { .size = (uint32_t)(sizeof(h) + len),
				 .kind = kind,
				 .seq = seq };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), payload, len);
	put(w, sock, buf, h.size, fd);
}

static void leave(struct worker *w)
{
	if (w->page)
		munmap(w->page, PAGE);
	if (w->shared)
		munmap(w->shared, SHARED);
	close_fd(w->sock);
	close_fd(w->calls);
	close_fd(w->wake);
	*w = (struct worker){ .loop = w->loop,
			      .core = w->core,
			      .sock = -1,
			      .calls = -1,
			      .wake = -1 };
	let_run(w->loop);
}

static void come(struct worker *w, uint8_t name)
{
	struct wire_hello hello = { .version = WIRE_VERSION,
				    .uuid = { name },
				    .type = "fuzz" };
	struct {
		struct wire_header h;
		struct wire_welcome w;
	} welcome;
	struct wire_fds fds = { 0 };
	int sv[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			    0, sv));
	REQUIRE(!hub_accept(w->core, sv[1]));
	w->sock = sv[0];
	frame(w, w->sock, WIRE_HELLO, 0, &hello, sizeof(hello), -1);
	let_run(w->loop);
	REQUIRE(fds_receive(w->sock, &welcome, sizeof(welcome), fds.fd,
			    WIRE_MAX_FDS, &fds.n) == sizeof(welcome));
	REQUIRE(fds.n == WIRE_FD_SHARED + 1);
	REQUIRE(!welcome.w.err && welcome.w.shared == SHARED);
	w->calls = fds.fd[WIRE_FD_CALLS];
	w->wake = fds.fd[WIRE_FD_BELL + BELL_FD_OTHER];
	close_fd(fds.fd[WIRE_FD_BELL + BELL_FD_WAKE]);
	REQUIRE(!shared_map(fds.fd[WIRE_FD_BELL + BELL_FD_PAGE], PAGE,
			    &w->page));
	close_fd(fds.fd[WIRE_FD_BELL + BELL_FD_PAGE]);
	REQUIRE(!shared_map(fds.fd[WIRE_FD_SHARED], SHARED, &w->shared));
	close_fd(fds.fd[WIRE_FD_SHARED]);
}

static void kick(struct worker *w)
{
	/* Both sides' words: who rings, and who sleeps. */
	if (w->page)
		((uint32_t *)w->page)[0] = 1;
	if (w->wake >= 0 && write(w->wake, "", 1) < 0)
		w->wake = close_fd(w->wake); /* the parent has closed it */
}

/* Descriptors of all kinds; as long as the process lives. */
static int descriptor(unsigned kind)
{
	static int fds[N_KINDS] = { -1, -1, -1, -1, -1 };
	int pipes[2];

	if (!kind || kind >= N_KINDS)
		return -1;
	if (fds[kind] >= 0)
		return fds[kind];
	if (kind == 4) {
		REQUIRE(!pipe(pipes));
		fds[kind] = pipes[0];
		return fds[kind];
	}
	fds[kind] = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(fds[kind] >= 0);
	REQUIRE(!ftruncate(fds[kind], kind == 1 ? 1 << 20 : 4096));
	if (kind == 3)
		REQUIRE(!fcntl(fds[kind], F_ADD_SEALS, F_SEAL_WRITE));
	return fds[kind];
}

/* ---- steps ----------------------------------------------------------- */

static const uint8_t *piece(struct input *in, size_t *ret_len)
{
	const uint8_t *p;
	size_t len = take(in, 2) % (MAX_PIECE + 1);

	p = in->p;
	*ret_len = MIN(len, in->len);
	in->p += *ret_len;
	in->len -= *ret_len;
	return p;
}

static void step_map(struct worker *w, struct input *in)
{
	struct {
		struct wire_map map;
		struct wire_page pages[64];
	} q = { .map.prot = (uint32_t)take(in, 1) };

	q.map.n = (uint32_t)take(in, 1) % 64;
	for (unsigned i = 0; i < q.map.n; i++) {
		q.pages[i].id = (uint32_t)take(in, 1);
		q.pages[i].page = (uint32_t)take(in, 1);
	}
	frame(w, w->calls, WIRE_MAP, ++w->seq, &q,
	      sizeof(q.map) + q.map.n * sizeof(q.pages[0]), -1);
}

static void step_unmap(struct worker *w, struct input *in)
{
	struct {
		struct wire_unmap unmap;
		uint64_t addrs[64];
	} q = { .unmap.n = (uint32_t)take(in, 1) % 64 };
	unsigned slot = w->n_unmaps;

	read_replies(w);
	if (!w->n_addrs || slot == ARRAY_SIZE(w->unmaps))
		return;
	w->unmaps[slot].seq = ++w->seq;
	w->unmaps[slot].n = (uint16_t)q.unmap.n;
	for (unsigned i = 0; i < q.unmap.n; i++) {
		unsigned index = (unsigned)take(in, 1) % w->n_addrs;

		w->unmaps[slot].index[i] = (uint16_t)index;
		q.addrs[i] = w->addrs[index];
	}
	w->n_unmaps++;
	frame(w, w->calls, WIRE_UNMAP, w->seq, &q,
	      sizeof(q.unmap) + q.unmap.n * sizeof(q.addrs[0]), -1);
}

static void step_job(struct worker *w, struct input *in, bool done)
{
	struct job job = { 0 };
	unsigned index = (unsigned)take(in, 1);

	if (done) {
		job.done = index % MAX_HOLDS + 1;
	} else {
		job.addr = w->n_addrs ? w->addrs[index % w->n_addrs] : index;
		job.len = take(in, 2);
		job.prot = (uint32_t)take(in, 1);
	}
	frame(w, w->sock, WIRE_MESSAGE, 0, &job, sizeof(job), -1);
}

static void step_poke(struct worker *w, struct input *in, void *memory)
{
	size_t at = take(in, 2) % (PAGE / 4);
	uint32_t value = (uint32_t)take(in, 4);

	if (memory)
		((uint32_t *)memory)[at] = value;
}

static void step_call(struct worker *w, struct input *in)
{
	uint16_t kind = (uint16_t)take(in, 1);
	int fd = descriptor((unsigned)take(in, 1) % N_KINDS);
	const uint8_t *p;
	size_t len;

	p = piece(in, &len);
	/* A map is understood: its reply says what was mapped. */
	w->wild |= kind == WIRE_UNMAP;
	frame(w, w->calls, kind, ++w->seq, p, len, fd);
}

static void step(struct worker *w, struct input *in)
{
	const uint8_t *p;
	uint16_t kind;
	size_t len;

	switch (take(in, 1) % 12) {
	case 0:
		kind = (uint16_t)take(in, 1);
		p = piece(in, &len);
		frame(w, w->sock, kind, 0, p, len, -1);
		break;
	case 1:
		step_call(w, in);
		break;
	case 2:
		p = piece(in, &len);
		put(w, w->sock, p, len, -1);
		break;
	case 3:
		p = piece(in, &len);
		w->wild = true;
		put(w, w->calls, p, len, -1);
		break;
	case 5:
		step_poke(w, in, w->shared);
		kick(w);
		break;
	case 6:
		step_poke(w, in, w->page);
		if (take(in, 1) & 1)
			kick(w);
		break;
	case 7:
		step_map(w, in);
		break;
	case 8:
		step_unmap(w, in);
		break;
	case 9:
		step_job(w, in, false);
		break;
	case 10:
		step_job(w, in, true);
		break;
	case 11:
		leave(w);
		come(w, 'l');
		break;
	default:
		turn(w);
	}
}

/* Somebody else is served as ever. */
static void check_another(struct worker *w)
{
	struct wire_memory memory = { .size = PAGE, .prot = 3 };
	struct {
		struct wire_map map;
		struct wire_page page;
	} map = { { 3, 1 }, { 0, 0 } };

	come(w, 'h');
	frame(w, w->calls, WIRE_MEMORY, ++w->seq, &memory, sizeof(memory),
	      descriptor(1));
	frame(w, w->calls, WIRE_MAP, ++w->seq, &map, sizeof(map), -1);
	turn(w);
	REQUIRE(w->n_addrs == 1 && w->refs[0] == 1);
	REQUIRE(vgpu_instance_owns(half.inst, w->addrs[0], PAGE, 3));
	leave(w);
}

static void quiet(enum log_level level, const char *subject, const char *line)
{
}

static int lowest_free_fd(void)
{
	int fd = dup(0);

	close_fd(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct worker w, honest;
	struct input in = { data, size };
	struct vgpu_iommu_stats stats;
	struct vgpu_hub *core;
	struct module *module;
	struct loop *loop;
	int before;

	for (unsigned i = 1; i < N_KINDS; i++)
		descriptor(i);
	signal(SIGPIPE, SIG_IGN);
	log_setup(quiet, LOG_LEVEL_DEBUG);
	before = lowest_free_fd();
	memset(&half, 0, sizeof(half));
	REQUIRE(!loop_new(&loop));
	REQUIRE(!module_from_driver(&driver, &module));
	REQUIRE(!hub_open(loop, module, "", &core));
	w = (struct worker){ .loop = loop, .core = core };
	w.sock = w.calls = w.wake = -1;
	honest = w;
	come(&w, 'l');
	while (in.len)
		step(&w, &in);
	turn(&w);
	check_another(&honest);
	leave(&w);
	while (half.n_holds)
		release(0);
	vgpu_iommu_get_stats(half.iommu, &stats);
	REQUIRE(!stats.mapped_pages && !half.n_instances);
	REQUIRE(!core->n_instances);
	hub_close(core);
	module_close(module);
	loop_free(loop);
	REQUIRE(lowest_free_fd() == before);
	return 0;
}
