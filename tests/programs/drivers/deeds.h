/* SPDX-License-Identifier: MIT */
/* What a process that was taken over would try. */
#ifndef DEEDS_H
#define DEEDS_H

enum deed {
	DEED_EXECVE = 1,
	DEED_INET_SOCKET,
	DEED_UNIX_SOCKET,
	DEED_READ_PASSWD,
	DEED_WRITE_TMP,
	DEED_FORK,
	DEED_CODE,
	DEED_PTRACE,
	DEED_SIGNAL,
	DEED_RAISE_LIMIT,
	DEED_CHMOD,
	DEED_HARMLESS,	   /* what serving needs: has to work */
	DEED_OTHER_IOCTL,  /* on a file of a client, so to speak */
	DEED_DEVICE_IOCTL, /* on a device that was open before */
	DEED_CRASH,
};

/* Return: 0: it worked; else a positive errno. */
int deed_commit(enum deed deed);

/* Open the device of DEED_DEVICE_IOCTL, while that is allowed. Return: 0 or a
 * negative errno. */
int deed_prepare(void);

#endif
