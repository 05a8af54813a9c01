/* SPDX-License-Identifier: MIT */
/*
 * kernel/exec.c - replace a program.
 *
 *      find       the file, through `#!` lines to the interpreter of a script
 *      build      an unpublished space: segments, dynamic linker, heap, stack
 *      be alone   other threads die; who fails from here on, and had some, dies too.  If one of
 *                 them has changed what was decided by, all begins once more
 *      reserve    what the process must own alone: signal actions, descriptors
 *      commit     nothing can fail any more: space, handlers, ids, registers
 *
 * Owns:       struct exec, a program under construction.
 * Invariants: until the commit the old program is untouched, but for threads that died.
 *             Others may look inside only when they may see the old program and the new one, until
 *             nothing of the old one is left.
 * Locks:      none while building; process_tree_lock for what others see of a process.
 * See:        execve(2); kernel/loader.c for segments, kernel/arguments.c for the stack.
 */
#include "kernel/exec.h"

#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/abi/linux.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/trap.h"
#include "kernel/arguments.h"
#include "kernel/entropy.h"
#include "kernel/event.h"
#include "kernel/exit.h"
#include "kernel/loader.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/sigframe.h"
#include "kernel/signal.h"
#include "kernel/upcall.h"
#include "fs/context.h"
#include "fs/fdtable.h"
#include "mm/slab.h"

enum { EXEC_AGAIN = 1 };                /* nothing was done, but other threads are gone */
enum { SCRIPT_DEPTH_MAX = 4, SHIFT_PAGES_MASK = 0x3fff, HEAP_SHIFT_PAGES_MASK = 0xff };

struct exec {
	struct path path;               /* the program's file; counted */
	struct path *executable;        /* for /proc/PID/exe; counted */
	struct space *space;            /* one user: us */
	struct arguments arguments;
	virt_t base, linker_base;       /* of the file, of its PT_INTERP's, 0: none */
	virt_t entry;                   /* where it starts */
	struct credentials credentials; /* what they will be */
	struct credentials old;         /* what they were when that was decided */
	bool is_secure;                 /* it may do more than its user */
	bool has_secrets;               /* its user may not see everything of it */
	struct stack_plan stack;
	char name[TASK_NAME_MAX];

	/* Undefined until they are filled. */
	struct elf_image image;
	char head[PROGRAM_HEAD_BYTES];
	char interpreter[PROGRAM_HEAD_BYTES];   /* of a script, from its head */
};

/* A dynamic program's PT_INTERP, while it is loaded. */
struct linker {
	struct path path;               /* counted, or empty */
	struct elf_image image;
	char name[PATH_MAX];
};

static struct slab_cache exec_cache;

static struct exec *exec_create(void);
static void exec_destroy(struct exec *exec);
static int exec_run(struct exec *exec, const struct path *start, const char *name, int at_flags,
		    bool *has_lost_threads);
static int exec_find(struct exec *exec, const struct path *start, const char *name, int at_flags);
static int exec_build(struct exec *exec, const char *name);
static int exec_reserve(void);
static bool is_led_by_others(void);
static void exec_commit(struct exec *exec);

void programs_start(void)
{
	slab_cache_init(&exec_cache, "exec", sizeof(struct exec), 8);
}

int program_exec(const struct path *start, const char *name, char *const argv[], char *const envp[])
{
	struct exec *exec = exec_create();

	if (!exec)
		return -ENOMEM;
	int err = arguments_add(&exec->arguments, argv);
	if (!err)
		err = environment_add(&exec->arguments, envp);
	bool has_lost_threads = false;  /* it has one */
	if (!err)
		err = exec_run(exec, start, name, 0, &has_lost_threads);
	exec_destroy(exec);
	return err;
}

