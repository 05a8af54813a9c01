/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/fpu.c - x87, SSE and AVX state.
 *
 * Owns: the layout of the state in memory, which is XSAVE's standard form (or FXSAVE's alone):
 *
 *   0    FXSAVE area: x87 and SSE; bytes 464-511 are left to software
 *   512  XSAVE header: which parts are not in their initial state
 *   576  AVX: the upper halves
 *
 * In a signal frame the software bytes say how long the state is, and a second magic number stands
 * behind it, so that whoever finds only one of them knows that something was cut off.
 *
 * Invariants: what the CPU is asked to load has reserved bits clear, or it would fault in the
 * kernel.
 * Locks: none; registers belong to the running task and are switched with it.
 * See: Intel SDM vol. 1 13.4 (XSAVE area), 10.5 (FXSAVE); lib/abi/signal.h.
 */
#include "lib/abi/errno.h"
#include "lib/abi/signal.h"
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/usercopy.h"

/* The parts of XCR0 that the FXSAVE area holds. */
enum { PARTS_FXSAVE = 3 };

#define MXCSR_INITIAL 0x1f80u
#define MXCSR_MASK_DEFAULT 0xffbfu              /* where the CPU's own mask reads as 0 */
#define CONTROL_INITIAL 0x37f

struct fpu_state {
	uint16_t control, status;
	uint8_t tags, reserved_0;
	uint16_t opcode;
	uint64_t instruction, operand;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t registers[FP_SW_RESERVED_OFFSET - 32];
	struct abi_fp_sw_reserved software;
	uint64_t parts;                 /* the XSAVE header from here on */
	uint64_t compact, reserved[6];
	uint8_t extended[FPU_AREA_SIZE - 512 - 64];
};

static_assert(offsetof(struct fpu_state, software) == FP_SW_RESERVED_OFFSET, "FXSAVE area");
static_assert(offsetof(struct fpu_state, parts) == FP_FXSAVE_SIZE, "XSAVE header");
static_assert(sizeof(struct fpu_state) == FPU_AREA_SIZE, "XSAVE area");

static void registers_copy(struct fpu_state *state);
static int state_fetch(struct fpu_state *state, virt_t at);
static bool state_is_extended(const struct fpu_state *state, virt_t at);
static int state_check(const struct fpu_state *state, uint32_t mxcsr_mask);

size_t fpu_state_bytes(void)
{
	return cpu_features.xsave ? cpu_features.xsave_bytes : FP_FXSAVE_SIZE;
}

/* No part marked as present: XRSTOR then loads initial values.  FXRSTOR wants them spelled out. */
void fpu_state_reset(void *state)
{
	struct fpu_state *fpu = state;

	memset(fpu, 0, fpu_state_bytes());
	fpu->control = CONTROL_INITIAL;
	fpu->mxcsr = MXCSR_INITIAL;
}

/* The CPU writes only one word of the header, and wants the others zero when it loads. */
void fpu_save_first(void *state)
{
	struct fpu_state *fpu = state;

	if (cpu_features.xsave)
		memset(&fpu->parts, 0,
		       sizeof(fpu->parts) + sizeof(fpu->compact) + sizeof(fpu->reserved));
	fpu_save(state);
}

size_t fpu_user_bytes(void)
{
	return fpu_state_bytes() + (cpu_features.xsave ? FP_XSTATE_MAGIC2_SIZE : 0);
}

int fpu_to_user(virt_t at)
{
	ALIGNED(64) struct fpu_state state;

	registers_copy(&state);
	if (!cpu_features.xsave)
		return copy_to_user(at, &state, FP_FXSAVE_SIZE);
	state.software = (struct abi_fp_sw_reserved){
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = (uint32_t)fpu_user_bytes(),
		.xfeatures = cpu_features.xcr0,
		.xstate_size = cpu_features.xsave_bytes,
	};
	int err = copy_to_user(at, &state, cpu_features.xsave_bytes);
	if (err)
		return err;
	return put_user_u32(at + cpu_features.xsave_bytes, FP_XSTATE_MAGIC2);
}

int fpu_from_user(virt_t at)
{
	ALIGNED(64) struct fpu_state state;
	int err = 0;

	registers_copy(&state);
	uint32_t mxcsr_mask = state.mxcsr_mask ? state.mxcsr_mask : MXCSR_MASK_DEFAULT;
	fpu_state_reset(&state);
	if (at != 0)
		err = state_fetch(&state, at);
	if (!err)
		err = state_check(&state, mxcsr_mask);
	if (!err)
		fpu_restore(&state);
	return err;
}

/* Everything, anywhere.  Not by XSAVEOPT, which may leave out what it believes is there already. */
static void registers_copy(struct fpu_state *state)
{
	fpu_state_reset(state);
	if (cpu_features.xsave)
		__asm__ volatile("xsave64 %0" : "+m"(*state) : "a"(-1), "d"(-1));
	else
		__asm__ volatile("fxsave64 %0" : "+m"(*state));
}

/* The FXSAVE area, and the rest if both magic numbers say that it is there. */
static int state_fetch(struct fpu_state *state, virt_t at)
{
	int err = copy_from_user(state, at, FP_FXSAVE_SIZE);

	if (err || !cpu_features.xsave)
		return err;
	if (state_is_extended(state, at))
		return copy_from_user(&state->parts, at + FP_FXSAVE_SIZE,
				      cpu_features.xsave_bytes - FP_FXSAVE_SIZE);
	state->parts = PARTS_FXSAVE;
	return 0;
}

static bool state_is_extended(const struct fpu_state *state, virt_t at)
{
	uint32_t magic2;

	return state->software.magic1 == FP_XSTATE_MAGIC1 &&
	       state->software.xstate_size == cpu_features.xsave_bytes &&
	       !get_user_u32(at + cpu_features.xsave_bytes, &magic2) && magic2 == FP_XSTATE_MAGIC2;
}

/* Whatever would make the CPU refuse to load it. */
static int state_check(const struct fpu_state *state, uint32_t mxcsr_mask)
{
	if (state->mxcsr & ~mxcsr_mask)
		return -EINVAL;
	if (!cpu_features.xsave)
		return 0;
	if (state->parts & ~cpu_features.xcr0 || state->compact != 0)
		return -EINVAL;
	for (size_t i = 0; i < COUNT(state->reserved); i++)
		if (state->reserved[i] != 0)
			return -EINVAL;
	return 0;
}
