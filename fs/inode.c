/* SPDX-License-Identifier: MIT */
/*
 * fs/inode.c - files as things: kinds, counts, operations, attributes, who may do what.
 *
 * Owns: the memory of inodes; the table of device drivers.
 * Invariants: an inode counts its file system, so that fs outlives the last file of it.  The kind
 *   bits of a mode never change.
 * Locks: inode->lock for metadata.  Reading a single field needs none: whoever decides on a mode
 *   that is just being changed may decide either way.  Mode and owner together do.
 * See: path_resolution(7), chmod(2), chown(2), utimensat(2).
 */
#include "fs/inode.h"
#include "lib/atomic.h"
#include "kernel/clock.h"
#include "kernel/credentials.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

enum { DEVICES_MAX = 64, DAY_SECONDS = 24 * 60 * 60 };

struct device {
	uint32_t kind;
	uint64_t rdev;
	const struct file_ops *ops;
};

static struct slab_cache inode_cache;
static uint64_t inodes_alive;           /* atomic */
static uint64_t last_fs_device;         /* atomic */
static struct device devices[DEVICES_MAX];      /* filled at boot */
static unsigned device_count;

static int change_check(struct inode *inode, const struct attr_change *change);
static int change_apply(struct inode *inode, const struct attr_change *change)
	REQUIRES(inode->lock);
static uint32_t change_mode(const struct inode *inode, const struct attr_change *change);
static uint32_t mode_without_set_ids(uint32_t mode);
static int permission_of(const struct inode *inode, const struct credentials *who, unsigned want);

/* ---- file systems ---- */

void file_system_init(struct file_system *fs, const char *type, uint64_t magic)
{
	fs->type = type;
	fs->magic = magic;
	fs->device = dev_make(0, (uint32_t)atomic_add_return_relaxed(&last_fs_device, 1));
	fs->refs = 1;
	rwlock_init(&fs->names_lock, RANK_DIRECTORY);
}

void file_system_get(struct file_system *fs)
{
	atomic_inc(&fs->refs);
}

void file_system_put(struct file_system *fs)
{
	if (atomic_dec_and_test(&fs->refs) && fs->destroy)
		fs->destroy(fs);
}

/* ---- inodes ---- */

void inodes_start(void)
{
	slab_cache_init(&inode_cache, "inode", sizeof(struct inode), 0);
}

struct inode *inode_create(struct file_system *fs, uint32_t mode, const struct inode_ops *ops,
			   const struct file_ops *file_ops)
{
	struct inode *inode = slab_alloc_zeroed(&inode_cache);

	if (!inode)
		return NULL;
	inode->refs = 1;
	inode->mode = mode;
	inode->nlink = 1;
	inode->number = atomic_add_return_relaxed(&fs->next_number, 1);
	inode->fs = fs;
	inode->ops = ops;
	inode->file_ops = file_ops;
	inode->atime = inode->mtime = inode->ctime = time_now();
	mutex_init(&inode->lock, RANK_INODE);
	list_init(&inode->locks);
	file_system_get(fs);
	atomic_inc(&inodes_alive);
	return inode;
}

void inode_get(struct inode *inode)
{
	atomic_inc(&inode->refs);
}

bool inode_try_get(struct inode *inode)
{
	return atomic_inc_unless_zero(&inode->refs);
}

/* Returns what is to be put next. */
static struct inode *inode_destroy(struct inode *inode)
{
	struct file_system *fs = inode->fs;

	assert(list_is_empty(&inode->locks));
	struct inode *next = inode->ops->destroy ? inode->ops->destroy(inode) : NULL;

	if (inode->object)
		object_put(inode->object);
	slab_free(&inode_cache, inode);
	atomic_dec(&inodes_alive);
	file_system_put(fs);
	return next;
}

