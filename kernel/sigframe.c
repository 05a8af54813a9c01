/* SPDX-License-Identifier: MIT */
/*
 * kernel/sigframe.c - the signal frame on a program's stack.
 *
 *      rsp of the program -> .................
 *                            red zone, 128 bytes (not on the alternate stack)
 *                            FPU state, 64-byte aligned
 *                            siginfo
 *                            ucontext: registers, mask, alternate stack
 *      rsp of the handler -> return address: the restorer
 *
 * Invariants: what a program gives back in rt_sigreturn is believed only as far as the program
 *             could have set it itself: its segments are its own, its flags harmless, its rip in
 *             its half.
 * See:        System V ABI for x86-64 (the red zone, alignment at a call), sigreturn(2).
 */
#include "kernel/sigframe.h"

#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/signal.h"

enum { RED_ZONE_BYTES = 128, FPU_ALIGNMENT = 64, CALL_ALIGNMENT = 16 };

bool sigframe_is_on_alternate(const struct thread *thread, virt_t rsp)
{
	const struct abi_stack *stack = &thread->alternate_stack;

	if (stack->ss_flags & SS_DISABLE || (uint32_t)stack->ss_flags & SS_AUTODISARM)
		return false;
	return rsp > stack->ss_sp && rsp - stack->ss_sp <= stack->ss_size;
}

uint64_t sigframe_bytes(void)
{
	return sizeof(struct abi_rt_sigframe) + fpu_user_bytes() + FPU_ALIGNMENT + CALL_ALIGNMENT +
	       RED_ZONE_BYTES;
}

/* ---- before a handler ----------------------------------------------------------------------- */

struct place { virt_t fpu, frame; };

/* Where the parts go; -EFAULT: they would overflow the alternate stack. */
static int place_choose(const struct thread *thread, virt_t rsp, uint64_t flags,
			struct place *place)
{
	const struct abi_stack *stack = &thread->alternate_stack;
	bool was_on = sigframe_is_on_alternate(thread, rsp);
	bool enters = flags & SA_ONSTACK && !was_on && !(stack->ss_flags & SS_DISABLE);
	virt_t top = enters ? stack->ss_sp + stack->ss_size : rsp - RED_ZONE_BYTES;

	place->fpu = align_down(top - fpu_user_bytes(), FPU_ALIGNMENT);
	place->frame = align_down(place->fpu - sizeof(struct abi_rt_sigframe), CALL_ALIGNMENT) - 8;
	if (place->frame >= top || !user_range_ok(place->frame, top - place->frame))
		return -EFAULT;
	if ((enters || was_on) && place->frame < stack->ss_sp)
		return -EFAULT;
	return 0;
}

static void registers_save(struct abi_sigcontext *to, const struct trap_frame *frame,
			   const struct thread *thread)
{
	*to = (struct abi_sigcontext){
		.r8 = frame->r8, .r9 = frame->r9, .r10 = frame->r10, .r11 = frame->r11,
		.r12 = frame->r12, .r13 = frame->r13, .r14 = frame->r14, .r15 = frame->r15,
		.rdi = frame->rdi, .rsi = frame->rsi, .rbp = frame->rbp, .rbx = frame->rbx,
		.rdx = frame->rdx, .rax = frame->rax, .rcx = frame->rcx, .rsp = frame->rsp,
		.rip = frame->rip, .rflags = frame->rflags,
		.cs = (uint16_t)frame->cs, .ss = (uint16_t)frame->ss,
		.err = thread->trap_error, .trapno = thread->trap_vector, .cr2 = thread->trap_addr,
	};
}

