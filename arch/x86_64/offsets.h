/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/offsets.h - what assembly must know about C's structures.
 *
 * Each line of offsets.c leaves a mark in the compiler's assembly output; tools/make-offsets turns
 * the marks into build/include/offsets.inc, which NASM files include.  offsets.c is never linked.
 */
#pragma once

#include "lib/types.h"

/* NAME equ value */
#define VALUE(name, value) __asm__ volatile("\n\t.ascii \"->" #name " %c0\"" : : "i"(value))

/* NAME equ where `member` lies in `type` */
#define OFFSET(name, type, member) VALUE(name, offsetof(type, member))

/* The function that holds the lines. */
void offsets(void);
