/* SPDX-License-Identifier: MIT */
/*
 * kernel/upcall.h - what lower layers may ask of higher ones.
 *
 * Dependencies point down the map.  The few calls against the grain are declared here and all
 * defined in kernel/upcalls.c.  Where a lower file must not know the name, the higher one leaves a
 * pointer: vma_name_ops, object_views_remove, paging_set_allocator(), object->on_free.
 */
#pragma once

#include "lib/types.h"

struct trap_frame;

enum access {
	ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC,
	ACCESS_FORCE,                   /* a write that the range forbids: mm/uaccess.h */
};

/*
 * A page fault at a user address, from a program or from a kernel copy.  May sleep.
 * 0: run the instruction again.  -EFAULT no mapping, -EACCES forbidden, -ENXIO beyond the end of
 * the object (SIGBUS), -ENOMEM: upcall_find_memory() before giving up.
 */
int upcall_page_fault(virt_t addr, enum access access);

/* What must not fail, a fault among them, has found no memory.  Give back what is only kept, or
 * have somebody killed, and wait for it.  No space's lock is held.  0: try again.  -ENOMEM: it is
 * the running program that ends. */
int upcall_find_memory(void);

/* Is the running program to die as soon as it can?  Then long work for it is in vain. */
bool upcall_is_dying(void);

/* A program did something wrong: turn it into a signal.  `err` is what upcall_page_fault said, for
 * vector 14, else 0.  `addr` is CR2 or the faulting instruction. */
void upcall_exception(struct trap_frame *frame, uint64_t vector, int err, virt_t addr);

/* About to return to a program with work pending (signals, reschedule).  Interrupts are on. */
void upcall_return_to_user(struct trap_frame *frame);

/* A system call.  Its arguments are in the frame, where the entry then stores the result.
 * Interrupts are on. */
long upcall_syscall(struct trap_frame *frame);

/* A byte came in over the serial line.  Interrupt context. */
void upcall_console_input(uint8_t byte);

/* The CPU's timer went off, in a program or in the kernel.  Interrupt context. */
void upcall_timer(bool is_in_program);

/* The task's kernel stack is no longer in use; free what is left of it.  Called by the scheduler
 * after switching away for the last time, preemption off, no locks held. */
struct task;
void upcall_task_dead(struct task *task);

/* A zeroed task with a kernel stack (task.stack); NULL: no memory.  And back. */
struct task *upcall_task_alloc(void);
void upcall_task_free(struct task *task);

/* Zeroed memory, page aligned; NULL: none.  For what every CPU needs one of.  And back. */
void *upcall_boot_alloc(size_t bytes);
void upcall_boot_free(void *memory);

/* A further CPU is about to come online: give it what the higher layers keep per CPU.  Runs on it,
 * interrupts off. */
struct cpu;
void upcall_cpu_start(struct cpu *cpu);

/* SIGPIPE for the running thread: it wrote where nobody reads any more. */
void upcall_send_sigpipe(void);

/* The number of the task's process; 0: it has none. */
int32_t upcall_task_pid(const struct task *task);

/* Panic: print what the higher layers know of the running task (name, pid) on the console. */
void upcall_describe_task(const struct task *task);

/* What the running task's process gives to the file layer.  A task without one (kernel tasks,
 * tests) is the superuser, has no context (NULL) and no limits (RLIM_INFINITY). */
struct credentials;
struct fs_context;
const struct credentials *upcall_credentials(void);
struct fs_context *upcall_fs_context(void);
uint64_t upcall_rlimit(unsigned which);
bool upcall_is_privileged(void);

/* The running task has this instead; what it had, still counted, is the caller's. */
struct fdtable;
struct fdtable *upcall_change_files(struct fdtable *files);
struct fs_context *upcall_change_fs_context(struct fs_context *context);
