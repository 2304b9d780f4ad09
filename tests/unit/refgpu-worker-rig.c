/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/module.h"
#include "link/bell.h"
#include "hub/hub.h"
#include "uplink/private.h"
#include "refgpu-worker-rig.h"
#include "util/bytes.h"
#include "util/loop.h"
#include "util/std-fds.h"

#define PATIENCE_NS (20ull * 1000000000ull) /* then the test fails */

extern const struct vgpu_parent_ops rg_parent_ops;

static int no_create(struct vgpu_device *dev)
{
	(void)dev;
	return -ENODEV;
}

static const struct vgpu_device_ops no_instance = { .create = no_create };

static const struct vgpu_type types[] = { { .name = "refgpu-test",
					    .description = "64 MiB",
					    .vram_size = WORKER_VRAM } };

static const struct vgpu_driver driver = {
	.name = "refgpu",
	.version = "1",
	.description = "its parent half",
	VGPU_LIST(types, types),
	.instance = &no_instance,
	.parent = &rg_parent_ops,
};

struct rig {
	struct loop *loop;
	struct module *module;
	struct vgpu_hub *core;
	uint8_t workers;
};

struct rig *rig_new(const char *config)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	signal(SIGPIPE, SIG_IGN);
	fds_raise_limit();
	assert_int_equal(loop_new(&rig->loop), 0);
	assert_int_equal(module_from_driver(&driver, &rig->module), 0);
	assert_int_equal(
		hub_open(rig->loop, rig->module, config, &rig->core), 0);
	return rig;
}

int rig_try(const char *config)
{
	struct vgpu_hub *core = NULL;
	struct module *module;
	struct loop *loop;
	int err;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(module_from_driver(&driver, &module), 0);
	err = hub_open(loop, module, config, &core);
	if (!err)
		hub_close(core);
	module_close(module);
	loop_free(loop);
	return err;
}

void rig_free(struct rig *rig)
{
	hub_close(rig->core);
	module_close(rig->module);
	loop_free(rig->loop);
	free(rig);
}

void rig_run(struct rig *rig)
{
	assert_true(loop_run_once(rig->loop, 1) >= 0);
}

/* ---- workers -------------------------------------------------------- */

static void rung(void *user)
{
	struct worker *w = user;

	w->kicks++;
}

static int receive(struct worker *w, int fd, void *payload, size_t max,
		   struct wire_header *header, struct wire_fds *fds)
{
	uint64_t end = loop_now_ns() + PATIENCE_NS;
	int n;

	do {
		rig_run(w->rig);
		n = wire_receive(fd, 0, header, payload, max, fds);
	} while (n == -ETIMEDOUT && loop_now_ns() < end);
	return n;
}

static int file_of(uint64_t size, uint8_t **ret_base)
{
	int fd = memfd_create("rig", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	*ret_base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(*ret_base != MAP_FAILED);
	return fd;
}

/* A call and its answer. Return: 0 or the error. */
static int call(struct worker *w, uint16_t kind, const void *payload,
		size_t len, int fd, void *reply, size_t max)
{
	const struct wire_fds fds = { fd >= 0, { fd } };
	struct wire_header header;
	struct wire_reply r;
	int calls = w->fds.fd[WIRE_FD_CALLS], n;

	n = wire_send(calls, kind, ++w->call, payload, len, &fds);
	if (!n)
		n = receive(w, calls, reply, max, &header, NULL);
	if (n == -ENOTCONN) {
		w->dropped = true;
		return n;
	}
	assert_true(n >= (int)sizeof(r));
	memcpy(&r, reply, sizeof(r));
	return -(int)r.err;
}

int worker_give_vram(struct worker *w)
{
	const struct wire_give give = { .size = WORKER_VRAM };
	struct wire_reply reply;
	int fd, err;

	if (w->vram)
		munmap(w->vram, WORKER_VRAM);
	fd = file_of(WORKER_VRAM, &w->vram);
	err = call(w, WIRE_GIVE, &give, sizeof(give), fd, &reply,
		   sizeof(reply));
	close(fd);
	return err;
}

int worker_offer(struct worker *w, uint32_t id, uint64_t file_size)
{
	const struct wire_memory memory = { .id = id, .size = 4096, .prot = 3 };
	struct wire_reply reply;
	int fd = memfd_create("rig", MFD_CLOEXEC), err;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)file_size), 0);
	err = call(w, WIRE_MEMORY, &memory, sizeof(memory), fd, &reply,
		   sizeof(reply));
	close(fd);
	return err;
}

