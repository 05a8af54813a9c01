/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/memfd.c - files without a name: seals, /dev/zero, POSIX shared memory.
 */
#include "temp_dir.h"
#include "memory.h"

enum { READ_WRITE = PROT_READ | PROT_WRITE };

static int memfd_of(size_t size, unsigned flags)
{
	int fd = memfd_create("test", flags);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, size), 0);
	return fd;
}

static int sealable(size_t size, int seals)
{
	int fd = memfd_of(size, MFD_ALLOW_SEALING);

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

TEST(it_is_a_file)
{
	int fd = memfd_create("name", 0);
	char text[64] = "", byte = 'x';
	struct stat stat;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(pread(fd, &byte, 1, 4), 1);
	CHECK_EQ(byte, 'o');
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, 5);
	CHECK(S_ISREG(stat.st_mode));
	char link[32];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	CHECK(readlink(link, text, sizeof(text) - 1) > 0);
	CHECK_EQ(strcmp(text, "/memfd:name (deleted)"), 0);
}

TEST(flags_and_names_are_judged)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[250] = '\0';
	CHECK_ERRNO(memfd_create(name, 0), EINVAL);
	name[249] = '\0';
	CHECK(memfd_create(name, 0) >= 0);
	CHECK_ERRNO(memfd_create("x", 0x4000), EINVAL);
	CHECK_ERRNO(memfd_create((char *)8, 0), EFAULT);
	int fd = memfd_create("x", MFD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(memory_is_shared_through_the_descriptor)
{
	int fd = memfd_of(2 * PAGE, 0);
	volatile char *a = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, fd, 0);
	pid_t pid = fork();

	CHECK(a != MAP_FAILED);
	if (pid == 0) {
		volatile char *b = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, fd, 0);
		b[PAGE] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(a[PAGE], 'c');
}

TEST(seals_only_where_they_were_asked_for)
{
	int fd = memfd_of(PAGE, 0);
	int fds[2];

	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(fcntl(fds[0], F_GET_SEALS), EINVAL);
	fd = memfd_of(PAGE, MFD_ALLOW_SEALING);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SEAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
}

TEST(seals_on_the_size)
{
	int fd = sealable(PAGE, F_SEAL_SHRINK);

	CHECK_ERRNO(ftruncate(fd, 1), EPERM);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	fd = sealable(PAGE, F_SEAL_GROW);
	CHECK_ERRNO(ftruncate(fd, PAGE + 1), EPERM);
	CHECK_ERRNO(fallocate(fd, 0, 0, 2 * PAGE), EPERM);
	CHECK_ERRNO(pwrite(fd, "x", 1, PAGE), EPERM);
	CHECK_EQ(pwrite(fd, "x", 1, PAGE - 1), 1);
	CHECK_EQ(ftruncate(fd, 1), 0);
}

TEST(sealed_against_writing)
{
	int fd = sealable(PAGE, F_SEAL_WRITE);

	CHECK_ERRNO(write(fd, "x", 1), EPERM);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM);
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	volatile char *private = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(private != MAP_FAILED);
	private[0] = 'p';
	char byte = 'x';
	CHECK_EQ(pread(fd, &byte, 1, 0), 1);
	CHECK_EQ(byte, 0);
}

TEST(no_seal_under_a_writable_mapping)
{
	int fd = memfd_of(PAGE, MFD_ALLOW_SEALING);
	volatile char *memory = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(munmap((void *)memory, PAGE), 0);
		CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(munmap((void *)memory, PAGE), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(sealed_against_future_writing_spares_who_has_it)
{
	int fd = memfd_of(PAGE, MFD_ALLOW_SEALING);
	volatile char *memory = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0);

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	memory[0] = 'w';
	CHECK_ERRNO(write(fd, "x", 1), EPERM);
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	volatile char *reader = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(reader != MAP_FAILED);
	CHECK_EQ(reader[0], 'w');
	CHECK_ERRNO(mprotect((void *)reader, PAGE, READ_WRITE), EACCES);
}

/* ---- other shared memory ---- */

TEST(zero_device_mapped_shared_is_memory_of_its_own)
{
	int fd = open("/dev/zero", O_RDWR);
	volatile char *a = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, fd, 0);
	volatile char *b = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, fd, 0);

	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	CHECK_EQ(a[PAGE], 0);
	pid_t pid = fork();
	if (pid == 0) {
		a[PAGE] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(a[PAGE], 'c');
	CHECK_EQ(b[PAGE], 0);
}

TEST(posix_shared_memory)
{
	char name[64];

	snprintf(name, sizeof(name), "/cowbell-%d", getpid());
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	volatile char *memory = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	pid_t pid = fork();
	if (pid == 0) {
		int again = shm_open(name, O_RDWR, 0);
		volatile char *mine = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, again, 0);
		mine[7] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[7], 'c');
	CHECK_EQ(shm_unlink(name), 0);
	CHECK_ERRNO(shm_open(name, O_RDWR, 0), ENOENT);
}
