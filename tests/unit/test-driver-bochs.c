/* SPDX-License-Identifier: MIT */
/*
 * The bochs driver's registers, alone: this file is the core that the driver
 * is made to run on. What it checks is what a guest would see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/display.h>

extern const struct vgpu_driver *const vgpu_driver_entry;

/* ------------------------------------------------------------------ */
/* A core that remembers what it was told                              */
/* ------------------------------------------------------------------ */

struct vgpu_core {
	struct vgpu_device *dev;
	const struct vgpu_device_ops *ops;
	uint64_t vram_size;
	uint32_t bar0_flags;
	struct vgpu_area mmio[8];
	unsigned n_mmio;
	struct vgpu_pci_desc pci;
	void *state;
	size_t state_size;
	struct vgpu_plane plane;
	unsigned plane_calls;
	uint32_t palette[256];
	bool finished;
};

int vgpu_device_init(struct vgpu_device *dev, const struct vgpu_device_ops *ops,
		     const struct vgpu_create_args *args,
		     const struct vgpu_pci_desc *pci,
		     const struct vgpu_state_desc *state)
{
	struct vgpu_core *core = args->core;

	assert_int_equal(ops->struct_size, sizeof(*ops));
	assert_int_equal(pci->struct_size, sizeof(*pci));
	assert_int_equal(state->struct_size, sizeof(*state));
	assert_true(pci->bars[2].n_areas <= 8);
	dev->ops = ops;
	dev->core = core;
	core->dev = dev;
	core->ops = ops;
	core->pci = *pci;
	core->vram_size = pci->bars[0].size;
	core->n_mmio = pci->bars[2].n_areas;
	memcpy(core->mmio, pci->bars[2].areas,
	       core->n_mmio * sizeof(core->mmio[0]));
	assert_int_equal(pci->bars[0].n_areas, 1);
	assert_int_equal(pci->bars[0].areas[0].kind, VGPU_AREA_MAPPED);
	assert_int_equal(pci->bars[0].areas[0].size, core->vram_size);
	core->state = calloc(1, state->size);
	core->state_size = state->size;
	assert_non_null(core->state);
	for (uint32_t i = 0; i < state->n_fields; i++)
		assert_true(state->fields[i].offset +
				    state->fields[i].size *
					    state->fields[i].count <=
			    state->size);
	return 0;
}

void vgpu_device_fini(struct vgpu_device *dev)
{
	free(dev->core->state);
	dev->core->finished = true;
}

void *vgpu_device_state(struct vgpu_device *dev)
{
	return dev->core->state;
}

int vgpu_plane_set(struct vgpu_device *dev, unsigned index,
		   const struct vgpu_plane *plane)
{
	struct vgpu_core *core = dev->core;

	assert_int_equal(index, 0);
	assert_int_equal(plane->struct_size, sizeof(*plane));
	core->plane_calls++;
	core->plane = *plane;
	if (plane->format &&
	    (!plane->width || !plane->height ||
	     plane->offset + (uint64_t)plane->stride * plane->height >
		     core->vram_size)) {
		core->plane.format = 0;
		return -EINVAL;
	}
	return 0;
}

int vgpu_plane_palette(struct vgpu_device *dev, unsigned index,
		       const uint32_t colours[256])
{
	assert_int_equal(index, 0);
	memcpy(dev->core->palette, colours, sizeof(dev->core->palette));
	return 0;
}

void vgpu_log(struct vgpu_device *dev, enum vgpu_log_level level,
	      const char *fmt, ...)
{
	assert_non_null(dev);
	assert_int_equal(level, VGPU_LOG_DEBUG);
	assert_non_null(fmt);
}

/* ------------------------------------------------------------------ */

static const struct vgpu_area *area_at(struct vgpu_core *core, uint64_t offset)
{
	for (unsigned i = 0; i < core->n_mmio; i++) {
		const struct vgpu_area *a = &core->mmio[i];

		if (offset >= a->offset && offset - a->offset < a->size)
			return a;
	}
	fail_msg("nothing at 0x%llx", (unsigned long long)offset);
	return NULL;
}

static uint64_t rd(struct vgpu_core *core, uint64_t offset, unsigned size)
{
	const struct vgpu_area *a = area_at(core, offset);
	uint64_t value = 0;

	if (a->ops->read_bulk) {
		a->ops->read_bulk(core->dev, a->data, offset - a->offset,
				  &value, size);
		return value;
	}
	assert_in_range(size, a->ops->min_access, a->ops->max_access);
	value = a->ops->read(core->dev, a->data, offset - a->offset, size);
	return value & (UINT64_MAX >> (64 - 8 * size));
}

