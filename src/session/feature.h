/* SPDX-License-Identifier: MIT */
/* DEVICE_FEATURE: DMA logging; migration is answered as not supported. */
#ifndef SESSION_FEATURE_H
#define SESSION_FEATURE_H

#include "private.h"

int do_device_feature(struct session *s, struct exchange *x);

/* Room that the reply to such a request may take. */
size_t session_feature_room(const struct session *s,
			    const struct vfio_user_request *req);

#endif
