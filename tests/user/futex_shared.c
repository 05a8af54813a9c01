/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/futex_shared.c - what names a word that two processes wait at: its place in the file
 * or in shared memory, whatever its address and whatever was forked meanwhile.
 */
#include "futex.h"

#include <sys/ipc.h>
#include <sys/shm.h>

/* A child that waits at the word and ends well when it is woken. */
static pid_t sleeper_at(futex_t *word)
{
	pid_t pid = fork();

	if (pid == 0) {
		while (futex_wait(word, 0) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	return pid;
}

static futex_t *map_file(int fd, off_t offset, int prot)
{
	void *memory = mmap(NULL, PAGE, prot, MAP_SHARED, fd, offset);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static int file_new(void)
{
	char name[] = "futex-XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	CHECK_EQ(unlink(name), 0);
	CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
	return fd;
}

TEST(two_mappings_of_a_file_are_one_word)
{
	int fd = file_new();
	futex_t *one = map_file(fd, PAGE, PROT_READ | PROT_WRITE);
	futex_t *two = map_file(fd, PAGE, PROT_READ | PROT_WRITE);
	pid_t pid = sleeper_at(one);

	CHECK(one != two);
	wake_surely(two, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(a_word_that_may_only_be_read_can_be_waited_at)
{
	int fd = file_new();
	futex_t *writable = map_file(fd, 0, PROT_READ | PROT_WRITE);
	pid_t pid = sleeper_at(map_file(fd, 0, PROT_READ));

	wake_surely(writable, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(other_pages_and_other_files_are_other_words)
{
	int fd = file_new(), other = file_new();
	futex_t *word = map_file(fd, PAGE, PROT_READ | PROT_WRITE);
	futex_t *next_page = map_file(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
	futex_t *other_file = map_file(other, PAGE, PROT_READ | PROT_WRITE);
	pid_t pid = sleeper_at(word);

	child_settle(pid);
	CHECK_EQ(futex_wake(next_page, INT_MAX), 0);
	CHECK_EQ(futex_wake(other_file, INT_MAX), 0);
	CHECK_EQ(futex_wake(word + 1, INT_MAX), 0);
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(a_private_mapping_of_the_file_is_another_word)
{
	int fd = file_new();
	futex_t *shared = map_file(fd, 0, PROT_READ | PROT_WRITE);
	futex_t *private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	*private = 0;
	pid_t pid = sleeper_at(private);
	child_settle(pid);
	CHECK_EQ(futex_wake(shared, INT_MAX), 0);
	CHECK_EQ(futex_wake(private, INT_MAX), 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}

TEST(private_operations_stay_in_their_process)
{
	futex_t *word = shared_words();
	pid_t pid = sleeper_at(word);

	child_settle(pid);
	CHECK_EQ(futex(word, FUTEX_WAKE | FUTEX_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(grandchildren_share_it_too)
{
	futex_t *word = shared_words();
	pid_t pid = fork();

	if (pid == 0) {
		pid_t grandchild = sleeper_at(word);
		CHECK_EXIT(grandchild, 0);
		_exit(0);
	}
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

/* A frame that copy-on-write replaces is not what a sleeper waits at. */
TEST(a_fork_does_not_move_those_who_wait)
{
	volatile char *private = pages_new(1);
	futex_t *word = shared_words();
	pid_t pid = sleeper_at(word);

	for (int i = 0; i < 20; i++) {
		pid_t other = fork();
		if (other == 0)
			_exit(0);
		*private = (char)i;
		word[1] = (uint32_t)i;
		CHECK_EXIT(other, 0);
	}
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(memfd_and_system_v_memory)
{
	int fd = memfd_create("words", MFD_CLOEXEC);

	CHECK_EQ(ftruncate(fd, PAGE), 0);
	pid_t pid = sleeper_at(map_file(fd, 0, PROT_READ | PROT_WRITE));
	wake_surely(map_file(fd, 0, PROT_READ | PROT_WRITE), FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);

	int segment = shmget(IPC_PRIVATE, PAGE, 0600);
	futex_t *one = shmat(segment, NULL, 0), *two = shmat(segment, NULL, 0);
	CHECK_EQ(shmctl(segment, IPC_RMID, NULL), 0);
	pid = sleeper_at(one);
	wake_surely(two, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(requeue_between_two_shared_words)
{
	futex_t *from = shared_words(), *to = shared_words();
	enum { SLEEPERS = 4 };
	pid_t pids[SLEEPERS];
	long moved = 0, woken = 0;

	for (int i = 0; i < SLEEPERS; i++)
		pids[i] = sleeper_at(from);
	while (moved < SLEEPERS)
		moved += futex(from, FUTEX_CMP_REQUEUE, 0, (void *)1, to, 0);
	CHECK_EQ(futex_wake(from, INT_MAX), 0);
	CHECK_EQ(munmap((void *)from, PAGE), 0);
	while (woken < SLEEPERS)
		woken += futex_wake(to, 1);
	for (int i = 0; i < SLEEPERS; i++)
		CHECK_EXIT(pids[i], 0);
}

/* A killed sleeper is not there any more, and takes no wake-up with it. */
TEST(the_dead_are_not_woken)
{
	futex_t *word = shared_words();
	pid_t doomed = sleeper_at(word), pid = sleeper_at(word);

	child_settle(doomed);
	CHECK_EQ(kill(doomed, SIGKILL), 0);
	CHECK_KILLED(doomed, SIGKILL);
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(futex_wake(word, INT_MAX), 0);
}

/* ---- in step through shared memory ---- */

struct pair {
	futex_t turn;
	uint32_t rounds[2];
};

static void take_turns(struct pair *pair, uint32_t self, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		for (uint32_t seen; (seen = pair->turn) % 2 != self; )
			futex_wait(&pair->turn, seen);
		pair->rounds[self]++;
		pair->turn++;
		futex_wake(&pair->turn, 1);
	}
}

TEST(two_processes_take_turns)
{
	enum { ROUNDS = 500 };
	struct pair *pair = (struct pair *)shared_words();
	pid_t pid = fork();

	if (pid == 0) {
		take_turns(pair, 1, ROUNDS);
		_exit(0);
	}
	take_turns(pair, 0, ROUNDS);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(pair->rounds[0], ROUNDS);
	CHECK_EQ(pair->rounds[1], ROUNDS);
}
