/* SPDX-License-Identifier: MIT */
/*
 * tests/differ/operate.c - what each operation does, and says.
 *
 * Owns: the file that all actors see (FILE_FD), a page's worth of pipe, the fault under way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/differ/differ.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static int file = -1, ends[2];
static char *heap, *heap_end;
static sigjmp_buf after_fault;
static siginfo_t fault;
static uint8_t values;
/* Closed to PROT_NONE, or older than a fork: see core() and lock(). */
static bool is_vague[WINDOW_PAGES];

/* None without PROT_READ: processors read all the same, and Linux refuses MADV_POPULATE_READ. */
static const int prots[] = {
	PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC,
	PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC,
};

/* MADV_FREE is not there: when its pages go is each system's own affair. */
static const struct { int number; const char *name; } advice[] = {
	{ MADV_DONTNEED, "DONTNEED" }, { MADV_DONTNEED, "DONTNEED" }, { MADV_DONTFORK, "DONTFORK" },
	{ MADV_DOFORK, "DOFORK" }, { MADV_WIPEONFORK, "WIPEONFORK" },
	{ MADV_KEEPONFORK, "KEEPONFORK" }, { MADV_POPULATE_READ, "POPULATE_READ" },
	{ MADV_POPULATE_WRITE, "POPULATE_WRITE" }, { MADV_REMOVE, "REMOVE" },
	{ MADV_WILLNEED, "WILLNEED" }, { MADV_COLD, "COLD" }, { MADV_NORMAL, "NORMAL" },
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static char *page_at(unsigned page)
{
	return (char *)WINDOW + page % WINDOW_PAGES * PAGE;
}

/* `a` and the pages behind it, `b` and one; not beyond the window. */
static size_t length_of(const struct line *line)
{
	unsigned page = line->a % WINDOW_PAGES, count = 1 + line->b;

	return (size_t)PAGE * (page + count > WINDOW_PAGES ? WINDOW_PAGES - page : count);
}

static int prot_of(const struct line *line)
{
	return prots[line->c % COUNT_OF(prots)];
}

const char *error_name(int number)
{
	static char other[16];

	switch (number) {
	case EFAULT: return "EFAULT";
	case EINVAL: return "EINVAL";
	case ENOMEM: return "ENOMEM";
	case EACCES: return "EACCES";
	case EPERM: return "EPERM";
	case EBUSY: return "EBUSY";
	case EAGAIN: return "EAGAIN";
	}
	snprintf(other, sizeof(other), "errno %d", number);
	return other;
}

static void answer(long result)
{
	if (result < 0)
		say("%s\n", error_name(errno));
	else
		say("ok\n");
}

/* ---- bytes ---- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	fault = *info;
	siglongjmp(after_fault, 1);
}

/* Where the heap lies is each system's own affair. */
static void say_fault(void)
{
	uintptr_t at = (uintptr_t)fault.si_addr;
	bool is_window = at >= WINDOW && at < WINDOW + WINDOW_PAGES * PAGE;

	say("signal %d code %d at %s%+ld\n", fault.si_signo, fault.si_code,
	    is_window ? "window" : "heap", (long)(at - (is_window ? WINDOW : (uintptr_t)heap)));
}

static void load(const char *at)
{
	if (sigsetjmp(after_fault, 1))
		say_fault();
	else
		say("%d\n", *(volatile const unsigned char *)at);
}

static void store(char *at)
{
	if (sigsetjmp(after_fault, 1)) {
		say_fault();
		return;
	}
	*(volatile unsigned char *)at = ++values;
	say("now %d\n", values);
}

/* Every page of the window, as far as it can be read. */
static void look(void)
{
	for (volatile unsigned page = 0; page < WINDOW_PAGES; page++) {
		if (sigsetjmp(after_fault, 1))
			say(" %c%d", fault.si_signo == SIGBUS ? 'B' : 'S', fault.si_code);
		else
			say(" %d", *(volatile unsigned char *)page_at(page));
	}
	say("\n");
}

/* ---- mappings ---- */

static void note_vague(unsigned page, size_t len, bool are_vague)
{
	for (unsigned i = 0; i < len / PAGE; i++)
		is_vague[(page + i) % WINDOW_PAGES] = are_vague;
}

static bool any_vague(unsigned page, size_t len)
{
	bool any = false;

	for (unsigned i = 0; i < len / PAGE; i++)
		any = any || is_vague[(page + i) % WINDOW_PAGES];
	return any;
}

static void map(const struct line *line, int flags, int fd)
{
	size_t offset = fd < 0 ? 0 : (size_t)PAGE * (line->d % FILE_PAGES);
	void *at = mmap(page_at(line->a), length_of(line), prot_of(line), flags | MAP_FIXED, fd,
			offset);

	if (at != MAP_FAILED)
		note_vague(line->a, length_of(line), prot_of(line) == PROT_NONE);
	answer(at == MAP_FAILED ? -1 : 0);
}

/* Is all of it mapped?  mincore() says so on both. */
static bool has_hole(char *at, size_t len)
{
	unsigned char pages[WINDOW_PAGES];

	return mincore(at, len, pages) != 0;
}

/* Before a hole Linux changes what it can and then refuses; Cowbell refuses the whole. */
static bool refuses_hole(const struct line *line)
{
	if (!has_hole(page_at(line->a), length_of(line)))
		return false;
	say("has a hole\n");
	return true;
}

static void protect(const struct line *line)
{
	if (refuses_hole(line))
		return;
	if (prot_of(line) == PROT_NONE)
		note_vague(line->a, length_of(line), true);
	answer(mprotect(page_at(line->a), length_of(line), prot_of(line)));
}

/* To grow, a page is enough: more may be several ranges for Linux, and one for Cowbell. */
static void resize(const struct line *line)
{
	size_t len = (size_t)PAGE * (1 + line->c % 6), old = length_of(line);
	void *at = mremap(page_at(line->a), len > old ? PAGE : old, len, 0);

	answer(at == MAP_FAILED ? -1 : 0);
}

/* One range at a time, as in Linux before 6.17: so one page, which may grow. */
static void move(const struct line *line)
{
	size_t len = PAGE, most = (size_t)PAGE * (WINDOW_PAGES - line->d % WINDOW_PAGES);
	size_t to_len = line->c & 2 ? len : (size_t)PAGE * (1 + line->c % 5);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (line->c == 7 ? MREMAP_DONTUNMAP : 0);
	bool are_vague = any_vague(line->a, len);
	void *at = mremap(page_at(line->a), len, to_len > most ? most : to_len, flags,
			  page_at(line->d));

	if (at != MAP_FAILED)
		note_vague(line->d, to_len > most ? most : to_len, are_vague);
	answer(at == MAP_FAILED ? -1 : 0);
}

/* How far a lock gets that fails is each system's affair. */
static void lock(const struct line *line)
{
	if (refuses_hole(line))
		return;
	if (any_vague(line->a, length_of(line)))
		say("vague\n");
	else
		answer(mlock(page_at(line->a), length_of(line)));
}

static void unlock(const struct line *line)
{
	if (!refuses_hole(line))
		answer(munlock(page_at(line->a), length_of(line)));
}

void operate_forked(void)
{
	note_vague(0, (size_t)WINDOW_PAGES * PAGE, true);
}

static void advise(const struct line *line)
{
	unsigned index = line->c % COUNT_OF(advice);

	/* Linux marks what stands before a range that cannot be: so one page at a time. */
	size_t len = advice[index].number == MADV_WIPEONFORK ? PAGE : length_of(line);

	say("%s ", advice[index].name);
	if (!refuses_hole(line))
		answer(madvise(page_at(line->a), len, advice[index].number));
}

/* Of pages that were only read, Linux keeps the frame of zeros when they lose all rights, and does
 * not hand it to a child; Cowbell drops it there, and here shares it. */
static void core(const struct line *line)
{
	unsigned char pages[WINDOW_PAGES];
	size_t len = length_of(line);

	if (mincore(page_at(line->a), len, pages) != 0) {
		answer(-1);
		return;
	}
	for (size_t i = 0; i < len / PAGE; i++)
		say(is_vague[line->a % WINDOW_PAGES + i] ? " -" : " %d", pages[i] & 1);
	say("\n");
}

/* ---- heap, file, pipe ---- */

static void change_break(const struct line *line)
{
	char *wanted = heap + (size_t)PAGE * (line->c % (HEAP_PAGES + 1)) + line->d;
	char *end = (char *)syscall(SYS_brk, wanted);

	heap_end = end;
	say("%ld\n", (long)(end - heap));
}

static void file_access(const struct line *line, bool writes)
{
	unsigned char byte = writes ? ++values : 0;
	off_t at = (off_t)PAGE * (line->a % FILE_PAGES) + line->d;
	ssize_t n = writes ? pwrite(file, &byte, 1, at) : pread(file, &byte, 1, at);

	if (n < 0)
		answer(n);
	else
		say("%zd %d\n", n, byte);
}

static void pipe_access(const struct line *line, bool reads)
{
	unsigned char byte = ++values;
	ssize_t n;

	if (reads) {
		n = write(ends[1], &byte, 1);
		n = read(ends[0], page_at(line->a) + 7, 1);
	} else {
		n = write(ends[1], page_at(line->a), 1);
	}
	int error = errno;
	if (n == 1 && !reads && read(ends[0], &byte, 1) == 1)
		say("%d\n", byte);
	else if (n == 1)
		say("now %d\n", byte);
	else
		say("%s\n", error_name(error));
	if (n != 1 && reads && read(ends[0], &byte, 1) != 1)
		say("    the byte is lost\n");
}

/* ---- the whole ---- */

void operate_start(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	file = syscall(SYS_memfd_create, "memory", 0);
	heap = heap_end = (char *)(((uintptr_t)syscall(SYS_brk, 0) + PAGE - 1) & -(uintptr_t)PAGE);
	syscall(SYS_brk, heap);
	values = 0;
	if (ftruncate(file, FILE_PAGES * PAGE) != 0 || pipe(ends) != 0)
		say("cannot start\n");
}

static void operate_mapping(const struct line *line)
{
	char *at = page_at(line->a);
	size_t len = length_of(line);

	switch (line->what) {
	case DO_map: map(line, MAP_PRIVATE | MAP_ANONYMOUS, -1); break;
	case DO_map_shared: map(line, MAP_SHARED | MAP_ANONYMOUS, -1); break;
	case DO_map_file: map(line, MAP_PRIVATE, file); break;
	case DO_map_file_shared: map(line, MAP_SHARED, file); break;
	case DO_unmap: answer(munmap(at, len)); break;
	case DO_protect: protect(line); break;
	case DO_resize: resize(line); break;
	case DO_move: move(line); break;
	case DO_advise: advise(line); break;
	case DO_lock: lock(line); break;
	case DO_unlock: unlock(line); break;
	case DO_sync: answer(msync(at, len, line->c & 1 ? MS_SYNC : MS_ASYNC)); break;
	case DO_mincore: core(line); break;
	}
}

void operate(const struct line *line)
{
	switch (line->what) {
	case DO_load: load(page_at(line->a)); break;
	case DO_store: store(page_at(line->a)); break;
	case DO_look: look(); break;
	case DO_smaps: say("\n"), observe_window(); break;
	case DO_locked: say("%ld\n", observe_status("VmLck:")); break;
	case DO_brk: change_break(line); break;
	case DO_heap_load: load(heap + (size_t)PAGE * (line->c % HEAP_PAGES)); break;
	case DO_heap_store: store(heap + (size_t)PAGE * (line->c % HEAP_PAGES)); break;
	case DO_file_store: file_access(line, true); break;
	case DO_file_load: file_access(line, false); break;
	case DO_truncate:
		answer(ftruncate(file, (off_t)PAGE * (line->c % (FILE_PAGES + 1))));
		break;
	case DO_punch:
		answer(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)PAGE * (line->a % FILE_PAGES), length_of(line)));
		break;
	case DO_write_from: pipe_access(line, false); break;
	case DO_read_to: pipe_access(line, true); break;
	default: operate_mapping(line); break;
	}
}
