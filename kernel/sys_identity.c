/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_identity.c - system calls on users and groups.
 *
 * Invariants: without privilege an id may only become what one of real, effective and saved is
 *             already. The ids for files follow the effective ones.
 * Locks:      none here: all ids change at once, in process_set_credentials().
 * See:        credentials(7), setresuid(2).
 */
#include "kernel/syscall.h"

#include "lib/abi/errno.h"
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

static void users_set(struct ids ids)
{
	struct credentials changed = *mine();

	changed.uid = ids.real;
	changed.euid = changed.fsuid = ids.effective;
	changed.suid = ids.saved;
	process_set_credentials(&changed);
}

static void groups_set(struct ids ids)
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

/* setuid, setgid: all three with privilege, else the effective one. */
static int ids_set_one(struct ids *ids, uint32_t id)
{
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
static int ids_set_two(struct ids *ids, uint32_t real, uint32_t effective)
{
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

static int ids_set_three(struct ids *ids, struct ids wanted)
{
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
	struct ids ids = users();
	int err = ids_set_one(&ids, (uint32_t)args->rdi);

	if (!err)
		users_set(ids);
	return err;
}

long sys_setgid(const struct syscall_args *args)
{
	struct ids ids = groups();
	int err = ids_set_one(&ids, (uint32_t)args->rdi);

	if (!err)
		groups_set(ids);
	return err;
}

long sys_setreuid(const struct syscall_args *args)
{
	struct ids ids = users();
	int err = ids_set_two(&ids, (uint32_t)args->rdi, (uint32_t)args->rsi);

	if (!err)
		users_set(ids);
	return err;
}

long sys_setregid(const struct syscall_args *args)
{
	struct ids ids = groups();
	int err = ids_set_two(&ids, (uint32_t)args->rdi, (uint32_t)args->rsi);

	if (!err)
		groups_set(ids);
	return err;
}

static struct ids ids_wanted(const struct syscall_args *args)
{
	return (struct ids){ (uint32_t)args->rdi, (uint32_t)args->rsi, (uint32_t)args->rdx };
}

long sys_setresuid(const struct syscall_args *args)
{
	struct ids ids = users();
	int err = ids_set_three(&ids, ids_wanted(args));

	if (!err)
		users_set(ids);
	return err;
}

long sys_setresgid(const struct syscall_args *args)
{
	struct ids ids = groups();
	int err = ids_set_three(&ids, ids_wanted(args));

	if (!err)
		groups_set(ids);
	return err;
}

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
	uint32_t id = (uint32_t)args->rdi, old = mine()->fsuid;
	struct credentials changed = *mine();

	changed.fsuid = id;
	if (id != KEEP && (process_is_privileged() || id == old || is_one_of(id, users())))
		process_set_credentials(&changed);
	return old;
}

long sys_setfsgid(const struct syscall_args *args)
{
	uint32_t id = (uint32_t)args->rdi, old = mine()->fsgid;
	struct credentials changed = *mine();

	changed.fsgid = id;
	if (id != KEEP && (process_is_privileged() || id == old || is_one_of(id, groups())))
		process_set_credentials(&changed);
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
	struct credentials changed = *mine();
	uint64_t count = (uint32_t)args->rdi;

	if (!process_is_privileged())
		return -EPERM;
	if (count > GROUPS_MAX)
		return -EINVAL;
	if (copy_from_user(changed.groups, args->rsi, count * sizeof(changed.groups[0])))
		return -EFAULT;
	changed.group_count = (uint32_t)count;
	process_set_credentials(&changed);
	return 0;
}
