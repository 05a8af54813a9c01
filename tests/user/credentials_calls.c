/* SPDX-License-Identifier: MIT */
/*
 * tests/user/credentials_calls.c - what only the superuser may, what becomes of rights, and files
 * that are somebody else's.
 */
#include "credentials.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

/* ---- the superuser's calls ---- */

TEST(calls_of_the_superuser)
{
	AS(SOMEBODY, {
		struct timeval now = {.tv_sec = 1000000000};
		struct timespec then = {.tv_sec = 1000000000};

		CHECK_ERRNO(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
		CHECK_ERRNO(mount("none", "/no-such-place", "tmpfs", 0, NULL), ENOENT);
		CHECK_ERRNO(umount("/proc"), EPERM);
		CHECK_ERRNO(umount("/no-such-place"), ENOENT);
		CHECK_ERRNO(chroot("/tmp"), EPERM);
		CHECK_ERRNO(chroot("/no-such-place"), ENOENT);
		CHECK_ERRNO(sethostname("mine", 4), EPERM);
		CHECK_ERRNO(reboot(RB_AUTOBOOT), EPERM);
		CHECK_ERRNO(settimeofday(&now, NULL), EPERM);
		CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &then), EPERM);
		CHECK_ERRNO(syscall(SYS_syslog, 5, NULL, 0), EPERM);
		CHECK_ERRNO(setgroups(0, NULL), EPERM);
		CHECK_ERRNO(mknod("/tmp/credentials_device", S_IFCHR | 0666, 0x101), EPERM);
	});
}

static const char *const settings[] = {
	"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count", "/proc/sys/kernel/hostname",
	"/proc/sys/kernel/pid_max", "/proc/sys/kernel/randomize_va_space",
	"/proc/sys/vm/min_free_kbytes", "/proc/sys/vm/nr_hugepages",
};

TEST(settings_of_the_system)
{
	AS(SOMEBODY, {
		for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
			CHECK_ERRNO(open(settings[i], O_WRONLY), EACCES);
			CHECK_ERRNO(access(settings[i], W_OK), EACCES);
			CHECK_EQ(access(settings[i], R_OK), 0);
		}
		CHECK_ERRNO(open("/proc/self/oom_adj", O_WRONLY) < 0 ? -1 : write(open(
			"/proc/self/oom_score_adj", O_WRONLY), "-1000", 5), EACCES);
	});
}

/* ---- ids ---- */

TEST(other_ids_hide_what_one_has)
{
	SUPERUSER_ONLY();
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
	CHECK_EQ(setresuid(-1, SOMEBODY, -1), 0);
	int signal = -1;
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &signal), 0);
	CHECK_EQ(signal, 0);
	CHECK(prctl(PR_GET_DUMPABLE) != 1);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
	CHECK_EQ(setfsgid(OTHER), 0);
	CHECK_EQ(setresuid(-1, 0, -1), 0);
	CHECK(prctl(PR_GET_DUMPABLE) != 1);
}

TEST(ids_for_files)
{
	SUPERUSER_ONLY();
	char path[] = "/tmp/credentials_XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK_EQ(setfsuid(SOMEBODY), 0);
	CHECK_EQ(setfsuid(-1), SOMEBODY);
	CHECK_ERRNO(open(path, O_RDONLY), EACCES);
	CHECK_EQ(access(path, R_OK), 0);        /* that is a question for the real id */
	CHECK_EQ(setfsuid(0), SOMEBODY);
	CHECK_EQ(unlink(path), 0);
}

/* A pipe is its maker's: he opens it again by its number, others do not. */
TEST(pipes_belong_to_somebody)
{
	int ends[2];
	char number[32];
	char byte;

	AS(SOMEBODY, {
		struct stat status;

		CHECK_EQ(pipe(ends), 0);
		CHECK_EQ(fstat(ends[0], &status), 0);
		CHECK_EQ(status.st_uid, SOMEBODY);
		CHECK_EQ(status.st_gid, SOMEBODY);
		CHECK_EQ(status.st_mode, S_IFIFO | 0600);
		snprintf(number, sizeof(number), "/proc/self/fd/%d", ends[0]);
		int again = open(number, O_RDONLY);
		CHECK(again >= 0);
		CHECK_EQ(write(ends[1], "x", 1), 1);
		CHECK_EQ(read(again, &byte, 1), 1);
	});
	CHECK_EQ(pipe(ends), 0);
	snprintf(number, sizeof(number), "/proc/self/fd/%d", ends[0]);
	AS(SOMEBODY, CHECK_ERRNO(open(number, O_RDONLY), EACCES));
}

