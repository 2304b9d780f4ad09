/* SPDX-License-Identifier: MIT */
/* libvgpu-client on a real instance of the test device, in another thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vgpu/client.h>

#include "rig/driver.h"
#include "session/session.h"
#include "vfio-user/proto.h"

/* The test device's registers: see drivers/testdev */
#define REG_TRIGGER 0x00
#define REG_SCRATCH 0x08
#define REG_LEVEL   0x0c
#define DMA_IOVA    0xb00
#define DMA_LENGTH  0xb08
#define DMA_START   0xb0c /* read: copies under way */
#define DMA_STATUS  0xb10
#define FROM_CLIENT 1u
#define TO_CLIENT   2u
#define ASYNC	    2u /* more */
#define CELLS	    0x10000 /* in BAR4 */
#define BELL	    0xa00
#define RINGS	    0x914

struct fixture {
	struct rig *rig;
	struct session_server *server;
	pthread_t thread;
	struct vgpu_client *client;
};

static void *serve(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(loop_run(f->rig->loop), 0);
	return NULL;
}

static int setup(void **state)
{
	static struct fixture f;
	int sv[2];

	f.rig = rig_new("testdev");
	assert_int_equal(session_server_new(f.rig->core, &f.server), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(session_server_accept(f.server, sv[0]), 0);
	assert_int_equal(pthread_create(&f.thread, NULL, serve, &f), 0);
	assert_int_equal(vgpu_client_attach(sv[1], NULL, &f.client), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vgpu_client_close(f->client);
	loop_stop(f->rig->loop);
	pthread_join(f->thread, NULL);
	session_server_free(f->server);
	rig_free(f->rig);
	return 0;
}

static uint32_t get(struct fixture *f, uint64_t reg)
{
	uint32_t v = 0;

	assert_int_equal(vgpu_client_read32(f->client, 0, reg, &v), 0);
	return v;
}

static void put(struct fixture *f, uint64_t reg, uint32_t v)
{
	assert_int_equal(vgpu_client_write32(f->client, 0, reg, v), 0);
}

static void registers_and_config_space(void **state)
{
	struct fixture *f = *state;
	uint8_t ids[4], command[2];

	put(f, REG_SCRATCH, 0x12345678);
	assert_int_equal(get(f, REG_SCRATCH), 0x12345678);
	assert_int_equal(vgpu_client_read(f->client, VGPU_CLIENT_REGION_CONFIG, 0, ids, 4), 0);
	assert_memory_equal(ids, "\x34\x12\x57\x7e", 4);
	assert_int_equal(vgpu_client_enable(f->client), 0);
	assert_int_equal(vgpu_client_read(f->client, VGPU_CLIENT_REGION_CONFIG, 4, command, 2), 0);
	assert_int_equal(command[0] & 7, 7);
	assert_int_equal(vgpu_client_reset(f->client), 0);
	assert_int_equal(get(f, REG_SCRATCH), 0);
	/* The server's errors come through, and do no harm. */
	assert_int_equal(vgpu_client_read(f->client, 0, 4096, ids, 4), -EINVAL);
	assert_int_equal(vgpu_client_read(f->client, 77, 0, ids, 4), -EINVAL);
	assert_int_equal(get(f, REG_SCRATCH), 0);
}

static void mapped_and_trapped_areas(void **state)
{
	struct fixture *f = *state;
	struct vgpu_client_region r;
	uint32_t *p, *q, v;
	void *none;

	assert_int_equal(vgpu_client_region(f->client, 4, &r), 0);
	assert_int_equal(r.size, 1 << 20);
	assert_int_equal(r.n_areas, 2);
	assert_int_equal(r.areas[1].offset, 256 << 10);
	assert_int_equal(vgpu_client_map(f->client, 4, 0, 4096, (void **)&p), 0);
	assert_int_equal(vgpu_client_map(f->client, 4, 16, 4, (void **)&q), 0);
	assert_ptr_equal(q, p + 4);
	p[4] = 0xabcd;
	assert_int_equal(vgpu_client_read32(f->client, 4, 16, &v), 0);
	assert_int_equal(v, 0xabcd);
	assert_int_equal(vgpu_client_write32(f->client, 4, 16, 7), 0);
	assert_int_equal(*q, 7);
	assert_int_equal(vgpu_client_map(f->client, 4, CELLS, 4, &none), -EACCES);
	assert_int_equal(vgpu_client_map(f->client, 4, (64 << 10) - 4, 8, &none), -EACCES);
	assert_int_equal(vgpu_client_map(f->client, 0, 0, 4, &none), -EACCES);
	assert_int_equal(vgpu_client_map(f->client, 99, 0, 4, &none), -EINVAL);
}

static void posted_writes_come_in_order(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(vgpu_client_post32(f->client, 0, REG_SCRATCH, i), 0);
		if (i % 100 == 99)
			assert_int_equal(get(f, REG_SCRATCH), i);
	}
	/* That one was refused is not told, and does no harm. */
	assert_int_equal(vgpu_client_post32(f->client, 0, 1ull << 40, 1), 0);
	assert_int_equal(get(f, REG_SCRATCH), 999);
}

static void doorbells(void **state)
{
	struct fixture *f = *state;
	uint32_t before = get(f, RINGS);
	uint64_t one = 1;
	int fd, again;

	assert_int_equal(vgpu_client_doorbell(f->client, 0, BELL, 4, &fd), 0);
	assert_int_equal(vgpu_client_doorbell(f->client, 0, BELL, 4, &again), 0);
	assert_int_equal(again, fd);
	assert_int_equal(write(fd, &one, sizeof(one)), 8);
	for (int i = 0; i < 1000 && get(f, RINGS) == before; i++)
		;
	assert_int_equal(get(f, RINGS), before + 1);
	/* What is none, or not all of one */
	assert_int_equal(vgpu_client_doorbell(f->client, 0, REG_SCRATCH, 4, &again), -ENOENT);
	assert_int_equal(vgpu_client_doorbell(f->client, 0, BELL, 2, &again), -ENOENT);
	assert_int_equal(vgpu_client_doorbell(f->client, 4, BELL, 4, &again), -ENOENT);
	assert_int_equal(vgpu_client_doorbell(f->client, 99, BELL, 4, &again), -EINVAL);
	assert_int_equal(again, fd);
}

static void transfers_of_any_length(void **state)
{
	struct fixture *f = *state;
	const size_t len = 200 << 10;
	uint8_t *a = test_malloc(len), *b = test_malloc(len);

	for (size_t i = 0; i < len; i++)
		a[i] = (uint8_t)(i * 31 + (i >> 8));
	assert_int_equal(vgpu_client_write(f->client, 4, 256 << 10, a, len), 0);
	assert_int_equal(vgpu_client_read(f->client, 4, 256 << 10, b, len), 0);
	assert_memory_equal(a, b, len);
	test_free(a);
	test_free(b);
}

static bool rang(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, 5000) == 1 && read(fd, &n, 8) == 8;
}

