/* SPDX-License-Identifier: MIT */
/*
 * kernel/shm.c - System V shared memory.
 *
 *	shmget ─► segment ─► object ◄── ranges of all who attached it
 *	              │  ▲      │
 *	   IPC_RMID   ╳  └──────┘ the last range is gone: so is the segment
 *
 * Owns:        the table of segments.
 * Invariants:  a segment counts its object until it is removed; the object tells the segment when
 *              its last reference goes (object->on_free), and only then does the segment leave the
 *              table.  So nobody finds a segment whose object is gone.
 * Locks:       segments_lock for the table and all fields.
 * See:         shmget(2), shmop(2), shmctl(2), sysvipc(7).
 */
#include "kernel/shm.h"
#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/bits.h"
#include "kernel/clock.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "mm/mmap.h"
#include "mm/slab.h"

enum { SEGMENTS_MAX = 4096, SEQUENCE_UNIT = 32768, SEQUENCE_MAX = 65536, ACCESS_BITS = 0777 };
#define SEGMENT_SIZE_MAX (UINT64_MAX - (1ull << 24))
#define SEGMENT_PAGES_MAX (UINT64_MAX - (1ull << 24))

struct segment {
	struct abi_shmid_ds info;       /* all but nattch */
	struct object *object;
	int id;
	bool is_removed;
};

static struct segment *segments[SEGMENTS_MAX];
static uint64_t segment_pages;
static uint32_t segment_count, last_sequence;
static struct spinlock segments_lock = SPINLOCK_INIT(RANK_SEGMENTS);

static int segment_create(int32_t key, uint64_t size, uint32_t flags);
static int segment_enlist(struct segment *segment) REQUIRES(segments_lock);
static void segment_free(void *owner);
static struct segment *segment_by_key(int32_t key) REQUIRES(segments_lock);
static struct segment *segment_by_id(int id) REQUIRES(segments_lock);
static int segment_permission(const struct segment *segment, uint32_t mode)
	REQUIRES(segments_lock);
static bool segment_is_owned(const struct segment *segment) REQUIRES(segments_lock);

static int64_t now_seconds(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_SECOND);
}

/* ---- finding and making --------------------------------------------------------------------- */

int shm_get(int32_t key, uint64_t size, uint32_t flags)
{
	int result = -ENOENT;
	bool is_found = false;

	if (flags & SHM_HUGETLB)
		return -EINVAL;
	spin_lock(&segments_lock);
	struct segment *segment = key == IPC_PRIVATE ? NULL : segment_by_key(key);

	if (segment) {
		is_found = true;
		if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
			result = -EEXIST;
		else if (size > segment->info.shm_segsz)
			result = -EINVAL;
		else
			result = segment_permission(segment, flags);
		result = result ? result : segment->id;
	}
	spin_unlock(&segments_lock);
	if (is_found || !(key == IPC_PRIVATE || flags & IPC_CREAT))
		return result;
	return segment_create(key, size, flags);
}

static void segment_fill(struct segment *segment, int32_t key, uint64_t size, uint32_t flags)
{
	const struct credentials *who = upcall_credentials();

	segment->info = (struct abi_shmid_ds){
		.shm_perm = {
			.key = key, .uid = who->euid, .cuid = who->euid, .gid = who->egid,
			.cgid = who->egid, .mode = flags & ACCESS_BITS,
		},
		.shm_segsz = size, .shm_ctime = now_seconds(), .shm_cpid = current_process()->pid,
	};
}

static int segment_create(int32_t key, uint64_t size, uint32_t flags)
{
	if (!size || size > SEGMENT_SIZE_MAX)
		return -EINVAL;
	struct segment *segment = kzalloc(sizeof(*segment));
	struct object *object = segment ? object_create(page_ceil(size), true) : NULL;

	if (!object || (!(flags & SHM_NORESERVE) && object_reserve(object))) {
		kfree(segment);
		if (object)
			object_put(object);
		return -ENOMEM;
	}
	segment->object = object;
	segment_fill(segment, key, size, flags);

	spin_lock(&segments_lock);
	bool is_taken = key != IPC_PRIVATE && segment_by_key(key);
	int id = is_taken ? -EEXIST : segment_enlist(segment);
	spin_unlock(&segments_lock);
	if (id < 0) {
		object_put(object);
		kfree(segment);
	}
	return id == -EEXIST && !(flags & IPC_EXCL) ? shm_get(key, size, flags) : id;
}

static int segment_enlist(struct segment *segment)
{
	uint64_t pages = div_round_up(segment->info.shm_segsz, PAGE_SIZE);
	int place = 0;

	while (place < SEGMENTS_MAX && segments[place])
		place++;
	if (place == SEGMENTS_MAX || segment_pages + pages > SEGMENT_PAGES_MAX)
		return -ENOSPC;
	segment->info.shm_perm.seq = last_sequence++ % (SEQUENCE_MAX - 1);
	segment->id = place + segment->info.shm_perm.seq * SEQUENCE_UNIT;
	segment->object->on_free = segment_free;
	segment->object->owner = segment;
	segments[place] = segment;
	segment_pages += pages;
	segment_count++;
	return segment->id;
}

