/* SPDX-License-Identifier: MIT */
/*
 * The verbs of vgpuctl as data: what they are called, which options they take,
 * what they do. The command line is parsed and --help is printed from here.
 */
#ifndef VGPUCTL_VERBS_H
#define VGPUCTL_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/cmdline.h"
#include "control/manager-path.h"

#define CTL_PATH_MAX CONTROL_MANAGER_PATH_MAX

/* Exit codes; --help explains them. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	      /* it was asked, and could not do it */
	EXIT_USAGE = EXIT_CODE_USAGE, /* the command line makes no sense */
	EXIT_UNREACHABLE = 3,	      /* there is nobody to ask */
	EXIT_NOT_FOUND = 4,	      /* no such vGPU, type or parent */
};

/* Whom a verb asks. */
enum ctl_target {
	ASKS_NOBODY,
	ASKS_VGPUD,
	ASKS_DEVICE, /* one that vgpud has by the operand as its name, or
			--control-path */
};

/**
 * struct ctl - what all verbs know
 * @verb: which one it is
 * @control_path: a vgpu-device's control socket; NULL: none
 * @vgpud_path: vgpud's; never NULL
 * @vgpud_buf, @control_buf: behind them, where nobody said them
 * @timeout_ms: how long to wait for an answer
 * @json: print JSON
 * @values: of the verb's options, in the order of its table: the argument,
 *          "" for a flag that was given, NULL: not given
 * @operand: the verb's operand, the first of several; NULL: there is none
 * @operands, @n_operands: all of them
 */
struct ctl {
	const struct cmd_verb *verb;
	const char *control_path;
	const char *vgpud_path;
	char vgpud_buf[CTL_PATH_MAX], control_buf[CTL_PATH_MAX];
	int timeout_ms;
	double timeout; /* seconds, as it was said */
	int json;	/* 1: yes */
	const char *values[CMD_MAX_VALUES];
	const char *operand;
	const char *const *operands;
	size_t n_operands;
};

extern const struct cmd_verb verb_attach_args;
extern const struct cmd_verb verb_create;
extern const struct cmd_verb verb_decode;
extern const struct cmd_verb verb_define;
extern const struct cmd_verb verb_doctor;
extern const struct cmd_verb verb_events;
extern const struct cmd_verb verb_import;
extern const struct cmd_verb verb_info;
extern const struct cmd_verb verb_list;
extern const struct cmd_verb verb_log;
extern const struct cmd_verb verb_metrics;
extern const struct cmd_verb verb_modify;
extern const struct cmd_verb verb_parents;
extern const struct cmd_verb verb_remove;
extern const struct cmd_verb verb_screenshot;
extern const struct cmd_verb verb_show;
extern const struct cmd_verb verb_start;
extern const struct cmd_verb verb_stats;
extern const struct cmd_verb verb_stop;
extern const struct cmd_verb verb_top;
extern const struct cmd_verb verb_types;

#endif
