/* SPDX-License-Identifier: MIT */
/* What the device has, in the protocol's words: regions, doorbells, interrupts.
 */
#ifndef SESSION_INFO_H
#define SESSION_INFO_H

#include "private.h"

int do_device_info(struct session *s, struct exchange *x);
int do_region_info(struct session *s, struct exchange *x);
int do_region_io_fds(struct session *s, struct exchange *x);
int do_irq_info(struct session *s, struct exchange *x);
int do_set_irqs(struct session *s, struct exchange *x);

#endif
