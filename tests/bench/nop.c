/* SPDX-License-Identifier: MIT */
/* tests/bench/nop.c - the program that the metrics of exec start: it ends at once. */

int main(void)
{
	return 0;
}
