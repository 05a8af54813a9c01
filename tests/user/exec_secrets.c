/* SPDX-License-Identifier: MIT */
/*
 * tests/user/exec_secrets.c - what others may see of a program that becomes another one, and what
 * its own threads may change meanwhile.
 */
#include "credentials.h"
#include "memory.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>

/* ---- what we are when we were started anew ---- */

__attribute__((constructor)) static void play_program(void)
{
	const char *role = getenv("ROLE");
	int signal = -1;

	if (!role)
		return;
	if (strcmp(role, "sleeper") == 0)
		for (;;)
			pause();
	if (strcmp(role, "changed") == 0)
		_exit(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == 0 &&
		      prctl(PR_GET_DUMPABLE) != 1 ? 5 : 6);
	_exit(7);
}

/* A copy of this program where everybody may run it. */
static char place[] = "/tmp/secrets_XXXXXX", copy[64], other[64];

static void place_make(void)
{
	SUPERUSER_ONLY();
	CHECK(mkdtemp(place) != NULL);
	CHECK_EQ(chmod(place, 0755), 0);
	snprintf(copy, sizeof(copy), "%s/copy", place);
	snprintf(other, sizeof(other), "%s/other", place);
	int fd = open(copy, O_CREAT | O_WRONLY, 0600);

	CHECK(fd >= 0 && fchmod(fd, 0755) == 0 && close(fd) == 0);
	copy_of_us(copy);
}

static void place_end(void)
{
	unlink(copy);
	unlink(other);
	CHECK_EQ(rmdir(place), 0);
}

static void run(const char *name, char *role)
{
	char *arguments[] = {"copy", NULL}, *environment[] = {role, NULL};

	execve(name, arguments, environment);
	_exit(99);
}

/* ---- the program before ---- */

enum { SECRET = 50, ROUNDS = 15, OLD_PAGES = 8192 };

/* The superuser's, with a file that is for him alone, becomes somebody's. */
static pid_t start_who_changes(struct gate gate, bool is_saved)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	pages_mark(pages_new(OLD_PAGES), OLD_PAGES, 1);
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(dup3(fd, SECRET, O_CLOEXEC), SECRET);
	CHECK_EQ(setgroups(0, NULL), 0);
	CHECK_EQ(setresgid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
	if (is_saved) {                 /* what only exec takes from it */
		CHECK_EQ(setresuid(SOMEBODY, SOMEBODY, 0), 0);
		CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
	} else {
		CHECK_EQ(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
	}
	gate_pass(gate);
	run(copy, "ROLE=sleeper");
	_exit(98);
}

/* EPERM until it is another program, then EBADF: it has no such file. */
static void look_until_it_is_another(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	CHECK(fd >= 0);
	while (syscall(SYS_pidfd_getfd, fd, SECRET, 0) < 0 && errno == EPERM)
		;
	CHECK_EQ(errno, EBADF);
	CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, SECRET, 0), EBADF);
	close(fd);
}

/* Returns once it has begun to look. */
static pid_t start_looker(struct gate gate, pid_t pid)
{
	int begun[2];
	char byte;

	CHECK_EQ(pipe(begun), 0);
	pid_t looker = fork();
	CHECK(looker >= 0);
	if (looker == 0) {
		gate_open(gate);
		become(SOMEBODY);
		CHECK_EQ(write(begun[1], "x", 1), 1);
		look_until_it_is_another(pid);
		_exit(0);
	}
	CHECK_EQ(read(begun[0], &byte, 1), 1);
	close(begun[0]);
	close(begun[1]);
	return looker;
}

static bool may_look_at_others(void)
{
	char mode = '0';
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY);

	(void)!read(fd, &mode, 1);
	close(fd);
	return mode == '0';
}

TEST(files_of_the_program_before_are_closed_before_others_may_look)
{
	if (!may_look_at_others())
		SKIP("only a parent may look here");
	place_make();
	for (int i = 0; i < ROUNDS; i++) {
		struct gate gate = gate_new();
		pid_t pid = start_who_changes(gate, i % 2), looker = start_looker(gate, pid);

		gate_open(gate);
		CHECK_EXIT(looker, 0);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_KILLED(pid, SIGKILL);
	}
	place_end();
}

/* ---- a linker that may not be read ---- */

struct tiny {
	Elf64_Ehdr head;
	Elf64_Phdr parts[2];
	unsigned char code[16];
	char linker[64];
};

/* It pauses for ever.  With a linker it does not come to that, but the linker does. */
static void tiny_make(const char *name, const char *linker, mode_t mode)
{
	static const unsigned char sleep_for_ever[] = {0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7};
	struct tiny tiny = {
		.head = {
			.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
			.e_entry = offsetof(struct tiny, code),
			.e_phoff = offsetof(struct tiny, parts),
			.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = linker ? 2 : 1,
		},
		.parts = {
			{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = sizeof(tiny),
			 .p_memsz = sizeof(tiny), .p_align = 4096},
			{.p_type = PT_INTERP, .p_flags = PF_R,
			 .p_offset = offsetof(struct tiny, linker)},
		},
	};

	memcpy(tiny.code, sleep_for_ever, sizeof(sleep_for_ever));
	if (linker) {
		strcpy(tiny.linker, linker);
		tiny.parts[1].p_filesz = tiny.parts[1].p_memsz = strlen(linker) + 1;
	}
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	CHECK(fd >= 0 && write(fd, &tiny, sizeof(tiny)) == sizeof(tiny));
	CHECK(fchmod(fd, mode) == 0 && close(fd) == 0);
}

/* Started by somebody, does he see its memory? */
static bool is_open_to_its_parent(void)
{
	char path[32];
	pid_t pid = fork();

	if (pid == 0)
		run(copy, "ROLE=none");
	child_settle(pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0 || errno == EACCES);
	close(fd);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	return fd >= 0;
}

TEST(linker_that_may_not_be_read_hides_the_program)
{
	place_make();
	tiny_make(copy, other, 0755);
	tiny_make(other, NULL, 0755);
	AS(SOMEBODY, CHECK(is_open_to_its_parent()));
	CHECK_EQ(chmod(other, 0711), 0);
	AS(SOMEBODY, CHECK(!is_open_to_its_parent()));
	place_end();
}

/* ---- other rights ---- */

/* Also where they are no more than one has in the end. */
TEST(change_of_ids_hides_and_forgets)
{
	place_make();
	CHECK_EQ(chown(copy, SOMEBODY, SOMEBODY), 0);
	CHECK_EQ(chmod(copy, 04755), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresgid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
		CHECK_EQ(setresuid(SOMEBODY, OTHER, OTHER), 0);
		CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
		run(copy, "ROLE=changed");
	}
	CHECK_EXIT(pid, 5);
	place_end();
}

static void *change_ids(void *unused)
{
	for (;;) {
		syscall(SYS_setresgid, -1, 1, -1);
		syscall(SYS_setresgid, -1, 0, -1);
	}
	return unused;
}

static void *change_ids_and_end(void *unused)
{
	syscall(SYS_setresgid, -1, 1, -1);
	return unused;
}

/* The call begins once more. */
TEST(exec_succeeds_whatever_ids_other_threads_take)
{
	SUPERUSER_ONLY();
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			pthread_t thread;

			CHECK_EQ(pthread_create(&thread, NULL,
				i % 2 ? change_ids : change_ids_and_end, NULL), 0);
			run("/proc/self/exe", "ROLE=none");
		}
		CHECK_EXIT(pid, 7);
	}
}
