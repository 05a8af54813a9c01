/* SPDX-License-Identifier: MIT */
/*
 * fs/overlay_node.c - the merged tree's files: which real ones each stands for.
 *
 * Owns: overlay_node, and the table by which a real file finds its merged one.
 * Invariants: there is at most one live inode of an overlay for each topmost real file, so that who
 *   copies it up tells all who have it open; of a lower file one for each name that it was found
 *   under, because only that name is copied up.  Lower files stay counted after a copy-up: readers
 *   may still look at their objects.
 * Locks: overlay->lock for the table.
 */
#include "fs/overlay.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "fs/file.h"
#include "mm/slab.h"

enum { DEVICE_SHIFT = 40 };

struct inode *overlay_real(const struct inode *inode)
{
	const struct overlay_node *node = node_of(inode);
	struct inode *upper = atomic_load_acquire(&node->upper);

	return upper ? upper : node->lower[0];
}

uint64_t overlay_number(const struct inode *real)
{
	return real->origin ? real->origin : real->fs->device << DEVICE_SHIFT | real->number;
}

bool overlay_is_whiteout(const struct inode *real)
{
	return inode_is(real, S_IFCHR) && real->rdev == 0;
}

static struct list *bucket_of(struct overlay *overlay, const struct inode *real)
{
	return &overlay->nodes[((uintptr_t)real >> 6) % OVERLAY_BUCKETS];
}

void overlay_stack_put(struct overlay_stack *stack)
{
	if (stack->upper)
		inode_put(stack->upper);
	for (unsigned i = 0; i < stack->lower_count; i++)
		inode_put(stack->lower[i]);
}

/* ---- the table ---- */

/* Where a lookup found a real file. */
struct finding {
	const struct inode *real, *parent;
	const char *name;
	size_t len;
};

/* Is that what the node stands for?  A file with several names in a lower layer is a file for each
 * of them, because it is copied up to one only. */
static bool node_is(const struct overlay_node *node, const struct finding *finding)
{
	if (overlay_real(node->inode) != finding->real)
		return false;
	if (node->upper || inode_is(finding->real, S_IFDIR))
		return true;
	return node->parent == finding->parent && !node->is_gone &&
	       strlen(node->name) == finding->len &&
	       memcmp(node->name, finding->name, finding->len) == 0;
}

/* The node's inode, counted, or NULL. */
static struct inode *node_find_locked(struct overlay *overlay, const struct finding *finding)
	REQUIRES(overlay->lock)
{
	struct overlay_node *node;

	list_for_each_entry(node, bucket_of(overlay, finding->real), link) {
		if (node_is(node, finding) && inode_try_get(node->inode))
			return node->inode;
	}
	return NULL;
}

static struct inode *node_find(struct overlay *overlay, const struct finding *finding)
{
	spin_lock(&overlay->lock);
	struct inode *found = node_find_locked(overlay, finding);

	spin_unlock(&overlay->lock);
	return found;
}

/* Takes over the stack. */
static struct overlay_node *node_create(struct inode *parent, const char *name, size_t len,
					const struct overlay_stack *stack)
{
	struct overlay_node *node =
		kzalloc(sizeof(*node) + stack->lower_count * sizeof(node->lower[0]));

	if (!node)
		return NULL;
	node->name = kmalloc(len + 1);
	if (!node->name) {
		kfree(node);
		return NULL;
	}
	memcpy(node->name, name, len);
	node->name[len] = '\0';
	node->upper = stack->upper;
	node->lower_count = stack->lower_count;
	memcpy(node->lower, stack->lower, stack->lower_count * sizeof(stack->lower[0]));
	if (parent && !node->upper) {
		node->parent = parent;
		inode_get(parent);
	}
	return node;
}

static struct inode *inode_around(struct file_system *fs, struct overlay_node *node)
{
	struct inode *real = node->upper ? node->upper : node->lower[0];
	bool is_dir = inode_is(real, S_IFDIR);
	struct inode *inode = inode_create(fs, real->mode,
					   is_dir ? &overlay_dir_ops : &overlay_inode_ops,
					   is_dir ? &overlay_dir_file_ops : &overlay_file_ops);

	if (!inode)
		return NULL;
	inode->number = overlay_number(real);
	inode->rdev = real->rdev;
	inode->uid = real->uid;
	inode->gid = real->gid;
	inode->nlink = real->nlink;
	inode->object = real->object;
	if (inode->object)
		object_get(inode->object);
	inode->data = node;
	node->inode = inode;
	return inode;
}

/* Returns the directory above, which is the caller's to put. */
static struct inode *node_free(struct overlay_node *node)
{
	struct overlay_stack stack = { .upper = node->upper, .lower_count = node->lower_count };
	struct inode *parent = node->parent;

	memcpy(stack.lower, node->lower, node->lower_count * sizeof(node->lower[0]));
	overlay_stack_put(&stack);
	kfree(node->name);
	kfree(node);
	return parent;
}

