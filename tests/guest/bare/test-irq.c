/* SPDX-License-Identifier: MIT */
#include "bare.h"

const struct bare_test irq_tests[] = {
	{ NULL, NULL },
};