static void introduce_memory(struct worker *w)
{
	const struct wire_memory memory = { .size = WORKER_MEMORY, .prot = 3 };
	struct wire_reply reply;

	w->memory_fd = file_of(WORKER_MEMORY, &w->memory);
	assert_int_equal(call(w, WIRE_MEMORY, &memory, sizeof(memory),
			      w->memory_fd, &reply, sizeof(reply)),
			 0);
}

struct worker *worker_new(struct rig *rig, unsigned weight)
{
	struct wire_hello h = { .version = WIRE_VERSION,
				.weight = (uint16_t)weight };
	struct worker *w = calloc(1, sizeof(*w));
	struct wire_welcome welcome;
	struct wire_header header;
	int fds[2], bell[BELL_N_FDS];

	assert_non_null(w);
	w->rig = rig;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(hub_accept(rig->core, fds[0]), 0);
	w->fd = fds[1];
	h.uuid[0] = w->number = ++rig->workers;
	strcpy(h.type, types[0].name);
	assert_int_equal(wire_send(w->fd, WIRE_HELLO, 0, &h, sizeof(h), NULL),
			 0);
	assert_int_equal(
		receive(w, w->fd, &welcome, sizeof(welcome), &header, &w->fds),
		sizeof(welcome));
	if (welcome.err) {
		close(w->fd);
		free(w);
		return NULL;
	}
	assert_true(welcome.shared >= sizeof(*w->shared));
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED, w->fds.fd[WIRE_FD_SHARED], 0);
	assert_true(w->shared != MAP_FAILED);
	assert_int_equal(rg_ring_init(&w->ring, w->shared), 0);
	for (unsigned i = 0; i < BELL_N_FDS; i++)
		bell[i] = dup(w->fds.fd[WIRE_FD_BELL + i]);
	assert_int_equal(
		bell_new(rig->loop, BELL_WORKER, bell, rung, w, &w->bell), 0);
	assert_int_equal(worker_give_vram(w), 0);
	introduce_memory(w);
	return w;
}

void worker_kill(struct worker *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	bell_free(w->bell);
	w->bell = NULL;
	wire_fds_close(&w->fds);
}

void worker_free(struct worker *w)
{
	worker_kill(w);
	munmap(w->shared, sizeof(*w->shared));
	munmap(w->vram, WORKER_VRAM);
	munmap(w->memory, WORKER_MEMORY);
	close(w->memory_fd);
	free(w);
}

static struct vgpu_parent_instance *instance_of(const struct worker *w)
{
	list_for_each(n, &w->rig->core->instances) {
		struct vgpu_parent_instance *i =
			list_entry(n, struct vgpu_parent_instance, link);

		if (i->uuid[0] == w->number && !i->gone)
			return i;
	}
	fail_msg("the parent does not know worker %u", w->number);
	return NULL;
}

int worker_save(struct worker *w, void *buf, size_t size, size_t *ret_len)
{
	const struct vgpu_hub *core = w->rig->core;

	return core->ops.save(core->parent, instance_of(w), buf, size, ret_len);
}

int worker_restore(struct worker *w, const void *buf, size_t len)
{
	const struct vgpu_hub *core = w->rig->core;

	return core->ops.restore(core->parent, instance_of(w), buf, len);
}

/* ---- pins ----------------------------------------------------------- */