/* Into the table, unless another thread's lookup was faster: then that one. */
static struct inode *node_publish(struct overlay *overlay, struct inode *inode,
				  const struct finding *finding)
{
	spin_lock(&overlay->lock);
	struct inode *other = node_find_locked(overlay, finding);

	if (!other)
		list_push_front(bucket_of(overlay, finding->real), &node_of(inode)->link);
	spin_unlock(&overlay->lock);
	if (other)
		inode_put(inode);
	return other ? other : inode;
}

struct inode *overlay_inode(struct file_system *fs, struct inode *parent, const char *name,
			    size_t len, struct overlay_stack *stack)
{
	struct overlay *overlay = fs->data;
	struct finding finding = {
		stack->upper ? stack->upper : stack->lower[0], parent, name, len,
	};
	struct inode *inode = node_find(overlay, &finding);

	if (inode) {
		overlay_stack_put(stack);
		return inode;
	}
	struct overlay_node *node = node_create(parent, name, len, stack);

	if (!node) {
		overlay_stack_put(stack);
		return NULL;
	}
	list_node_init(&node->link);
	inode = inode_around(fs, node);
	if (!inode)
		inode_put(node_free(node));
	return inode ? node_publish(overlay, inode, &finding) : NULL;
}

struct inode *overlay_destroy_inode(struct inode *inode)
{
	struct overlay *overlay = overlay_of(inode);
	struct overlay_node *node = node_of(inode);

	spin_lock(&overlay->lock);
	list_remove(&node->link);
	spin_unlock(&overlay->lock);
	return node_free(node);
}

void overlay_set_upper(struct inode *inode, struct inode *upper)
{
	struct overlay *overlay = overlay_of(inode);
	struct overlay_node *node = node_of(inode);
	struct object *old = inode->object;
	struct inode *parent = node->parent;

	node->parent = NULL;
	if (upper->object)
		object_get(upper->object);
	spin_lock(&overlay->lock);
	list_remove(&node->link);
	list_push_front(bucket_of(overlay, upper), &node->link);
	atomic_store_release(&node->upper, upper);
	atomic_store_release(&inode->object, upper->object);
	spin_unlock(&overlay->lock);
	if (old)
		object_put(old);        /* the lower file has it still */
	if (parent)
		inode_put(parent);
}

/* ---- finding ---- */

int overlay_layer_lookup(struct inode *dir, const char *name, size_t len, struct inode **found)
{
	read_lock(&dir->fs->names_lock);
	int err = dir->ops->lookup(dir, name, len, found);

	read_unlock(&dir->fs->names_lock);
	return err;
}

int overlay_layer_remove(
	struct inode *dir, const char *name, size_t len, const struct inode *inode)
{
	struct inode *real;

	write_lock(&dir->fs->names_lock);
	int err = dir->ops->lookup(dir, name, len, &real);

	if (!err) {
		err = real != inode ? -ESTALE :
		      inode_is(real, S_IFDIR) ? dir->ops->rmdir(dir, name, len, real)
					      : dir->ops->unlink(dir, name, len, real);
		inode_put(real);
	}
	write_unlock(&dir->fs->names_lock);
	return err;
}

/* Add what one layer has to what the ones above have.  True: nothing below can show. */
static bool stack_add(struct overlay_stack *stack, struct inode *real, bool is_upper)
{
	bool is_dir = inode_is(real, S_IFDIR);
	bool is_covered = stack->upper || stack->lower_count;

	if (overlay_is_whiteout(real) || (is_covered && !is_dir)) {
		inode_put(real);
		return true;
	}
	if (is_upper)
		stack->upper = real;
	else
		stack->lower[stack->lower_count++] = real;
	return !is_dir || real->is_opaque;
}

static int stack_find(const struct overlay_node *dir, const char *name, size_t len,
		      struct overlay_stack *stack)
{
	struct inode *real;
	bool is_done = false;

	*stack = (struct overlay_stack){ 0 };
	int err = dir->upper ? overlay_layer_lookup(dir->upper, name, len, &real) : -ENOENT;

	if (!err)
		is_done = stack_add(stack, real, true);
	for (unsigned i = 0; i < dir->lower_count && !is_done && (!err || err == -ENOENT); i++) {
		err = overlay_layer_lookup(dir->lower[i], name, len, &real);
		if (!err)
			is_done = stack_add(stack, real, false);
	}
	if (err && err != -ENOENT) {
		overlay_stack_put(stack);
		return err;
	}
	return stack->upper || stack->lower_count ? 0 : -ENOENT;
}

int overlay_lookup(struct inode *dir, const char *name, size_t len, struct inode **found)
{
	struct overlay_stack stack;
	int err = stack_find(node_of(dir), name, len, &stack);

	if (err)
		return err;
	*found = overlay_inode(dir->fs, dir, name, len, &stack);
	return *found ? 0 : -ENOMEM;
}

bool overlay_shines_through(struct inode *dir, const char *name, size_t len)
{
	const struct overlay_node *node = node_of(dir);

	for (unsigned i = 0; i < node->lower_count; i++) {
		struct inode *real;

		if (overlay_layer_lookup(node->lower[i], name, len, &real) != 0)
			continue;
		bool is_seen = !overlay_is_whiteout(real);

		inode_put(real);
		return is_seen;
	}
	return false;
}