/* In a loop: no row of inodes that count each other is too long for the stack. */
void inode_put(struct inode *inode)
{
	while (inode && atomic_dec_and_test(&inode->refs))
		inode = inode_destroy(inode);
}

uint64_t inodes_count(void)
{
	return atomic_load_relaxed(&inodes_alive);
}

/* ---- attributes ---- */

int inode_stat(struct inode *inode, struct abi_stat *stat)
{
	*stat = (struct abi_stat){
		.st_dev = inode->fs->device,
		.st_ino = inode->number,
		.st_nlink = inode->nlink,
		.st_mode = inode->mode,
		.st_uid = inode->uid,
		.st_gid = inode->gid,
		.st_rdev = inode->rdev,
		.st_blksize = PAGE_SIZE,
		.st_atim = inode->atime,
		.st_mtim = inode->mtime,
		.st_ctim = inode->ctime,
	};
	if (inode->object) {
		stat->st_size = (int64_t)object_size(inode->object);
		stat->st_blocks = (int64_t)object_resident_pages(inode->object) * (PAGE_SIZE / 512);
	}
	return inode->ops->getattr ? inode->ops->getattr(inode, stat) : 0;
}

void inode_rights(struct inode *inode, struct inode_rights *rights)
{
	while (inode->ops->real)
		inode = inode->ops->real(inode);
	mutex_lock(&inode->lock);
	*rights = (struct inode_rights){ inode->mode, inode->uid, inode->gid };
	mutex_unlock(&inode->lock);
}

/* Asked twice: who may not does not make a file the file system's own; and whose it is may change
 * until the lock is held. */
int inode_change(struct inode *inode, const struct attr_change *change)
{
	int err = change_check(inode, change);

	if (!err && inode->ops->own)
		err = inode->ops->own(inode);
	if (err)
		return err;
	mutex_lock(&inode->lock);
	err = change_check(inode, change);
	if (!err)
		err = change_apply(inode, change);
	mutex_unlock(&inode->lock);
	return err;
}

static int change_check(struct inode *inode, const struct attr_change *change)
{
	const struct credentials *who = upcall_credentials();
	bool is_owner = inode_is_owned(inode);

	if (credentials_are_privileged(who))
		return 0;
	if ((change->which & ATTR_MODE) && !is_owner)
		return -EPERM;
	if ((change->which & ATTR_UID) && !(is_owner && change->uid == inode->uid))
		return -EPERM;
	if ((change->which & ATTR_GID) && !(is_owner && (change->gid == inode->gid ||
							 credentials_in_group(who, change->gid))))
		return -EPERM;
	if ((change->which & (ATTR_ATIME | ATTR_MTIME)) && !is_owner)
		return change->which & ATTR_TOUCH ? inode_permission(inode, MAY_WRITE) : -EPERM;
	return 0;
}

static int change_apply(struct inode *inode, const struct attr_change *change)
{
	if ((change->which & ATTR_SIZE) && !inode->ops->setattr)
		return -EINVAL;
	int err = inode->ops->setattr ? inode->ops->setattr(inode, change) : 0;

	if (err)
		return err;
	inode->mode = change_mode(inode, change);
	if (change->which & ATTR_SIZE)
		inode_drop_set_ids(inode);
	if (change->which & ATTR_UID)
		inode->uid = change->uid;
	if (change->which & ATTR_GID)
		inode->gid = change->gid;
	if (change->which & ATTR_SIZE)
		inode_touch_modified(inode);
	else
		inode_touch_changed(inode);
	if (change->which & ATTR_ATIME)
		inode->atime = change->atime;
	if (change->which & ATTR_MTIME)
		inode->mtime = change->mtime;
	return 0;
}

