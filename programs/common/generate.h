/* SPDX-License-Identifier: MIT */
/* What is made from the table of a program's options; all print to stdout. */
#ifndef COMMON_GENERATE_H
#define COMMON_GENERATE_H

#include <stdio.h>

void generate_bash(void);
void generate_zsh(void);

/**
 * generate_man() - the manual page, from what people have written of it
 * @page: in it a line "@--NAME" stands for the heading of that option, behind
 *        which prose follows or else what --help says; "@VERBS" stands for all
 *        verbs with their options
 *
 * Return: 0; -1: an option is missing in it, or unknown, which was said.
 */
int generate_man(FILE *page);

#endif
