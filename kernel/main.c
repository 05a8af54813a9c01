/* SPDX-License-Identifier: MIT */
/*
 * kernel/main.c - boot, as one list of calls in order.
 *
 * Each line relies on those before it.  Until tasks_start() nothing may sleep and only one CPU
 * runs; the stack is boot/entry.asm's, whose owner becomes the boot CPU's idle task in the end.
 */
#include "lib/bits.h"
#include "lib/kasan.h"
#include "boot/bootinfo.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/idt.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/tlb.h"
#include "arch/x86_64/trap.h"
#include "kernel/alarm.h"
#include "kernel/clock.h"
#include "kernel/entropy.h"
#include "kernel/event.h"
#include "kernel/exec.h"
#include "kernel/futex_queue.h"
#include "kernel/init.h"
#include "kernel/load.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/pidfd.h"
#include "kernel/printk.h"
#include "kernel/process.h"
#include "kernel/race.h"
#include "kernel/sched.h"
#include "kernel/selftest.h"
#include "kernel/signal.h"
#include "kernel/upcall.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/frame_early.h"
#include "mm/huge_mode.h"
#include "mm/hugetlb.h"
#include "mm/mmap.h"
#include "mm/object.h"
#include "mm/slab.h"
#include "mm/space.h"
#include "fs/dentry.h"
#include "fs/devfs.h"
#include "fs/initramfs.h"
#include "fs/lock.h"
#include "fs/pipe.h"
#include "fs/procfs.h"
#include "fs/sysfs.h"
#include "fs/memfd.h"
#include "fs/overlay.h"
#include "fs/tmpfs.h"
#include "fs/tty.h"

static void loader_read(uint32_t magic, phys_t info);
static void cpu_start(void);
static void memory_start(void);
static void interrupts_start(void);
static void tasks_start(void);
static void work_start(void);

void boot_main(uint32_t magic, phys_t info)
{
	cpu_set_area(&boot_cpu);
	kasan_start();
	serial_start();
	loader_read(magic, info);
	options_parse(bootinfo.cmdline);
	log_info("Cowbell, loaded by %s: %s", bootinfo.loader, bootinfo.cmdline);
	cpu_start();
	memory_start();
	interrupts_start();
	tasks_start();
	work_start();
	sched_idle();
}

static void loader_read(uint32_t magic, phys_t info)
{
	if (magic == MULTIBOOT_MAGIC)
		multiboot_read(info);
	else if (*(const uint32_t *)phys_to_virt(info) == PVH_MAGIC)
		pvh_read(info);
	else
		panic("loaded by nobody we know: eax %#x, ebx %#lx", magic, info);
}

static void cpu_start(void)
{
	static struct cpu_arch boot_cpu_arch;

	boot_cpu.arch = &boot_cpu_arch;
	cpu_detect();
	gdt_setup(&boot_cpu);
	idt_start();
	idt_load();
	cpu_setup(&boot_cpu);
	entropy_start();
	boot_cpu.canary = entropy_u64() << 8;   /* a zero byte first: strings end there */
	log_info("CPU: %s%s%s%s%s", cpu_features.model_name, cpu_features.smep ? ", SMEP" : "",
		 cpu_features.smap ? ", SMAP" : "", cpu_features.umip ? ", UMIP" : "",
		 cpu_features.xsave ? ", XSAVE" : "");
}

/* More tables for the kernel's own half, after boot. */
static phys_t kernel_table_alloc(void)
{
	pfn_t pfn = frame_alloc_zeroed(FRAME_KERNEL);

	return pfn << PAGE_SHIFT;
}

static void memory_start(void)
{
	static_assert(FRAME_NONE == 0, "a failed allocation reads as no table");

	paging_start(frames_early_alloc, frames_ram_end());
	initramfs_inflate();
	frames_start();
	commit_start();
	hugetlb_start();
	huge_mode_start();
	paging_set_allocator(kernel_table_alloc);
	slabs_start();
	tlb_start_cpu();
	events_start();
	objects_start();
	spaces_start();
	mmap_start();
}

static void console_input(void)
{
	int byte;

	while ((byte = serial_get()) >= 0)
		upcall_console_input((uint8_t)byte);
}

static void interrupts_start(void)
{
	acpi_start();
	apic_start();
	irq_attach(SERIAL_IRQ, console_input);
	serial_enable_input();
}

static void tasks_start(void)
{
	sched_start();
	clock_start();
	load_start();
	smp_start();
	race_start();
	log_info("%u CPU%s online", cpu_count, cpu_count == 1 ? "" : "s");
}

/* Processes and files: empty tables, then what fills them. */
static void files_and_processes_start(void)
{
	processes_start();
	programs_start();
	signals_start();
	alarms_start();
	futexes_start();
	inodes_start();
	dentries_start();
	files_start();
	pipes_start();
	pidfds_start();
	tmpfs_start();
	memfd_start();
	overlay_start();
	devfs_start();
	procfs_start();
	sysfs_start();
	tty_start();
	if (initramfs_unpack())
		log_err("the initramfs is damaged; what could be read of it is there");
}

static void cpu_check(void *unused)
{
	const char *missing = cpu_unprotected_by();

	if (missing)
		panic("CPU %u runs without %s", this_cpu()->id, missing);
}

/* Before the first program: does all that shall keep programs out do so? */
static void protection_check(void)
{
	smp_call_on(cpu_online_mask(), cpu_check, NULL);
	if (paging_check_hardening() > 0)
		panic("pages of the kernel have rights that they must not have");
	log_info("protected: no page of the kernel is open, or writable and executable");
}

static void work(void *unused)
{
	protection_check();
	files_and_processes_start();
	if (options.selftest)
		selftest_and_leave(NULL);
	init_start();
}

/* The first task that is not idle; what it does may sleep. */
static void work_start(void)
{
	struct task *task = task_create("boot", work, NULL);

	if (!task)
		panic("no memory for the first task");
	task_wake(task);
}
