# SPDX-License-Identifier: MIT
"""Mistakes that somebody could make, and the tests that must notice.

Each changes one file: old text, which must stand there exactly once, into new; mostly in one place.
`caught_by` names the program of tests/host that is tried first.
"""

import collections

Mutant = collections.namedtuple("Mutant", "name file changes caught_by")


def mutant(name, file, *texts):
    *texts, caught_by = texts
    return Mutant(name, file, list(zip(texts[::2], texts[1::2])), caught_by)


MUTANTS = [mutant(*fields) for fields in (

    # ---- counts and certificates ------------------------------------------------------------

    ("table_copied_without_stale_tag", "mm/tree.c",
     "atomic_store_relaxed(&source->stale, 1);", ";", "mm_unit"),

    ("table_of_fork_copied_without_stale_tag", "mm/tree.c",
     "atomic_store_relaxed(&frames[pte_pfn(entry)].stale, 1);", ";", "mm_unit"),

    ("stale_table_regained_unchecked", "mm/tree.c",
     "if (meta->stale) {", "if (meta->stale && false) {", "mm_unit"),

    ("regain_trusts_stale_tables_below", "mm/tree.c",
     "\n\t       && !atomic_load_relaxed(&frames[named].stale);", ";", "mm_stress"),

    ("regain_checks_tables_but_not_pages", "mm/tree.c",
     "if (level == 1)\n\t\treturn frame_is_exclusive(named);",
     "if (level == 1)\n\t\treturn true;", "mm_unit"),

    ("table_taken_back_although_shared", "mm/tree.c",
     "if (frame_is_exclusive(pte_pfn(entry))) {\n\t\ttable_regain",
     "if (true) {\n\t\ttable_regain", "mm_unit"),

    ("page_reused_although_shared", "mm/fault.c",
     "!pte_is_uncounted(leaf) && frame_is_exclusive(old)", "!pte_is_uncounted(leaf)", "mm_unit"),

    ("copied_table_keeps_its_write_bits", "mm/tree.c",
     "pte_is_shared(entry) ? entry : pte_without_write(entry)", "entry", "mm_stress"),

    ("copied_table_counts_nothing", "mm/tree.c",
     "frame_get(pte_present_pfn(entry));\n\t\t\tpte_store(&to[i]",
     "pte_store(&to[i]", "mm_unit"),

    ("shared_views_lose_their_rights_in_a_copy", "mm/tree.c",
     "pte_is_shared(entry) ? entry : pte_without_write(entry)",
     "pte_without_write((pte_t){ entry.bits & ~PTE_SHARED })", "mm_file"),

    ("last_put_is_two_steps", "mm/tree.c",
     "if (frame_put_is_last(table))",
     "bool is_last = frame_is_exclusive(table);\n\tif (!frame_put_is_last(table) && !is_last)\n"
     "\t\treturn;\n\tif (is_last)", "mm_stress"),

    ("dead_table_does_not_put_what_it_names", "mm/tree.c",
     "PTE_NONE);\n\t\tentry_put(entry, level, work);", "PTE_NONE);", "mm_unit"),

    ("fork_protects_only_the_child", "mm/tree.c",
     "if (edit_source)", "if (false)", "mm_unit"),

    ("zero_frame_is_counted", "mm/fault.c",
     "pte_as_uncounted(pte_to_frame(zero_frame, can_execute))",
     "pte_to_frame(zero_frame, can_execute)", "mm_unit"),

    ("page_of_a_file_mapped_without_a_count", "mm/fault.c",
     "fault->page = FRAME_NONE;       /* our hold is now the entry's */", ";", "mm_file"),

    ("read_of_a_private_file_gives_the_right_to_write", "mm/fault.c",
     "if (!vma_is_private(vma))\n\t\t\tleaf = pte_as_shared(",
     "if (vma_is_private(vma))\n\t\t\tleaf = pte_with_write(leaf);\n\t\telse\n"
     "\t\t\tleaf = pte_as_shared(", "mm_file"),

    ("counts_of_eight_bits", "mm/frame.h",
     "atomic_inc(&frame_refs[pfn]);", "atomic_inc((uint8_t *)&frame_refs[pfn]);", "mm_unit"),

    # ---- shootdowns -------------------------------------------------------------------------

    ("old_table_put_before_the_shootdown", "mm/tree.c",
     "gather_add(gather, entry, level);\n\tgather->must_flush = true;",
     "entry_put(entry, level, work);\n\tgather->must_flush = true;", "mm_stress"),

    ("no_shootdown_when_only_tables_were_replaced", "mm/tree.c",
     "gather_add(gather, entry, level);\n\tgather->must_flush = true;",
     "gather_add(gather, entry, level);", "mm_stress"),

    ("new_page_writable_before_the_shootdown", "mm/cursor.c",
     "pte_store(cursor->slot, PTE_NONE);      /*", "pte_store(cursor->slot, leaf);      /*",
     "mm_litmus"),

    ("no_shootdown_after_a_page_was_copied", "mm/cursor.c",
     "totals wait */\n\tspace_flush_page(cursor->space, cursor->addr);",
     "*/", "mm_litmus"),

    ("everything_put_before_it_is_flushed", "mm/space.c",
     "if (gather->must_flush)\n\t\tspace_flush(space, start, end);\n\tgather->must_flush = false;\n"
     "\tgather_put(gather, &space->work);",
     "bool must_flush = gather->must_flush;\n\tgather->must_flush = false;\n"
     "\tgather_put(gather, &space->work);\n\tif (must_flush)\n\t\tspace_flush(space, start, end);",
     "mm_stress"),

    ("fork_without_shootdown", "mm/space.c",
     "space_flush(parent, 0, USER_END);               /* the snapshot instant */", ";", "mm_unit"),

    ("fork_flushes_before_it_protects", "mm/space.c",
     "space_flush(parent, 0, USER_END);               /* the snapshot instant */", ";",
     "err = space_share_tree(child, parent, share);",
     "space_flush(parent, 0, USER_END);\n\terr = space_share_tree(child, parent, share);",
     "mm_litmus"),

    ("munmap_without_shootdown", "mm/detach.c",
     "detach->gather->must_flush = true;", ";", "mm_range"),

    ("mprotect_without_shootdown", "mm/protect.c",
     "protect->gather.must_flush |= has_lost;", "(void)has_lost;", "mm_stress"),

    ("mremap_without_shootdown", "mm/remap.c",
     "space_flush(move->space, move->from, move->from + move->len);", ";", "mm_stress"),

    ("cpu_announces_itself_after_it_loads", "arch/x86_64/tlb.c",
     "if (context != &kernel_context) {\n\t\tatomic_or(&context->cpus, self);"
     "        /* a full barrier */\n\t\tjitter();\n\t}\n\twrite_cr3(context->root);",
     "write_cr3(context->root);\n\tif (context != &kernel_context) {\n"
     "\t\tatomic_or(&context->cpus, self);\n\t}", "mm_litmus"),

    ("shootdown_does_not_wait", "arch/x86_64/tlb.c",
     "while (atomic_load_acquire(&request->pending))\n\t\tpause();", ";", "mm_stress"),

    ("own_cpu_is_not_flushed", "arch/x86_64/tlb.c",
     "if (cpu->loaded == context)\n\t\tflush_here(context, start, end);\n\tmemory_barrier();",
     "memory_barrier();", "mm_range"),

    ("last_page_of_a_range_is_not_flushed", "arch/x86_64/tlb.c",
     "for (virt_t addr = start; addr < end; addr += PAGE_SIZE)",
     "for (virt_t addr = start; addr == start || addr + PAGE_SIZE < end; addr += PAGE_SIZE)",
     "mm_stress"),

    ("kernel_tasks_keep_the_last_root", "arch/x86_64/tlb.c",
     "if (old == context)", "if (old == context || context == &kernel_context)", "mm_unit"),

    ("request_is_answered_before_it_is_served", "arch/x86_64/tlb.c",
     "if (!context || cpu->loaded == context)\n"
     "\t\tflush_here(context, request->start, request->end);",
     "jitter();", "mm_range"),

    # ---- locks ------------------------------------------------------------------------------

    ("table_owned_without_its_lock", "mm/cursor.c",
     "int err = table_own(slot, level, &cursor->gather, &space->work);"
     "\n\tspin_unlock_byte(&frames[table].lock);",
     "spin_unlock_byte(&frames[table].lock);"
     "\n\tint err = table_own(slot, level, &cursor->gather, &space->work);", "mm_stress"),

    ("foreign_memory_read_beside_faults", "mm/uaccess.c",
     "write_lock(&space->lock);       /* no fault puts the page elsewhere meanwhile */",
     "read_lock(&space->lock);", "mm_litmus"),

    ("child_published_after_the_parent_is_unlocked", "mm/space.c",
     "space_publish(child);", ";",
     "work_add(&parent->work, forks, 1);",
     "work_add(&parent->work, forks, 1);\n\tspace_publish(child);",
     "mm_litmus"),

    ("bytes_cut_while_views_may_come_back", "mm/cut.c",
     "write_lock(&object->lock);\n\terr = cut_locked",
     "object_release(object);\n\twrite_lock(&object->lock);\n\terr = cut_locked",
     "write_unlock(&object->lock);\n\tobject_release(object);", "write_unlock(&object->lock);",
     "mm_litmus"),

    # ---- ranges and failures ----------------------------------------------------------------

    ("munmap_of_a_part_drops_the_whole_table", "mm/detach.c",
     "return at >= detach->floor && at + span <= detach->ceiling;",
     "return span > PAGE_SIZE ? at + span > detach->floor : at >= detach->floor;", "mm_range"),

    ("munmap_counts_a_subtree_as_one_page", "mm/detach.c",
     "detach->resident += entry_resident(entry, level);", "detach->resident += 1;", "mm_range"),

    ("mprotect_changes_only_the_range", "mm/protect.c",
     "if (is_tighter)\n\t\t\tprotect_commit(", "if (false)\n\t\t\tprotect_commit(", "mm_range"),

    ("mprotect_edits_shared_tables", "mm/protect.c",
     "if (!err && is_tighter)\n\t\terr = protect_prepare(",
     "if (false)\n\t\terr = protect_prepare(", "mm_range"),

    ("rights_of_the_range_are_not_asked", "mm/fault.c",
     "return vma->prot & PROT_WRITE;", "return true;", "mm_range"),

    ("failed_copy_leaves_a_hole", "mm/tree.c",
     "pfn_t copy = table_copy(pte_pfn(entry), work);",
     "pte_store(slot, PTE_NONE);\n\tpfn_t copy = table_copy(pte_pfn(entry), work);", "mm_failure"),

    ("failed_page_copy_leaks_its_tables", "mm/cursor.c",
     "if (err)\n\t\tspace_gather_finish(space, &cursor->gather, cursor->addr,\n"
     "\t\t\t\t    cursor->addr + PAGE_SIZE);", "", "mm_failure"),

    ("failed_fork_leaks_the_child", "mm/space.c",
     "if (err) {\n\t\tspace_put(child);", "if (err) {", "mm_failure"),

    ("mremap_without_room_for_its_range", "mm/remap.c",
     "err = vmas_own(&space->vmas, 6);", "err = 0;", "mm_stress"),

    ("shared_array_of_ranges_copied_without_counts", "mm/vma.c",
     "for (uint32_t i = 0; i < new->count; i++)\n\t\tvma_get(&new->at[i]);", "", "mm_stress"),

    ("child_wiped_before_it_forgets_its_locks", "mm/space.c",
     "err = space_forget_unforkable(child);", "err = space_forget_locks(child);",
     "err = space_forget_locks(child);        /* first: locked memory cannot be wiped */",
     "err = space_forget_unforkable(child);", "mm_range"),

    ("parked_page_keeps_its_address", "arch/x86_64/pte.h",
     "PTE_PARKED | (~leaf.bits & PTE_FRAME)", "PTE_PARKED | (leaf.bits & PTE_FRAME)", "mm_range"),

    ("parked_page_keeps_the_right_to_execute", "arch/x86_64/pte.h",
     "kept | PTE_NX | PTE_PARKED", "kept | (leaf.bits & PTE_NX) | PTE_PARKED", "mm_range"),

    ("resident_pages_of_a_child_start_at_none", "mm/space.c",
     "child->resident = child->resident_peak = atomic_load_relaxed(&parent->resident);", "",
     "mm_unit"),
)]
