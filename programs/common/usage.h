/* SPDX-License-Identifier: MIT */
/* What programs say about a command line that makes no sense. */
#ifndef COMMON_USAGE_H
#define COMMON_USAGE_H

#define EXIT_CODE_USAGE 2 /* of all programs; in their manual pages, too */
/* Of vgpu-device: its parent has gone, so vgpud looks there for the reason. */
#define EXIT_CODE_PARENT 5

/* "PROGRAM: message", and where help is, on stderr. Return: the exit code. */
__attribute__((format(printf, 2, 3))) int usage_wrong(const char *program,
						      const char *fmt, ...);

#endif
