/* SPDX-License-Identifier: MIT */
/*
 * kernel/upcalls.c - every call from a lower layer to a higher one.
 *
 * Owns: the knowledge of who is behind kernel/upcall.h.  Each function asks one question of one
 *       higher layer, or two in order.
 */
#include "kernel/upcall.h"

#include "lib/abi/errno.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/trap.h"
#include "kernel/clock.h"
#include "kernel/deliver.h"
#include "kernel/entropy.h"
#include "kernel/oom.h"
#include "kernel/printk.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "kernel/trace_hist.h"
#include "fs/tty.h"
#include "mm/fault.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/slab.h"

/* ---- traps ---------------------------------------------------------------------------------- */

static inline int page_fault(virt_t addr, enum access access)
{
	struct space *space = current->space;

	return likely(space != NULL) ? fault_resolve(space, addr, access) : -EFAULT;
}

int upcall_find_memory(void)
{
	return oom_relieve();
}

bool upcall_is_dying(void)
{
	const struct thread *thread = current_thread();

	return thread && READ_ONCE(thread->must_die);
}

int upcall_page_fault(virt_t addr, enum access access)
{
	if (unlikely(trace_by != TRACE_BY_NOTHING))
		return trace_hist_fault(addr, access, page_fault);
	return page_fault(addr, access);
}

struct signal_choice { int signal, code; };

static struct signal_choice page_fault_signal(int err)
{
	switch (err) {
	case -EFAULT:
		return (struct signal_choice){ SIGSEGV, SEGV_MAPERR };
	case -EACCES:
		return (struct signal_choice){ SIGSEGV, SEGV_ACCERR };
	case -ENXIO:
		return (struct signal_choice){ SIGBUS, BUS_ADRERR };
	default:
		return (struct signal_choice){ SIGKILL, SI_KERNEL };    /* no memory even now */
	}
}

static struct signal_choice exception_signal(uint64_t vector)
{
	static const struct signal_choice choices[] = {
		[VECTOR_DIVIDE] = { SIGFPE, FPE_INTDIV },
		[VECTOR_DEBUG] = { SIGTRAP, TRAP_TRACE },
		[VECTOR_BREAKPOINT] = { SIGTRAP, SI_KERNEL },
		[VECTOR_OVERFLOW] = { SIGSEGV, SI_KERNEL },
		[VECTOR_BOUND] = { SIGSEGV, SI_KERNEL },
		[VECTOR_INVALID_OPCODE] = { SIGILL, ILL_ILLOPN },
		[VECTOR_NO_SEGMENT] = { SIGBUS, SI_KERNEL },
		[VECTOR_STACK] = { SIGBUS, SI_KERNEL },
		[VECTOR_PROTECTION] = { SIGSEGV, SI_KERNEL },
		[VECTOR_FPU] = { SIGFPE, FPE_FLTINV },
		[VECTOR_ALIGNMENT] = { SIGBUS, BUS_ADRALN },
		[VECTOR_SIMD] = { SIGFPE, FPE_FLTINV },
	};

	if (vector < COUNT(choices) && choices[vector].signal)
		return choices[vector];
	return (struct signal_choice){ SIGSEGV, SI_KERNEL };
}

void upcall_exception(struct trap_frame *frame, uint64_t vector, int err, virt_t addr)
{
	struct thread *thread = current_thread();
	struct signal_choice choice = vector == VECTOR_PAGE_FAULT ? page_fault_signal(err)
								  : exception_signal(vector);
	bool has_address = choice.code != SI_KERNEL;

	thread->trap_vector = vector;
	thread->trap_error = vector == VECTOR_PAGE_FAULT ? frame->error | FAULT_USER : frame->error;
	thread->trap_addr = vector == VECTOR_PAGE_FAULT ? addr : 0;
	if (choice.signal == SIGKILL) {
		signal_force_fatal(SIGKILL);
		return;
	}
	signal_force(choice.signal, &(struct abi_siginfo){
		.code = choice.code,
		.addr = has_address ? addr : 0,
	});
}

