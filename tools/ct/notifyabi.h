/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NOTIFYABI_H
#define VEFS_TOOLS_CT_NOTIFYABI_H

/*
 * notifyabi - the system calls that notify.h answers as each kind of caller
 * makes them: their numbers, and what they point to. Pure.
 */
#include <linux/dqblk_xfs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum notifyabi_call {
	NOTIFYABI_QUOTACTL,
	NOTIFYABI_QUOTACTL_FD,
	NOTIFYABI_SYSINFO,
	NOTIFYABI_AFFINITY,
	NOTIFYABI_CALLS,
	NOTIFYABI_NONE = NOTIFYABI_CALLS,
};

struct notifyabi {
	uint32_t arch; /* AUDIT_ARCH_* */
	uint32_t mask; /* bits of a number that choose a way, not a call */
	bool narrow;   /* pointers and longs of 32 bits */
	bool packed;   /* 64-bit fields at multiples of 4 */
	uint32_t nr[NOTIFYABI_CALLS];
};

/* All that a machine of this kind may meet. */
extern const struct notifyabi notifyabi_table[];
extern const size_t notifyabi_count;

/* NULL: unknown. */
const struct notifyabi *notifyabi_find(uint32_t arch);
enum notifyabi_call notifyabi_call(const struct notifyabi *abi, int nr);

/* An argument that is a pointer. */
static inline uint64_t notifyabi_pointer(const struct notifyabi *abi,
					 uint64_t arg)
{
	return abi->narrow ? (uint32_t)arg : arg;
}

/* What sysinfo(2) tells. */
struct notifyabi_sysinfo {
	int64_t uptime;	  /* s, in the caller's time namespace */
	uint32_t load[3]; /* 1, 5 and 15 minutes, fixed point 16.16 */
	/* bytes */
	uint64_t total_ram, free_ram, shared_ram, buffer_ram;
	uint64_t total_swap, free_swap;
	uint32_t procs;
};

/* Each fills `buf` as the caller expects it; the number of bytes. */
#define NOTIFYABI_BYTES 192u
size_t notifyabi_put_sysinfo(const struct notifyabi *abi,
			     const struct notifyabi_sysinfo *s,
			     unsigned char buf[NOTIFYABI_BYTES]);
size_t notifyabi_put_state(const struct notifyabi *abi,
			   const struct fs_quota_stat *s,
			   unsigned char buf[NOTIFYABI_BYTES]);

/* The size of its struct if_dqblk, whose end alone differs. */
size_t notifyabi_dqblk_size(const struct notifyabi *abi);

#endif
