/* SPDX-License-Identifier: MIT */
/* On the build machine the hooks are always in: host_fault_hook decides which fault points fail. */
#pragma once

#ifndef COWBELL_HOOKS
#define COWBELL_HOOKS
#endif
#include_next "kernel/hooks.h"
