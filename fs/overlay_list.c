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

enum { LISTING_BUCKETS = 64, LISTING_LOAD = 2, DOTS = 2 };

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
	uint32_t count, bucket_count;
	struct listed **buckets;        /* near_buckets, while there are few names */
	struct listed *near_buckets[LISTING_BUCKETS];
	bool has_no_memory;

	/* Where the last call ended, so that the next need not look for it. */
	struct list_node *next;
	uint64_t next_place;            /* offset of that name */
};

static void listing_free(struct listing *listing)
{
	struct list_node *node;

	while ((node = list_pop_front(&listing->order)))
		kfree(list_entry(node, struct listed, node));
	if (listing->buckets != listing->near_buckets)
		kfree(listing->buckets);
	kfree(listing);
}

static struct listed **listing_bucket(const struct listing *listing, uint32_t hash)
{
	return &listing->buckets[hash & (listing->bucket_count - 1)];
}

/* Twice as many buckets.  Without memory it only gets slower. */
static void listing_grow(struct listing *listing)
{
	uint32_t count = 2 * listing->bucket_count;
	struct listed **buckets = kzalloc(count * sizeof(struct listed *)), *entry;

	if (!buckets)
		return;
	if (listing->buckets != listing->near_buckets)
		kfree(listing->buckets);
	listing->buckets = buckets;
	listing->bucket_count = count;
	list_for_each_entry(entry, &listing->order, node) {
		struct listed **bucket = listing_bucket(listing, entry->hash);

		entry->next = *bucket;
		*bucket = entry;
	}
}

static bool listing_add(void *argument, const char *name, size_t len, uint64_t number,
			unsigned type, uint64_t next_offset)
{
	struct listing *listing = argument;
	uint32_t hash = name_hash(name, len);

	if (listing->count >= LISTING_LOAD * listing->bucket_count)
		listing_grow(listing);
	struct listed **bucket = listing_bucket(listing, hash);

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
	listing->count++;
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
	listing->buckets = listing->near_buckets;
	listing->bucket_count = LISTING_BUCKETS;
	int err = node->upper ? layer_add(listing, node->upper) : 0;

	for (unsigned i = 0; i < node->lower_count && !err; i++)
		err = layer_add(listing, node->lower[i]);
	listing->next = listing->order.head.next;
	listing->next_place = DOTS;
	if (err)
		listing_free(listing);
	else
		*out = listing;
	return err;
}

/* Whiteouts are devices. */
static bool name_is_seen(void *argument, const char *name, size_t len, uint64_t number,
			 unsigned type, uint64_t next_offset)
{
	bool *is_seen = argument;

	*is_seen = type != DT_CHR;
	return !*is_seen;
}

/* A name in the upper layer says all, so that a full directory need not be merged for it. */
int overlay_check_empty(struct inode *dir)
{
	const struct overlay_node *node = node_of(dir);
	struct listing *listing;
	struct listed *entry;
	bool is_seen = false;
	int err = node->upper ? layer_list(node->upper, name_is_seen, &is_seen) : 0;

	if (is_seen)
		return -ENOTEMPTY;
	if (!err)
		err = listing_make(dir, &listing);
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

/* Go to the name at this offset. */
static void listing_seek(struct listing *listing, uint64_t place)
{
	while (listing->next_place > place) {
		listing->next = listing->next->prev;
		listing->next_place--;
	}
	while (listing->next_place < place && listing->next != &listing->order.head) {
		listing->next = listing->next->next;
		listing->next_place++;
	}
}

/* The name where it is; NULL: the end. */
static const struct listed *listing_next(const struct listing *listing)
{
	bool is_end = listing->next == &listing->order.head;

	return is_end ? NULL : list_entry(listing->next, struct listed, node);
}

static int directory_list(struct file *file, list_emit_t *emit, void *argument)
{
	uint64_t from = file->offset;

	if (from == 0 || !file->data) {
		int err = listing_refresh(file);

		if (err)
			return err;
	}
	if (!list_dots(file, emit, argument))
		return 0;
	struct listing *listing = file->data;
	const struct listed *entry;

	listing_seek(listing, MAX(from, (uint64_t)DOTS));
	while ((entry = listing_next(listing))) {
		if (!entry->is_hidden && !emit(argument, entry->text, entry->len, entry->number,
					       entry->type, listing->next_place + 1))
			break;
		listing_seek(listing, listing->next_place + 1);
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
