/* SPDX-License-Identifier: MIT */
#include "png.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../util/cleanup.h"

/* A screenshot is looked at at once: speed before size. */
#define COMPRESSION 3

/* Where the bytes go: a file, or (fd -1) memory that grows. */
struct sink {
	int fd;
	uint8_t *data;
	size_t used, size;
	int err; /* the first failure, negative */
};

static int sink_file(struct sink *s, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(s->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sink_memory(struct sink *s, const uint8_t *data, size_t len)
{
	if (len > s->size - s->used) {
		size_t size = s->size + len + s->size / 2 + 4096;
		uint8_t *grown = realloc(s->data, size);

		if (!grown)
			return -ENOMEM;
		s->data = grown;
		s->size = size;
	}
	memcpy(s->data + s->used, data, len);
	s->used += len;
	return 0;
}

/* libpng's way out of a failed callback is png_error(), a longjmp. */
static void on_write(png_structp png, png_bytep data, png_size_t len)
{
	struct sink *s = png_get_io_ptr(png);

	s->err = s->fd >= 0 ? sink_file(s, data, len)
			    : sink_memory(s, data, len);
	if (s->err)
		png_error(png, "write failed");
}

static void on_flush(png_structp png)
{
}

static void on_error(png_structp png, png_const_charp message)
{
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
}

/* Everything between setjmp() and the end of what may longjmp() to it: no
 * local changes here that is needed afterwards. */
static int write_rows(png_structp png, png_infop info, const struct picture *p)
{
	if (setjmp(png_jmpbuf(png)))
		return -EIO;
	png_set_compression_level(png, COMPRESSION);
	png_set_IHDR(png, info, p->width, p->height, 8, PNG_COLOR_TYPE_RGB,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (uint32_t y = 0; y < p->height; y++)
		png_write_row(png, p->rgb + (size_t)y * p->width * 3);
	png_write_end(png, info);
	return 0;
}

static int encode(const struct picture *p, struct sink *s)
{
	png_structp png;
	png_infop info;
	int err;

	if (!p->rgb || !p->width || !p->height)
		return -EINVAL;
	png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error,
				      on_warning);
	if (!png)
		return -ENOMEM;
	info = png_create_info_struct(png);
	if (!info) {
		png_destroy_write_struct(&png, NULL);
		return -ENOMEM;
	}
	png_set_write_fn(png, s, on_write, on_flush);
	err = write_rows(png, info, p);
	if (err && s->err) /* what it really was */
		err = s->err;
	png_destroy_write_struct(&png, &info);
	return err;
}

int picture_write_png(const struct picture *p, int fd)
{
	struct sink s = { .fd = fd };

	return fd < 0 ? -EBADF : encode(p, &s);
}

int picture_encode_png(const struct picture *p, void **ret_data,
		       size_t *ret_size)
{
	struct sink s = { .fd = -1 };
	int err = encode(p, &s);

	if (err) {
		free(s.data);
		return err;
	}
	*ret_data = s.data;
	*ret_size = s.used;
	return 0;
}

/* close() may be where a full disk or a lost server is first heard of. */
static int write_and_close(const struct picture *p, int fd)
{
	int err = picture_write_png(p, fd);

	if (close(fd) < 0 && !err && errno != EINTR)
		err = -errno;
	return err;
}

/* Written next to @path under another name, then renamed over it. */
static int save_replacing(const struct picture *p, const char *path)
{
	char temp[PATH_MAX];
	int fd, err;
	int n = snprintf(temp, sizeof(temp), "%s.%d.tmp", path, (int)gettid());

	if (n < 0 || (size_t)n >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	err = write_and_close(p, fd);
	if (!err && rename(temp, path) < 0)
		err = -errno;
	if (err)
		unlink(temp);
	return err;
}

int picture_save_png(const struct picture *p, const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return save_replacing(p, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write_and_close(p, fd);
}
