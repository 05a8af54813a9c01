; SPDX-License-Identifier: MIT
;
; arch/x86_64/usercopy.asm - copies to and from programs, recovering from bad pointers.
;
; Owns:      every instruction of the kernel that touches a program's memory through its addresses.
; Invariant: each such instruction has a line in the exception table: where to go on when the page
;            fault handler cannot resolve its fault.  Programs' memory is open (STAC) only in here.
;
; Bulk moves are quadwords; a fault in the midst leaves rcx as the number that is missing, and bytes
; find the exact place of the first bad one.
; See:       arch/x86_64/usercopy.h for the contracts; arch/x86_64/trap.c reads the table.

%include "arch/x86_64/entry.inc"

global	user_copy, user_clear, user_string, user_load_32, user_load_64
global	user_store_32, user_store_64, user_cmpxchg_32

; If the next instruction faults for good, go on at %1.
%assign risks 0
%macro or_else 1
%assign risks risks + 1
.risk_%[risks]:
	[section .extable progbits alloc noexec nowrite align=16]
	dq	.risk_%[risks], %1
	__?SECT?__
%endmacro

default	rel
section	.text
smap_list usercopy_smap_list

; size_t user_copy(void *to, const void *from, size_t len): how many bytes could not be copied.
	align	16
user_copy:
	stac_if_smap
	mov	rcx, rdx
	shr	rcx, 3
	and	edx, 7
	or_else	.quadwords_left
	rep movsq
	mov	ecx, edx
.bytes:
	or_else	.done
	rep movsb
.done:
	mov	rax, rcx
	clac_if_smap
	ret
.quadwords_left:
	lea	rcx, [rcx * 8 + rdx]
	jmp	.bytes

; size_t user_clear(void *to, size_t len): how many bytes could not be cleared.
	align	16
user_clear:
	stac_if_smap
	xor	eax, eax
	mov	rcx, rsi
	shr	rcx, 3
	and	esi, 7
	or_else	.quadwords_left
	rep stosq
	mov	ecx, esi
.bytes:
	or_else	.done
	rep stosb
.done:
	mov	rax, rcx
	clac_if_smap
	ret
.quadwords_left:
	lea	rcx, [rcx * 8 + rsi]
	jmp	.bytes

; ssize_t user_string(char *to, const char *from, size_t size): the length without the NUL, `size`
; if there was none, -1 after a fault.  `size` is not 0.
	align	16
user_string:
	stac_if_smap
	mov	rcx, rdx
	mov	r8, rsi
.next:
	or_else	.bad
	lodsb
	stosb
	test	al, al
	jz	.end
	dec	rcx
	jnz	.next
	inc	rsi
.end:
	lea	rax, [rsi - 1]
	sub	rax, r8
	clac_if_smap
	ret
.bad:
	mov	rax, -1
	clac_if_smap
	ret

; bool user_load_32(const void *from, uint32_t *value) and so on: was the address good?
	align	16
user_load_32:
	stac_if_smap
	or_else	user_bad
	mov	eax, [rdi]
	clac_if_smap
	mov	[rsi], eax
	mov	eax, 1
	ret

	align	16
user_load_64:
	stac_if_smap
	or_else	user_bad
	mov	rax, [rdi]
	clac_if_smap
	mov	[rsi], rax
	mov	eax, 1
	ret

; bool user_store_32(void *to, uint32_t value)
	align	16
user_store_32:
	stac_if_smap
	or_else	user_bad
	mov	[rdi], esi
	clac_if_smap
	mov	eax, 1
	ret

	align	16
user_store_64:
	stac_if_smap
	or_else	user_bad
	mov	[rdi], rsi
	clac_if_smap
	mov	eax, 1
	ret

; bool user_cmpxchg_32(void *at, uint32_t expected, uint32_t desired, uint32_t *seen)
	align	16
user_cmpxchg_32:
	mov	eax, esi
	stac_if_smap
	or_else	user_bad
	lock cmpxchg [rdi], edx
	clac_if_smap
	mov	[rcx], eax
	mov	eax, 1
	ret

user_bad:
	clac_if_smap
	xor	eax, eax
	ret

smap_list_end
