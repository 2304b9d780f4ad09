/* SPDX-License-Identifier: MIT */
/* What is made from the table of verbs; all print to stdout. */
#ifndef VGPUCTL_GENERATE_H
#define VGPUCTL_GENERATE_H

void generate_bash(void);
void generate_zsh(void);
void generate_man(void);

#endif
