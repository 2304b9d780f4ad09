/* SPDX-License-Identifier: MIT */
/*
 * Displays: what a vGPU shows, and how somebody else reads it.
 *
 * A driver announces what the guest scans out as a *plane*: a format, a size
 * and a place in one of its regions. The core publishes it in a shared file
 * that any number of readers map (struct vgpu_display_shm below); the pixels
 * are read from the region's own file. No copy is made for a reader, and a
 * reader needs no message while it looks.
 */
#ifndef VGPU_DISPLAY_H
#define VGPU_DISPLAY_H

#include <vgpu/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

/** VGPU_MAX_PLANES - planes of one instance */
#define VGPU_MAX_PLANES 4

#define VGPU_FOURCC(a, b, c, d)                                 \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | \
	 (uint32_t)(d) << 24)

/* Pixel formats: DRM's codes (<drm/drm_fourcc.h>), little endian words. */
#define VGPU_FORMAT_XRGB8888 VGPU_FOURCC('X', 'R', '2', '4')
#define VGPU_FORMAT_BGRX8888 VGPU_FOURCC('B', 'X', '2', '4')
#define VGPU_FORMAT_RGB888   VGPU_FOURCC('R', 'G', '2', '4')
#define VGPU_FORMAT_BGR888   VGPU_FOURCC('B', 'G', '2', '4')
#define VGPU_FORMAT_RGB565   VGPU_FOURCC('R', 'G', '1', '6')
#define VGPU_FORMAT_XRGB1555 VGPU_FOURCC('X', 'R', '1', '5')
#define VGPU_FORMAT_C8       VGPU_FOURCC('C', '8', ' ', ' ') /* has a palette */

/** VGPU_FORMAT_BIG_ENDIAN - added to a 16-bit format: its words are so */
#define VGPU_FORMAT_BIG_ENDIAN (1u << 31)

/**
 * struct vgpu_plane - what is scanned out
 * @format: VGPU_FORMAT_*; 0: the plane is off, all else is ignored
 * @width: pixels, 1..16384
 * @height: lines, 1..16384
 * @stride: bytes from one line to the next
 * @region: where the pixels are: VGPU_REGION_BAR0..5
 * @offset: of the first pixel in that region, bytes
 */
struct vgpu_plane {
	uint32_t format;
	uint32_t width;
	uint32_t height;
	uint32_t stride;
	uint32_t region;
	uint64_t offset;
};

/** struct vgpu_rect - pixels; an empty one (width or height 0) is nothing.
 * Fixed. */
struct vgpu_rect {
	uint32_t x, y, width, height;
};

/**
 * vgpu_plane_set() - announce a new scan-out of a plane
 * @dev: the instance; loop thread
 * @index: 0..VGPU_MAX_PLANES - 1; 0 is the primary one
 * @plane: copied. All of it must lie in one mapped or memory area.
 *
 * Return: 0; -EINVAL for a plane that is not wholly in memory of the device
 * (it is then switched off: a guest may program nonsense); -ERANGE: no such
 * plane; -ENOMEM. To announce what is there already changes nothing.
 */
VGPU_API int vgpu_plane_set_sized(struct vgpu_device *dev, unsigned index,
				  const struct vgpu_plane *plane, size_t size);
static inline int vgpu_plane_set(struct vgpu_device *dev, unsigned index,
				 const struct vgpu_plane *plane)
{
	return vgpu_plane_set_sized(dev, index, plane, sizeof(*plane));
}

/**
 * vgpu_plane_palette() - announce the colours of a VGPU_FORMAT_C8 plane
 * @dev: the instance; loop thread
 * @index: the plane
 * @colours: what the values 0..255 look like, 0x00RRGGBB each; copied
 *
 * A palette stays when the plane's mode changes; it is black at first.
 *
 * Return: 0; -ERANGE: no such plane.
 */
VGPU_API int vgpu_plane_palette(struct vgpu_device *dev, unsigned index,
				const uint32_t colours[256]);

/**
 * vgpu_plane_damage() - say which pixels of a plane have changed
 * @dev: the instance; loop thread
 * @index: the plane
 * @rect: what changed, clipped to the plane; NULL: all of it
 *
 * A driver whose guest writes straight into mapped memory can't know: it
 * never calls this, and readers compare (VGPU_PLANE_DAMAGE_UNKNOWN).
 */
