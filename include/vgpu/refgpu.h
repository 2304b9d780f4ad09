/* SPDX-License-Identifier: MIT */
/*
 * The reference GPU: registers, page tables, commands. What docs/refgpu.md
 * says, as numbers: for drivers in guests and programs, for the mediator and
 * for the model of the hardware.
 *
 * All numbers are little endian. Addresses of 64 bits are two registers, _LO
 * and the next one, and take effect when used.
 */
#ifndef VGPU_REFGPU_H
#define VGPU_REFGPU_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REFGPU_VENDOR_ID  0x1234u
#define REFGPU_DEVICE_ID  0x5247u
#define REFGPU_CLASS	  0x038000u /* display controller, other */
#define REFGPU_ID_VALUE	  0x55504752u /* "RGPU" */
#define REFGPU_VERSION	  0x00010000u /* 1.0: major in the upper half */

/* ------------------------------------------------------------------ */
/* BARs                                                                */
/* ------------------------------------------------------------------ */

#define REFGPU_BAR_REGS	    0 /* 32-bit, 256 KiB; registers take 4 bytes */
#define REFGPU_BAR_VRAM	    2 /* 64-bit, prefetchable: all of VRAM */
#define REFGPU_BAR_DOORBELL 4 /* 32-bit, 16 KiB: doorbells, MSI-X */

#define REFGPU_REGS_SIZE	0x40000u
#define REFGPU_DOORBELL_SIZE	0x4000u
#define REFGPU_DOORBELL(ctx)	((ctx)*4u) /* in its BAR; 1024 of them */
#define REFGPU_MSIX_TABLE	0x2000u	   /* in the doorbells' BAR */
#define REFGPU_MSIX_PBA		0x3000u

#define REFGPU_MAX_CONTEXTS 1024u
#define REFGPU_NUM_ENGINES  2u

enum refgpu_engine {
	REFGPU_ENGINE_RENDER = 0, /* all commands */
	REFGPU_ENGINE_COPY = 1,	  /* all but rectangles and dispatches */
};

/* MSI-X vectors */
enum refgpu_vector {
	REFGPU_VECTOR_EVENT = 0, /* a context has an event */
	REFGPU_VECTOR_VBLANK,
	REFGPU_VECTOR_HOST, /* host scheduling: engines' events */
	REFGPU_NUM_VECTORS,
};

/* ------------------------------------------------------------------ */
/* Global registers                                                    */
/* ------------------------------------------------------------------ */

#define REFGPU_ID	    0x000 /* R: REFGPU_ID_VALUE */
#define REFGPU_VERSION_REG  0x004 /* R */
#define REFGPU_CAPS	    0x008 /* R: REFGPU_CAP_* */
#define REFGPU_CONTEXTS	    0x00c /* R: how many there are */
#define REFGPU_VRAM_SIZE_LO 0x010 /* R: bytes */
#define REFGPU_VRAM_SIZE_HI 0x014
#define REFGPU_TIME_LO	    0x018 /* R: ns; reading LO latches HI */
#define REFGPU_TIME_HI	    0x01c
#define REFGPU_RESET	    0x020 /* W: 1: all as at power-on, VRAM stays */
#define REFGPU_STATUS	    0x024 /* R: bit n: engine n is busy */
#define REFGPU_IRQ_STATUS   0x030 /* R, W1C: REFGPU_IRQ_* */
#define REFGPU_IRQ_ENABLE   0x034 /* RW */
#define REFGPU_CTX_EVENTS(i) (0x100u + (i)*4u) /* R: bit n: context 32*i+n has \
						* an event; 32 registers */

#define REFGPU_CAP_HOST	   (1u << 0) /* host scheduling, privileged commands */
#define REFGPU_CAP_DISPLAY (1u << 1)

/* Also bit n of IRQ_STATUS raises MSI-X vector n when it is enabled. */
#define REFGPU_IRQ_EVENT  (1u << REFGPU_VECTOR_EVENT)
#define REFGPU_IRQ_VBLANK (1u << REFGPU_VECTOR_VBLANK)
#define REFGPU_IRQ_HOST	  (1u << REFGPU_VECTOR_HOST)

