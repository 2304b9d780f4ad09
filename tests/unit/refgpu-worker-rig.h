/* SPDX-License-Identifier: MIT */
/*
 * The parent half of refgpu on the real core, the real IOMMU backend and the
 * model of the hardware; and workers that say what a test wants, true or not.
 */
#ifndef TEST_REFGPU_WORKER_RIG_H
#define TEST_REFGPU_WORKER_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include <vgpu/refgpu.h>

#include "../../drivers/refgpu/proto.h"
#include "link/fds.h"

#define WORKER_VRAM  (64ull << 20)
#define WORKER_MEMORY (8ull << 20)
#define MAX_NOTICES  64u

struct rig;

struct worker {
	struct rig *rig;
	int fd;
	struct wire_fds fds; /* of WELCOME */
	struct bell *bell;
	struct rg_shared *shared;
	struct vgpu_ring ring;
	_Alignas(8) uint8_t record[RG_RECORD_MAX]; /* the last one, and */
	uint32_t made; /* bytes of it that are to be written */
	uint64_t seq[RG_MAX_SLOTS];
	uint32_t call;
	uint8_t *vram;	 /* what it has given */
	uint8_t *memory; /* its client's: WORKER_MEMORY, id 0 */
	int memory_fd;
	unsigned kicks;
	struct rg_notice notices[MAX_NOTICES];
	unsigned n_notices;
	bool dropped; /* the parent has closed the socket */
	uint8_t number; /* in the rig; first byte of its UUID */
};

/* @config: as of --parent-config */
struct rig *rig_new(const char *config);
/* What a parent says of a configuration */
int rig_try(const char *config);
void rig_free(struct rig *rig);
/* Let the parent work, for a moment at most. */
void rig_run(struct rig *rig);

/* A worker with VRAM; its client's memory is there, and nothing is pinned. */
struct worker *worker_new(struct rig *rig, unsigned weight);
/* Its process dies. */
void worker_kill(struct worker *w);
void worker_free(struct worker *w);

/* Fresh VRAM, as for a new client. Return: 0 or the parent's error. */
int worker_give_vram(struct worker *w);
/* What vgpu_parent_ops.save and .restore do for it. */
int worker_save(struct worker *w, void *buf, size_t size, size_t *ret_len);
int worker_restore(struct worker *w, const void *buf, size_t len);
/* More memory of its client, as @id: the first page of a file that is sparse,
 * and as large as it says. Return: 0 or the parent's error. */
int worker_offer(struct worker *w, uint32_t id, uint64_t file_size);
/* Device addresses of @n pages of its memory. Return: 0 or the error. */
int worker_pin(struct worker *w, uint32_t page, uint32_t n, unsigned prot,
	       uint64_t *ret_addrs);
/* Sends the call, and does not wait for the answer. */
void worker_unpin_begin(struct worker *w, const uint64_t *addrs, uint32_t n);
/* Is the answer there? */
bool worker_unpin_done(struct worker *w);

/* Records; they are seen with the next worker_kick(). */
void *worker_record(struct worker *w, uint16_t kind, uint16_t slot,
		    uint32_t size);
void worker_open(struct worker *w, unsigned slot, unsigned engine);
void worker_small(struct worker *w, unsigned kind, unsigned slot);
void worker_ptes(struct worker *w, unsigned slot, uint64_t va,
		 const uint64_t *ptes, uint32_t n);
void worker_run(struct worker *w, unsigned slot, uint64_t va, uint64_t n,
		uint64_t pte);
/* Return: its seq */
uint64_t worker_job(struct worker *w, unsigned slot, const uint32_t *dwords,
		    uint32_t n);
void worker_kick(struct worker *w);
/* Entries that were written, says the shared memory from now on. */
void worker_lie(struct worker *w, uint64_t head);

/* Commands: append to @to, return how many dwords. */
uint32_t cmd_fill(uint32_t *to, uint64_t va, uint64_t bytes, uint32_t value);
uint32_t cmd_copy(uint32_t *to, uint64_t dst, uint64_t src, uint64_t bytes);
uint32_t cmd_sem_wait(uint32_t *to, uint64_t va, uint64_t value);
uint32_t cmd_sem_add(uint32_t *to, uint64_t va, uint64_t value);
uint32_t cmd_irq(uint32_t *to, uint32_t cookie);
uint32_t cmd_spin(uint32_t *to, uint64_t ns, uint32_t groups);

/* Until it is so; fails the test if it takes too long. */
void worker_until_done(struct worker *w, unsigned slot, uint64_t seq);
void worker_until_taken(struct worker *w);
/* Kicked, more often than @kicks times */
void worker_until_kicked(struct worker *w, unsigned kicks);
void worker_until_dropped(struct worker *w);
/* Take a notice that has come into .notices. */
void worker_look(struct worker *w);
/* The next notice that has come, or is to come. */
struct rg_notice worker_notice(struct worker *w);

#endif
