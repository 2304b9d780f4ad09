/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables over tables of garbage: a format so small that every
 * address can be looked at after every step. Three levels of 8 entries make
 * 512 pages; a table is 64 bytes, and may be anywhere in a few pages of RAM,
 * in data, in another table, or nowhere.
 */
#include <errno.h>
#include <string.h>

#include <vgpu/shadow.h>

#include "fuzz.h"

#define PAGE	   4096ull
#define PAGES	   16u /* of RAM */
#define LOCAL	   4u  /* of the device's memory */
#define VA_PAGES   512u
#define BUS	   (1ull << 40)
#define MAX_OPS	   300u
#define MAX_TABLES 24u

#define P 1ull /* present */
#define R 2ull
#define W 4ull
#define L 8ull	/* a large page */
#define D 16ull /* in the device's memory */
#define B 32ull /* bad */

static void decode(uint64_t e, int level, struct vgpu_shadow_target *t)
{
	bool page = level == 2 || (level >= 0 && (e & L));

	*t = (struct vgpu_shadow_target){ 0 };
	if (!(e & P))
		return;
	t->kind = e & B	 ? VGPU_SHADOW_BAD
		  : page ? VGPU_SHADOW_PAGE
			 : VGPU_SHADOW_TABLE;
	t->addr = e & (page ? 0xfffff000ull : 0xffffffc0ull);
	t->local = !!(e & D);
	t->prot = page ? (e & R ? VGPU_DMA_READ : 0) |
				  (e & W ? VGPU_DMA_WRITE : 0)
		       : 0;
}

static const struct vgpu_shadow_format format = {
	.n_levels = 3,
	.shift = { 18, 15, 12 },
	.entries = { 8, 8, 8 },
	.decode = decode,
};

struct world {
	struct vgpu_shadow_pool *pool;
	struct vgpu_shadow *shadow;
	uint64_t root;
	_Alignas(4096) uint8_t ram[PAGES * PAGE];
	_Alignas(4096) uint8_t local[LOCAL * PAGE];
	bool gone[PAGES], read_only[PAGES];
	unsigned pins[PAGES][4], n_pins, limit;
	struct {
		uint64_t addr;
		bool local;
		uint8_t prot;
	} hw[VA_PAGES];
	int sections;
	uint64_t fence, passed;
	bool slow; /* a pin takes its time: one may be under way */
	struct {
		unsigned n, prot;
		uint64_t *ret_addrs, iovas[VA_PAGES];
	} pin;
};

static void enter(void *user)
{
	((struct world *)user)->sections++;
}

static void leave(void *user)
{
	((struct world *)user)->sections--;
}

static bool there(struct world *w, uint64_t addr, unsigned prot)
{
	return addr < PAGES * PAGE && !w->gone[addr / PAGE] &&
	       !(prot & VGPU_DMA_WRITE && w->read_only[addr / PAGE]);
}

static const void *ptr(void *user, uint64_t addr, bool local, size_t len,
		       unsigned prot)
{
	struct world *w = user;

	REQUIRE(w->sections == 1 && len && addr % PAGE + len <= PAGE);
	if (local)
		return addr < LOCAL * PAGE ? w->local + addr : NULL;
	return there(w, addr, prot) ? w->ram + addr : NULL;
}

static int do_pin(struct world *w, const uint64_t *iovas, unsigned n,
		  unsigned prot, uint64_t *ret_addrs)
{
	for (unsigned i = 0; i < n; i++)
		if (!there(w, iovas[i], prot))
			return -EFAULT;
	if (w->n_pins + n > w->limit)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		w->pins[iovas[i] / PAGE][prot]++;
		ret_addrs[i] = BUS + iovas[i];
	}
	w->n_pins += n;
	return 0;
}

static int pin(void *user, const uint64_t *iovas, unsigned n, unsigned prot,
	       uint64_t *ret_addrs)
{
	struct world *w = user;

	REQUIRE(!w->sections && n && prot && prot < 4);
	if (!w->slow)
		return do_pin(w, iovas, n, prot, ret_addrs);
	REQUIRE(!w->pin.n && n <= VA_PAGES);
	w->pin.n = n;
	w->pin.prot = prot;
	w->pin.ret_addrs = ret_addrs;
	memcpy(w->pin.iovas, iovas, n * sizeof(*iovas));
	return -EINPROGRESS;
}

