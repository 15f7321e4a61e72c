/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/numbers.h"

#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/proctext.h"

/*
 * v1 has its own names for some, and "total_" before those that count the
 * groups below too. NULL: it has no such row.
 */
static const struct {
	const char *v1, *v2;
} rows[NUMBERS_MEM] = {
	[NUMBERS_ANON] = { "total_rss", "anon" },
	[NUMBERS_FILE] = { "total_cache", "file" },
	[NUMBERS_KERNEL] = { NULL, "kernel" },
	[NUMBERS_KERNEL_STACK] = { NULL, "kernel_stack" },
	[NUMBERS_PAGETABLES] = { NULL, "pagetables" },
	[NUMBERS_SEC_PAGETABLES] = { NULL, "sec_pagetables" },
	[NUMBERS_PERCPU] = { NULL, "percpu" },
	[NUMBERS_SOCK] = { NULL, "sock" },
	[NUMBERS_VMALLOC] = { NULL, "vmalloc" },
	[NUMBERS_SHMEM] = { "total_shmem", "shmem" },
	[NUMBERS_ZSWAP] = { NULL, "zswap" },
	[NUMBERS_ZSWAPPED] = { NULL, "zswapped" },
	[NUMBERS_MAPPED] = { "total_mapped_file", "file_mapped" },
	[NUMBERS_DIRTY] = { "total_dirty", "file_dirty" },
	[NUMBERS_WRITEBACK] = { "total_writeback", "file_writeback" },
	[NUMBERS_SWAPCACHED] = { "total_swapcached", "swapcached" },
	[NUMBERS_ANON_THP] = { "total_rss_huge", "anon_thp" },
	[NUMBERS_FILE_THP] = { NULL, "file_thp" },
	[NUMBERS_SHMEM_THP] = { NULL, "shmem_thp" },
	[NUMBERS_INACTIVE_ANON] = { "total_inactive_anon", "inactive_anon" },
	[NUMBERS_ACTIVE_ANON] = { "total_active_anon", "active_anon" },
	[NUMBERS_INACTIVE_FILE] = { "total_inactive_file", "inactive_file" },
	[NUMBERS_ACTIVE_FILE] = { "total_active_file", "active_file" },
	[NUMBERS_UNEVICTABLE] = { "total_unevictable", "unevictable" },
	[NUMBERS_SLAB_RECLAIMABLE] = { NULL, "slab_reclaimable" },
	[NUMBERS_SLAB_UNRECLAIMABLE] = { NULL, "slab_unreclaimable" },
	[NUMBERS_SWAP] = { "total_swap", NULL },
	[NUMBERS_REFAULT_ANON] = { "total_workingset_refault_anon",
				   "workingset_refault_anon" },
	[NUMBERS_REFAULT_FILE] = { "total_workingset_refault_file",
				   "workingset_refault_file" },
	[NUMBERS_ACTIVATE_ANON] = { NULL, "workingset_activate_anon" },
	[NUMBERS_ACTIVATE_FILE] = { NULL, "workingset_activate_file" },
	[NUMBERS_RESTORE_ANON] = { NULL, "workingset_restore_anon" },
	[NUMBERS_RESTORE_FILE] = { NULL, "workingset_restore_file" },
	[NUMBERS_NODERECLAIM] = { NULL, "workingset_nodereclaim" },
	[NUMBERS_PGSCAN_KSWAPD] = { NULL, "pgscan_kswapd" },
	[NUMBERS_PGSCAN_DIRECT] = { NULL, "pgscan_direct" },
	[NUMBERS_PGSTEAL_KSWAPD] = { NULL, "pgsteal_kswapd" },
	[NUMBERS_PGSTEAL_DIRECT] = { NULL, "pgsteal_direct" },
	[NUMBERS_PGFAULT] = { "total_pgfault", "pgfault" },
	[NUMBERS_PGMAJFAULT] = { "total_pgmajfault", "pgmajfault" },
	[NUMBERS_PGREFILL] = { NULL, "pgrefill" },
	[NUMBERS_PGACTIVATE] = { NULL, "pgactivate" },
	[NUMBERS_PGDEACTIVATE] = { NULL, "pgdeactivate" },
	[NUMBERS_PSWPIN] = { NULL, "pswpin" },
	[NUMBERS_PSWPOUT] = { NULL, "pswpout" },
	[NUMBERS_THP_FAULT] = { NULL, "thp_fault_alloc" },
	[NUMBERS_THP_COLLAPSE] = { NULL, "thp_collapse_alloc" },
};