/* Host scheduling, for who shares the engines out: with REFGPU_CAP_HOST */
#define REFGPU_ENG(engine, reg) (0x400u + (engine)*0x40u + (reg))
#define REFGPU_ENG_MODE	   0x00 /* RW: 0: the hardware's arbiter; 1: host */
#define REFGPU_ENG_SUBMIT  0x04 /* W: context to run; two fit, see STATUS */
#define REFGPU_ENG_STATUS  0x08 /* R: 15:0 context that runs, 0xffff: none; \
				 * 16: a next one waits */
#define REFGPU_ENG_PREEMPT 0x0c /* W: 1: stop at the next boundary, also drop \
				 * the next one */
#define REFGPU_ENG_RESET   0x10 /* W: 1: stop now, wherever it is */
#define REFGPU_ENG_EVENT   0x14 /* R: takes the oldest event: 15:0 context, \
				 * 23:16 enum refgpu_stop; ~0: none */

#define REFGPU_MODE_ARBITER 0u
#define REFGPU_MODE_HOST    1u
#define REFGPU_ENG_NONE	    0xffffu
#define REFGPU_NO_EVENT	    0xffffffffu

/* Why a context left its engine */
enum refgpu_stop {
	REFGPU_STOP_IDLE = 1,  /* nothing in its ring */
	REFGPU_STOP_PREEMPTED, /* it has more to do */
	REFGPU_STOP_WAIT,      /* a semaphore is not there yet */
	REFGPU_STOP_FAULT,
	REFGPU_STOP_ERROR,
	REFGPU_STOP_DROPPED, /* was next, and was not begun */
};

/* ------------------------------------------------------------------ */
/* Display                                                             */
/* ------------------------------------------------------------------ */

#define REFGPU_DISP_CONTROL 0x800 /* RW: bit 0: on */
#define REFGPU_DISP_FORMAT  0x804 /* RW: DRM's fourcc: XR24, BX24, RG16 */
#define REFGPU_DISP_WIDTH   0x808 /* RW: pixels, 1..8192 */
#define REFGPU_DISP_HEIGHT  0x80c /* RW: lines, 1..8192 */
#define REFGPU_DISP_STRIDE  0x810 /* RW: bytes, multiple of 4 */
#define REFGPU_DISP_BASE_LO 0x818 /* RW: offset in VRAM, multiple of 4 */
#define REFGPU_DISP_BASE_HI 0x81c
#define REFGPU_DISP_COMMIT  0x820 /* W: the five above become live at the next \
				   * vblank; R: 1: not yet */
#define REFGPU_DISP_VBLANKS 0x824 /* R: vblanks since power-on, while on */
#define REFGPU_DISP_REFRESH 0x828 /* R: mHz */
#define REFGPU_DISP_STATUS  0x82c /* R: 0: off, 1: on, 2: what was committed \
				   * is not in VRAM or makes no sense: off */
#define REFGPU_DISP_EDID    0x900 /* R: 256 bytes */

/* ------------------------------------------------------------------ */
/* Contexts                                                            */
/* ------------------------------------------------------------------ */

#define REFGPU_CTX_BASE	  0x10000u
#define REFGPU_CTX_STRIDE 0x80u
#define REFGPU_CTX(ctx, reg) \
	(REFGPU_CTX_BASE + (ctx)*REFGPU_CTX_STRIDE + (reg))

#define REFGPU_CTX_CONTROL   0x00 /* RW: REFGPU_CTX_ENABLE ... */
#define REFGPU_CTX_STATE     0x04 /* R: enum refgpu_state */
#define REFGPU_CTX_ROOT_LO   0x08 /* RW: of the page table, as a PTE */
#define REFGPU_CTX_ROOT_HI   0x0c
#define REFGPU_CTX_RING_LO   0x10 /* RW: GPU address, multiple of 4096 */
#define REFGPU_CTX_RING_HI   0x14
#define REFGPU_CTX_RING_SIZE 0x18 /* RW: bytes, power of two, 4 KiB..1 MiB */
#define REFGPU_CTX_CTL_LO    0x20 /* RW: GPU address of struct refgpu_ctl, \
				   * multiple of 128 */
