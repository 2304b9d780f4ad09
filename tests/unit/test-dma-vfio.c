/* SPDX-License-Identifier: MIT */
/*
 * A PCI function by character device and iommufd, and by group and container:
 * against a kernel that is played here (--wrap), since none of the guests'
 * has an iommufd. What the real one does with a group is in the guest tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/vfio.h>

#include "dma/iommufd-abi.h"
#include "dma/pin.h"
#include "dma/space.h"
#include "state/arena.h"
#include "util/bytes.h"

#define NAME	  "0000:01:02.0"
#define SYSFS	  "/sys/bus/pci/devices/" NAME
#define PAGE	  4096u
#define MIB	  (1u << 20)
#define IOAS	  77u
#define BAR0_AT	  0x100000 /* offsets in the device's file */
#define CONFIG_AT 0x700000
#define FILE_SIZE 0x800000

/* ------------------------------------------------------------------ */
/* The kernel                                                          */
/* ------------------------------------------------------------------ */

static struct {
	bool has_iommufd, has_cdev, unbound, no_iommu, busy, not_viable,
		no_type1;
	unsigned long fail;	      /* this request fails ... */
	int fail_errno;		      /* ... with that */
	int device, container, group; /* who they are */
	bool bound, attached, in_container;
	int mapped, resets, vectors;
	uint64_t last_iova, last_size, last_ptr;
	uint32_t last_flags;
} k;

static bool ours(const char *path)
{
	return !strncmp(path, "/sys/bus/pci/", 13) ||
	       !strncmp(path, "/dev/iommu", 10) ||
	       !strncmp(path, "/dev/vfio", 9);
}

/* A number that was given out before is nobody else's any more. */
static int is_now(int fd, int *who)
{
	if (k.container == fd)
		k.container = -1;
	if (k.group == fd)
		k.group = -1;
	if (who)
		*who = fd;
	return fd;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	if (!ours(path))
		return __real_open64(path, flags);
	if (!strcmp(path, "/dev/iommu") && k.has_iommufd)
		return is_now(eventfd(0, EFD_CLOEXEC), &k.container);
	if (!strcmp(path, "/dev/vfio/vfio"))
		return is_now(eventfd(0, EFD_CLOEXEC), &k.container);
	if (!strcmp(path, "/dev/vfio/12") && !k.busy)
		return is_now(eventfd(0, EFD_CLOEXEC), &k.group);
	if (!strcmp(path, "/dev/vfio/devices/vfio3") && !k.busy)
		return is_now(dup(k.device), NULL);
	errno = k.busy ? EBUSY : ENOENT;
	return -1;
}

int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
int __wrap_access(const char *path, int mode)
{
	if (!ours(path))
		return __real_access(path, mode);
	if (!strcmp(path, SYSFS) ||
	    (k.has_cdev && !strcmp(path, "/dev/vfio/devices/vfio3")))
		return 0;
	errno = ENOENT;
	return -1;
}

ssize_t __real_readlink(const char *path, char *buf, size_t size);
ssize_t __wrap_readlink(const char *path, char *buf, size_t size);
ssize_t __wrap_readlink(const char *path, char *buf, size_t size)
{
	const char *to = NULL;

	if (!ours(path))
		return __real_readlink(path, buf, size);
	if (!strcmp(path, SYSFS "/driver"))
		to = k.unbound ? "../../../bus/pci/drivers/nouveau"
			       : "../../../bus/pci/drivers/vfio-pci";
	else if (!strcmp(path, SYSFS "/iommu_group") && !k.no_iommu)
		to = "../../../kernel/iommu_groups/12";
	if (!to) {
		errno = ENOENT;
		return -1;
	}
	memcpy(buf, to, strlen(to));
	return (ssize_t)strlen(to);
}

static int folder; /* what opendir() gave out */
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
	if (!ours(path))
		return __real_opendir(path);
	errno = ENOENT;
	folder = 0;
	return k.has_cdev ? (DIR *)&folder : NULL;
}

struct dirent *__real_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir)
{
	static struct dirent entry;
	static const char *const names[] = { ".", "..", "vfio3" };

	if (dir != (DIR *)&folder)
		return __real_readdir64(dir);
	if (folder == 3)
		return NULL;
	strcpy(entry.d_name, names[folder++]);
	return &entry;
}

