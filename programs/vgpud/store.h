/* SPDX-License-Identifier: MIT */
/*
 * Definitions on disk: one file per instance, whole or not there at all.
 *
 * A file is written under another name, synced, renamed, and its folder
 * synced; that is done on a thread, since disks take their time. Changes are
 * done in the order in which they were asked for.
 */
#ifndef VGPUD_STORE_H
#define VGPUD_STORE_H

#include "definition.h"
#include "machine.h"
#include "util/loop.h"

#define STORE_SUFFIX ".json"
/* What is being written; nobody's once the daemon has gone. */
#define STORE_TEMPORARY ".new"

struct store;

int store_new(struct loop *loop, struct store **ret_store);
/* Does what was asked for and waits; nobody is told. NULL is fine. */
void store_free(struct store *store);

/* Write @path, or remove it (that it isn't there is fine): these begin a wait,
 * which is done with 0, or with negative errno: then nothing has changed. 0;
 * -ENOMEM. */
int store_write(struct store *store, const char *path,
		const struct definition *definition, struct await *wait);
int store_remove(struct store *store, const char *path, struct await *wait);
/* Call the wait off: what was asked for is done, and nobody is told. */
void store_forget(struct await *wait);

/**
 * store_load() - read all definitions of a folder, blocking
 * @fn: gets each; @definition is NULL for nonsense, and @problem says why
 *
 * Removes what was half written. Files of other names are passed over.
 *
 * Return: 0; errno of the folder.
 */
typedef void (*store_load_fn)(const char *uuid,
			      const struct definition *definition,
			      const char *problem, void *user);
int store_load(const char *dir, store_load_fn fn, void *user);
/* One file. -ENOENT: it isn't there; else as definition_parse(). */
int store_read(const char *path, const char *uuid,
	       struct definition *ret_definition, char **ret_problem);

#endif