int worker_pin(struct worker *w, uint32_t page, uint32_t n, unsigned prot,
	       uint64_t *ret_addrs)
{
	struct {
		struct wire_map map;
		struct wire_page pages[WIRE_MAX_PAGES];
	} q = { .map = { .prot = prot } };
	struct {
		struct wire_reply reply;
		uint64_t addrs[WIRE_MAX_PAGES];
	} r;

	for (uint32_t at = 0; at < n; at += q.map.n) {
		int err;

		q.map.n = MIN(n - at, WIRE_MAX_PAGES);
		for (uint32_t i = 0; i < q.map.n; i++)
			q.pages[i] = (struct wire_page){ 0, page + at + i };
		err = call(w, WIRE_MAP, &q,
			   sizeof(q.map) + q.map.n * sizeof(q.pages[0]), -1, &r,
			   sizeof(r));
		if (err)
			return err;
		memcpy(ret_addrs + at, r.addrs, q.map.n * sizeof(uint64_t));
	}
	return 0;
}

void worker_unpin_begin(struct worker *w, const uint64_t *addrs, uint32_t n)
{
	struct {
		struct wire_unmap unmap;
		uint64_t addrs[WIRE_MAX_PAGES];
	} q = { .unmap = { .n = n } };

	memcpy(q.addrs, addrs, n * sizeof(*addrs));
	/* One that was dropped finds out when it wants the answer. */
	if (wire_send(w->fds.fd[WIRE_FD_CALLS], WIRE_UNMAP, ++w->call, &q,
		      sizeof(q.unmap) + n * sizeof(*addrs), NULL))
		w->dropped = true;
}

bool worker_unpin_done(struct worker *w)
{
	struct wire_header header;
	struct wire_reply reply;

	rig_run(w->rig);
	return wire_receive(w->fds.fd[WIRE_FD_CALLS], 0, &header, &reply,
			    sizeof(reply), NULL) == sizeof(reply) &&
	       !reply.err;
}

/* ---- records -------------------------------------------------------- */

/* The record that was made last is written: as long as it was made, whatever it
 * says now. */
static void write_record(struct worker *w)
{
	if (w->made)
		assert_int_equal(vgpu_ring_write(&w->ring, w->record, w->made),
				 0);
	w->made = 0;
}

void *worker_record(struct worker *w, uint16_t kind, uint16_t slot,
		    uint32_t size)
{
	uint64_t end = loop_now_ns() + PATIENCE_NS;
	struct rg_record *r = (void *)w->record;

	write_record(w);
	while (vgpu_ring_room(&w->ring) * RG_ENTRY < size) {
		assert_true(loop_now_ns() < end);
		worker_kick(w);
		rig_run(w->rig);
	}
	memset(r, 0, size);
	*r = (struct rg_record){ .size = size, .kind = kind, .slot = slot };
	w->made = size;
	return r;
}

void worker_kick(struct worker *w)
{
	write_record(w);
	bell_ring(w->bell);
}

void worker_lie(struct worker *w, uint64_t head)
{
	w->ring.own = w->ring.seen = head;
	__atomic_store_n(w->ring.head, head, __ATOMIC_RELEASE);
}

void worker_open(struct worker *w, unsigned slot, unsigned engine)
{
	struct rg_open *r =
		worker_record(w, RG_OPEN, (uint16_t)slot, sizeof(*r));

	r->engine = engine;
	w->seq[slot] = 0;
}

void worker_small(struct worker *w, unsigned kind, unsigned slot)
{
	worker_record(w, (uint16_t)kind, (uint16_t)slot,
		      sizeof(struct rg_record));
}

void worker_ptes(struct worker *w, unsigned slot, uint64_t va,
		 const uint64_t *ptes, uint32_t n)
{
	struct rg_ptes *r = worker_record(w, RG_PTES, (uint16_t)slot,
					  (uint32_t)(sizeof(*r) + 8 * n));

	r->va = va;
	r->n = n;
	memcpy(r + 1, ptes, n * sizeof(*ptes));
}

void worker_run(struct worker *w, unsigned slot, uint64_t va, uint64_t n,
		uint64_t pte)
{
	struct rg_run *r = worker_record(w, RG_RUN, (uint16_t)slot, sizeof(*r));

	r->va = va;
	r->n = n;
	r->pte = pte;
}

