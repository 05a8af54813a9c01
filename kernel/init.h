/* SPDX-License-Identifier: MIT */
/*
 * kernel/init.h - the first program.
 */
#pragma once

/* The end of boot, in a kernel task: make PID 1, which opens the console and becomes the program
 * that the command line names, or the first that is there.  Panics if there is none. */
void init_start(void);
