/* SPDX-License-Identifier: MIT */
/*
 * fs/overlay_list.c - what is to be seen in a merged directory.
 *
 * Owns: the listing of an open directory (file->data), made when it is read from the beginning, so
 *   that a program which removes what it lists misses nothing.
 * Locks: file->position_lock, the caller's, for the listing; each layer's names_lock while it is
 *   read.
 */
#include "fs/overlay.h"
#include "lib/string.h"
#include "fs/file.h"
#include "mm/slab.h"

enum { LISTING_BUCKETS = 64, DOTS = 2 };

struct listed {
	struct listed *next;            /* in its bucket */
	struct list_node node;          /* in listing->order */
	uint64_t number;
	unsigned type;
	bool is_fresh;                  /* of the layer being read */
	bool is_hidden;                 /* a whiteout */
	uint32_t hash;
	size_t len;
	char text[];
};

struct listing {
	struct list order;
	struct listed *buckets[LISTING_BUCKETS];
	bool has_no_memory;
};

static void listing_free(struct listing *listing)
{
	struct list_node *node;

	while ((node = list_pop_front(&listing->order)))
		kfree(list_entry(node, struct listed, node));
	kfree(listing);
}

static bool listing_add(void *argument, const char *name, size_t len, uint64_t number,
			unsigned type, uint64_t next_offset)
{
	struct listing *listing = argument;
	uint32_t hash = name_hash(name, len);
	struct listed **bucket = &listing->buckets[hash % LISTING_BUCKETS];

	for (const struct listed *at = *bucket; at; at = at->next) {
		if (at->hash == hash && at->len == len && memcmp(at->text, name, len) == 0)
			return true;            /* a layer above has it */
	}
	struct listed *entry = kmalloc(sizeof(*entry) + len);

	listing->has_no_memory = !entry;
	if (!entry)
		return false;
	*entry = (struct listed){
		.next = *bucket, .number = number, .type = type, .is_fresh = true, .hash = hash,
		.len = len,
	};
	memcpy(entry->text, name, len);
	*bucket = entry;
	list_push_back(&listing->order, &entry->node);
	return true;
}

/* Call emit for each name of a layer's directory. */
static int layer_list(struct inode *real, list_emit_t *emit, void *argument)
{
	struct file *file = file_create(real, NULL, real->file_ops, O_RDONLY | O_DIRECTORY);

	if (!file)
		return -ENOMEM;
	file->offset = DOTS;
	int err = real->file_ops->list(file, emit, argument);

	file_put(file);
	return err;
}

/* Which of the new names are whiteouts, and what number the others show. */
static void layer_resolve(struct listing *listing, struct inode *dir)
{
	struct listed *entry;
	struct inode *real;

	list_for_each_entry(entry, &listing->order, node) {
		if (!entry->is_fresh)
			continue;
		entry->is_fresh = false;
		if (overlay_layer_lookup(dir, entry->text, entry->len, &real) != 0)
			continue;
		entry->is_hidden = overlay_is_whiteout(real);
		entry->number = overlay_number(real);
		inode_put(real);
	}
}

static int layer_add(struct listing *listing, struct inode *dir)
{
	int err = layer_list(dir, listing_add, listing);

	if (!err)
		err = listing->has_no_memory ? -ENOMEM : 0;
	if (!err)
		layer_resolve(listing, dir);
	return err;
}

static int listing_make(struct inode *dir, struct listing **out)
{
	const struct overlay_node *node = node_of(dir);
	struct listing *listing = kzalloc(sizeof(*listing));

	if (!listing)
		return -ENOMEM;
	list_init(&listing->order);
	int err = node->upper ? layer_add(listing, node->upper) : 0;

	for (unsigned i = 0; i < node->lower_count && !err; i++)
		err = layer_add(listing, node->lower[i]);
	if (err)
		listing_free(listing);
	else
		*out = listing;
	return err;
}

int overlay_check_empty(struct inode *dir)
{
	struct listing *listing;
	struct listed *entry;
	int err = listing_make(dir, &listing);

	if (err)
		return err;
	list_for_each_entry(entry, &listing->order, node) {
		if (!entry->is_hidden)
			err = -ENOTEMPTY;
	}
	listing_free(listing);
	return err;
}

/* ---- emptying ---- */

struct first_name {
	size_t len;
	char text[NAME_MAX + 1];
};

static bool name_take(void *argument, const char *name, size_t len, uint64_t number,
		      unsigned type, uint64_t next_offset)
{
	struct first_name *first = argument;

	first->len = len;
	memcpy(first->text, name, len);
	return false;
}

/* Remove one whiteout.  -ENOENT: there is none. */
static int wipe_one(struct inode *upper)
{
	struct first_name first = { 0 };
	struct inode *real;
	int err = layer_list(upper, name_take, &first);

	if (!err)
		err = first.len ? overlay_layer_lookup(upper, first.text, first.len, &real)
				: -ENOENT;
	if (err)
		return err;
	err = overlay_is_whiteout(real) ? overlay_layer_remove(upper, first.text, first.len, real)
					: -ENOTEMPTY;
	inode_put(real);
	return err;
}

int overlay_wipe(struct inode *upper)
{
	int err;

	upper->is_opaque = true;        /* first: what they hide must not come back */
	do {
		err = wipe_one(upper);
	} while (!err);
	return err == -ENOENT ? 0 : err;
}

/* ---- an open directory ---- */

static void directory_release(struct file *file)
{
	if (file->data)
		listing_free(file->data);
}

static int listing_refresh(struct file *file)
{
	struct listing *fresh;
	int err = listing_make(file->inode, &fresh);

	if (err)
		return err;
	directory_release(file);
	file->data = fresh;
	return 0;
}

static int directory_list(struct file *file, list_emit_t *emit, void *argument)
{
	uint64_t place = DOTS, from = file->offset;
	struct listed *entry;

	if (from == 0 || !file->data) {
		int err = listing_refresh(file);

		if (err)
			return err;
	}
	if (!list_dots(file, emit, argument))
		return 0;
	const struct listing *listing = file->data;

	list_for_each_entry(entry, &listing->order, node) {
		uint64_t at = place++;

		if (at >= from && !entry->is_hidden &&
		    !emit(argument, entry->text, entry->len, entry->number, entry->type, at + 1))
			break;
	}
	return 0;
}

static int directory_sync(struct file *file)
{
	return 0;
}

const struct file_ops overlay_dir_file_ops = {
	.release = directory_release,
	.list = directory_list,
	.seek = file_seek_plain,
	.sync = directory_sync,
};