TEST(groups_open_files)
{
	SUPERUSER_ONLY();
	char path[] = "/tmp/credentials_XXXXXX";
	gid_t group = OTHER;

	CHECK(mkstemp(path) >= 0);
	CHECK(chown(path, 0, OTHER) == 0 && chmod(path, 0640) == 0);
	AS(SOMEBODY, CHECK_ERRNO(open(path, O_RDONLY), EACCES));
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setgroups(1, &group), 0);
		CHECK(setgid(SOMEBODY) == 0 && setuid(SOMEBODY) == 0);
		CHECK(open(path, O_RDONLY) >= 0);
		CHECK_ERRNO(open(path, O_WRONLY), EACCES);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(unlink(path), 0);
}

/* ---- files ---- */

/* A directory that everybody may write, and a file of OTHER's in it. */
static char place[] = "/tmp/credentials_XXXXXX", file_name[64], new_name[64];

static void place_make(mode_t mode, mode_t file_mode)
{
	SUPERUSER_ONLY();
	CHECK(mkdtemp(place) != NULL);
	CHECK_EQ(chmod(place, mode), 0);
	snprintf(file_name, sizeof(file_name), "%s/file", place);
	snprintf(new_name, sizeof(new_name), "%s/new", place);
	int fd = open(file_name, O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	CHECK_EQ(chown(file_name, OTHER, OTHER), 0);
	CHECK_EQ(chmod(file_name, file_mode), 0);
}

static void place_end(void)
{
	unlink(file_name);
	unlink(new_name);
	CHECK_EQ(rmdir(place), 0);
}

TEST(files_of_others)
{
	place_make(0777, 0604);
	AS(SOMEBODY, {
		struct utimbuf times = {0};

		CHECK(open(file_name, O_RDONLY) >= 0);
		CHECK_ERRNO(open(file_name, O_WRONLY), EACCES);
		CHECK_ERRNO(open(file_name, O_RDONLY | O_TRUNC), EACCES);
		CHECK_ERRNO(open(file_name, O_RDONLY | O_NOATIME), EPERM);
		CHECK_ERRNO(truncate(file_name, 0), EACCES);
		CHECK_ERRNO(access(file_name, W_OK), EACCES);
		CHECK_ERRNO(execl(file_name, "file", NULL), EACCES);
		CHECK_ERRNO(chmod(file_name, 0777), EPERM);
		CHECK_ERRNO(chown(file_name, SOMEBODY, -1), EPERM);
		CHECK_ERRNO(chown(file_name, -1, SOMEBODY), EPERM);
		CHECK_ERRNO(utime(file_name, &times), EPERM);
		CHECK_ERRNO(utime(file_name, NULL), EACCES);
	});
	AS(OTHER, {
		CHECK_EQ(chmod(file_name, 0600), 0);
		CHECK_ERRNO(chown(file_name, SOMEBODY, -1), EPERM);
		CHECK_ERRNO(chown(file_name, -1, SOMEBODY), EPERM);
		CHECK_EQ(chown(file_name, OTHER, OTHER), 0);
	});
	place_end();
}

/* The owner's bits are the owner's, even if others have more. */
TEST(bits_are_not_added_up)
{
	place_make(0777, 0077);
	AS(OTHER, CHECK_ERRNO(open(file_name, O_RDONLY), EACCES));
	AS(SOMEBODY, CHECK(open(file_name, O_RDONLY) >= 0));
	AS(0, CHECK(open(file_name, O_RDWR) >= 0));
	place_end();
}

TEST(names_in_a_directory_of_others)
{
	place_make(0755, 0666);
	AS(SOMEBODY, {
		CHECK_ERRNO(unlink(file_name), EACCES);
		CHECK_ERRNO(rename(file_name, new_name), EACCES);
		CHECK_ERRNO(symlink("x", new_name), EACCES);
		CHECK_ERRNO(mkdir(new_name, 0777), EACCES);
		CHECK_ERRNO(open(new_name, O_CREAT | O_WRONLY, 0666), EACCES);
		CHECK_ERRNO(rmdir(place), EPERM);       /* /tmp is sticky */
		CHECK(open(file_name, O_WRONLY) >= 0);
	});
	CHECK_EQ(chmod(place, 0700), 0);
	AS(SOMEBODY, {
		struct stat status;

		CHECK_ERRNO(stat(file_name, &status), EACCES);
		CHECK_ERRNO(open(place, O_RDONLY), EACCES);
		CHECK_ERRNO(chdir(place), EACCES);
	});
	place_end();
}

TEST(sticky_directory)
{
	place_make(01777, 0666);
	AS(SOMEBODY, {
		CHECK_ERRNO(unlink(file_name), EPERM);
		CHECK_ERRNO(rename(file_name, new_name), EPERM);
		CHECK(open(new_name, O_CREAT | O_WRONLY, 0666) >= 0);
		CHECK_ERRNO(rename(new_name, file_name), EPERM);
		CHECK_EQ(unlink(new_name), 0);
	});
	AS(OTHER, CHECK_EQ(rename(file_name, new_name), 0));
	AS(OTHER, CHECK_EQ(unlink(new_name), 0));
	place_end();
}

TEST(rights_of_programs_end_with_a_change)
{
	struct stat status;

	place_make(0777, 06755);
	AS(SOMEBODY, CHECK_ERRNO(open(file_name, O_WRONLY), EACCES));
	CHECK_EQ(chmod(file_name, 06777), 0);
	AS(SOMEBODY, {
		int fd = open(file_name, O_WRONLY);
		CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	});
	CHECK_EQ(stat(file_name, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0777);
	CHECK_EQ(chmod(file_name, 06755), 0);
	CHECK_EQ(chown(file_name, SOMEBODY, SOMEBODY), 0);
	CHECK_EQ(stat(file_name, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0755);
	place_end();
}

static void size_change(int how)
{
	int fd = open(file_name, how == 0 ? O_WRONLY | O_TRUNC : O_WRONLY);

	CHECK(fd >= 0);
	if (how == 1)
		CHECK_EQ(ftruncate(fd, 1), 0);
	if (how == 2)
		CHECK_EQ(truncate(file_name, 1), 0);
	if (how == 3)
		CHECK_EQ(fallocate(fd, 0, 0, 4096), 0);
}

TEST(rights_of_programs_end_with_another_size)
{
	struct stat status;

	place_make(0777, 06777);
	for (int how = 0; how < 4; how++) {
		CHECK_EQ(chmod(file_name, 06777), 0);
		AS(0, size_change(how));
		CHECK_EQ(stat(file_name, &status), 0);
		CHECK_EQ(status.st_mode & 07777, 06777);
		AS(SOMEBODY, size_change(how));
		CHECK_EQ(stat(file_name, &status), 0);
		CHECK_EQ(status.st_mode & 07777, 0777);
	}
	place_end();
}

static mode_t mode_of_new(unsigned maker, mode_t mode, bool is_node)
{
	struct stat status;

	AS(maker, {
		umask(0);
		if (is_node)
			CHECK_EQ(mknod(new_name, S_IFREG | mode, 0), 0);
		else
			CHECK(open(new_name, O_CREAT | O_WRONLY, mode) >= 0);
	});
	CHECK_EQ(stat(new_name, &status), 0);
	CHECK_EQ(status.st_gid, OTHER);
	CHECK_EQ(unlink(new_name), 0);
	return status.st_mode & 07777;
}

/* The directory gives its group; whoever is not in it makes no program with its rights. */
TEST(programs_for_the_group_of_a_directory)
{
	place_make(02777, 0600);
	CHECK_EQ(chown(place, 0, OTHER), 0);
	CHECK_EQ(chmod(place, 02777), 0);
	for (int is_node = 0; is_node < 2; is_node++) {
		CHECK_EQ(mode_of_new(SOMEBODY, 02770, is_node), 0770);
		CHECK_EQ(mode_of_new(SOMEBODY, 06770, is_node), 04770);
		CHECK_EQ(mode_of_new(SOMEBODY, 02760, is_node), 02760);
		CHECK_EQ(mode_of_new(OTHER, 02770, is_node), 02770);
		CHECK_EQ(mode_of_new(0, 02770, is_node), 02770);
	}
	place_end();
}

static pid_t loop_start(unsigned id, void (*step)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	become(id);
	CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
	for (;;)
		step();
}

static void loop_end(pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}

static void give_bits(void)
{
	if (chmod(file_name, 04755) != 0)
		CHECK_EQ(errno, EPERM);
}

/* Who changes attributes waits until the bytes are there. */
static void write_much(void)
{
	static char bytes[1 << 20];
	static int fd = -1;

	if (fd < 0)
		fd = open(file_name, O_WRONLY);
	CHECK_EQ(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	usleep(100);                    /* their turn */
}

/* Who gives bits to a program of his does not give them to what is another's by then. */
TEST(bits_given_while_the_owner_changes)
{
	struct stat status;

	place_make(0777, 0755);
	pid_t writer = loop_start(0, write_much);
	pid_t giver = loop_start(SOMEBODY, give_bits);

	for (int i = 0; i < 100; i++) {
		CHECK_EQ(chown(file_name, SOMEBODY, SOMEBODY), 0);
		usleep(1000);
		CHECK_EQ(chown(file_name, OTHER, OTHER), 0);
		usleep(1000);
		CHECK_EQ(stat(file_name, &status), 0);
		CHECK_EQ(status.st_mode & 07777, 0755);
	}
	loop_end(giver);
	loop_end(writer);
	place_end();
}

/* ---- programs that gain rights ---- */

/* In the program itself, when it was started anew: what it is, and what may be seen of it. */
TEST(as_a_program_that_gained)
{
	if (!getenv("GAINED"))
		return;
	CHECK_EQ(geteuid(), atoi(getenv("GAINED")));
	CHECK_EQ(getuid(), SOMEBODY);
	CHECK_EQ(prctl(PR_GET_DUMPABLE) == 1, geteuid() == SOMEBODY);
	CHECK_EQ(open("/proc/self/maps", O_RDONLY) < 0, 0);
}

static void run_copy(int expected)
{
	char *arguments[] = {"copy", "as_a_program_that_gained", NULL};
	char variable[32];
	char *environment[] = {variable, NULL};

	snprintf(variable, sizeof(variable), "GAINED=%d", expected);
	AS(SOMEBODY, execve(file_name, arguments, environment); _exit(99));
}

/* In the program itself: one that has another's rights must not trust what he gave it. */
__attribute__((constructor)) static void play_program_of_two_users(void)
{
	if (getenv("TWO_USERS"))
		_exit(getauxval(AT_SECURE) ? 5 : 6);
}

TEST(rights_that_were_had_before_are_told)
{
	char *arguments[] = {"us", NULL};
	char *environment[] = {"TWO_USERS=1", NULL};

	SUPERUSER_ONLY();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresuid(SOMEBODY, 0, 0), 0);
		execve("/proc/self/exe", arguments, environment);
		_exit(99);
	}
	CHECK_EXIT(pid, 5);
}

TEST(set_user_id)
{
	place_make(0777, 0755);
	copy_of_us(file_name);
	CHECK_EQ(chmod(file_name, 04755), 0);
	run_copy(OTHER);
	CHECK_EQ(chmod(file_name, 0755), 0);
	run_copy(SOMEBODY);
	CHECK_EQ(chmod(file_name, 04755), 0);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	run_copy(SOMEBODY);
	place_end();
}

/* Another process could move the root under it. */
TEST(no_set_user_id_among_those_who_share_places)
{
	char *arguments[] = {"copy", "as_a_program_that_gained", NULL};
	char variable[32];
	char *environment[] = {variable, NULL};

	place_make(0777, 0755);
	copy_of_us(file_name);
	CHECK_EQ(chmod(file_name, 04755), 0);
	for (int shares = 0; shares < 2; shares++) {
		snprintf(variable, sizeof(variable), "GAINED=%d", shares ? SOMEBODY : OTHER);
		AS(SOMEBODY, {
			pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | (shares ? CLONE_FS : 0), 0,
				0, 0, 0);
			if (pid == 0) {
				execve(file_name, arguments, environment);
				_exit(99);
			}
			CHECK_EXIT(pid, 0);
		});
	}
	place_end();
}

/* A program that may be run and not read is not shown by /proc either. */
TEST(unreadable_programs_are_hidden)
{
	SUPERUSER_ONLY();
	place_make(0777, 0755);
	copy_of_us(file_name);
	CHECK_EQ(chmod(file_name, 0711), 0);
	AS(SOMEBODY, {
		char *arguments[] = {"copy", "hidden_program", NULL};
		char *environment[] = {"HIDDEN=yes", NULL};

		execve(file_name, arguments, environment);
		_exit(99);
	});
	place_end();
}

TEST(hidden_program)
{
	if (getenv("HIDDEN"))
		CHECK(prctl(PR_GET_DUMPABLE) != 1);
}

/* ---- shared memory ---- */

TEST(shared_memory_of_others)
{
	SUPERUSER_ONLY();
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0604);
	struct shmid_ds status;

	CHECK(id >= 0);
	AS(SOMEBODY, {
		CHECK_ERRNO((long)shmat(id, NULL, 0), EACCES);
		CHECK((long)shmat(id, NULL, SHM_RDONLY) != -1);
		CHECK_EQ(shmctl(id, IPC_STAT, &status), 0);
		CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EPERM);
		CHECK_ERRNO(shmctl(id, IPC_SET, &status), EPERM);
	});
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

/* What was mapped for reading stays so, also when more is asked for later. */
TEST(mappings_keep_to_what_was_opened)
{
	place_make(0777, 0644);
	AS(SOMEBODY, {
		int fd = open(file_name, O_RDONLY);
		void *view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

		CHECK(view != MAP_FAILED);
		CHECK_ERRNO(mprotect(view, 4096, PROT_READ | PROT_WRITE), EACCES);
		CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	});
	place_end();
}
