/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that travel beside the bytes of a UNIX stream socket: how all of
 * the project sends them, and how it takes them in.
 */
#ifndef UTIL_FDS_H
#define UTIL_FDS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define FDS_MAX 253u /* of one call: SCM_MAX_FD of Linux */

/**
 * fds_send() - one send call, with descriptors beside its first byte
 * @fds: @n_fds of them; they stay the caller's
 * @flags: 0 or MSG_DONTWAIT; a closed socket never raises a signal
 *
 * Return: bytes taken, and then all descriptors have left; -E2BIG: more than
 * FDS_MAX; errno of sendmsg(), never -EINTR.
 */
ssize_t fds_send(int sock, const struct iovec *iov, size_t n_iov,
		 const int *fds, size_t n_fds, int flags);

/**
 * fds_receive() - one receive call, which does not wait
 * @fds: gets what came, close-on-exec, behind the *@n_fds that are there; they
 *       are somebody else's files: see foreign-fd.h
 * @max: how many may be there afterwards, the caller's limit
 * @n_fds: how many are there; grows on success only
 *
 * Bytes come in the order in which they were sent, and a call ends behind those
 * that were sent with descriptors.
 *
 * Nothing is taken while descriptors that were sent here hang in being closed
 * (foreign_fds_hang()); that is logged. Whatever is not taken is closed, by the
 * kernel or behind the scenes.
 *
 * Return: bytes; 0: the peer has hung up; -EMSGSIZE: more descriptors came than
 * may, or than this process can hold; -EMFILE: some came while others hang.
 * After these two, which nothing else causes, bytes are lost: the connection is
 * of no more use. Others are errno of recvmsg().
 */
ssize_t fds_receive(int sock, void *buf, size_t len, int *fds, size_t max,
		    size_t *n_fds);

#endif