/* Nobody has the object any more. */
static void segment_free(void *owner)
{
	struct segment *segment = owner;

	spin_lock(&segments_lock);
	assert(segment->is_removed);
	segments[segment->id % SEQUENCE_UNIT] = NULL;
	segment_pages -= div_round_up(segment->info.shm_segsz, PAGE_SIZE);
	segment_count--;
	spin_unlock(&segments_lock);
	kfree(segment);
}

static struct segment *segment_by_key(int32_t key)
{
	for (int place = 0; place < SEGMENTS_MAX; place++) {
		struct segment *segment = segments[place];
		if (segment && !segment->is_removed && segment->info.shm_perm.key == key)
			return segment;
	}
	return NULL;
}

static struct segment *segment_by_id(int id)
{
	int place = id % SEQUENCE_UNIT;
	struct segment *segment = id >= 0 && place < SEGMENTS_MAX ? segments[place] : NULL;

	return segment && segment->id == id ? segment : NULL;
}

/* `mode` asks in any of its three groups of bits. */
static int segment_permission(const struct segment *segment, uint32_t mode)
{
	const struct credentials *who = upcall_credentials();
	const struct abi_ipc_perm *perm = &segment->info.shm_perm;
	uint32_t wanted = mode >> 6 | mode >> 3 | mode, granted = perm->mode;

	if (who->euid == perm->uid || who->euid == perm->cuid)
		granted >>= 6;
	else if (credentials_in_group(who, perm->gid) || credentials_in_group(who, perm->cgid))
		granted >>= 3;
	return wanted & ~granted & 07 && !credentials_are_privileged(who) ? -EACCES : 0;
}

static bool segment_is_owned(const struct segment *segment)
{
	const struct credentials *who = upcall_credentials();
	const struct abi_ipc_perm *perm = &segment->info.shm_perm;

	return who->euid == perm->uid || who->euid == perm->cuid ||
	       credentials_are_privileged(who);
}

/* ---- attaching ------------------------------------------------------------------------------ */

/* The segment's object, counted, for a process that may use it like this. */
static int segment_use(int id, uint32_t mode, struct object **object)
{
	spin_lock(&segments_lock);
	struct segment *segment = segment_by_id(id);
	int err = segment ? segment_permission(segment, mode) : -EINVAL;

	if (!err && !object_try_get(segment->object))
		err = -EINVAL;          /* it is on its way out */
	if (!err)
		*object = segment->object;
	spin_unlock(&segments_lock);
	return err;
}

static void segment_note(int id, bool is_attach)
{
	spin_lock(&segments_lock);
	struct segment *segment = segment_by_id(id);

	if (segment) {
		*(is_attach ? &segment->info.shm_atime : &segment->info.shm_dtime) = now_seconds();
		segment->info.shm_lpid = current_process()->pid;
	}
	spin_unlock(&segments_lock);
}

static int attach_place(virt_t *at, uint32_t flags, uint32_t *map_flags)
{
	if (!*at)
		return flags & SHM_REMAP ? -EINVAL : 0;
	if (flags & SHM_RND)
		*at = page_floor(*at);
	if (!is_aligned(*at, PAGE_SIZE) || !*at)
		return -EINVAL;
	*map_flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	return 0;
}

int shm_attach(int id, virt_t at, uint32_t flags, virt_t *addr)
{
	uint32_t map_flags = MAP_SHARED, mode = S_IRUSR;
	struct object *object = NULL;
	int err = attach_place(&at, flags, &map_flags);

	if (err)
		return err;
	mode |= flags & SHM_RDONLY ? 0 : S_IWUSR;
	mode |= flags & SHM_EXEC ? S_IXUSR : 0;
	err = segment_use(id, mode, &object);
	if (err)
		return err;
	struct map_request request = {
		.addr = at, .len = object_size(object), .flags = map_flags, .object = object,
		.prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
			(flags & SHM_EXEC ? PROT_EXEC : 0),
		.vma_flags = flags & SHM_RDONLY ? 0 : VMA_MAYWRITE,
	};

	err = space_map(current->space, &request, addr);
	object_put(object);
	if (!err)
		segment_note(id, true);
	return err == -EEXIST ? -EINVAL : err;
}

/* Is the range a piece of what was attached at addr: of `object`, or of any segment for NULL? */
static bool is_piece(const struct vma *vma, virt_t addr, const struct object *object)
{
	return vma->object && vma->object->on_free == segment_free &&
	       vma->start - addr == vma->offset && (!object || vma->object == object);
}

/* Unmap all pieces, whatever lies between them.  *object: whose they were, counted; NULL: there is
 * none. */
