/* SPDX-License-Identifier: MIT */
/*
 * kernel/uts.h - what the system calls itself: uname(2), /proc/version.
 *
 * Programs ask for a Linux and look at its version, so that is what they are told; who we are
 * stands behind it.
 */
#pragma once

#include "lib/abi/types.h"

#define UTS_SYSNAME "Linux"
#define UTS_RELEASE "6.1.0-cowbell"
#define UTS_VERSION "#1 SMP Cowbell"
#define UTS_MACHINE "x86_64"

/* Zero padded, so that it can go to a program as it is. */
void uts_read(struct abi_utsname *out);

/* The host's name; len bytes without NUL.  -EINVAL: too long. */
int uts_set_nodename(const char *name, size_t len);
