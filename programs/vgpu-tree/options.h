/* SPDX-License-Identifier: MIT */
/* The command line of vgpu-tree. */
#ifndef TREE_OPTIONS_H
#define TREE_OPTIONS_H

#include "../common/cmdline.h"

struct options {
	const char *vgpud; /* NULL: where it is as a rule */
	bool foreground, others, debug;
};

#endif
