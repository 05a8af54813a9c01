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

static void print_centiseconds(struct proc_text *text, uint64_t ns, char end)
{
	uint64_t centiseconds = ns / 10000000;

	proc_print(text, "%lu.%02lu%c", centiseconds / 100, centiseconds % 100, end);
}

int proc_show_uptime(struct proc_text *text, const struct proc_node *node)
{
	print_centiseconds(text, clock_now_ns(), ' ');
	print_centiseconds(text, idle_ns_total(), '\n');
	return 0;
}

struct newest {
	int32_t pid;
	uint64_t start_ns;
};

static void find_newest(struct process *process, void *argument)
{
	struct newest *newest = argument;

	if (process->start_ns >= newest->start_ns)
		*newest = (struct newest){ process->pid, process->start_ns };
}

/* Averages are not kept. */
int proc_show_loadavg(struct proc_text *text, const struct proc_node *node)
{
	struct newest newest = { 0 };
	struct sched_totals totals;

	sched_totals_get(&totals);
	spin_lock(&process_tree_lock);
	process_for_each(find_newest, &newest);
	spin_unlock(&process_tree_lock);
	proc_print(text, "0.00 0.00 0.00 %u/%u %d\n", MAX(totals.runnable, 1u), processes_count(),
		newest.pid);
	return 0;
}

/* What is not idle is shown as time of programs. */
static void print_cpu(struct proc_text *text, const char *name, uint64_t up_ns, uint64_t idle_ns)
{
	uint64_t busy_ns = up_ns > idle_ns ? up_ns - idle_ns : 0;

	proc_print(text, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", name, busy_ns / NS_PER_TICK,
		idle_ns / NS_PER_TICK);
}

int proc_show_system_stat(struct proc_text *text, const struct proc_node *node)
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
	proc_print(text,
		"intr 0\nctxt %lu\nbtime %llu\nprocesses %lu\nprocs_running %u\nprocs_blocked 0\n",
		totals.switches, (clock_realtime_ns() - up_ns) / NS_PER_SECOND,
		totals.tasks_created, MAX(totals.runnable, 1u));
	return 0;
}

/* ---- what it is ---- */

static void print_one_cpu(struct proc_text *text, uint32_t id)
{
	const struct cpu_features *f = &cpu_features;

	proc_print(text, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", id,
		f->vendor, f->family, f->model);
	proc_print(text, "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n",
		f->model_name, f->stepping, cpu_count);
	proc_print(text,
		"core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\nwp\t\t: yes\n", id,
		cpu_count, cpus[id]->apic_id);
	proc_print(text, "flags\t\t: fpu tsc msr pae cx8 apic cmov fxsr sse sse2 syscall lm");
	proc_print(text, "%s%s%s%s%s%s%s%s%s%s%s\n", f->nx ? " nx" : "",
		f->page_1g ? " pdpe1gb" : "", f->pge ? " pge" : "", f->smep ? " smep" : "",
		f->smap ? " smap" : "", f->umip ? " umip" : "", f->fsgsbase ? " fsgsbase" : "",
		f->xsave ? " xsave" : "", f->xsaveopt ? " xsaveopt" : "", f->erms ? " erms" : "",
		f->rdrand ? " rdrand" : "");
	proc_print(text, "address sizes\t: %u bits physical, 48 bits virtual\n\n", f->phys_bits);
}

int proc_show_cpuinfo(struct proc_text *text, const struct proc_node *node)
{
	for (uint32_t id = 0; id < cpu_count; id++)
		print_one_cpu(text, id);
	return 0;
}

int proc_show_version(struct proc_text *text, const struct proc_node *node)
{
	proc_print(text, "%s version %s (gcc %d.%d) %s\n", UTS_SYSNAME, UTS_RELEASE, __GNUC__,
		__GNUC_MINOR__, UTS_VERSION);
	return 0;
}

int proc_show_cmdline(struct proc_text *text, const struct proc_node *node)
{
	proc_print(text, "%s\n", bootinfo.cmdline);
	return 0;
}

int proc_show_devices(struct proc_text *text, const struct proc_node *node)
{
	proc_print(text, "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n\n"
		"Block devices:\n");
	return 0;
}

/* ---- file systems ---- */

static void print_type(const struct file_system_type *type, void *argument)
{
	proc_print(argument, "nodev\t%s\n", type->name);
}

