/* SPDX-License-Identifier: MIT */
/*
 * tests/user/exec_args.c - what a new program finds: arguments, environment, auxiliary vector,
 * files.
 *
 * The program executes itself; what it shall check then stands in its first argument.
 */
#include "utest.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char *const no_environment[] = {NULL};

static void check_arguments(int argc, char **argv)
{
	CHECK_EQ(argc, 5);
	CHECK(strcmp(argv[2], "") == 0);
	CHECK(strcmp(argv[3], "two words") == 0);
	CHECK_EQ(strlen(argv[4]), 100000);
	CHECK(strcmp(getenv("NAME"), "value") == 0);
	CHECK(!getenv("HOME"));
}

static void check_auxv(int argc, char **argv)
{
	const unsigned char *random = (void *)getauxval(AT_RANDOM);

	(void)argc, (void)argv;
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_PHNUM) > 0);
	CHECK(getauxval(AT_PHDR) != 0);
	CHECK(getauxval(AT_ENTRY) != 0);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK(getauxval(AT_MINSIGSTKSZ) >= 1000);
	CHECK(strcmp((char *)getauxval(AT_PLATFORM), "x86_64") == 0);
	CHECK(strcmp((char *)getauxval(AT_EXECFN), "/proc/self/exe") == 0);
	CHECK(random != NULL);
	CHECK(random[0] | random[1] | random[2] | random[3] | random[4] | random[5]);
}

static void check_stack_alignment(int argc, char **argv)
{
	(void)argc;
	CHECK_EQ((uintptr_t)(argv - 1) % 16, 0);
}

static void check_files(int argc, char **argv)
{
	(void)argc;
	CHECK_EQ(fcntl(atoi(argv[2]), F_GETFD), 0);
	CHECK_ERRNO(fcntl(atoi(argv[3]), F_GETFD), EBADF);
}

static void check_signals(int argc, char **argv)
{
	struct sigaction action;
	sigset_t blocked;
	stack_t stack;

	(void)argc, (void)argv;
	CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
	CHECK(action.sa_handler == SIG_DFL);
	CHECK_EQ(sigaction(SIGUSR2, NULL, &action), 0);
	CHECK(action.sa_handler == SIG_IGN);
	CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &blocked), 0);
	CHECK(sigismember(&blocked, SIGTERM) && !sigismember(&blocked, SIGINT));
	CHECK_EQ(sigaltstack(NULL, &stack), 0);
	CHECK(stack.ss_flags & SS_DISABLE);
}

static void check_bss(int argc, char **argv)
{
	static char zeros[70000];

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(zeros); i++)
		CHECK_EQ(zeros[i], 0);
}

static void check_name(int argc, char **argv)
{
	char name[16];

	(void)argc, (void)argv;
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(strcmp(name, "exe") == 0);
}

static void check_script(int argc, char **argv)
{
	char name[16];

	CHECK_EQ(argc, 4);
	CHECK(strcmp(argv[3], "argument") == 0);
	CHECK_EQ(access(argv[2], X_OK), 0);
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(strncmp(name, strrchr(argv[2], '/') + 1, sizeof(name) - 1) == 0);
}

static void check_huge_pages(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
}

static const struct {
	const char *name;
	void (*run)(int argc, char **argv);
} checks[] = {
	{"--arguments", check_arguments}, {"--auxv", check_auxv},
	{"--alignment", check_stack_alignment}, {"--files", check_files},
	{"--signals", check_signals}, {"--bss", check_bss}, {"--name", check_name},
	{"--script", check_script}, {"--huge-pages", check_huge_pages},
};

/* Where the kernel put the arguments: below the environment, their number below them. */
static char **find_arguments(int *argc)
{
	char **argv = environ - 1;

	for (*argc = 0; (intptr_t)argv[-1] != *argc; ++*argc)
		argv--;
	return argv;
}

/* Runs before main. */
__attribute__((constructor)) static void run_check(void)
{
	int argc;
	char **argv = find_arguments(&argc);

	for (size_t i = 0; argc > 1 && i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (strcmp(argv[1], checks[i].name) == 0) {
			checks[i].run(argc, argv);
			_exit(0);
		}
	}
}

static void become(char *const argv[], char *const environment[])
{
	execve("/proc/self/exe", argv, environment);
	CHECK(!"executed");
}

static void ignore_nothing(int signal)
{
	(void)signal;
}

static char *make_string(size_t length)
{
	char *string = malloc(length + 1);

	memset(string, 'x', length);
	string[length] = '\0';
	return string;
}

TEST(arguments_and_environment)
{
	char *argv[] = {"self", "--arguments", "", "two words", make_string(100000), NULL};
	char *environment[] = {"NAME=value", NULL};

	become(argv, environment);
}

