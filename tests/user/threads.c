/* SPDX-License-Identifier: MIT */
// cow
// needs: threads
/*
 * tests/user/threads.c - threads of one process, by the C library.
 */
#include "memory.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

static void sleep_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void *give_back(void *argument)
{
	return argument;
}

TEST(join_gives_the_result)
{
	pthread_t threads[8];
	void *result;

	for (uintptr_t i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, give_back, (void *)(i * 3)), 0);
	for (uintptr_t i = 0; i < 8; i++) {
		CHECK_EQ(pthread_join(threads[i], &result), 0);
		CHECK_EQ((uintptr_t)result, i * 3);
	}
}

static void *tell_ids(void *argument)
{
	pid_t *ids = argument;

	ids[0] = getpid();
	ids[1] = (pid_t)syscall(SYS_gettid);
	return NULL;
}

TEST(one_pid_many_tids)
{
	pthread_t thread;
	pid_t ids[2];

	CHECK_EQ(syscall(SYS_gettid), getpid());
	pthread_create(&thread, NULL, tell_ids, ids);
	pthread_join(thread, NULL);
	CHECK_EQ(ids[0], getpid());
	CHECK(ids[1] != getpid());
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int counter;

static void *count_up(void *argument)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

TEST(mutex_keeps_them_apart)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, count_up, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(counter, 80000);
}

static void *take_turns(void *argument)
{
	int mine = (int)(uintptr_t)argument;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 500; i++) {
		while (counter % 3 != mine)
			pthread_cond_wait(&condition, &mutex);
		counter++;
		pthread_cond_broadcast(&condition);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

TEST(condition_variables)
{
	pthread_t threads[3];

	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, take_turns, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(counter, 1500);
}

static __thread int local = 5;

static void *change_local(void *argument)
{
	int before = local;

	local = 100;
	sched_yield();
	return before == 5 && local == 100 ? argument : NULL;
}

TEST(each_has_its_own_thread_locals)
{
	pthread_t threads[4];
	void *result;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, change_local, &counter);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		CHECK(result == &counter);
	}
	CHECK_EQ(local, 5);
}

static void *wait_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void start_sleepers(int n)
{
	pthread_t thread;

	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
}

TEST(exit_ends_all)
{
	pid_t pid = fork();

	if (pid == 0) {
		start_sleepers(5);
		exit(9);
	}
	CHECK_EXIT(pid, 9);
}

static void *exit_now(void *argument)
{
	_exit((int)(uintptr_t)argument);
}

TEST(any_thread_may_exit_for_all)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		start_sleepers(3);
		pthread_create(&thread, NULL, exit_now, (void *)8);
		wait_for_ever(NULL);
	}
	CHECK_EXIT(pid, 8);
}

/* A word that stays the same one after a fork. */
static volatile int *word_of_all(void)
{
	return (volatile int *)memory_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void *exit_alone_after(void *word)
{
	while (*(volatile int *)word)
		sched_yield();
	syscall(SYS_exit, 4);
	return NULL;
}

static void *exit_when_told(void *gate)
{
	gate_pass(*(struct gate *)gate);
	_exit(6);
}

TEST(process_outlives_its_first_thread)
{
	struct gate gate = gate_new();
	volatile int *is_there = word_of_all();
	pthread_t thread;

	*is_there = 1;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_create(&thread, NULL, exit_when_told, &gate);
		syscall(SYS_set_tid_address, is_there);
		syscall(SYS_exit, 6);
	}
	while (*is_there)
		sched_yield();
	int status = -1;
	CHECK_EQ(waitpid(pid, &status, WNOHANG) ? status : -1, -1);     /* not, say how it ended */
	CHECK_EQ(kill(pid, 0), 0);
	gate_open(gate);
	CHECK_EXIT(pid, 6);
}

/* Nobody ended them all: then it is the last one's word that counts, not the first one's, though
 * the first may well be the last to be gone. */