int proc_show_filesystems(struct proc_text *text, const struct proc_node *node)
{
	file_systems_for_each(print_type, text);
	return 0;
}

static void print_mount_flags(struct proc_text *text, uint64_t flags)
{
	proc_print(text, "%s%s%s%s", flags & MS_RDONLY ? "ro" : "rw",
		flags & MS_NOSUID ? ",nosuid" : "", flags & MS_NODEV ? ",nodev" : "",
		flags & MS_NOEXEC ? ",noexec" : "");
}

static void print_mount(const struct mount *mount, const char *at, const char *source,
	const char *type, void *argument)
{
	proc_print(argument, "%s %s %s ", source, at, type);
	print_mount_flags(argument, mount->flags);
	proc_print(argument, " 0 0\n");
}

int proc_show_mounts(struct proc_text *text, const struct proc_node *node)
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

	proc_print(argument, "%u %u %u:%u / %s ", minor, parent, dev_major(mount->fs->device),
		minor, at);
	print_mount_flags(argument, mount->flags);
	proc_print(argument, " - %s %s %s\n", type, source, mount->flags & MS_RDONLY ? "ro" : "rw");
}

int proc_show_mountinfo(struct proc_text *text, const struct proc_node *node)
{
	mounts_for_each(print_mountinfo, text);
	return 0;
}

/* ---- /proc/sys ---- */

static int show_pid_max(struct proc_text *text, const struct proc_node *node)
{
	proc_print(text, "%u\n", pid_max_get());
	return 0;
}

static int store_pid_max(const struct proc_node *node, char *text)
{
	int64_t value;
	int err = proc_parse_number(text, 1, INT32_MAX, &value);

	return err ? err : pid_max_set((uint32_t)value);
}

static int show_hostname(struct proc_text *text, const struct proc_node *node)
{
	struct abi_utsname uts;

	uts_read(&uts);
	proc_print(text, "%s\n", uts.nodename);
	return 0;
}

static int store_hostname(const struct proc_node *node, char *name)
{
	return uts_set_nodename(name, strlen(name));
}

static int show_aslr(struct proc_text *text, const struct proc_node *node)
{
	proc_print(text, "%d\n", options.no_aslr ? 0 : 2);
	return 0;
}

static int store_aslr(const struct proc_node *node, char *text)
{
	int64_t value;
	int err = proc_parse_number(text, 0, 2, &value);

	if (!err)
		options.no_aslr = value == 0;
	return err;
}

static void print_uuid(struct proc_text *text, const uint8_t *b)
{
	proc_print(text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
		b[0], b[1], b[2], b[3], b[4], b[5], (b[6] & 0x0f) | 0x40, b[7],
		(b[8] & 0x3f) | 0x80, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static int show_uuid(struct proc_text *text, const struct proc_node *node)
{
	uint8_t bytes[16];

	entropy_fill(bytes, sizeof(bytes));
	print_uuid(text, bytes);
	return 0;
}

/* What never changes: the text is the entry's, by its name. */
int proc_show_constant(struct proc_text *text, const struct proc_node *node)
{
	static const struct { const char *name, *value; } constants[] = {
		{ "max_map_count", "65530" },
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
			proc_print(text, "%s\n", constants[i].value);
	}
	return 0;
}

#define CONSTANT(name_) { .name = name_, .mode = S_IFREG | 0444, .show = proc_show_constant }
#define SETTING(name_, show_, store_) \
	{ .name = name_, .mode = S_IFREG | 0644, .show = show_, .store = store_ }
#define DIRECTORY(name_, children_) { .name = name_, .mode = S_IFDIR | 0555, .children = children_ }

static const struct proc_entry random_children[] = {
	{ .name = "uuid", .mode = S_IFREG | 0444, .show = show_uuid },
	CONSTANT("entropy_avail"),
	CONSTANT("poolsize"),
	{ 0 }
};

static const struct proc_entry kernel_children[] = {
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

static const struct proc_entry fs_children[] = {
	CONSTANT("pipe-max-size"),
	CONSTANT("nr_open"),
	CONSTANT("file-max"),
	{ 0 }
};

const struct proc_entry proc_sys_children[] = {
	DIRECTORY("vm", proc_vm_children),
	DIRECTORY("kernel", kernel_children),
	DIRECTORY("fs", fs_children),
	{ 0 }
};