TEST(auxiliary_vector)
{
	become((char *[]){"self", "--auxv", NULL}, no_environment);
}

TEST(stack_is_aligned)
{
	char *argv[12] = {"self", "--alignment"};

	for (int extra = 0; extra < 8; extra++) {
		pid_t pid = fork();
		argv[2 + extra] = NULL;
		if (pid == 0)
			become(argv, no_environment);
		CHECK_EXIT(pid, 0);
		argv[2 + extra] = "odd";
	}
}

TEST(no_huge_pages_for_children_and_programs_either)
{
	CHECK_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	pid_t pid = fork();
	if (pid == 0)
		become((char *[]){"self", "--huge-pages", NULL}, no_environment);
	CHECK_EXIT(pid, 0);
}

TEST(close_on_exec)
{
	int kept = open("/proc/self/exe", O_RDONLY);
	int closed = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char kept_text[12], closed_text[12];

	snprintf(kept_text, sizeof(kept_text), "%d", kept);
	snprintf(closed_text, sizeof(closed_text), "%d", closed);
	become((char *[]){"self", "--files", kept_text, closed_text, NULL}, no_environment);
}

TEST(handlers_are_reset_masks_stay)
{
	static char memory[65536];
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
	sigset_t set;

	signal(SIGUSR1, ignore_nothing);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	CHECK_EQ(sigaltstack(&stack, NULL), 0);
	become((char *[]){"self", "--signals", NULL}, no_environment);
}

TEST(bss_is_zero)
{
	become((char *[]){"self", "--bss", NULL}, no_environment);
}

TEST(name_follows_the_file)
{
	become((char *[]){"self", "--name", NULL}, no_environment);
}

TEST(too_many_arguments)
{
	enum { STRINGS = 40 };
	char *argv[STRINGS + 1], *long_one = make_string(200000), *fine = make_string(120000);

	argv[0] = long_one;
	argv[1] = NULL;
	CHECK_ERRNO(execve("/proc/self/exe", argv, no_environment), E2BIG);
	for (int i = 0; i < STRINGS; i++)
		argv[i] = fine;
	argv[STRINGS] = NULL;
	CHECK_ERRNO(execve("/proc/self/exe", argv, no_environment), E2BIG);
}

static void make_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	CHECK_EQ(chmod(path, mode), 0);
}

TEST(what_cannot_be_executed)
{
	char path[] = "/tmp/exec_args_XXXXXX", *argv[] = {"x", NULL};
	void *volatile nowhere = (void *)8;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	close(fd);
	CHECK_ERRNO(execve("/does/not/exist", argv, no_environment), ENOENT);
	CHECK_ERRNO(execve("", argv, no_environment), ENOENT);
	CHECK_ERRNO(execve("/tmp", argv, no_environment), EACCES);
	CHECK_ERRNO(execve(nowhere, argv, no_environment), EFAULT);
	CHECK_ERRNO(execve("/proc/self/exe", nowhere, no_environment), EFAULT);
	CHECK_ERRNO(execve("/proc/self/exe/x", argv, no_environment), ENOTDIR);

	make_file(path, "no program", 0600);
	CHECK_ERRNO(execve(path, argv, no_environment), EACCES);
	make_file(path, "no program", 0700);
	CHECK_ERRNO(execve(path, argv, no_environment), ENOEXEC);
	make_file(path, "\177ELF, but no more", 0700);
	CHECK_ERRNO(execve(path, argv, no_environment), ENOEXEC);
	make_file(path, "#!/does/not/exist\n", 0700);
	CHECK_ERRNO(execve(path, argv, no_environment), ENOENT);
	make_file(path, "#!\n", 0700);
	CHECK_ERRNO(execve(path, argv, no_environment), ENOEXEC);
	unlink(path);
}

TEST(script_names_its_interpreter)
{
	char script[] = "/tmp/exec_args_XXXXXX", self[200], text[300];
	int fd = mkstemp(script);
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CHECK(fd >= 0 && len > 0);
	close(fd);
	self[len] = '\0';
	snprintf(text, sizeof(text), "#! %s --script\n", self);
	make_file(script, text, 0700);

	pid_t pid = fork();
	if (pid == 0) {
		execve(script, (char *[]){"ignored", "argument", NULL}, no_environment);
		_exit(99);
	}
	int status = utest_wait(pid);
	unlink(script);
	CHECK_EQ(status, 0);
}

TEST(execveat_a_descriptor)
{
	int fd = open("/proc/self/exe", O_PATH);

	CHECK(fd >= 0);
	fexecve(fd, (char *[]){"self", "--bss", NULL}, no_environment);
	CHECK(!"executed");
}