static int exec_try(const struct path *start, const char *name, const struct exec_request *request,
		    bool *has_lost_threads)
{
	struct exec *exec = exec_create();

	if (!exec)
		return -ENOMEM;
	int err = arguments_add_user(&exec->arguments, request->argv);
	if (!err)
		err = environment_add_user(&exec->arguments, request->envp);
	if (!err)
		err = exec_run(exec, start, name, request->flags, has_lost_threads);
	exec_destroy(exec);
	return err;
}

int program_exec_user(const struct path *start, const char *name,
		      const struct exec_request *request)
{
	bool has_lost_threads = false;
	int err;

	do {
		err = exec_try(start, name, request, &has_lost_threads);
	} while (err == EXEC_AGAIN);
	if (err && has_lost_threads)
		signal_force_fatal(SIGSEGV);    /* what they held nobody will release */
	return err;
}

static struct exec *exec_create(void)
{
	struct exec *exec = slab_alloc(&exec_cache);

	if (!exec)
		return NULL;
	memset(exec, 0, offsetof(struct exec, image));
	arguments_init(&exec->arguments, upcall_rlimit(RLIMIT_STACK));
	return exec;
}

static void exec_destroy(struct exec *exec)
{
	arguments_free(&exec->arguments);
	executable_put(exec->executable);
	if (exec->space)
		space_put(exec->space);
	path_put(&exec->path);
	slab_free(&exec_cache, exec);
}

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static bool gains_rights(const struct exec *exec)
{
	return exec->credentials.euid != exec->old.euid || exec->credentials.egid != exec->old.egid;
}

/* Has another thread, before it died, changed who we are or what we may become?  The new program's
 * stack says what was decided. */
static bool was_overtaken(const struct exec *exec)
{
	const struct process *self = current_process();

	return memcmp(&self->credentials, &exec->old, sizeof(exec->old)) != 0 ||
	       (gains_rights(exec) && (self->no_new_privs || is_led_by_others()));
}

/* EXEC_AGAIN: now that nobody else can change anything. */
static int exec_run(struct exec *exec, const struct path *start, const char *name, int at_flags,
		    bool *has_lost_threads)
{
	strlcpy(exec->name, last_part(name), sizeof(exec->name));
	int err = exec_find(exec, start, name, at_flags);
	if (!err)
		err = exec_build(exec, name);
	if (err)
		return err;
	bool has_others = READ_ONCE(current_process()->thread_count) > 1;
	err = process_kill_other_threads();
	if (err)
		return err;
	*has_lost_threads |= has_others;
	if (was_overtaken(exec))
		return EXEC_AGAIN;
	err = exec_reserve();
	if (!err)
		exec_commit(exec);
	return err;
}

/* ---- find ----------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cut `#! interpreter argument` into its words; the argument is all the rest of the line.  False:
 * no interpreter there, or its name is cut off. */
static bool script_parse(char *head, char **interpreter, char **argument)
{
	char *end = memchr(head, '\n', PROGRAM_HEAD_BYTES - 1);
	char *at = head + 2;

	bool is_cut = !end && strnlen(head, PROGRAM_HEAD_BYTES) >= PROGRAM_HEAD_BYTES - 1;
	if (!end)
		end = head + strnlen(head, PROGRAM_HEAD_BYTES - 1);
	while (end > at && is_blank(end[-1]))
		end--;
	*end = '\0';
	while (is_blank(*at))
		at++;
	*interpreter = at;
	while (*at && !is_blank(*at))
		at++;
	if (at == *interpreter || (is_cut && at == end))
		return false;
	if (*at)
		*at++ = '\0';
	while (is_blank(*at))
		at++;
	*argument = *at ? at : NULL;
	return true;
}

/* The script becomes an argument of its interpreter, which is looked at next. */
static int script_enter(struct exec *exec, const char *script_name)
{
	char *interpreter, *argument;

	if (!script_parse(exec->head, &interpreter, &argument))
		return -ENOEXEC;
	arguments_drop_first(&exec->arguments);
	int err = arguments_prepend(&exec->arguments, script_name);
	if (!err && argument)
		err = arguments_prepend(&exec->arguments, argument);
	if (!err)
		err = arguments_prepend(&exec->arguments, interpreter);
	if (!err)
		strlcpy(exec->interpreter, interpreter, sizeof(exec->interpreter));
	return err;
}