/* The pin that is under way is over. */
static void end_pin(struct world *w)
{
	unsigned n = w->pin.n;

	w->pin.n = 0;
	if (n)
		vgpu_shadow_pinned(w->pool,
				   do_pin(w, w->pin.iovas, n, w->pin.prot,
					  w->pin.ret_addrs));
}

static bool pinned(const struct world *w, uint64_t addr, unsigned prot)
{
	const unsigned *pins = w->pins[addr / PAGE];

	return (!(prot & VGPU_DMA_READ) || pins[1] || pins[3]) &&
	       (!(prot & VGPU_DMA_WRITE) || pins[2] || pins[3]);
}

static void unpin(void *user, const uint64_t *iovas, unsigned n, unsigned prot)
{
	struct world *w = user;

	REQUIRE(!w->sections);
	for (unsigned i = 0; i < n; i++) {
		REQUIRE(iovas[i] < PAGES * PAGE);
		REQUIRE(w->pins[iovas[i] / PAGE][prot]--);
		w->n_pins--;
		for (unsigned k = 0; k < VA_PAGES; k++)
			if (w->hw[k].prot && !w->hw[k].local &&
			    w->hw[k].addr == BUS + iovas[i])
				REQUIRE(pinned(w, iovas[i], w->hw[k].prot));
	}
}

static void put(void *user, uint64_t va, uint64_t n, uint64_t addr, bool local,
		unsigned prot)
{
	struct world *w = user;

	REQUIRE(!(va % PAGE) && n && va / PAGE + n <= VA_PAGES && prot < 4);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t a = addr + i * PAGE;

		w->hw[va / PAGE + i].addr = a;
		w->hw[va / PAGE + i].local = local;
		w->hw[va / PAGE + i].prot = (uint8_t)prot;
		if (prot && local)
			REQUIRE(a < LOCAL * PAGE);
		else if (prot)
			REQUIRE(a - BUS < PAGES * PAGE &&
				pinned(w, a - BUS, prot));
	}
}

static uint64_t fence(void *user)
{
	return ++((struct world *)user)->fence;
}

static const struct vgpu_shadow_ops ops = {
	.enter = enter,
	.leave = leave,
	.ptr = ptr,
	.pin = pin,
	.unpin = unpin,
	.put = put,
	.fence = fence,
};

/* ------------------------------------------------------------------ */

static enum vgpu_shadow_fault walk(struct world *w, unsigned page,
				   unsigned prot, struct vgpu_shadow_target *t)
{
	enum vgpu_shadow_fault why;

	enter(w);
	why = vgpu_shadow_walk(w->pool, w->root, page * PAGE, prot, t);
	leave(w);
	return why;
}

/* All is compared: what the hardware has is what the tables say. */
static void whole(struct world *w)
{
	struct vgpu_shadow_target t;

	vgpu_shadow_invalidate(w->shadow, 0, 0);
	for (unsigned i = 0; vgpu_shadow_sync(w->shadow, 8); i++) {
		end_pin(w);
		REQUIRE(i < 4000);
	}
	for (unsigned i = 0; i < VA_PAGES; i++) {
		if (!w->hw[i].prot)
			continue;
		REQUIRE(!walk(w, i, w->hw[i].prot, &t));
		REQUIRE(t.local == w->hw[i].local);
		REQUIRE(w->hw[i].addr == t.addr + (t.local ? 0 : BUS));
	}
}

