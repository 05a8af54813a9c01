; SPDX-License-Identifier: MIT
;
; arch/x86_64/trap_entry.asm - saves and restores the frame for all vectors.
;
; Owns:      the gates' targets and the ways back from trap().
; Invariant: in C, %gs is this CPU's struct cpu.  A trap from a program swaps it in, the return
;            swaps it out.  Three vectors may strike anywhere, also between a change of rings and
;            its swapgs; they look at GS.base itself: ours is in the kernel half, a program's never
;            is.
; See:       arch/x86_64/trap.h for the frame, Intel SDM vol. 3A 6.14 for what the CPU pushes.

%include "arch/x86_64/entry.inc"

extern	trap, trap_user_page_fault, trap_exit_to_user, schedule_preempt
global	trap_vectors, trap_return_to_user

%define HAS_ERROR_CODE(vector) ((0x60227d00 >> (vector)) & 1)	; 8, 10-14, 17, 21, 29, 30

default	rel
section	.text
smap_list trap_smap_list

; 16 bytes per vector (TRAP_VECTOR_BYTES): make all frames alike, go to what all have in common.
	align	16
trap_vectors:
%assign vector 0
%rep 256
	align	16
%if vector >= 32 || !HAS_ERROR_CODE(vector)
	push	0
%endif
	push	vector
%if vector == VECTOR_PAGE_FAULT
	jmp	trap_page_fault
%elif vector == 2 || vector == 8 || vector == 18
	jmp	trap_anywhere
%else
	jmp	trap_common
%endif
%assign vector vector + 1
%endrep

	align	16
trap_common:
	save_registers
	cld
	clac_if_smap
	mov	rdi, rsp
	test	byte [rsp + FRAME_CS], 3
	jz	.from_kernel
	swapgs
	call	trap
	mov	rax, [gs:CPU_TASK]
	cmp	dword [rax + TASK_WORK], 0
	jne	trap_return_to_user
.to_user:
	restore_registers
	swapgs
	iretq

.from_kernel:
	call	trap
	cmp	byte [gs:CPU_NEED_RESCHED], 0
	jne	.preempt
.to_kernel:
	restore_registers
	iretq

; Somebody better may run.  Not while preemption is off or where interrupts were.
.preempt:
	cmp	dword [gs:CPU_PREEMPT_DEPTH], 0
	jne	.to_kernel
	test	dword [rsp + FRAME_RFLAGS], RFLAGS_IF
	jz	.to_kernel
	call	schedule_preempt
	jmp	.to_kernel

; A program's page fault.  As on the quick way out of a system call (syscall_entry.asm), registers
; that C functions keep are still the program's own: who changes them in the frame leaves work.
	align	16
trap_page_fault:
	save_registers
	cld
	clac_if_smap
	mov	rdi, rsp
	test	byte [rsp + FRAME_CS], 3
	jz	trap_common.from_kernel
	swapgs
	call	trap_user_page_fault
	mov	rax, [gs:CPU_TASK]
	cmp	dword [rax + TASK_WORK], 0
	jne	trap_return_to_user
	add	rsp, FRAME_R11
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rax
	pop	rcx
	pop	rdx
	pop	rsi
	pop	rdi
	add	rsp, 16			; vector, error code
	swapgs
	iretq

; Also from the system-call door and for new tasks.  Interrupts are off, rsp = the frame.
	align	16
trap_return_to_user:
	mov	rdi, rsp
	call	trap_exit_to_user
	jmp	trap_common.to_user

; NMI, double fault, machine check; each on a stack of its own.
trap_anywhere:
	save_registers
	cld
	clac_if_smap
	xor	ebx, ebx
	mov	ecx, MSR_GS_BASE
	rdmsr
	test	edx, edx
	js	.gs_is_ours
	swapgs
	inc	ebx
.gs_is_ours:
	mov	rdi, rsp
	call	trap
	test	ebx, ebx
	jz	.leave
	swapgs
.leave:
	restore_registers
	iretq

smap_list_end
