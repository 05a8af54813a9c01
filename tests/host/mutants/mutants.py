# SPDX-License-Identifier: MIT
"""Mistakes that somebody could make, and the tests that must notice.

Each changes one file: old text, which must stand there exactly once, into new; mostly in one place.
`caught_by` names the program of tests/host that is tried first, or one test of it.
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

    ("run_of_a_copied_table_counts_nothing", "mm/tree.c",
     "frames_get(pte_present_pfn(entry), PTE_PER_LINE);", "", "mm_unit"),

    ("run_of_a_copied_table_keeps_its_write_bits", "mm/tree.c",
     "pte_t entry = pte_without_write(pte_load(&from[0]));", "pte_t entry = pte_load(&from[0]);",
     "mm_unit"),

    ("run_is_regained_unchecked", "mm/tree.c",
     "&& frames_are_exclusive(pte_present_pfn(leaf), PTE_PER_LINE);", ";", "mm_stress"),

    ("run_of_shared_frames_is_freed", "mm/frame.h",
     "return frame_is_exclusive(pfn)\n\t       && ", "return ", "mm_stress"),

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

    ("new_page_writable_before_the_shootdown", "mm/cursor.h",
     "pte_store(cursor->slot, PTE_NONE);      /*", "pte_store(cursor->slot, leaf);      /*",
     "mm_litmus"),

    ("no_shootdown_after_a_page_was_copied", "mm/cursor.h",
     "totals wait */\n\tspace_flush_page(cursor->space, cursor->addr);",
     "*/", "mm_litmus"),

    ("everything_put_before_it_is_flushed", "mm/space.c",
     "if (gather->must_flush)\n\t\tspace_flush(space, start, end);\n\tgather->must_flush = false;\n"
     "\tif (gather->count)\n\t\tgather_put(gather, &space->work);",
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
     "protect->gather->must_flush |= protect_pages(protect, table, base);",
     "(void)protect_pages(protect, table, base);", "mm_stress"),

    ("mremap_without_shootdown", "mm/remap.c",
     "space_flush(move->space, move->from, move->from + move->len);", ";", "mm_stress"),

    ("cpu_announces_itself_after_it_loads", "arch/x86_64/tlb.c",
     "atomic_or(&context->cpus, self);        /* a full barrier */\n", "",
     "write_cr3(context->root);\n\tcpu->loaded = context;\n\tif (old != ",
     "write_cr3(context->root);\n\tif (context != &kernel_context)\n"
     "\t\tatomic_or(&context->cpus, self);\n\tcpu->loaded = context;\n\tif (old != ", "mm_litmus"),

    ("shootdown_does_not_wait", "arch/x86_64/tlb.c",
     "while (atomic_load_acquire(&request->pending))\n\t\tpause();", ";", "mm_stress"),

    ("own_cpu_is_not_flushed", "arch/x86_64/tlb.c",
     "if (cpu->loaded == context)\n\t\tflush_here(context, start, end);\n", "", "mm_range"),

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
     "read_lock(&space->lock);", "mm_litmus.views_of_a_file_are_cut_off_under_running_threads"),

    ("child_published_after_the_parent_is_unlocked", "mm/space.c",
     "space_publish(child);", ";",
     "work_add(&parent->work, forks, 1);",
     "work_add(&parent->work, forks, 1);\n\tspace_publish(child);",
     "mm_litmus.children_born_while_a_file_is_cut_lose_their_views_too"),

    ("bytes_cut_while_views_may_come_back", "mm/cut.c",
     "write_lock(&object->lock);\n\terr = cut_locked",
     "object_release(object);\n\twrite_lock(&object->lock);\n\terr = cut_locked",
     "write_unlock(&object->lock);\n\tobject_release(object);", "write_unlock(&object->lock);",
     "mm_stress"),

    # ---- huge pages -------------------------------------------------------------------------

    ("block_split_without_stale_tag", "mm/tree.c",
     "atomic_store_relaxed(&frames[block].stale, 1);", ";", "mm_huge"),

    ("block_split_without_counting_its_pages", "mm/tree.c",
     "if (!is_alone)\n\t\t\tframe_get(block + i);", "", "mm_huge"),

    ("block_split_by_its_only_holder_counts_its_pages", "mm/tree.c",
     "if (!is_alone)\n\t\t\tframe_get(block + i);", "frame_get(block + i);", "mm_huge"),

    ("block_split_without_shootdown", "mm/tree.c",
     "gather->must_flush = true;\n\tpte_store(slot, pte_to_table(table));",
     "pte_store(slot, pte_to_table(table));", "mm_huge"),

    ("shared_block_split_keeps_its_count", "mm/tree.c",
     "gather_add(gather, huge, level);", ";", "mm_huge"),

    ("block_taken_back_although_a_page_of_it_is_shared", "mm/tree.c",
     "if (!frames_are_exclusive(block, pte_span(level) >> PAGE_SHIFT))\n\t\treturn false;", "", "mm_huge"),

    ("block_taken_back_although_shared", "mm/tree.c",
     "if (!huge_is_exclusive(block))\n\t\treturn false;", "", "mm_huge"),

    ("block_taken_back_stays_stale", "mm/tree.c",
     "frames[block].stale = 0;\n\treturn true;", "return true;", "mm_huge"),

    ("regain_trusts_stale_blocks", "mm/tree.c",
     "&& !atomic_load_relaxed(&frames[named].stale);",
     "&& (pte_is_huge(entry) || !frames[named].stale);", "mm_huge"),

    ("stale_block_freed_whole", "mm/tree.c",
     "if (!atomic_load_relaxed(&frames[block].stale)) {\n\t\tframe_free_huge(block, level);",
     "if (true) {\n\t\tframes[block].stale = 0;\n\t\tframe_free_huge(block, level);", "mm_huge"),

    ("fork_counts_a_block_as_a_page", "mm/tree.c",
     "if (unlikely(pte_is_huge(entry)))\n\t\thuge_get(", "if (false)\n\t\thuge_get(", "mm_huge"),

    ("block_counts_as_one_page_in_rss", "mm/tree.c",
     "return frames[table].kind == FRAME_DATA ? pte_span(level) >> PAGE_SHIFT : 0;",
     "return frames[table].kind == FRAME_DATA;", "mm_huge"),

    ("parked_block_is_split_at_the_wrong_place", "arch/x86_64/pte.h",
     "huge.bits ^ i * pte_span(level - 1)", "huge.bits + i * pte_span(level - 1)", "mm_huge"),

    ("block_filled_over_the_end_of_its_range", "mm/huge.c",
     "return vma->start <= start && start + HUGE_SIZE <= vma->end;", "return true;", "mm_huge"),

    ("block_put_where_another_was_faster", "mm/huge.c",
     "(cursor->level != HUGE_LEVEL || cursor_get(cursor).bits != expected.bits)",
     "cursor->level != HUGE_LEVEL", "mm_stress"),

    ("replaced_block_is_flushed_as_one_page", "mm/cursor.c",
     "space_flush(cursor->space, start, start + span);",
     "space_flush_page(cursor->space, cursor->addr);", "mm_collapse"),

    ("replaced_block_is_not_put", "mm/cursor.c",
     "gather_add(&cursor->gather, old, cursor->level);", ";", "mm_huge"),

    ("collapse_without_shootdown", "mm/huge.c",
     "pte_store(slot, PTE_NONE);\n\tspace_flush(space, start, start + HUGE_SIZE);",
     "pte_store(slot, PTE_NONE);", "mm_collapse"),

    ("collapse_in_place_of_shared_pages", "mm/huge.c",
     "|| pte_pfn(leaf) != block + i\n\t\t    || !frame_is_exclusive(block + i))",
     "|| pte_pfn(leaf) != block + i)", "mm_collapse"),

    ("collapse_in_place_of_a_shared_table", "mm/huge.c",
     "if (!frame_is_exclusive(table) || !is_aligned", "if (!is_aligned", "mm_collapse"),

    ("collapse_forgets_the_pages_it_adds", "mm/huge.c",
     "space_count_resident(space, PTE_PER_TABLE - resident);", "", "mm_collapse"),

    ("table_of_zeros_is_not_counted", "mm/huge.c",
     "frame_get(zero_table);", "", "mm_collapse"),

    ("table_of_zeros_is_named_with_the_write_bit", "mm/huge.c",
     "pte_without_write(pte_to_table(zero_table))", "pte_to_table(zero_table)", "mm_collapse"),

    ("table_of_zeros_may_be_executed", "mm/tree.c",
     "pte_as_uncounted(pte_to_frame(zero_frame, false))",
     "pte_as_uncounted(pte_to_frame(zero_frame, true))", "mm_collapse"),

    ("mprotect_of_a_part_limits_the_whole_block", "mm/protect.c",
     "pte_is_huge(entry) && at >= protect->start && at + pte_span(level) <= protect->end;",
     "pte_is_huge(entry);", "mm_huge"),

    ("naive_fork_shares_blocks", "mm/space.c",
     "if (frames[pte_pfn(leaf->leaf)].kind == FRAME_HUGETLB)",
     "if (leaf->level > 1)", "mm_huge"),

    # ---- ranges and failures ----------------------------------------------------------------

    ("munmap_of_a_part_drops_the_whole_table", "mm/detach.c",
     "return at >= detach->floor && at + span <= detach->ceiling;",
     "return span > PAGE_SIZE ? at + span > detach->floor : at >= detach->floor;", "mm_range"),

    ("munmap_counts_a_subtree_as_one_page", "mm/detach.c",
     "detach->resident += entry_resident(entry, level);", "detach->resident += 1;", "mm_range"),

    ("mprotect_changes_only_the_range", "mm/protect.c",
     "if (protect.is_tighter)\n\t\t\tprotect_commit(", "if (false)\n\t\t\tprotect_commit(",
     "mm_range"),

    ("mprotect_edits_shared_tables", "mm/protect.c",
     "if (!err && protect.is_tighter)\n\t\terr = protect_prepare(",
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
