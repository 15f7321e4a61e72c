/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/jailcaps.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "fs/base/cleanup.h"

#define BIT(cap) (UINT64_C(1) << (cap))

/*
 * In a user namespace nearly everything is its own and harmless. What is not
 * namespaced at all is taken away although the kernel would refuse it anyhow:
 * systemd and others look at the set to learn what they need not try.
 */
#define USERNS_NOT                                                             \
	(BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_TIME) |        \
	 BIT(CAP_MAC_ADMIN) | BIT(CAP_MAC_OVERRIDE) | BIT(CAP_SYSLOG) |        \
	 BIT(CAP_WAKE_ALARM) | BIT(CAP_BLOCK_SUSPEND) |                        \
	 BIT(CAP_AUDIT_CONTROL) | BIT(CAP_AUDIT_READ) | BIT(CAP_PERFMON) |     \
	 BIT(CAP_BPF))

/*
 * Without one its root is the host's. SYS_ADMIN would undo every mount that
 * holds it, MKNOD and DAC_READ_SEARCH lead to disks and by file handles to
 * the host's files, SYS_PTRACE into what is run inside from outside: given
 * only where the configuration says so. SYS_BOOT ends its own pid namespace,
 * nothing else; SYS_NICE, SYS_TTY_CONFIG and IPC_LOCK are what init systems
 * and databases use.
 */
#define HOSTROOT_HAS                                                           \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) |            \
	 BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | \
	 BIT(CAP_SETPCAP) | BIT(CAP_SETFCAP) | BIT(CAP_NET_BIND_SERVICE) |     \
	 BIT(CAP_NET_RAW) | BIT(CAP_IPC_LOCK) | BIT(CAP_IPC_OWNER) |           \
	 BIT(CAP_SYS_CHROOT) | BIT(CAP_SYS_BOOT) | BIT(CAP_SYS_NICE) |         \
	 BIT(CAP_SYS_TTY_CONFIG) | BIT(CAP_AUDIT_WRITE) | BIT(CAP_LEASE))

uint64_t jailcaps_usual(const struct spec *s)
{
	uint64_t caps = HOSTROOT_HAS;

	if (s->count > 0)
		return (BIT(CAP_LAST_CAP) | (BIT(CAP_LAST_CAP) - 1)) &
		       ~USERNS_NOT;
	if (s->net.mode != SPEC_NET_HOST)
		caps |= BIT(CAP_NET_ADMIN) | BIT(CAP_NET_BROADCAST);
	return caps;
}

int jailcaps_parse(const char *word)
{
	char name[64];
	cap_value_t cap;
	int n;

	if (!strncasecmp(word, "cap_", 4))
		word += 4;
	/* the library would take numbers, and stop at a comma */
	for (const char *p = word; *p; p++)
		if (!isalpha((unsigned char)*p) && *p != '_')
			return -EINVAL;
	n = snprintf(name, sizeof(name), "cap_%s", word);
	if (n >= (int)sizeof(name) || cap_from_name(name, &cap) < 0)
		return -EINVAL;
	return cap >= 0 && cap <= CAP_LAST_CAP ? cap : -EINVAL;
}

/* Exactly `caps` of what this process has; nothing to be inherited. */
static int have(uint64_t caps)
{
	cap_t set = cap_init();
	int r = 0;

	if (!set)
		return -errno;
	for (cap_value_t c = 0; r == 0 && c < cap_max_bits(); c++) {
		bool wanted = c < 64 && (caps & BIT(c));

		if (wanted &&
		    (cap_set_flag(set, CAP_PERMITTED, 1, &c, CAP_SET) < 0 ||
		     cap_set_flag(set, CAP_EFFECTIVE, 1, &c, CAP_SET) < 0))
			r = -errno;
	}
	if (r == 0 && cap_set_proc(set) < 0)
		r = -errno;
	cap_free(set);
	return r;
}

/* Those of the bounding set that this process has too. */
static int bounded(uint64_t *caps)
{
	cap_t set = cap_get_proc();

	if (!set)
		return -errno;
	*caps = 0;
	for (cap_value_t c = 0; c < cap_max_bits() && c < 64; c++) {
		cap_flag_value_t on = CAP_CLEAR;

		if (cap_get_bound(c) == 1 &&
		    !cap_get_flag(set, c, CAP_PERMITTED, &on) && on == CAP_SET)
			*caps |= BIT(c);
	}
	cap_free(set);
	return 0;
}

int jailcaps_apply(const struct spec *s, struct why *why)
{
	uint64_t keep = (jailcaps_usual(s) | s->caps_add) & ~s->caps_drop;
	uint64_t has = 0;
	int r;

	if (cap_reset_ambient() < 0 && errno != EINVAL)
		return why_sys(why, -errno,
			       "cannot clear the ambient capabilities");
	for (cap_value_t c = 0; c < cap_max_bits(); c++) {
		if (c < 64 && (keep & BIT(c)))
			continue;
		if (cap_drop_bound(c) < 0)
			return why_sys(why, -errno, "cannot drop capability %d",
				       (int)c);
	}
	r = bounded(&has);
	if (r == 0)
		r = have(has | BIT(CAP_SYS_ADMIN));
	if (r < 0)
		return why_sys(why, r, "cannot set the capabilities");
	return 0;
}

int jailcaps_settle(struct why *why)
{
	uint64_t has = 0;
	int r = bounded(&has);

	if (r == 0)
		r = have(has);
	if (r < 0)
		return why_sys(why, r, "cannot set the capabilities");
	return 0;
}
