/* SPDX-License-Identifier: MIT */
/*
 * kernel/uts.c - what the system calls itself.
 *
 * Owns: the host's name, which can be changed; the rest is constant.
 * Locks: uts_lock.
 */

#include "kernel/uts.h"
#include "lib/abi/errno.h"
#include "lib/string.h"
#include "kernel/spinlock.h"

static struct spinlock uts_lock = SPINLOCK_INIT(RANK_SIGNAL);
static struct abi_utsname uts = {               /* [uts_lock] */
	.sysname = UTS_SYSNAME,
	.nodename = "cowbell",
	.release = UTS_RELEASE,
	.version = UTS_VERSION,
	.machine = UTS_MACHINE,
	.domainname = "(none)",
};

void uts_read(struct abi_utsname *out)
{
	spin_lock(&uts_lock);
	*out = uts;
	spin_unlock(&uts_lock);
}

int uts_set_nodename(const char *name, size_t len)
{
	if (len >= sizeof(uts.nodename))
		return -EINVAL;
	spin_lock(&uts_lock);
	memset(uts.nodename, 0, sizeof(uts.nodename));
	memcpy(uts.nodename, name, len);
	spin_unlock(&uts_lock);
	return 0;
}
