/* SPDX-License-Identifier: MIT */
/*
 * Uses the device of libvfio-user's sample "server" through libvgpu-client:
 * everything that a client can do with a server that is not ours.
 *
 *     otherserver SOCKET
 *
 * The sample has a clock in BAR0 (8 bytes; writing a time sets an alarm), two
 * mappable pages of three in BAR1, one INTx, and when the alarm goes off it
 * raises INTx, and writes A's to D's to the client's first two ranges of
 * memory: by messages to the first, straight into the second.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <vgpu/client.h>

#define PAGE 4096u

static void check(int ok, const char *what)
{
	printf("%s: %s\n", ok ? "ok" : "FAILED", what);
	fflush(stdout);
	if (!ok)
		exit(1);
}

static void regions(struct vgpu_client *c)
{
	struct vgpu_client_region r;
	uint32_t id = 0, word = 0;
	char *p, *far;

	check(!vgpu_client_read32(c, VGPU_CLIENT_REGION_CONFIG, 0, &id) &&
		      id == 0xbeefdead,
	      "config space says who it is");
	check(!vgpu_client_enable(c), "memory decode and bus mastering");
	check(!vgpu_client_region(c, 0, &r) && r.size == 8 && !r.n_areas,
	      "BAR0 has a register, which can't be mapped");
	check(!vgpu_client_region(c, 1, &r) && r.size == 3 * PAGE &&
		      r.n_areas == 2 && r.areas[1].offset == 2 * PAGE,
	      "BAR1 has three pages, two of them can be mapped");
	check(!vgpu_client_map(c, 1, 0, PAGE, (void **)&p), "the first one is");
	check(!vgpu_client_map(c, 1, 2 * PAGE, PAGE, (void **)&far),
	      "and so is the last one");
	check(vgpu_client_map(c, 1, PAGE, PAGE, (void **)&p) == -EACCES,
	      "the one between is not");
	memcpy(p, "mapped", 6);
	check(!vgpu_client_read32(c, 1, 0, &word) && !memcmp(&word, "mapp", 4),
	      "what is stored there can be read by message");
	check(!vgpu_client_write32(c, 1, 2 * PAGE + 8, 0x12345678) &&
		      !memcmp(far + 8, "\x78\x56\x34\x12", 4),
	      "what is written by message is seen there");
	check(vgpu_client_read32(c, 0, 0, &word) == -EINVAL,
	      "its refusals come as they are");
}

static int filled(const char *p)
{
	for (unsigned i = 0; i < PAGE; i++)
		if (p[i] != 'A' + (int)(i / 1024))
			return 0;
	return 1;
}

static void interrupt_and_dma(struct vgpu_client *c)
{
	char *far = aligned_alloc(PAGE, PAGE), *near;
	struct pollfd fds[2];
	int64_t at = time(NULL) + 2;
	int intx = eventfd(0, 0);
	uint32_t n = 0;
	uint64_t rang;

	memset(far, 0, PAGE);
	check(!vgpu_client_dma_map_private(c, 0x10000, PAGE, 3, far),
	      "memory without a file");
	check(!vgpu_client_dma_alloc(c, 0x20000, PAGE, 3, (void **)&near),
	      "memory with one");
	check(!vgpu_client_irq_count(c, VGPU_CLIENT_IRQ_INTX, &n) && n == 1,
	      "one INTx");
	check(!vgpu_client_irq_enable(c, VGPU_CLIENT_IRQ_INTX, 0, &intx, 1),
	      "INTx by eventfd");
	check(!vgpu_client_write(c, 0, 0, &at, sizeof(at)), "set the alarm");
	fds[0] = (struct pollfd){ .fd = intx, .events = POLLIN };
	check(poll(fds, 1, 10000) == 1 && read(intx, &rang, 8) == 8,
	      "the interrupt comes");
	for (unsigned i = 0; i < 100 && !filled(far); i++)
		check(vgpu_client_serve(c, 5000) >= 0, "serve its messages");
	check(filled(far), "it wrote by messages, and read back");
	check(filled(near), "and straight into what has a file");
	/* The last read's answer has to reach it before it is gone. */
	while (vgpu_client_serve(c, 200) > 0)
		;
	check(!vgpu_client_dma_unmap(c, 0x20000, PAGE), "take it back");
	check(!vgpu_client_dma_unmap(c, 0x10000, PAGE), "and the other");
	check(!vgpu_client_reset(c), "reset");
	free(far);
	close(intx);
}

int main(int argc, char **argv)
{
	struct vgpu_client *c;

	if (argc != 2)
		return 2;
	check(!vgpu_client_connect(argv[1], NULL, &c), "connect");
	regions(c);
	interrupt_and_dma(c);
	vgpu_client_close(c);
	printf("end\n");
	return 0;
}
