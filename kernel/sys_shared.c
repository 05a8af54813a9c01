/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_shared.c - system calls on memory that is shared under a descriptor or a number.
 *
 * See: memfd_create(2), shmget(2), shmop(2), shmctl(2).
 */
#include "kernel/syscall.h"
#include "arch/x86_64/usercopy.h"
#include "lib/abi/errno.h"
#include "lib/abi/mman.h"
#include "lib/string.h"
#include "fs/fdtable.h"
#include "fs/memfd.h"
#include "kernel/at_name.h"
#include "kernel/shm.h"
#include "mm/slab.h"

enum { MEMFD_NAME_MAX = 249 };

static long install_memfd(const char *name, uint32_t flags)
{
	struct file *file;
	int err = memfd_create(name, flags & MFD_ALLOW_SEALING, &file);

	if (err)
		return err;
	int fd = fd_install(file, 0, flags & MFD_CLOEXEC);

	if (fd < 0)
		file_put(file);
	return fd;
}

long sys_memfd_create(const struct syscall_args *args)
{
	uint32_t flags = (uint32_t)args->rsi;
	char *name;

	if (flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	long result = name_from_user(&name, args->rdi);

	if (result)
		return result == -ENAMETOOLONG ? -EINVAL : result;
	result = strlen(name) <= MEMFD_NAME_MAX ? install_memfd(name, flags) : -EINVAL;
	kfree(name);
	return result;
}

long sys_shmget(const struct syscall_args *args)
{
	return shm_get((int32_t)args->rdi, args->rsi, (uint32_t)args->rdx);
}

long sys_shmat(const struct syscall_args *args)
{
	virt_t addr = 0;
	int err = shm_attach((int)args->rdi, args->rsi, (uint32_t)args->rdx, &addr);

	return err ? err : (long)addr;
}

long sys_shmdt(const struct syscall_args *args)
{
	return shm_detach(args->rdi);
}

static long control_stat(int id, unsigned command, virt_t to)
{
	struct abi_shmid_ds info;
	int result = shm_stat(id, command != IPC_STAT, command == SHM_STAT_ANY, &info);

	if (result >= 0 && copy_to_user(to, &info, sizeof(info)))
		return -EFAULT;
	return result;
}

static long control_set(int id, virt_t from)
{
	struct abi_shmid_ds wanted;

	return copy_from_user(&wanted, from, sizeof(wanted)) ? -EFAULT : shm_set(id, &wanted);
}

static long control_totals(bool is_limits, virt_t to)
{
	struct abi_shminfo limits;
	struct abi_shm_info totals;
	int place = is_limits ? shm_limits(&limits) : shm_totals(&totals);
	int err = is_limits ? copy_to_user(to, &limits, sizeof(limits)) :
		  copy_to_user(to, &totals, sizeof(totals));

	return err ? -EFAULT : place;
}

long sys_shmctl(const struct syscall_args *args)
{
	int id = (int)args->rdi;

	if (id < 0)
		return -EINVAL;
	switch ((unsigned)args->rsi) {
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return control_stat(id, (unsigned)args->rsi, args->rdx);
	case IPC_SET:
		return control_set(id, args->rdx);
	case IPC_RMID:
		return shm_remove(id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_lock(id);
	case IPC_INFO:
	case SHM_INFO:
		return control_totals(args->rsi == IPC_INFO, args->rdx);
	default:
		return -EINVAL;
	}
}
