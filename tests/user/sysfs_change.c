/* SPDX-License-Identifier: MIT */
// cowbell-only
/* /sys: what is written there happens.  Not on somebody else's system: it is the whole system's. */
#include "utest.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

enum { TEXT_MAX = 8192, SYSFS_ID = 0x62656572, PAGE_KIB = 2048 };

static char text[TEXT_MAX];

static void slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, text, TEXT_MAX - 1);
	CHECK(n >= 0);
	close(fd);
	text[n] = '\0';
}

static long number_in(const char *path)
{
	slurp(path);
	return strtol(text, NULL, 10);
}

static long meminfo(const char *name)
{
	slurp("/proc/meminfo");
	char *at = strstr(text, name);
	CHECK(at && (at == text || at[-1] == '\n'));
	return strtol(strchr(at, ':') + 1, NULL, 10);
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

static void expect_text(const char *path, const char *expected)
{
	slurp(path);
	CHECK(strcmp(text, expected) == 0);
}

TEST(each_mode_can_be_chosen)
{
	expect_text(THP "enabled", "always [madvise] never\n");
	CHECK_EQ(write_to(THP "enabled", "always\n"), 0);
	expect_text(THP "enabled", "[always] madvise never\n");
	CHECK_EQ(write_to(THP "enabled", "never"), 0);
	expect_text(THP "enabled", "always madvise [never]\n");
	CHECK_EQ(write_to(THP "enabled", "madvise"), 0);
	expect_text(THP "enabled", "always [madvise] never\n");
}

TEST(other_settings_of_transparent_huge_pages)
{
	CHECK_EQ(write_to(THP "defrag", "defer+madvise"), 0);
	expect_text(THP "defrag", "always defer [defer+madvise] madvise never\n");
	CHECK_EQ(write_to(THP "defrag", "madvise"), 0);
	CHECK_EQ(write_to(THP "use_zero_page", "0\n"), 0);
	expect_text(THP "use_zero_page", "0\n");
	CHECK_EQ(write_to(THP "use_zero_page", "1"), 0);
	CHECK_EQ(write_to(THP "shmem_enabled", "always"), EINVAL);
	expect_text(THP "shmem_enabled", "always within_size advise [never] deny force\n");
}

TEST(a_pool_grows_and_shrinks)
{
	long limit = meminfo("CommitLimit");

	CHECK_EQ(write_to(POOL "nr_hugepages", "4\n"), 0);
	CHECK_EQ(number_in(POOL "nr_hugepages"), 4);
	CHECK_EQ(number_in(POOL "free_hugepages"), 4);
	CHECK_EQ(number_in("/proc/sys/vm/nr_hugepages"), 4);
	CHECK_EQ(meminfo("HugePages_Total"), 4);
	CHECK_EQ(meminfo("HugePages_Free"), 4);
	CHECK_EQ(meminfo("Hugepagesize"), PAGE_KIB);
	CHECK_EQ(meminfo("Hugetlb"), 4 * PAGE_KIB);
	CHECK_EQ(meminfo("CommitLimit"),
		limit - 4 * PAGE_KIB * number_in("/proc/sys/vm/overcommit_ratio") / 100);
	CHECK_EQ(write_to("/proc/sys/vm/nr_hugepages", "1\n"), 0);
	CHECK_EQ(number_in(POOL "nr_hugepages"), 1);
	CHECK_EQ(write_to(POOL "nr_hugepages", "0"), 0);
	CHECK_EQ(meminfo("HugePages_Total"), 0);
	CHECK_EQ(meminfo("CommitLimit"), limit);
}

TEST(more_than_there_is_gives_what_there_is)
{
	long total = meminfo("MemTotal");

	CHECK_EQ(write_to(POOL "nr_hugepages", "1000000000"), 0);
	long pages = number_in(POOL "nr_hugepages");
	CHECK(pages > 0 && pages * PAGE_KIB < total);
	CHECK(meminfo("MemFree") > 0);
	CHECK_EQ(write_to(POOL "nr_hugepages", "0"), 0);
	CHECK_EQ(number_in(POOL "nr_hugepages"), 0);
}

TEST(overcommit_is_a_number_of_pages)
{
	CHECK_EQ(write_to(POOL "nr_overcommit_hugepages", "3\n"), 0);
	CHECK_EQ(number_in("/proc/sys/vm/nr_overcommit_hugepages"), 3);
	CHECK_EQ(write_to("/proc/sys/vm/nr_overcommit_hugepages", "0"), 0);
	CHECK_EQ(number_in(POOL "nr_overcommit_hugepages"), 0);
	CHECK_EQ(write_to(POOL "nr_overcommit_hugepages", "few"), EINVAL);
}

TEST(only_the_superuser_may)
{
	CHECK_EQ(setuid(1000), 0);
	CHECK_EQ(write_to(THP "enabled", "always"), EACCES);
	CHECK_EQ(write_to(POOL "nr_hugepages", "1"), EACCES);
	expect_text(THP "enabled", "always [madvise] never\n");
}

TEST(it_can_be_mounted_elsewhere_too)
{
	struct statfs fs;

	CHECK(mkdir("sys", 0755) == 0);
	CHECK(mount("none", "sys", "sysfs", 0, NULL) == 0);
	CHECK(statfs("sys", &fs) == 0);
	CHECK_EQ(fs.f_type, SYSFS_ID);
	expect_text("sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
	CHECK(umount("sys") == 0 && rmdir("sys") == 0);
}
