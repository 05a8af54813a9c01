/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_images.c - damaged programs, by the number.
 *
 * A seed damages a few bytes of this program's head and tables, and the kernel is asked to run it.
 * It may refuse, or the child may die or run: what it must not do is harm anybody else.  What runs
 * has two seconds of time and nothing to do harm with.
 */
// cowbell-only: what a damaged program does is its own affair, and not for the build machine
#include "hostile.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/resource.h>

enum { IMAGES = 400, HEAD_BYTES = 4096, DAMAGES_MAX = 4 };

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static char *image;
static size_t image_size;

static void image_read(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	ssize_t len;

	image = hostile_map(PROT_READ | PROT_WRITE, 1024);
	while ((len = read(fd, image + image_size, 65536)) > 0)
		image_size += (size_t)len;
	CHECK(image_size > HEAD_BYTES);
	close(fd);
}

/* Words that hurt more than others. */
static uint64_t nasty(void)
{
	static const uint64_t words[] = {0, 1, 0xffff, 0x7fffffff, 0xffffffff, 1ul << 47, USER_PAST,
		NOT_CANONICAL, KERNEL_HALF, KERNEL_IMAGE, UINT64_MAX, UINT64_MAX - 4095,
		4095, 4097};
	uint64_t choice = random_next();

	return choice % 2 ? words[choice / 2 % (sizeof(words) / sizeof(words[0]))] : choice;
}

static void damage(char *head)
{
	const Elf64_Ehdr *header = (const void *)image;
	size_t tables = header->e_phoff + header->e_phnum * sizeof(Elf64_Phdr);
	uint64_t count = 1 + random_next() % DAMAGES_MAX;

	while (count--) {
		uint64_t word = nasty();
		size_t size = 1ul << random_next() % 4;
		size_t at = random_next() % (tables - 8) & -size;

		memcpy(head + at, &word, size);
	}
}

/* In the child: run it, if the kernel takes it. */
static void run_damaged(uint64_t seed)
{
	char *arguments[] = {"damaged", "nothing", NULL};
	struct rlimit seconds = {1, 1}, memory = {64 << 20, 64 << 20};
	char head[HEAD_BYTES];
	int fd = (int)syscall(SYS_memfd_create, "damaged", 1);

	random_state = seed * 0x9e3779b97f4a7c15 + 1;
	memcpy(head, image, sizeof(head));
	damage(head);
	if (write(fd, head, sizeof(head)) != sizeof(head) ||
	    write(fd, image + HEAD_BYTES, image_size - HEAD_BYTES) < 0)
		_exit(98);
	if (random_next() % 4 == 0)
		(void)!ftruncate(fd, (off_t)(random_next() % image_size));
	setrlimit(RLIMIT_CPU, &seconds);
	setrlimit(RLIMIT_AS, &memory);
	alarm(2);
	syscall(SYS_execveat, fd, "", arguments, NULL, 0x1000);
	_exit(97);
}

TEST(damaged_programs)
{
	int refused = 0, died = 0, ran = 0;

	image_read();
	for (int seed = 1; seed <= IMAGES; seed++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0)
			run_damaged((uint64_t)seed);
		int status = utest_wait(pid);
		refused += status == 97;
		died += status > 128;
		ran += status != 97 && status <= 128;
		CHECK(status != 98);
	}
	dprintf(STDOUT_FILENO, "# %d refused, %d died, %d ran\n", refused, died, ran);
	CHECK(refused > IMAGES / 20 && ran > 0);
	hostile_check_kernel();
}

/* What is surely wrong has its own answer. */
static void check_refused(int error)
{
	int fd = (int)syscall(SYS_memfd_create, "wrong", 1);
	char *arguments[] = {"wrong", NULL};

	CHECK_EQ(write(fd, image, image_size), (ssize_t)image_size);
	CHECK_ERRNO(syscall(SYS_execveat, fd, "", arguments, NULL, 0x1000), error);
	close(fd);
}

TEST(wrong_heads)
{
	image_read();
	Elf64_Ehdr *header = (void *)image;
	const Elf64_Ehdr good = *header;

	header->e_ident[0] = 0;
	check_refused(ENOEXEC);
	*header = good;
	header->e_machine = EM_ARM;
	check_refused(ENOEXEC);
	*header = good;
	header->e_type = ET_REL;
	check_refused(ENOEXEC);
	*header = good;
	header->e_phentsize = 1;
	check_refused(ENOEXEC);
	*header = good;
	header->e_phnum = 0;
	check_refused(ENOEXEC);
	*header = good;
	header->e_phnum = 0xffff;
	check_refused(ENOEXEC);
	*header = good;
	header->e_phoff = UINT64_MAX - 10;
	check_refused(ENOEXEC);
}
