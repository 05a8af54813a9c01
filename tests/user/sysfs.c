/* SPDX-License-Identifier: MIT */
/* /sys: the files are where programs look for them, and say what they say on Linux. */
#include "utest.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define CPUS "/sys/devices/system/cpu/"

enum { TEXT_MAX = 4096, SYSFS_ID = 0x62656572 };

static char text[TEXT_MAX];

/* The whole file as a string; its length. */
static size_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, text, TEXT_MAX - 1);
	CHECK(n >= 0);
	CHECK_EQ(read(fd, text + n, 1), 0);
	close(fd);
	text[n] = '\0';
	return n;
}

/* A number alone on its line. */
static long number_in(const char *path)
{
	char *end;
	long number;

	CHECK(slurp(path) > 1);
	number = strtol(text, &end, 10);
	CHECK(end > text && strcmp(end, "\n") == 0);
	return number;
}

/* 0, or the errno. */
static int write_to(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);
	int error;

	if (fd < 0)
		return errno;
	error = write(fd, what, strlen(what)) == (ssize_t)strlen(what) ? 0 : errno;
	close(fd);
	return error;
}

static void need_sysfs(void)
{
	struct statfs fs;

	if (statfs("/sys", &fs) < 0 || fs.f_type != SYSFS_ID)
		SKIP("/sys is not mounted");
}

static void need_to_write(const char *path)
{
	need_sysfs();
	if (access(path, W_OK) < 0)
		SKIP("the settings are not ours to change");
}

/* The word in brackets among exactly these. */
static void chosen_among(const char *path, const char *words, char *chosen)
{
	char plain[TEXT_MAX], *to = plain;

	slurp(path);
	char *open = strchr(text, '['), *close = strchr(text, ']');
	CHECK(open && close > open + 1 && !strchr(open + 1, '['));
	for (char *from = text; *from; from++) {
		if (from != open && from != close)
			*to++ = *from;
	}
	*to = '\0';
	CHECK(strcmp(plain, words) == 0);
	memcpy(chosen, open + 1, close - open - 1);
	chosen[close - open - 1] = '\0';
}

TEST(modes_of_transparent_huge_pages)
{
	char chosen[32];

	need_sysfs();
	chosen_among(THP "enabled", "always madvise never\n", chosen);
	chosen_among(THP "defrag", "always defer defer+madvise madvise never\n", chosen);
	chosen_among(THP "shmem_enabled", "always within_size advise never deny force\n", chosen);
}

TEST(numbers_of_transparent_huge_pages)
{
	long zero_page;

	need_sysfs();
	CHECK_EQ(number_in(THP "hpage_pmd_size"), 2 << 20);
	zero_page = number_in(THP "use_zero_page");
	CHECK(zero_page == 0 || zero_page == 1);
	CHECK(number_in(THP "khugepaged/pages_collapsed") >= 0);
	CHECK(number_in(THP "khugepaged/full_scans") >= 0);
}

TEST(a_wrong_word_is_refused_and_changes_nothing)
{
	char before[32], after[32];

	need_to_write(THP "enabled");
	chosen_among(THP "enabled", "always madvise never\n", before);
	CHECK_EQ(write_to(THP "enabled", "sometimes"), EINVAL);
	CHECK_EQ(write_to(THP "enabled", "[never]"), EINVAL);
	CHECK_EQ(write_to(THP "enabled", "nevermore"), EINVAL);
	CHECK_EQ(write_to(THP "enabled", "al"), EINVAL);
	CHECK_EQ(write_to(THP "defrag", "defer+"), EINVAL);
	CHECK_EQ(write_to(THP "use_zero_page", "2"), EINVAL);
	CHECK_EQ(write_to(THP "use_zero_page", "yes"), EINVAL);
	chosen_among(THP "enabled", "always madvise never\n", after);
	CHECK(strcmp(before, after) == 0);
}

/* On somebody else's system we write what is there anyway. */
TEST(a_word_is_taken_with_and_without_its_newline)
{
	char chosen[33];

	need_to_write(THP "enabled");
	chosen_among(THP "enabled", "always madvise never\n", chosen);
	CHECK_EQ(write_to(THP "enabled", chosen), 0);
	CHECK_EQ(write_to(THP "enabled", strcat(chosen, "\n")), 0);
	chosen_among(THP "defrag", "always defer defer+madvise madvise never\n", chosen);
	CHECK_EQ(write_to(THP "defrag", chosen), 0);
}

TEST(what_only_tells_cannot_be_opened_for_writing_by_others)
{
	struct stat status;

	need_sysfs();
	CHECK(stat(THP "hpage_pmd_size", &status) == 0);
	CHECK_EQ(status.st_mode, S_IFREG | 0444);
	CHECK(stat(POOL "nr_hugepages", &status) == 0);
	CHECK_EQ(status.st_mode, S_IFREG | 0644);
	CHECK(stat(POOL "free_hugepages", &status) == 0);
	CHECK_EQ(status.st_mode, S_IFREG | 0444);
	CHECK(stat(CPUS "cpu0", &status) == 0 && S_ISDIR(status.st_mode));
	CHECK(open(THP "new", O_WRONLY | O_CREAT, 0600) < 0);
	CHECK(mkdir("/sys/kernel/new", 0700) < 0);
}

