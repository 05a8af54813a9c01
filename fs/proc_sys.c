/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_sys.c - /proc: the system, and /proc/sys.
 *
 * Owns: the settings of /proc/sys that are only remembered.
 * See: proc(5).
 */

#include "fs/procfs.h"
#include "lib/abi/linux.h"
#include "lib/string.h"
#include "boot/bootinfo.h"
#include "kernel/clock.h"
#include "kernel/entropy.h"
#include "kernel/load.h"
#include "kernel/options.h"
#include "kernel/upcall.h"
#include "kernel/uts.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/slab.h"
#include "mm/space.h"

#define NS_PER_TICK (NS_PER_SECOND / USER_HZ)

/* ---- time and load ---- */

static uint64_t idle_ns_total(void)
{
	uint64_t total = 0;

	for (uint32_t id = 0; id < cpu_count; id++)
		total += sched_idle_ns(id);
	return total;
}

static void print_centiseconds(struct text *text, uint64_t ns, char end)
{
	uint64_t centiseconds = ns / 10000000;

	text_print(text, "%lu.%02lu%c", centiseconds / 100, centiseconds % 100, end);
}

int proc_show_uptime(struct text *text, const struct text_node *node)
{
	print_centiseconds(text, clock_now_ns(), ' ');
	print_centiseconds(text, idle_ns_total(), '\n');
	return 0;
}

struct task_counts {
	int32_t newest;                 /* the process that came last */
	uint64_t start_ns;
	uint32_t threads;
};

static void count_tasks(struct process *process, void *argument)
{
	struct task_counts *tasks = argument;

	tasks->threads += process->thread_count;
	if (process->start_ns >= tasks->start_ns) {
		tasks->newest = process->pid;
		tasks->start_ns = process->start_ns;
	}
}

int proc_show_loadavg(struct text *text, const struct text_node *node)
{
	struct task_counts tasks = { 0 };
	uint64_t averages[LOAD_AVERAGES];
	struct sched_totals totals;

	load_averages(averages);
	for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
		uint64_t hundredths = (averages[i] + LOAD_ONE / 200) * 100 >> LOAD_SHIFT;

		text_print(text, "%lu.%02lu ", hundredths / 100, hundredths % 100);
	}
	sched_totals_get(&totals);
	spin_lock(&process_tree_lock);
	process_for_each(count_tasks, &tasks);
	spin_unlock(&process_tree_lock);
	text_print(text, "%u/%u %d\n", MAX(totals.runnable, 1u), tasks.threads, tasks.newest);
	return 0;
}

/* What is not idle is shown as time of programs. */
static void print_cpu(struct text *text, const char *name, uint64_t up_ns, uint64_t idle_ns)
{
	uint64_t busy_ns = up_ns > idle_ns ? up_ns - idle_ns : 0;

	text_print(text, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", name, busy_ns / NS_PER_TICK,
		idle_ns / NS_PER_TICK);
}

int proc_show_system_stat(struct text *text, const struct text_node *node)
{
	uint64_t up_ns = clock_now_ns();
	struct sched_totals totals;
	char name[16];

	sched_totals_get(&totals);
	print_cpu(text, "cpu ", up_ns * cpu_count, idle_ns_total());
	for (uint32_t id = 0; id < cpu_count; id++) {
		format_buffer(name, sizeof(name), "cpu%u", id);
		print_cpu(text, name, up_ns, sched_idle_ns(id));
	}
	text_print(text,
		"intr 0\nctxt %lu\nbtime %llu\nprocesses %lu\nprocs_running %u\nprocs_blocked 0\n",
		totals.switches, (clock_realtime_ns() - up_ns) / NS_PER_SECOND,
		totals.tasks_created, MAX(totals.runnable, 1u));
	return 0;
}

/* ---- what it is ---- */