static void interrupts(void **state)
{
	struct fixture *f = *state;
	int fds[3] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK), -1 };
	uint32_t n;

	assert_int_equal(vgpu_client_irq_count(f->client, VGPU_CLIENT_IRQ_MSIX, &n), 0);
	assert_true(n >= 16);
	assert_int_equal(vgpu_client_irq_enable(f->client, VGPU_CLIENT_IRQ_MSIX, 3, fds, 2), 0);
	put(f, REG_TRIGGER, 4);
	assert_true(rang(fds[1]));
	assert_int_equal(vgpu_client_irq_disable(f->client, VGPU_CLIENT_IRQ_MSIX), 0);
	assert_int_equal(vgpu_client_irq_enable(f->client, VGPU_CLIENT_IRQ_INTX, 0, fds, 1), 0);
	put(f, REG_LEVEL, 1);
	assert_true(rang(fds[0]));
	assert_int_equal(vgpu_client_intx_unmask(f->client), 0);
	assert_true(rang(fds[0])); /* still high */
	put(f, REG_LEVEL, 0);
	assert_int_equal(vgpu_client_irq_enable(f->client, VGPU_CLIENT_IRQ_MSIX, 0, fds, 0), -EINVAL);
	assert_int_equal(vgpu_client_irq_enable(f->client, VGPU_CLIENT_IRQ_MSIX, n, fds, 1), -EINVAL);
	close(fds[0]);
	close(fds[1]);
}