int __real_closedir(DIR *dir);
int __wrap_closedir(DIR *dir);
int __wrap_closedir(DIR *dir)
{
	return dir == (DIR *)&folder ? 0 : __real_closedir(dir);
}

static int region_info(struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *cap;
	size_t need = sizeof(*info) + sizeof(*cap) + 2 * sizeof(cap->areas[0]);

	info->cap_offset = 0;
	info->size = 0;
	info->flags = 0;
	switch (info->index) {
	case VFIO_PCI_BAR0_REGION_INDEX: /* but for its second page */
		info->size = 4 * PAGE;
		info->offset = BAR0_AT;
		info->flags = 0xf; /* read, write, mmap, capabilities */
		if (info->argsz >= need) {
			info->cap_offset = sizeof(*info);
			cap = (void *)(info + 1);
			memset(cap, 0, need - sizeof(*info));
			cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
			cap->header.version = 1;
			cap->nr_areas = 2;
			cap->areas[0].size = PAGE;
			cap->areas[1].offset = 2 * PAGE;
			cap->areas[1].size = 2 * PAGE;
		}
		info->argsz = (uint32_t)need;
		break;
	case VFIO_PCI_BAR1_REGION_INDEX: /* I/O ports */
		info->size = 64;
		info->offset = 0x300000;
		info->flags = 3;
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = 4096;
		info->offset = CONFIG_AT;
		info->flags = 3;
		break;
	}
	return 0;
}

static int type1_info(struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range *ranges;
	struct vfio_iommu_type1_info_dma_avail *avail;
	size_t need = sizeof(*info) + sizeof(*ranges) +
		      2 * sizeof(ranges->iova_ranges[0]) + sizeof(*avail);

	info->flags = VFIO_IOMMU_INFO_CAPS;
	info->cap_offset = 0;
	if (info->argsz >= need) {
		info->cap_offset = sizeof(*info);
		ranges = (void *)(info + 1);
		memset(ranges, 0, need - sizeof(*info));
		ranges->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
		ranges->nr_iovas = 2;
		ranges->iova_ranges[0].end = 0xfedfffff;
		ranges->iova_ranges[1].start = 0xfef00000;
		ranges->iova_ranges[1].end = (1ull << 39) - 1;
		avail = (void *)&ranges->iova_ranges[2];
		ranges->header.next = (uint32_t)((char *)avail - (char *)info);
		avail->header.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;
		avail->avail = 500;
	}
	info->argsz = (uint32_t)need;
	return 0;
}

static int mapped(uint64_t iova, uint64_t size, uint64_t ptr, uint32_t flags)
{
	k.mapped++;
	k.last_iova = iova;
	k.last_size = size;
	k.last_ptr = ptr;
	k.last_flags = flags;
	return 0;
}

static int iommufd_ioctl(unsigned long request, void *arg)
{
	uint64_t *pairs;

	switch (request) {
	case IOMMUFD_IOAS_ALLOC:
		assert_int_equal(((struct iommufd_ioas_alloc *)arg)->size, 12);
		((struct iommufd_ioas_alloc *)arg)->out_ioas_id = IOAS;
		return 0;
	case IOMMUFD_IOAS_IOVA_RANGES: {
		struct iommufd_ioas_iova_ranges *r = arg;

		assert_int_equal(r->size, 32);
		assert_int_equal(r->ioas_id, IOAS);
		assert_true(k.attached); /* they depend on the device */
		pairs = (uint64_t *)(uintptr_t)r->allowed_iovas;
		pairs[0] = 0x1000000;
		pairs[1] = (1ull << 39) - 1;
		r->num_iovas = 1;
		return 0;
	}
	case IOMMUFD_IOAS_MAP: {
		struct iommufd_ioas_map *m = arg;

		assert_int_equal(m->size, 40);
		assert_int_equal(m->ioas_id, IOAS);
		return mapped(m->iova, m->length, m->user_va, m->flags);
	}
	case IOMMUFD_IOAS_UNMAP:
		assert_int_equal(((struct iommufd_ioas_unmap *)arg)->size, 24);
		assert_int_equal(((struct iommufd_ioas_unmap *)arg)->iova,
				 k.last_iova);
		k.mapped--;
		return 0;
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return !k.no_type1;
	case VFIO_SET_IOMMU:
		assert_true(k.in_container);
		return 0;
	case VFIO_IOMMU_GET_INFO:
		return type1_info(arg);
	case VFIO_IOMMU_MAP_DMA: {
		struct vfio_iommu_type1_dma_map *m = arg;

		return mapped(m->iova, m->size, m->vaddr, m->flags);
	}
	case VFIO_IOMMU_UNMAP_DMA:
		assert_int_equal(
			((struct vfio_iommu_type1_dma_unmap *)arg)->iova,
			k.last_iova);
		k.mapped--;
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

static int group_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags =
			k.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		assert_int_equal(*(int *)arg, k.container);
		k.in_container = true;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		assert_string_equal(arg, NAME);
		return is_now(dup(k.device), NULL);
	}
	errno = ENOTTY;
	return -1;
}