static void print_one_cpu(struct text *text, uint32_t id)
{
	const struct cpu_features *f = &cpu_features;

	text_print(text, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", id,
		f->vendor, f->family, f->model);
	text_print(text, "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n",
		f->model_name, f->stepping, cpu_count);
	text_print(text,
		"core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\nwp\t\t: yes\n", id,
		cpu_count, cpus[id]->apic_id);
	text_print(text, "flags\t\t: fpu tsc msr pae cx8 apic cmov fxsr sse sse2 syscall lm");
	text_print(text, "%s%s%s%s%s%s%s%s%s%s%s\n", f->nx ? " nx" : "",
		f->page_1g ? " pdpe1gb" : "", f->pge ? " pge" : "", f->smep ? " smep" : "",
		f->smap ? " smap" : "", f->umip ? " umip" : "", f->fsgsbase ? " fsgsbase" : "",
		f->xsave ? " xsave" : "", f->xsaveopt ? " xsaveopt" : "", f->erms ? " erms" : "",
		f->rdrand ? " rdrand" : "");
	text_print(text, "address sizes\t: %u bits physical, 48 bits virtual\n\n", f->phys_bits);
}

int proc_show_cpuinfo(struct text *text, const struct text_node *node)
{
	for (uint32_t id = 0; id < cpu_count; id++)
		print_one_cpu(text, id);
	return 0;
}

int proc_show_version(struct text *text, const struct text_node *node)
{
	text_print(text, "%s version %s (gcc %d.%d) %s\n", UTS_SYSNAME, UTS_RELEASE, __GNUC__,
		__GNUC_MINOR__, UTS_VERSION);
	return 0;
}

int proc_show_cmdline(struct text *text, const struct text_node *node)
{
	text_print(text, "%s\n", bootinfo.cmdline);
	return 0;
}

int proc_show_devices(struct text *text, const struct text_node *node)
{
	text_print(text, "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n\n"
		"Block devices:\n");
	return 0;
}

/* There are no disks, nor parts of them. */
int proc_show_nothing(struct text *text, const struct text_node *node)
{
	return 0;
}

/* ---- file systems ---- */

static void print_type(const struct file_system_type *type, void *argument)
{
	text_print(argument, "nodev\t%s\n", type->name);
}

int proc_show_filesystems(struct text *text, const struct text_node *node)
{
	file_systems_for_each(print_type, text);
	return 0;
}

static void print_mount_flags(struct text *text, uint64_t flags)
{
	text_print(text, "%s%s%s%s", flags & MS_RDONLY ? "ro" : "rw",
		flags & MS_NOSUID ? ",nosuid" : "", flags & MS_NODEV ? ",nodev" : "",
		flags & MS_NOEXEC ? ",noexec" : "");
}

static void print_mount(const struct mount *mount, const char *at, const char *source,
	const char *type, void *argument)
{
	text_print(argument, "%s %s %s ", source, at, type);
	print_mount_flags(argument, mount->flags);
	text_print(argument, " 0 0\n");
}

int proc_show_mounts(struct text *text, const struct text_node *node)
{
	mounts_for_each(print_mount, text);
	return 0;
}

/* A mount is called by its device's number. */
static void print_mountinfo(const struct mount *mount, const char *at, const char *source,
			    const char *type, void *argument)
{
	uint32_t minor = dev_minor(mount->fs->device);
	uint32_t parent = mount->parent ? dev_minor(mount->parent->fs->device) : minor;

	text_print(argument, "%u %u %u:%u / %s ", minor, parent, dev_major(mount->fs->device),
		minor, at);
	print_mount_flags(argument, mount->flags);
	text_print(argument, " - %s %s %s\n", type, source, mount->flags & MS_RDONLY ? "ro" : "rw");
}

int proc_show_mountinfo(struct text *text, const struct text_node *node)
{
	mounts_for_each(print_mountinfo, text);
	return 0;
}

/* ---- /proc/sys ---- */

static int show_pid_max(struct text *text, const struct text_node *node)
{
	text_print(text, "%u\n", pid_max_get());
	return 0;
}

static int store_pid_max(const struct text_node *node, char *text)
{
	int64_t value;
	int err = text_parse_number(text, 1, INT32_MAX, &value);

	return err ? err : pid_max_set((uint32_t)value);
}

