/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system: what its tests are written with.
 * 32-bit protected mode without paging, one processor, the first serial port
 * as the only way to speak.
 */
#ifndef BARE_H
#define BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Ports and memory-mapped registers ---- */

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* One load or store of exactly this width, at any alignment. */
static inline uint8_t read8(uint32_t address)
{
	uint8_t v;

	__asm__ volatile("movb (%1), %0" : "=q"(v) : "r"(address) : "memory");
	return v;
}

static inline uint16_t read16(uint32_t address)
{
	uint16_t v;

	__asm__ volatile("movw (%1), %0" : "=r"(v) : "r"(address) : "memory");
	return v;
}

static inline uint32_t read32(uint32_t address)
{
	uint32_t v;

	__asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(address) : "memory");
	return v;
}

static inline void write8(uint32_t address, uint8_t v)
{
	__asm__ volatile("movb %0, (%1)" : : "q"(v), "r"(address) : "memory");
}

static inline void write16(uint32_t address, uint16_t v)
{
	__asm__ volatile("movw %0, (%1)" : : "r"(v), "r"(address) : "memory");
}

static inline void write32(uint32_t address, uint32_t v)
{
	__asm__ volatile("movl %0, (%1)" : : "r"(v), "r"(address) : "memory");
}

/* ---- Telling the host (print.c) ---- */

/** print() - text to the serial port; knows %s, %u, %x (8 digits) and %% */
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);

/**
 * check_equal() - one thing that must be so
 * @what: its name, unique in a test
 *
 * The host sees a line "ok WHAT" or "FAILED WHAT: ...", and the test goes on.
 */
void check_equal(const char *what, uint32_t got, uint32_t want);

/** check_true() - likewise, for what has no single value */
void check_true(const char *what, bool good);

/** wait_for_host() - until the host sends a line */
void wait_for_host(void);

/** finish() - say how many checks there were, and turn the machine off */
__attribute__((noreturn)) void finish(void);

/* ---- PCI (pci.c) ---- */

#define PCI_VENDOR	   0x00
#define PCI_COMMAND	   0x04
#define PCI_STATUS	   0x06
#define PCI_CLASS_REVISION 0x08
#define PCI_BAR(n)	   (0x10 + 4 * (n))
#define PCI_SUBSYSTEM	   0x2c
#define PCI_ROM		   0x30
#define PCI_CAPABILITIES   0x34
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN  0x3d

#define PCI_COMMAND_IO	     0x0001
#define PCI_COMMAND_MEMORY   0x0002
#define PCI_COMMAND_MASTER   0x0004
#define PCI_COMMAND_INTX_OFF 0x0400
#define PCI_STATUS_INTERRUPT 0x0008

#define PCI_CAP_PM	0x01
#define PCI_CAP_MSI	0x05
#define PCI_CAP_EXPRESS 0x10
#define PCI_CAP_MSIX	0x11

/* The function under test, as configuration mechanism 1 addresses it. */
struct pci_device {
	uint32_t address;
};

uint32_t pci_read32(const struct pci_device *dev, uint8_t offset);
uint16_t pci_read16(const struct pci_device *dev, uint8_t offset);
uint8_t pci_read8(const struct pci_device *dev, uint8_t offset);
void pci_write32(const struct pci_device *dev, uint8_t offset, uint32_t v);
void pci_write16(const struct pci_device *dev, uint8_t offset, uint16_t v);

/** pci_find() - the function with these ids; the test ends where there is none
 */
void pci_find(struct pci_device *dev, uint16_t vendor, uint16_t device);

/** pci_bar() - base of a memory BAR; the test ends where it is not below 4 GiB
 */
uint32_t pci_bar(const struct pci_device *dev, unsigned bar);

/** pci_bar_size() - by writing all ones; decoding is off meanwhile */
uint32_t pci_bar_size(const struct pci_device *dev, unsigned bar);

/** pci_capability() - offset of the first capability with this id, or 0 */
uint8_t pci_capability(const struct pci_device *dev, uint8_t id);

/** pci_enable() - turn on memory decoding and bus mastering */
void pci_enable(const struct pci_device *dev);

/** pci_flr() - Function Level Reset; false where the function has none */
bool pci_flr(const struct pci_device *dev);

/* ---- Interrupts (interrupt.c) ---- */

/* The local APIC's base: also where messages of MSI and MSI-X go. */
#define APIC_BASE 0xfee00000u

/* Legacy interrupt lines 0..15 arrive at these vectors; the rest is free. */
#define VECTOR_LINE(irq)  (0x20 + (irq))
#define VECTOR_MESSAGE(n) (0x40 + (n))

/** interrupts_start() - set up IDT, PIC and APIC, all lines masked, and allow
 */
void interrupts_start(void);

/**
 * interrupts_line() - unmask a legacy line
 * @acknowledge: called in the handler, to take the level away; may be NULL
 */
void interrupts_line(unsigned irq, void (*acknowledge)(void));

/** interrupts_seen() - how often a vector came since the start */
uint32_t interrupts_seen(unsigned vector);

/**
 * interrupts_expect() - waits until a vector came @count times in all, or too
 * long; then a little more, so that one too many is noticed
 *
 * Return: how often it has come.
 */
uint32_t interrupts_expect(unsigned vector, uint32_t count);

/* ---- The tests ---- */

struct bare_test {
	const char *name;
	void (*run)(void);
};

extern const struct bare_test bochs_tests[];
extern const struct bare_test irq_tests[];
extern const struct bare_test area_tests[];

#endif
