/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/parent.h>

#include "util/bytes.h"

struct registry {
	struct parent **parents; /* in the order in which they came */
	size_t n_parents;
};

/* strdup() that lets NULL through; *@ok becomes false without memory. */
static char *copy(const char *s, bool *ok)
{
	char *c = s ? strdup(s) : NULL;

	if (s && !c)
		*ok = false;
	return c;
}

int registry_new(struct registry **ret_registry)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		return -ENOMEM;
	*ret_registry = registry;
	return 0;
}

static void type_fini(struct parent_type *type)
{
	free(type->name);
	free(type->description);
	free(type->module);
}

static void parent_free(struct parent *parent)
{
	for (size_t i = 0; i < parent->n_types; i++)
		type_fini(&parent->types[i]);
	free(parent->types);
	free(parent->name);
	free(parent->driver);
	free(parent->description);
	free(parent->error);
	free(parent);
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	for (size_t i = 0; i < registry->n_parents; i++)
		parent_free(registry->parents[i]);
	free(registry->parents);
	free(registry);
}

bool parent_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > REGISTRY_PARENT_NAME_MAX ||
	    !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isascii((unsigned char)name[i]) ||
		    (!isalnum((unsigned char)name[i]) &&
		     !strchr("-_.:", name[i])))
			return false;
	return true;
}

int registry_add_parent(struct registry *registry, const struct parent *config,
			struct parent **ret_parent)
{
	struct parent **grown, *parent;
	bool ok = true;

	if (!parent_name_is_valid(config->name))
		return -EINVAL;
	if (registry_find_parent(registry, config->name))
		return -EEXIST;
	if (registry->n_parents == REGISTRY_MAX_PARENTS)
		return -E2BIG;
	grown = realloc(registry->parents,
			(registry->n_parents + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	registry->parents = grown;
	parent = calloc(1, sizeof(*parent));
	if (!parent)
		return -ENOMEM;
	parent->name = copy(config->name, &ok);
	parent->driver = copy(config->driver, &ok);
	parent->description = copy(config->description, &ok);
	parent->error = copy(config->error, &ok);
	parent->vram = config->vram;
	parent->max_instances = config->max_instances;
	parent->shares = config->shares;
	if (!ok) {
		parent_free(parent);
		return -ENOMEM;
	}
	registry->parents[registry->n_parents++] = parent;
	*ret_parent = parent;
	return 0;
}

int parent_add_type(struct parent *parent, const struct parent_type *config)
{
	struct parent_type *grown, type = *config;
	bool ok = true;

	if (parent_find_type(parent, config->name))
		return -EEXIST;
	if (parent->n_types == REGISTRY_MAX_TYPES)
		return -E2BIG;
	grown = realloc(parent->types,
			(parent->n_types + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	parent->types = grown;
	type.name = copy(config->name, &ok);
	type.description = copy(config->description, &ok);
	type.module = copy(config->module, &ok);
	type.instances = 0;
	if (!ok) {
		type_fini(&type);
		return -ENOMEM;
	}
	parent->types[parent->n_types++] = type;
	return 0;
}

int parent_set_error(struct parent *parent, const char *error)
{
	bool ok = true;
	char *c = copy(error, &ok);

	if (!ok)
		return -ENOMEM;
	free(parent->error);
	parent->error = c;
	return 0;
}

size_t registry_n_parents(const struct registry *registry)
{
	return registry->n_parents;
}

struct parent *registry_parent(struct registry *registry, size_t i)
{
	return i < registry->n_parents ? registry->parents[i] : NULL;
}

struct parent *registry_find_parent(struct registry *registry,
				    const char *name)
{
	for (size_t i = 0; i < registry->n_parents; i++)
		if (!strcmp(registry->parents[i]->name, name))
			return registry->parents[i];
	return NULL;
}

struct parent_type *parent_find_type(struct parent *parent, const char *name)
{
	for (size_t i = 0; i < parent->n_types; i++)
		if (!strcmp(parent->types[i].name, name))
			return &parent->types[i];
	return NULL;
}

/* How often @each fits into what is left of @total; @each 0 takes nothing. */
static uint32_t fits(uint64_t total, uint64_t used, uint64_t each)
{
	if (used > total)
		return 0;
	return each ? (uint32_t)MIN((total - used) / each, UINT32_MAX)
		    : UINT32_MAX;
}

uint32_t parent_available(const struct parent *parent,
			  const struct parent_type *type, uint32_t shares)
{
	uint32_t n;

	if (parent->error)
		return 0;
	n = fits(parent->max_instances, parent->instances, 1);
	n = MIN(n, fits(parent->vram, parent->vram_used, type->vram));
	n = MIN(n, fits(parent->shares, parent->shares_used,
			shares ? shares : type->shares));
	if (type->max_instances)
		n = MIN(n, fits(type->max_instances, type->instances, 1));
	return n;
}

void parent_take(struct parent *parent, struct parent_type *type,
		 uint32_t shares)
{
	parent->vram_used += type->vram;
	parent->shares_used += shares ? shares : type->shares;
	parent->instances++;
	type->instances++;
}

void parent_release(struct parent *parent, struct parent_type *type,
		    uint32_t shares)
{
	parent->vram_used -= type->vram;
	parent->shares_used -= shares ? shares : type->shares;
	parent->instances--;
	type->instances--;
}

int registry_choose(struct registry *registry, const char *type,
		    uint32_t shares, struct parent **ret_parent,
		    struct parent_type **ret_type)
{
	int err = -ENOENT;

	for (size_t i = 0; i < registry->n_parents; i++) {
		struct parent *parent = registry->parents[i];
		struct parent_type *t = parent_find_type(parent, type);

		if (!t)
			continue;
		if (parent_available(parent, t, shares)) {
			*ret_parent = parent;
			*ret_type = t;
			return 0;
		}
		err = -EUSERS;
	}
	return err;
}
