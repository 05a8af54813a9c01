/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/cpu.c - features, control registers, the per-CPU area.
 *
 * Owns: what CPUID says (cpu_features), every control register but CR3, the table of CPUs.
 * Invariants: all CPUs have the same features on.  FSGSBASE stays off: a program that could load
 * any GS.base would fool the traps that tell whose it is by looking.
 * See: Intel SDM vol. 3A 2.5 (control registers), vol. 2A CPUID; arch/x86_64/entry.inc.
 */
#include "lib/bits.h"
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"

enum {
	CR0_MONITOR_FPU = 1 << 1, CR0_EMULATE_FPU = 1 << 2, CR0_TASK_SWITCHED = 1 << 3,
	CR0_NUMERIC_ERROR = 1 << 5, CR0_WRITE_PROTECT = 1 << 16, CR0_ALIGNMENT_MASK = 1 << 18,
	CR0_NOT_WRITE_THROUGH = 1 << 29, CR0_CACHE_DISABLE = 1 << 30,
};

enum {
	CR4_PAE = 1 << 5, CR4_MACHINE_CHECK = 1 << 6, CR4_GLOBAL_PAGES = 1 << 7,
	CR4_FXSAVE = 1 << 9, CR4_SIMD_EXCEPTIONS = 1 << 10, CR4_UMIP = 1 << 11,
	CR4_FSGSBASE = 1 << 16, CR4_XSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21,
};

enum { EFER_SYSCALL = 1 << 0, EFER_NX = 1 << 11 };

enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4 };

/* STAR: SYSRET takes ss from 8 and cs from 16 above its base, SYSCALL cs and 8 above it. */
#define STAR_SELECTORS (0x13ull << 48 | 0x08ull << 32)

/* Cleared by SYSCALL: TF, IF, DF, IOPL, NT, RF, AC. */
#define SYSCALL_FLAGS_OFF 0x57700ull

struct cpu_features cpu_features;
struct cpu boot_cpu;
struct cpu *cpus[CPU_MAX] = { &boot_cpu };
uint32_t cpu_count = 1;

/* The door in syscall_entry.asm. */
void syscall_entry(void);

/* Where STAC and CLAC go; each list ends with 0. */
struct smap_place {
	uint8_t *at;
	uint64_t opcode;                /* three bytes */
};
extern const struct smap_place trap_smap_list[], usercopy_smap_list[];

static void detect_identity(void);
static void detect_protection(void);
static void detect_xsave(void);
static void smap_write(const struct smap_place *place);
static void setup_control_registers(void);

void cpu_detect(void)
{
	detect_identity();
	detect_protection();
	detect_xsave();
	if (cpu_features.smap) {
		smap_write(trap_smap_list);
		smap_write(usercopy_smap_list);
	}
}

void cpu_setup(struct cpu *cpu)
{
	cpu_set_area(cpu);
	setup_control_registers();
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SYSCALL | EFER_NX);
	wrmsr(MSR_STAR, STAR_SELECTORS);
	wrmsr(MSR_LSTAR, (virt_t)syscall_entry);
	wrmsr(MSR_SFMASK, SYSCALL_FLAGS_OFF);
}

void cpu_set_area(struct cpu *cpu)
{
	cpu->self = cpu;
	wrmsr(MSR_GS_BASE, (virt_t)cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_FS_BASE, 0);
}

const char *cpu_unprotected_by(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr4 = read_cr4();

	if (!(read_cr0() & CR0_WRITE_PROTECT))
		return "WP";
	if (!(rdmsr(MSR_EFER) & EFER_NX))
		return "NX";
	if (f->smep && !(cr4 & CR4_SMEP))
		return "SMEP";
	if (f->smap && !(cr4 & CR4_SMAP))
		return "SMAP";
	if (f->umip && !(cr4 & CR4_UMIP))
		return "UMIP";
	return cr4 & CR4_FSGSBASE ? "FSGSBASE off" : NULL;
}

