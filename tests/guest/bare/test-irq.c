/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, counted where they arrive. The device is drivers/testdev, which
 * triggers what it is told to.
 */
#include "testdev.h"

#define ROUNDS		 20
#define MSI_DATA_VECTORS 4

static struct testdev dev;

/* ---- INTx ---- */

static uint32_t acknowledged, lower_after;

/* Lowers the level at the n-th interrupt only: until then it comes again. */
static void acknowledge(void)
{
	if (++acknowledged >= lower_after)
		testdev_write(&dev, TESTDEV_LEVEL, 0);
	else
		testdev_read(&dev, TESTDEV_COUNT);
}

static void expect_after(uint32_t n)
{
	acknowledged = 0;
	lower_after = n;
}

static unsigned start_intx(void)
{
	unsigned irq;

	testdev_open(&dev);
	interrupts_start();
	irq = pci_read8(&dev.pci, PCI_INTERRUPT_LINE);
	check_true("a pin", pci_read8(&dev.pci, PCI_INTERRUPT_PIN) == 1);
	check_true("a line", irq > 0 && irq < 16);
	interrupts_line(irq & 15, acknowledge);
	return VECTOR_LINE(irq & 15);
}

static void test_intx(void)
{
	unsigned vector = start_intx();
	uint32_t seen = 0;

	expect_after(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		testdev_write(&dev, TESTDEV_LEVEL, 1);
		seen = interrupts_expect(vector, i + 1);
	}
	check_equal("as many as raised", seen, ROUNDS);

	expect_after(5);
	testdev_write(&dev, TESTDEV_LEVEL, 1);
	check_equal("again until lowered",
		    interrupts_expect(vector, seen + 5) - seen, 5);
}

static void test_intx_disabled(void)
{
	unsigned vector = start_intx();
	uint16_t command = pci_read16(&dev.pci, PCI_COMMAND);

	expect_after(1);
	pci_write16(&dev.pci, PCI_COMMAND, command | PCI_COMMAND_INTX_OFF);
	testdev_write(&dev, TESTDEV_LEVEL, 1);
	check_equal("none while disabled", interrupts_expect(vector, 1), 0);
	check_true("its status shows",
		   pci_read16(&dev.pci, PCI_STATUS) & PCI_STATUS_INTERRUPT);
	pci_write16(&dev.pci, PCI_COMMAND, command);
	check_equal("one when enabled", interrupts_expect(vector, 1), 1);
	check_true("its status is clear",
		   !(pci_read16(&dev.pci, PCI_STATUS) & PCI_STATUS_INTERRUPT));
}

/* ---- MSI ---- */

static void test_msi(void)
{
	uint8_t cap;
	uint16_t control;
	uint32_t others = 0;

	testdev_open(&dev);
	interrupts_start();
	cap = pci_capability(&dev.pci, PCI_CAP_MSI);
	check_true("the capability", cap);
	if (!cap)
		return;
	control = pci_read16(&dev.pci, cap + MSI_CONTROL);
	pci_write32(&dev.pci, cap + MSI_ADDRESS, APIC_BASE);
	if (control & MSI_CONTROL_64)
		pci_write32(&dev.pci, cap + MSI_ADDRESS + 4, 0);
	pci_write16(&dev.pci,
		    cap + (control & MSI_CONTROL_64 ? MSI_DATA_64 : MSI_DATA),
		    VECTOR_MESSAGE(0));

	testdev_write(&dev, TESTDEV_VECTOR, 0);
	check_equal("none before it is enabled",
		    interrupts_expect(VECTOR_MESSAGE(0), 1), 0);
	testdev_write(&dev, TESTDEV_LEVEL, 0);

	/* As many messages as the test wants: 4 is 2^2. */
	pci_write16(&dev.pci, cap + MSI_CONTROL,
		    (control & ~MSI_CONTROL_COUNT) | 2 << 4 |
			    MSI_CONTROL_ENABLE);
	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned v = 0; v < MSI_DATA_VECTORS; v++) {
			testdev_write(&dev, TESTDEV_VECTOR, v);
			interrupts_expect(VECTOR_MESSAGE(v), i + 1);
		}
	for (unsigned v = 0; v < MSI_DATA_VECTORS; v++)
		check_equal("as many as triggered",
			    interrupts_seen(VECTOR_MESSAGE(v)), ROUNDS);
	for (unsigned v = MSI_DATA_VECTORS; v < 32; v++)
		others += interrupts_seen(VECTOR_MESSAGE(v));
	check_equal("none elsewhere", others, 0);

	pci_write16(&dev.pci, cap + MSI_CONTROL, control);
	testdev_write(&dev, TESTDEV_VECTOR, 1);
	check_equal("none after it is disabled",
		    interrupts_expect(VECTOR_MESSAGE(1), ROUNDS + 1), ROUNDS);
}

/* ---- MSI-X ---- */

struct msix {
	uint8_t cap;
	uint32_t vectors;
	uint32_t table;
};

static bool msix_open(struct msix *m)
{
	uint32_t where;

	testdev_open(&dev);
	interrupts_start();
	m->cap = pci_capability(&dev.pci, PCI_CAP_MSIX);
	check_true("the capability", m->cap);
	if (!m->cap)
		return false;
	m->vectors = (pci_read16(&dev.pci, m->cap + MSIX_CONTROL) &
		      MSIX_CONTROL_SIZE) +
		     1;
	where = pci_read32(&dev.pci, m->cap + MSIX_TABLE);
	m->table = pci_bar(&dev.pci, where & 7) + (where & ~7u);
	return true;
}

