; SPDX-License-Identifier: MIT
;
; arch/x86_64/switch.asm - one stack to another.
;
; Owns: the switch, and where new tasks begin.  kernel/task.c builds their first stack to fit.
;
; A switch is a call that returns on another stack.  Who calls it (kernel/sched.c) counts all other
; registers as lost, so only the frame pointer is saved here.  Interrupts are off throughout.

extern	sched_begin, task_exit, trap_return_to_user
global	switch_stacks, task_begin_kernel, task_begin_user

default	rel
section	.text

; rdi = the task to leave, whose first word keeps this stack's pointer; rsi = the pointer to go on
; with.  rdi stays: there it says who was left.
	align	16
switch_stacks:
	push	rbp
	mov	[rdi], rsp
	mov	rsp, rsi
	pop	rbp
	ret

; On the stack: the function, its argument.  rbp = 0, so that backtraces end here.
	align	16
task_begin_kernel:
	call	sched_begin
	sti
	pop	rax
	pop	rdi
	call	rax
	call	task_exit
	ud2

; The stack pointer is at the program's registers.
	align	16
task_begin_user:
	call	sched_begin
	jmp	trap_return_to_user