static int device_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_BIND_IOMMUFD:
		assert_int_equal(((struct vfio_bind_iommufd *)arg)->argsz, 16);
		assert_int_equal(((struct vfio_bind_iommufd *)arg)->iommufd,
				 k.container);
		k.bound = true;
		return 0;
	case VFIO_ATTACH_IOMMUFD_PT:
		assert_true(k.bound);
		assert_int_equal(((struct vfio_attach_iommufd_pt *)arg)->argsz,
				 12);
		assert_int_equal(((struct vfio_attach_iommufd_pt *)arg)->pt_id,
				 IOAS);
		k.attached = true;
		return 0;
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->flags =
			VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->count = 4;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		k.vectors = (int)((struct vfio_irq_set *)arg)->count;
		return 0;
	case VFIO_DEVICE_RESET:
		k.resets++;
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == k.fail) {
		errno = k.fail_errno;
		return -1;
	}
	if (fd == k.container)
		return iommufd_ioctl(request, arg);
	if (fd == k.group)
		return group_ioctl(request, arg);
	return device_ioctl(request, arg);
}

/* ------------------------------------------------------------------ */

static size_t open_fds(void)
{
	DIR *d = __real_opendir("/proc/self/fd");
	size_t n = 0;

	while (__real_readdir64(d))
		n++;
	__real_closedir(d);
	return n;
}

static int setup(void **state)
{
	(void)state;
	memset(&k, 0, sizeof(k));
	k.has_iommufd = k.has_cdev = true;
	k.container = k.group = -1;
	k.device = memfd_create("device", MFD_CLOEXEC);
	assert_int_equal(ftruncate(k.device, FILE_SIZE), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(k.device);
	return 0;
}

static int open_it(unsigned flags, char *error, struct vgpu_vfio **ret)
{
	const struct vgpu_vfio_config config = {
		.flags = flags,
		.name = NAME,
		.dma_mask = (1ull << 36) - 1,
		.error = error,
		.error_size = error ? 256 : 0,
	};

	return vgpu_vfio_open(&config, ret);
}

/* Pins go through it, whichever door it is. */
static void check_dma(struct vgpu_vfio *vfio, uint32_t flags)
{
	struct dma_space *space;
	struct arena *arena;
	uint64_t iova = 5 * PAGE, addr;
	int fd = memfd_create("client", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 8 * MIB), 0);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(dma_space_set_iommu(space, vgpu_vfio_iommu(vfio)), 0);
	assert_int_equal(dma_space_map(space, 0, 8 * MIB, 3, fd, 0), 0);
	assert_int_equal(dma_space_pin(space, &iova, 1, VGPU_DMA_READ, &addr),
			 0);
	assert_int_equal(k.mapped, 1);
	assert_int_equal(k.last_flags, flags);
	assert_in_range(addr, k.last_iova, k.last_iova + k.last_size - PAGE);
	assert_true(addr < 1ull << 36);
	dma_space_unpin(space, &iova, 1, VGPU_DMA_READ);
	assert_int_equal(k.mapped, 0);
	/* What the kernel refuses is an error, and nothing stays. */
	k.fail = flags & IOMMUFD_MAP_READABLE ? IOMMUFD_IOAS_MAP
					      : VFIO_IOMMU_MAP_DMA;
	k.fail_errno = ENOMEM;
	assert_int_equal(dma_space_pin(space, &iova, 1, VGPU_DMA_READ, &addr),
			 -ENOMEM);
	k.fail = 0;
	dma_space_free(space);
	arena_free(arena);
	close(fd);
}

