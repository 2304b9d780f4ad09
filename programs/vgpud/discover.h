/* SPDX-License-Identifier: MIT */
/*
 * Which types are there? `vgpu-device --list-types --json` is asked, so that
 * no vendor's code is ever loaded into the daemon.
 */
#ifndef VGPUD_DISCOVER_H
#define VGPUD_DISCOVER_H

#include "util/loop.h"

struct config;
struct discovery;
struct json_object;
struct registry;

/* How long the answer may take. */
#define DISCOVER_TIMEOUT_NS (20ull * 1000000000ull)
/* Longest answer, bytes. */
#define DISCOVER_MAX (4u << 20)

/**
 * discover_fn - the answer
 * @types: an array, valid until it returns; NULL on failure
 * @problem: a sentence about it, or NULL
 *
 * The discovery is gone afterwards.
 */
typedef void (*discover_fn)(struct json_object *types, const char *problem,
			    void *user);

/**
 * discover_start() - ask, without waiting
 * @program: path of vgpu-device
 * @driver_dir: NULL: its default
 * @config: parents that name a module by path bring it with them
 */
int discover_start(struct loop *loop, const char *program,
		   const char *driver_dir, const struct config *config,
		   discover_fn fn, void *user, struct discovery **ret_discovery);
/* Give up; NULL is fine. */
void discover_cancel(struct discovery *discovery);

/**
 * discover_build() - the parents that @config asks for, with their types
 *
 * What can't be had is a parent with an error.
 */
int discover_build(struct config *config, struct json_object *types,
		   struct registry **ret_registry);

#endif