static int program_find_from_cwd(const char *name, struct path *out)
{
	struct path cwd;

	context_cwd(&cwd);
	int err = program_find(&cwd, name, 0, out);
	path_put(&cwd);
	return err;
}

/* From the name to a file that is no script, and its head. */
static int exec_find(struct exec *exec, const struct path *start, const char *name, int at_flags)
{
	int err = program_find(start, name, at_flags, &exec->path);

	for (int depth = 0; !err; depth++) {
		err = program_head(&exec->path, exec->head);
		if (err || exec->head[0] != '#' || exec->head[1] != '!')
			return err;
		if (depth == SCRIPT_DEPTH_MAX)
			return -ELOOP;
		err = script_enter(exec, depth == 0 ? name : exec->interpreter);
		if (err)
			return err;
		path_put(&exec->path);
		err = program_find_from_cwd(exec->interpreter, &exec->path);
	}
	return err;
}

/* ---- build ---------------------------------------------------------------------------------- */

struct company {
	const struct process *self;
	const struct fs_context *places;
	bool has_others;
};

static void look_for_company(struct process *process, void *argument) NO_LOCK_ANALYSIS
{
	struct company *company = argument;
	struct thread *thread;

	list_for_each_entry(thread, &process->threads, node)
		company->has_others |= process != company->self && thread->fs == company->places;
}

/* Could another process change our root or current directory (clone(CLONE_FS)), and so lead astray
 * a program that may do what we may not? */
static bool is_led_by_others(void)
{
	struct company company = { .self = current_process(), .places = current_thread()->fs };

	if (process_is_privileged() || !READ_ONCE(company.places->is_joint))
		return false;
	spin_lock(&process_tree_lock);
	process_for_each(look_for_company, &company);
	spin_unlock(&process_tree_lock);
	return company.has_others;
}

/* May who runs the file not read it? */
static bool is_secret(const struct path *file)
{
	return inode_permission(path_inode(file), MAY_READ) != 0;
}

/* Who the program will run as, and whether it has what others may not see.  A set-ID bit counts
 * unless the mount or the process forbids it. */
static void exec_choose_ids(struct exec *exec)
{
	const struct process *self = current_process();
	struct credentials *ids = &exec->credentials;
	struct inode_rights file;

	inode_rights(path_inode(&exec->path), &file);
	bool may_gain = file.mode & (S_ISUID | S_ISGID) &&
			!(atomic_load_relaxed(&exec->path.mount->flags) & MS_NOSUID) &&
			!is_led_by_others();
	spin_lock(&process_tree_lock);
	*ids = exec->old = self->credentials;
	may_gain &= !self->no_new_privs;
	spin_unlock(&process_tree_lock);
	if (may_gain && file.mode & S_ISUID)
		ids->euid = file.uid;
	if (may_gain && file.mode & S_ISGID && file.mode & S_IXGRP)
		ids->egid = file.gid;
	exec->is_secure = ids->euid != ids->uid || ids->egid != ids->gid;
	exec->has_secrets = exec->is_secure || gains_rights(exec) || is_secret(&exec->path);
	ids->suid = ids->fsuid = ids->euid;
	ids->sgid = ids->fsgid = ids->egid;
}

static int linker_find(struct linker *linker, struct exec *exec)
{
	int err = program_interpreter(&exec->path, &exec->image, linker->name,
				      sizeof(linker->name));
	if (!err)
		err = program_find_from_cwd(linker->name, &linker->path);
	if (!err)
		err = program_head(&linker->path, exec->head);
	if (!err)
		err = program_check(&linker->path, exec->head, &linker->image);
	if (!err)
		exec->has_secrets |= is_secret(&linker->path);
	return err == -ENOEXEC ? -ELIBBAD : err;
}

