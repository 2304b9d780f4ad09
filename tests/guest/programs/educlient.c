/* SPDX-License-Identifier: MIT */
/*
 * A program that uses an edu vGPU: it moves patterns of its own through the
 * device's buffer, and looks whether it gets back what is its own.
 *
 *     educlient SOCKET SEED ROUNDS         data, factorials, MSI
 *     educlient SOCKET SEED ROUNDS unmap   and takes memory away in transfers
 *     educlient SOCKET SEED 0 start        says "started" in mid-transfer, and
 *                                          waits to be killed
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vgpu/client.h>

#define PAGE	4096u
#define PAGES	8u
#define BASE	0x100000u /* the same in every client */
#define SPARE	0x800000u /* a range that comes and goes */
#define BUFFER	0x40000u
#define RUN	1u
#define TO_RAM	2u
#define IRQ	4u
#define PATIENCE_MS 60000

static struct vgpu_client *client;
static uint8_t *ram;
static int irq;

static void die(const char *what, int err)
{
	printf("FAILED: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void must(int err, const char *what)
{
	if (err)
		die(what, err);
}

static void set64(uint64_t reg, uint64_t value)
{
	must(vgpu_client_write(client, 0, reg, &value, 8), "write");
}

static uint32_t get(uint64_t reg)
{
	uint32_t value = 0;

	must(vgpu_client_read32(client, 0, reg, &value), "read");
	return value;
}

static void set(uint64_t reg, uint32_t value)
{
	must(vgpu_client_write32(client, 0, reg, value), "write");
}

static void begin(uint64_t src, uint64_t dst, uint32_t count, uint32_t cmd)
{
	set64(0x80, src);
	set64(0x88, dst);
	set64(0x90, count);
	set64(0x98, cmd | RUN | IRQ);
}

/* The interrupt that says @bits */
static void wait_irq(uint32_t bits)
{
	struct pollfd p = { .fd = irq, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, PATIENCE_MS) != 1 || read(irq, &n, sizeof(n)) != 8)
		die("interrupt", -ETIMEDOUT);
	if (get(0x24) != bits)
		die("interrupt status", -EPROTO);
	set(0x64, bits);
}

static void to_device(uint32_t at, uint32_t offset, uint32_t count)
{
	begin(BASE + at, BUFFER + offset, count, 0);
	wait_irq(0x100);
}

static void to_ram(uint32_t offset, uint32_t at, uint32_t count)
{
	begin(BUFFER + offset, BASE + at, count, TO_RAM);
	wait_irq(0x100);
}

static uint8_t pattern(uint32_t seed, uint32_t round, uint32_t i)
{
	uint32_t x = seed * 2654435761u + round * 40503u + i * 97u;

	/* Whose byte it is shows in the upper bits. */
	return (uint8_t)(((seed & 7) << 5) | ((x >> 7) & 0x1f));
}

static void fill(uint8_t *to, uint32_t seed, uint32_t round, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = pattern(seed, round, i);
}

static void compare(const uint8_t *a, const uint8_t *b, uint32_t n,
		    const char *what)
{
	for (uint32_t i = 0; i < n; i++) {
		if (a[i] == b[i])
			continue;
		printf("FAILED: %s: byte %u is 0x%02x, not 0x%02x\n", what, i,
		       a[i], b[i]);
		exit(1);
	}
}

static uint32_t factorial(uint32_t n)
{
	uint32_t f = 1;

	while (n > 1)
		f *= n--;
	return f;
}

static void do_factorial(uint32_t n)
{
	set(0x20, 0x80);
	set(0x08, n);
	wait_irq(1);
	if (get(0x20) & 1 || get(0x08) != factorial(n))
		die("factorial", -EPROTO);
	set(0x20, 0);
}

/* What the buffer should hold is kept in @shadow. */
static void round_trip(uint32_t seed, uint32_t round, uint8_t *shadow)
{
	uint32_t offset = (seed * 61 + round * 331) % 2048;
	uint32_t count = 1 + (seed * 17 + round * 701) % 2048;
	uint32_t at = PAGE - (round * 129) % 1024; /* across two pages */

	fill(ram + at, seed, round, count);
	to_device(at, offset, count);
	memcpy(shadow + offset, ram + at, count);
	memset(ram + 4 * PAGE, 0xff, PAGE);
	to_ram(0, 4 * PAGE, PAGE);
	compare(ram + 4 * PAGE, shadow, PAGE, "whole buffer");
	do_factorial(seed % 8 + round % 12);
}

/* A range is taken away while a transfer into it is queued or under way. */
static void unmap_in_transfer(void)
{
	void *spare;

	must(vgpu_client_dma_alloc(client, SPARE, PAGE,
				   VGPU_CLIENT_DMA_READ | VGPU_CLIENT_DMA_WRITE,
				   &spare),
	     "map");
	begin(BUFFER, SPARE, PAGE, TO_RAM);
	must(vgpu_client_dma_unmap(client, SPARE, PAGE), "unmap");
	/* Moved, or not: it has ended. */
	wait_irq(0x100);
	begin(BUFFER, SPARE, PAGE, TO_RAM); /* where nothing is: nothing */
	wait_irq(0x100);
}

static void start_up(const char *path)
{
	int err = 0;
	void *ptr;

	/* The last client may be leaving. */
	for (int i = 0; i < 200; i++) {
		err = vgpu_client_connect(path, NULL, &client);
		if (err != -EBUSY)
			break;
		usleep(50000);
	}
	must(err, "connect");
	must(vgpu_client_enable(client), "enable");
	must(vgpu_client_dma_alloc(client, BASE, PAGES * PAGE,
				   VGPU_CLIENT_DMA_READ | VGPU_CLIENT_DMA_WRITE,
				   &ptr),
	     "map");
	ram = ptr;
	irq = eventfd(0, EFD_CLOEXEC);
	must(vgpu_client_irq_enable(client, VGPU_CLIENT_IRQ_MSI, 0, &irq, 1),
	     "MSI");
	if (get(0) != 0x010000ed)
		die("identification", -ENODEV);
	set(4, 0x12345678);
	if (get(4) != ~0x12345678u)
		die("liveness", -EPROTO);
}

int main(int argc, char **argv)
{
	static uint8_t shadow[PAGE];
	uint32_t seed, rounds;
	const char *mode;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	seed = (uint32_t)strtoul(argv[2], NULL, 10);
	rounds = (uint32_t)strtoul(argv[3], NULL, 10);
	mode = argc > 4 ? argv[4] : "";
	start_up(argv[1]);
	/* A fresh vGPU's buffer is zero, whoever was here before. */
	memset(ram, 0xff, PAGE);
	to_ram(0, 0, PAGE);
	compare(ram, shadow, PAGE, "fresh buffer");
	if (!strcmp(mode, "start")) {
		fill(ram, seed, 0, PAGE);
		to_device(0, 0, PAGE);
		begin(BUFFER, BASE + PAGE, PAGE, TO_RAM);
		printf("started\n");
		pause();
	}
	for (uint32_t round = 0; round < rounds; round++) {
		round_trip(seed, round, shadow);
		if (!strcmp(mode, "unmap"))
			unmap_in_transfer();
	}
	vgpu_client_close(client);
	printf("passed %u rounds\n", rounds);
	return 0;
}
