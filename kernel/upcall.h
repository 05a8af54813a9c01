/* SPDX-License-Identifier: MIT */
/*
 * kernel/upcall.h - what lower layers may ask of higher ones.
 *
 * Dependencies point down the map.  The few calls against the grain are declared here and all
 * defined in kernel/upcalls.c, and nowhere else.
 */
#pragma once

#include "lib/types.h"

struct trap_frame;

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

/*
 * A page fault at a user address, from a program or from a kernel copy.  May sleep.
 * 0: run the instruction again.  -EFAULT no mapping, -EACCES forbidden, -ENXIO beyond the end of
 * the object (SIGBUS), -ENOMEM.
 */
int upcall_page_fault(virt_t addr, enum access access);

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

/* Where the CPU's timer went off.  Interrupt context. */
void upcall_timer(void);

/* The task's kernel stack is no longer in use; free what is left of it.  Called by the scheduler
 * after switching away for the last time, preemption off, no locks held. */
struct task;
void upcall_task_dead(struct task *task);

/* A zeroed task with a kernel stack (task.stack); NULL: no memory.  And back. */
struct task *upcall_task_alloc(void);
void upcall_task_free(struct task *task);

/* Zeroed memory for ever, page aligned; NULL: none.  For what every CPU needs one of. */
void *upcall_boot_alloc(size_t bytes);

/* A further CPU is about to come online: give it what the higher layers keep per CPU.  Runs on it,
 * interrupts off. */
struct cpu;
void upcall_cpu_start(struct cpu *cpu);

/* SIGPIPE for the running thread: it wrote where nobody reads any more. */
void upcall_send_sigpipe(void);

/* Panic: print what the higher layers know of the running task (name, pid) on the console. */
void upcall_describe_task(const struct task *task);

/* What the running task's process gives to the file layer.  A task without one (kernel tasks,
 * tests) is the superuser, has no context and no table (NULL), and no limits (RLIM_INFINITY). */
struct credentials;
struct fs_context;
struct fdtable;
const struct credentials *upcall_credentials(void);
struct fs_context *upcall_fs_context(void);
struct fdtable *upcall_fdtable(void);
uint64_t upcall_rlimit(unsigned which);
bool upcall_is_privileged(void);
