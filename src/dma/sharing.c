/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "../util/cleanup.h"
#include "space-private.h"

/* The file with the most memory behind live ranges */
static const struct dma_file *largest(const struct dma_space *space)
{
	const struct dma_file *best = NULL;

	for (uint32_t i = 0; i < space->files.n; i++) {
		const struct dma_file *f = &space->files.files[i];

		if (f->base && (!best || f->record->len > best->record->len))
			best = f;
	}
	return best;
}

enum dma_sharing dma_space_sharing(const struct dma_space *space, pid_t client)
{
	const struct dma_file *file = largest(space);
	enum dma_sharing result = DMA_SHARING_UNKNOWN;
	cleanup_file FILE *maps = NULL;
	char path[64], line[512], perms[5];
	unsigned major_, minor_;
	uint64_t ino;

	if (!file)
		return space->n_maps ? DMA_SHARING_NONE : DMA_SHARING_UNKNOWN;
	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)client);
	maps = fopen(path, "re");
	if (!maps)
		return DMA_SHARING_UNKNOWN;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%*s %4s %*s %x:%x %" SCNu64, perms, &major_,
			   &minor_, &ino) != 4 ||
		    ino != file->record->ino ||
		    makedev(major_, minor_) != file->record->dev)
			continue;
		if (perms[3] == 's')
			return DMA_SHARING_SHARED;
		result = DMA_SHARING_PRIVATE;
	}
	return result;
}