void upcall_return_to_user(struct trap_frame *frame)
{
	struct thread *thread = current_thread();

	if (atomic_load_relaxed(&current->work) & WORK_RESCHEDULE)
		schedule();
	if (unlikely(thread->begin != NULL)) {
		void (*begin)(void *) = thread->begin;
		thread->begin = NULL;
		begin(thread->begin_argument);
	}
	if (signal_is_pending())
		signal_deliver(frame);
}

long upcall_syscall(struct trap_frame *frame)
{
	return syscall_dispatch(frame);
}

/* ---- interrupts ----------------------------------------------------------------------------- */

void upcall_console_input(uint8_t byte)
{
	tty_input(byte);
}

void upcall_timer(bool is_in_program)
{
	clock_interrupt(is_in_program);
}

/* ---- tasks ---------------------------------------------------------------------------------- */

struct task *upcall_task_alloc(void)
{
	struct task *task = task_block_alloc();

	if (!task)
		return NULL;
	task->stack = kstack_alloc();
	if (task->stack == 0) {
		task_block_free(task);
		return NULL;
	}
#ifdef COWBELL_SAN
	task->canary = entropy_u64() << 8;      /* a zero byte first: strings end there */
#endif
	return task;
}

void upcall_task_free(struct task *task)
{
	if (task->stack)
		kstack_free(task->stack);
	task_block_free(task);
}

/* A zombie's task waits for its parent; its stack goes now. */
void upcall_task_dead(struct task *task)
{
	if (!task->thread) {
		task_destroy(task);
		return;
	}
	kstack_free(task->stack);
	task->stack = 0;
	task->fpu = NULL;
	thread_put(task->thread);
}

void *upcall_boot_alloc(size_t bytes)
{
	return kzalloc(MAX(bytes, (size_t)PAGE_SIZE));
}

void upcall_boot_free(void *memory)
{
	kfree(memory);
}

void upcall_cpu_start(struct cpu *cpu)
{
	frames_start_cpu(cpu);
}

int32_t upcall_task_pid(const struct task *task)
{
	return task->process ? task->process->pid : 0;
}

void upcall_describe_task(const struct task *task)
{
	const struct process *process = task->process;

	if (process)
		console_print("task %s, thread %d of process %d\n", task->name, task->tid,
			      process->pid);
	else
		console_print("task %s, of the kernel\n", task->name);
}

/* ---- files ---------------------------------------------------------------------------------- */

void upcall_send_sigpipe(void)
{
	struct thread *thread = current_thread();
	struct abi_siginfo info = { .code = SI_USER };

	if (!thread)
		return;
	info.pid = thread->process->pid;
	info.uid = thread->process->credentials.uid;
	signal_send_thread(thread, SIGPIPE, &info);
}

const struct credentials *upcall_credentials(void)
{
	static const struct credentials superuser;
	const struct process *process = current_process();

	return process ? &process->credentials : &superuser;
}

struct fs_context *upcall_fs_context(void)
{
	const struct thread *thread = current_thread();

	return thread ? thread->fs : NULL;
}

struct fdtable *upcall_change_files(struct fdtable *files)
{
	struct fdtable *old = current->files;

	spin_lock(&process_tree_lock);
	current->files = files;
	spin_unlock(&process_tree_lock);
	return old;
}

struct fs_context *upcall_change_fs_context(struct fs_context *context)
{
	struct thread *thread = current_thread();
	struct fs_context *old = thread->fs;

	spin_lock(&process_tree_lock);
	thread->fs = context;
	spin_unlock(&process_tree_lock);
	return old;
}

bool upcall_is_privileged(void)
{
	return !current_process() || process_is_privileged();
}

uint64_t upcall_rlimit(unsigned which)
{
	const struct process *process = current_process();

	return process ? process->limits[which].rlim_cur : RLIM_INFINITY;
}