static void wr(struct vgpu_core *core, uint64_t offset, uint64_t value,
	       unsigned size)
{
	const struct vgpu_area *a = area_at(core, offset);

	assert_in_range(size, a->ops->min_access, a->ops->max_access);
	a->ops->write(core->dev, a->data, offset - a->offset, value, size);
}

enum {
	ID,
	XRES,
	YRES,
	BPP,
	ENABLE,
	BANK,
	VIRT_WIDTH,
	VIRT_HEIGHT,
	X_OFFSET,
	Y_OFFSET,
	MEMORY_64K,
};

static uint16_t dispi(struct vgpu_core *core, unsigned reg)
{
	return (uint16_t)rd(core, 0x500 + 2 * reg, 2);
}

static void set_dispi(struct vgpu_core *core, unsigned reg, uint16_t value)
{
	wr(core, 0x500 + 2 * reg, value, 2);
}

static void set_port(struct vgpu_core *core, unsigned port, uint8_t value)
{
	wr(core, 0x400 + port - 0x3c0, value, 1);
}

static uint8_t port(struct vgpu_core *core, unsigned number)
{
	return (uint8_t)rd(core, 0x400 + number - 0x3c0, 1);
}

static void set_mode(struct vgpu_core *core, unsigned x, unsigned y,
		     unsigned bpp)
{
	set_dispi(core, ENABLE, 0);
	set_dispi(core, BPP, (uint16_t)bpp);
	set_dispi(core, XRES, (uint16_t)x);
	set_dispi(core, YRES, (uint16_t)y);
	set_dispi(core, ENABLE, 0x41);
}

static struct vgpu_core *make(const char *type)
{
	struct vgpu_core *core = calloc(1, sizeof(*core));
	const struct vgpu_driver *drv = vgpu_driver_entry;
	struct vgpu_device *dev;

	assert_non_null(core);
	assert_int_equal(drv->abi_version, VGPU_DRIVER_ABI);
	for (size_t i = 0; i < drv->n_types; i++) {
		struct vgpu_create_args args = {
			.struct_size = sizeof(args),
			.type = drv->types[i],
			.core = core,
		};

		if (strcmp(drv->types[i]->name, type) != 0)
			continue;
		assert_int_equal(drv->create(&args, &dev), 0);
		assert_ptr_equal(dev, core->dev);
		dev->ops->reset(dev, VGPU_RESET_NEW_CLIENT);
		return core;
	}
	fail_msg("no type %s", type);
	return NULL;
}

static int setup(void **state)
{
	*state = make("bochs-16m");
	return 0;
}

static void drop(struct vgpu_core *core)
{
	core->ops->destroy(core->dev);
	assert_true(core->finished);
	free(core);
}

static int teardown(void **state)
{
	drop(*state);
	return 0;
}

/* ------------------------------------------------------------------ */

static void looks_like_bochs(void **state)
{
	struct vgpu_core *core = *state;

	assert_int_equal(core->pci.vendor_id, 0x1234);
	assert_int_equal(core->pci.device_id, 0x1111);
	assert_int_equal(core->pci.class_code, 0x038000);
	assert_int_equal(core->pci.revision, 2);
	assert_int_equal(core->pci.bars[2].size, 4096);
	assert_int_equal(core->pci.bars[0].flags, VGPU_BAR_PREFETCH);
	assert_int_equal(dispi(core, ID), 0xb0c5);
	assert_int_equal(dispi(core, MEMORY_64K), (16 << 20) >> 16);
	assert_int_equal(rd(core, 0x600, 4), 8);
	assert_int_equal(rd(core, 0x604, 4), 0x1e1e1e1e);
	assert_int_equal(core->plane.format, 0);
}

static void types_are_sane(void **state)
{
	const struct vgpu_driver *drv = vgpu_driver_entry;

	(void)state;
	for (size_t i = 0; i < drv->n_types; i++) {
		const struct vgpu_type *t = drv->types[i];
		struct vgpu_core *core = make(t->name);

		/* Two pictures fit: Linux up to 6.12 flips in VRAM. */
		assert_true(t->vram_size >= 8ull * t->xres * t->yres);
		assert_int_equal(core->vram_size, t->vram_size);
		assert_int_equal(dispi(core, MEMORY_64K), t->vram_size >> 16);
		set_mode(core, t->xres, t->yres, 32);
		assert_int_equal(core->plane.format, VGPU_FORMAT_XRGB8888);
		drop(core);
	}
}