#define REFGPU_CTX_CTL_HI    0x24
#define REFGPU_CTX_HEAD	     0x28 /* R: byte in the ring; all before is done */
#define REFGPU_CTX_EVENT     0x2c /* R, W1C: REFGPU_EVENT_* */
#define REFGPU_CTX_FAULT_LO  0x30 /* R: GPU address, page's */
#define REFGPU_CTX_FAULT_HI  0x34
#define REFGPU_CTX_FAULT     0x38 /* R: 7:0 enum refgpu_fault, 8: by a write */
#define REFGPU_CTX_ERROR     0x3c /* R: enum refgpu_error */
#define REFGPU_CTX_RESUME    0x40 /* W: 1: after a fault: try again */
#define REFGPU_CTX_INV_LO    0x48 /* RW: GPU address, page's */
#define REFGPU_CTX_INV_HI    0x4c
#define REFGPU_CTX_INV_PAGES 0x50 /* W: forget translations of so many pages \
				   * from INV on, 0: of all; done on return */
#define REFGPU_CTX_TIME_LO   0x58 /* R: ns on an engine; LO latches HI */
#define REFGPU_CTX_TIME_HI   0x5c
#define REFGPU_CTX_COOKIE    0x60 /* R: of the last IRQ command */
/* With REFGPU_CTX_HOST_RING, otherwise 0. How much is done of the command at
 * HEAD. R: while it does not run; W: while it has not run since ENABLE */
#define REFGPU_CTX_DONE_LO 0x64 /* bytes, or pixels; of a dispatch: not 0 */
#define REFGPU_CTX_DONE_HI 0x68
#define REFGPU_CTX_GROUP_X 0x6c /* of a dispatch: the next group ... */
#define REFGPU_CTX_GROUP_Y 0x70
#define REFGPU_CTX_GROUP_Z 0x74
#define REFGPU_CTX_PART	   0x78 /* ... and elements of it that are written */

#define REFGPU_CTX_ENABLE    (1u << 0) /* 1 to 0: stop now, forget all */
#define REFGPU_CTX_HOST_RING (1u << 1) /* with REFGPU_CAP_HOST: RING and CTL \
					* are offsets in VRAM */
#define REFGPU_CTX_PRIV	     (1u << 2) /* likewise: privileged commands */
#define REFGPU_CTX_ENGINE_SHIFT 4      /* 7:4 enum refgpu_engine; may be \
					* changed while ENABLE is 0 */

enum refgpu_state {
	REFGPU_STATE_OFF = 0,
	REFGPU_STATE_IDLE,
	REFGPU_STATE_READY, /* has work, waits for its engine */
	REFGPU_STATE_RUNNING,
	REFGPU_STATE_WAITING, /* for a semaphore */
	REFGPU_STATE_FAULT,   /* stands, until RESUME or ENABLE is 0 */
	REFGPU_STATE_ERROR,   /* stands, until ENABLE is 0 */
};

#define REFGPU_EVENT_USER  (1u << 0) /* an IRQ command */
#define REFGPU_EVENT_FAULT (1u << 1)
#define REFGPU_EVENT_ERROR (1u << 2)

enum refgpu_fault {
	REFGPU_FAULT_NONE = 0,
	REFGPU_FAULT_INVALID,  /* no valid entry */
	REFGPU_FAULT_READ,     /* not for reading */
	REFGPU_FAULT_WRITE,    /* not for writing */
	REFGPU_FAULT_RESERVED, /* reserved bits, or an address that can't be */
	REFGPU_FAULT_BUS,      /* system memory: the IOMMU refused it */
};

