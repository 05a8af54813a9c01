; SPDX-License-Identifier: MIT
;
; arch/x86_64/switch.asm - one stack to another.
;
; Owns: the switch, and where new tasks begin.  kernel/task.c builds their first stack to fit.
;
; A switch is a function call that returns on another stack, so only the registers that C functions
; keep need saving.  Interrupts are off throughout.

extern	sched_begin, task_exit, trap_return_to_user
global	switch_stacks, task_begin_kernel, task_begin_user

default	rel
section	.text

; void switch_stacks(uint64_t *save, uint64_t next): keep this stack in *save, go on with `next`.
	align	16
switch_stacks:
	push	rbp
	push	rbx
	push	r12
	push	r13
	push	r14
	push	r15
	mov	[rdi], rsp
	mov	rsp, rsi
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	ret

; rbx = the function, r12 = its argument, rbp = 0, so that backtraces end here.
	align	16
task_begin_kernel:
	call	sched_begin
	sti
	mov	rdi, r12
	call	rbx
	call	task_exit
	ud2

; The stack pointer is at the program's registers.
	align	16
task_begin_user:
	call	sched_begin
	jmp	trap_return_to_user