static void edid_is_there(void **state)
{
	struct vgpu_core *core = *state;
	unsigned sum = 0;

	assert_int_equal(rd(core, 0, 8), 0x00ffffffffffff00);
	for (unsigned i = 0; i < 128; i++)
		sum += (unsigned)rd(core, i, 1);
	assert_int_equal(sum & 0xff, 0);
	/* Preferred mode 1024x768 */
	assert_int_equal(rd(core, 54 + 2, 1), 1024 & 0xff);
	assert_int_equal(rd(core, 54 + 4, 1) >> 4, 1024 >> 8);
	assert_int_equal(rd(core, 54 + 5, 2) & 0xff, 768 & 0xff);
	/* The rest of the window is zero, also across the end of the block. */
	assert_int_equal(rd(core, 0xfc, 8), 0);
	assert_int_equal(rd(core, 0x3f8, 8), 0);
}

static void a_mode_is_set(void **state)
{
	struct vgpu_core *core = *state;

	set_mode(core, 800, 600, 32);
	assert_int_equal(core->plane.format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(core->plane.width, 800);
	assert_int_equal(core->plane.height, 600);
	assert_int_equal(core->plane.stride, 3200);
	assert_int_equal(core->plane.region, VGPU_REGION_BAR0);
	assert_int_equal(core->plane.offset, 0);
	assert_int_equal(dispi(core, VIRT_WIDTH), 800);
	assert_int_equal(dispi(core, VIRT_HEIGHT), (16 << 20) / 3200);
	set_dispi(core, ENABLE, 0);
	assert_int_equal(core->plane.format, 0);
}

static void formats_follow_depth_and_order(void **state)
{
	static const struct {
		unsigned bpp, bytes;
		uint32_t little, big;
	} formats[] = {
		{ 8, 1, VGPU_FORMAT_C8, VGPU_FORMAT_C8 },
		{ 15, 2, VGPU_FORMAT_XRGB1555,
		  VGPU_FORMAT_XRGB1555 | VGPU_FORMAT_BIG_ENDIAN },
		{ 16, 2, VGPU_FORMAT_RGB565,
		  VGPU_FORMAT_RGB565 | VGPU_FORMAT_BIG_ENDIAN },
		{ 24, 3, VGPU_FORMAT_RGB888, VGPU_FORMAT_BGR888 },
		{ 32, 4, VGPU_FORMAT_XRGB8888, VGPU_FORMAT_BGRX8888 },
	};
	struct vgpu_core *core = *state;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		set_mode(core, 640, 480, formats[i].bpp);
		assert_int_equal(core->plane.format, formats[i].little);
		assert_int_equal(core->plane.stride, 640 * formats[i].bytes);
		wr(core, 0x604, 0xbebebebe, 4);
		assert_int_equal(core->plane.format, formats[i].big);
		assert_int_equal(rd(core, 0x604, 4), 0xbebebebe);
		wr(core, 0x604, 0x12345678, 4); /* not a byte order */
		assert_int_equal(rd(core, 0x604, 4), 0xbebebebe);
		wr(core, 0x604, 0x1e1e1e1e, 4);
		assert_int_equal(core->plane.format, formats[i].little);
	}
	wr(core, 0x600, 0xffffffff, 4);
	assert_int_equal(rd(core, 0x600, 4), 8);
}