enum refgpu_error {
	REFGPU_ERROR_NONE = 0,
	REFGPU_ERROR_RING,	 /* ring, control block or tail make no sense */
	REFGPU_ERROR_COMMAND,	 /* unknown, wrong length, or cut off */
	REFGPU_ERROR_PRIVILEGED, /* not in this context */
	REFGPU_ERROR_ENGINE,	 /* not on this engine */
	REFGPU_ERROR_ARGUMENT,	 /* a number that can't be */
	REFGPU_ERROR_NESTING,	 /* a batch in a batch in a batch */
	REFGPU_ERROR_RESET,	 /* stopped by force: it hung, or its engine */
};

/**
 * struct refgpu_ctl - where a context's driver and the device meet
 * @tail: the driver's: byte in the ring where its commands end
 * @head: the device's: as REFGPU_CTX_HEAD, written after each command
 */
struct refgpu_ctl {
	uint32_t tail;
	uint32_t reserved[15];
	uint32_t head;
	uint32_t reserved2[15];
};

/* ------------------------------------------------------------------ */
/* Page tables                                                         */
/* ------------------------------------------------------------------ */

/*
 * 40 bits of address, three levels of entries of 64 bits:
 *   39:30 root, 1024 entries (8 KiB), 29:21 middle, 512, 20:12 leaves, 512.
 * A middle entry with REFGPU_PTE_HUGE is a page of 2 MiB.
 */
#define REFGPU_VA_BITS	40
#define REFGPU_VA_SIZE	(1ull << REFGPU_VA_BITS)
#define REFGPU_PAGE	4096ull
#define REFGPU_HUGE	(2ull << 20)
#define REFGPU_ROOT_SHIFT 30
#define REFGPU_MID_SHIFT  21
#define REFGPU_LEAF_SHIFT 12
#define REFGPU_ROOT_ENTRIES 1024u
#define REFGPU_ENTRIES	    512u

#define REFGPU_PTE_VALID  (1ull << 0)
#define REFGPU_PTE_READ	  (1ull << 1) /* of pages */
#define REFGPU_PTE_WRITE  (1ull << 2) /* of pages */
#define REFGPU_PTE_SYSTEM (1ull << 3) /* a bus address; else an offset in VRAM */
#define REFGPU_PTE_HUGE	  (1ull << 4) /* middle level only */
#define REFGPU_PTE_ADDR	  0x000ffffffffff000ull /* 51:12; huge: 51:21 */
#define REFGPU_PTE_SOFT	  0x7ff0000000000e00ull /* 11:9, 62:52: the driver's */
/* All others are reserved, 0. */

/* ------------------------------------------------------------------ */
/* Commands                                                            */
/* ------------------------------------------------------------------ */

/* Header: 31:24 opcode, 23:16 flags (0), 15:0 length in dwords, header
 * included. "A" stands for an address: two dwords, low half first. */
#define REFGPU_CMD(op, len)  ((uint32_t)(op) << 24 | (uint32_t)(len))
#define REFGPU_CMD_OP(head)  ((head) >> 24)
#define REFGPU_CMD_LEN(head) ((head)&0xffffu)
#define REFGPU_CMD_FLAGS(head) ((head) >> 16 & 0xffu)

