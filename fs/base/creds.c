/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/creds.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int creds_thread_init(void)
{
	int bits;

	if (unshare(CLONE_FS) < 0)
		return -errno;
	umask(0);
	bits = prctl(PR_GET_SECUREBITS);
	if (bits < 0 ||
	    prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return -errno;
	return 0;
}

int creds_drop_resource(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	data[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective &=
		~CAP_TO_MASK(CAP_SYS_RESOURCE);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* A thread's own ids, asked for once: each time costs a system call. */
static _Thread_local struct {
	bool known;
	uid_t uid;
	gid_t gid;
} own;

void creds_enter(struct creds *saved, uid_t uid, gid_t gid, mode_t mask)
{
	if (!own.known) {
		own.uid = geteuid();
		own.gid = getegid();
		own.known = true;
	}
	saved->uid = uid != own.uid;
	saved->gid = gid != own.gid;
	saved->mask = mask != 0;
	if (saved->gid)
		setfsgid(gid);
	if (saved->uid)
		setfsuid(uid);
	if (saved->mask)
		umask(mask);
}

void creds_leave(const struct creds *saved)
{
	if (saved->uid)
		setfsuid(own.uid);
	if (saved->gid)
		setfsgid(own.gid);
	if (saved->mask)
		umask(0);
}