static void by_character_device(void **state)
{
	struct vgpu_iommu_stats s;
	struct vgpu_vfio *vfio;
	size_t fds = open_fds();

	(void)state;
	assert_int_equal(open_it(0, NULL, &vfio), 0);
	assert_true(k.attached);
	assert_string_equal(vgpu_vfio_iommu(vfio)->ops->name, "iommufd");
	vgpu_iommu_get_stats(vgpu_vfio_iommu(vfio), &s);
	assert_int_equal(s.max_mappings, 65535);
	check_dma(vfio, IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_READABLE);
	vgpu_vfio_close(vfio);
	assert_int_equal(k.resets, 1);
	assert_int_equal(open_fds(), fds);
}

static void by_group(void **state)
{
	struct vgpu_iommu_stats s;
	struct vgpu_vfio *vfio;
	size_t fds = open_fds();

	(void)state;
	/* no iommufd; none for this device; not wanted */
	for (int i = 0; i < 3; i++) {
		k.has_iommufd = i != 0;
		k.has_cdev = i != 1;
		assert_int_equal(
			open_it(i == 2 ? VGPU_VFIO_NO_IOMMUFD : 0, NULL, &vfio),
			0);
		assert_string_equal(vgpu_vfio_iommu(vfio)->ops->name,
				    "type1v2");
		vgpu_iommu_get_stats(vgpu_vfio_iommu(vfio), &s);
		assert_int_equal(s.max_mappings, 500);
		check_dma(vfio, VFIO_DMA_MAP_FLAG_READ);
		vgpu_vfio_close(vfio);
		assert_int_equal(open_fds(), fds);
	}
}

static void failures_say_why(void **state)
{
	static const unsigned long requests[] = {
		VFIO_BIND_IOMMUFD,	IOMMUFD_IOAS_ALLOC,
		VFIO_ATTACH_IOMMUFD_PT, IOMMUFD_IOAS_IOVA_RANGES,
		VFIO_DEVICE_GET_INFO,
	};
	static const unsigned long group_requests[] = {
		VFIO_GROUP_SET_CONTAINER, VFIO_SET_IOMMU,
		VFIO_IOMMU_GET_INFO,	  VFIO_GROUP_GET_DEVICE_FD,
		VFIO_DEVICE_GET_INFO,
	};
	struct vgpu_vfio *vfio = NULL;
	size_t fds = open_fds();
	char error[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		*error = 0;
		k.fail = requests[i];
		k.fail_errno = EPERM;
		assert_int_equal(open_it(0, error, &vfio), -EPERM);
		assert_non_null(strstr(error, NAME));
		assert_int_equal(open_fds(), fds);
	}
	for (size_t i = 0; i < ARRAY_SIZE(group_requests); i++) {
		*error = 0;
		k.fail = group_requests[i];
		assert_int_equal(open_it(VGPU_VFIO_NO_IOMMUFD, error, &vfio),
				 -EPERM);
		assert_true(strlen(error) > 10);
		assert_int_equal(open_fds(), fds);
	}
	k.fail = 0;
	k.busy = true;
	assert_int_equal(open_it(0, error, &vfio), -EBUSY);
	assert_non_null(strstr(error, "/dev/vfio/devices/vfio3"));
	assert_int_equal(open_it(VGPU_VFIO_NO_IOMMUFD, error, &vfio), -EBUSY);
	assert_non_null(strstr(error, "another process"));
	k.busy = false;
	k.not_viable = true;
	assert_int_equal(open_it(VGPU_VFIO_NO_IOMMUFD, error, &vfio), -EBUSY);
	assert_non_null(strstr(error, "group 12"));
	k.not_viable = false;
	k.no_type1 = true;
	assert_int_equal(open_it(VGPU_VFIO_NO_IOMMUFD, error, &vfio),
			 -EOPNOTSUPP);
	k.no_type1 = false;
	k.no_iommu = true;
	assert_int_equal(open_it(VGPU_VFIO_NO_IOMMUFD, error, &vfio), -ENXIO);
	assert_non_null(strstr(error, "no IOMMU"));
	k.unbound = true;
	assert_int_equal(open_it(0, error, &vfio), -ENXIO);
	assert_non_null(strstr(error, "nouveau"));
	assert_int_equal(open_fds(), fds);
	assert_null(vfio);
}

