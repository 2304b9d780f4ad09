/* SPDX-License-Identifier: MIT */
/*
 * What the vGPUs of a parent may have of its process: addresses, for the files
 * that are mapped whole, and descriptors of them. A sparse file is as large as
 * its owner says, and costs him nothing.
 *
 * Each has a part for sure, whatever its neighbours do and who comes first. The
 * rest is for who asks: a guest with more memory, or in more files, than most.
 * With HUB_MAX_INSTANCES all of it is still less than there is.
 *
 * The parent's loop.
 */
#ifndef HUB_BUDGET_H
#define HUB_BUDGET_H

#include <stdint.h>

/* Of each instance; of all together beyond that: 96 TiB of the 128 TiB that
 * processes have on x86, and guards for 4,096 mappings (BUSGUARD_MAX) */
#define HUB_OWN_BYTES  (128ull << 30)
#define HUB_MORE_BYTES (64ull << 40)
#define HUB_OWN_FILES  8u
#define HUB_MORE_FILES 2048u
/* Descriptors that an instance has besides, and the process */
#define HUB_INSTANCE_FDS 12u
#define HUB_PROCESS_FDS  64u

struct hub_budget {
	uint64_t bytes; /* that are left beyond what each has for sure */
	uint32_t files;
};

/* Of one instance */
struct hub_share {
	struct hub_budget *budget;
	uint64_t bytes;
	uint32_t files;
};

/* Where the process's limit of descriptors is too low, there are fewer files
 * beyond everybody's own. */
void hub_budget_init(struct hub_budget *budget);

/**
 * hub_share_take() - one file more, of @bytes
 *
 * Return: 0; -EDQUOT.
 */
int hub_share_take(struct hub_share *share, uint64_t bytes);
/* It was taken. */
void hub_share_give(struct hub_share *share, uint64_t bytes);

#endif
