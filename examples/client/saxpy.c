/* SPDX-License-Identifier: MIT */
/*
 * saxpy: computes y = y + a x on a vGPU of the reference GPU.
 *
 *     ./saxpy /run/user/1000/vgpu.sock
 */
#include <stdio.h>
#include <string.h>

#include <vgpu/refgpu-user.h>

#define N 100000

/* Memory of the vGPU's that the context sees, too. */
static int vector(struct vgpu_rg_device *dev, struct vgpu_rg_context *ctx,
		  float **ret_ptr, uint64_t *ret_va)
{
	struct vgpu_rg_buffer *buf;
	int err =
		vgpu_rg_buffer_new(dev, N * sizeof(float), VGPU_RG_VRAM, &buf);

	if (!err)
		err = vgpu_rg_map(ctx, buf, VGPU_RG_READ | VGPU_RG_WRITE,
				  ret_va);
	if (!err)
		*ret_ptr = vgpu_rg_buffer_ptr(buf);
	return err;
}

static int compute(struct vgpu_rg_device *dev, struct vgpu_rg_context *ctx)
{
	struct vgpu_rg_stream s = { 0 };
	uint64_t x_va, y_va, fence;
	float *x, *y;
	int err = vector(dev, ctx, &x, &x_va);

	if (!err)
		err = vector(dev, ctx, &y, &y_va);
	if (err)
		return err;
	for (int i = 0; i < N; i++) {
		x[i] = (float)i;
		y[i] = 1;
	}
	vgpu_rg_saxpy(&s, N, 2, x_va, y_va);
	err = vgpu_rg_submit(ctx, &s, &fence);
	if (!err)
		err = vgpu_rg_wait(ctx, fence, VGPU_RG_FOR_EVER);
	vgpu_rg_stream_free(&s);
	if (!err)
		printf("1 + 2 * %d = %.0f\n", N - 1, (double)y[N - 1]);
	return err;
}

int main(int argc, char **argv)
{
	struct vgpu_rg_context *ctx;
	struct vgpu_rg_device *dev;
	char why[160];
	int err;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "Usage: saxpy SOCKET\n"
				"Computes on a vGPU of a type refgpu-*.\n");
		return 2;
	}
	err = vgpu_rg_connect(argv[1], &dev);
	if (err) {
		fprintf(stderr, "saxpy: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	err = vgpu_rg_context_new(dev, NULL, &ctx);
	if (!err) {
		err = compute(dev, ctx);
		vgpu_rg_context_explain(ctx, why, sizeof(why));
		if (err)
			fprintf(stderr, "saxpy: %s\n", why);
	}
	vgpu_rg_close(dev); /* and all that is its */
	return err ? 1 : 0;
}
