; SPDX-License-Identifier: MIT
;
; arch/x86_64/syscall_entry.asm - the fast system-call door.
;
; Owns:      the way from SYSCALL to upcall_syscall() and back by SYSRET.
; Invariant: the frame at the top of the kernel stack is complete, as after a trap.
;
; SYSCALL leaves the program's rip in rcx and its flags in r11, and the program's stack in place.
; On the quick way out the registers that C functions keep are still the program's own, so only the
; others are loaded.  Whoever changed more than rax has changed the frame's vector too, and then, as
; with pending work, all is restored by IRET.  So rip and flags that SYSRET takes are those that
; SYSCALL gave: that rip is never beyond the last page below the hole, which is never mapped, and
; SYSRET cannot fault in ring 0.
; See:       Intel SDM vol. 2B, SYSCALL and SYSRET.

%include "arch/x86_64/entry.inc"

extern	upcall_syscall, trap_return_to_user
global	syscall_entry

default	rel
section	.text
	align	64
syscall_entry:
	swapgs
	mov	[gs:CPU_USER_STACK], rsp
	mov	rsp, [gs:CPU_KERNEL_STACK]
	push	SELECTOR_USER_DATA
	push	qword [gs:CPU_USER_STACK]
	push	r11
	push	SELECTOR_USER_CODE
	push	rcx
	push	rax
	push	VECTOR_SYSCALL
	save_registers
	mov	rdi, rsp
	sti
	call	upcall_syscall
	cli
	mov	rcx, [gs:CPU_TASK]
	cmp	dword [rcx + TASK_WORK], 0
	jne	.all
	cmp	dword [rsp + FRAME_VECTOR], VECTOR_SYSCALL
	jne	.all
	add	rsp, FRAME_R11
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rcx			; the number; its result is in rax
	pop	rcx
	pop	rdx
	pop	rsi
	pop	rdi
	mov	rsp, [rsp + FRAME_RSP - FRAME_VECTOR]
	swapgs
	o64 sysret
.all:
	mov	[rsp + FRAME_RAX], rax
	jmp	trap_return_to_user