uint64_t worker_job(struct worker *w, unsigned slot, const uint32_t *dwords,
		    uint32_t n)
{
	struct rg_job *r = worker_record(w, RG_JOB, (uint16_t)slot,
					 (uint32_t)(sizeof(*r) + 4 * n));

	r->seq = ++w->seq[slot];
	r->n = n;
	memcpy(r + 1, dwords, n * sizeof(*dwords));
	return r->seq;
}

/* ---- commands ------------------------------------------------------- */

static uint32_t put64(uint32_t *to, uint64_t value)
{
	to[0] = (uint32_t)value;
	to[1] = (uint32_t)(value >> 32);
	return 2;
}

uint32_t cmd_fill(uint32_t *to, uint64_t va, uint64_t bytes, uint32_t value)
{
	to[0] = REFGPU_CMD(REFGPU_OP_FILL, 6);
	put64(to + 1, va);
	put64(to + 3, bytes);
	to[5] = value;
	return 6;
}

uint32_t cmd_copy(uint32_t *to, uint64_t dst, uint64_t src, uint64_t bytes)
{
	to[0] = REFGPU_CMD(REFGPU_OP_COPY, 7);
	put64(to + 1, dst);
	put64(to + 3, src);
	put64(to + 5, bytes);
	return 7;
}

static uint32_t semaphore(uint32_t *to, unsigned op, uint64_t va,
			  uint64_t value)
{
	to[0] = REFGPU_CMD(op, 5);
	put64(to + 1, va);
	put64(to + 3, value);
	return 5;
}

uint32_t cmd_sem_wait(uint32_t *to, uint64_t va, uint64_t value)
{
	return semaphore(to, REFGPU_OP_SEM_WAIT, va, value);
}

uint32_t cmd_sem_add(uint32_t *to, uint64_t va, uint64_t value)
{
	return semaphore(to, REFGPU_OP_SEM_ADD, va, value);
}

uint32_t cmd_irq(uint32_t *to, uint32_t cookie)
{
	to[0] = REFGPU_CMD(REFGPU_OP_IRQ, 2);
	to[1] = cookie;
	return 2;
}

uint32_t cmd_spin(uint32_t *to, uint64_t ns, uint32_t groups)
{
	to[0] = REFGPU_CMD(REFGPU_OP_DISPATCH, 7);
	to[1] = REFGPU_KERNEL_SPIN;
	to[2] = groups;
	to[3] = to[4] = 1;
	put64(to + 5, ns);
	return 7;
}

/* ---- waiting -------------------------------------------------------- */

#define UNTIL(w, condition)                                                    \
	for (uint64_t end_ = loop_now_ns() + PATIENCE_NS; !(condition);) {     \
		assert_true(loop_now_ns() < end_);                             \
		rig_run((w)->rig);                                             \
	}

void worker_until_done(struct worker *w, unsigned slot, uint64_t seq)
{
	UNTIL(w, __atomic_load_n(&w->shared->slots[slot].done,
				 __ATOMIC_ACQUIRE) >= seq)
}

void worker_until_taken(struct worker *w)
{
	UNTIL(w, vgpu_ring_passed(&w->ring) == w->ring.own)
}

void worker_look(struct worker *w)
{
	struct wire_header header;
	struct rg_notice n;
	int len = wire_receive(w->fd, 0, &header, &n, sizeof(n), NULL);

	if (len == sizeof(n) && w->n_notices < MAX_NOTICES)
		w->notices[w->n_notices++] = n;
	else if (len == -ENOTCONN)
		w->dropped = true;
}

void worker_until_kicked(struct worker *w, unsigned kicks)
{
	UNTIL(w, w->kicks > kicks)
}

void worker_until_dropped(struct worker *w)
{
	UNTIL(w, (worker_look(w), w->dropped))
}

struct rg_notice worker_notice(struct worker *w)
{
	struct rg_notice n;

	UNTIL(w, (worker_look(w), w->n_notices))
	n = w->notices[0];
	memmove(w->notices, w->notices + 1, --w->n_notices * sizeof(n));
	return n;
}
