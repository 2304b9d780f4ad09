/* SPDX-License-Identifier: MIT */
/*
 * edu: QEMU's teaching device, shared. What a vGPU looks like, what the two
 * halves of the driver tell each other, and what the hardware has to do.
 *
 * Registers and semantics: docs/specs/edu.rst of qemu/qemu.
 */
#ifndef EDU_H
#define EDU_H

#include <stdbool.h>
#include <stdint.h>

#include <vgpu/parent.h>

#define EDU_ID	       0x00 /* R */
#define EDU_LIVENESS   0x04 /* RW: reads as the complement */
#define EDU_FACTORIAL  0x08 /* RW */
#define EDU_STATUS     0x20
#define EDU_IRQ_STATUS 0x24 /* R */
#define EDU_IRQ_RAISE  0x60 /* W */
#define EDU_IRQ_ACK    0x64 /* W */
#define EDU_DMA_SRC    0x80 /* from here on 4 or 8 bytes */
#define EDU_DMA_DST    0x88
#define EDU_DMA_COUNT  0x90
#define EDU_DMA_CMD    0x98

#define EDU_ID_VALUE	     0x010000edu
#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ	     0x80u /* interrupt when it is computed */
#define EDU_CMD_RUN	     1u
#define EDU_CMD_TO_RAM	     2u /* else from it */
#define EDU_CMD_IRQ	     4u
#define EDU_CMD_BITS	     7u
#define EDU_IRQ_FACTORIAL    0x001u
#define EDU_IRQ_DMA	     0x100u

#define EDU_BUFFER	0x40000u /* where it lies in DMA's numbers */
#define EDU_BUFFER_SIZE 4096u
#define EDU_DMA_MASK	((1ull << 28) - 1)
#define EDU_BAR_SIZE	(1ull << 20)

/* ------------------------------------------------------------------ */
/* Between the halves                                                  */
/* ------------------------------------------------------------------ */

/* A transfer touches at most so many pages. */
#define EDU_MAX_PIECES 2u

enum edu_op {
	EDU_OP_FACTORIAL = 1,
	EDU_OP_DMA,
	EDU_OP_CANCEL, /* the transfer: drop it if it has not begun */
	EDU_OP_RESET,  /* drop jobs that have not begun; the buffer is zero */
};

/* Who has asked; a vGPU has one job of each at a time. */
enum edu_unit {
	EDU_UNIT_FACTORIAL,
	EDU_UNIT_DMA,
	EDU_N_UNITS,
};

/**
 * struct edu_request - instance half to parent half
 * @op: enum edu_op
 * @id: of the job; comes back with its end
 * @value: of the factorial; or 1: to RAM, 0: from it
 * @offset: of a transfer, in the buffer
 * @n: of a transfer: pieces of memory, one after the other in the buffer
 * @addr: device addresses, each piece within a page
 * @len: their lengths; 0 is a transfer of nothing
 */
struct edu_request {
	uint32_t op;
	uint32_t id;
	uint32_t value;
	uint32_t offset;
	uint32_t n;
	uint32_t len[EDU_MAX_PIECES];
	uint32_t reserved;
	uint64_t addr[EDU_MAX_PIECES];
};

/**
 * struct edu_reply - parent half to instance half: a job is over
 * @unit: enum edu_unit
 * @id: the job's
 * @err: 0; ECANCELED: it has moved nothing; EIO: the hardware hangs
 * @value: the factorial
 * @engine_ns: how long the engine worked for the vGPU, in all; what changing
 *             over to it takes is part of that
 */
struct edu_reply {
	uint32_t unit;
	uint32_t id;
	uint32_t err;
	uint32_t value;
	uint64_t engine_ns;
};

extern const struct vgpu_parent_ops edu_parent_ops; /* parent.c */

/* ------------------------------------------------------------------ */
/* The hardware                                                        */
/* ------------------------------------------------------------------ */

struct edu_hw;

/**
 * struct edu_hw_ops - one edu device
 * @read: a register; nothing of the DMA's
 * @write: a register below EDU_DMA_SRC
 * @dma: start a transfer; @cmd has EDU_CMD_RUN and EDU_CMD_IRQ set
 * @busy: is a transfer under way?
 * @stop: make it stop; no memory is touched any more when this returns, and
 *        registers are as after a reset. Return: 0; negative errno: it stopped,
 *        but is good for nothing any more.
 * @free: give it back
 *
 * It interrupts by @irq, from the loop, never from within an op.
 */
struct edu_hw_ops {
	uint32_t (*read)(struct edu_hw *hw, unsigned reg);
	void (*write)(struct edu_hw *hw, unsigned reg, uint32_t value);
	void (*dma)(struct edu_hw *hw, uint64_t src, uint64_t dst,
		    uint32_t count, uint32_t cmd);
	bool (*busy)(struct edu_hw *hw);
	int (*stop)(struct edu_hw *hw);
	void (*free)(struct edu_hw *hw);
};

/* @start: arms interrupts, once the parent has a loop */
struct edu_hw {
	const struct edu_hw_ops *ops;
	struct vgpu_iommu *iommu;
	int (*start)(struct edu_hw *hw, struct vgpu_parent *parent);
	void (*irq)(void *user);
	void *user;
};

/* @options: what follows "software", such as ",delay=1000" */
int edu_hw_software(const char *options, struct edu_hw **ret_hw);
int edu_hw_pci(const char *address, struct edu_hw **ret_hw);

#endif