static void start_dma(struct fixture *f, uint64_t iova, uint32_t len,
		      uint32_t command)
{
	put(f, DMA_IOVA, (uint32_t)iova);
	put(f, DMA_IOVA + 4, (uint32_t)(iova >> 32));
	put(f, DMA_LENGTH, len);
	put(f, DMA_START, command);
}

static void dma_through_shared_memory(void **state)
{
	struct fixture *f = *state;
	const uint64_t iova = 0x12345000000;
	uint8_t *mem;

	assert_int_equal(vgpu_client_dma_alloc(f->client, iova, 1 << 20,
					       VGPU_CLIENT_DMA_READ | VGPU_CLIENT_DMA_WRITE,
					       (void **)&mem), 0);
	for (int i = 0; i < 4096; i++)
		mem[i] = (uint8_t)(i * 7);
	start_dma(f, iova, 4096, FROM_CLIENT);
	assert_int_equal(get(f, DMA_STATUS), 0);
	start_dma(f, iova + 8191, 4096, TO_CLIENT);
	assert_int_equal(get(f, DMA_STATUS), 0);
	assert_memory_equal(mem, mem + 8191, 4096);
	/* Memory that was taken back is out of the device's reach. */
	assert_int_equal(vgpu_client_dma_unmap(f->client, iova, 1 << 20), 0);
	start_dma(f, iova, 4096, FROM_CLIENT);
	assert_int_equal(get(f, DMA_STATUS), EFAULT);
	assert_int_equal(vgpu_client_dma_unmap(f->client, iova, 1 << 20), -ENOENT);
	assert_int_equal(vgpu_client_dma_alloc(f->client, 1, 4096, 1, (void **)&mem), -EINVAL);
}

static void dma_by_message(void **state)
{
	struct fixture *f = *state;
	static uint8_t mem[8192] __attribute__((aligned(4096)));
	int irq = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(vgpu_client_dma_map_private(f->client, 0x10000, sizeof(mem),
						     VGPU_CLIENT_DMA_READ | VGPU_CLIENT_DMA_WRITE,
						     mem), 0);
	assert_int_equal(vgpu_client_irq_enable(f->client, VGPU_CLIENT_IRQ_MSIX, 0, &irq, 1), 0);
	memset(mem, 0x5a, 4096);
	start_dma(f, 0x10000, 4096, FROM_CLIENT);
	assert_int_equal(get(f, DMA_STATUS), EOPNOTSUPP); /* no file behind it */
	start_dma(f, 0x10000, 4096, FROM_CLIENT + ASYNC);
	while (get(f, DMA_START))
		assert_true(vgpu_client_serve(f->client, 5) >= 0);
	assert_int_equal(get(f, DMA_STATUS), 0);
	start_dma(f, 0x11000, 4096, TO_CLIENT + ASYNC);
	while (get(f, DMA_START))
		assert_true(vgpu_client_serve(f->client, 5) >= 0);
	assert_int_equal(get(f, DMA_STATUS), 0);
	assert_memory_equal(mem, mem + 4096, 4096);
	assert_true(rang(irq));
	close(irq);
}

static void own_files_and_their_rights(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("mine", 0), p[2];

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(vgpu_client_dma_map(f->client, 0, 8192, VGPU_CLIENT_DMA_READ, fd, 0), 0);
	assert_int_equal(vgpu_client_dma_map(f->client, 4096, 4096, VGPU_CLIENT_DMA_READ, fd, 0), -EEXIST);
	start_dma(f, 0, 16, TO_CLIENT);
	assert_int_equal(get(f, DMA_STATUS), EACCES);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(vgpu_client_dma_map(f->client, 1 << 20, 4096, VGPU_CLIENT_DMA_READ, p[0], 0), -EINVAL);
	assert_int_equal(vgpu_client_dma_map(f->client, 1 << 20, 16384, VGPU_CLIENT_DMA_READ, fd, 0), -EINVAL);
	assert_int_equal(vgpu_client_dma_unmap(f->client, 0, 8192), 0);
	close(fd);
	close(p[0]);
	close(p[1]);
}