static int detach_pieces(struct space *space, virt_t addr, struct object **object)
	REQUIRES(space->lock)
{
	virt_t end = USER_END;
	uint32_t i = vmas_search(space->vmas, addr);
	int err = 0;

	*object = NULL;
	while (!err && i < space->vmas->count && space->vmas->at[i].start < end) {
		const struct vma *vma = &space->vmas->at[i];
		if (!is_piece(vma, addr, *object)) {
			i++;
			continue;
		}
		if (!*object) {
			*object = vma->object;
			object_get(*object);
			end = addr + object_size(*object);
		}
		err = space_unmap_locked(space, vma->start, vma->end);
	}
	return err;
}

int shm_detach(virt_t addr)
{
	struct space *space = current->space;
	struct object *object;

	if (!is_aligned(addr, PAGE_SIZE))
		return -EINVAL;
	write_lock(&space->lock);
	int err = detach_pieces(space, addr, &object);
	write_unlock(&space->lock);
	if (!object)
		return -EINVAL;
	if (!err)
		segment_note(((struct segment *)object->owner)->id, false);
	object_put(object);
	return err;
}

/* ---- control -------------------------------------------------------------------------------- */

/* How many ranges of how many spaces show an object. */
struct attachments {
	const struct object *object;
	uint64_t count;
};

static void attachments_add(struct space *space, void *argument)
{
	struct attachments *all = argument;

	read_lock(&space->lock);
	for (uint32_t i = 0; i < space->vmas->count; i++)
		all->count += space->vmas->at[i].object == all->object;
	read_unlock(&space->lock);
}

static struct segment *segment_at(int place) REQUIRES(segments_lock)
{
	return place >= 0 && place < SEGMENTS_MAX ? segments[place] : NULL;
}

int shm_stat(int id, bool is_place, bool is_open, struct abi_shmid_ds *out)
{
	struct attachments all = { 0 };

	spin_lock(&segments_lock);
	struct segment *segment = is_place ? segment_at(id) : segment_by_id(id);
	int result = -EINVAL;

	if (segment)
		result = is_open ? 0 : segment_permission(segment, S_IRUSR);
	if (!result) {
		*out = segment->info;
		result = is_place ? segment->id : 0;
		all.object = segment->object;   /* only compared */
	}
	spin_unlock(&segments_lock);
	if (result < 0)
		return result;
	space_for_each(attachments_add, &all);
	out->shm_nattch = all.count;
	return result;
}

int shm_set(int id, const struct abi_shmid_ds *wanted)
{
	spin_lock(&segments_lock);
	struct segment *segment = segment_by_id(id);
	int err = !segment ? -EINVAL : segment_is_owned(segment) ? 0 : -EPERM;

	if (!err) {
		struct abi_ipc_perm *perm = &segment->info.shm_perm;

		perm->uid = wanted->shm_perm.uid;
		perm->gid = wanted->shm_perm.gid;
		perm->mode = (perm->mode & ~(uint32_t)ACCESS_BITS) |
			     (wanted->shm_perm.mode & ACCESS_BITS);
		segment->info.shm_ctime = now_seconds();
	}
	spin_unlock(&segments_lock);
	return err;
}

int shm_remove(int id)
{
	struct object *object = NULL;

	spin_lock(&segments_lock);
	struct segment *segment = segment_by_id(id);
	int err = !segment ? -EINVAL : segment_is_owned(segment) ? 0 : -EPERM;

	if (!err && !segment->is_removed) {
		segment->is_removed = true;
		segment->info.shm_perm.key = IPC_PRIVATE;
		segment->info.shm_perm.mode |= SHM_DEST;
		object = segment->object;
	}
	spin_unlock(&segments_lock);
	if (object)
		object_put(object);
	return err;
}

/* Nothing is ever swapped out: all are locked. */
int shm_lock(int id)
{
	spin_lock(&segments_lock);
	const struct segment *segment = segment_by_id(id);
	int err = !segment ? -EINVAL : segment_is_owned(segment) ? 0 : -EPERM;

	spin_unlock(&segments_lock);
	return err;
}

static int highest_place(void) REQUIRES(segments_lock)
{
	int place = SEGMENTS_MAX - 1;

	while (place > 0 && !segments[place])
		place--;
	return place;
}

int shm_limits(struct abi_shminfo *out)
{
	*out = (struct abi_shminfo){
		.shmmax = SEGMENT_SIZE_MAX, .shmmin = 1, .shmmni = SEGMENTS_MAX,
		.shmseg = SEGMENTS_MAX, .shmall = SEGMENT_PAGES_MAX,
	};
	spin_lock(&segments_lock);
	int place = highest_place();
	spin_unlock(&segments_lock);
	return place;
}

int shm_totals(struct abi_shm_info *out)
{
	*out = (struct abi_shm_info){ 0 };
	spin_lock(&segments_lock);
	int place = highest_place();

	out->used_ids = (int32_t)segment_count;
	out->shm_tot = segment_pages;
	for (int i = 0; i <= place; i++)
		out->shm_rss += segments[i] ? object_resident_pages(segments[i]->object) : 0;
	spin_unlock(&segments_lock);
	return place;
}
