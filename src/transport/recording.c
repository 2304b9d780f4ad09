/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../util/cleanup.h"
#include "../util/log.h"
#include "../util/loop.h"
#include "../vfio-user/proto.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "recordings are written as they are in memory");

/* ------------------------------------------------------------------ */
/* Writing                                                             */
/* ------------------------------------------------------------------ */

struct recorder {
	FILE *file;
	char *path;
	uint64_t start_ns;
	uint64_t bytes;
	uint32_t connection;
	int err; /* why it stopped */
};

static int recorder_fail(struct recorder *r, int err, const char *why)
{
	if (!r->err)
		log_warning(r->path, "recording stopped: %s", why);
	r->err = err;
	return err;
}

static int put(struct recorder *r, const void *data, size_t size)
{
	if (fwrite(data, 1, size, r->file) == size)
		return 0;
	return recorder_fail(r, -errno, strerror(errno));
}

int recorder_open(const char *path, struct recorder **ret_recorder)
{
	const struct recording_header header = { .magic = RECORDING_MAGIC };
	struct recorder *r = calloc(1, sizeof(*r));
	cleanup_fd int fd = -1;
	int err;

	if (!r)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = -errno;
		goto fail;
	}
	r->path = strdup(path);
	r->file = fdopen(fd, "w");
	if (!r->path || !r->file) {
		err = -ENOMEM;
		goto fail;
	}
	steal_fd(&fd);
	r->start_ns = loop_now_ns();
	err = put(r, &header, sizeof(header));
	if (err)
		goto fail;
	*ret_recorder = r;
	return 0;
fail:
	if (r->file)
		fclose(r->file);
	free(r->path);
	free(r);
	return err;
}

int recorder_close(struct recorder *r)
{
	int err;

	if (!r)
		return 0;
	err = r->err;
	if (fclose(r->file) != 0 && !err)
		err = -errno;
	free(r->path);
	free(r);
	return err;
}

void recorder_next(struct recorder *r)
{
	r->connection++;
}

static struct recording_fd describe(int fd)
{
	struct recording_fd d = { .kind = RECORDING_FD_OTHER };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return d;
	if (S_ISREG(st.st_mode)) {
		d.kind = RECORDING_FD_FILE;
		d.size = (uint64_t)st.st_size;
	} else if (!(st.st_mode & S_IFMT)) { /* anonymous inode */
		d.kind = RECORDING_FD_EVENTFD;
	}
	return d;
}

void recorder_add(struct recorder *r, enum recording_direction direction,
		  const void *data, size_t size, const int *fds, size_t n_fds)
{
	struct recording_frame frame = {
		.time_ns = loop_now_ns() - r->start_ns,
		.size = (uint32_t)size,
		.n_fds = (uint16_t)n_fds,
		.direction = (uint8_t)direction,
		.connection = r->connection,
	};

	if (r->err)
		return;
	r->bytes += sizeof(frame) + n_fds * sizeof(struct recording_fd) + size;
	if (r->bytes > RECORDING_MAX_BYTES) {
		recorder_fail(r, -EFBIG, "it has reached its limit of 1 GiB");
		return;
	}
	if (put(r, &frame, sizeof(frame)))
		return;
	for (size_t i = 0; i < n_fds; i++) {
		struct recording_fd d = describe(fds[i]);

		if (put(r, &d, sizeof(d)))
			return;
	}
	if (put(r, data, size))
		return;
	/* What led to a crash has to be in the file when it comes. */
	if (fflush(r->file) != 0)
		recorder_fail(r, -errno, strerror(errno));
}

/* ------------------------------------------------------------------ */
/* Reading                                                             */
/* ------------------------------------------------------------------ */

struct recording {
	FILE *file;
	struct recording_fd fds[VFIO_USER_MAX_MSG_FDS];
	uint8_t data[VFIO_USER_MAX_MSG_SIZE];
};

/* Return: 1: all of it; 0: the end; otherwise an error. */
static int get(struct recording *rec, void *data, size_t size, bool at_start)
{
	size_t n = fread(data, 1, size, rec->file);

	if (n == size)
		return 1;
	if (ferror(rec->file))
		return -EIO;
	return n == 0 && at_start ? 0 : -EBADMSG;
}

int recording_open(FILE *file, struct recording **ret_recording)
{
	struct recording *rec = malloc(sizeof(*rec));
	struct recording_header header;

	if (!rec)
		return -ENOMEM;
	rec->file = file;
	if (get(rec, &header, sizeof(header), true) != 1 ||
	    header.magic != RECORDING_MAGIC) {
		free(rec);
		return -EINVAL;
	}
	*ret_recording = rec;
	return 0;
}

void recording_close(struct recording *rec)
{
	free(rec);
}

int recording_next(struct recording *rec, struct recording_message *ret_message)
{
	struct recording_message m = { .data = rec->data, .fds = rec->fds };
	int ret = get(rec, &m.frame, sizeof(m.frame), true);

	if (ret != 1)
		return ret;
	if (m.frame.size > sizeof(rec->data) ||
	    m.frame.n_fds > VFIO_USER_MAX_MSG_FDS)
		return -EBADMSG;
	ret = get(rec, rec->fds, m.frame.n_fds * sizeof(rec->fds[0]), false);
	if (ret == 1)
		ret = get(rec, rec->data, m.frame.size, false);
	if (ret == 1)
		*ret_message = m;
	return ret;
}