static void fault(struct world *w, unsigned page, unsigned prot)
{
	enum vgpu_shadow_fault why = VGPU_SHADOW_OK, now;
	struct vgpu_shadow_target t;
	int err = -EAGAIN;

	for (unsigned i = 0, n = 0; i < 3 && err == -EAGAIN; i++) {
		while ((err = vgpu_shadow_fault(w->shadow, page * PAGE, prot,
						&why)) == -EINPROGRESS) {
			REQUIRE(w->pin.n && n++ < 4000);
			end_pin(w);
		}
		w->passed = w->fence;
		while (vgpu_shadow_reap(w->pool, w->passed, 5)) {
			end_pin(w);
			w->passed = w->fence;
		}
	}
	if (err) { /* not even with nothing else */
		REQUIRE(err == -ENOSPC);
		return;
	}
	now = walk(w, page, prot, &t);
	if (why == VGPU_SHADOW_OK) {
		REQUIRE(!now && !(prot & ~w->hw[page].prot));
		return;
	}
	/* The page itself may be out of reach; a walk does not look. */
	if (now != why)
		REQUIRE(!now && (t.local ? t.addr >= LOCAL * PAGE
					 : !there(w, t.addr, prot)));
}

static void client(struct world *w, uint8_t what, unsigned page)
{
	uint64_t f = w->fence;
	bool gone;

	if (what & 1)
		w->read_only[page] = what & 2;
	else
		w->gone[page] = what & 2;
	if (!(what & 2))
		return;
	/* Until that is over, also pins that are under way don't get it. */
	gone = w->gone[page];
	w->gone[page] = true;
	if (vgpu_shadow_unmap(w->pool, page * PAGE, PAGE, &f)) {
		w->passed = f;
		while (vgpu_shadow_reap(w->pool, f, SIZE_MAX) &&
		       (w->pin.n || f != w->fence))
			end_pin(w);
	}
	for (unsigned prot = 1; prot < 4; prot++)
		REQUIRE(!w->pins[page][prot]);
	w->gone[page] = gone;
}

static void step(struct world *w, struct input *in)
{
	uint8_t op = (uint8_t)take(in, 1);
	uint64_t at, e;

	switch (op & 7) {
	case 0: /* an entry, somewhere */
	case 1:
		at = take(in, 1) * 64 + (op >> 3 & 7) * 8;
		e = take(in, 3);
		if (op & 0x80 && at < LOCAL * PAGE)
			memcpy(w->local + at, &e, 8);
		else
			memcpy(w->ram + at, &e, 8);
		break;
	case 2:
		vgpu_shadow_suspect(w->shadow);
		vgpu_shadow_sync(w->shadow, 1 + (op >> 3));
		break;
	case 3:
		vgpu_shadow_invalidate(w->shadow, take(in, 3), take(in, 3));
		break;
	case 4:
		fault(w, (unsigned)take(in, 2) % VA_PAGES, 1 + (op >> 3 & 1));
		break;
	case 5:
		client(w, op >> 3, (unsigned)take(in, 1) % PAGES);
		break;
	case 6:
		if (w->slow && op & 0x80)
			end_pin(w);
		else
			whole(w);
		break;
	case 7:
		if (op == 0xff)
			vgpu_shadow_clear(w->shadow);
		else if (op & 0x80)
			w->limit = op >> 3 & 15;
		w->passed += (op >> 3) % 4;
		if (w->passed > w->fence)
			w->passed = w->fence;
		vgpu_shadow_reap(w->pool, w->passed, op >> 3);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) & ~4095ull);
	struct input in = { data, size };
	struct vgpu_shadow_config config = {
		.max_tables = MAX_TABLES,
		.format = &format,
		.ops = &ops,
		.user = w,
	};

	REQUIRE(w);
	memset(w, 0, sizeof(*w));
	w->limit = 1000;
	w->root = take(&in, 2) | P;
	w->slow = w->root & R; /* which says nothing of a root */
	REQUIRE(!vgpu_shadow_pool_new(&config, &w->pool));
	REQUIRE(!vgpu_shadow_new(w->pool, w->root, w, &w->shadow));
	for (unsigned i = 0; i < MAX_OPS && in.len; i++)
		step(w, &in);
	whole(w);
	vgpu_shadow_clear(w->shadow);
	for (unsigned i = 0; i < VA_PAGES; i++)
		REQUIRE(!w->hw[i].prot);
	vgpu_shadow_free(w->shadow);
	vgpu_shadow_pool_free(w->pool);
	REQUIRE(!w->n_pins);
	free(w);
	return 0;
}
