/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/acpi.c - finds CPUs and interrupt controllers in the firmware tables.
 *
 *   RSDP (from the loader, or found in low memory) -> XSDT or RSDT -> MADT, FADT
 *
 * Owns:        `acpi`.
 * Invariants:  nothing is believed that is not mapped, has no sound length or a wrong checksum.
 * See:         ACPI Specification 6.4: 5.2.5 RSDP, 5.2.7 RSDT, 5.2.9 FADT, 5.2.12 MADT.
 */
#include "arch/x86_64/acpi.h"

#include "lib/string.h"
#include "boot/bootinfo.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "kernel/printk.h"

struct PACKED rsdp {
	char signature[8];
	uint8_t checksum;               /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;               /* 2 and up: what follows is there too */
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
};

enum { RSDP_V1_BYTES = 20 };

struct PACKED table {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
};

struct PACKED madt {
	struct table header;
	uint32_t local_apic;
	uint32_t flags;
};

enum { MADT_PC_COMPATIBLE = 1 };
enum { MADT_LOCAL_APIC = 0, MADT_IO_APIC = 1, MADT_OVERRIDE = 2, MADT_LOCAL_ADDRESS = 5,
       MADT_LOCAL_X2APIC = 9 };
enum { CPU_ENABLED = 1 };
enum { POLARITY_MASK = 3, POLARITY_LOW = 3, TRIGGER_MASK = 3 << 2, TRIGGER_LEVEL = 3 << 2 };

struct PACKED madt_entry {
	uint8_t type, length;
	union {
		struct PACKED { uint8_t processor, apic_id; uint32_t flags; } local_apic;
		struct PACKED { uint8_t id, reserved; uint32_t address, irq_base; } io_apic;
		struct PACKED { uint8_t bus, irq; uint32_t global; uint16_t flags; } override;
		struct PACKED { uint16_t reserved; uint64_t address; } local_address;
		struct PACKED { uint16_t reserved; uint32_t apic_id, flags; } local_x2apic;
	};
};

/* Up to the last field that is read. */
struct PACKED fadt {
	struct table header;
	uint8_t before_timer[76 - sizeof(struct table)];
	uint32_t pm_timer_port;
	uint8_t between[112 - 80];
	uint32_t flags;
};

enum { FADT_TIMER_IS_32BIT = 1 << 8 };

enum { EBDA_SEGMENT_AT = 0x40e, EBDA_SEARCHED = 1024, BIOS_START = 0xe0000, BIOS_END = 0x100000 };

struct acpi acpi;

static void set_defaults(void);
static const struct rsdp *rsdp_find(void);
static const struct rsdp *rsdp_search(phys_t start, phys_t end);
static bool rsdp_is_sound(const struct rsdp *rsdp);
static void root_read(phys_t root, size_t entry_bytes);
static const struct table *table_at(phys_t phys);
static void madt_read(const struct madt *madt);
static void madt_read_entry(const struct madt_entry *entry);
static void fadt_read(const struct fadt *fadt);

void acpi_start(void)
{
	set_defaults();
	const struct rsdp *rsdp = rsdp_find();
	if (!rsdp) {
		log_warn("acpi: no tables; using one CPU");
		return;
	}
	if (rsdp->revision >= 2 && rsdp->xsdt)
		root_read(rsdp->xsdt, sizeof(uint64_t));
	else
		root_read(rsdp->rsdt, sizeof(uint32_t));
}

static void set_defaults(void)
{
	acpi = (struct acpi){ .has_8259 = true };
	for (uint32_t irq = 0; irq < ISA_IRQS; irq++)
		acpi.isa_irqs[irq].global = irq;
}

static bool sum_is_zero(const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + byte[i]);
	return sum == 0;
}

/* ---- the way to the tables ------------------------------------------------------------------ */

static const struct rsdp *rsdp_find(void)
{
	const struct rsdp *rsdp = phys_to_virt(bootinfo.acpi_rsdp);

	if (bootinfo.acpi_rsdp && rsdp_is_sound(rsdp))
		return rsdp;
	phys_t ebda = (phys_t)*(const volatile uint16_t *)phys_to_virt(EBDA_SEGMENT_AT) << 4;
	rsdp = ebda ? rsdp_search(ebda, ebda + EBDA_SEARCHED) : NULL;
	return rsdp ? rsdp : rsdp_search(BIOS_START, BIOS_END);
}

static const struct rsdp *rsdp_search(phys_t start, phys_t end)
{
	for (phys_t at = start; at < end; at += 16) {
		const struct rsdp *rsdp = phys_to_virt(at);
		if (rsdp_is_sound(rsdp))
			return rsdp;
	}
	return NULL;
}