/* Set bits as asked; who gives a program away, or is not of its group, takes its set-id bits. */
static uint32_t change_mode(const struct inode *inode, const struct attr_change *change)
{
	const struct credentials *who = upcall_credentials();
	uint32_t mode = inode->mode;

	if (change->which & ATTR_MODE) {
		mode = (mode & S_IFMT) | (change->mode & ~(uint32_t)S_IFMT);
		if (!credentials_are_privileged(who) && !credentials_in_group(who, inode->gid))
			mode &= ~(uint32_t)S_ISGID;
	}
	if ((change->which & (ATTR_UID | ATTR_GID)) && !S_ISDIR(mode))
		mode = mode_without_set_ids(mode);
	return mode;
}

static uint32_t mode_without_set_ids(uint32_t mode)
{
	return mode & ~(uint32_t)(mode & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
}

void inode_drop_set_ids(struct inode *inode)
{
	if (inode->mode & (S_ISUID | S_ISGID) && !credentials_are_privileged(upcall_credentials()))
		inode->mode = mode_without_set_ids(inode->mode);
}

/* ---- permissions ---- */

int inode_permission(struct inode *inode, unsigned want)
{
	return permission_of(inode, upcall_credentials(), want);
}

int inode_permission_real(struct inode *inode, unsigned want)
{
	struct credentials real = *upcall_credentials();

	real.fsuid = real.uid;
	real.fsgid = real.gid;
	return permission_of(inode, &real, want);
}

static int permission_of(const struct inode *inode, const struct credentials *who, unsigned want)
{
	uint32_t mode = inode->mode;

	if (credentials_are_privileged(who)) {
		bool is_program = S_ISDIR(mode) || (mode & (S_IXUSR | S_IXGRP | S_IXOTH));

		return (want & MAY_EXEC) && !is_program ? -EACCES : 0;
	}
	if (who->fsuid == inode->uid)
		mode >>= 6;
	else if (credentials_in_group(who, inode->gid))
		mode >>= 3;
	return (mode & want) == want ? 0 : -EACCES;
}

bool inode_is_owned(const struct inode *inode)
{
	const struct credentials *who = upcall_credentials();

	return who->fsuid == inode->uid || credentials_are_privileged(who);
}

/* ---- times ---- */

struct abi_timespec time_now(void)
{
	uint64_t now = clock_realtime_ns();

	return (struct abi_timespec){
		.tv_sec = (int64_t)(now / NS_PER_SECOND),
		.tv_nsec = (int64_t)(now % NS_PER_SECOND),
	};
}

void inode_touch_changed(struct inode *inode)
{
	inode->ctime = time_now();
}

void inode_touch_modified(struct inode *inode)
{
	inode->mtime = inode->ctime = time_now();
}

static bool time_is_after(struct abi_timespec a, struct abi_timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

void inode_touch_read(struct inode *inode)
{
	struct abi_timespec atime = inode->atime;

	if (time_is_after(atime, inode->mtime) && time_is_after(atime, inode->ctime) &&
	    atime.tv_sec > (int64_t)(clock_realtime_ns() / NS_PER_SECOND) - DAY_SECONDS)
		return;
	mutex_lock(&inode->lock);
	inode->atime = time_now();
	mutex_unlock(&inode->lock);
}

/* ---- devices ---- */

uint64_t dev_make(uint32_t major, uint32_t minor)
{
	return device_make(major, minor);
}

uint32_t dev_major(uint64_t dev)
{
	return device_major(dev);
}

uint32_t dev_minor(uint64_t dev)
{
	return device_minor(dev);
}

void device_register(uint32_t kind, uint32_t major, uint32_t minor, const struct file_ops *ops)
{
	assert(device_count < DEVICES_MAX);
	assert(kind == S_IFCHR || kind == S_IFBLK);
	devices[device_count++] = (struct device){ kind, dev_make(major, minor), ops };
}

const struct file_ops *device_find(uint32_t kind, uint64_t rdev)
{
	for (unsigned i = 0; i < device_count; i++) {
		if (devices[i].rdev == rdev && devices[i].kind == kind)
			return devices[i].ops;
	}
	return NULL;
}
