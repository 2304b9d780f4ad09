/* SPDX-License-Identifier: MIT */
#include "check.h"
const struct test hostile_tests[] = { { NULL, NULL } };
