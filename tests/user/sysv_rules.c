/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/sysv_rules.c - System V shared memory: who may, what is refused, who lets go.
 *
 * See: shmget(2), shmop(2), shmctl(2).
 */
#include "credentials.h"
#include "memory.h"

#include <sys/shm.h>

static int segment_new(size_t size, int mode)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | mode);

	CHECK(id >= 0);
	return id;
}

static volatile char *attach(int id, const volatile void *at, int flags)
{
	void *memory = shmat(id, (const void *)at, flags);

	CHECK(memory != (void *)-1);
	return memory;
}

static struct shmid_ds info_of(int id)
{
	struct shmid_ds info;

	CHECK_EQ(shmctl(id, IPC_STAT, &info), 0);
	return info;
}

static void remove_segment(int id)
{
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

/* Nobody else's, whoever tests at the same time. */
static key_t key_new(void)
{
	return 0x0c0c0000 + getpid();
}

/* As somebody else, in a child. */
static void check_as_nobody(void (*run)(int id), int id)
{
	SUPERUSER_ONLY();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setgid(65534), 0);
		CHECK_EQ(setuid(65534), 0);
		run(id);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

static void reader_only(int id)
{
	struct shmid_ds info;

	CHECK_ERRNO(shmat(id, NULL, 0), EACCES);
	volatile char *memory = attach(id, NULL, SHM_RDONLY);
	CHECK_EQ(memory[0], 'x');
	CHECK_FAULT(memory, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(shmctl(id, IPC_STAT, &info), 0);
	CHECK_ERRNO(shmctl(id, IPC_SET, &info), EPERM);
	CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EPERM);
}

static void nothing_at_all(int id)
{
	struct shmid_ds info;

	CHECK_ERRNO(shmat(id, NULL, SHM_RDONLY), EACCES);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &info), EACCES);
	CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EPERM);
}

TEST(modes_are_obeyed)
{
	int id = segment_new(PAGE, 0644);
	volatile char *memory = attach(id, NULL, 0);
	struct shmid_ds info = info_of(id);

	memory[0] = 'x';
	check_as_nobody(reader_only, id);
	info.shm_perm.mode = 0600;
	CHECK_EQ(shmctl(id, IPC_SET, &info), 0);
	check_as_nobody(nothing_at_all, id);
	remove_segment(id);
}

static void foreign_key(int id)
{
	key_t key = 0x0c0c0000 + getppid();

	CHECK_ERRNO(shmget(key, 0, 0600), EACCES);
	CHECK_EQ(shmget(key, 0, 0), id);
	CHECK_ERRNO(shmget(key, 0, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
}

TEST(a_key_asks_for_rights)
{
	int id = shmget(key_new(), PAGE, IPC_CREAT | IPC_EXCL | 0600);

	CHECK(id >= 0);
	check_as_nobody(foreign_key, id);
	remove_segment(id);
}

static void owner_by_gift(int id)
{
	struct shmid_ds info = info_of(id);

	info.shm_perm.mode = 0640;
	CHECK_EQ(shmctl(id, IPC_SET, &info), 0);
	remove_segment(id);
}

TEST(a_segment_can_be_given_away)
{
	int id = segment_new(PAGE, 0600);
	struct shmid_ds info = info_of(id);

	info.shm_perm.uid = 65534;
	CHECK_EQ(shmctl(id, IPC_SET, &info), 0);
	CHECK_EQ(info_of(id).shm_perm.uid, 65534);
	CHECK_EQ(info_of(id).shm_perm.cuid, 0);
	check_as_nobody(owner_by_gift, id);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &info), EINVAL);
}

/* ---- places ---- */

