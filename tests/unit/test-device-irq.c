/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device/irq.h"
#include "pci/msix.h"
#include "state/arena.h"
#include "util/loop.h"

/* An action and when, in one number: see set(). */
#define TRIGGER IRQ_TRIGGER
#define MASK    IRQ_MASK
#define UNMASK  IRQ_UNMASK
#define NONE    (IRQ_NOW << 2)
#define BOOL    (IRQ_IF << 2)
#define EVENTFD (IRQ_BY_EVENTFD << 2)

#define N_MSIX 130

struct fixture {
	struct loop *loop;
	struct arena *arena;
	struct msix *msix;
	struct irqs *irqs;
	unsigned sent[VGPU_NUM_IRQS];
};

static void on_sent(void *user, enum vgpu_irq_index index)
{
	((struct fixture *)user)->sent[index]++;
}

static void on_unmasked(unsigned vector, void *user)
{
	irqs_unmasked(((struct fixture *)user)->irqs, vector);
}

static int setup(void **state)
{
	static struct fixture f;
	struct irqs_config config = {
		.counts = { 1, 8, N_MSIX, 1, 1 }, .sent = on_sent, .user = &f,
	};

	memset(&f, 0, sizeof(f));
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(arena_new("test", &f.arena), 0);
	assert_int_equal(msix_new(f.arena, N_MSIX, on_unmasked, &f, &f.msix), 0);
	config.msix = f.msix;
	assert_int_equal(irqs_new(f.loop, f.arena, &config, &f.irqs), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	irqs_free(f->irqs);
	msix_free(f->msix);
	arena_free(f->arena);
	loop_free(f->loop);
	return 0;
}

/* A request; with @fd >= 0 a duplicate of it is sent. */
static int set(struct fixture *f, uint32_t flags, unsigned index,
	       unsigned start, unsigned count, const uint8_t *bools, int fd)
{
	int fds[N_MSIX], err;
	struct irq_set s = { .index = index, .start = start, .count = count,
			     .action = flags & 3, .when = flags >> 2,
			     .bools = bools, .fds = fds,
			     .n_fds = fd >= 0 ? count : 0 };
	size_t n = s.n_fds;

	for (size_t i = 0; i < n; i++)
		fds[i] = dup(fd);
	err = irqs_set(f->irqs, &s);
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err;
}

static uint64_t taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void intx_masks_itself(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_INTX, 0, 1, NULL, fd), 0);
	irqs_set_level(f->irqs, true);
	irqs_set_level(f->irqs, true);
	assert_int_equal(taken(fd), 1); /* once: it is masked now */
	assert_int_equal(set(f, NONE | UNMASK, VGPU_IRQ_INTX, 0, 1, NULL, -1), 0);
	assert_int_equal(taken(fd), 1); /* still high: fires again */
	irqs_set_level(f->irqs, false);
	assert_int_equal(set(f, NONE | UNMASK, VGPU_IRQ_INTX, 0, 1, NULL, -1), 0);
	assert_int_equal(taken(fd), 0);
	assert_int_equal(set(f, NONE | MASK, VGPU_IRQ_INTX, 0, 1, NULL, -1), 0);
	irqs_set_level(f->irqs, true);
	assert_int_equal(taken(fd), 0);
	assert_int_equal(set(f, NONE | UNMASK, VGPU_IRQ_INTX, 0, 1, NULL, -1), 0);
	assert_int_equal(taken(fd), 1);
	assert_int_equal(f->sent[VGPU_IRQ_INTX], 3);
	close(fd);
}