static int exec_load_linker(struct exec *exec)
{
	struct linker *linker = kmalloc(sizeof(*linker));

	if (!linker)
		return -ENOMEM;
	linker->path = (struct path){ 0 };
	int err = linker_find(linker, exec);
	if (!err)
		err = interpreter_place(exec->space, &linker->image, &exec->linker_base);
	if (!err)
		err = program_map(exec->space, &linker->path, &linker->image, exec->linker_base);
	if (!err)
		exec->entry = exec->linker_base + linker->image.entry;
	path_put(&linker->path);
	kfree(linker);
	return err;
}

/* Where the heap begins, and what /proc/PID/stat says of code and data. */
static void exec_note_parts(struct exec *exec, uint64_t heap_shift)
{
	struct program *program = &exec->space->program;
	const struct elf_image *image = &exec->image;

	for (unsigned i = 0; i < image->load_count; i++) {
		const struct elf_load *load = &image->loads[i];
		virt_t start = exec->base + load->vaddr, end = start + load->file_size;
		if (load->prot & PROT_EXEC && !program->code_start)
			program->code_start = start;
		if (load->prot & PROT_EXEC)
			program->code_end = end;
		if (load->prot & PROT_WRITE && !program->data_start)
			program->data_start = start;
		if (load->prot & PROT_WRITE)
			program->data_end = end;
	}
	exec->space->brk_start = page_ceil(exec->base + image->high) + heap_shift;
	exec->space->brk = exec->space->brk_start;
}

static void exec_fill_auxv(struct exec *exec)
{
	const struct elf_image *image = &exec->image;
	const struct credentials *ids = &exec->credentials;
	struct stack_plan *plan = &exec->stack;

	auxv_add(plan, AT_HWCAP, cpuid(1, 0).edx);
	auxv_add(plan, AT_PAGESZ, PAGE_SIZE);
	auxv_add(plan, AT_CLKTCK, USER_HZ);
	auxv_add(plan, AT_PHDR, image->table_vaddr ? exec->base + image->table_vaddr : 0);
	auxv_add(plan, AT_PHENT, image->table_entry_size);
	auxv_add(plan, AT_PHNUM, image->table_entries);
	auxv_add(plan, AT_BASE, exec->linker_base);
	auxv_add(plan, AT_FLAGS, 0);
	auxv_add(plan, AT_ENTRY, exec->base + image->entry);
	auxv_add(plan, AT_UID, ids->uid);
	auxv_add(plan, AT_EUID, ids->euid);
	auxv_add(plan, AT_GID, ids->gid);
	auxv_add(plan, AT_EGID, ids->egid);
	auxv_add(plan, AT_SECURE, exec->is_secure);
	auxv_add(plan, AT_HWCAP2, 0);
	auxv_add(plan, AT_MINSIGSTKSZ, sigframe_bytes());
}

static int exec_build(struct exec *exec, const char *name)
{
	struct { uint64_t places; uint8_t for_program[PROGRAM_RANDOM_BYTES]; } random;

	entropy_fill(&random, sizeof(random));
	memcpy(exec->stack.random, random.for_program, sizeof(exec->stack.random));
	uint64_t aslr = options.no_aslr ? 0 : random.places;
	int err = program_check(&exec->path, exec->head, &exec->image);
	if (err)
		return err;
	exec->executable = executable_make(&exec->path);
	exec->space = space_create();
	if (!exec->executable || !exec->space)
		return -ENOMEM;
	space_layout(exec->space, aslr, upcall_rlimit(RLIMIT_STACK));
	exec->space->is_exact = current->space && READ_ONCE(current->space->is_exact);
	exec_choose_ids(exec);

	uint64_t shift = (aslr >> 32 & SHIFT_PAGES_MASK) << PAGE_SHIFT;
	err = program_place(exec->space, &exec->image, shift, &exec->base);
	if (!err)
		err = program_map(exec->space, &exec->path, &exec->image, exec->base);
	exec->entry = exec->base + exec->image.entry;
	if (!err && exec->image.interp_size > 0)
		err = exec_load_linker(exec);
	if (err)
		return err;
	exec_note_parts(exec, (aslr >> 48 & HEAP_SHIFT_PAGES_MASK) << PAGE_SHIFT);
	exec_fill_auxv(exec);
	exec->stack.arguments = &exec->arguments;
	exec->stack.file_name = name;
	exec->stack.is_executable = exec->image.is_stack_executable;
	return stack_build(exec->space, &exec->stack);
}

