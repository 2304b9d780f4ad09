/* SPDX-License-Identifier: MIT */
/*
 * The kernel's display calls (KMS) that every display driver has, without a
 * library. Made for small test programs: whatever fails ends the program with
 * a line that says so.
 */
#ifndef KMS_H
#define KMS_H

#include <drm.h>
#include <drm_mode.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct kms - a card with a connected display
 * @fd: the card, of which this program is the master
 * @driver: name of its driver
 * @version: of the driver, major and minor
 * @connector: id of the connected connector
 * @crtc: id of what scans out to it
 * @mode: chosen by kms_open()
 */
struct kms {
	int fd;
	char driver[32];
	int version[2];
	uint32_t connector;
	uint32_t crtc;
	struct drm_mode_modeinfo mode;
};

/**
 * struct kms_buffer - a picture as large as the mode, 32 bits per pixel
 * @fb: id of the frame buffer
 * @pitch: bytes from a row to the next
 * @map: the first row
 */
struct kms_buffer {
	uint32_t fb;
	uint32_t pitch;
	uint8_t *map;
};

/** fail() - print a line "testcard: error: ..." and end the program */
__attribute__((noreturn, format(printf, 2, 3))) void
fail(int error, const char *format, ...);

/**
 * kms_open() - the first card with a display
 * @path: a certain card; NULL: any
 * @width: width of the mode wanted; 0: the preferred mode
 * @height: its height
 */
void kms_open(struct kms *kms, const char *path, uint32_t width,
	      uint32_t height);

/** kms_create() - a new buffer that nothing shows yet */
void kms_create(const struct kms *kms, struct kms_buffer *buffer);

/** kms_show() - set the mode and show this buffer */
void kms_show(const struct kms *kms, const struct kms_buffer *buffer);

/** kms_flip() - show another buffer from the next frame on; waits for it */
void kms_flip(const struct kms *kms, const struct kms_buffer *to);

/**
 * kms_dirty() - tell the driver that the buffer's contents changed
 *
 * Return: false where the driver has no such call, since it scans out of the
 * buffer itself.
 */
bool kms_dirty(const struct kms *kms, const struct kms_buffer *buffer);

#endif
