/* SPDX-License-Identifier: MIT */
/* A crash leaves a back trace on stderr: vgpud keeps it in its log. */
#ifndef VGPU_DEVICE_CRASH_H
#define VGPU_DEVICE_CRASH_H

/* At start, on the main thread, before drivers are loaded. Signals that
 * somebody handles already (a sanitizer) stay his. */
void crash_setup(void);

#endif
