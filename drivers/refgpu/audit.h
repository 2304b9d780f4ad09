/* SPDX-License-Identifier: MIT */
/*
 * What commands may reach an engine. Pure: no I/O, no state; both halves use
 * it, the instance half on what its guest has written, the parent half on what
 * an instance half says that it has checked.
 *
 * Addresses are not looked at here but for their alignment: page tables say
 * what they reach, and a fault what they don't.
 */
#ifndef RG_AUDIT_H
#define RG_AUDIT_H

#include <stdint.h>

#include <vgpu/refgpu.h>

/**
 * rg_audit_head() - what a command's header alone says
 * @head: the header
 * @n: dwords from it to the end of the ring, batch or job, > 0
 * @engine: enum refgpu_engine
 * @ret_len: the command's dwords, at most @n; set where the result is 0
 *
 * Return: 0 or enum refgpu_error.
 */
unsigned rg_audit_head(uint32_t head, uint32_t n, unsigned engine,
		       uint32_t *ret_len);

/**
 * rg_audit_body() - check the rest of a command whose header is good
 * @cmd: all of it, in memory that does not change; of a NOP only the header is
 *       looked at
 *
 * BATCH, END and INVALIDATE pass if they are well-formed: what they mean is the
 * caller's business. Source: docs/refgpu.md, "Commands".
 *
 * Return: 0 or enum refgpu_error.
 */
unsigned rg_audit_body(const uint32_t *cmd);

/** RG_DISPATCH_ARGS - the dword where a dispatch's arguments begin */
#define RG_DISPATCH_ARGS 5u

/** RG_COMMAND_MAX - dwords of the longest command that is not a NOP */
#define RG_COMMAND_MAX (RG_DISPATCH_ARGS + REFGPU_ARGS_MAX)

/* 64 bits of a command, low half first */
static inline uint64_t rg_u64(const uint32_t *p)
{
	return p[0] | (uint64_t)p[1] << 32;
}

/**
 * rg_audit() - check a job: commands in a row, none of which jumps or calls
 * @dwords: the job
 * @n: of them; 0 is an empty job
 * @engine: enum refgpu_engine
 * @ret_offset: the dword where the first bad command begins; set on failure
 *
 * BATCH, END and INVALIDATE are REFGPU_ERROR_COMMAND: a job has none.
 *
 * Return: 0 or enum refgpu_error.
 */
unsigned rg_audit(const uint32_t *dwords, uint32_t n, unsigned engine,
		  uint32_t *ret_offset);

#endif
