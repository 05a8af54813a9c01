/* SPDX-License-Identifier: MIT */
#pragma once

/* Shell patterns: * any text, ? any character, [a-z] and [!a-z] one of a set, \ quotes. */

#include "lib/types.h"

/* Whether `pattern` matches all of `text`. */
bool glob_matches(const char *pattern, const char *text);

/* Whether one of the comma-separated patterns in `list` does. */
bool glob_list_matches(const char *list, const char *text);
