/* SPDX-License-Identifier: MIT */
/*
 * kernel/loader.c - a program file in an address space.
 *
 *      segment in the file         |#### bytes ####|
 *      in memory          page |...|#### bytes ####|0000| 0000 | 0000 |
 *                              private view of the file  | anonymous
 *                                                  ^ cleared in a private copy of the page
 *
 * Invariants: the space is not published: nobody runs in it, and it is thrown away if anything
 *             fails.
 * See:        System V ABI, chapter 5, Program Loading; lib/elf.h for what is sound in an image.
 */
#include "kernel/loader.h"

#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "arch/x86_64/layout.h"
#include "mm/buffer.h"
#include "mm/frame.h"
#include "mm/mmap.h"
#include "mm/mmu.h"
#include "mm/slab.h"
#include "mm/uaccess.h"

/* Between programs with fixed addresses and mappings; see space_layout(). */
#define MOVABLE_START (128 * MIB)
#define MOVABLE_END   (512 * MIB)
#define FAR_START     (8 * GIB)
#define HEAP_ROOM     (64 * MIB)

int program_find(const struct path *start, const char *name, int at_flags, struct path *out)
{
	unsigned flags = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : PATH_FOLLOW;

	if (name[0] == '\0' && at_flags & AT_EMPTY_PATH) {
		path_get(start);
		*out = *start;
	} else {
		int err = path_walk(start, name, flags, out);
		if (err)
			return err;
	}
	struct inode *inode = path_inode(out);
	int err = 0;
	if (inode_is(inode, S_IFLNK))
		err = -ELOOP;
	else if (!inode_is(inode, S_IFREG) || !inode->object)
		err = -EACCES;
	else if (atomic_load_relaxed(&out->mount->flags) & MS_NOEXEC)
		err = -EACCES;
	else
		err = inode_permission(inode, 1);
	if (err)
		path_put(out);
	return err;
}

static int read_exactly(const struct path *path, uint64_t offset, void *to, size_t len)
{
	ssize_t done = object_read(path_inode(path)->object, offset, buffer_kernel(to), len);

	if (done < 0)
		return (int)done;
	return (size_t)done == len ? 0 : -ENOEXEC;
}

int program_head(const struct path *path, void *head)
{
	struct object *object = path_inode(path)->object;

	ssize_t done = object_read(object, 0, buffer_kernel(head), PROGRAM_HEAD_BYTES);
	if (done < 0)
		return (int)done;
	memset((char *)head + done, 0, PROGRAM_HEAD_BYTES - (size_t)done);
	return 0;
}

int program_check(const struct path *path, const void *head, struct elf_image *image)
{
	uint64_t size = object_size(path_inode(path)->object);

	int err = elf_check_header(image, head, MIN((uint64_t)PROGRAM_HEAD_BYTES, size), size);
	if (err)
		return err;
	void *table = kmalloc(image->table_size);
	if (!table)
		return -ENOMEM;
	err = read_exactly(path, image->table_offset, table, image->table_size);
	if (!err)
		err = elf_check_segments(image, table, size);
	kfree(table);
	return err;
}

int program_interpreter(const struct path *path, const struct elf_image *image,
			char *name, size_t size)
{
	if (image->interp_size > size)
		return -ENOEXEC;
	int err = read_exactly(path, image->interp_offset, name, image->interp_size);
	if (!err && name[image->interp_size - 1] != '\0')
		err = -ENOEXEC;
	return err;
}

/* ---- places --------------------------------------------------------------------------------- */

/* A gap for the whole image in [low, high), as its base. */
static bool place_in(struct space *space, const struct elf_image *image, virt_t low, virt_t high,
		     virt_t *base)
{
	uint64_t len = image->high - image->low;

	write_lock(&space->lock);
	virt_t start = vmas_find_gap(space->vmas, len, image->alignment, low, high).start;
	write_unlock(&space->lock);
	*base = start - image->low;
	return start != 0;
}

int program_place(struct space *space, const struct elf_image *image, uint64_t shift, virt_t *base)
{
	virt_t start = align_up(MOVABLE_START + shift, image->alignment);

	*base = 0;
	if (!image->is_movable)
		return 0;
	if (start < MOVABLE_END && image->high - image->low < MOVABLE_END - HEAP_ROOM - start) {
		*base = start - image->low;
		return 0;
	}
	return place_in(space, image, FAR_START, USER_END, base) ? 0 : -ENOMEM;
}

int interpreter_place(struct space *space, const struct elf_image *image, virt_t *base)
{
	*base = 0;
	if (!image->is_movable || place_in(space, image, space->mmap_low, space->mmap_high, base) ||
	    place_in(space, image, FAR_START, USER_END, base))
		return 0;
	return -ENOMEM;
}

/* ---- segments ------------------------------------------------------------------------------- */

static int map_view(struct space *space, const struct path *path, const struct elf_load *load,
		    virt_t at)
{
	virt_t start = page_floor(at);
	struct map_request request = {
		.addr = start,
		.len = page_ceil(at + load->file_size) - start,
		.prot = (uint32_t)load->prot,
		.flags = MAP_PRIVATE | MAP_FIXED,
		.object = path_inode(path)->object,
		.offset = page_floor(load->file_offset),
		.name = path->dentry,
	};

	return space_map(space, &request, &start);
}

static int map_zeros(struct space *space, const struct elf_load *load, virt_t start, virt_t end)
{
	struct map_request request = {
		.addr = start,
		.len = end - start,
		.prot = (uint32_t)load->prot,
		.flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS,
	};

	return start < end ? space_map(space, &request, &start) : 0;
}

/* What the file has behind the segment's bytes in their last page is not for the program. */
static int clear_tail(struct space *space, const struct elf_load *load, virt_t from)
{
	size_t len = page_ceil(from) - from;

	if (len == 0 || !(load->prot & PROT_WRITE))
		return 0;
	return space_write(space, from, frame_bytes(zero_frame), len);
}

static int map_load(struct space *space, const struct path *path, const struct elf_load *load,
		    virt_t base)
{
	virt_t at = base + load->vaddr, file_end = at + load->file_size, end = at + load->mem_size;
	virt_t zeros_start = page_floor(at);

	if (load->file_size > 0) {
		int err = map_view(space, path, load, at);
		if (!err && end > file_end)
			err = clear_tail(space, load, file_end);
		if (err)
			return err;
		zeros_start = page_ceil(file_end);
	}
	return map_zeros(space, load, zeros_start, page_ceil(end));
}

int program_map(struct space *space, const struct path *path, const struct elf_image *image,
		virt_t base)
{
	for (unsigned i = 0; i < image->load_count; i++) {
		int err = map_load(space, path, &image->loads[i], base);
		if (err)
			return err;
	}
	return 0;
}
