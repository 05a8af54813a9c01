; SPDX-License-Identifier: MIT
;
; boot/entry.asm - from the loader's state to 64-bit C on a real stack.
;
; Owns: the Multiboot 2 header, the PVH note, the first page tables and the first stack.
;
; Both loaders enter boot_entry32 in 32-bit protected mode, flat segments, paging and interrupts
; off, and with the image's zeroed parts zeroed:
;
;	           eax                ebx
;	GRUB       0x36d76289         its information
;	PVH        undefined          hvm_start_info, which begins with a magic number
;
; The first tables map the low 4 GiB at 0 and in the direct map, and the first of these GiB at
; -2 GiB as well, all of it writable and executable.  They last until paging_start(), and once more
; for each further CPU on its way up.
; See: Multiboot2 Specification 2.0, 3.1; arch/x86_64/layout.h.

%include "arch/x86_64/entry.inc"

extern	boot_main, shadow_start
global	boot_entry32, boot_tables, boot_stack_guard, boot_stack, boot_stack_top

IMAGE_BASE		equ 0xffffffff80000000
DIRECT_MAP_SLOT		equ 273			; of 0xffff888000000000 in a root

CR0_PROTECTED		equ 1 << 0
CR0_WRITE_PROTECT	equ 1 << 16
CR0_PAGING		equ 1 << 31
CR4_PAE			equ 1 << 5
EFER_LONG_MODE		equ 1 << 8
EFER_NX			equ 1 << 11
CPUID_NEEDED		equ 1 << 29 | 1 << 20	; leaf 0x80000001, edx: long mode, NX

TABLE			equ 0x03		; present, writable
PAGE_2M			equ 0x83
GIBS_MAPPED		equ 4
ENTRIES			equ 512

; ---- what the loaders look for --------------------------------------------------------------

section	.boot.header progbits alloc noexec nowrite align=8

multiboot_header:
	dd	0xe85250d6, 0, multiboot_header_end - multiboot_header
	dd	-(0xe85250d6 + 0 + (multiboot_header_end - multiboot_header))
.request:						; please tell: command line, loader,
	dw	1, 1					; modules, memory, ACPI
	dd	.request_end - .request
	dd	1, 2, 3, 6, 14, 15
.request_end:
	align	8
	dw	3, 0					; where to enter
	dd	12, boot_entry32
	align	8
	dw	6, 0					; modules on page boundaries
	dd	8
	dw	0, 0
	dd	8
multiboot_header_end:

section	.note.pvh progbits alloc noexec nowrite align=4

	dd	4, 8, 18				; XEN_ELFNOTE_PHYS32_ENTRY
	db	"Xen", 0
	dq	boot_entry32

; ---- 32 bits --------------------------------------------------------------------------------

section	.boot.text progbits alloc exec nowrite align=16
bits	32

boot_entry32:
	cli
	cld
	mov	edi, eax				; for boot_main(magic, info)
	mov	esi, ebx

	mov	eax, 0x80000000
	cpuid
	cmp	eax, 0x80000001
	jb	.no_long_mode
	mov	eax, 0x80000001
	cpuid
	and	edx, CPUID_NEEDED
	cmp	edx, CPUID_NEEDED
	jne	.no_long_mode

; No address in the tables is above 4 GiB, so the upper halves of all entries stay zero.
	mov	dword [boot_tables], boot_directories + TABLE
	mov	dword [boot_tables + DIRECT_MAP_SLOT * 8], boot_directories + TABLE
	mov	dword [boot_tables + (ENTRIES - 1) * 8], boot_image_directories + TABLE
	mov	dword [boot_image_directories + (ENTRIES - 2) * 8], boot_pages + TABLE
%assign gib 0
%rep GIBS_MAPPED
	mov	dword [boot_directories + gib * 8], boot_pages + gib * PAGE_SIZE + TABLE
%assign gib gib + 1
%endrep
	mov	eax, PAGE_2M
	xor	ecx, ecx
.map_page:
	mov	[boot_pages + ecx * 8], eax
	add	eax, 0x200000
	inc	ecx
	cmp	ecx, GIBS_MAPPED * ENTRIES
	jb	.map_page

	mov	eax, cr4
	or	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, boot_tables
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LONG_MODE | EFER_NX
	wrmsr
	mov	eax, cr0
	or	eax, CR0_PROTECTED | CR0_WRITE_PROTECT | CR0_PAGING
	mov	cr0, eax
	lgdt	[boot_gdt_pointer]
	jmp	SELECTOR_KERNEL_CODE:boot_entry64

; Nothing of ours runs here but this.
.no_long_mode:
	mov	esi, .complaint
	mov	edx, 0x3f8
.next:
	lodsb
	out	dx, al
	test	al, al
	jnz	.next
.stop:
	hlt
	jmp	.stop
.complaint:
	db	"Cowbell needs a 64-bit processor with NX.", 13, 10, 0

; ---- 64 bits --------------------------------------------------------------------------------

bits	64
boot_entry64:
	mov	rax, boot_high
	jmp	rax

section	.text

boot_high:
	mov	eax, SELECTOR_KERNEL_DATA
	mov	ss, eax
	mov	ds, eax
	mov	es, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	mov	rsp, boot_stack_top
	xor	ebp, ebp				; backtraces end here
%ifdef COWBELL_SAN
	push	rdi
	push	rsi
	call	shadow_start
	pop	rsi
	pop	rdi
%endif
	call	boot_main

; ---- data -----------------------------------------------------------------------------------

section	.boot.text

	align	8
boot_gdt:
	dq	0
	dq	0x00af9b000000ffff			; SELECTOR_KERNEL_CODE: 64 bits
	dq	0x00cf93000000ffff			; SELECTOR_KERNEL_DATA
boot_gdt_pointer:
	dw	$ - boot_gdt - 1
	dd	boot_gdt

section	.boot.bss nobits alloc noexec write align=4096

boot_tables:
	resb	PAGE_SIZE
boot_directories:					; 0 - 4 GiB
	resb	PAGE_SIZE
boot_image_directories:					; -2 GiB
	resb	PAGE_SIZE
boot_pages:
	resb	GIBS_MAPPED * PAGE_SIZE

section	.bss nobits alloc noexec write align=4096

boot_stack_guard:
	resb	PAGE_SIZE
boot_stack:
	resb	4 * PAGE_SIZE
boot_stack_top:
