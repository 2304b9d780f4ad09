/* SPDX-License-Identifier: MIT */
/* Capabilities of the driver's own. */
#include "pci-guest.h"

#include <errno.h>

static void before_read(struct vgpu_device *dev, unsigned cap, unsigned offset,
			unsigned len)
{
	(void)dev;
	(void)cap;
	(void)offset;
	(void)len;
	fail_msg("called past the device");
}

static const struct vgpu_pci_cap_ops both = {
	.before_read = before_read,
	.written = before_read,
};
static const struct vgpu_pci_cap_ops written_only = {
	.written = before_read,
};

/* At 0x40, 0x48 and 0x50: ops of both kinds, of one kind, none. */
static void start(struct guest *g)
{
	struct vgpu_pci_cap_ops ops[2] = { both, written_only };
	struct vgpu_pci_cap caps[3];
	struct vgpu_pci_desc desc = plain();

	for (unsigned i = 0; i < 3; i++) {
		caps[i] = vendor_caps[0];
		caps[i].ops = i < 2 ? &ops[i] : NULL;
	}
	desc.n_caps = 3;
	desc.caps = caps;
	guest_start(g, &desc);
	/* It is all copied. */
	memset(ops, 0xff, sizeof(ops));
	memset(caps, 0xff, sizeof(caps));
}

static void last_access(const struct guest *g, unsigned cap, unsigned offset,
			unsigned len)
{
	assert_int_equal(g->cap, cap);
	assert_int_equal(g->cap_offset, offset);
	assert_int_equal(g->cap_len, len);
}

static void reads_are_announced(void **state)
{
	static const uint8_t answer[] = { 1, 2, 3, 4, 5, 6 };
	struct guest g;

	(void)state;
	start(&g);
	g.cap_answer = answer;
	/* The bytes that the op stores are the ones that the guest gets. */
	assert_int_equal(rd32(&g, 0x44), 0x04030201);
	assert_int_equal(g.cap_reads, 1);
	last_access(&g, 0, 4, 4);
	/* Id and next pointer are the core's: the op sees the body only. */
	assert_int_equal(rd32(&g, 0x40), 0x02014809);
	last_access(&g, 0, 2, 2);
	assert_int_equal(rd16(&g, 0x40), 0x4809);
	assert_int_equal(rd16(&g, 0x3e), 0);
	assert_int_equal(g.cap_reads, 2);
	assert_int_equal(rd(&g, 0x47, 8), 0x4433221108500901ull);
	assert_int_equal(g.cap_reads, 3);
	last_access(&g, 0, 7, 1);
	/* All of it, as QEMU does. */
	for (unsigned i = 0; i < 256; i++)
		rd8(&g, i);
	assert_int_equal(g.cap_reads, 3 + 6);
	/* nobody to tell */
	g.cap_reads = 0;
	rd(&g, 0x48, 8);
	rd(&g, 0x50, 8);
	assert_int_equal(g.cap_reads, 0);
	guest_stop(&g);
}

static void writes_are_told(void **state)
{
	uint8_t got[8];
	struct guest g;

	(void)state;
	start(&g);
	wr(&g, 0x4c, 4, 0x00000000);
	assert_int_equal(g.cap_writes, 1);
	last_access(&g, 1, 4, 4);
	/* the masks hold: ff 0f 00 80 of 22 33 44 55 */
	assert_int_equal(pci_config_cap_load(g.config, 1, 0, got, 8), 0);
	assert_memory_equal(got, "\x09\x50\x08\x11\x00\x30\x44\x55", 8);
	wr(&g, 0x4f, 1, 0xff);
	assert_int_equal(g.cap_writes, 2);
	last_access(&g, 1, 7, 1);
	assert_int_equal(rd8(&g, 0x4f), 0xd5);
	/* one for each dword; of the first, the body's part */
	wr(&g, 0x48, 8, ~0ull);
	assert_int_equal(g.cap_writes, 4);
	last_access(&g, 1, 4, 4);
	wr(&g, 0x48, 2, ~0ull);
	wr(&g, 0x50, 8, ~0ull);
	assert_int_equal(g.cap_writes, 4);
	wr(&g, 0x47, 2, 0);
	assert_int_equal(g.cap_writes, 5);
	last_access(&g, 0, 7, 1);
	guest_stop(&g);
}

static void the_driver_stores(void **state)
{
	uint8_t bytes[8] = { 0x80, 0x81, 0x82, 0x83, 0x84, 0x85 };
	struct guest g;

	(void)state;
	start(&g);
	/* read-only bits as well; no op is called for it */
	assert_int_equal(pci_config_cap_store(g.config, 1, 2, bytes, 6), 0);
	assert_int_equal(rd(&g, 0x48, 8), 0x8584838281805009ull);
	assert_int_equal(pci_config_cap_store(g.config, 0, 8, bytes, 0), 0);
	assert_int_equal(g.cap_writes + g.cap_reads, 0);

	assert_int_equal(pci_config_cap_store(g.config, 1, 1, bytes, 2),
			 -EINVAL);
	assert_int_equal(pci_config_cap_store(g.config, 1, 3, bytes, 6),
			 -EINVAL);
	assert_int_equal(pci_config_cap_store(g.config, 1, ~0u, bytes, 2),
			 -EINVAL);
	assert_int_equal(pci_config_cap_store(g.config, 1, 2, bytes, ~0ul),
			 -EINVAL);
	assert_int_equal(pci_config_cap_store(g.config, 3, 2, bytes, 1),
			 -EINVAL);
	assert_int_equal(pci_config_cap_store(g.config, 2, 2, bytes, 1),
			 -EPERM);
	assert_int_equal(pci_config_cap_load(g.config, 3, 2, bytes, 1),
			 -EINVAL);
	assert_int_equal(pci_config_cap_load(g.config, 0, 7, bytes, 2),
			 -EINVAL);
	assert_int_equal(bytes[0], 0x80); /* untouched */
	assert_int_equal(rd(&g, 0x50, 8), 0x5544332211080009ull);

	pci_config_reset(g.config, VGPU_RESET_CLIENT);
	assert_int_equal(rd(&g, 0x48, 8), 0x5544332211085009ull);
	guest_stop(&g);
}

/* What was stored is state: another life finds it, and takes it. */
static void stored_bytes_survive(void **state)
{
	struct vgpu_pci_cap cap = vendor_caps[0];
	struct vgpu_pci_desc desc = plain();
	uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 };
	struct pci_config *again = NULL;
	struct guest g;

	(void)state;
	cap.ops = &both;
	desc.n_caps = 1;
	desc.caps = &cap;
	guest_start(&g, &desc);
	assert_int_equal(pci_config_cap_store(g.config, 0, 2, bytes, 6), 0);
	assert_int_equal(pci_config_new(g.arena, &desc, &guest_ops, &g, &again),
			 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(pci_config_cap_load(again, 0, 2, bytes, 6), 0);
	assert_memory_equal(bytes, "\1\2\3\4\5\6", 6);
	pci_config_free(again);
	/* without ops these bytes can't have changed */
	again = NULL;
	cap.ops = NULL;
	assert_int_equal(pci_config_new(g.arena, &desc, &guest_ops, &g, &again),
			 -ESTALE);
	guest_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_are_announced),
		cmocka_unit_test(writes_are_told),
		cmocka_unit_test(the_driver_stores),
		cmocka_unit_test(stored_bytes_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
