/* SPDX-License-Identifier: MIT */
/* A crash leaves a back trace on stderr: vgpud keeps it in its log. */
#ifndef PROGRAMS_CRASH_H
#define PROGRAMS_CRASH_H

/* At start, on the main thread, before drivers are loaded. Signals that
 * somebody handles already (a sanitizer) stay his. @program: its name, which
 * stays valid. */
void crash_setup(const char *program);

#endif
