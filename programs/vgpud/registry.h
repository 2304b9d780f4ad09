/* SPDX-License-Identifier: MIT */
/*
 * Parents, the types that they offer, and what is left of them.
 *
 * A parent has capacities: bytes of video memory, instances, shares of its
 * engine. An instance of a type takes of each; any mix of types is allowed as
 * long as all capacities hold. Nothing here does I/O, and no instance is known
 * here: who makes one takes, who drops one releases.
 *
 * One thread.
 */
#ifndef VGPUD_REGISTRY_H
#define VGPUD_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTRY_MAX_PARENTS	 256
#define REGISTRY_MAX_TYPES	 1024 /* of one parent */
#define REGISTRY_PARENT_NAME_MAX 63   /* bytes of a parent's name */

/**
 * struct parent_type - a flavour that a parent offers
 * @name: unique in the parent
 * @module: the driver's file, as a worker is told of it; may be NULL
 * @vram: bytes that one instance takes
 * @shares: shares of the engine that one instance takes (its weight)
 * @max_instances: of this type; 0: as many as the parent has room for
 * @instances: taken now
 *
 * The registry's own copies; valid as long as the registry.
 */
struct parent_type {
	char *name, *description, *module;
	uint64_t vram;
	uint32_t shares;
	uint32_t xres, yres;
	uint32_t max_instances;
	uint32_t instances;
};

/**
 * struct parent - something that is shared
 * @driver: name of the module that serves it
 * @error: why it offers nothing; NULL: it is fine
 * @vram: bytes it has in all; @vram_used of them are taken
 * @max_instances: of all types together
 * @shares: of the engine, in all
 */
struct parent {
	char *name, *driver, *description, *error;
	uint64_t vram, vram_used;
	uint32_t max_instances, instances;
	uint32_t shares, shares_used;
	struct parent_type *types;
	size_t n_types;
};

struct registry;

int registry_new(struct registry **ret_registry);
/* NULL is fine. */
void registry_free(struct registry *registry);

/* May @name stand for a parent? It is a folder's name in the tree of mediated
 * devices: letters, digits, '-', '_', '.', ':'; none but a letter or digit
 * first. */
bool parent_name_is_valid(const char *name);

/**
 * registry_add_parent() - add a parent that offers nothing yet
 * @config: name, driver, description, error and the three capacities are
 *          copied
 *
 * Return: 0; -EINVAL: a name that can't be; -EEXIST; -E2BIG; -ENOMEM.
 */
int registry_add_parent(struct registry *registry, const struct parent *config,
			struct parent **ret_parent);

/**
 * parent_add_type() - let a parent offer a type
 * @config: copied, but for @instances
 *
 * Before the first instance of the parent is taken. Return: 0; -EEXIST;
 * -E2BIG; -ENOMEM.
 */
int parent_add_type(struct parent *parent, const struct parent_type *config);

/* Replace parent->error; NULL: it is fine. */
int parent_set_error(struct parent *parent, const char *error);

size_t registry_n_parents(const struct registry *registry);
struct parent *registry_parent(struct registry *registry, size_t i);
/* NULL: no such one. */
struct parent *registry_find_parent(struct registry *registry,
				    const char *name);
struct parent_type *parent_find_type(struct parent *parent, const char *name);

/* How many more instances of @type there is room for, of @shares each; 0: as
 * many as the type has. */
uint32_t parent_available(const struct parent *parent,
			  const struct parent_type *type, uint32_t shares);

/* Take what one instance takes, of @shares (0: the type's), even where there is
 * no room: parent_available() is asked before, or it exists already and
 * capacities were lowered; then it is 0 until they hold again. */
void parent_take(struct parent *parent, struct parent_type *type,
		 uint32_t shares);
/* With the same numbers. */
void parent_release(struct parent *parent, struct parent_type *type,
		    uint32_t shares);

/**
 * registry_choose() - the first parent that offers @type and has room
 * @shares: as parent_available()
 *
 * Return: 0; -ENOENT: nobody offers it; -EUSERS: nobody has room.
 */
int registry_choose(struct registry *registry, const char *type,
		    uint32_t shares, struct parent **ret_parent,
		    struct parent_type **ret_type);

#endif
