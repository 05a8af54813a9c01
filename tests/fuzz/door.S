/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/door.S - the system call itself, and what C cannot be trusted with around it.
 *
 * A child that is born by a random call may have any stack, or its parent's: it gets one of its
 * own before it does anything, numbered by the count of births of the round.
 */
#define SHARED_AT 0x1f000000
#define CHILD_STACK_AT 0x38000000
#define CHILD_STACK_SIZE 0x4000
#define BIRTHS_MAX 96
#define SYS_rt_sigreturn 15
#define SYS_exit 60
#define SYS_clone 56

	.text
	.globl door_call, door_load, door_store, door_thread
	.globl door_touch_begin, door_touch_end, door_restorer, door_handler

/* long door_call(long number, const uint64_t *registers, uint64_t birthplace) */
door_call:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rax
	mov	%rdi, %r12
	mov	%rdx, %rbx
	mov	%rsi, %r11
	mov	(%r11), %rdi
	mov	8(%r11), %rsi
	mov	16(%r11), %rdx
	mov	24(%r11), %r10
	mov	32(%r11), %r8
	mov	40(%r11), %r9
	syscall
	test	%rax, %rax
	jz	maybe_born
back:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
maybe_born:
	cmp	$435, %r12              /* clone3 */
	je	born
	cmp	$56, %r12               /* clone, fork, vfork */
	jb	back
	cmp	$58, %r12
	ja	back
born:
	mov	$1, %eax
	mov	$SHARED_AT, %ecx
	lock xadd %eax, (%rcx)
	cmp	$BIRTHS_MAX, %eax
	jae	leave
	mov	%eax, %esi
	mov	%rbx, %rdi
	inc	%rax
	imul	$CHILD_STACK_SIZE, %rax, %rsp
	add	$CHILD_STACK_AT, %rsp
	xor	%ebp, %ebp
	call	round_child
leave:
	xor	%edi, %edi
	mov	$SYS_exit, %eax
	syscall
	ud2

/* A fault between these two labels goes on behind them. */
door_load:
door_touch_begin:
	mov	(%rdi), %al
	ret
door_store:
	movb	$0x5a, (%rdi)
door_touch_end:
	ret

/* int door_thread(uint64_t flags, void *stack, void (*entry)(unsigned), unsigned argument) */
door_thread:
	mov	%rdx, %r12
	mov	%ecx, %r13d
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$SYS_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	mov	%r13d, %edi
	call	*%r12
	jmp	leave

door_handler:
	ret
door_restorer:
	mov	$SYS_rt_sigreturn, %eax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
