/* SPDX-License-Identifier: MIT */
/*
 * Instances of which somebody says who they are whom the parent trusts: vgpud.
 *
 * A worker may have been taken over by its guest, and then it lies. So where a
 * manager is, it introduces each instance by the parent's control socket, and
 * gets the worker's end of the connection, which the worker inherits. What the
 * worker then says in its HELLO has to agree; weight, cap and the limit of
 * pinned memory are not its business at all.
 */
#ifndef HUB_INTRODUCE_H
#define HUB_INTRODUCE_H

#include <stdint.h>

struct vgpu_hub;

/**
 * struct hub_terms - what an instance may have
 * @weight: 1 to VGPU_WEIGHT_MAX; 0: as its type has it
 * @cap: percent of the engine, 1 to 100; 0: none
 * @pin_limit: bytes of its client's memory that may be pinned here
 */
struct hub_terms {
	uint32_t weight, cap;
	uint64_t pin_limit;
};

/**
 * hub_introduce() - an instance will come
 * @type: its type's name
 * @ret_fd: the worker's end, the caller's; non-blocking is the other one only.
 *	When it is closed, the instance is gone.
 *
 * The worker has HUB_INTRODUCED_NS to say HELLO. That its UUID is in use
 * shows then: its last worker may be about to go.
 *
 * Return: 0; -ENODEV: no such type; -EINVAL: terms that can't be; -EUSERS: too
 * many instances; -ENOMEM; errno of socketpair().
 */
int hub_introduce(struct vgpu_hub *hub, const uint8_t uuid[16],
		     const char *type, const struct hub_terms *terms,
		     int *ret_fd);

/**
 * parent_change() - new terms for the instance of that UUID
 *
 * For one that was introduced, whether it has said HELLO or not.
 *
 * Return: 0; -ENOENT: there is none; -EINVAL.
 */
int parent_change(struct vgpu_hub *hub, const uint8_t uuid[16],
		  const struct hub_terms *terms);

#endif
