/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/seals.c - each seal of a file in memory, against each way to change it.
 *
 * See: memfd_create(2), fcntl(2) under "File Sealing".
 */
#include "temp_dir.h"
#include "memory.h"

enum {
	READ_WRITE = PROT_READ | PROT_WRITE,
	PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	SIZE = 4 * PAGE,
};

static int file_sealed(int seals)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, SIZE), 0);
	CHECK_EQ(pwrite(fd, "text", 4, 0), 4);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), seals);
	return fd;
}

/* 0, or the errno of the call. */
static int outcome(long long result)
{
	return result < 0 ? errno : 0;
}

static int map_outcome(int fd, int prot, int flags)
{
	void *memory = mmap(NULL, SIZE, prot, flags, fd, 0);
	int error = errno;

	if (memory == MAP_FAILED)
		return error;
	CHECK_EQ(munmap(memory, SIZE), 0);
	return 0;
}

/* What a seal forbids, and nothing else. */
static void check_seal(int seals, int write_error, int shrink_error, int grow_error)
{
	int fd = file_sealed(seals);

	CHECK_EQ(outcome(pwrite(fd, "x", 1, 0)), write_error);
	CHECK_EQ(outcome(pwrite(fd, "x", 1, SIZE - 1)), write_error);
	CHECK_EQ(outcome(fallocate(fd, PUNCH, 0, PAGE)), write_error);
	CHECK_EQ(outcome(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE)), 0);
	CHECK_EQ(map_outcome(fd, READ_WRITE, MAP_SHARED), write_error);
	CHECK_EQ(map_outcome(fd, PROT_READ, MAP_SHARED), 0);
	CHECK_EQ(map_outcome(fd, READ_WRITE, MAP_PRIVATE), 0);
	CHECK_EQ(outcome(pwrite(fd, "x", 1, SIZE)), write_error ? write_error : grow_error);
	CHECK_EQ(outcome(ftruncate(fd, SIZE + PAGE)), grow_error);
	CHECK_EQ(outcome(fallocate(fd, 0, 0, SIZE + 2 * PAGE)), grow_error);
	CHECK_EQ(outcome(ftruncate(fd, PAGE)), shrink_error);
	char bytes[4];
	CHECK_EQ(pread(fd, bytes, 4, 0), 4);
	CHECK_EQ(bytes[1], write_error ? 'e' : 0);
}

TEST(each_seal_forbids_its_own)
{
	check_seal(0, 0, 0, 0);
	check_seal(F_SEAL_SHRINK, 0, EPERM, 0);
	check_seal(F_SEAL_GROW, 0, 0, EPERM);
	check_seal(F_SEAL_SHRINK | F_SEAL_GROW, 0, EPERM, EPERM);
	check_seal(F_SEAL_WRITE, EPERM, 0, 0);
	check_seal(F_SEAL_FUTURE_WRITE, EPERM, 0, 0);
	check_seal(F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, EPERM, EPERM, EPERM);
}

TEST(writing_across_the_end_of_a_file_that_may_not_grow)
{
	int fd = file_sealed(F_SEAL_GROW);
	char bytes[2 * PAGE] = "";
	ssize_t n = pwrite(fd, bytes, sizeof(bytes), SIZE - PAGE);
	struct stat stat;

	CHECK(n == PAGE || (n == -1 && errno == EPERM));
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, SIZE);
}

/* Not only who writes now: who might, because the descriptor is open for writing. */
TEST(no_seal_while_a_mapping_might_write)
{
	int fd = file_sealed(0);
	void *memory = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_EQ(mprotect(memory, SIZE, READ_WRITE), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), EBUSY);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_EQ(munmap(memory, SIZE), 0);
	memory = mmap(NULL, SIZE, READ_WRITE, MAP_PRIVATE, fd, 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

/* Parts, moved and copied mappings count like the whole. */
TEST(every_piece_of_a_mapping_counts)
{
	int fd = file_sealed(0);
	char *memory = mmap(NULL, SIZE, READ_WRITE, MAP_SHARED, fd, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_EQ(munmap(memory + PAGE, PAGE), 0);
	CHECK_EQ(munmap(memory, PAGE), 0);
	char *moved = mremap(memory + 2 * PAGE, 2 * PAGE, PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	struct gate gate = gate_new();
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	CHECK_EQ(munmap(moved, PAGE), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);       /* the child's */
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

/* The owner goes on storing; whoever maps it from then on can only look, and sees the stores. */
TEST(future_writes_are_sealed_for_others)
{
	int fd = file_sealed(0);
	volatile char *owner = mmap(NULL, SIZE, READ_WRITE, MAP_SHARED, fd, 0);

	CHECK(owner != MAP_FAILED);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	pid_t pid = fork();
	if (pid == 0) {
		volatile char *reader = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
		CHECK(reader != MAP_FAILED);
		CHECK_ERRNO(mprotect((void *)reader, SIZE, READ_WRITE), EACCES);
		CHECK_FAULT(reader, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		owner[0] = 'c';                 /* inherited: it was there before */
		CHECK_EQ(reader[0], 'c');
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	owner[1] = 'o';
	char bytes[2];
	CHECK_EQ(pread(fd, bytes, 2, 0), 2);
	CHECK(bytes[0] == 'c' && bytes[1] == 'o');
	CHECK_ERRNO(ftruncate(fd, 0) < 0 ? -1 : pwrite(fd, "x", 1, 0), EPERM);
}

/* The seals belong to the file: each descriptor of it has them, and only writers may add. */
TEST(seals_are_the_files)
{
	int fd = file_sealed(F_SEAL_SHRINK);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reader = open(path, O_RDONLY), other = dup(fd);
	CHECK(reader >= 0 && other >= 0);
	CHECK_EQ(fcntl(reader, F_GET_SEALS), F_SEAL_SHRINK);
	CHECK_ERRNO(fcntl(reader, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(fcntl(other, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	int writer = open(path, O_RDWR);
	CHECK(writer >= 0);
	CHECK_ERRNO(ftruncate(writer, 0), EPERM);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, 0), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);       /* again: nothing new */
}

TEST(sealed_files_can_be_copied_from_but_not_to)
{
	int fd = file_sealed(F_SEAL_WRITE), other = file_sealed(0);
	char byte;

	CHECK_EQ(copy_file_range(fd, &(off_t){0}, other, &(off_t){0}, PAGE, 0), PAGE);
	CHECK_EQ(pread(other, &byte, 1, 1), 1);
	CHECK_EQ(byte, 'e');
	CHECK_ERRNO(copy_file_range(other, &(off_t){0}, fd, &(off_t){0}, PAGE, 0), EPERM);
}