static unsigned find_row(const struct proctext *key, bool v2)
{
	for (unsigned i = 0; i < NUMBERS_MEM; i++) {
		const char *name = v2 ? rows[i].v2 : rows[i].v1;

		if (name && proctext_is(key, name))
			return i;
	}
	return NUMBERS_MEM;
}

void numbers_parse_mem(const char *text, bool v2, uint64_t out[NUMBERS_MEM])
{
	struct proctext line, key, value;

	memset(out, 0, sizeof(*out) * NUMBERS_MEM);
	while (proctext_line(&text, &line)) {
		unsigned row;
		uint64_t v;

		if (!proctext_word(&line, &key) ||
		    !proctext_word(&line, &value) || !proctext_u64(&value, &v))
			continue;
		row = find_row(&key, v2);
		if (row < NUMBERS_MEM)
			out[row] = v;
	}
}

static uint64_t key_us(const char *text, const char *key)
{
	uint64_t us = 0;

	proctext_key(text, key, &us);
	return proctext_scale(us, 1000, 1);
}

void numbers_parse_cpu(const char *text, struct cpuacc_used *out)
{
	out->user = key_us(text, "user_usec");
	out->system = key_us(text, "system_usec");
	out->nice = proctext_min(key_us(text, "nice_usec"), out->user);
	out->user -= out->nice;
}

uint64_t numbers_parse_throttled(const char *text)
{
	uint64_t ns;

	return proctext_key(text, "throttled_time", &ns)
		       ? ns
		       : key_us(text, "throttled_usec");
}

uint32_t numbers_parse_usage(const char *text, uint64_t (*out)[2], uint32_t max)
{
	struct proctext line, word[3];
	uint32_t n = 0;

	memset(out, 0, max * sizeof(*out));
	while (proctext_line(&text, &line)) {
		uint64_t v[3];
		unsigned i = 0;

		while (i < 3 && proctext_word(&line, &word[i]) &&
		       proctext_u64(&word[i], &v[i]))
			i++;
		if (i < 3 || v[0] >= max)
			continue;
		out[v[0]][0] = v[1];
		out[v[0]][1] = v[2];
		if (v[0] >= n)
			n = (uint32_t)v[0] + 1;
	}
	return n;
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void add_word(const struct proctext *word, struct numbers_io *out)
{
	const struct {
		const char *key;
		uint64_t *to;
	} keys[] = {
		{ "rbytes=", &out->read },	{ "wbytes=", &out->written },
		{ "dbytes=", &out->discarded }, { "rios=", &out->reads },
		{ "wios=", &out->writes },	{ "dios=", &out->discards },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t len = strlen(keys[i].key);
		struct proctext value = { word->s + len, word->len - len };
		uint64_t v;

		if (word->len > len && !memcmp(word->s, keys[i].key, len) &&
		    proctext_u64(&value, &v))
			*keys[i].to += v;
	}
}

/*
 * Devices that lie on others (loop, dm) count what passes them, and so do
 * those below: the sum is what was asked for at every level.
 */
void numbers_parse_io(const char *text, struct numbers_io *out)
{
	struct proctext line, word;

	memset(out, 0, sizeof(*out));
	while (proctext_line(&text, &line))
		while (proctext_word(&line, &word))
			add_word(&word, out);
}

/* "8:0 Read 12" lines; "Total 12" at the end. */
static void add_v1(const char *text, uint64_t *read, uint64_t *write,
		   uint64_t *discard)
{
	struct proctext line, dev, what, value;

	while (proctext_line(&text, &line)) {
		uint64_t v;

		if (!proctext_word(&line, &dev) ||
		    !proctext_word(&line, &what) ||
		    !proctext_word(&line, &value) || !proctext_u64(&value, &v))
			continue;
		if (proctext_is(&what, "Read"))
			*read += v;
		else if (proctext_is(&what, "Write"))
			*write += v;
		else if (proctext_is(&what, "Discard"))
			*discard += v;
	}
}

void numbers_parse_io_v1(const char *bytes, const char *ops,
			 struct numbers_io *out)
{
	memset(out, 0, sizeof(*out));
	add_v1(bytes, &out->read, &out->written, &out->discarded);
	add_v1(ops, &out->reads, &out->writes, &out->discards);
}
