/* SPDX-License-Identifier: MIT */
/*
 * kernel/deliver.h - what a signal does to the thread that takes it.
 *
 * On the way back to its program a thread takes its pending signals one by one.  Each one runs a
 * handler, stops or ends the process, or does nothing.
 */
#pragma once

#include "lib/types.h"

struct trap_frame;

/* Deliver what is pending.  Restarts or interrupts the system call that the frame stands in
 * (-ERESTART*).  At most one handler is set up: there is work left if there are more.  May not
 * return. */
void signal_deliver(struct trap_frame *frame);
