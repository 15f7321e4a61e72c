/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/notifyabi.h"

#include <linux/audit.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "fs/base/cleanup.h"

/* clang-format off */
const struct notifyabi notifyabi_table[] = {
#if defined(__x86_64__) || defined(__i386__)
	/* The bit is x32's, whose structures are those of 64 bits. */
	{ AUDIT_ARCH_X86_64, 0x40000000, false, false, { 179, 443, 99, 204 } },
	{ AUDIT_ARCH_I386, 0, true, true, { 131, 443, 116, 242 } },
#elif defined(__aarch64__) || defined(__arm__)
	{ AUDIT_ARCH_AARCH64, 0, false, false, { 60, 443, 179, 123 } },
	{ AUDIT_ARCH_ARM, 0, true, false, { 131, 443, 116, 242 } },
#else
#error "the numbers of this machine's system calls are missing here"
#endif
};
/* clang-format on */
const size_t notifyabi_count = ARRAY_SIZE(notifyabi_table);

const struct notifyabi *notifyabi_find(uint32_t arch)
{
	for (size_t i = 0; i < notifyabi_count; i++)
		if (notifyabi_table[i].arch == arch)
			return &notifyabi_table[i];
	return NULL;
}

enum notifyabi_call notifyabi_call(const struct notifyabi *abi, int nr)
{
	for (int i = 0; i < NOTIFYABI_CALLS; i++)
		if (abi->nr[i] == ((uint32_t)nr & ~abi->mask))
			return (enum notifyabi_call)i;
	return NOTIFYABI_NONE;
}

/* sysinfo */

struct narrow_sysinfo {
	int32_t uptime;
	uint32_t load[3];
	uint32_t total_ram, free_ram, shared_ram, buffer_ram;
	uint32_t total_swap, free_swap;
	uint16_t procs, pad;
	uint32_t total_high, free_high, unit;
	uint8_t rest[8];
};

_Static_assert(sizeof(struct narrow_sysinfo) == 64, "the kernel's size");
_Static_assert(sizeof(struct sysinfo) <= NOTIFYABI_BYTES, "it fits");

static uint16_t procs_of(const struct notifyabi_sysinfo *s)
{
	return s->procs < UINT16_MAX ? (uint16_t)s->procs : UINT16_MAX;
}

static uint32_t shifted(uint64_t bytes, unsigned bits)
{
	bytes >>= bits;
	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* In units as small as they can be, up to a page. */
static size_t put_narrow(const struct notifyabi_sysinfo *s, unsigned char *buf)
{
	unsigned bits = 0;
	struct narrow_sysinfo n;

	if (s->total_ram > UINT32_MAX || s->total_swap > UINT32_MAX)
		bits = 12;
	n = (struct narrow_sysinfo){
		.uptime = s->uptime < INT32_MAX ? (int32_t)s->uptime
						: INT32_MAX,
		.load = { s->load[0], s->load[1], s->load[2] },
		.total_ram = shifted(s->total_ram, bits),
		.free_ram = shifted(s->free_ram, bits),
		.shared_ram = shifted(s->shared_ram, bits),
		.buffer_ram = shifted(s->buffer_ram, bits),
		.total_swap = shifted(s->total_swap, bits),
		.free_swap = shifted(s->free_swap, bits),
		.procs = procs_of(s),
		.unit = 1u << bits,
	};
	memcpy(buf, &n, sizeof(n));
	return sizeof(n);
}

size_t notifyabi_put_sysinfo(const struct notifyabi *abi,
			     const struct notifyabi_sysinfo *s,
			     unsigned char buf[NOTIFYABI_BYTES])
{
	struct sysinfo w;

	if (abi->narrow)
		return put_narrow(s, buf);
	memset(&w, 0, sizeof(w));
	w.uptime = s->uptime;
	for (int i = 0; i < 3; i++)
		w.loads[i] = s->load[i];
	w.totalram = s->total_ram;
	w.freeram = s->free_ram;
	w.sharedram = s->shared_ram;
	w.bufferram = s->buffer_ram;
	w.totalswap = s->total_swap;
	w.freeswap = s->free_swap;
	w.procs = procs_of(s);
	w.mem_unit = 1;
	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

/* Q_XGETQSTAT */

struct packed_file {
	uint64_t ino, blocks;
	uint32_t extents;
} __attribute__((packed, aligned(4)));

struct packed_state {
	int8_t version;
	uint16_t flags;
	int8_t pad;
	struct packed_file user, group;
	uint32_t in_core;
	int32_t block_grace, inode_grace, rt_grace;
	uint16_t block_warnings, inode_warnings;
};

_Static_assert(sizeof(struct packed_state) == 68, "the kernel's size");
_Static_assert(sizeof(struct fs_quota_stat) <= NOTIFYABI_BYTES, "it fits");

static struct packed_file pack_file(const fs_qfilestat_t *f)
{
	return (struct packed_file){ .ino = f->qfs_ino,
				     .blocks = f->qfs_nblks,
				     .extents = f->qfs_nextents };
}

size_t notifyabi_put_state(const struct notifyabi *abi,
			   const struct fs_quota_stat *s,
			   unsigned char buf[NOTIFYABI_BYTES])
{
	struct packed_state p;

	if (!abi->packed) {
		memcpy(buf, s, sizeof(*s));
		return sizeof(*s);
	}
	memset(&p, 0, sizeof(p));
	p.version = s->qs_version;
	p.flags = s->qs_flags;
	p.user = pack_file(&s->qs_uquota);
	p.group = pack_file(&s->qs_gquota);
	p.in_core = s->qs_incoredqs;
	p.block_grace = s->qs_btimelimit;
	p.inode_grace = s->qs_itimelimit;
	p.rt_grace = s->qs_rtbtimelimit;
	p.block_warnings = s->qs_bwarnlimit;
	p.inode_warnings = s->qs_iwarnlimit;
	memcpy(buf, &p, sizeof(p));
	return sizeof(p);
}

size_t notifyabi_dqblk_size(const struct notifyabi *abi)
{
	return abi->packed ? 68 : 72;
}
