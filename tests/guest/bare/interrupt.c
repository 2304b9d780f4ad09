/* SPDX-License-Identifier: MIT */
#include "bare.h"

#define CODE_SELECTOR  8
#define GATE_INTERRUPT 0x8e00
#define ENTRY_SIZE     16
#define VECTORS	       256
#define EXCEPTIONS     32
#define LINES	       16

#define PIC1	    0x20
#define PIC2	    0xa0
#define PIC_EOI	    0x20
#define PIC_CASCADE 2

#define APIC_EOI	(APIC_BASE + 0xb0)
#define APIC_SPURIOUS	(APIC_BASE + 0xf0)
#define APIC_LINT0	(APIC_BASE + 0x350)
#define APIC_ENABLE	0x100
#define APIC_EXTINT	0x700
#define VECTOR_SPURIOUS 0xff

/* Reads of a port take about a microsecond each, under any accelerator more. */
#define DELAY_PORT  0x80
#define WAIT_READS  2000000u
#define EXTRA_READS 20000u

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset_high;
};

struct interrupt_frame {
	uint32_t registers[8];
	uint32_t vector;
	uint32_t error;
	uint32_t eip;
};

void interrupt(const struct interrupt_frame *frame);

extern const uint8_t interrupt_entries[];

static struct gate idt[VECTORS];
static volatile uint32_t seen[VECTORS];
static void (*acknowledges[LINES])(void);

void interrupt(const struct interrupt_frame *frame)
{
	uint32_t vector = frame->vector;

	if (vector < EXCEPTIONS) {
		print("exception %u, error %x at %x\n", vector, frame->error,
		      frame->eip);
		check_true("no exception", false);
		finish();
	}
	seen[vector]++;
	if (vector >= VECTOR_LINE(0) && vector < VECTOR_LINE(LINES)) {
		unsigned irq = vector - VECTOR_LINE(0);

		if (acknowledges[irq])
			acknowledges[irq]();
		if (irq >= 8)
			out8(PIC2, PIC_EOI);
		out8(PIC1, PIC_EOI);
	} else if (vector != VECTOR_SPURIOUS) {
		write32(APIC_EOI, 0);
	}
}

static void start_pic(uint16_t base, uint8_t vector, uint8_t cascade)
{
	out8(base, 0x11); /* initialise, four words */
	out8(base + 1, vector);
	out8(base + 1, cascade);
	out8(base + 1, 0x01); /* 8086 mode */
	out8(base + 1, 0xff); /* all masked */
}

void interrupts_start(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint32_t)idt };

	for (unsigned i = 0; i < VECTORS; i++) {
		uint32_t entry = (uint32_t)interrupt_entries + i * ENTRY_SIZE;

		idt[i] = (struct gate){ entry & 0xffff, CODE_SELECTOR,
					GATE_INTERRUPT, entry >> 16 };
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
	start_pic(PIC1, VECTOR_LINE(0), 1 << PIC_CASCADE);
	start_pic(PIC2, VECTOR_LINE(8), PIC_CASCADE);
	write32(APIC_LINT0, APIC_EXTINT);
	write32(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
	__asm__ volatile("sti");
}

void interrupts_line(unsigned irq, void (*acknowledge)(void))
{
	acknowledges[irq] = acknowledge;
	if (irq >= 8) {
		out8(PIC2 + 1, in8(PIC2 + 1) & ~(1u << (irq - 8)));
		irq = PIC_CASCADE;
	}
	out8(PIC1 + 1, in8(PIC1 + 1) & ~(1u << irq));
}

uint32_t interrupts_seen(unsigned vector)
{
	return seen[vector];
}

uint32_t interrupts_expect(unsigned vector, uint32_t count)
{
	for (uint32_t i = 0; i < WAIT_READS && seen[vector] < count; i++)
		in8(DELAY_PORT);
	for (uint32_t i = 0; i < EXTRA_READS; i++)
		in8(DELAY_PORT);
	return seen[vector];
}
