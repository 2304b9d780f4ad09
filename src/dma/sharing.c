/* SPDX-License-Identifier: MIT */
#include <errno.h>
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

int dma_space_main_file(const struct dma_space *space, dev_t *ret_dev,
			uint64_t *ret_ino)
{
	const struct dma_file *file = largest(space);

	if (!file)
		return -ENOENT;
	*ret_dev = file->record->dev;
	*ret_ino = file->record->ino;
	return 0;
}

int dma_file_sharing(pid_t client, dev_t dev, uint64_t ino)
{
	int result = DMA_SHARING_UNKNOWN;
	cleanup_file FILE *maps = NULL;
	char path[64], line[512], perms[5];
	unsigned major_, minor_;
	uint64_t found;

	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)client);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%*s %4s %*s %x:%x %" SCNu64, perms, &major_,
			   &minor_, &found) != 4 ||
		    found != ino || makedev(major_, minor_) != dev)
			continue;
		if (perms[3] == 's')
			return DMA_SHARING_SHARED;
		result = DMA_SHARING_PRIVATE;
	}
	/* Of another user's process the file opens and can't be read. */
	return ferror(maps) ? -EACCES : result;
}

enum dma_sharing dma_space_sharing(const struct dma_space *space, pid_t client)
{
	uint64_t ino;
	dev_t dev;
	int ret;

	if (dma_space_main_file(space, &dev, &ino))
		return space->n_maps ? DMA_SHARING_NONE : DMA_SHARING_UNKNOWN;
	ret = dma_file_sharing(client, dev, ino);
	return ret < 0 ? DMA_SHARING_UNKNOWN : (enum dma_sharing)ret;
}
