/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/sysv_shm.c - System V shared memory.
 */
#include "memory.h"

#include <sys/shm.h>

static int segment_new(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);

	CHECK(id >= 0);
	return id;
}

static volatile char *attach(int id, int flags)
{
	void *memory = shmat(id, NULL, flags);

	CHECK(memory != (void *)-1);
	return memory;
}

static void detach(volatile char *memory)
{
	CHECK_EQ(shmdt((const void *)memory), 0);
}

static unsigned long attached(int id)
{
	struct shmid_ds info;

	CHECK_EQ(shmctl(id, IPC_STAT, &info), 0);
	return info.shm_nattch;
}

static void remove_segment(int id)
{
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static key_t key_new(void)
{
	return 0x0c0b0000 + getpid();
}

TEST(two_places_show_one_memory)
{
	int id = segment_new(3 * PAGE);
	volatile char *a = attach(id, 0), *b = attach(id, 0);

	CHECK(a != b);
	CHECK_EQ(a[2 * PAGE], 0);
	a[2 * PAGE] = 'x';
	CHECK_EQ(b[2 * PAGE], 'x');
	CHECK_EQ(attached(id), 2);
	detach(a);
	CHECK_EQ(attached(id), 1);
	CHECK_EQ(b[2 * PAGE], 'x');
	detach(b);
	b = attach(id, 0);
	CHECK_EQ(b[2 * PAGE], 'x');
	remove_segment(id);
}

TEST(fork_inherits_and_exit_detaches)
{
	struct gate gate = gate_new();
	int id = segment_new(PAGE);
	volatile char *memory = attach(id, 0);
	pid_t pid = fork();

	if (pid == 0) {
		memory[0] = 'c';
		gate_pass(gate);
		_exit(0);
	}
	while (memory[0] != 'c')
		usleep(1000);
	CHECK_EQ(attached(id), 2);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(attached(id), 1);
	CHECK_EQ(memory[0], 'c');
	remove_segment(id);
}

TEST(keys_are_found)
{
	key_t key = key_new();

	CHECK_ERRNO(shmget(key, PAGE, 0), ENOENT);
	int id = shmget(key, 2 * PAGE, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(id >= 0);
	CHECK_EQ(shmget(key, PAGE, 0), id);
	CHECK_EQ(shmget(key, 0, IPC_CREAT), id);
	CHECK_ERRNO(shmget(key, PAGE, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO(shmget(key, 3 * PAGE, 0), EINVAL);
	remove_segment(id);
	CHECK_ERRNO(shmget(key, PAGE, 0), ENOENT);
	CHECK_ERRNO(shmget(key, 0, IPC_CREAT), EINVAL);
	CHECK_ERRNO(shmat(id, NULL, 0), EINVAL);
}

TEST(removed_segment_lives_while_attached)
{
	int id = segment_new(PAGE);
	volatile char *memory = attach(id, 0);
	struct shmid_ds info;

	memory[0] = 'x';
	remove_segment(id);
	CHECK_EQ(memory[0], 'x');
	CHECK_EQ(shmctl(id, IPC_STAT, &info), 0);
	CHECK(info.shm_perm.mode & 01000);
	CHECK_EQ(info.shm_nattch, 1);
	volatile char *again = attach(id, 0);
	CHECK_EQ(again[0], 'x');
	detach(again);
	detach(memory);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &info), EINVAL);
	CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(read_only_is_read_only)
{
	int id = segment_new(PAGE);
	volatile char *writer = attach(id, 0), *reader = attach(id, SHM_RDONLY);

	writer[0] = 'w';
	CHECK_EQ(reader[0], 'w');
	CHECK_FAULT(reader, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_ERRNO(mprotect((void *)reader, PAGE, PROT_READ | PROT_WRITE), EACCES);
	remove_segment(id);
}

TEST(place_is_judged)
{
	int id = segment_new(PAGE);
	volatile char *taken = pages_new(4);
	char *place = (char *)taken + PAGE;

	CHECK_ERRNO(shmat(id, place + 1, 0), EINVAL);
	CHECK_ERRNO(shmat(id, place, 0), EINVAL);
	CHECK_ERRNO(shmat(id, NULL, SHM_REMAP), EINVAL);
	CHECK(shmat(id, place, SHM_REMAP) == place);
	CHECK_EQ(attached(id), 1);
	CHECK_ERRNO(shmdt(place + PAGE), EINVAL);
	CHECK_ERRNO(shmdt(place + 1), EINVAL);
	detach(place);
	CHECK(shmat(id, place + 5, SHM_RND) == place);
	detach(place);
	CHECK_ERRNO(shmat(-1, NULL, 0), EINVAL);
	remove_segment(id);
}

TEST(what_it_tells_of_itself)
{
	int id = segment_new(PAGE + 1);
	struct shmid_ds info;

	detach(attach(id, 0));
	CHECK_EQ(shmctl(id, IPC_STAT, &info), 0);
	CHECK_EQ(info.shm_segsz, PAGE + 1);
	CHECK_EQ(info.shm_cpid, getpid());
	CHECK_EQ(info.shm_lpid, getpid());
	CHECK_EQ(info.shm_perm.mode & 0777, 0600);
	CHECK(info.shm_atime > 0 && info.shm_dtime > 0 && info.shm_ctime > 0);
	info.shm_perm.mode = 0400;
	CHECK_EQ(shmctl(id, IPC_SET, &info), 0);
	CHECK_EQ(shmctl(id, IPC_STAT, &info), 0);
	CHECK_EQ(info.shm_perm.mode & 0777, 0400);
	CHECK_ERRNO(shmctl(id, 99, &info), EINVAL);
	CHECK_ERRNO(shmctl(id, IPC_STAT, (void *)8), EFAULT);
	remove_segment(id);
	CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EINVAL);
}

TEST(limits)
{
	struct shminfo limits;
	struct shm_info totals;

	CHECK(shmctl(0, IPC_INFO, (void *)&limits) >= 0);
	CHECK_EQ(limits.shmmni, 4096);
	CHECK_EQ(limits.shmmin, 1);
	int id = segment_new(PAGE);
	CHECK(shmctl(0, SHM_INFO, (void *)&totals) >= 0);
	CHECK(totals.used_ids >= 1);
	remove_segment(id);
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
}