/* ---- servers that lie ------------------------------------------------ */

struct liar {
	int fd;
	const uint8_t *reply;
	size_t size;
};

static void *lie(void *arg)
{
	struct liar *l = arg;
	uint8_t buf[4096];

	if (recv(l->fd, buf, sizeof(buf), 0) > 0)
		assert_int_equal(send(l->fd, l->reply, l->size, MSG_NOSIGNAL), l->size);
	shutdown(l->fd, SHUT_WR);
	while (recv(l->fd, buf, sizeof(buf), 0) > 0)
		;
	close(l->fd);
	return NULL;
}

static int talk_to_liar(const void *reply, size_t size)
{
	struct vgpu_client *c = NULL;
	pthread_t thread;
	struct liar l;
	int sv[2], err;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	l = (struct liar){ sv[0], reply, size };
	assert_int_equal(pthread_create(&thread, NULL, lie, &l), 0);
	err = vgpu_client_attach(sv[1], NULL, &c);
	assert_null(c);
	pthread_join(thread, NULL);
	return err;
}

static void lying_servers(void **state)
{
	struct { struct vfio_user_header h; uint8_t body[64]; } m = {
		.h = { .id = 0, .command = 1, .size = 20, .flags = 1 },
	};

	(void)state;
	assert_int_equal(talk_to_liar(&m, 7), -ENOTCONN);     /* cut off */
	m.h.size = 5;
	assert_int_equal(talk_to_liar(&m, 16), -EPROTO);      /* impossible size */
	m.h.size = 0xffffffff;
	assert_int_equal(talk_to_liar(&m, 16), -EPROTO);
	m.h.size = 18;
	assert_int_equal(talk_to_liar(&m, 18), -EPROTO);      /* too short */
	m.h.size = 40;
	m.body[4] = '{';
	assert_int_equal(talk_to_liar(&m, 40), -EPROTO);      /* no JSON */
	m.h.size = 20;
	m.h.id = 9;
	assert_int_equal(talk_to_liar(&m, 20), -EPROTO);      /* another's reply */
	m.h = (struct vfio_user_header){ .id = 0, .command = 1, .size = 16,
					 .flags = 0x21, .error = EBUSY };
	assert_int_equal(talk_to_liar(&m, 16), -EBUSY);
}

static void nobody_there(void **state)
{
	struct vgpu_client *c;
	char longest[200];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[199] = 0;
	assert_int_equal(vgpu_client_connect("/nonexistent/socket", NULL, &c), -ENOENT);
	assert_int_equal(vgpu_client_connect(longest, NULL, &c), -ENAMETOOLONG);
	vgpu_client_close(NULL);
}

static void a_server_that_goes_away(void **state)
{
	struct fixture *f = *state;
	uint32_t v;

	loop_stop(f->rig->loop);
	pthread_join(f->thread, NULL);
	session_server_free(f->server);
	rig_free(f->rig);
	assert_int_equal(vgpu_client_read32(f->client, 0, 0, &v), -ENOTCONN);
	assert_int_equal(vgpu_client_read32(f->client, 0, 0, &v), -ENOTCONN);
	assert_int_equal(vgpu_client_serve(f->client, 0), -ENOTCONN);
	vgpu_client_close(f->client);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(registers_and_config_space),
		T(mapped_and_trapped_areas),
		T(posted_writes_come_in_order),
		T(doorbells),
		T(transfers_of_any_length),
		T(interrupts),
		T(dma_through_shared_memory),
		T(dma_by_message),
		T(own_files_and_their_rights),
		cmocka_unit_test(lying_servers),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test_setup(a_server_that_goes_away, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