/* ---- commit --------------------------------------------------------------------------------- */

/* We are the only thread left, but may share handlers and descriptors with other processes. */
static int exec_reserve(void)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	if (atomic_load_relaxed(&process->actions->refs) > 1) {
		struct signal_actions *mine = signal_actions_copy(process->actions), *shared;
		if (!mine)
			return -ENOMEM;
		spin_lock(&process_tree_lock);
		shared = process->actions;
		process->actions = mine;
		spin_unlock(&process_tree_lock);
		signal_actions_put(shared);
	}
	return fdtable_prepare_exec();
}

/* The last thread takes over the process's number from the first one, which is dead. */
static void thread_become_leader(struct thread *thread)
{
	struct process *process = thread->process;
	struct thread *old = process->leader;

	assert(old->has_exited && process->thread_count == 1);
	pid_set_thread(thread->tid, NULL);
	pid_release(thread->tid);
	thread->tid = thread->task->tid = process->pid;
	process->leader = thread;
	pid_set_thread(process->pid, thread);
	thread_put(old);
}

/* What others see of the process changes at once. */
static void process_rename(struct exec *exec)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	spin_lock(&process_tree_lock);
	if (thread != process->leader)
		thread_become_leader(thread);
	struct path *old = process->executable;
	process->executable = exec->executable;
	exec->executable = old;
	memcpy(process->name, exec->name, sizeof(process->name));
	memcpy(current->name, exec->name, sizeof(current->name));
	bool is_same = memcmp(&process->credentials, &exec->credentials,
			      sizeof(exec->credentials)) == 0;
	process->is_dumpable &= is_same && !exec->has_secrets;
	process->credentials = exec->credentials;
	process->has_execed = true;
	process->exit_signal = SIGCHLD;
	process->program++;
	if (exec->is_secure || gains_rights(exec))
		process->parent_death_signal = 0;
	spin_unlock(&process_tree_lock);
}

/* The old program's memory is gone, and what it had open for itself. */
static void process_let_look(const struct exec *exec)
{
	spin_lock(&process_tree_lock);
	current_process()->is_dumpable = !exec->has_secrets;
	spin_unlock(&process_tree_lock);
}

/* The registers with which the program starts. */
static void registers_reset(const struct exec *exec)
{
	struct trap_frame *frame = task_frame(current);

	*frame = (struct trap_frame){
		.rip = exec->entry,
		.rsp = exec->stack.rsp,
		.rflags = RFLAGS_FIXED | RFLAGS_IF,
		.cs = SELECTOR_USER_CODE,
		.ss = SELECTOR_USER_DATA,
	};
	frame_set_replaced(frame);
	preempt_disable();
	fpu_state_reset(current->fpu);
	fpu_restore(current->fpu);
	preempt_enable();
	task_set_fs_base(0);
	task_set_gs_base(0);
}

static void exec_commit(struct exec *exec)
{
	struct thread *thread = current_thread();
	struct space *space = exec->space;

	exec->space = NULL;
	thread_leave_words();
	process_rename(exec);
	thread_change_space(space);
	signal_actions_reset(thread->process->actions);
	thread->alternate_stack = (struct abi_stack){ .ss_flags = SS_DISABLE };
	thread->restart = NULL;
	fdtable_close_on_exec(current->files);
	process_let_look(exec);
	registers_reset(exec);
	event(process_exec, thread->process->pid, 0, 0);
}
