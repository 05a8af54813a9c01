/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Signals and their frames, as Linux lays them out on x86-64.  Members carry no prefix here
 * because C libraries define the prefixed names as macros.
 */

#include "lib/types.h"

#if __STDC_HOSTED__
#pragma GCC system_header	/* the C library has the same names */
#endif

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGIOT SIGABRT
#define SIGBUS 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGUSR2 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGSTKFLT 16
#define SIGCHLD 17
#define SIGCONT 18
#define SIGSTOP 19
#define SIGTSTP 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGURG 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGIO 29
#define SIGPOLL SIGIO
#define SIGPWR 30
#define SIGSYS 31

#define NSIG 64		/* signals are numbered 1 to 64 */
#define SIGRTMIN 32		/* from here on every instance is queued */
#define SIGSET_SIZE 8	/* the size every rt_sig call must name */

/* ---- actions ---- */

#define SA_NOCLDSTOP 0x00000001
#define SA_NOCLDWAIT 0x00000002
#define SA_SIGINFO 0x00000004
#define SA_UNSUPPORTED 0x00000400
#define SA_EXPOSE_TAGBITS 0x00000800
#define SA_RESTORER 0x04000000
#define SA_ONSTACK 0x08000000
#define SA_RESTART 0x10000000
#define SA_NODEFER 0x40000000
#define SA_RESETHAND 0x80000000

/* Handlers that are no addresses. */
#define SIG_DFL 0ull
#define SIG_IGN 1ull

/* rt_sigprocmask */
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

struct abi_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};
static_assert(sizeof(struct abi_sigaction) == 32, "struct sigaction");

/* sigaltstack */
#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM (1u << 31)
#define MINSIGSTKSZ 2048

struct abi_stack {
	uint64_t ss_sp;
	int32_t ss_flags;
	uint32_t pad;
	uint64_t ss_size;
};
static_assert(sizeof(struct abi_stack) == 24, "stack_t");

/* ---- what a signal tells ---- */

#define SI_USER 0
#define SI_KERNEL 0x80
#define SI_QUEUE (-1)
#define SI_TIMER (-2)
#define SI_MESGQ (-3)
#define SI_ASYNCIO (-4)
#define SI_SIGIO (-5)
#define SI_TKILL (-6)

/* SIGILL */
#define ILL_ILLOPC 1
#define ILL_ILLOPN 2
#define ILL_PRVOPC 5
/* SIGFPE */
#define FPE_INTDIV 1
#define FPE_INTOVF 2
#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7
#define FPE_FLTUNK 14
/* SIGSEGV */
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define SEGV_PKUERR 4
/* SIGBUS */
#define BUS_ADRALN 1
#define BUS_ADRERR 2
#define BUS_OBJERR 3
/* SIGTRAP */
#define TRAP_BRKPT 1
#define TRAP_TRACE 2
#define TRAP_HWBKPT 4
/* SIGCHLD */
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6
/* SIGPOLL */
#define POLL_IN 1
#define POLL_OUT 2
#define POLL_MSG 3
#define POLL_ERR 4
#define POLL_PRI 5
#define POLL_HUP 6

struct abi_siginfo {
	int32_t signo;
	int32_t error;
	int32_t code;
	int32_t pad;
	union {
		struct {	/* from a process, or about a child */
			int32_t pid;
			uint32_t uid;
			union {
				int32_t status;	/* SIGCHLD: exit code or signal */
				uint64_t value;	/* sigqueue: the sender's word */
			};
			int64_t utime;	/* SIGCHLD: ticks of 1/100 s */
			int64_t stime;
		};
		struct {	/* SI_TIMER */
			int32_t timer_id;
			int32_t overrun;
			uint64_t timer_value;
		};
		struct {	/* SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP */
			uint64_t addr;
			int16_t addr_lsb;
		};
		struct {	/* SIGPOLL */
			int64_t band;
			int32_t fd;
		};
		struct {	/* SIGSYS */
			uint64_t call_addr;
			int32_t syscall;
			uint32_t arch;
		};
		uint64_t words[14];
	};
};
static_assert(sizeof(struct abi_siginfo) == 128, "siginfo_t");
static_assert(offsetof(struct abi_siginfo, value) == 24, "si_value");
static_assert(offsetof(struct abi_siginfo, utime) == 32, "si_utime");

/* ---- the frame ---- */

struct abi_sigcontext {
	uint64_t r8;
	uint64_t r9;
	uint64_t r10;
	uint64_t r11;
	uint64_t r12;
	uint64_t r13;
	uint64_t r14;
	uint64_t r15;
	uint64_t rdi;
	uint64_t rsi;
	uint64_t rbp;
	uint64_t rbx;
	uint64_t rdx;
	uint64_t rax;
	uint64_t rcx;
	uint64_t rsp;
	uint64_t rip;
	uint64_t rflags;
	uint16_t cs;
	uint16_t gs;
	uint16_t fs;
	uint16_t ss;
	uint64_t err;
	uint64_t trapno;
	uint64_t oldmask;
	uint64_t cr2;
	uint64_t fpstate;	/* address of the FPU state, 64-byte aligned, or 0 */
	uint64_t reserved[8];
};
static_assert(sizeof(struct abi_sigcontext) == 256, "struct sigcontext");

/* uc_flags */
#define UC_FP_XSTATE 1
#define UC_SIGCONTEXT_SS 2
#define UC_STRICT_RESTORE_SS 4

struct abi_ucontext {
	uint64_t uc_flags;
	uint64_t uc_link;
	struct abi_stack uc_stack;
	struct abi_sigcontext uc_mcontext;
	uint64_t uc_sigmask;
};
static_assert(offsetof(struct abi_ucontext, uc_mcontext) == 40, "struct ucontext");
static_assert(sizeof(struct abi_ucontext) == 304, "struct ucontext");

/* What rsp points to when the handler begins; at restore it is 8 higher. */
struct abi_rt_sigframe {
	uint64_t return_address;	/* the restorer */
	struct abi_ucontext uc;
	struct abi_siginfo info;
};

/*
 * The FPU state is what FXSAVE or XSAVE stored.  In the 48 bytes that the CPU leaves to software
 * stands how long it is; right behind it follows FP_XSTATE_MAGIC2.
 */
#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u
#define FP_XSTATE_MAGIC2_SIZE 4
#define FP_SW_RESERVED_OFFSET 464
#define FP_FXSAVE_SIZE 512

struct abi_fp_sw_reserved {
	uint32_t magic1;	/* FP_XSTATE_MAGIC1, or 0: FXSAVE only */
	uint32_t extended_size;	/* xstate_size and the magic number behind it */
	uint64_t xfeatures;
	uint32_t xstate_size;
	uint32_t padding[7];
};
static_assert(sizeof(struct abi_fp_sw_reserved) == 48, "struct _fpx_sw_bytes");

/* ---- descriptors ---- */

#define SFD_CLOEXEC 02000000
#define SFD_NONBLOCK 00004000
