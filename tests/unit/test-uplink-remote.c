/* SPDX-License-Identifier: MIT */
/* The worker's IOMMU backend, against a parent that refuses, and one that
 * lies: a map of many pieces happens whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "link/link.h"
#include "uplink/private.h"
#include "util/log.h"
#include "util/loop.h"

#define PAGE   4096ull
#define BASE   0x10000000ull
#define PIECES 9u
#define PAGES  (PIECES * WIRE_MAX_PAGES - 100)

enum lie { NONE, WRONG_SEQ, WRONG_KIND, FEWER, HANG_UP };

/* The parent, on a thread: an address for each page that is mapped */
struct parent {
	int fd;
	unsigned maps, unmaps, memories;
	unsigned refuse; /* which map of all, from 1 on */
	unsigned lie_at; /* likewise */
	enum lie lie;
	bool mapped[2 * PAGES];
	unsigned n_mapped, next;
	bool wrong; /* something was unmapped that was not mapped */
};

struct reply {
	struct wire_reply reply;
	uint64_t addrs[WIRE_MAX_PAGES];
};

static void reply_map(struct parent *p, struct wire_header *h, unsigned n)
{
	struct reply r = { .reply = { .n = n, .bytes = n * PAGE } };
	uint16_t kind = WIRE_REPLY;
	bool lies = ++p->maps == p->lie_at;

	if (p->maps == p->refuse)
		r.reply = (struct wire_reply){ .err = ENOSPC };
	for (unsigned i = 0; i < r.reply.n; i++, p->next++) {
		r.addrs[i] = BASE + p->next * PAGE;
		p->mapped[p->next] = true;
		p->n_mapped++;
	}
	if (lies && p->lie == FEWER)
		r.reply.n--;
	if (lies && p->lie == WRONG_KIND)
		kind = WIRE_MESSAGE;
	if (lies && p->lie == HANG_UP) {
		shutdown(p->fd, SHUT_RDWR);
		return;
	}
	wire_send(p->fd, kind, h->seq + (lies && p->lie == WRONG_SEQ), &r,
		  sizeof(r.reply) + r.reply.n * 8, NULL);
}

static void reply_unmap(struct parent *p, struct wire_header *h,
			const uint64_t *addrs, unsigned n)
{
	struct reply r = { .reply = { .bytes = n * PAGE } };

	p->unmaps++;
	for (unsigned i = 0; i < n; i++) {
		uint64_t k = (addrs[i] - BASE) / PAGE;

		if (k >= 2 * PAGES || !p->mapped[k]) {
			p->wrong = true;
			continue;
		}
		p->mapped[k] = false;
		p->n_mapped--;
	}
	wire_send(p->fd, WIRE_REPLY, h->seq, &r, sizeof(r.reply), NULL);
}

static void *run_parent(void *user)
{
	_Alignas(8) uint8_t buf[WIRE_MAX_PAYLOAD];
	struct reply done = { 0 };
	struct parent *p = user;
	struct wire_header h;
	uint32_t n;
	int len;

	for (;;) {
		struct wire_fds fds = { 0 };

		len = wire_receive(p->fd, -1, &h, buf, sizeof(buf), &fds);
		if (len < 0)
			break;
		wire_fds_close(&fds);
		p->memories += h.kind == WIRE_MEMORY; /* before the reply */
		memcpy(&n, buf + 4, 4); /* of a map or an unmap */
		if (h.kind == WIRE_MAP)
			reply_map(p, &h, n);
		else if (h.kind == WIRE_UNMAP)
			reply_unmap(p, &h, (uint64_t *)(buf + 8), n);
		else
			wire_send(p->fd, WIRE_REPLY, h.seq, &done,
				  sizeof(done.reply), NULL);
	}
	/* What it does once it has taken everything back. */
	shutdown(p->fd, SHUT_RDWR);
	return NULL;
}

struct rig {
	struct parent parent;
	pthread_t thread;
	struct loop *loop;
	struct iommu_remote remote;
	struct vgpu_iommu_memory memories[2];
	struct vgpu_iommu_page pages[PAGES];
	uint64_t addrs[PAGES];
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int fds[2];

	assert_non_null(r);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	r->parent.fd = fds[1];
	assert_int_equal(loop_new(&r->loop), 0);
	assert_int_equal(iommu_remote_init(&r->remote, r->loop, fds[0]), 0);
	for (unsigned i = 0; i < 2; i++)
		r->memories[i] = (struct vgpu_iommu_memory){
			.prot = 3,
			.size = PAGES * PAGE,
			.fd = memfd_create("test", MFD_CLOEXEC),
		};
	for (unsigned i = 0; i < PAGES; i++)
		r->pages[i] = (struct vgpu_iommu_page){ &r->memories[i & 1],
							i * PAGE };
	*state = r;
	return 0;
}