static int show_hostname(struct text *text, const struct text_node *node)
{
	struct abi_utsname uts;

	uts_read(&uts);
	text_print(text, "%s\n", uts.nodename);
	return 0;
}

static int store_hostname(const struct text_node *node, char *name)
{
	return uts_set_nodename(name, strlen(name));
}

static int show_aslr(struct text *text, const struct text_node *node)
{
	text_print(text, "%d\n", options.no_aslr ? 0 : 2);
	return 0;
}

static int store_aslr(const struct text_node *node, char *text)
{
	int64_t value;
	int err = text_parse_number(text, 0, 2, &value);

	if (!err)
		options.no_aslr = value == 0;
	return err;
}

static void print_uuid(struct text *text, const uint8_t *b)
{
	text_print(text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
		b[0], b[1], b[2], b[3], b[4], b[5], (b[6] & 0x0f) | 0x40, b[7],
		(b[8] & 0x3f) | 0x80, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static int show_uuid(struct text *text, const struct text_node *node)
{
	uint8_t bytes[16];

	entropy_fill(bytes, sizeof(bytes));
	print_uuid(text, bytes);
	return 0;
}

/* What never changes: the text is the entry's, by its name. */
int proc_show_constant(struct text *text, const struct text_node *node)
{
	static const struct { const char *name, *value; } constants[] = {
		{ "mmap_min_addr", "65536" },
		{ "swappiness", "0" },
		{ "ostype", UTS_SYSNAME },
		{ "osrelease", UTS_RELEASE },
		{ "version", UTS_VERSION },
		{ "domainname", "(none)" },
		{ "threads-max", "32768" },
		{ "ngroups_max", "32" },
		{ "cap_last_cap", "40" },
		{ "entropy_avail", "256" },
		{ "poolsize", "256" },
		{ "pipe-max-size", "1048576" },
		{ "nr_open", "1048576" },
		{ "file-max", "1048576" },
	};

	for (size_t i = 0; i < COUNT(constants); i++) {
		if (string_equals(constants[i].name, node->entry->name))
			text_print(text, "%s\n", constants[i].value);
	}
	return 0;
}

#define CONSTANT(name_) { .name = name_, .mode = S_IFREG | 0444, .show = proc_show_constant }
#define SETTING(name_, show_, store_) \
	{ .name = name_, .mode = S_IFREG | 0644, .show = show_, .store = store_ }
#define DIRECTORY(name_, children_) { .name = name_, .mode = S_IFDIR | 0555, .children = children_ }

static const struct text_entry random_children[] = {
	{ .name = "uuid", .mode = S_IFREG | 0444, .show = show_uuid },
	CONSTANT("entropy_avail"),
	CONSTANT("poolsize"),
	{ 0 }
};

static const struct text_entry kernel_children[] = {
	SETTING("pid_max", show_pid_max, store_pid_max),
	SETTING("hostname", show_hostname, store_hostname),
	SETTING("randomize_va_space", show_aslr, store_aslr),
	CONSTANT("ostype"),
	CONSTANT("osrelease"),
	CONSTANT("version"),
	CONSTANT("domainname"),
	CONSTANT("threads-max"),
	CONSTANT("ngroups_max"),
	CONSTANT("cap_last_cap"),
	DIRECTORY("random", random_children),
	{ 0 }
};

static const struct text_entry fs_children[] = {
	CONSTANT("pipe-max-size"),
	SETTING("pipe-user-pages-soft", proc_show_setting, proc_store_setting),
	SETTING("pipe-user-pages-hard", proc_show_setting, proc_store_setting),
	CONSTANT("nr_open"),
	CONSTANT("file-max"),
	{ 0 }
};

const struct text_entry proc_sys_children[] = {
	DIRECTORY("vm", proc_vm_children),
	DIRECTORY("kernel", kernel_children),
	DIRECTORY("fs", fs_children),
	{ 0 }
};