static void msix_control(const struct msix *m, uint16_t bits)
{
	pci_write16(&dev.pci, m->cap + MSIX_CONTROL, bits);
}

static void msix_entry(const struct msix *m, uint32_t vector, bool masked)
{
	uint32_t entry = m->table + vector * MSIX_ENTRY_SIZE;

	write32(entry, APIC_BASE);
	write32(entry + 4, 0);
	write32(entry + 8, VECTOR_MESSAGE(vector));
	write32(entry + 12, masked);
}

static uint32_t trigger(uint32_t vector, uint32_t count)
{
	testdev_write(&dev, TESTDEV_VECTOR, vector);
	return interrupts_expect(VECTOR_MESSAGE(vector), count);
}

/* Vectors beyond what the vector table of this guest has room for are left. */
static uint32_t usable(const struct msix *m)
{
	return m->vectors < 64 ? m->vectors : 64;
}

static void test_msix(void)
{
	uint32_t n, wrong = 0;
	struct msix m;

	if (!msix_open(&m))
		return;
	n = usable(&m);
	print("%u vectors\n", m.vectors);
	check_true("several vectors", n > 1);
	for (uint32_t v = 0; v < n; v++)
		msix_entry(&m, v, false);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	for (uint32_t i = 0; i < ROUNDS / 4; i++)
		for (uint32_t v = 0; v < n; v++)
			trigger(v, i + 1);
	for (uint32_t v = 0; v < n; v++)
		wrong += interrupts_seen(VECTOR_MESSAGE(v)) != ROUNDS / 4;
	check_equal("each vector as often as triggered", wrong, 0);

	msix_control(&m, 0);
	check_equal("none after it is disabled", trigger(1, ROUNDS / 4 + 1),
		    ROUNDS / 4);
}

static void test_msix_masks(void)
{
	struct msix m;

	if (!msix_open(&m))
		return;
	for (uint32_t v = 0; v < usable(&m); v++)
		msix_entry(&m, v, true);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	msix_entry(&m, 1, false);
	check_equal("one vector alone", trigger(1, 1), 1);
	check_equal("a masked vector", trigger(0, 1), 0);
	msix_entry(&m, 0, false);
	check_equal("it comes when unmasked",
		    interrupts_expect(VECTOR_MESSAGE(0), 1), 1);
	msix_entry(&m, 0, true);
	check_equal("masked again", trigger(0, 2), 1);
	check_equal("the other is still on", trigger(1, 2), 2);

	msix_control(&m, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL);
	check_equal("all masked", trigger(1, 3), 2);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	check_equal("and unmasked", interrupts_expect(VECTOR_MESSAGE(1), 3), 3);
}

/* From one kind to another and back, as a driver does that falls back. */
static void test_switch(void)
{
	unsigned line = start_intx();
	struct msix m;

	expect_after(1);
	testdev_write(&dev, TESTDEV_LEVEL, 1);
	check_equal("INTx", interrupts_expect(line, 1), 1);
	if (!msix_open(&m))
		return;
	interrupts_line(line - VECTOR_LINE(0), acknowledge);
	msix_entry(&m, 0, false);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	check_equal("MSI-X", trigger(0, 1), 1);
	msix_control(&m, 0);
	expect_after(1);
	testdev_write(&dev, TESTDEV_LEVEL, 1);
	check_equal("INTx again", interrupts_expect(line, 2), 2);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	check_equal("MSI-X again", trigger(0, 2), 2);
}

/* ---- Function Level Reset ---- */

static void test_flr(void)
{
	uint32_t bars[6];
	struct msix m;

	if (!msix_open(&m))
		return;
	msix_entry(&m, 0, false);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	check_equal("an interrupt before", trigger(0, 1), 1);
	msix_control(&m, 0);
	testdev_write(&dev, TESTDEV_SCRATCH, 0x12345678);
	check_equal("the scratch register", testdev_read(&dev, TESTDEV_SCRATCH),
		    0x12345678);

	for (unsigned i = 0; i < 6; i++)
		bars[i] = pci_read32(&dev.pci, PCI_BAR(i));
	check_true("the function has FLR", pci_flr(&dev.pci));
	for (unsigned i = 0; i < 6; i++)
		pci_write32(&dev.pci, PCI_BAR(i), bars[i]);
	pci_enable(&dev.pci);
	check_equal("the scratch register after it",
		    testdev_read(&dev, TESTDEV_SCRATCH), 0);
	check_equal("the count after it", testdev_read(&dev, TESTDEV_COUNT), 0);
	msix_entry(&m, 0, false);
	msix_control(&m, MSIX_CONTROL_ENABLE);
	check_equal("an interrupt after", trigger(0, 2), 2);
}

const struct bare_test irq_tests[] = {
	{ "irq-intx", test_intx },
	{ "irq-intx-disabled", test_intx_disabled },
	{ "irq-msi", test_msi },
	{ "irq-msix", test_msix },
	{ "irq-msix-masks", test_msix_masks },
	{ "irq-switch", test_switch },
	{ "irq-flr", test_flr },
	{ NULL, NULL },
};
