; SPDX-License-Identifier: MIT
;
; arch/x86_64/ap_entry.asm - another CPU from reset to C.
;
; Owns:      the piece of code that smp.c copies to a page below 1 MiB.  A startup interrupt makes a
;            CPU begin there in real mode, with cs = the page's number << 8 and ip = 0.
; Invariant: the copy uses only addresses relative to its page, and those that smp.c puts into it.
;
;   real mode --PAE, CR3, EFER, then PE and PG at once--> 64 bits, still in the page --> the image,
;   on the boot tables --> the kernel's tables, a stack, smp_cpu_main(cpu)
;
; See:       Intel SDM vol. 3A 8.4 (startup), 9.8.5 (entering IA-32e mode); boot/entry.asm.

%include "arch/x86_64/entry.inc"

extern	smp_cpu_main
global	ap_page, ap_page_end, ap_far_pointer, ap_gdt_pointer, ap_boot_root, ap_efer
global	ap_kernel_root, ap_stack, ap_cpu

%define IN_PAGE(label) ((label) - ap_page)

CR0_PROTECTED		equ 1 << 0
CR0_WRITE_PROTECT	equ 1 << 16
CR0_PAGING		equ 1 << 31
CR4_PAE			equ 1 << 5

section	.rodata
bits	16

	align	16
ap_page:
	cli
	cld
	mov	ax, cs
	mov	ds, ax
	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, [IN_PAGE(ap_boot_root)]
	mov	cr3, eax
	mov	ecx, MSR_EFER
	mov	eax, [IN_PAGE(ap_efer)]
	xor	edx, edx
	wrmsr
	o32 lgdt [IN_PAGE(ap_gdt_pointer)]
	mov	eax, cr0
	or	eax, CR0_PROTECTED | CR0_WRITE_PROTECT | CR0_PAGING
	mov	cr0, eax
	jmp	far dword [IN_PAGE(ap_far_pointer)]

bits	64
ap_entry64:
	mov	rax, ap_entry_high
	jmp	rax

	align	8
ap_gdt:
	dq	0
	dq	0x00af9b000000ffff		; SELECTOR_KERNEL_CODE: 64 bits
	dq	0x00cf93000000ffff		; SELECTOR_KERNEL_DATA
ap_gdt_pointer:
	dw	ap_gdt_pointer - ap_gdt - 1
	dd	IN_PAGE(ap_gdt)			; + where the page is
ap_far_pointer:
	dd	IN_PAGE(ap_entry64)		; + where the page is
	dw	SELECTOR_KERNEL_CODE
	align	4
ap_boot_root:
	dd	0
ap_efer:
	dd	0
ap_page_end:

section	.text
default	rel

ap_entry_high:
	mov	eax, SELECTOR_KERNEL_DATA
	mov	ss, eax
	mov	ds, eax
	mov	es, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	mov	rax, [ap_kernel_root]
	mov	cr3, rax
	mov	rsp, [ap_stack]
	mov	rdi, [ap_cpu]
	xor	ebp, ebp			; backtraces end here
	call	smp_cpu_main
	ud2

; What the CPU that starts now is given.
section	.data
	align	8
ap_kernel_root:
	dq	0
ap_stack:
	dq	0
ap_cpu:
	dq	0
