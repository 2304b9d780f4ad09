/* SPDX-License-Identifier: MIT */
/* Messages in words, for logs and for people who read recordings. Pure. */
#ifndef VFIO_USER_DESCRIBE_H
#define VFIO_USER_DESCRIBE_H

#include <stddef.h>

/**
 * vfio_user_describe() - one line about a message
 * @buf: filled in, always terminated; no control characters
 * @cap: bytes of it, >= 1; 200 are enough for nearly everything
 * @msg: the message, header included
 * @len: bytes of it, any number
 * @n_fds: file descriptors that go with it
 *
 * Says what can be said of damaged messages, too.
 */
void vfio_user_describe(char *buf, size_t cap, const void *msg, size_t len,
			size_t n_fds);

#endif
