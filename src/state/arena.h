/* SPDX-License-Identifier: MIT */
/*
 * Arenas: memory that outlives the process.
 *
 * All guest-visible state of an instance lives in one arena: a memfd with a
 * directory of named, versioned blocks. Whoever holds the fd finds everything
 * again by name. Blocks hold offsets and numbers, never pointers; look-up
 * structures, mappings and threads are caches built from them.
 *
 * One thread (the instance's loop) changes the directory; the blocks' bytes
 * belong to whoever asked for them.
 */
#ifndef STATE_ARENA_H
#define STATE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vgpu_field;
struct arena;

#define ARENA_MAGIC      0x414e4552414750ull
#define ARENA_VERSION    1u
#define ARENA_NAME_MAX   32   /* bytes of a block's name, NUL included */
#define ARENA_MAX_BLOCKS 128
#define ARENA_MAX_SIZE   (256ull << 20) /* address space reserved for one */
#define ARENA_ALIGN      64   /* every block starts at a cache line */

/**
 * arena_new() - an empty arena in a new memfd
 * @name: shown in /proc/PID/maps, for people
 */
int arena_new(const char *name, struct arena **ret_arena);

/**
 * arena_open() - map an arena that another process (or life) has filled
 * @fd: stays the caller's
 *
 * Return: 0; -EINVAL if what is there is not an arena, or a damaged one.
 */
int arena_open(int fd, struct arena **ret_arena);

/* NULL is fine. The memfd lives on where others hold it. */
void arena_free(struct arena *arena);

/* Stays the arena's. */
int arena_fd(const struct arena *arena);

/**
 * arena_block() - find the block of that name, or make it, zeroed
 * @name: "layer.what", at most ARENA_NAME_MAX - 1 bytes
 * @version: of its layout, >= 1
 * @size: bytes, > 0
 * @ret_ptr: its address, stable while the arena is mapped
 *
 * Return: 1 if it is new, 0 if it was there already; -ESTALE if it was there
 * with another version or size; -ENOSPC for the limits above; -ENOMEM.
 */
int arena_block(struct arena *arena, const char *name, uint32_t version,
		size_t size, void **ret_ptr);

/* Name the fields of a block: for dumps, save and restore. @fields must
 * outlive the arena. -ENOENT: no such block; -ERANGE: a field lies outside. */
int arena_describe(struct arena *arena, const char *name,
		   const struct vgpu_field *fields, size_t n_fields);

/* Walk over blocks and their fields, for dumps. @fields may be NULL. */
typedef void (*arena_visit_fn)(const char *name, uint32_t version,
			       const void *ptr, size_t size,
			       const struct vgpu_field *fields,
			       size_t n_fields, void *user);
void arena_visit(const struct arena *arena, arena_visit_fn fn, void *user);

#endif
