/* SPDX-License-Identifier: MIT */
/*
 * A model of the reference GPU (docs/refgpu.md, <vgpu/refgpu.h>): what would
 * be silicon. It knows nothing of vGPUs: it has registers, doorbells, VRAM and
 * interrupts, and does what whoever programs it says, with the addresses that
 * it was given.
 *
 * Registers may be used from any thread; accesses take turns, but for those
 * that wait for an engine (a context's CONTROL, RESET, INV_PAGES), which let
 * others pass. Engines run on threads of their own.
 */
#ifndef REFGPU_HW_H
#define REFGPU_HW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/refgpu.h>

struct refgpu_hw;

/**
 * struct refgpu_hw_bus - the way to system memory
 * @enter: begin a section: pointers are good until @leave. Sections are
 *         shorter than 100 us as a rule and never block.
 * @leave: end it
 * @ptr: the byte at bus address @addr, good until the end of its page of
 *       4 KiB and of the section; NULL: the IOMMU refuses. @prot: bit 0: the
 *       device reads, bit 1: it writes (as VGPU_DMA_READ, VGPU_DMA_WRITE).
 *
 * From engines' threads, several at once.
 */
struct refgpu_hw_bus {
	void (*enter)(void *user);
	void (*leave)(void *user);
	void *(*ptr)(void *user, uint64_t addr, unsigned prot);
};

/**
 * struct refgpu_hw_config - what the board looks like
 * @vram_size: bytes of VRAM's address space, multiple of 1 MiB
 * @contexts: 1..REFGPU_MAX_CONTEXTS
 * @xres: preferred mode of the monitor, 640..8192; 0: no display
 * @yres: likewise, 400..8192
 * @bus: system memory; outlives the model
 * @irq: MSI-X vector @vector fires; from any thread, doesn't block. It may read
 *       registers, but not write those that wait for an engine
 * @user: for @bus and @irq
 */
struct refgpu_hw_config {
	uint64_t vram_size;
	unsigned contexts;
	unsigned xres, yres;
	const struct refgpu_hw_bus *bus;
	void (*irq)(void *user, unsigned vector);
	void *user;
};

/* Power on. Return: 0; -EINVAL, -ENOMEM, -EAGAIN (threads). */
int refgpu_hw_new(const struct refgpu_hw_config *config,
		  struct refgpu_hw **ret_hw);
/* Stops the engines, wherever they are. NULL is fine. */
void refgpu_hw_free(struct refgpu_hw *hw);

/* BAR0. @offset: multiple of 4, else all-ones and nothing. */
uint32_t refgpu_hw_read(struct refgpu_hw *hw, uint32_t offset);
void refgpu_hw_write(struct refgpu_hw *hw, uint32_t offset, uint32_t value);
/* BAR4 */
void refgpu_hw_doorbell(struct refgpu_hw *hw, unsigned ctx);

/**
 * refgpu_hw_vram_plug() - put a module of memory into VRAM's address space
 * @offset: multiple of 4096, as @size
 * @ptr: stays the caller's, in place until it is unplugged
 *
 * VRAM without memory faults (REFGPU_FAULT_RESERVED). Return: 0; -EINVAL;
 * -EEXIST: something is there; -ENOMEM.
 */
int refgpu_hw_vram_plug(struct refgpu_hw *hw, uint64_t offset, void *ptr,
			uint64_t size);
/* Take it out, as it was put in; nothing uses it when this returns. */
void refgpu_hw_vram_unplug(struct refgpu_hw *hw, uint64_t offset);

/**
 * struct refgpu_hw_scanout - what is on the screen
 * @format: DRM's fourcc; the others as in the display's registers
 */
struct refgpu_hw_scanout {
	uint32_t format, width, height, stride;
	uint64_t base;
};

/* What the monitor gets now; false: nothing. */
bool refgpu_hw_scanout(struct refgpu_hw *hw,
		       struct refgpu_hw_scanout *ret_mode);

/* The byte in VRAM, or NULL: [offset, offset + len) is not in one module. */
void *refgpu_hw_vram_ptr(struct refgpu_hw *hw, uint64_t offset, uint64_t len);

#endif
