/* SPDX-License-Identifier: MIT */
/*
 * Memory that its owner may pull away: a client that truncates the file
 * behind its memory makes our next access a SIGBUS.
 *
 * Mappings are entered here; the process-wide handler puts an anonymous page
 * in the place of one that is gone, counts it for the mapping's owner, and the
 * access goes on. A SIGBUS anywhere else goes to whoever handled it before.
 */
#ifndef DMA_BUSGUARD_H
#define DMA_BUSGUARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BUSGUARD_MAX 4096 /* mappings guarded at once in a process */

/* After so many pages of one mapping, everything from the page on to the
 * mapping's end is replaced at once: each page costs kernel mappings, and a
 * process has 65,530. */
#define BUSGUARD_SINGLE_PAGES 32

struct busguard_region;

/**
 * busguard_add() - guard a mapping
 * @base: start, aligned to @page
 * @len: multiple of @page
 * @page: smallest unit that can be replaced: the page size, or that of the
 *        huge pages
 * @prot: PROT_READ and perhaps PROT_WRITE, for the replacement
 * @hits: counts replaced pages; must outlive the region
 * @notify_fd: an eventfd that is written to at each, or -1; likewise
 *
 * Any thread. Installs the handler on first use.
 *
 * Return: 0; -ENOSPC: BUSGUARD_MAX.
 */
int busguard_add(void *base, size_t len, size_t page, int prot,
		 _Atomic uint32_t *hits, int notify_fd,
		 struct busguard_region **ret_region);

/* Nobody may be using the mapping any more. NULL is fine. */
void busguard_remove(struct busguard_region *region);

#endif
