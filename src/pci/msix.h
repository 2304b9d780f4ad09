/* SPDX-License-Identifier: MIT */
/*
 * MSI-X table and Pending Bit Array (PCI 3.0, 6.8.2), as the guest reads and
 * writes them in the BAR.
 *
 * A VFIO client keeps the real table on its side: it traps the guest's
 * accesses, masks on its own and tells by SET_IRQS which vectors may be sent.
 * What comes here then is reads of the PBA at most. A client that forwards
 * the table as well is served just so; from its first write on the vectors'
 * mask bits count, see msix_vector_masked().
 *
 * One thread, the instance's loop, unless a function says otherwise.
 */
#ifndef PCI_MSIX_H
#define PCI_MSIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct msix;

/**
 * msix_unmasked_fn - a vector may be sent that could not be sent before
 * @vector: 0-based
 *
 * Called after the write that cleared its mask bit or Function Mask, whether
 * the vector is pending or not: ask msix_take_pending().
 */
typedef void (*msix_unmasked_fn)(unsigned vector, void *user);

/**
 * msix_new() - build table and PBA, or find them in @arena
 * @arena: block "pci.msix"; must outlive them
 * @vectors: 1..PCI_MAX_MSIX
 * @unmasked: mandatory
 *
 * Return: 0; -EINVAL: @vectors; -ENOMEM; what arena_block() returns.
 */
int msix_new(struct arena *arena, unsigned vectors, msix_unmasked_fn unmasked,
	     void *user, struct msix **ret_msix);
/* NULL is fine. The state stays in the arena. */
void msix_free(struct msix *msix);

/* All vectors masked, none pending, addresses and data 0, nothing written. */
void msix_reset(struct msix *msix);

uint64_t msix_table_size(const struct msix *msix); /* bytes */
uint64_t msix_pba_size(const struct msix *msix);   /* bytes */

/* Any offset and length. Beyond the end reads give all-ones, writes nothing.
 * Reserved bits read as 0. The PBA takes no writes at all. */
void msix_table_read(const struct msix *msix, uint64_t offset, void *buf,
		     size_t len);
void msix_table_write(struct msix *msix, uint64_t offset, const void *buf,
		      size_t len);
void msix_pba_read(const struct msix *msix, uint64_t offset, void *buf,
		   size_t len);

/**
 * msix_vector_masked() - does the table keep this vector from being sent?
 * @vector: a number out of range is masked
 *
 * By its own mask bit, or by Function Mask. False as long as the client has
 * written no entry since the last reset: it keeps the table itself.
 *
 * To send without losing a message: set it pending first, and if the vector is
 * not masked then, send if msix_take_pending() says so. Either this or the
 * unmasking one sees the other's doing. Any thread.
 */
bool msix_vector_masked(const struct msix *msix, unsigned vector);

/* Message Control's Function Mask, which is in config space: told here when it
 * changes, and after msix_new(). A reset clears both. */
void msix_set_function_mask(struct msix *msix, bool masked);

/* The vector's bit in the PBA. A vector out of range is ignored. Any thread. */
void msix_set_pending(struct msix *msix, unsigned vector);
void msix_clear_pending(struct msix *msix, unsigned vector);
/* Clear it. Return: whether it was set. */
bool msix_take_pending(struct msix *msix, unsigned vector);

#endif