static void start(struct rig *r)
{
	assert_int_equal(
		pthread_create(&r->thread, NULL, run_parent, &r->parent), 0);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	shutdown(link_fd(r->remote.link), SHUT_RDWR);
	pthread_join(r->thread, NULL);
	assert_false(r->parent.wrong);
	iommu_remote_fini(&r->remote);
	loop_free(r->loop);
	close(r->parent.fd);
	for (unsigned i = 0; i < 2; i++)
		close(r->memories[i].fd);
	free(r);
	return 0;
}

struct request {
	struct vgpu_iommu_request req;
	int64_t result;
	bool over;
};

static void on_done(struct vgpu_iommu_request *req, int64_t result)
{
	struct request *q = vgpu_container_of(req, struct request, req);

	assert_false(q->over);
	q->over = true;
	q->result = result;
}

/* Submitted, and over */
static int64_t wait_for(struct rig *r, struct request *q, int64_t result)
{
	if (result != -EINPROGRESS)
		return result;
	while (!q->over)
		assert_true(loop_run_once(r->loop, -1) >= 0);
	return q->result;
}

static int64_t map(struct rig *r, unsigned n)
{
	struct request q = { .req = { .pages = r->pages,
				      .addrs = r->addrs,
				      .n = n,
				      .prot = 3,
				      .done = on_done } };

	return wait_for(r, &q,
			r->remote.iommu.ops->submit_map(&r->remote.iommu,
							&q.req));
}

static int64_t unmap(struct rig *r, unsigned n)
{
	struct request q = {
		.req = { .addrs = r->addrs, .n = n, .done = on_done }
	};

	return wait_for(r, &q,
			r->remote.iommu.ops->submit_unmap(&r->remote.iommu,
							  &q.req));
}

static uint64_t mapped(struct rig *r)
{
	struct vgpu_iommu_stats stats;

	r->remote.iommu.ops->get_stats(&r->remote.iommu, &stats);
	return stats.mapped_pages;
}

static void test_whole(void **state)
{
	static const unsigned sizes[] = { 1, 511, 512, 513, 1024, 5 * 512,
					  PAGES };
	struct rig *r = *state;

	start(r);
	for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		unsigned n = sizes[k];

		r->parent.next = 0;
		assert_int_equal(map(r, n), n * PAGE);
		assert_int_equal(mapped(r), n);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(r->addrs[i], BASE + i * PAGE);
		assert_int_equal(unmap(r, n), n * PAGE);
		assert_int_equal(mapped(r), 0);
	}
	assert_int_equal(r->parent.memories, 2); /* each of them once */
	assert_int_equal(r->parent.n_mapped, 0);
	assert_int_equal(map(r, 0), 0);
}

/* The parent refuses one piece: those before it and those that were under way
 * behind it go back. */
static void test_refused(void **state)
{
	struct rig *r = *state;

	start(r);
	for (unsigned piece = 1; piece <= PIECES; piece++) {
		r->parent.next = 0;
		r->parent.refuse = r->parent.maps + piece;
		assert_int_equal(map(r, PAGES), -ENOSPC);
		assert_int_equal(mapped(r), 0);
		assert_int_equal(r->remote.bytes, 0);
		assert_int_equal(r->parent.n_mapped, 0);
	}
	r->parent.next = 0;
	assert_int_equal(map(r, PAGES), PAGES * PAGE); /* and goes on */
}

static void lies(struct rig *r, enum lie lie, unsigned at)
{
	r->parent.lie = lie;
	r->parent.lie_at = at;
	start(r);
	assert_true(map(r, PAGES) < 0);
	/* It is not believed any more, in nothing. */
	assert_int_equal(map(r, 1), -ENOTCONN);
	assert_int_equal(mapped(r), 0);
}

#define LIE(lie, at)                              \
	static void test_##lie##_##at(void **s)   \
	{                                         \
		lies(*s, lie, at);                \
	}

LIE(WRONG_SEQ, 1)
LIE(WRONG_SEQ, 6)
LIE(WRONG_KIND, 1)
LIE(WRONG_KIND, 9)
LIE(FEWER, 2)
LIE(HANG_UP, 1)
LIE(HANG_UP, 7)

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),	  TEST(test_refused),
		TEST(test_WRONG_SEQ_1),	  TEST(test_WRONG_SEQ_6),
		TEST(test_WRONG_KIND_1), TEST(test_WRONG_KIND_9),
		TEST(test_FEWER_2),	  TEST(test_HANG_UP_1),
		TEST(test_HANG_UP_7),
	};

	log_set_level(LOG_LEVEL_ERROR - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
