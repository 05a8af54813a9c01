/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_identity.c - system calls on users and groups.
 *
 * Invariants: without privilege an id may only become what one of real, effective and saved is
 *             already.  The ids for files follow the effective ones.
 * Locks:      process_tree_lock from the look at the old ids to the change: of two threads' changes
 *             none undoes the other.
 * See:        credentials(7), setresuid(2).
 */
#include "kernel/syscall.h"

#include "lib/abi/errno.h"
#include "lib/string.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/process.h"

/* -1 in a call: leave it as it is. */
#define KEEP UINT32_MAX

struct ids { uint32_t real, effective, saved; };

static const struct credentials *mine(void)
{
	return &current_process()->credentials;
}

static struct ids users(void)
{
	return (struct ids){ mine()->uid, mine()->euid, mine()->suid };
}

static struct ids groups(void)
{
	return (struct ids){ mine()->gid, mine()->egid, mine()->sgid };
}

static bool is_one_of(uint32_t id, struct ids ids)
{
	return id == KEEP || id == ids.real || id == ids.effective || id == ids.saved;
}

static void users_set(struct ids ids) REQUIRES(process_tree_lock)
{
	struct credentials changed = *mine();

	changed.uid = ids.real;
	changed.euid = changed.fsuid = ids.effective;
	changed.suid = ids.saved;
	process_set_credentials(&changed);
}

static void groups_set(struct ids ids) REQUIRES(process_tree_lock)
{
	struct credentials changed = *mine();

	changed.gid = ids.real;
	changed.egid = changed.fsgid = ids.effective;
	changed.sgid = ids.saved;
	process_set_credentials(&changed);
}

long sys_getuid(const struct syscall_args *args)
{
	return mine()->uid;
}

long sys_geteuid(const struct syscall_args *args)
{
	return mine()->euid;
}

long sys_getgid(const struct syscall_args *args)
{
	return mine()->gid;
}

long sys_getegid(const struct syscall_args *args)
{
	return mine()->egid;
}

/* ---- changing them: what the call asks for, from what they are ---- */

typedef int choose_ids(struct ids *ids, const struct syscall_args *args);

static long users_change(choose_ids *choose, const struct syscall_args *args)
{
	spin_lock(&process_tree_lock);
	struct ids ids = users();
	int err = choose(&ids, args);

	if (!err)
		users_set(ids);
	spin_unlock(&process_tree_lock);
	return err;
}

static long groups_change(choose_ids *choose, const struct syscall_args *args)
{
	spin_lock(&process_tree_lock);
	struct ids ids = groups();
	int err = choose(&ids, args);

	if (!err)
		groups_set(ids);
	spin_unlock(&process_tree_lock);
	return err;
}

/* setuid, setgid: all three with privilege, else the effective one. */
static int choose_one(struct ids *ids, const struct syscall_args *args)
{
	uint32_t id = (uint32_t)args->rdi;

	if (id == KEEP)
		return -EINVAL;
	if (process_is_privileged())
		*ids = (struct ids){ id, id, id };
	else if (id == ids->real || id == ids->saved)
		ids->effective = id;
	else
		return -EPERM;
	return 0;
}

/* setreuid, setregid: the saved one follows, unless only the effective one becomes the old real
 * one. */
static int choose_two(struct ids *ids, const struct syscall_args *args)
{
	uint32_t real = (uint32_t)args->rdi, effective = (uint32_t)args->rsi;
	struct ids old = *ids;
	bool may_real = real == KEEP || real == old.real || real == old.effective;

	if (!process_is_privileged() && (!may_real || !is_one_of(effective, old)))
		return -EPERM;
	if (real != KEEP)
		ids->real = real;
	if (effective != KEEP)
		ids->effective = effective;
	if (real != KEEP || (effective != KEEP && effective != old.real))
		ids->saved = ids->effective;
	return 0;
}