/* Linux's buffers begin at any page: 800x600 the second time. */
static void the_picture_starts_anywhere(void **state)
{
	struct vgpu_core *core = *state;
	uint32_t start = 1921024;

	set_mode(core, 800, 600, 32);
	set_dispi(core, VIRT_WIDTH, 800);
	set_dispi(core, X_OFFSET, (uint16_t)(start % 3200 / 4));
	set_dispi(core, Y_OFFSET, (uint16_t)(start / 3200));
	assert_int_equal(dispi(core, X_OFFSET), 256);
	assert_int_equal(dispi(core, Y_OFFSET), 600);
	assert_int_equal(core->plane.format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(core->plane.offset, start);
	assert_int_equal(core->plane.stride, 3200);
	/* Enabling again starts from the beginning. */
	set_dispi(core, ENABLE, 0);
	set_dispi(core, ENABLE, 0x41);
	assert_int_equal(dispi(core, X_OFFSET), 0);
	assert_int_equal(core->plane.offset, 0);
}

static void a_wider_line_is_a_longer_stride(void **state)
{
	struct vgpu_core *core = *state;

	set_mode(core, 800, 600, 16);
	set_dispi(core, VIRT_WIDTH, 1024);
	assert_int_equal(core->plane.stride, 2048);
	assert_int_equal(core->plane.width, 800);
	assert_int_equal(dispi(core, VIRT_HEIGHT), (16 << 20) / 2048);
	set_dispi(core, VIRT_WIDTH, 100); /* less than what is shown */
	assert_int_equal(dispi(core, VIRT_WIDTH), 800);
	set_dispi(core, VIRT_HEIGHT, 1);
	assert_int_equal(dispi(core, VIRT_HEIGHT), (16 << 20) / 1600);
}

static void nonsense_shows_nothing(void **state)
{
	struct vgpu_core *core = *state;

	set_dispi(core, ENABLE, 0x41); /* no mode at all */
	assert_int_equal(core->plane.format, 0);
	assert_int_equal(dispi(core, VIRT_HEIGHT), 0);
	set_mode(core, 16000, 12000, 32); /* more than there is memory */
	assert_int_equal(core->plane.format, 0);
	set_mode(core, 1024, 768, 32);
	set_dispi(core, Y_OFFSET, 0xffff);
	assert_int_equal(core->plane.format, 0);
	assert_int_equal(dispi(core, Y_OFFSET), 0xffff);
	set_dispi(core, Y_OFFSET, 4096 - 768);
	assert_int_equal(core->plane.format, VGPU_FORMAT_XRGB8888);
	set_dispi(core, Y_OFFSET, 4096 - 767);
	assert_int_equal(core->plane.format, 0);
	set_dispi(core, VIRT_WIDTH, 0xffff);
	set_dispi(core, X_OFFSET, 0xffff);
	set_dispi(core, Y_OFFSET, 0xffff);
	assert_int_equal(core->plane.offset,
			 0xffffull * 0xffff * 4 + 0xffff * 4);
}

static void registers_keep_to_their_values(void **state)
{
	struct vgpu_core *core = *state;

	for (unsigned v = 0; v <= 0xffff; v++) {
		uint16_t was = dispi(core, ID);

		set_dispi(core, ID, (uint16_t)v);
		assert_int_equal(dispi(core, ID),
				 v >= 0xb0c0 && v <= 0xb0c5 ? v : was);
		was = dispi(core, BPP);
		set_dispi(core, BPP, (uint16_t)v);
		assert_int_equal(dispi(core, BPP),
				 v == 8 || v == 15 || v == 16 || v == 24 ||
						 v == 32
					 ? v
					 : was);
	}
	set_dispi(core, XRES, 16000);
	set_dispi(core, XRES, 16001);
	assert_int_equal(dispi(core, XRES), 16000);
	set_dispi(core, YRES, 12000);
	set_dispi(core, YRES, 12001);
	assert_int_equal(dispi(core, YRES), 12000);
	set_dispi(core, MEMORY_64K, 1);
	assert_int_equal(dispi(core, MEMORY_64K), 256);
	set_dispi(core, BANK, 7);
	assert_int_equal(dispi(core, BANK), 7);
	set_dispi(core, ENABLE, 0xffff);
	assert_int_equal(dispi(core, ENABLE), 0xe3);
}

static void a_mode_stays_while_it_is_on(void **state)
{
	struct vgpu_core *core = *state;

	set_mode(core, 1024, 768, 32);
	set_dispi(core, XRES, 640);
	set_dispi(core, YRES, 480);
	set_dispi(core, BPP, 8);
	assert_int_equal(dispi(core, XRES), 1024);
	assert_int_equal(dispi(core, YRES), 768);
	assert_int_equal(dispi(core, BPP), 32);
}

static void capabilities_are_told(void **state)
{
	struct vgpu_core *core = *state;

	set_mode(core, 1024, 768, 32);
	set_dispi(core, ENABLE, 0x02);
	assert_int_equal(dispi(core, XRES), 16000);
	assert_int_equal(dispi(core, YRES), 12000);
	assert_int_equal(dispi(core, BPP), 32);
	set_dispi(core, XRES, 640); /* is stored all the same */
	set_dispi(core, ENABLE, 0);
	assert_int_equal(dispi(core, XRES), 640);
	assert_int_equal(dispi(core, YRES), 768);
}

static void the_screen_blanks(void **state)
{
	struct vgpu_core *core = *state;

	set_mode(core, 1024, 768, 32);
	/* As Linux does it. */
	set_port(core, 0x3c2, 0x01);
	(void)port(core, 0x3da);
	set_port(core, 0x3c0, 0x00);
	assert_int_equal(core->plane.format, 0);
	assert_int_equal(port(core, 0x3cc), 0x01);
	/* The flip-flop: this one is data and does not unblank. */
	set_port(core, 0x3c0, 0x20);
	assert_int_equal(core->plane.format, 0);
	(void)port(core, 0x3da);
	set_port(core, 0x3c0, 0x20);
	assert_int_equal(core->plane.format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(port(core, 0x3c0), 0x20);
	/* Who polls for the retrace sees both levels. */
	assert_int_equal((port(core, 0x3da) ^ port(core, 0x3da)) & 0x08, 0x08);
	/* Ports without a function */
	assert_int_equal(port(core, 0x3c4), 0xff);
	set_port(core, 0x3d5, 0x12);
	assert_int_equal(port(core, 0x3d5), 0xff);
}

static void colours_are_set(void **state)
{
	struct vgpu_core *core = *state;

	set_mode(core, 640, 480, 8);
	set_port(core, 0x3c8, 255);
	set_port(core, 0x3c9, 63);
	set_port(core, 0x3c9, 0);
	set_port(core, 0x3c9, 32);
	assert_int_equal(core->palette[255], 0xff0082);
	/* The index went on, and around. */
	set_port(core, 0x3c9, 1);
	set_port(core, 0x3c9, 2);
	set_port(core, 0x3c9, 3);
	assert_int_equal(core->palette[0], 0x04080c);
	assert_int_equal(port(core, 0x3c7), 0);
	set_port(core, 0x3c7, 255);
	assert_int_equal(port(core, 0x3c7), 3);
	assert_int_equal(port(core, 0x3c9), 63);
	assert_int_equal(port(core, 0x3c9), 0);
	assert_int_equal(port(core, 0x3c9), 32);
	assert_int_equal(port(core, 0x3c8), 0);
	/* 8 bits a channel */
	set_dispi(core, ENABLE, 0x61);
	assert_int_equal(core->palette[255], 0x3f0020);
	/* The mask makes 256 entries fewer. */
	set_port(core, 0x3c6, 0x00);
	assert_int_equal(core->palette[255], 0x010203);
	assert_int_equal(port(core, 0x3c6), 0x00);
}

static void reset_forgets_everything(void **state)
{
	struct vgpu_core *core = *state;
	uint8_t fresh[4096];

	assert_in_range(core->state_size, 1, sizeof(fresh));
	memcpy(fresh, core->state, core->state_size);
	set_mode(core, 1024, 768, 32);
	set_dispi(core, ID, 0xb0c0);
	set_dispi(core, BANK, 3);
	set_dispi(core, X_OFFSET, 3);
	wr(core, 0x604, 0xbebebebe, 4);
	set_port(core, 0x3c0, 0);
	set_port(core, 0x3c8, 3);
	set_port(core, 0x3c9, 3);
	core->ops->reset(core->dev, VGPU_RESET_CLIENT);
	assert_memory_equal(core->state, fresh, core->state_size);
	assert_int_equal(core->plane.format, 0);
	assert_int_equal(core->palette[3], 0);
	assert_int_equal(dispi(core, ID), 0xb0c5);
}

/* Any access that the core would pass on, in any order. */
static void anything_goes(void **state)
{
	struct vgpu_core *core = *state;
	uint32_t seed = 1;

	for (int i = 0; i < 200000; i++) {
		const struct vgpu_area *a;
		unsigned size;
		uint64_t at;

		seed = seed * 1664525 + 1013904223;
		a = &core->mmio[seed >> 8 & 3];
		size = a->ops->max_access;
		at = (seed >> 10) % (a->size / size) * size;
		if (a->ops->write && (seed >> 31))
			wr(core, a->offset + at, seed >> 4, size);
		else
			rd(core, a->offset + at, size);
		if (core->plane.format) {
			assert_true(core->plane.width <= 16000);
			assert_true(core->plane.stride >= core->plane.width);
		}
	}
	assert_true(core->plane_calls > 1000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(looks_like_bochs),
		TEST(types_are_sane),
		TEST(edid_is_there),
		TEST(a_mode_is_set),
		TEST(formats_follow_depth_and_order),
		TEST(the_picture_starts_anywhere),
		TEST(a_wider_line_is_a_longer_stride),
		TEST(nonsense_shows_nothing),
		TEST(registers_keep_to_their_values),
		TEST(a_mode_stays_while_it_is_on),
		TEST(capabilities_are_told),
		TEST(the_screen_blanks),
		TEST(colours_are_set),
		TEST(reset_forgets_everything),
		TEST(anything_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
