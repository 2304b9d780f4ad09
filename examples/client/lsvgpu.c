/* SPDX-License-Identifier: MIT */
/*
 * lsvgpu: says what is behind a vfio-user socket. The smallest useful program
 * on libvgpu-client; it works with any server of the protocol.
 *
 *     cc -o lsvgpu lsvgpu.c $(pkg-config --cflags --libs vgpu-client)
 *     ./lsvgpu /run/user/1000/vgpu.sock
 */
#include <stdio.h>
#include <string.h>

#include <vgpu/client.h>

static const char *const regions[] = { "BAR0", "BAR1", "BAR2", "BAR3",
				       "BAR4", "BAR5", "ROM",  "config" };
static const char *const irqs[] = { "INTx", "MSI", "MSI-X", "ERR", "REQ" };

static void print_region(struct vgpu_client *c, unsigned i)
{
	struct vgpu_client_region r;
	uint64_t mapped = 0;
	int err = vgpu_client_region(c, i, &r);

	if (err || !r.size) {
		if (err)
			printf("%-7s %s\n", regions[i], strerror(-err));
		return;
	}
	for (uint32_t a = 0; a < r.n_areas; a++)
		mapped += r.areas[a].size;
	printf("%-7s %10llu bytes  %s%s", regions[i],
	       (unsigned long long)r.size,
	       r.flags & VGPU_CLIENT_REGION_READ ? "r" : "-",
	       r.flags & VGPU_CLIENT_REGION_WRITE ? "w" : "-");
	if (mapped)
		printf("  %llu of them can be mapped, in %u pieces",
		       (unsigned long long)mapped, r.n_areas);
	putchar('\n');
}

static int print_device(struct vgpu_client *c)
{
	uint8_t id[16];
	int err = vgpu_client_read(c, VGPU_CLIENT_REGION_CONFIG, 0, id,
				   sizeof(id));

	if (err)
		return err;
	printf("PCI     %02x%02x:%02x%02x class %02x%02x%02x revision %u\n",
	       id[1], id[0], id[3], id[2], id[11], id[10], id[9], id[8]);
	for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
		print_region(c, i);
	for (unsigned i = 0; i < sizeof(irqs) / sizeof(irqs[0]); i++) {
		uint32_t n;

		if (!vgpu_client_irq_count(c, (enum vgpu_client_irq)i, &n) && n)
			printf("%-7s %10u vectors\n", irqs[i], n);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct vgpu_client *c;
	int err;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "Usage: lsvgpu SOCKET\n"
				"Says what is behind a vfio-user socket. It "
				"has to be free: a vGPU has one client at a "
				"time.\n");
		return 2;
	}
	err = vgpu_client_connect(argv[1], NULL, &c);
	if (err) {
		fprintf(stderr, "lsvgpu: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	err = print_device(c);
	if (err)
		fprintf(stderr, "lsvgpu: %s: %s\n", argv[1], strerror(-err));
	vgpu_client_close(c);
	return err ? 1 : 0;
}