enum refgpu_op {
	REFGPU_OP_NOP = 0x01,	     /* any length */
	REFGPU_OP_BATCH = 0x02,	     /* 4: A, dwords: run those, then go on */
	REFGPU_OP_END = 0x03,	     /* 1: of the batch, before its length is */
	REFGPU_OP_FENCE = 0x04,	     /* 5: A, value (64): store it */
	REFGPU_OP_SEM_WAIT = 0x05,   /* 5: A, value (64): until *A >= value */
	REFGPU_OP_SEM_ADD = 0x06,    /* 5: A, value (64): *A += value, atomic */
	REFGPU_OP_IRQ = 0x07,	     /* 2: cookie: REFGPU_EVENT_USER */
	REFGPU_OP_TIMESTAMP = 0x08,  /* 3: A: two u64: TIME, context's TIME */
	REFGPU_OP_INVALIDATE = 0x09, /* 4: A, pages: as CTX_INV */
	REFGPU_OP_FILL = 0x10,	     /* 6: A, bytes (64), value; 4-aligned */
	REFGPU_OP_COPY = 0x11,	     /* 7: A to, A from, bytes (64) */
	REFGPU_OP_RECT_FILL = 0x20,  /* 7: surface, xy, wh, colour */
	REFGPU_OP_RECT_COPY = 0x21,  /* 10: surface to, surface from, xy to, \
				      * xy from, wh */
	REFGPU_OP_RECT_BLEND = 0x22, /* 10: likewise; premultiplied, over */
	REFGPU_OP_DISPATCH = 0x30,   /* 5 + arguments: kernel, groups x, y, z */
	REFGPU_OP_REG_WRITE = 0xe0,  /* 3, privileged: register, value */
	REFGPU_OP_PHYS_COPY = 0xe1,  /* 7, privileged: as COPY, with PTEs for \
				      * addresses (SYSTEM says of what) */
};

/* A surface is 3 dwords: A (4-aligned), stride in bytes (4-aligned, <= 64 KiB);
 * pixels are 32 bits, ARGB8888. xy and wh are x | y << 16, below 16384. */
#define REFGPU_SURFACE_MAX 16384u

#define REFGPU_BATCH_MAX     16384u /* dwords of a batch buffer */
#define REFGPU_BATCH_NESTING 2u	    /* a batch may call another, and no more */
#define REFGPU_ARGS_MAX	     32u    /* dwords of a dispatch's arguments */
#define REFGPU_GROUPS_MAX    65536u /* in each direction */
#define REFGPU_BYTES_MAX     (1ull << 32) /* of a FILL or COPY */

/* Kernels: groups are numbered from 0 in each direction; groups that lie behind
 * the data do nothing. Floats are IEEE 754 in a dword. */
enum refgpu_kernel {
	/* n, a (f32), A x, A y: y[i] += a * x[i]; REFGPU_SAXPY_GROUP
	 * elements a group, 1-D. Args: 6 dwords. */
	REFGPU_KERNEL_SAXPY = 1,
	/* m, n, k, lda, ldb, ldc, alpha, beta, A a, A b, A c: row-major
	 * C = alpha AB + beta C; a group is REFGPU_SGEMM_TILE squared of C, x along n;
	 * strides in elements. Args: 14 dwords; k <= REFGPU_SGEMM_MAX_K. */
	REFGPU_KERNEL_SGEMM = 2,
	/* A pixels, stride, width, height, iterations, x0, y0, dx, dy (f64):
	 * XRGB8888, REFGPU_MANDEL_TILE squared pixels a group; the colours are
	 * in docs/refgpu.md. Args: 14 dwords. */
	REFGPU_KERNEL_MANDELBROT = 3,
	/* n, reserved, A x, A sums: sums[group] (f32) = sum of
	 * REFGPU_REDUCE_GROUP elements, 1-D. Args: 6 dwords. */
	REFGPU_KERNEL_REDUCE = 4,
	/* bytes, reserved, A x, A bins: 256 counters of 32 bits, added to
	 * atomically; REFGPU_HIST_GROUP bytes a group, 1-D. Args: 6 dwords. */
	REFGPU_KERNEL_HISTOGRAM = 5,
	/* ns (64): every group takes as long; for tests of scheduling. A group
	 * is never cut but by force: one of an hour is a hang.
	 * Args: 2 dwords. */
	REFGPU_KERNEL_SPIN = 6,
};

#define REFGPU_SAXPY_GROUP  16384u
#define REFGPU_SGEMM_TILE   64u
#define REFGPU_SGEMM_MAX_K  4096u
#define REFGPU_MANDEL_TILE  32u
#define REFGPU_MANDEL_MAX   4096u /* iterations */
#define REFGPU_REDUCE_GROUP 65536u
#define REFGPU_HIST_GROUP   65536u

#ifdef __cplusplus
}
#endif
#endif