static void intx_resample_and_mask_eventfds(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_NONBLOCK), resample = eventfd(0, EFD_NONBLOCK);
	int mask = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_INTX, 0, 1, NULL, fd), 0);
	assert_int_equal(set(f, EVENTFD | UNMASK, VGPU_IRQ_INTX, 0, 1, NULL, resample), 0);
	assert_int_equal(set(f, EVENTFD | MASK, VGPU_IRQ_INTX, 0, 1, NULL, mask), 0);
	irqs_set_level(f->irqs, true);
	assert_int_equal(taken(fd), 1);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	eventfd_write(resample, 1); /* end of interrupt in the guest */
	assert_int_equal(loop_run_once(f->loop, 0), 1);
	assert_int_equal(taken(fd), 1);
	irqs_set_level(f->irqs, false);
	eventfd_write(resample, 1);
	assert_int_equal(loop_run_once(f->loop, 0), 1);
	eventfd_write(mask, 1);
	assert_int_equal(loop_run_once(f->loop, 0), 1);
	irqs_set_level(f->irqs, true);
	assert_int_equal(taken(fd), 0);
	/* Taken away again: it is ours no more. */
	assert_int_equal(set(f, EVENTFD | UNMASK, VGPU_IRQ_INTX, 0, 1, NULL, -1), 0);
	eventfd_write(resample, 1);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	close(fd);
	close(resample);
	close(mask);
}

static void interrupt_disable_holds_intx_back(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_INTX, 0, 1, NULL, fd), 0);
	irqs_set_intx_disabled(f->irqs, true);
	irqs_set_level(f->irqs, true);
	assert_int_equal(taken(fd), 0);
	assert_true(irqs_level(f->irqs));
	irqs_set_intx_disabled(f->irqs, false);
	assert_int_equal(taken(fd), 1);
	close(fd);
}

static void each_vector_has_its_own_eventfd(void **state)
{
	struct fixture *f = *state;
	int a = eventfd(0, EFD_NONBLOCK), b = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 2, NULL, a), 0);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSI, 0, 2, NULL, b), 0);
	assert_int_equal(irqs_enabled(f->irqs), VGPU_IRQ_MSIX);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 1);
	assert_int_equal(taken(a), 1);
	assert_int_equal(taken(b), 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSI, 0);
	assert_int_equal(taken(b), 1);
	/* One index off leaves the other alone. */
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_IRQ_MSIX, 0, 0, NULL, -1), 0);
	assert_int_equal(irqs_enabled(f->irqs), VGPU_IRQ_MSI);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 1);
	assert_int_equal(taken(a), 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSI, 1);
	assert_int_equal(taken(b), 1);
	assert_int_equal(irqs_signal(f->irqs, VGPU_IRQ_MSIX, N_MSIX), -EINVAL);
	assert_int_equal(irqs_signal(f->irqs, VGPU_IRQ_INTX, 0), -EINVAL);
	close(a);
	close(b);
}

static void a_vector_without_eventfd_is_pending(void **state)
{
	struct fixture *f = *state;
	int a = eventfd(0, EFD_NONBLOCK), b = eventfd(0, EFD_NONBLOCK);
	uint8_t pba[24];

	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 70); /* index off: dropped */
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 1, NULL, a), 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 70);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 70);
	msix_pba_read(f->msix, 0, pba, sizeof(pba));
	assert_int_equal(pba[8], 0x40);
	/* Incremental: one more vector, the others stay. */
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 70, 1, NULL, b), 0);
	assert_int_equal(taken(b), 1);
	msix_pba_read(f->msix, 0, pba, sizeof(pba));
	assert_int_equal(pba[8], 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 0);
	assert_int_equal(taken(a), 1);
	/* De-assign by EVENTFD without fds. */
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 70, 1, NULL, -1), 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 70);
	assert_int_equal(taken(b), 0);
	irqs_reset(f->irqs);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 70, 1, NULL, b), 0);
	assert_int_equal(taken(b), 0); /* the reset forgot it */
	close(a);
	close(b);
}

static void loop_back_triggers(void **state)
{
	struct fixture *f = *state;
	const uint8_t pick[4] = { 0, 1, 0, 1 };
	int a = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 4, 4, NULL, a), 0);
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_IRQ_MSIX, 4, 4, NULL, -1), 0);
	assert_int_equal(taken(a), 4);
	assert_int_equal(set(f, BOOL | TRIGGER, VGPU_IRQ_MSIX, 4, 4, pick, -1), 0);
	assert_int_equal(taken(a), 2);
	for (unsigned i = VGPU_IRQ_ERR; i <= VGPU_IRQ_REQ; i++) {
		assert_int_equal(set(f, EVENTFD | TRIGGER, i, 0, 1, NULL, a), 0);
		assert_int_equal(set(f, NONE | TRIGGER, i, 0, 1, NULL, -1), 0);
		assert_int_equal(taken(a), 1);
		assert_int_equal(irqs_signal(f->irqs, i, 0), 0);
		assert_int_equal(taken(a), 1);
	}
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_INTX, 0, 1, NULL, a), 0);
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_IRQ_INTX, 0, 1, NULL, -1), 0);
	assert_int_equal(taken(a), 1);
	close(a);
}

