/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/jailmask.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/ct/jailmount.h"

enum how {
	HIDE,	  /* null over a file, an empty directory over a directory */
	READONLY, /* it, and what is below */
	WRITABLE, /* again, below something read-only */
};

enum when {
	ALWAYS,
	HOSTROOT,     /* its root is the host's: no user namespace */
	HOSTROOT_NET, /* and it has a network of its own */
};

struct rule {
	enum how how;
	enum when when;
	const char *path;
};

/*
 * Files of 0400 are hidden from the host's root only; nobody else's opens them.
 * In a user namespace the kernel lets its root write the sysctls that are its
 * own namespaces', and no others: /proc/sys is left to it.
 */
static const struct rule proc_rules[] = {
	{ HIDE, ALWAYS, "acpi" },
	{ HIDE, ALWAYS, "asound" },
	{ HIDE, ALWAYS, "kcore" },
	{ HIDE, ALWAYS, "keys" },
	{ HIDE, ALWAYS, "key-users" },
	{ HIDE, HOSTROOT, "kpagecgroup" },
	{ HIDE, HOSTROOT, "kpagecount" },
	{ HIDE, HOSTROOT, "kpageflags" },
	{ HIDE, ALWAYS, "latency_stats" },
	{ HIDE, ALWAYS, "sched_debug" },
	{ HIDE, ALWAYS, "scsi" },
	{ HIDE, ALWAYS, "timer_list" },
	{ HIDE, ALWAYS, "timer_stats" },
	{ HIDE, HOSTROOT, "vmallocinfo" },
	{ READONLY, ALWAYS, "bus" },
	{ READONLY, ALWAYS, "driver" },
	{ READONLY, ALWAYS, "dynamic_debug" },
	{ READONLY, ALWAYS, "fs" },
	{ READONLY, ALWAYS, "irq" },
	{ READONLY, ALWAYS, "mtrr" },
	{ READONLY, ALWAYS, "sysrq-trigger" },
	{ READONLY, HOSTROOT, "sys" },
	{ WRITABLE, HOSTROOT_NET, "sys/net" },
	{ WRITABLE, HOSTROOT, "sys/fs/mqueue" },
	{ WRITABLE, HOSTROOT, "sys/kernel/auto_msgmni" },
	{ WRITABLE, HOSTROOT, "sys/kernel/domainname" },
	{ WRITABLE, HOSTROOT, "sys/kernel/hostname" },
	{ WRITABLE, HOSTROOT, "sys/kernel/msgmax" },
	{ WRITABLE, HOSTROOT, "sys/kernel/msgmnb" },
	{ WRITABLE, HOSTROOT, "sys/kernel/msgmni" },
	{ WRITABLE, HOSTROOT, "sys/kernel/msg_next_id" },
	{ WRITABLE, HOSTROOT, "sys/kernel/sem" },
	{ WRITABLE, HOSTROOT, "sys/kernel/sem_next_id" },
	{ WRITABLE, HOSTROOT, "sys/kernel/shm_next_id" },
	{ WRITABLE, HOSTROOT, "sys/kernel/shm_rmid_forced" },
	{ WRITABLE, HOSTROOT, "sys/kernel/shmall" },
	{ WRITABLE, HOSTROOT, "sys/kernel/shmmax" },
	{ WRITABLE, HOSTROOT, "sys/kernel/shmmni" },
};

/*
 * The mount itself is read-only already, and a new one has nothing on it. Disks
 * are the host's everywhere; /sys/block becomes its own (fs/proc/procfiles.h).
 */
static const struct rule sys_rules[] = {
	{ HIDE, ALWAYS, "class/block" },
	{ HIDE, ALWAYS, "dev/block" },
	{ HIDE, ALWAYS, "devices/virtual/block" },
	{ HIDE, ALWAYS, "devices/virtual/powercap" },
	{ HIDE, ALWAYS, "firmware" },
	{ HIDE, ALWAYS, "hypervisor" },
};

static bool applies(const struct spec *s, enum when when)
{
	switch (when) {
	case HOSTROOT:
		return s->count == 0;
	case HOSTROOT_NET:
		return s->count == 0 && s->net.mode != SPEC_NET_HOST;
	default:
		return true;
	}
}

/* What goes over `at`: null, or an empty directory, which is made once. */
static int cover(int at, int dev, const int *empty)
{
	static const struct jailmount_option option[] = {
		{ "mode", "0555" },
		{ "nr_inodes", "2" },
		{ NULL, NULL },
	};
	_cleanup_close_ int null = -1;
	struct stat st = { .st_mode = 0 };
	int r = fdio_stat(at, &st);

	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode)) {
		null = jailmount_open(dev, "null", O_PATH);
		return null < 0 ? null : jailmount_clone(null);
	}
	if (*empty >= 0)
		return jailmount_clone(*empty);
	return jailmount_new("tmpfs",
			     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
				     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			     option);
}

static int apply(const struct rule *rule, int top, int dev, int *empty)
{
	_cleanup_close_ int at = jailmount_open(top, rule->path, O_PATH);
	_cleanup_close_ int mount = -1;
	struct stat st = { .st_mode = 0 };
	int r;

	if (at == -ENOENT) /* not in this kernel */
		return 0;
	if (at < 0)
		return at;
	mount = rule->how == HIDE ? cover(at, dev, empty) : jailmount_clone(at);
	if (mount < 0)
		return mount;
	if (rule->how == READONLY)
		r = jailmount_attr(mount, MOUNT_ATTR_RDONLY, 0);
	else if (rule->how == WRITABLE)
		r = jailmount_attr(mount, 0, MOUNT_ATTR_RDONLY);
	else
		r = fdio_stat(mount, &st);
	if (r == 0)
		r = jailmount_attach(mount, at);
	/* only an attached one can be cloned */
	if (r == 0 && rule->how == HIDE && *empty < 0 && S_ISDIR(st.st_mode))
		*empty = TAKE_FD(mount);
	return r;
}

int jailmask_apply(const struct spec *s, int proc, int sys, int dev,
		   struct why *why)
{
	const struct {
		int top;
		const char *name;
		const struct rule *rule;
		size_t n;
	} table[] = {
		{ proc, "/proc", proc_rules, ARRAY_SIZE(proc_rules) },
		{ sys, "/sys", sys_rules, ARRAY_SIZE(sys_rules) },
	};
	_cleanup_close_ int empty = -1;

	for (size_t t = 0; t < ARRAY_SIZE(table); t++)
		for (size_t i = 0; i < table[t].n; i++) {
			const struct rule *rule = &table[t].rule[i];
			int r = 0;

			if (applies(s, rule->when))
				r = apply(rule, table[t].top, dev, &empty);
			if (r < 0)
				return why_sys(why, r, "cannot cover %s/%s",
					       table[t].name, rule->path);
		}
	return 0;
}
