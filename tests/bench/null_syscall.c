/* SPDX-License-Identifier: MIT */
/* The cost of the mark itself. */
#include "bench.h"

static void once(void)
{
}

int main(void)
{
	measure(once);
}
