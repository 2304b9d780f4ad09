/* SPDX-License-Identifier: MIT */
/*
 * Memory of the vGPU itself (its VRAM, as a rule), which a worker gives to the
 * parent half: a file that the worker, the client and the guest go on writing.
 *
 * The file is sealed against shrinking, so that its pages stay. Where they can
 * still go, since huge pages were punched out and there are no others, the
 * guard puts zeroes in their place.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../dma/busguard.h"
#include "../util/bytes.h"
#include "hub.h"

/* Nobody uses it. */
static void unmap(struct vgpu_parent_instance *inst, struct hub_given *g)
{
	busguard_remove(g->guard);
	munmap(g->ptr, g->size);
	hub_share_give(&inst->share, g->size);
	*g = (struct hub_given){ 0 };
}

static void take_back(struct vgpu_parent_instance *inst, unsigned id)
{
	struct vgpu_hub *hub = inst->hub;
	struct hub_given *g = &inst->given[id];

	if (!g->ptr)
		return;
	hub->ops.memory_gone(hub->parent, inst, id);
	unmap(inst, g);
}

void hub_given_fini(struct vgpu_parent_instance *inst)
{
	for (unsigned i = 0; i < VGPU_PARENT_MAX_MEMORIES; i++)
		take_back(inst, i);
}

/* What the type has is what its instances may give, all in all. */
static bool too_much(const struct vgpu_parent_instance *inst,
		     const struct wire_give *give)
{
	uint64_t left = inst->type->vram_size;

	for (unsigned i = 0; i < VGPU_PARENT_MAX_MEMORIES; i++)
		if (i != give->id)
			left -= MIN(inst->given[i].size, left);
	return give->size > left;
}

static int check_file(const struct wire_give *give, int fd, size_t *ret_page)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	/* Only memfds and their like have seals. */
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EINVAL;
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC)
		return -EINVAL;
	*ret_page = fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize
						 : (size_t)sysconf(_SC_PAGESIZE);
	if ((give->offset | give->size) & (*ret_page - 1) ||
	    !range_inside(give->offset, give->size, (uint64_t)st.st_size))
		return -EINVAL;
	return 0;
}

static int map(struct hub_given *g, const struct wire_give *give, int fd,
	       size_t page)
{
	int prot = PROT_READ | PROT_WRITE, err;
	void *ptr = mmap(NULL, give->size, prot, MAP_SHARED | MAP_NORESERVE, fd,
			 (off_t)give->offset);

	if (ptr == MAP_FAILED)
		return errno == EPERM ? -EACCES : -errno;
	madvise(ptr, give->size, MADV_DONTFORK);
	madvise(ptr, give->size, MADV_DONTDUMP);
	err = busguard_add(ptr, give->size, page, prot, &g->replaced, -1,
			   &g->guard);
	if (err) {
		munmap(ptr, give->size);
		return err;
	}
	g->ptr = ptr;
	g->size = give->size;
	return 0;
}

int hub_give(struct vgpu_parent_instance *inst,
		const struct wire_give *give, int fd)
{
	struct vgpu_hub *hub = inst->hub;
	struct hub_given *g;
	size_t page;
	int err;

	if (give->id >= VGPU_PARENT_MAX_MEMORIES || give->reserved ||
	    !give->size != (fd < 0))
		return -EINVAL;
	g = &inst->given[give->id];
	take_back(inst, give->id);
	if (!give->size)
		return 0;
	if (!hub->ops.memory)
		return -EOPNOTSUPP;
	if (too_much(inst, give))
		return -EDQUOT;
	err = check_file(give, fd, &page);
	if (!err)
		err = hub_share_take(&inst->share, give->size);
	if (err)
		return err;
	err = map(g, give, fd, page);
	if (err) {
		hub_share_give(&inst->share, give->size);
		return err;
	}
	err = hub->ops.memory(hub->parent, inst, give->id, g->ptr, g->size);
	if (err)
		unmap(inst, g);
	return err < 0 ? err : 0;
}