static bool rsdp_is_sound(const struct rsdp *rsdp)
{
	return paging_is_mapped(rsdp, sizeof(*rsdp)) && memcmp(rsdp->signature, "RSD PTR ", 8) == 0
		&& sum_is_zero(rsdp, RSDP_V1_BYTES);
}

/* The RSDT has entries of 4 bytes, the XSDT of 8. */
static void root_read(phys_t root, size_t entry_bytes)
{
	const struct table *table = table_at(root);

	if (!table) {
		log_warn("acpi: the root table at %#lx is broken", root);
		return;
	}
	const uint8_t *entry = (const uint8_t *)(table + 1);
	const uint8_t *end = (const uint8_t *)table + table->length;
	for (; entry + entry_bytes <= end; entry += entry_bytes) {
		phys_t phys = 0;
		memcpy(&phys, entry, entry_bytes);
		const struct table *child = table_at(phys);
		if (!child)
			log_warn("acpi: the table at %#lx is broken", phys);
		else if (memcmp(child->signature, "APIC", 4) == 0)
			madt_read((const struct madt *)child);
		else if (memcmp(child->signature, "FACP", 4) == 0)
			fadt_read((const struct fadt *)child);
	}
}

static const struct table *table_at(phys_t phys)
{
	const struct table *table = phys_to_virt(phys);

	if (phys == 0 || phys >= WINDOW_DEVICES - DIRECT_MAP)
		return NULL;
	if (!paging_is_mapped(table, sizeof(*table)) || table->length < sizeof(*table))
		return NULL;
	if (!paging_is_mapped(table, table->length) || !sum_is_zero(table, table->length))
		return NULL;
	return table;
}

/* ---- the tables ----------------------------------------------------------------------------- */

static void madt_read(const struct madt *madt)
{
	const uint8_t *at = (const uint8_t *)(madt + 1);
	const uint8_t *end = (const uint8_t *)madt + madt->header.length;

	acpi.has_madt = true;
	acpi.has_8259 = madt->flags & MADT_PC_COMPATIBLE;
	acpi.local_apic = madt->local_apic;
	while (at + 2 <= end) {
		const struct madt_entry *entry = (const struct madt_entry *)at;
		if (entry->length < 2 || at + entry->length > end)
			break;
		madt_read_entry(entry);
		at += entry->length;
	}
}

static void cpu_add(uint32_t apic_id, uint32_t flags)
{
	if (!(flags & CPU_ENABLED))
		return;
	if (acpi.cpu_count == CPU_MAX || apic_id > 254) {
		log_warn("acpi: the CPU with APIC id %u is not used", apic_id);
		return;
	}
	acpi.apic_ids[acpi.cpu_count++] = apic_id;
}

static void io_apic_add(phys_t address, uint32_t irq_base)
{
	if (acpi.io_apic_count < ACPI_IO_APICS_MAX)
		acpi.io_apics[acpi.io_apic_count++] = (struct acpi_io_apic){ address, irq_base };
}

static void override_add(unsigned irq, uint32_t global, unsigned flags)
{
	if (irq >= ISA_IRQS)
		return;
	acpi.isa_irqs[irq] = (struct acpi_isa_irq){
		.global = global,
		.active_low = (flags & POLARITY_MASK) == POLARITY_LOW,
		.level = (flags & TRIGGER_MASK) == TRIGGER_LEVEL,
	};
}

static void madt_read_entry(const struct madt_entry *entry)
{
	switch (entry->type) {
	case MADT_LOCAL_APIC:
		cpu_add(entry->local_apic.apic_id, entry->local_apic.flags);
		break;
	case MADT_LOCAL_X2APIC:
		cpu_add(entry->local_x2apic.apic_id, entry->local_x2apic.flags);
		break;
	case MADT_IO_APIC:
		io_apic_add(entry->io_apic.address, entry->io_apic.irq_base);
		break;
	case MADT_OVERRIDE:
		override_add(entry->override.irq, entry->override.global, entry->override.flags);
		break;
	case MADT_LOCAL_ADDRESS:
		acpi.local_apic = entry->local_address.address;
		break;
	}
}

static void fadt_read(const struct fadt *fadt)
{
	if (fadt->header.length < sizeof(*fadt))
		return;
	acpi.pm_timer_port = (uint16_t)fadt->pm_timer_port;
	acpi.pm_timer_is_32bit = fadt->flags & FADT_TIMER_IS_32BIT;
}