int sigframe_push(struct trap_frame *frame, const struct abi_siginfo *info,
		  const struct abi_sigaction *action, uint64_t saved_mask)
{
	struct thread *thread = current_thread();
	struct place place;
	struct abi_rt_sigframe out = {
		.return_address = action->restorer,
		.uc.uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
		.uc.uc_stack = thread->alternate_stack,
		.uc.uc_sigmask = saved_mask,
		.info = *info,
	};

	if (!(action->flags & SA_RESTORER))
		return -EFAULT;
	if (place_choose(thread, frame->rsp, action->flags, &place) || fpu_to_user(place.fpu))
		return -EFAULT;
	registers_save(&out.uc.uc_mcontext, frame, thread);
	out.uc.uc_mcontext.oldmask = saved_mask;
	out.uc.uc_mcontext.fpstate = place.fpu;
	if (copy_to_user(place.frame, &out, sizeof(out)))
		return -EFAULT;

	if ((uint32_t)thread->alternate_stack.ss_flags & SS_AUTODISARM)
		thread->alternate_stack = (struct abi_stack){ .ss_flags = SS_DISABLE };
	frame->rdi = (uint64_t)info->signo;
	frame->rsi = place.frame + offsetof(struct abi_rt_sigframe, info);
	frame->rdx = place.frame + offsetof(struct abi_rt_sigframe, uc);
	frame->rax = 0;
	frame->rip = action->handler;
	frame->rsp = place.frame;
	frame->cs = SELECTOR_USER_CODE;
	frame->ss = SELECTOR_USER_DATA;
	frame->rflags &= ~(uint64_t)(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	frame_set_replaced(frame);
	return 0;
}

/* ---- after it ------------------------------------------------------------------------------- */

static void registers_restore(struct trap_frame *frame, const struct abi_sigcontext *from)
{
	frame->r8 = from->r8;
	frame->r9 = from->r9;
	frame->r10 = from->r10;
	frame->r11 = from->r11;
	frame->r12 = from->r12;
	frame->r13 = from->r13;
	frame->r14 = from->r14;
	frame->r15 = from->r15;
	frame->rdi = from->rdi;
	frame->rsi = from->rsi;
	frame->rbp = from->rbp;
	frame->rbx = from->rbx;
	frame->rdx = from->rdx;
	frame->rax = from->rax;
	frame->rcx = from->rcx;
	frame->rsp = from->rsp;
	frame->rip = from->rip;
	frame->cs = SELECTOR_USER_CODE;
	frame->ss = SELECTOR_USER_DATA;
	frame->rflags = (frame->rflags & ~RFLAGS_USER) | (from->rflags & RFLAGS_USER);
	frame->rflags |= RFLAGS_FIXED | RFLAGS_IF;
	frame_set_replaced(frame);
}

/* The alternate stack goes back to what it was, unless the handler's frame names an impossible
 * one. */
static void alternate_restore(struct thread *thread, const struct abi_stack *stack)
{
	uint32_t flags = (uint32_t)stack->ss_flags & ~(SS_AUTODISARM | SS_ONSTACK);

	if (flags == SS_DISABLE)
		thread->alternate_stack = (struct abi_stack){ .ss_flags = SS_DISABLE };
	else if (flags == 0 && stack->ss_size >= MINSIGSTKSZ)
		thread->alternate_stack = *stack;
}

/* There is one kind of program: IRET to other segments would fail.  A frame says whether its ss is
 * meant. */
static bool segments_are_ours(const struct abi_ucontext *uc)
{
	const struct abi_sigcontext *from = &uc->uc_mcontext;
	bool is_ss_meant = uc->uc_flags & UC_STRICT_RESTORE_SS;

	return (from->cs | 3) == SELECTOR_USER_CODE &&
	       (!is_ss_meant || (from->ss | 3) == SELECTOR_USER_DATA);
}

static int frame_take_back(struct trap_frame *frame)
{
	struct thread *thread = current_thread();
	virt_t at = frame->rsp - sizeof(uint64_t) + offsetof(struct abi_rt_sigframe, uc);
	struct abi_ucontext uc;

	if (copy_from_user(&uc, at, sizeof(uc)) || uc.uc_mcontext.rip >= USER_END)
		return -EFAULT;
	if (!segments_are_ours(&uc) || fpu_from_user(uc.uc_mcontext.fpstate))
		return -EFAULT;
	registers_restore(frame, &uc.uc_mcontext);
	alternate_restore(thread, &uc.uc_stack);
	signal_set_blocked(uc.uc_sigmask);
	thread->restart = NULL;
	return 0;
}

long sigframe_pop(struct trap_frame *frame)
{
	frame_set_replaced(frame);
	if (frame_take_back(frame)) {
		signal_force(SIGSEGV, &(struct abi_siginfo){ .code = SI_KERNEL });
		return 0;
	}
	return (long)frame->rax;
}
