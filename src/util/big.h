/* SPDX-License-Identifier: MIT */
/*
 * Zeroed memory for big tables: in huge pages, if the system gives any. A
 * table that grows by copying pays for each page of it anew, and then for the
 * TLB at each look-up.
 */
#ifndef UTIL_BIG_H
#define UTIL_BIG_H

#include <stddef.h>

/* NULL: there is none. */
void *big_calloc(size_t n, size_t size);
/* The same numbers; NULL is fine. */
void big_free(void *p, size_t n, size_t size);

#endif
