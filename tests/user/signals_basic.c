/* SPDX-License-Identifier: MIT */
/*
 * tests/user/signals_basic.c - handlers, masks, defaults, interrupted calls.
 */
#include "utest.h"
#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t count, last;
static volatile pid_t sender;
static volatile int code;

static void note(int signal)
{
	count++;
	last = signal;
}

static void note_info(int signal, siginfo_t *info, void *context)
{
	(void)context;
	note(signal);
	sender = info->si_pid;
	code = info->si_code;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

static void block(int how, int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	CHECK_EQ(sigprocmask(how, &set, NULL), 0);
}

/* A child that sends `signal` to us once we sleep. */
static pid_t send_to_sleeper(int signal)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		child_settle(parent);
		kill(parent, signal);
		_exit(0);
	}
	return pid;
}

TEST(handler_runs_at_once)
{
	handle(SIGUSR1, note, 0);
	raise(SIGUSR1);
	CHECK_EQ(count, 1);
	CHECK_EQ(last, SIGUSR1);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(count, 2);
}

TEST(info_tells_the_sender)
{
	struct sigaction action = {.sa_sigaction = note_info, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR1, &action, NULL);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(sender, getpid());
	CHECK_EQ(code, SI_USER);
	syscall(SYS_tkill, getpid(), SIGUSR1);
	CHECK_EQ(code, SI_TKILL);
}

TEST(blocked_signal_waits)
{
	sigset_t pending;

	handle(SIGUSR1, note, 0);
	block(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(count, 0);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(sigismember(&pending, SIGUSR1));
	block(SIG_UNBLOCK, SIGUSR1);
	CHECK_EQ(count, 1);
}

TEST(kill_and_stop_cannot_be_blocked)
{
	sigset_t set;

	sigfillset(&set);
	CHECK_EQ(sigprocmask(SIG_SETMASK, &set, NULL), 0);
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &set), 0);
	CHECK(!sigismember(&set, SIGKILL) && !sigismember(&set, SIGSTOP));
	CHECK(sigismember(&set, SIGTERM));
	CHECK_ERRNO(sigaction(SIGKILL, &(struct sigaction){.sa_handler = note}, NULL), EINVAL);
	CHECK_ERRNO(sigaction(SIGSTOP, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), EINVAL);
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
	CHECK_ERRNO(kill(0x7ffffff0, 0), ESRCH);
}

static volatile int depth, deepest;

static void reenter(int signal)
{
	if (++depth > deepest)
		deepest = depth;
	if (++count < 3)
		raise(signal);
	depth--;
}

TEST(signal_is_blocked_in_its_handler)
{
	handle(SIGUSR1, reenter, 0);
	raise(SIGUSR1);
	CHECK_EQ(deepest, 1);
	CHECK_EQ(count, 3);
}

TEST(nodefer_lets_it_nest)
{
	handle(SIGUSR1, reenter, SA_NODEFER);
	raise(SIGUSR1);
	CHECK_EQ(deepest, 3);
}

TEST(resethand_is_for_once)
{
	handle(SIGUSR1, note, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK_EQ(count, 1);
	struct sigaction now;
	sigaction(SIGUSR1, NULL, &now);
	CHECK(now.sa_handler == SIG_DFL);
}

TEST(mask_of_the_action_holds_in_the_handler)
{
	struct sigaction action = {.sa_handler = reenter};

	handle(SIGUSR2, note, 0);
	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	CHECK_EQ(last, SIGUSR2);
	block(SIG_UNBLOCK, SIGUSR1);
	CHECK(count >= 3);
}

/* Who started us may have told us to ignore it: nohup does. */
static void expect_death(int number)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(number, SIG_DFL);
		kill(getpid(), number);
		_exit(0);
	}
	CHECK_KILLED(pid, number);
}

TEST(default_is_death)
{
	static const int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
		SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGSYS,
		SIGPWR};

	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		expect_death(deadly[i]);
	expect_death(SIGRTMIN + 3);
}

TEST(default_is_nothing)
{
	raise(SIGCHLD);
	raise(SIGURG);
	raise(SIGWINCH);
	raise(SIGCONT);
}

TEST(ignored_signal_does_nothing)
{
	signal(SIGTERM, SIG_IGN);
	raise(SIGTERM);
	block(SIG_BLOCK, SIGTERM);
	raise(SIGTERM);
	signal(SIGTERM, SIG_DFL);
	signal(SIGTERM, SIG_IGN);       /* drops what is pending */
	signal(SIGTERM, SIG_DFL);
	block(SIG_UNBLOCK, SIGTERM);
}

TEST(writing_to_nobody_is_sigpipe)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	close(fds[0]);
	pid_t pid = fork();
	if (pid == 0) {
		write(fds[1], "x", 1);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(fds[1], "x", 1), EPIPE);
}

TEST(handler_interrupts_a_read)
{
	int fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	handle(SIGUSR1, note, 0);
	pid_t pid = send_to_sleeper(SIGUSR1);
	CHECK_ERRNO(read(fds[0], &byte, 1), EINTR);
	CHECK_EQ(count, 1);
	CHECK_EXIT(pid, 0);
}

static int restart_fds[2];

static void write_byte(int signal)
{
	note(signal);
	write(restart_fds[1], "x", 1);
}