TEST(the_last_thread_says_how_it_ended)
{
	volatile int *is_there = word_of_all();
	pthread_t thread;

	for (int round = 0; round < 100; round++) {
		*is_there = 1;
		pid_t pid = fork();
		if (pid == 0) {
			pthread_create(&thread, NULL, exit_alone_after, (void *)is_there);
			syscall(SYS_set_tid_address, is_there);
			syscall(SYS_exit, 3);
		}
		CHECK_EXIT(pid, 4);
	}
}

TEST(kill_ends_all)
{
	pid_t pid = fork();

	if (pid == 0) {
		start_sleepers(5);
		wait_for_ever(NULL);
	}
	sleep_ms(5);
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
}

static int *volatile nowhere = (int *)8;

static void *follow_a_bad_pointer(void *argument)
{
	*nowhere = 1;
	return argument;
}

TEST(a_fault_of_one_ends_all)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		start_sleepers(2);
		pthread_create(&thread, NULL, follow_a_bad_pointer, NULL);
		wait_for_ever(NULL);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

static volatile pid_t handled_by;

static void note(int signal)
{
	(void)signal;
	handled_by = (pid_t)syscall(SYS_gettid);
}

static void *wait_for_handler(void *argument)
{
	*(volatile pid_t *)argument = (pid_t)syscall(SYS_gettid);
	while (!handled_by)
		sleep_ms(1);
	return NULL;
}

TEST(tkill_reaches_one_thread)
{
	volatile pid_t tid = 0;
	pthread_t thread;

	signal(SIGUSR1, note);
	pthread_create(&thread, NULL, wait_for_handler, (void *)&tid);
	while (!tid)
		sched_yield();
	CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, SIGUSR1), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(handled_by, tid);
	CHECK_ERRNO(syscall(SYS_tgkill, getppid(), tid, 0), ESRCH);
}

TEST(process_signal_goes_to_who_wants_it)
{
	volatile pid_t tid = 0;
	pthread_t thread;
	sigset_t set;

	signal(SIGUSR1, note);
	pthread_create(&thread, NULL, wait_for_handler, (void *)&tid);
	while (!tid)
		sched_yield();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	pthread_join(thread, NULL);
	CHECK_EQ(handled_by, tid);
}

TEST(threads_can_be_cancelled)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, wait_for_ever, NULL);
	sleep_ms(2);
	CHECK_EQ(pthread_cancel(thread), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
}

TEST(fork_takes_only_the_forking_thread)
{
	start_sleepers(3);
	pid_t pid = fork();

	if (pid == 0)
		_exit(syscall(SYS_gettid) == getpid() ? 0 : 1);
	CHECK_EXIT(pid, 0);
}

/* Several may be at it at once: setenv() is for one. */
static void *execute(void *argument)
{
	char *const environment[] = {"END_WITH=13", NULL};

	execle("/proc/self/exe", "self", NULL, environment);
	return argument;
}

__attribute__((constructor)) static void play_program(void)
{
	const char *status = getenv("END_WITH");

	if (status)
		_exit(syscall(SYS_gettid) == getpid() ? atoi(status) : 99);
}

TEST(exec_from_any_thread_takes_over_the_pid)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		start_sleepers(3);
		pthread_create(&thread, NULL, execute, NULL);
		wait_for_ever(NULL);
	}
	CHECK_EXIT(pid, 13);
}

TEST(exec_race_has_one_winner)
{
	for (int i = 0; i < 10; i++) {
		pthread_t thread;
		pid_t pid = fork();

		if (pid == 0) {
			pthread_create(&thread, NULL, execute, NULL);
			pthread_create(&thread, NULL, execute, NULL);
			execute(NULL);
		}
		CHECK_EXIT(pid, 13);
	}
}

static void *touch(void *argument)
{
	volatile char *memory = argument;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 64; i++)
			memory[i * 4096]++;
	}
	return NULL;
}

TEST(forks_while_threads_write)
{
	char *memory = mmap(NULL, 4 * 64 * 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, touch, memory + i * 64 * 4096);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		CHECK_EXIT(pid, 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4 * 64; i++)
		CHECK_EQ(memory[i * 4096], 20);
}

static void *come_and_go(void *argument)
{
	return argument;
}

TEST(thousand_threads_come_and_go)
{
	for (int i = 0; i < 1000; i++) {
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, NULL, come_and_go, NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
}