static int choose_three(struct ids *ids, const struct syscall_args *args)
{
	struct ids wanted = { (uint32_t)args->rdi, (uint32_t)args->rsi, (uint32_t)args->rdx };
	struct ids old = *ids;
	bool may = is_one_of(wanted.real, old) && is_one_of(wanted.effective, old) &&
		   is_one_of(wanted.saved, old);

	if (!may && !process_is_privileged())
		return -EPERM;
	ids->real = wanted.real == KEEP ? old.real : wanted.real;
	ids->effective = wanted.effective == KEEP ? old.effective : wanted.effective;
	ids->saved = wanted.saved == KEEP ? old.saved : wanted.saved;
	return 0;
}

long sys_setuid(const struct syscall_args *args)
{
	return users_change(choose_one, args);
}

long sys_setgid(const struct syscall_args *args)
{
	return groups_change(choose_one, args);
}

long sys_setreuid(const struct syscall_args *args)
{
	return users_change(choose_two, args);
}

long sys_setregid(const struct syscall_args *args)
{
	return groups_change(choose_two, args);
}

long sys_setresuid(const struct syscall_args *args)
{
	return users_change(choose_three, args);
}

long sys_setresgid(const struct syscall_args *args)
{
	return groups_change(choose_three, args);
}

/* ---- the rest ---- */

static long ids_store(const struct syscall_args *args, struct ids ids)
{
	if (put_user_u32(args->rdi, ids.real) || put_user_u32(args->rsi, ids.effective) ||
	    put_user_u32(args->rdx, ids.saved))
		return -EFAULT;
	return 0;
}

long sys_getresuid(const struct syscall_args *args)
{
	return ids_store(args, users());
}

long sys_getresgid(const struct syscall_args *args)
{
	return ids_store(args, groups());
}

/* These two answer with the old id, whether or not it changed. */
long sys_setfsuid(const struct syscall_args *args)
{
	uint32_t id = (uint32_t)args->rdi;

	spin_lock(&process_tree_lock);
	struct credentials changed = *mine();
	uint32_t old = changed.fsuid;

	changed.fsuid = id;
	if (id != KEEP && (process_is_privileged() || id == old || is_one_of(id, users())))
		process_set_credentials(&changed);
	spin_unlock(&process_tree_lock);
	return old;
}

long sys_setfsgid(const struct syscall_args *args)
{
	uint32_t id = (uint32_t)args->rdi;

	spin_lock(&process_tree_lock);
	struct credentials changed = *mine();
	uint32_t old = changed.fsgid;

	changed.fsgid = id;
	if (id != KEEP && (process_is_privileged() || id == old || is_one_of(id, groups())))
		process_set_credentials(&changed);
	spin_unlock(&process_tree_lock);
	return old;
}

long sys_getgroups(const struct syscall_args *args)
{
	uint32_t count = mine()->group_count;
	int room = (int)args->rdi;

	if (room < 0)
		return -EINVAL;
	if (room == 0)
		return count;
	if ((uint32_t)room < count)
		return -EINVAL;
	if (copy_to_user(args->rsi, mine()->groups, count * sizeof(mine()->groups[0])))
		return -EFAULT;
	return count;
}

long sys_setgroups(const struct syscall_args *args)
{
	uint64_t count = (uint32_t)args->rdi;
	uint32_t groups[GROUPS_MAX];

	if (!process_is_privileged())
		return -EPERM;
	if (count > GROUPS_MAX)
		return -EINVAL;
	if (copy_from_user(groups, args->rsi, count * sizeof(groups[0])))
		return -EFAULT;

	spin_lock(&process_tree_lock);
	struct credentials changed = *mine();
	int err = process_is_privileged() ? 0 : -EPERM;

	memcpy(changed.groups, groups, count * sizeof(groups[0]));
	changed.group_count = (uint32_t)count;
	if (!err)
		process_set_credentials(&changed);
	spin_unlock(&process_tree_lock);
	return err;
}