static void detect_identity(void)
{
	struct cpu_features *f = &cpu_features;
	struct cpuid vendor = cpuid(0, 0);
	uint32_t signature = cpuid(1, 0).eax;
	char name[sizeof(f->model_name)] = "";

	memcpy(f->vendor, &vendor.ebx, 4);
	memcpy(f->vendor + 4, &vendor.edx, 4);
	memcpy(f->vendor + 8, &vendor.ecx, 4);

	f->stepping = signature & 15;
	f->model = signature >> 4 & 15;
	f->family = signature >> 8 & 15;
	if (f->family == 6 || f->family == 15)
		f->model |= signature >> 12 & 0xf0;
	if (f->family == 15)
		f->family += signature >> 20 & 0xff;

	for (uint32_t i = 0; i < 3 && cpuid(0x80000000, 0).eax >= 0x80000004; i++) {
		struct cpuid part = cpuid(0x80000002 + i, 0);
		memcpy(name + 16 * i, &part, 16);
	}
	strlcpy(f->model_name, name + (name[0] == ' '), sizeof(f->model_name));
}

static void detect_protection(void)
{
	struct cpu_features *f = &cpu_features;
	uint32_t last = cpuid(0, 0).eax, last_extended = cpuid(0x80000000, 0).eax;
	struct cpuid basic = cpuid(1, 0);
	struct cpuid more = last >= 7 ? cpuid(7, 0) : (struct cpuid){ 0 };
	struct cpuid extended = cpuid(0x80000001, 0);

	f->pge = basic.edx & BIT(13);
	f->xsave = basic.ecx & BIT(26);
	f->rdrand = basic.ecx & BIT(30);
	f->fsgsbase = more.ebx & BIT(0);
	f->smep = more.ebx & BIT(7);
	f->erms = more.ebx & BIT(9);
	f->smap = more.ebx & BIT(20);
	f->umip = more.ecx & BIT(2);
	f->nx = extended.edx & BIT(20);
	f->page_1g = extended.edx & BIT(26);
	f->invariant_tsc = last_extended >= 0x80000007 && cpuid(0x80000007, 0).edx & BIT(8);
	f->phys_bits = last_extended >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
}

/* Leaf 13: which parts of the state there are, and how long the standard form of ours is: every
 * part has its own place in it. */
static void detect_xsave(void)
{
	struct cpu_features *f = &cpu_features;

	if (!f->xsave)
		return;
	f->xcr0 = cpuid(13, 0).eax & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
	f->xsaveopt = cpuid(13, 1).eax & BIT(0);
	f->xsave_bytes = 512 + 64;
	if (f->xcr0 & XCR0_AVX) {
		struct cpuid avx = cpuid(13, 2);
		f->xsave_bytes = avx.ebx + avx.eax;     /* its offset and size */
	}
}

/* Possible while the boot tables leave text writable. */
static void smap_write(const struct smap_place *place)
{
	for (; place->at; place++)
		memcpy(place->at, &place->opcode, 3);
}

static void setup_control_registers(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr0 = read_cr0();
	uint64_t cr4 = CR4_PAE | CR4_MACHINE_CHECK | CR4_FXSAVE | CR4_SIMD_EXCEPTIONS;

	cr0 &= ~(uint64_t)(CR0_EMULATE_FPU | CR0_TASK_SWITCHED | CR0_NOT_WRITE_THROUGH |
			   CR0_CACHE_DISABLE);
	cr0 |= CR0_MONITOR_FPU | CR0_NUMERIC_ERROR | CR0_WRITE_PROTECT | CR0_ALIGNMENT_MASK;
	write_cr0(cr0);

	cr4 |= f->pge ? CR4_GLOBAL_PAGES : 0;
	cr4 |= f->umip ? CR4_UMIP : 0;
	cr4 |= f->smep ? CR4_SMEP : 0;
	cr4 |= f->smap ? CR4_SMAP : 0;
	cr4 |= f->xsave ? CR4_XSAVE : 0;
	write_cr4(cr4);
	if (f->xsave)
		xsetbv(0, f->xcr0);
}
