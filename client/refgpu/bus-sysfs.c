/* SPDX-License-Identifier: MIT */
/*
 * A PCI function through its files in sysfs, for a program in a guest. What
 * it lacks is a way to give the device memory, and interrupts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "private.h"
#include "util/cleanup.h"

#define DEVICES "/sys/bus/pci/devices"

/** LOOK_NS - how long a wait sleeps, since nothing wakes it */
#define LOOK_NS 50000u

struct sysfs_bus {
	struct vgpu_rg_bus bus;
	volatile uint32_t *regs, *doorbells;
	uint64_t regs_size, doorbells_size;
};

static struct sysfs_bus *of(struct vgpu_rg_bus *bus)
{
	return (struct sysfs_bus *)bus;
}

static int sysfs_read(struct vgpu_rg_bus *bus, uint32_t reg,
		      uint32_t *ret_value)
{
	if (reg > of(bus)->regs_size - 4)
		return -EINVAL;
	*ret_value = of(bus)->regs[reg / 4];
	return 0;
}

static int sysfs_write(struct vgpu_rg_bus *bus, uint32_t reg, uint32_t value)
{
	if (reg > of(bus)->regs_size - 4)
		return -EINVAL;
	of(bus)->regs[reg / 4] = value;
	return 0;
}

static int sysfs_doorbell(struct vgpu_rg_bus *bus, unsigned ctx)
{
	if (REFGPU_DOORBELL(ctx) > of(bus)->doorbells_size - 4)
		return -EINVAL;
	__sync_synchronize();
	of(bus)->doorbells[ctx] = 1;
	return 0;
}

static int sysfs_wait(struct vgpu_rg_bus *bus, uint64_t timeout_ns)
{
	const struct timespec t = { .tv_nsec = (long)MIN(timeout_ns,
							 (uint64_t)LOOK_NS) };

	(void)bus;
	nanosleep(&t, NULL);
	return timeout_ns > LOOK_NS;
}

static void unmap(volatile void *ptr, uint64_t size)
{
	if (ptr)
		munmap((void *)(uintptr_t)ptr, size);
}

static void sysfs_close(struct vgpu_rg_bus *bus)
{
	struct sysfs_bus *b = of(bus);

	unmap(b->regs, b->regs_size);
	unmap(b->doorbells, b->doorbells_size);
	unmap(b->bus.vram, b->bus.vram_size);
	free(b);
}

static const struct vgpu_rg_bus_ops sysfs_ops = {
	.read = sysfs_read,
	.write = sysfs_write,
	.post = sysfs_write,
	.doorbell = sysfs_doorbell,
	.wait = sysfs_wait,
	.close = sysfs_close,
};

static int file_path(char path[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int read_hex(const char *dir, const char *name, unsigned *ret_value)
{
	cleanup_file FILE *f = NULL;
	char path[PATH_MAX];
	int err = file_path(path, dir, name);

	if (err)
		return err;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	return fscanf(f, "%x", ret_value) == 1 ? 0 : -EINVAL;
}

static bool is_refgpu(const char *dir)
{
	unsigned vendor = 0, device = 0;

	return !read_hex(dir, "vendor", &vendor) &&
	       !read_hex(dir, "device", &device) &&
	       vendor == REFGPU_VENDOR_ID && device == REFGPU_DEVICE_ID;
}

static int find(char path[PATH_MAX])
{
	DIR *dir = opendir(DEVICES);
	struct dirent *d;
	int err = -ENODEV;

	if (!dir)
		return -errno;
	while (err && (d = readdir(dir)))
		if (d->d_name[0] != '.' &&
		    !file_path(path, DEVICES, d->d_name) && is_refgpu(path))
			err = 0;
	closedir(dir);
	return err;
}

static int map_bar(const char *dir, unsigned bar, void **ret_ptr,
		   uint64_t *ret_size)
{
	char name[16], path[PATH_MAX];
	cleanup_fd int fd = -1;
	struct stat st;
	void *p;
	int err;

	snprintf(name, sizeof(name), "resource%u", bar);
	err = file_path(path, dir, name);
	if (err)
		return err;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		 fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret_ptr = p;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* Decode of its BARs, and its way to memory. */
static int enable(const char *dir)
{
	char path[PATH_MAX];
	cleanup_fd int config = -1, switch_on = -1;
	uint16_t command;
	int err = file_path(path, dir, "enable");

	if (err)
		return err;
	switch_on = open(path, O_WRONLY | O_CLOEXEC);
	if (switch_on < 0 || write(switch_on, "1", 1) != 1)
		return -errno;
	err = file_path(path, dir, "config");
	if (err)
		return err;
	config = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0 || pread(config, &command, 2, 4) != 2)
		return -errno;
	command |= 0x6; /* memory, bus master */
	return pwrite(config, &command, 2, 4) == 2 ? 0 : -errno;
}

int vgpu_rg_bus_sysfs(const char *path, struct vgpu_rg_bus **ret_bus)
{
	char found[PATH_MAX];
	struct sysfs_bus *b;
	int err = 0;

	if (!path) {
		err = find(found);
		path = found;
	} else if (!is_refgpu(path)) {
		err = -ENODEV;
	}
	if (!err)
		err = enable(path);
	if (err)
		return err;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->bus.ops = &sysfs_ops;
	err = map_bar(path, REFGPU_BAR_REGS, (void **)&b->regs, &b->regs_size);
	if (!err)
		err = map_bar(path, REFGPU_BAR_DOORBELL, (void **)&b->doorbells,
			      &b->doorbells_size);
	if (!err)
		err = map_bar(path, REFGPU_BAR_VRAM, &b->bus.vram,
			      &b->bus.vram_size);
	if (err)
		sysfs_close(&b->bus);
	else
		*ret_bus = &b->bus;
	return err;
}