TEST(pools_count_their_pages)
{
	need_sysfs();
	long total = number_in(POOL "nr_hugepages"), free = number_in(POOL "free_hugepages");
	long reserved = number_in(POOL "resv_hugepages");
	long surplus = number_in(POOL "surplus_hugepages");

	CHECK(total >= free && free >= reserved && reserved >= 0);
	CHECK(total >= surplus && surplus >= 0);
	CHECK(number_in(POOL "nr_overcommit_hugepages") >= 0);
	CHECK_EQ(access("/sys/kernel/mm/hugepages/hugepages-4kB", F_OK), -1);
	CHECK_EQ(access("/sys/kernel/mm/hugepages/hugepages-02048kB", F_OK), -1);
	CHECK_EQ(access("/sys/kernel/mm/hugepages/hugepages-2048", F_OK), -1);
}

TEST(pool_sizes_that_are_no_numbers_are_refused)
{
	need_to_write(POOL "nr_hugepages");
	long before = number_in(POOL "nr_hugepages");

	CHECK_EQ(write_to(POOL "nr_hugepages", "many"), EINVAL);
	CHECK_EQ(write_to(POOL "nr_hugepages", "1x"), EINVAL);
	CHECK_EQ(write_to(POOL "nr_hugepages", "-1"), EINVAL);
	CHECK_EQ(number_in(POOL "nr_hugepages"), before);
}

/* "0-3", "0": how many, when they begin with 0 and leave none out. */
static long cpus_in(const char *path)
{
	long first, last;

	slurp(path);
	int fields = sscanf(text, "%ld-%ld\n", &first, &last);
	CHECK(fields >= 1 && first == 0);
	return fields == 1 ? 1 : last + 1;
}

TEST(processors_are_listed)
{
	struct dirent *entry;
	long directories = 0;
	int number, end;

	need_sysfs();
	long present = cpus_in(CPUS "present"), online = cpus_in(CPUS "online");
	CHECK(present >= online && cpus_in(CPUS "possible") >= present);
	CHECK(number_in(CPUS "kernel_max") >= present - 1);
	DIR *directory = opendir(CPUS);
	CHECK(directory);
	while ((entry = readdir(directory))) {
		end = 0;
		sscanf(entry->d_name, "cpu%d%n", &number, &end);
		directories += end > 3 && entry->d_name[end] == '\0';
	}
	closedir(directory);
	CHECK_EQ(directories, present);
}

TEST(as_many_processors_are_online_as_may_run_us)
{
	cpu_set_t allowed;

	need_sysfs();
	CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	CHECK(cpus_in(CPUS "online") >= CPU_COUNT(&allowed));
	CHECK_ERRNO(access(CPUS "cpu00", F_OK), ENOENT);
	CHECK_ERRNO(access(CPUS "cpu99999", F_OK), ENOENT);
	CHECK_ERRNO(access(CPUS "cpu", F_OK), ENOENT);
}

TEST(every_name_that_is_listed_is_there)
{
	static const char *const directories[] = {
		"/sys", "/sys/kernel/mm", "/sys/kernel/mm/hugepages", THP, POOL, CPUS,
	};
	char path[600];
	struct stat status;
	struct dirent *entry;

	need_sysfs();
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		DIR *directory = opendir(directories[i]);
		CHECK(directory);
		while ((entry = readdir(directory))) {
			snprintf(path, sizeof(path), "%s/%s", directories[i], entry->d_name);
			CHECK(lstat(path, &status) == 0);
			CHECK_EQ(S_ISDIR(status.st_mode), entry->d_type == DT_DIR);
		}
		closedir(directory);
	}
}

/* The number behind "Name:" in /proc/meminfo. */
static long meminfo(const char *name)
{
	slurp("/proc/meminfo");
	char *at = strstr(text, name);
	CHECK(at && (at == text || at[-1] == '\n'));
	return strtol(strchr(at, ':') + 1, NULL, 10);
}

TEST(meminfo_says_the_same_of_the_default_pool)
{
	need_sysfs();
	if (meminfo("Hugepagesize") != 2048)
		SKIP("the default size is another");
	CHECK_EQ(meminfo("HugePages_Total"), number_in(POOL "nr_hugepages"));
	CHECK_EQ(meminfo("HugePages_Free"), number_in(POOL "free_hugepages"));
	CHECK_EQ(meminfo("HugePages_Rsvd"), number_in(POOL "resv_hugepages"));
	CHECK_EQ(meminfo("HugePages_Surp"), number_in(POOL "surplus_hugepages"));
	CHECK(meminfo("Hugetlb") >= 2048 * number_in(POOL "nr_hugepages"));
	CHECK_EQ(number_in("/proc/sys/vm/nr_hugepages"),
		number_in(POOL "nr_hugepages") - number_in(POOL "surplus_hugepages"));
	CHECK_EQ(number_in("/proc/sys/vm/nr_overcommit_hugepages"),
		number_in(POOL "nr_overcommit_hugepages"));
}