static void regions(void **state)
{
	struct vgpu_vfio *vfio;
	char *bar;
	void *again;
	uint64_t size;
	uint16_t command;
	uint32_t v;

	(void)state;
	assert_int_equal(open_it(0, NULL, &vfio), 0);
	assert_int_equal(vgpu_vfio_bar(vfio, 0, (void **)&bar, &size), 0);
	assert_int_equal(size, 4 * PAGE);
	bar[0] = 1;
	bar[3 * PAGE] = 2;
	assert_int_equal(pread(k.device, &v, 1, BAR0_AT + 3 * PAGE), 1);
	assert_int_equal((uint8_t)v, 2);
	assert_int_equal(vgpu_vfio_bar(vfio, 0, &again, &size), 0);
	assert_ptr_equal(again, bar);
	assert_int_equal(vgpu_vfio_bar(vfio, 1, &again, &size), -EOPNOTSUPP);
	assert_int_equal(vgpu_vfio_bar(vfio, 2, &again, &size), -ENOENT);
	/* The page that can't be mapped, by call; and where there is nothing */
	v = 0x12345678;
	assert_int_equal(vgpu_vfio_write(vfio, 0, PAGE + 8, &v, 4), 0);
	v = 0;
	assert_int_equal(vgpu_vfio_read(vfio, 0, PAGE + 8, &v, 4), 0);
	assert_int_equal(v, 0x12345678);
	assert_int_equal(vgpu_vfio_read(vfio, 0, 4 * PAGE - 2, &v, 4), -EINVAL);
	assert_int_equal(vgpu_vfio_read(vfio, 0, UINT64_MAX, &v, 4), -EINVAL);
	assert_int_equal(vgpu_vfio_read(vfio, 3, 0, &v, 4), -ENOENT);
	assert_int_equal(vgpu_vfio_read(vfio, 1000, 0, &v, 4), -ENOENT);
	/* Bus mastering leaves the other bits alone. */
	command = PCI_COMMAND_SERR;
	assert_int_equal(vgpu_vfio_write(vfio, VGPU_REGION_CONFIG, PCI_COMMAND,
					 &command, 2),
			 0);
	assert_int_equal(vgpu_vfio_set_bus_master(vfio, true), 0);
	assert_int_equal(pread(k.device, &command, 2, CONFIG_AT + PCI_COMMAND),
			 2);
	assert_int_equal(command, PCI_COMMAND_SERR | PCI_COMMAND_MASTER |
					  PCI_COMMAND_MEMORY);
	vgpu_vfio_close(vfio);
	assert_int_equal(pread(k.device, &command, 2, CONFIG_AT + PCI_COMMAND),
			 2);
	assert_int_equal(command, PCI_COMMAND_SERR | PCI_COMMAND_MEMORY);
}

static void interrupts(void **state)
{
	const int fds[4] = { 1, -1, 2, 3 };
	struct vgpu_vfio *vfio;

	(void)state;
	assert_int_equal(open_it(0, NULL, &vfio), 0);
	assert_int_equal(vgpu_vfio_irqs(vfio, VGPU_IRQ_MSIX), 4);
	assert_int_equal(vgpu_vfio_set_irqs(vfio, VGPU_IRQ_MSIX, fds, 4), 0);
	assert_int_equal(k.vectors, 4);
	assert_int_equal(vgpu_vfio_set_irqs(vfio, VGPU_IRQ_MSIX, fds, 5000),
			 -EINVAL);
	assert_int_equal(vgpu_vfio_set_irqs(vfio, VGPU_IRQ_MSIX, NULL, 0), 0);
	assert_int_equal(k.vectors, 0);
	assert_int_equal(vgpu_vfio_unmask_intx(vfio), 0);
	assert_int_equal(vgpu_vfio_reset(vfio), 0);
	k.fail = VFIO_DEVICE_SET_IRQS;
	k.fail_errno = EINVAL;
	assert_int_equal(vgpu_vfio_set_irqs(vfio, VGPU_IRQ_MSIX, fds, 4),
			 -EINVAL);
	k.fail = VFIO_DEVICE_RESET;
	k.fail_errno = EIO;
	assert_int_equal(vgpu_vfio_reset(vfio), -EIO);
	vgpu_vfio_close(vfio);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(by_character_device), T(by_group),
		T(failures_say_why),	T(regions),
		T(interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
