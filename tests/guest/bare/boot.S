/* SPDX-License-Identifier: MIT */
/*
 * Entry by the Multiboot protocol (version 1): protected mode, flat segments,
 * no paging, %ebx points to the boot information. Then 256 interrupt entries
 * that all end in interrupt(vector).
 */
#define MAGIC 0x1badb002
#define FLAGS 0x00000002 /* tell us about memory; the ELF header says the rest */
#define CODE_SELECTOR 8
#define DATA_SELECTOR 16

	.section .multiboot, "a"
	.align 4
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.globl start
start:
	cli
	mov $stack_top, %esp
	/* Multiboot promises segments, but not the table they came from. */
	lgdt gdt_pointer
	ljmp $CODE_SELECTOR, $1f
1:	mov $DATA_SELECTOR, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	cld
	push %ebx
	call bare_main
2:	hlt
	jmp 2b

	/* Vectors at which the processor pushes an error code itself. */
	.altmacro
	.macro entry vector
	.align 16
	.if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21)
	.else
	push $0
	.endif
	push $\vector
	jmp common
	.endm

	.align 16
	.globl interrupt_entries
interrupt_entries:
	.set i, 0
	.rept 256
	entry %i
	.set i, i + 1
	.endr

common:
	pusha
	cld
	push %esp	/* struct interrupt_frame * */
	call interrupt
	add $4, %esp
	popa
	add $8, %esp	/* vector and error code */
	iret

	.section .rodata
	.align 8
gdt:
	.quad 0
	.quad 0x00cf9a000000ffff
	.quad 0x00cf92000000ffff
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.bss
	.align 16
	.skip 16384
stack_top:

	.section .note.GNU-stack, "", @progbits