static void nonsense_changes_nothing(void **state)
{
	struct fixture *f = *state;
	int a = eventfd(0, EFD_NONBLOCK), p[2], file = open("/dev/null", O_RDWR);

	assert_int_equal(pipe(p), 0);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 1, NULL, a), 0);
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_NUM_IRQS, 0, 1, NULL, -1), -EINVAL);
	assert_int_equal(set(f, NONE | TRIGGER, UINT32_MAX, 0, 1, NULL, -1), -EINVAL);
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_IRQ_MSIX, N_MSIX, 1, NULL, -1), -EINVAL);
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_IRQ_MSIX, UINT32_MAX, 2, NULL, -1), -EINVAL);
	assert_int_equal(set(f, NONE | TRIGGER, VGPU_IRQ_MSIX, 1, 0, NULL, -1), -EINVAL);
	assert_int_equal(set(f, NONE | MASK, VGPU_IRQ_MSIX, 0, 1, NULL, -1), -EINVAL);
	assert_int_equal(set(f, EVENTFD | UNMASK, VGPU_IRQ_MSI, 0, 1, NULL, a), -EINVAL);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 1, NULL, p[1]), -EINVAL);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 1, NULL, file), -EINVAL);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 0);
	assert_int_equal(taken(a), 1); /* the old route is untouched */
	close(a);
	close(p[0]);
	close(p[1]);
	close(file);
}

static void a_full_eventfd_stops_nobody(void **state)
{
	struct fixture *f = *state;
	int a = eventfd(0, 0); /* blocking: the client's choice */

	assert_int_equal(eventfd_write(a, UINT64_MAX - 1), 0);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 1, NULL, a), 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 0); /* would block for ever */
	assert_int_equal(taken(a), UINT64_MAX - 1);
	close(a);
}

static void a_table_that_comes_to_us_is_obeyed(void **state)
{
	struct fixture *f = *state;
	const uint32_t masked = 1, open_ = 0;
	int a = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, 3, NULL, a), 0);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 2); /* untouched table: not masked */
	assert_int_equal(taken(a), 1);
	msix_table_write(f->msix, 2 * 16 + 12, &masked, 4);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 2);
	assert_int_equal(taken(a), 0);
	msix_table_write(f->msix, 2 * 16 + 12, &open_, 4);
	assert_int_equal(taken(a), 1); /* pending, sent on unmask */
	close(a);
}

static void fds_go_with_the_client(void **state)
{
	struct fixture *f = *state;
	int a = eventfd(0, EFD_NONBLOCK), low = dup(a), again;

	close(low);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_MSIX, 0, N_MSIX, NULL, a), 0);
	assert_int_equal(set(f, EVENTFD | TRIGGER, VGPU_IRQ_INTX, 0, 1, NULL, a), 0);
	assert_int_equal(set(f, EVENTFD | UNMASK, VGPU_IRQ_INTX, 0, 1, NULL, a), 0);
	irqs_disconnect(f->irqs);
	again = dup(a); /* the lowest free number: all others were closed */
	assert_int_equal(again, low);
	irqs_signal(f->irqs, VGPU_IRQ_MSIX, 0);
	irqs_set_level(f->irqs, true);
	assert_int_equal(taken(a), 0);
	close(again);
	close(a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(intx_masks_itself),
		T(intx_resample_and_mask_eventfds),
		T(interrupt_disable_holds_intx_back),
		T(each_vector_has_its_own_eventfd),
		T(a_vector_without_eventfd_is_pending),
		T(loop_back_triggers),
		T(nonsense_changes_nothing),
		T(a_full_eventfd_stops_nobody),
		T(a_table_that_comes_to_us_is_obeyed),
		T(fds_go_with_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