VGPU_API void vgpu_plane_damage(struct vgpu_device *dev, unsigned index,
				const struct vgpu_rect *rect);

/**
 * struct vgpu_edid_info - what an EDID block is built from
 * @vendor: three capital letters (PNP id)
 * @name: monitor name, at most 13 bytes
 * @serial: number
 * @xres: preferred mode, pixels, 320..8192
 * @yres: preferred mode, lines, 200..8192
 * @refresh: Hz, 24..240
 * @dpi: dots per inch, 0: 96
 */
struct vgpu_edid_info {
	char vendor[4];
	const char *name;
	uint32_t serial;
	uint32_t xres, yres;
	uint32_t refresh;
	uint32_t dpi;
};

/** VGPU_EDID_SIZE - bytes that vgpu_edid_build() fills at most */
#define VGPU_EDID_SIZE 256

/**
 * vgpu_edid_build() - make an EDID 1.4 (with a CTA block where it is needed)
 * @info: what it is to say
 * @buf: VGPU_EDID_SIZE bytes; unused ones are zeroed
 *
 * Any thread. Source: VESA Enhanced EDID Standard, release A, revision 2.
 *
 * Return: bytes used (128 or 256); -EINVAL.
 */
VGPU_API int vgpu_edid_build_sized(const struct vgpu_edid_info *info,
				   uint8_t buf[VGPU_EDID_SIZE], size_t size);
static inline int vgpu_edid_build(const struct vgpu_edid_info *info,
				  uint8_t buf[VGPU_EDID_SIZE])
{
	return vgpu_edid_build_sized(info, buf, sizeof(*info));
}

/* ------------------------------------------------------------------ */
/* The shared description, for readers                                 */
/* ------------------------------------------------------------------ */

#define VGPU_DISPLAY_MAGIC   0x50534944u /* "DISP" */
#define VGPU_DISPLAY_VERSION 1u

/** VGPU_DAMAGE_SLOTS - rectangles kept per plane before all is damaged */
#define VGPU_DAMAGE_SLOTS 64

/** VGPU_PLANE_DAMAGE_UNKNOWN - the writer can't tell: compare the pixels */
#define VGPU_PLANE_DAMAGE_UNKNOWN (1u << 0)

/** VGPU_PLANE_HIDDEN - the pixels are in memory that the client can't map
 *  (VGPU_AREA_MEMORY), which is in a file of its own */
#define VGPU_PLANE_HIDDEN (1u << 1)

/**
 * struct vgpu_plane_shm - one plane in the shared file
 * @sequence: odd while the writer changes the record: read it, copy, read it
 *            again, and start over if it was odd or has changed (a seqlock)
 * @flags: VGPU_PLANE_*
 * @serial: grows with every change of what follows up to @offset, and of
 *          @palette
 * @format: VGPU_FORMAT_*; 0: off
 * @width: pixels
 * @height: lines
 * @stride: bytes
 * @region: region index whose file holds the pixels
 * @offset: of the first pixel in that file, bytes
 * @damage_count: rectangles ever added; slot n is at n % VGPU_DAMAGE_SLOTS.
 *                A reader that fell more than VGPU_DAMAGE_SLOTS behind takes
 *                all as damaged.
 * @damage: the newest rectangles
 * @palette: 0x00RRGGBB each, for VGPU_FORMAT_C8
 */
struct vgpu_plane_shm {
	uint32_t sequence;
	uint32_t flags;
	uint64_t serial;
	uint32_t format;
	uint32_t width;
	uint32_t height;
	uint32_t stride;
	uint32_t region;
	uint32_t reserved;
	uint64_t offset;
	uint64_t damage_count;
	struct vgpu_rect damage[VGPU_DAMAGE_SLOTS];
	uint32_t palette[256];
};

/**
 * struct vgpu_display_shm - the shared file, from its first byte
 * @magic: VGPU_DISPLAY_MAGIC
 * @version: VGPU_DISPLAY_VERSION; readers refuse others
 * @size: bytes of this structure as the writer knows it
 * @n_planes: planes that follow
 * @generation: grows when the region files were replaced (another client came):
 *              get the file descriptors again
 */
struct vgpu_display_shm {
	uint32_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t n_planes;
	uint64_t generation;
	struct vgpu_plane_shm planes[VGPU_MAX_PLANES];
};

#ifdef __cplusplus
}
#endif
#endif