TEST(restart_takes_up_a_read_again)
{
	char byte = 0;

	CHECK_EQ(pipe(restart_fds), 0);
	handle(SIGUSR1, write_byte, SA_RESTART);
	pid_t pid = send_to_sleeper(SIGUSR1);
	CHECK_EQ(read(restart_fds[0], &byte, 1), 1);
	CHECK(byte == 'x' && count == 1);
	CHECK_EXIT(pid, 0);
}

TEST(ignored_signal_does_not_wake_a_sleeper)
{
	const struct timespec pause = {.tv_nsec = 60000000};
	siginfo_t info = {0};

	signal(SIGUSR1, SIG_IGN);
	pid_t pid = send_to_sleeper(SIGUSR1);
	do {                            /* until it was sent while we slept */
		CHECK_EQ(nanosleep(&pause, NULL), 0);
		CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	} while (info.si_pid != pid);
	CHECK_EXIT(pid, 0);
}

TEST(nanosleep_tells_what_is_left)
{
	struct timespec pause = {.tv_sec = 5}, left = {0};

	handle(SIGUSR1, note, SA_RESTART);
	pid_t pid = send_to_sleeper(SIGUSR1);
	CHECK_ERRNO(nanosleep(&pause, &left), EINTR);
	CHECK(left.tv_sec < 5 && left.tv_sec + left.tv_nsec > 0 && count == 1);
	CHECK_EXIT(pid, 0);
}

TEST(pause_ends_with_a_handler)
{
	handle(SIGUSR1, note, SA_RESTART);
	pid_t pid = send_to_sleeper(SIGUSR1);
	CHECK_ERRNO(pause(), EINTR);
	CHECK_EQ(count, 1);
	CHECK_EXIT(pid, 0);
}

TEST(sigsuspend_unblocks_and_puts_back)
{
	sigset_t none, now;

	handle(SIGUSR1, note, 0);
	block(SIG_BLOCK, SIGUSR1);
	pid_t pid = send_to_sleeper(SIGUSR1);
	sigemptyset(&none);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(count, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	CHECK_EXIT(pid, 0);
}

TEST(alarm_comes)
{
	sigset_t none;

	sigemptyset(&none);
	handle(SIGALRM, note, 0);
	block(SIG_BLOCK, SIGALRM);
	alarm(1);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(last, SIGALRM);
	CHECK_EQ(alarm(0), 0);
}

static volatile int child_code, child_status;

static void note_child(int signal, siginfo_t *info, void *context)
{
	(void)context;
	note(signal);
	sender = info->si_pid;
	child_code = info->si_code;
	child_status = info->si_status;
}

TEST(sigchld_tells_how_the_child_ended)
{
	struct sigaction action = {.sa_sigaction = note_child, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(SIGCHLD, &action, NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(42);
	CHECK_EXIT(pid, 42);
	CHECK(sender == pid && child_code == CLD_EXITED && child_status == 42);

	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	kill(pid, SIGTERM);
	CHECK_KILLED(pid, SIGTERM);
	CHECK(sender == pid && child_code == CLD_KILLED && child_status == SIGTERM);
}

TEST(nocldwait_leaves_no_zombie)
{
	handle(SIGCHLD, note, SA_NOCLDWAIT | SA_RESTART);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	CHECK_EQ(count, 1);
}

TEST(upper_flag_bits_are_ignored)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} action = {0}, old;

	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8), 0);
	action.handler = (void *)SIG_IGN;
	action.flags = 0xffffffff00000000ul | SA_RESTART;
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8), 0);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8), 0);
	CHECK_EQ(old.flags & 0xffffffff, SA_RESTART);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 4), EINVAL);
}

TEST(handler_survives_fork)
{
	handle(SIGUSR1, note, 0);
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGUSR1);
		_exit(count == 1 ? 0 : 1);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(count, 0);
}

TEST(pending_signals_are_not_inherited)
{
	handle(SIGUSR1, note, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	pid_t pid = fork();
	if (pid == 0) {
		block(SIG_UNBLOCK, SIGUSR1);
		_exit(count);
	}
	CHECK_EXIT(pid, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	CHECK_EQ(count, 1);
}

static void never(int signal)
{
	last = -signal;
}

TEST(a_child_changes_only_its_own_actions)
{
	handle(SIGUSR1, note, SA_RESETHAND | SA_NODEFER);
	handle(SIGUSR2, note, 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct sigaction now;

		raise(SIGUSR1);
		sigaction(SIGUSR1, NULL, &now);
		CHECK(now.sa_handler == SIG_DFL && now.sa_flags & SA_NODEFER);
		handle(SIGUSR2, never, 0);
		handle(SIGINT, SIG_IGN, 0);
		_exit(last == SIGUSR1 ? 0 : 1);
	}
	CHECK_EXIT(pid, 0);

	struct sigaction now;
	sigaction(SIGUSR1, NULL, &now);
	CHECK(now.sa_handler == note);
	sigaction(SIGINT, NULL, &now);
	CHECK(now.sa_handler == SIG_DFL);
	raise(SIGUSR2);
	CHECK_EQ(last, SIGUSR2);
}

TEST(a_parent_changes_only_its_own_actions)
{
	int gate[2];
	char byte;

	handle(SIGUSR1, note, 0);
	CHECK_EQ(pipe(gate), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(gate[0], &byte, 1), 1);
		raise(SIGUSR1);
		_exit(last == SIGUSR1 ? 0 : 1);
	}
	handle(SIGUSR1, never, 0);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	CHECK_EXIT(pid, 0);
	raise(SIGUSR1);
	CHECK_EQ(last, -SIGUSR1);
}