TEST(places_are_rounded_or_refused)
{
	int id = segment_new(2 * PAGE, 0600);
	volatile char *area = pages_new(8), *free = area + 4 * PAGE;

	pages_free(free, 4);
	CHECK(attach(id, free, 0) == free);
	CHECK_EQ(shmdt((void *)free), 0);
	CHECK_ERRNO(shmat(id, (void *)(free + 1), 0), EINVAL);
	CHECK(attach(id, free + 1, SHM_RND) == free);
	CHECK_ERRNO(shmat(id, (void *)(area + 3 * PAGE), 0), EINVAL);
	area[3 * PAGE] = 'p';
	CHECK(attach(id, area + 3 * PAGE, SHM_REMAP) == area + 3 * PAGE);
	CHECK_EQ(area[3 * PAGE], 0);
	CHECK_EQ(info_of(id).shm_nattch, 2);            /* of the other, one page is left */
	area[3 * PAGE + PAGE] = 's';
	CHECK_EQ(free[PAGE], 's');
	remove_segment(id);
}

/* ---- coming and going ---- */

TEST(who_executes_another_program_detaches)
{
	int id = segment_new(PAGE, 0600);

	attach(id, NULL, 0);
	struct gate gate = gate_new();
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		execl("/proc/self/exe", "sysv_rules", "nothing_is_chosen", NULL);
		_exit(9);
	}
	CHECK_EQ(info_of(id).shm_nattch, 2);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(info_of(id).shm_nattch, 1);
	remove_segment(id);
}

TEST(removed_segments_stay_for_who_forks)
{
	struct gate gate = gate_new();
	int id = segment_new(600 * PAGE, 0600);
	volatile char *memory = attach(id, NULL, 0);
	struct shmid_ds info;

	pages_mark(memory, 600, 1);
	remove_segment(id);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(memory, 600, 2));
		CHECK_EQ(info_of(id).shm_nattch, 1);
		_exit(0);
	}
	pages_mark(memory, 600, 2);
	CHECK_EQ(info_of(id).shm_nattch, 2);
	CHECK_EQ(shmdt((void *)memory), 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &info), EINVAL);
}

TEST(parts_are_detached_together)
{
	int id = segment_new(4 * PAGE, 0600);
	volatile char *memory = attach(id, NULL, 0);

	pages_mark(memory, 4, 1);
	CHECK_EQ(protect(memory + PAGE, 1, PROT_READ), 0);
	pages_free(memory + 2 * PAGE, 1);
	CHECK_EQ(shmdt((void *)memory), 0);
	CHECK_FAULT(memory + PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK_FAULT(memory + 3 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK_EQ(info_of(id).shm_nattch, 0);
	CHECK_ERRNO(shmdt((void *)memory), EINVAL);
	memory = attach(id, NULL, SHM_RDONLY);
	CHECK(pages_have_marks(memory, 4, 1));
	remove_segment(id);
}

/* ---- limits ---- */

TEST(there_are_only_so_many_segments)
{
	struct shminfo limits;
	static int ids[8192];
	int count = 0;

	/* Others may want some meanwhile. */
	if (unshare(CLONE_NEWIPC) < 0 && access("/proc/cow", F_OK) < 0)
		SKIP("they would be taken from all");
	CHECK(shmctl(0, IPC_INFO, (void *)&limits) >= 0);
	CHECK(limits.shmmni <= 8192);
	while (count < 8192 && (ids[count] = shmget(IPC_PRIVATE, PAGE, 0600)) >= 0)
		count++;
	CHECK_EQ(errno, ENOSPC);
	CHECK((unsigned long)count <= limits.shmmni);
	while (count)
		remove_segment(ids[--count]);
	remove_segment(segment_new(PAGE, 0600));
}

TEST(sizes_are_judged)
{
	key_t key = key_new();
	int id = shmget(key, 3 * PAGE, IPC_CREAT | IPC_EXCL | 0600);

	CHECK(id >= 0);
	CHECK_EQ(shmget(key, PAGE, 0), id);
	CHECK_ERRNO(shmget(key, 4 * PAGE, 0), EINVAL);
	remove_segment(id);
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	CHECK_ERRNO(shmget(IPC_PRIVATE, SIZE_MAX, 0600), EINVAL);
}
