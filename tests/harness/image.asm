; SPDX-License-Identifier: MIT
;
; tests/harness/image.asm - a machine that ends in a known way, to see that the harness names it.
;
; Assembled once for each: -DTRIPLE_FAULT, -DRESET, -DHANG, or -DSTATUS=n for the debug exit.
; Started by QEMU through the PVH note, in 32-bit mode without paging.

	bits	32
	section	.note.Xen note alloc noexec nowrite align=4
	dd	4, 8, 18                ; lengths of name and value, XEN_ELFNOTE_PHYS32_ENTRY
	db	"Xen", 0
	dq	start

	section	.text
	global	start
start:
	mov	esi, greeting
	mov	dx, 0x3f8
next:
	lodsb
	out	dx, al
	test	al, al
	jnz	next

%ifdef TRIPLE_FAULT
	lidt	[no_gates]
	ud2
%elifdef RESET
	mov	al, 0xfe                ; the keyboard controller pulls the reset line
	out	0x64, al
%elifdef STATUS
	mov	al, STATUS
	out	0xf4, al
%endif
forever:
	jmp	forever

no_gates:
	dw	0
	dd	0
greeting:
	db	"image: speaks", 10, 0
